//! The signed assertion: what an app is told of its caller, in a form that it can verify without trusting the
//! network (a JWT, RFC 7519, with a key of the tenant's key set).
//!
//! Invariants: an app that asks for assertions gets one with every allowed request that has a caller, or the
//! request is not allowed; one that is handed out is good for `LEFT` at least; it is for one app, and its `typ`
//! tells it from every other token of ours (RFC 8725 §3.11). It is signed once for a session, or a remembered
//! caller, at an app and within `KEPT`: not for each request.

use std::sync::Arc;

use secrecy::SecretString;
use serde::Serialize;
use time::{Duration, OffsetDateTime};

use crate::domain::caller::{Scheme, Subject};
use crate::domain::ids::SessionId;
use crate::ports::{Clock, SecureRandom};
use crate::signing::{Claims, NotSigned, Signing};
use crate::tenants::AppAt;

/// What its header's `typ` says.
pub const TYPE: &str = "assertion+jwt";

/// How long the same one is handed out.
const KEPT: Duration = Duration::minutes(5);

/// How long the last one that is handed out is still good.
const LEFT: Duration = Duration::minutes(5);

/// A longer one would be refused together with its request by many servers.
const LONGEST: usize = 8 * 1024;

/// Signs assertions.
#[derive(Clone, Debug)]
pub struct Assertions {
    /// With these keys.
    pub signing: Arc<Signing>,
    /// At this time.
    pub clock: Arc<dyn Clock>,
    /// Named by this.
    pub random: Arc<dyn SecureRandom>,
}

/// What it says. Absent members are unknown, not empty.
#[derive(Debug, Serialize)]
struct Assertion<'a> {
    iss: String,
    aud: &'a str,
    sub: String,
    iat: i64,
    exp: i64,
    jti: String,
    /// How the caller is known.
    scheme: Scheme,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<&'a [Box<str>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<&'a [Box<str>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

impl Claims for Assertion<'_> {
    fn expires_at(&self) -> Option<i64> {
        Some(self.exp)
    }
}

impl Assertions {
    /// One about `subject` for the app, and until when it may be handed out, in seconds since 1970. Where groups
    /// and roles make it longer than 8 KiB it is without both: an app that needs them must then refuse, and can,
    /// because a list that is known stands there even when it is empty.
    ///
    /// # Errors
    /// [`NotSigned`].
    pub(super) fn sign(
        &self,
        at: AppAt<'_>,
        subject: &Subject<'_>,
        session: Option<SessionId>,
    ) -> Result<(SecretString, i64), NotSigned> {
        let now = self.clock.now();
        let mut assertion = self.assertion(at, subject, session, now);
        let tenant = &at.tenant.id;
        let mut token = self.signing.sign(tenant, &assertion, TYPE)?;
        if token.len() > LONGEST {
            tracing::warn!(
                target: "audit", event = "assertion_shortened", %tenant, app = %at.app.id, user = %subject.user,
                "an assertion with all groups and roles is longer than 8 KiB, and is given without them: filter \
                 them (docs/claims.md)"
            );
            (assertion.groups, assertion.roles) = (None, None);
            token = self.signing.sign(tenant, &assertion, TYPE)?;
        }
        Ok((token.into(), (now + KEPT).unix_timestamp()))
    }

    fn assertion<'a>(
        &self,
        at: AppAt<'a>,
        subject: &Subject<'a>,
        session: Option<SessionId>,
        now: OffsetDateTime,
    ) -> Assertion<'a> {
        let issued_at = now.unix_timestamp();
        Assertion {
            iss: at.tenant.base.address(""),
            aud: at.app.id.as_str(),
            sub: subject.user.to_string(),
            iat: issued_at,
            exp: issued_at + (KEPT + LEFT).whole_seconds(),
            jti: format!("{:032x}", u128::from_be_bytes(self.random.array())),
            scheme: subject.scheme,
            sid: session.map(|session| session.to_string()),
            provider: subject.provider.map(crate::domain::ids::ProviderId::as_str),
            issuer: subject
                .issuer
                .map(crate::domain::ids::TrustedIssuerId::as_str),
            client_id: subject.client,
            email: subject
                .email
                .map(crate::domain::email::EmailAddress::as_str),
            name: subject.name,
            preferred_username: subject.preferred_username,
            groups: Some(subject.groups),
            roles: Some(subject.roles),
            scope: (subject.scheme != Scheme::Session).then(|| subject.scopes.join(" ")),
        }
    }
}
