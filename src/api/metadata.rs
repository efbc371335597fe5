//! What an issuer publishes about itself (OIDC Discovery 1.0 §3, RFC 8414 §2), as far as tokens need it.
//!
//! Invariant: a document counts only for the issuer that it names itself, byte for byte.

use std::sync::Arc;

use http::HeaderValue;
use serde::Deserialize;
use url::Url;

use super::issuer_rules::may_be_fetched;
use crate::jose::SignatureAlgorithm;
use crate::outbound::{DocumentCache, DocumentRules, FetchFault, FetchObserver};
use crate::ports::Clock;

/// No document is larger, in bytes.
const LARGEST: usize = 256 * 1024;

/// The members that are used. Others are ignored.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct IssuerMetadata {
    issuer: Box<str>,
    jwks_uri: Url,
    #[serde(default)]
    id_token_signing_alg_values_supported: Vec<String>,
}

/// Documents, each kept by its address.
pub(super) fn cache(
    clock: Arc<dyn Clock>,
    observer: Arc<dyn FetchObserver>,
) -> DocumentCache<IssuerMetadata> {
    let rules = DocumentRules {
        accept: HeaderValue::from_static("application/json"),
        max_body: LARGEST,
        parse: Box::new(|document| {
            serde_json::from_slice(document).map_err(|error| error.to_string())
        }),
    };
    DocumentCache::new(rules, clock, observer)
}

impl IssuerMetadata {
    /// Where the keys of `issuer` are, and with what they sign: what was `configured`, else RS256 where it is
    /// listed or nothing is, else the only one that is listed. The list is of ID tokens; issuers publish none of
    /// access tokens, and sign both alike.
    ///
    /// # Errors
    /// A document of somebody else (OIDC Discovery 1.0 §4.3), keys at no address, or no one algorithm.
    pub(super) fn keys_of(
        &self,
        issuer: &str,
        configured: Option<SignatureAlgorithm>,
        loopback_allowed: bool,
    ) -> Result<(&Url, SignatureAlgorithm), FetchFault> {
        if *self.issuer != *issuer {
            let text = format!(
                "it is of issuer {:?}, not {issuer:?}: trust the issuer under the name that it gives itself",
                shortened(&self.issuer)
            );
            return Err(FetchFault::Unreadable(text.into()));
        }
        if !may_be_fetched(&self.jwks_uri, loopback_allowed) {
            let address = shortened(self.jwks_uri.as_str());
            let text = format!("its keys are at {address:?}, which is no https address");
            return Err(FetchFault::Unreadable(text.into()));
        }
        let algorithm = configured.or_else(|| self.algorithm()).ok_or_else(|| {
            let listed = self.id_token_signing_alg_values_supported.join(", ");
            let text = format!(
                "it lists the algorithms {:?}: say which one it is with `IssuerRules::algorithm`",
                shortened(&listed)
            );
            FetchFault::Unreadable(text.into())
        })?;
        Ok((&self.jwks_uri, algorithm))
    }

    fn algorithm(&self) -> Option<SignatureAlgorithm> {
        let listed = &self.id_token_signing_alg_values_supported;
        if listed.is_empty() || listed.iter().any(|algorithm| algorithm == "RS256") {
            return Some(SignatureAlgorithm::Rs256);
        }
        let mut usable = listed.iter().filter_map(|algorithm| algorithm.parse().ok());
        match (usable.next(), usable.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
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
        let found = metadata.keys_of("https://issuer.example", configured, false);
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
        let refused = found.keys_of("https://issuer.example", None, true);
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
            metadata.keys_of("i", None, loopback_allowed).is_ok(),
            expected
        );
    }
}
