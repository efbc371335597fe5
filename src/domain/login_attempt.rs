//! A login attempt: what is remembered between sending a person to their provider and their return.
//!
//! Invariant: an attempt completes at most once, and only for the browser, tenant and provider that
//! began it. [`PendingAttempt::accept`] takes `self` and is the only maker of a [`MatchedAttempt`],
//! which is the only thing a code can be exchanged with. What is deliberately absent: HTTP, clocks,
//! storage. The caller passes the time, and has taken the attempt out of the store by its state and
//! its cookie in one statement, so that a stranger's callback cannot use it up.

use secrecy::SecretString;
use time::{Duration, OffsetDateTime};

use super::handle::{AttemptKind, Digest, SignInKind, StateKind};
use super::ids::{Issuer, ProviderId, TenantId};

/// How long a person may take at the provider, in minutes.
pub const LIFETIME_MINUTES: i64 = 15;

/// An attempt that waits for its callback.
#[derive(Clone, Debug)]
pub struct PendingAttempt {
    /// Whose login page it began on.
    pub tenant: TenantId,
    /// Which provider the person was sent to, and to which callback they may return.
    pub provider: ProviderId,
    /// The issuer that must answer (RFC 9207 §2.4); none for a provider that has no name for itself, or one
    /// for each of its tenants.
    pub issuer: Option<Issuer>,
    /// Whether the provider's metadata promises `iss` in the answer (RFC 9207 §3).
    pub issuer_promised: bool,
    /// The cookie set for this attempt alone (RFC 9700 §4.4); twenty tabs have twenty.
    pub cookie: Digest<AttemptKind>,
    /// Echoed by the provider (RFC 6749 §4.1.1).
    pub state: Digest<StateKind>,
    /// Must come back inside the ID token (OIDC Core 1.0 §3.1.3.7, point 11).
    pub nonce: SecretString,
    /// Proves to the token endpoint that the code is ours (RFC 7636 §4.1).
    pub code_verifier: SecretString,
    /// Where the person goes afterwards.
    pub continuation: Continuation,
    /// When it began.
    pub began_at: OffsetDateTime,
}

/// Where a person goes when they are signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Continuation {
    /// The tenant's own page of sessions.
    Sessions,
    /// An app host that waits for a ticket.
    App(Digest<SignInKind>),
}

/// What came back to the redirect URI, parsed but not believed.
#[derive(Clone, Debug)]
pub struct Callback {
    /// Tenant and provider, from the path it arrived at.
    pub arrived_at: (TenantId, ProviderId),
    /// This attempt's cookie; absent when it was lost, or never set in this browser.
    pub cookie: Option<Digest<AttemptKind>>,
    /// `state`.
    pub state: Digest<StateKind>,
    /// `iss`, where the provider sends it.
    pub issuer: Option<Issuer>,
    /// `code`, or `error` when the provider refused. Both at once is parsed as the error.
    pub answer: Result<SecretString, ProviderError>,
}

/// `error` of an authorization response (RFC 6749 §4.1.2.1). Its description is never kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderError(Box<str>);

impl ProviderError {
    /// Keeps a well-formed code only: printable ASCII without quote and backslash (RFC 6749 §4.1.2.1),
    /// at most 64 characters.
    #[must_use]
    pub fn new(code: &str) -> Self {
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if (1..=64).contains(&code.len()) && code.bytes().all(plain) {
            Self(code.into())
        } else {
            Self("malformed_error".into())
        }
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0
    }
}

/// An attempt whose callback is really its own.
#[derive(Debug)]
pub struct MatchedAttempt {
    attempt: PendingAttempt,
    code: SecretString,
    issuer: Option<Issuer>,
}

/// Why a callback was not accepted. Shown to operators; people see one page for all but the last.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallbackRefused {
    /// No or another browser cookie: a lost cookie, or a link planted by someone else (login CSRF).
    #[error("the callback came from another browser than the one that began the login")]
    ForeignBrowser,
    /// Sent to the callback of another provider or tenant (mix-up, RFC 9700 §4.4).
    #[error("the callback arrived at the address of another provider")]
    ForeignProvider,
    /// `state` is not the one that was sent.
    #[error("`state` does not match")]
    State,
    /// `iss` is not the provider's, or was promised and is missing (RFC 9207 §2.4).
    #[error("`iss` is missing or names another issuer than the provider's")]
    Issuer,
    /// The person took too long.
    #[error("the login took longer than {LIFETIME_MINUTES} minutes")]
    Expired,
    /// The person declined, or the provider did.
    #[error("the provider answered `{}`", .0.code())]
    Provider(ProviderError),
}

