//! A sign-out at the provider: which of our sessions it means.
//!
//! A session remembers what the provider will call it, as digests, for nothing here ever has to be read again.
//! Invariant: a name counts together with the provider and the issuer that gave it, so that another provider's
//! `sid` or `sub` never ends a session of this one. What is deliberately absent: tokens, storage, clocks.

use time::OffsetDateTime;

use super::handle::{Digest, LogoutTokenKind, UpstreamSessionKind, UpstreamSubjectKind};
use super::ids::{ProviderId, SessionId, UserId};
use super::issuer_template::IssuerTemplate;
use super::upstream_provider::OpenIdConnect;

/// Whose names are compared.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamNames<'a> {
    /// The provider, as the operator calls it.
    pub provider: &'a ProviderId,
    /// The issuer, in its one spelling.
    pub issuer: &'a str,
}

impl UpstreamNames<'_> {
    /// The provider's session (`sid`).
    #[must_use]
    pub fn session(&self, sid: &str) -> Digest<UpstreamSessionKind> {
        Digest::of_name(&[self.provider.as_str(), self.issuer, sid])
    }

    /// The person (`sub`).
    #[must_use]
    pub fn subject(&self, sub: &str) -> Digest<UpstreamSubjectKind> {
        Digest::of_name(&[self.provider.as_str(), self.issuer, sub])
    }

    /// A logout token (`jti`).
    #[must_use]
    pub fn token(&self, jti: &str) -> Digest<LogoutTokenKind> {
        Digest::of_name(&[self.provider.as_str(), self.issuer, jti])
    }
}

impl OpenIdConnect {
    /// Whether `issuer` is one of this provider's, where nothing else says which tenant is meant.
    #[must_use]
    pub fn is_issuer(&self, issuer: &str) -> bool {
        if !self.is_shared_by_tenants() {
            return self.is_spelt(issuer);
        }
        let template = IssuerTemplate::new(self.issuer.as_str());
        template.is_some_and(|template| template.tenant_of(issuer).is_some())
    }

    /// The name under which what `issuer` names is compared: its spellings are one, and its tenants are not.
    #[must_use]
    pub fn naming_issuer<'a>(&self, issuer: &'a str, issuer_key: &'a str) -> &'a str {
        if self.is_shared_by_tenants() {
            issuer
        } else {
            issuer_key
        }
    }
}

/// What the provider calls a login, and since when it was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamLogin {
    /// Its own session, where it tells.
    pub session: Option<Digest<UpstreamSessionKind>>,
    /// The person.
    pub subject: Digest<UpstreamSubjectKind>,
    /// When the person was sent there.
    pub asked_at: OffsetDateTime,
}

/// Whom a logout token says has signed out (OIDC Back-Channel Logout 1.0 §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedOutUpstream {
    /// `sid` alone: one session of the provider's.
    Session(Digest<UpstreamSessionKind>),
    /// `sub` alone: the person, wherever they signed in.
    Person(Digest<UpstreamSubjectKind>),
    /// Both: one session, which is this person's.
    SessionOf(Digest<UpstreamSessionKind>, Digest<UpstreamSubjectKind>),
}

/// A logout token that passed every check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogoutNotice {
    /// Whom it is about.
    pub who: SignedOutUpstream,
    /// Which it is.
    pub token: Digest<LogoutTokenKind>,
    /// From then on it would be refused for its age.
    pub valid_until: OffsetDateTime,
}

/// Why a notice that is otherwise good ended nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoticeRefused {
    /// The same token came before.
    #[error("the logout token was used before")]
    Replayed,
    /// The session is somebody else's, or this browser's is another one.
    #[error("the session that is named is not the one that it is named together with")]
    Contradiction,
    /// More tokens than anybody needs are remembered for this provider.
    #[error("too many logout tokens of this provider are remembered")]
    TooMany,
}

/// A session that ended because the provider said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedUpstream {
    /// Its name.
    pub session: SessionId,
    /// Whose it was.
    pub user: UserId,
}

/// A login was not turned into a session: the provider ended it while it was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the provider said that this person had signed out while they were on their way here")]
pub struct SignedOutMeanwhile;
