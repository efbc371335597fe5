//! A token for a machine in its own name (RFC 6749 §4.4).

use super::OpenIdProvider;
use super::access_token::{IssuedToken, NewToken};
use super::client_authentication::AuthenticatedClient;
use super::refused::TokenRefused;
use super::token_request::TokenRequest;
use crate::domain::machine_client::GrantRefused;
use crate::domain::tenant::Tenant;

/// RFC 6749 §4.4.2.
pub(super) const CLIENT_CREDENTIALS: &str = "client_credentials";

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
        let new = NewToken {
            subject: client.id.as_str(),
            client: client.id.as_str(),
            audience,
            scope,
            life: client.token_life,
            latest: None,
            act: None,
        };
        self.issue(tenant, new)
    }
}

/// `resource` (RFC 8707 §2), or `audience` as others call it. Both at once mean the same.
pub(super) fn target(request: &TokenRequest) -> Result<Option<&str>, GrantRefused> {
    match (request.parameter("resource"), request.parameter("audience")) {
        (Some(resource), Some(audience)) if resource != audience => Err(GrantRefused::Audience),
        (resource, audience) => Ok(resource.or(audience)),
    }
}
