//! What we say of ourselves: authorization server metadata (RFC 8414) and the key set.
//!
//! Invariant: only what is true. What cannot be done yet is not there.

use serde_json::{Value, json};

use super::OpenIdProvider;
use super::client_credentials::CLIENT_CREDENTIALS;
use super::token_exchange::TOKEN_EXCHANGE;
use crate::domain::tenant::Tenant;
use crate::jose::SignatureAlgorithm;
use crate::signing::NoKeySet;

/// Where a tenant's endpoints are, behind its own address.
#[derive(Clone, Copy, Debug)]
pub struct Endpoints;

impl Endpoints {
    /// Tokens are asked for.
    pub const TOKEN: &'static str = "/token";
    /// The key set.
    pub const KEY_SET: &'static str = "/jwks.json";
    /// What is to be known of a token (RFC 7662).
    pub const INTROSPECTION: &'static str = "/introspect";
    /// Tokens are revoked (RFC 7009).
    pub const REVOCATION: &'static str = "/revoke";
    /// What a caller of a service has shown is judged.
    pub const VERIFICATION: &'static str = "/verify";
    /// The metadata.
    pub const METADATA: &'static str = "/.well-known/oauth-authorization-server";
}

impl OpenIdProvider {
    /// The metadata of `tenant` (RFC 8414 §2).
    #[must_use]
    pub fn metadata(&self, tenant: &Tenant) -> Value {
        let at = |path: &str| tenant.base.address(path);
        let algorithms = SignatureAlgorithm::ALL.map(SignatureAlgorithm::as_str);
        let mut grants = vec![CLIENT_CREDENTIALS];
        if !tenant.token_exchanges.is_empty() {
            grants.push(TOKEN_EXCHANGE);
        }
        json!({
            "issuer": at(""),
            "token_endpoint": at(Endpoints::TOKEN),
            "jwks_uri": at(Endpoints::KEY_SET),
            // There is no authorization endpoint.
            "response_types_supported": [],
            "grant_types_supported": grants,
            "token_endpoint_auth_methods_supported": METHODS,
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "introspection_endpoint": at(Endpoints::INTROSPECTION),
            "introspection_endpoint_auth_methods_supported": METHODS,
            "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
            "revocation_endpoint": at(Endpoints::REVOCATION),
            "revocation_endpoint_auth_methods_supported": METHODS,
            "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        })
    }

    /// The key set of `tenant`.
    ///
    /// # Errors
    /// [`NoKeySet`].
    pub fn key_set(&self, tenant: &Tenant) -> Result<Value, NoKeySet> {
        self.signing.key_set(&tenant.id)
    }
}

/// How clients authenticate.
const METHODS: [&str; 3] = [
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
];
