//! A token for a machine in its own name (RFC 6749 §4.4), in the form of RFC 9068.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use time::Duration;

use super::OpenIdProvider;
use super::client_authentication::AuthenticatedClient;
use super::refused::TokenRefused;
use super::token_request::TokenRequest;
use crate::domain::machine_client::GrantRefused;
use crate::domain::tenant::Tenant;
use crate::signing::Claims;

/// `typ` of access tokens (RFC 9068 §2.1).
pub(super) const ACCESS_TOKEN: &str = "at+jwt";

/// RFC 6749 §4.4.2.
pub(super) const CLIENT_CREDENTIALS: &str = "client_credentials";

/// What an access token says (RFC 9068 §2.2).
#[derive(Debug, Serialize)]
struct AccessToken<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    client_id: &'a str,
    iat: i64,
    exp: i64,
    jti: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
}

impl Claims for AccessToken<'_> {
    fn expires_at(&self) -> Option<i64> {
        Some(self.exp)
    }
}

/// A token, and what is said of it (RFC 6749 §5.1).
pub struct IssuedToken {
    /// The token itself.
    pub token: String,
    /// Its `jti`, for the log.
    pub id: String,
    /// Whom it is for.
    pub audience: Box<str>,
    /// What it allows; empty where the client has no scopes.
    pub scope: String,
    /// How long it is good for.
    pub life: Duration,
}

impl OpenIdProvider {
    /// Gives `client` the token that it asks for.
    ///
    /// # Errors
    /// [`TokenRefused`].
    pub fn grant(
        &self,
        tenant: &Tenant,
        client: AuthenticatedClient<'_>,
        request: &TokenRequest,
    ) -> Result<IssuedToken, TokenRefused> {
        if request.required("grant_type")? != CLIENT_CREDENTIALS {
            return Err(TokenRefused::GrantType);
        }
        let client = client.client();
        let audience = client.audience(target(request)?)?;
        let scope = client.scope(request.parameter("scope"))?;
        let id = BASE64_URL_SAFE_NO_PAD.encode(self.random.array::<16>());
        let now = self.clock.now().unix_timestamp();
        let claims = AccessToken {
            iss: &tenant.base.address(""),
            sub: client.id.as_str(),
            aud: audience,
            client_id: client.id.as_str(),
            iat: now,
            exp: now + client.token_life.whole_seconds(),
            jti: &id,
            scope: &scope,
        };
        let token = self.signing.sign(&tenant.id, &claims, ACCESS_TOKEN)?;
        Ok(IssuedToken {
            token,
            id,
            audience: audience.into(),
            scope,
            life: client.token_life,
        })
    }
}

/// `resource` (RFC 8707 §2), or `audience` as others call it. Both at once mean the same.
fn target(request: &TokenRequest) -> Result<Option<&str>, GrantRefused> {
    match (request.parameter("resource"), request.parameter("audience")) {
        (Some(resource), Some(audience)) if resource != audience => Err(GrantRefused::Audience),
        (resource, audience) => Ok(resource.or(audience)),
    }
}

/// Without the token.
impl std::fmt::Debug for IssuedToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("IssuedToken")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
