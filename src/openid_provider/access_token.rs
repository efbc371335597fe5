//! Access tokens of ours, in the form of RFC 9068: what stands in one, and the one place where it is made.

use serde::Serialize;
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::OpenIdProvider;
use super::refused::TokenRefused;
use crate::domain::tenant::Tenant;
use crate::signing::Claims;

/// `typ` of access tokens (RFC 9068 §2.1).
const ACCESS_TOKEN: &str = "at+jwt";

/// What an access token says (RFC 9068 §2.2). What is absent is unknown.
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
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<&'a Value>,
}

impl Claims for AccessToken<'_> {
    fn expires_at(&self) -> Option<i64> {
        Some(self.exp)
    }
}

/// What a new token is to say.
#[derive(Debug)]
pub(super) struct NewToken<'a> {
    /// About whom it is: a person's or program's id with us, or a machine.
    pub(super) subject: &'a str,
    /// To whom it is given.
    pub(super) client: &'a str,
    /// For whom it is.
    pub(super) audience: &'a str,
    /// What it allows; may be empty.
    pub(super) scope: String,
    /// How long it is good for.
    pub(super) life: Duration,
    /// And until when at most.
    pub(super) latest: Option<OffsetDateTime>,
    /// Who acts for the subject (RFC 8693 §4.1).
    pub(super) act: Option<&'a Value>,
}

/// A token, and what is said of it (RFC 6749 §5.1).
pub struct IssuedToken {
    /// The token itself.
    pub token: String,
    /// Its `jti`, for the log.
    pub id: String,
    /// Whom it is for.
    pub audience: Box<str>,
    /// What it allows; empty where there are no scopes.
    pub scope: String,
    /// How long it is good for.
    pub life: Duration,
}

impl OpenIdProvider {
    /// Signs a token of `tenant`.
    ///
    /// # Errors
    /// [`TokenRefused`]; also where it would be over before it begins.
    pub(super) fn issue(
        &self,
        tenant: &Tenant,
        new: NewToken<'_>,
    ) -> Result<IssuedToken, TokenRefused> {
        let id = BASE64_URL_SAFE_NO_PAD.encode(self.random.array::<16>());
        let now = self.clock.now().unix_timestamp();
        let ends = now.saturating_add(new.life.whole_seconds());
        let latest = new.latest.map(OffsetDateTime::unix_timestamp);
        let ends = latest.map_or(ends, |latest| latest.min(ends));
        if ends <= now {
            return Err(TokenRefused::Over);
        }
        let claims = AccessToken {
            iss: &tenant.base.address(""),
            sub: new.subject,
            aud: new.audience,
            client_id: new.client,
            iat: now,
            exp: ends,
            jti: &id,
            scope: &new.scope,
            act: new.act,
        };
        let token = self.signing.sign(&tenant.id, &claims, ACCESS_TOKEN)?;
        Ok(IssuedToken {
            token,
            id,
            audience: new.audience.into(),
            scope: new.scope,
            life: Duration::seconds(ends - now),
        })
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
