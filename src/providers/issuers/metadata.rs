//! What an issuer of tokens publishes about itself, of which only the keys matter here.
//!
//! Not the metadata of a provider: GitHub Actions and Kubernetes sign nobody in, and name no endpoint for it.

use std::sync::Arc;

use http::HeaderValue;
use serde::Deserialize;
use url::Url;

use crate::outbound::{DocumentCache, DocumentRules, FetchObserver};
use crate::ports::Clock;

/// Largest document, in bytes.
const LARGEST: usize = 256 * 1024;

/// The members that are used (OIDC Discovery 1.0 §3, RFC 8414 §2).
#[derive(Clone, Debug, Deserialize)]
pub struct IssuerMetadata {
    /// The issuer, as it stands.
    pub issuer: String,
    /// Where its keys are.
    #[serde(default)]
    pub jwks_uri: Option<Url>,
    /// Where it can be asked about tokens.
    #[serde(default)]
    pub introspection_endpoint: Option<Url>,
}

/// Such documents, each kept by its address.
#[must_use]
pub fn issuer_metadata_cache(
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
