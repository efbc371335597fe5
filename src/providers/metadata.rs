//! What an OpenID Provider publishes about itself (OIDC Discovery 1.0 §3, RFC 8414 §2).
//!
//! Invariant: metadata is used only under the issuer that it names itself, byte for byte. Our own type,
//! because the libraries' require members that real providers leave out.

use std::sync::Arc;

use http::HeaderValue;
use serde::Deserialize;
use url::Url;

use crate::domain::client_authentication::ClientAuthentication;
use crate::domain::host::Host;
use crate::domain::upstream_provider::{ResponseMode, UpstreamProvider};
use crate::jose::SignatureAlgorithm;
use crate::outbound::{DocumentCache, DocumentRules, FetchObserver};
use crate::ports::Clock;

/// Largest discovery document, in bytes.
const LARGEST: usize = 256 * 1024;

/// Discovery documents, each kept by its address.
#[must_use]
pub fn metadata_cache(
    clock: Arc<dyn Clock>,
    observer: Arc<dyn FetchObserver>,
) -> DocumentCache<ProviderMetadata> {
    let rules = DocumentRules {
        accept: HeaderValue::from_static("application/json"),
        max_body: LARGEST,
        parse: Box::new(|document| {
            ProviderMetadata::parse(document).map_err(|fault| fault.to_string())
        }),
    };
    DocumentCache::new(rules, clock, observer)
}

/// The members we use. Others are ignored.
#[derive(Clone, Debug, Deserialize)]
pub struct ProviderMetadata {
    /// The issuer, as it stands.
    pub issuer: String,
    /// Where people are sent.
    pub authorization_endpoint: Url,
    /// Where codes are exchanged.
    pub token_endpoint: Url,
    /// Where the signing keys are.
    pub jwks_uri: Url,
    /// Where claims are (OIDC Core 1.0 §5.3).
    #[serde(default)]
    pub userinfo_endpoint: Option<Url>,
    /// Where people are signed out (OIDC RP-Initiated Logout 1.0 §3).
    #[serde(default)]
    pub end_session_endpoint: Option<Url>,
    /// Where tokens are revoked (RFC 8414 §2).
    #[serde(default)]
    pub revocation_endpoint: Option<Url>,
    /// Signature algorithms of ID tokens.
    #[serde(default)]
    id_token_signing_alg_values_supported: Vec<String>,
    /// Ways for a client to authenticate.
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    /// Kinds of PKCE challenges (RFC 8414 §2).
    #[serde(default)]
    code_challenge_methods_supported: Vec<String>,
    /// How answers can come (OAuth 2.0 Multiple Response Type Encoding Practices §2.1).
    #[serde(default)]
    response_modes_supported: Vec<String>,
    /// Whether `iss` is promised in the authorization response (RFC 9207 §3).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

/// What is wrong with a metadata document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataFault {
    /// Not JSON, or a required member is missing or of the wrong kind.
    #[error("the discovery document does not read as one: {0}")]
    Malformed(String),
    /// Somebody else's document (OIDC Discovery 1.0 §4.3).
    #[error(
        "the discovery document is of issuer `{found}`, not `{expected}`: set `issuer`, or what the preset makes it of, to \
         exactly what the provider calls itself"
    )]
    Issuer {
        /// As configured.
        expected: String,
        /// As found.
        found: String,
    },
    /// People would be sent somewhere that is no page.
    #[error("the discovery document sends people to `{0}`, which is no https address")]
    Endpoint(Url),
    /// There is no one algorithm to expect.
    #[error(
        "the provider lists the ID token algorithms {0}: set `id_token_algorithm` to the one it uses for this client"
    )]
    Algorithm(String),
}

