//! What an issuer of tokens publishes about itself (OIDC Discovery 1.0 §3, RFC 8414 §2), as far as tokens need it.
//!
//! Not the metadata of a provider: GitHub Actions and Kubernetes sign nobody in, and name no endpoint for it. What is
//! deliberately absent: whose document it is. Whoever asked compares `issuer` with the name that they trust, byte for
//! byte (OIDC Discovery 1.0 §4.3).

use std::sync::Arc;

use http::HeaderValue;
use serde::Deserialize;
use url::Url;

use crate::outbound::{DocumentCache, DocumentRules, FetchObserver};
use crate::ports::Clock;

/// No document is larger, in bytes.
const LARGEST: usize = 256 * 1024;

/// The members that are used. Others are ignored.
#[derive(Clone, Debug, Deserialize)]
pub struct IssuerMetadata {
    /// The issuer, as it stands.
    pub issuer: Box<str>,
    /// Where its keys are.
    #[serde(default)]
    pub jwks_uri: Option<Url>,
    /// Where it can be asked about tokens (RFC 7662).
    #[serde(default)]
    pub introspection_endpoint: Option<Url>,
    /// With what it signs ID tokens. Issuers publish no such list of access tokens, and sign both alike.
    #[serde(default)]
    pub id_token_signing_alg_values_supported: Vec<String>,
}

impl IssuerMetadata {
    /// Such documents, each kept by its address.
    #[must_use]
    pub fn cache(clock: Arc<dyn Clock>, observer: Arc<dyn FetchObserver>) -> DocumentCache<Self> {
        let rules = DocumentRules {
            accept: HeaderValue::from_static("application/json"),
            max_body: LARGEST,
            parse: Box::new(|document| {
                serde_json::from_slice(document).map_err(|error| error.to_string())
            }),
        };
        DocumentCache::new(rules, clock, observer)
    }
}