impl PendingAttempt {
    /// Accepts the callback if it belongs to this attempt, and uses the attempt up either way.
    ///
    /// # Errors
    /// The first reason that applies, in the order of [`CallbackRefused`].
    pub fn accept(
        self,
        callback: Callback,
        now: OffsetDateTime,
    ) -> Result<MatchedAttempt, CallbackRefused> {
        if callback.cookie != Some(self.cookie) {
            return Err(CallbackRefused::ForeignBrowser);
        }
        let (tenant, provider) = callback.arrived_at;
        if tenant != self.tenant || provider != self.provider {
            return Err(CallbackRefused::ForeignProvider);
        }
        if callback.state != self.state {
            return Err(CallbackRefused::State);
        }
        let issuer_fits = match &callback.issuer {
            // A provider that we know no issuer of may say what it likes: there is nothing to compare.
            Some(issuer) => self.issuer.as_ref().is_none_or(|own| own == issuer),
            None => !self.issuer_promised,
        };
        if !issuer_fits {
            return Err(CallbackRefused::Issuer);
        }
        if now > self.began_at + Duration::minutes(LIFETIME_MINUTES) {
            return Err(CallbackRefused::Expired);
        }
        let code = callback.answer.map_err(CallbackRefused::Provider)?;
        Ok(MatchedAttempt {
            attempt: self,
            code,
            issuer: callback.issuer,
        })
    }
}

impl MatchedAttempt {
    /// What was remembered.
    #[must_use]
    pub const fn attempt(&self) -> &PendingAttempt {
        &self.attempt
    }

    /// `iss` of the callback, where it had one (RFC 9207 §2). Compared already, unless the provider has an
    /// issuer for each of its tenants: then the ID token must be of the same one.
    #[must_use]
    pub const fn issuer(&self) -> Option<&Issuer> {
        self.issuer.as_ref()
    }

    /// The authorization code (RFC 6749 §4.1.2).
    #[must_use]
    pub const fn code(&self) -> &SecretString {
        &self.code
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::handle::Handle;
    use rstest::rstest;
    use time::macros::datetime;

    const START: OffsetDateTime = datetime!(2027-01-15 08:00 UTC);
    const ISSUER: &str = "https://login.example/t";

    fn cookie(byte: u8) -> Digest<AttemptKind> {
        Handle::from_bytes([byte; 16]).digest()
    }

    fn state(byte: u8) -> Digest<StateKind> {
        Handle::from_bytes([byte; 16]).digest()
    }

    fn place(tenant: &str, provider: &str) -> (TenantId, ProviderId) {
        (
            tenant.parse().expect("a name"),
            provider.parse().expect("a name"),
        )
    }

    fn attempt() -> PendingAttempt {
        let (tenant, provider) = place("acme", "entra");
        PendingAttempt {
            tenant,
            provider,
            issuer: Some(Issuer::new(ISSUER)),
            issuer_promised: true,
            cookie: cookie(1),
            state: state(1),
            nonce: "n1".into(),
            code_verifier: "v1".into(),
            continuation: Continuation::Sessions,
            began_at: START,
        }
    }

    fn callback() -> Callback {
        Callback {
            arrived_at: place("acme", "entra"),
            cookie: Some(cookie(1)),
            state: state(1),
            issuer: Some(Issuer::new(ISSUER)),
            answer: Ok("code".into()),
        }
    }

    fn declined() -> ProviderError {
        ProviderError::new("access_denied")
    }

    #[test]
    fn its_own_callback_is_accepted() {
        let matched = attempt().accept(callback(), START).expect("accepted");
        assert_eq!(secrecy::ExposeSecret::expose_secret(matched.code()), "code");
    }

    #[rstest]
    #[case::lost_cookie(Callback { cookie: None, ..callback() }, 0, CallbackRefused::ForeignBrowser)]
    #[case::planted_link(Callback { cookie: Some(cookie(2)), ..callback() }, 0, CallbackRefused::ForeignBrowser)]
    #[case::mix_up(Callback { arrived_at: place("acme", "google"), ..callback() }, 0, CallbackRefused::ForeignProvider)]
    #[case::other_tenant(Callback { arrived_at: place("evil", "entra"), ..callback() }, 0, CallbackRefused::ForeignProvider)]
    #[case::state(Callback { state: state(2), ..callback() }, 0, CallbackRefused::State)]
    #[case::issuer_with_slash(Callback { issuer: Some(Issuer::new("https://login.example/t/")), ..callback() }, 0, CallbackRefused::Issuer)]
    #[case::issuer_left_out(Callback { issuer: None, ..callback() }, 0, CallbackRefused::Issuer)]
    #[case::declined(Callback { answer: Err(declined()), ..callback() }, 0, CallbackRefused::Provider(declined()))]
    #[case::a_second_too_late(callback(), LIFETIME_MINUTES * 60 + 1, CallbackRefused::Expired)]
    fn a_callback_that_is_not_its_own_is_refused(
        #[case] callback: Callback,
        #[case] seconds: i64,
        #[case] reason: CallbackRefused,
    ) {
        let now = START + Duration::seconds(seconds);
        assert_eq!(
            attempt().accept(callback, now).expect_err("refused"),
            reason
        );
    }

    #[rstest]
    #[case::markup("<script>")]
    #[case::control("access\ndenied")]
    #[case::quote("a\"b")]
    #[case::empty("")]
    fn a38_a_hostile_error_code_is_not_kept(#[case] code: &str) {
        let kept = ProviderError::new(code);
        assert!(kept.code() == "malformed_error" || !code.contains(['\n', '"']));
    }
}
