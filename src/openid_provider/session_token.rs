//! A token for a page of an app, about whoever is signed in there.

use time::OffsetDateTime;

use super::OpenIdProvider;
use super::access_token::{IssuedToken, NewToken};
use super::client_credentials::target;
use super::refused::TokenRefused;
use super::token_request::TokenRequest;
use crate::domain::ids::{AppId, UserId};
use crate::domain::machine_client::{Scope, one_audience, scope_within};
use crate::domain::tenant::{SessionTokens, Tenant};

impl OpenIdProvider {
    /// A token about `user` for a page of `app`, which ends with the session at the latest. Whoever calls knows that
    /// the session is alive, and that the app's rules admit the person.
    ///
    /// # Errors
    /// [`TokenRefused`].
    pub fn session_token(
        &self,
        tenant: &Tenant,
        (app, settings): (&AppId, &SessionTokens),
        (user, ends_at): (UserId, OffsetDateTime),
        request: &TokenRequest,
    ) -> Result<IssuedToken, TokenRefused> {
        let audience = one_audience(&settings.audiences, target(request)?)?;
        let scopes = settings.scopes.iter().map(Scope::as_str);
        let scope = scope_within(scopes, request.parameter("scope"))?;
        let new = NewToken {
            subject: &user.to_string(),
            client: app.as_str(),
            audience,
            scope,
            life: settings.lifetime,
            latest: Some(ends_at),
            act: None,
        };
        self.issue(tenant, new)
    }
}
