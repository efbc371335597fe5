//! What a store does with the tokens that a provider gave for a session.
//!
//! Invariants: a refresh token is in one hand at a time, in this process or another: whoever wants to use it takes
//! a [`Claim`], and only the newest claim writes. What belongs to a session that has ended is written to no more,
//! and is taken out once.

use async_trait::async_trait;
use secrecy::SecretString;
use time::OffsetDateTime;

use super::StorageError;
use crate::domain::identity_header::IdentitySource;
use crate::domain::ids::{ProviderId, SessionId, TenantId};
use crate::domain::upstream_tokens::{TokensForApp, UpstreamTokens};

/// Tokens that begin with a session. The ID token is the session's own.
#[derive(Clone, Debug)]
pub struct NewTokens {
    /// Who gave them.
    pub provider: ProviderId,
    /// Themselves.
    pub tokens: UpstreamTokens,
    /// When the person is to be looked at again; none: never.
    pub due_at: Option<OffsetDateTime>,
}

/// The right to look at one person again. It is lost to the next one that takes it, to a new sign-in in the same
/// session, and with the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Whose session it is.
    pub tenant: TenantId,
    /// The session.
    pub session: SessionId,
    pub(super) generation: i64,
}

/// What was claimed.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The right to write.
    pub claim: Claim,
    /// Who gave the tokens.
    pub provider: ProviderId,
    /// As they are now, with the newest ID token that there is.
    pub tokens: UpstreamTokens,
    /// That of the sign-in.
    pub first_id_token: Option<SecretString>,
    /// When the person signed in for them.
    pub granted_at: OffsetDateTime,
    /// How many tries have failed since the last that did not.
    pub failures: u32,
}

/// The answer to a claim.
#[derive(Clone, Debug)]
pub enum Claiming {
    /// It is ours.
    Ours(Box<Claimed>),
    /// Not before this time: it is not due, or in another hand until then.
    NotBefore(OffsetDateTime),
    /// There is nothing to claim: the session has ended, or is never due.
    Nothing,
}

/// Somebody who was looked at again.
#[derive(Clone, Debug)]
pub struct LookedAt {
    /// What is kept from now on. Without a refresh token the one that is there stays.
    pub tokens: UpstreamTokens,
    /// The canonical issuer of the person found.
    pub issuer_key: Box<str>,
    /// Their name there.
    pub subject_key: Box<str>,
    /// When the next look is due.
    pub due_at: Option<OffsetDateTime>,
    /// Whether apps may hold some of the tokens: all are told then, also where the person is as they were.
    pub for_apps: bool,
    /// Now.
    pub at: OffsetDateTime,
}

/// What became of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is written, and the person is told otherwise from now on: other processes are told too.
    Changed,
    /// It is written, and the person is as they were.
    Unchanged,
    /// Nothing is written: it is somebody else.
    AnotherPerson,
    /// Nothing is written: the claim is lost.
    Lost,
}

/// Whose tokens, and who gave them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokensOf {
    /// Whose session it is.
    pub tenant: TenantId,
    /// Who gave them.
    pub provider: ProviderId,
}

/// Tokens of a session that has ended.
#[derive(Clone, Debug)]
pub struct EndedTokens {
    /// Whose session it was.
    pub tenant: TenantId,
    /// The session.
    pub session: SessionId,
    /// Who gave them.
    pub provider: ProviderId,
    /// Themselves.
    pub tokens: UpstreamTokens,
}

/// Changes what is kept of a person in a session; `None`: it stays as it is.
pub type Change<'a> = &'a (dyn Fn(&str) -> Result<Option<String>, StorageError> + Send + Sync + 'a);

/// Tokens of providers.
#[async_trait]
pub trait UpstreamTokenStore: Send + Sync {
    /// Whose tokens of this live session are looked with. `None`: none are, or not any more.
    async fn find_whose_tokens(&self, session: SessionId)
    -> Result<Option<TokensOf>, StorageError>;

    /// Takes the right to look at the person of a live session until `until`, if that is due at `now` and in
    /// nobody's hand.
    async fn claim_refresh(
        &self,
        session: SessionId,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Claiming, StorageError>;

    /// Puts a new refresh token in the place of the old one, durably, before anything else is done with the answer
    /// that it came in. Whether the claim held.
    async fn keep_rotated(
        &self,
        claim: &Claim,
        refresh_token: &SecretString,
    ) -> Result<bool, StorageError>;

    /// Writes what a look has found, all or nothing, and gives the claim back. What is kept of the person becomes
    /// what `change` makes of it; if it changes, or apps may hold tokens, [`Sessions::ended_since`](super::Sessions::ended_since)
    /// is told.
    async fn settle_refresh(
        &self,
        claim: &Claim,
        found: &LookedAt,
        change: Change<'_>,
    ) -> Result<Settled, StorageError>;

    /// Gives the claim back after a try that failed, until `due_at`, or for ever. Whether it held.
    async fn postpone_refresh(
        &self,
        claim: &Claim,
        due_at: Option<OffsetDateTime>,
    ) -> Result<bool, StorageError>;

    /// Ends the session of a claim, as [`Sessions::end_sessions`](super::Sessions::end_sessions) does. Whether the
    /// claim held.
    async fn end_claimed(&self, claim: &Claim, now: OffsetDateTime) -> Result<bool, StorageError>;

    /// The tokens of a live session, for an app; only those among `wanted` are unsealed. `None`: none are kept.
    async fn find_tokens(
        &self,
        tenant: &TenantId,
        session: SessionId,
        wanted: &[IdentitySource],
    ) -> Result<Option<TokensForApp>, StorageError>;

    /// Whose tokens wait to be taken out.
    async fn find_ended_tokens(&self) -> Result<Vec<TokensOf>, StorageError>;

    /// Takes out the tokens of at most `most` sessions that have ended, the oldest first.
    async fn take_ended_tokens(
        &self,
        of: &TokensOf,
        most: u32,
    ) -> Result<Vec<EndedTokens>, StorageError>;
}
