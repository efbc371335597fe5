//! Where the keys of an issuer are, and with what they sign, by what it publishes about itself.
//!
//! Invariant: a document counts only for the issuer that it names itself, byte for byte.

use url::Url;

use super::issuer_rules::may_be_fetched;
use crate::jose::{IssuerMetadata, SignatureAlgorithm};
use crate::outbound::FetchFault;

/// Where the keys of `issuer` are, and with what they sign: what was `configured`, else RS256 where it is
/// listed or nothing is, else the only one that is listed. The list is of ID tokens; issuers publish none of
/// access tokens, and sign both alike.
///
/// # Errors
/// A document of somebody else (OIDC Discovery 1.0 §4.3), keys at no address, or no one algorithm.
pub(super) fn keys_of<'m>(
    metadata: &'m IssuerMetadata,
    issuer: &str,
    configured: Option<SignatureAlgorithm>,
    loopback_allowed: bool,
) -> Result<(&'m Url, SignatureAlgorithm), FetchFault> {
    if *metadata.issuer != *issuer {
        let text = format!(
            "it is of issuer {:?}, not {issuer:?}: trust the issuer under the name that it gives itself",
            shortened(&metadata.issuer)
        );
        return Err(FetchFault::Unreadable(text.into()));
    }
    let Some(jwks_uri) = &metadata.jwks_uri else {
        return Err(FetchFault::Unreadable(
            "it does not say where its keys are (`jwks_uri`)".into(),
        ));
    };
    if !may_be_fetched(jwks_uri, loopback_allowed) {
        let address = shortened(jwks_uri.as_str());
        let text = format!("its keys are at {address:?}, which is no https address");
        return Err(FetchFault::Unreadable(text.into()));
    }
    let algorithm = configured.or_else(|| algorithm(metadata)).ok_or_else(|| {
        let listed = metadata.id_token_signing_alg_values_supported.join(", ");
        let text = format!(
            "it lists the algorithms {:?}: say which one it is with `IssuerRules::algorithm`",
            shortened(&listed)
        );
        FetchFault::Unreadable(text.into())
    })?;
    Ok((jwks_uri, algorithm))
}

fn algorithm(metadata: &IssuerMetadata) -> Option<SignatureAlgorithm> {
    let listed = &metadata.id_token_signing_alg_values_supported;
    if listed.is_empty() || listed.iter().any(|algorithm| algorithm == "RS256") {
        return Some(SignatureAlgorithm::Rs256);
    }
    let mut usable = listed.iter().filter_map(|algorithm| algorithm.parse().ok());
    match (usable.next(), usable.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// Fit for a line of a log.
fn shortened(text: &str) -> String {
    text.chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn metadata(issuer: &str, algorithms: Option<&[&str]>) -> IssuerMetadata {
        let mut document = json!({"issuer": issuer, "jwks_uri": "https://issuer.example/keys"});
        if let Some(algorithms) = algorithms {
            document["id_token_signing_alg_values_supported"] = json!(algorithms);
        }
        serde_json::from_value(document).expect("a document")
    }

    #[rstest]
    #[case::no_list(None, None, Some("RS256"))]
    #[case::empty_list(Some(&[] as &[&str]), None, Some("RS256"))]
    #[case::rs256_among_others(Some(&["ES256", "RS256", "HS256"] as &[&str]), None, Some("RS256"))]
    #[case::the_only_one(Some(&["ES256"] as &[&str]), None, Some("ES256"))]
    #[case::the_only_asymmetric_one(Some(&["HS256", "EdDSA", "none"] as &[&str]), None, Some("EdDSA"))]
    #[case::several(Some(&["ES256", "PS256"] as &[&str]), None, None)]
    #[case::only_a_secret(Some(&["HS256"] as &[&str]), None, None)]
    #[case::configured(Some(&["ES256", "PS256"] as &[&str]), Some(SignatureAlgorithm::Ps256), Some("PS256"))]
    #[case::configured_and_not_listed(Some(&["RS256"] as &[&str]), Some(SignatureAlgorithm::Es256), Some("ES256"))]
    fn one_algorithm_follows_or_none(
        #[case] listed: Option<&[&str]>,
        #[case] configured: Option<SignatureAlgorithm>,
        #[case] expected: Option<&str>,
    ) {
        let metadata = metadata("https://issuer.example", listed);
        let found = keys_of(&metadata, "https://issuer.example", configured, false);
        let found = found.map(|(_, algorithm)| algorithm.as_str()).ok();
        assert_eq!(found, expected);
    }

    #[rstest]
    #[case::slash("https://issuer.example/")]
    #[case::case("https://Issuer.example")]
    #[case::longer("https://issuer.example.attacker.example")]
    #[case::plain("http://issuer.example")]
    fn a_document_of_somebody_else_is_not_used(#[case] named: &str) {
        let found = metadata(named, None);
        let refused = keys_of(&found, "https://issuer.example", None, true);
        assert!(
            matches!(refused, Err(FetchFault::Unreadable(_))),
            "{refused:?}"
        );
    }

    #[rstest]
    #[case::https("https://keys.example/", false, true)]
    #[case::plain("http://127.0.0.1/", false, false)]
    #[case::plain_in_development("http://127.0.0.1/", true, true)]
    #[case::file("file:///etc/passwd", true, false)]
    #[case::no_host("data:,x", true, false)]
    fn keys_are_at_an_address(
        #[case] jwks_uri: &str,
        #[case] loopback_allowed: bool,
        #[case] expected: bool,
    ) {
        let document = json!({"issuer": "i", "jwks_uri": jwks_uri});
        let metadata: IssuerMetadata = serde_json::from_value(document).expect("a document");
        assert_eq!(
            keys_of(&metadata, "i", None, loopback_allowed).is_ok(),
            expected
        );
    }
}