impl ProviderMetadata {
    /// Reads a document.
    ///
    /// # Errors
    /// [`MetadataFault::Malformed`].
    pub fn parse(document: &[u8]) -> Result<Self, MetadataFault> {
        let metadata: Self = serde_json::from_slice(document)
            .map_err(|error| MetadataFault::Malformed(error.to_string()))?;
        // Plain http is for a provider on this machine, in development.
        let is_loopback = |url: &Url| Host::of(url).is_some_and(|host| host.is_loopback());
        let is_page =
            |url: &Url| url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url));
        let sent_to = [
            Some(&metadata.authorization_endpoint),
            metadata.end_session_endpoint.as_ref(),
        ];
        if let Some(url) = sent_to.into_iter().flatten().find(|url| !is_page(url)) {
            return Err(MetadataFault::Endpoint(url.clone()));
        }
        Ok(metadata)
    }

    /// The one algorithm to expect of ID tokens: the configured one, else RS256 where it is listed or
    /// nothing is (OIDC Core 1.0 §3.1.3.7, point 7), else the only asymmetric one.
    ///
    /// # Errors
    /// [`MetadataFault::Algorithm`], which names the setting.
    pub fn id_token_algorithm(
        &self,
        configured: Option<&str>,
    ) -> Result<SignatureAlgorithm, MetadataFault> {
        let listed = &self.id_token_signing_alg_values_supported;
        let unknown = |_| MetadataFault::Algorithm(listed.join(", "));
        if let Some(algorithm) = configured {
            return algorithm.parse().map_err(unknown);
        }
        if listed.is_empty() || listed.iter().any(|algorithm| algorithm == "RS256") {
            return "RS256".parse().map_err(unknown);
        }
        let mut usable = listed.iter().filter_map(|algorithm| algorithm.parse().ok());
        match (usable.next(), usable.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(MetadataFault::Algorithm(listed.join(", "))),
        }
    }

    /// Which ways of a login at `provider` its metadata do not list, in the words of the metadata. A list that is
    /// not there says nothing, and some providers' lists are not whole: `none` is often missing, so that whether a
    /// client without a secret is taken is only known to the token endpoint.
    #[must_use]
    pub fn unlisted(&self, provider: &UpstreamProvider) -> Vec<&'static str> {
        let lacks = |list: &[String], any_of: &[&str]| {
            !list.is_empty() && !list.iter().any(|listed| any_of.contains(&listed.as_str()))
        };
        let methods: &[&str] = match self.client_authentication(&provider.client_authentication) {
            ClientAuthentication::Basic | ClientAuthentication::Discovered => {
                &["client_secret_basic"]
            }
            ClientAuthentication::Post | ClientAuthentication::GeneratedSecret(_) => {
                &["client_secret_post"]
            }
            ClientAuthentication::Assertion(_) => &["private_key_jwt", "client_secret_jwt"],
        };
        let mode = match provider.response_mode {
            ResponseMode::Query => "query",
            ResponseMode::FormPost => "form_post",
        };
        let listed_methods = &self.token_endpoint_auth_methods_supported;
        let wanted: [(&[String], &[&'static str]); 3] = [
            (listed_methods, methods),
            (&self.code_challenge_methods_supported, &["S256"]),
            (&self.response_modes_supported, &[mode]),
        ];
        let asked = [!provider.has_no_credentials(), provider.pkce, true];
        wanted
            .into_iter()
            .zip(asked)
            .filter(|((list, any_of), asked)| *asked && lacks(list, any_of))
            .filter_map(|((_, any_of), _)| any_of.first().copied())
            .collect()
    }

    /// How to authenticate: as configured, else with the secret, by basic where that is listed or nothing is
    /// (OIDC Discovery 1.0 §3), else in the body.
    #[must_use]
    pub fn client_authentication(&self, configured: &ClientAuthentication) -> ClientAuthentication {
        let listed = &self.token_endpoint_auth_methods_supported;
        match configured {
            ClientAuthentication::Discovered
                if listed.is_empty()
                    || listed.iter().any(|method| method == "client_secret_basic") =>
            {
                ClientAuthentication::Basic
            }
            ClientAuthentication::Discovered => ClientAuthentication::Post,
            configured => configured.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn metadata(algorithms: &[&str], methods: &[&str]) -> ProviderMetadata {
        let document = json!({
            "issuer": "https://id.example",
            "authorization_endpoint": "https://id.example/authorize",
            "token_endpoint": "https://id.example/token",
            "jwks_uri": "https://id.example/keys",
            "id_token_signing_alg_values_supported": algorithms,
            "token_endpoint_auth_methods_supported": methods,
        });
        ProviderMetadata::parse(document.to_string().as_bytes()).expect("metadata")
    }

    #[rstest]
    #[case::script("javascript:alert(1)")]
    #[case::data("data:text/html,x")]
    #[case::plain_http("http://id.example/authorize")]
    fn people_are_sent_to_https_pages_only(#[case] endpoint: &str) {
        let document = json!({
            "issuer": "https://id.example",
            "authorization_endpoint": endpoint,
            "token_endpoint": "https://id.example/token",
            "jwks_uri": "https://id.example/keys",
        });
        let parsed = ProviderMetadata::parse(document.to_string().as_bytes());
        assert!(matches!(parsed, Err(MetadataFault::Endpoint(_))));
    }

    #[rstest]
    #[case::nothing_listed(&[], None, Some("RS256"))]
    #[case::the_default_wins(&["ES256", "RS256"], None, Some("RS256"))]
    #[case::the_only_one(&["ES256"], None, Some("ES256"))]
    #[case::symmetric_does_not_count(&["HS256", "ES256", "none"], None, Some("ES256"))]
    #[case::several(&["ES256", "PS256"], None, None)]
    #[case::only_symmetric(&["HS256"], None, None)]
    #[case::configured(&["ES256", "PS256"], Some("PS256"), Some("PS256"))]
    fn one_algorithm_is_expected(
        #[case] listed: &[&str],
        #[case] configured: Option<&str>,
        #[case] expected: Option<&str>,
    ) {
        let metadata = metadata(listed, &[]);
        let found = metadata.id_token_algorithm(configured).ok();
        assert_eq!(found.map(|found| found.to_string()).as_deref(), expected);
    }

    #[rstest]
    #[case::nothing_listed(&[], true)]
    #[case::both(&["client_secret_post", "client_secret_basic"], true)]
    #[case::post(&["client_secret_post"], false)]
    fn the_secret_is_presented_as_listed(#[case] methods: &[&str], #[case] basic: bool) {
        let found = metadata(&[], methods).client_authentication(&ClientAuthentication::Discovered);
        assert_eq!(matches!(found, ClientAuthentication::Basic), basic);
        assert_eq!(matches!(found, ClientAuthentication::Post), !basic);
    }
}
