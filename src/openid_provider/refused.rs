//! Why there is no token, and what whoever asked is told (RFC 6749 §5.2).
//!
//! Invariant: an answer says nothing about which clients there are, and repeats nothing that was sent.

use super::shown_tokens::Role;
use crate::domain::expression::ExpressionFailed;
use crate::domain::machine_client::GrantRefused;
use crate::domain::token_exchange::ActRefused;
use crate::jose::{KeyRefused, TokenRefused as AssertionRefused};
use crate::outbound::ReachFault;
use crate::signing::{NoKeySet, NotSigned};
use crate::storage::StorageError;

/// Why a request to the token endpoint, or one like it, was refused. For operators.
#[derive(Debug, thiserror::Error)]
pub enum TokenRefused {
    /// No form.
    #[error("the body is no form")]
    NotAForm,
    /// A body in a coding could be of any size.
    #[error("the body has a content coding")]
    Coding,
    /// It is too large, or was not sent whole.
    #[error("the body cannot be read")]
    Unread,
    /// RFC 6749 §3.2: parameters stand once.
    #[error("a parameter stands twice")]
    Doubled,
    /// A parameter that this needs is missing, or is none that there can be.
    #[error("`{0}` is missing or malformed")]
    Parameter(&'static str),
    /// RFC 6749 §2.3: one method a request.
    #[error("two methods of client authentication at once, or two names")]
    TwoMethods,
    /// No credentials, or none that can be read.
    #[error("the client did not authenticate")]
    NoCredentials,
    /// An unknown client, a wrong secret, or a method that is not this client's.
    #[error("unknown client, wrong secret, or not this client's way to authenticate")]
    WrongCredentials,
    /// An assertion that does not hold.
    #[error("the client's assertion is refused: {0}")]
    Assertion(#[source] AssertionRefused),
    /// An assertion with claims that RFC 7523 §3 does not want.
    #[error("the client's assertion is refused: its `{0}` is missing or not what it must be")]
    AssertionClaim(&'static str),
    /// RFC 7523 §3, point 7.
    #[error("the client's assertion was used before")]
    Replayed,
    /// A grant that we do not have.
    #[error("the grant type is not supported")]
    GrantType,
    /// More than the client may have.
    #[error(transparent)]
    Grant(#[from] GrantRefused),
    /// A token that was given to another client (RFC 7009 §2.1).
    #[error("the token was given to another client")]
    NotItsOwn,
    /// A token that is to be exchanged, and is not good.
    #[error("the {0} token is refused: {1}")]
    Shown(Role, #[source] AssertionRefused),
    /// No rule is about tokens of its issuer, or about such tokens.
    #[error("the {0} token is of no issuer whose tokens are exchanged as such")]
    NobodysToken(Role),
    /// It was revoked here.
    #[error("the {0} token was revoked")]
    ShownRevoked(Role),
    /// It does not say about whom it is.
    #[error("the {0} token names nobody")]
    NobodyNamed(Role),
    /// The issuer's keys cannot be had, so nothing is known of its token.
    #[error("the issuer's keys cannot be had: {0}")]
    IssuerUnavailable(Box<str>),
    /// A condition that fails is neither yes nor no.
    #[error("the condition of a rule cannot be judged: {0}")]
    Condition(#[source] ExpressionFailed),
    /// Nothing allows it.
    #[error("no rule allows this exchange")]
    NoRule,
    /// A rule would allow it to others: to clients, to other ones, or to nobody who is one.
    #[error("no rule allows this exchange to this client, or without one")]
    NotThisClient,
    /// Nobody may act so.
    #[error(transparent)]
    Act(#[from] ActRefused),
    /// Nothing can end before it begins.
    #[error("the token would be over already")]
    Over,
    /// Our keys.
    #[error(transparent)]
    KeySet(#[from] NoKeySet),
    /// The store.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The keys.
    #[error("no token was signed: {0}")]
    NotSigned(#[from] NotSigned),
    /// The client's keys cannot be had.
    #[error("the client's keys cannot be had: {0}")]
    Keys(#[source] AssertionRefused),
    /// The way to the client's keys.
    #[error(transparent)]
    Reach(#[from] ReachFault),
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// `error` (RFC 6749 §5.2, RFC 8707 §2).
    pub error: &'static str,
    /// `error_description`.
    pub description: &'static str,
}

impl TokenRefused {
    /// An assertion that was not accepted: for what it is, or because the keys cannot be had.
    pub(super) fn of_assertion(refused: AssertionRefused) -> Self {
        match &refused {
            AssertionRefused::KeysUnavailable(_)
            | AssertionRefused::Key(KeyRefused::Unavailable(_) | KeyRefused::TooSoon(_)) => {
                Self::Keys(refused)
            }
            _ => Self::Assertion(refused),
        }
    }

    /// What whoever asked is told.
    #[must_use]
    pub const fn answer(&self) -> Answer {
        let (status, error, description) = match self {
            Self::NotAForm => (415, "invalid_request", "a form is expected"),
            Self::Coding => (
                415,
                "invalid_request",
                "a form without a content coding is expected",
            ),
            Self::Unread => (413, "invalid_request", "the form cannot be read"),
            Self::Doubled => (400, "invalid_request", "a parameter stands twice"),
            Self::Parameter(_) => (
                400,
                "invalid_request",
                "a parameter is missing or malformed",
            ),
            Self::TwoMethods => (400, "invalid_request", "authenticate in one way"),
            Self::NoCredentials
            | Self::WrongCredentials
            | Self::Assertion(_)
            | Self::AssertionClaim(_)
            | Self::Replayed => (401, "invalid_client", "client authentication failed"),
            Self::GrantType => (400, "unsupported_grant_type", "this grant is not supported"),
            // RFC 8693 §2.2.2: for whatever reason.
            Self::Shown(Role::Subject, _)
            | Self::NobodysToken(Role::Subject)
            | Self::ShownRevoked(Role::Subject)
            | Self::NobodyNamed(Role::Subject)
            | Self::Condition(_)
            | Self::NoRule
            | Self::Act(_)
            | Self::Over => (400, "invalid_request", "the subject token is not accepted"),
            Self::Shown(Role::Actor, _)
            | Self::NobodysToken(Role::Actor)
            | Self::ShownRevoked(Role::Actor)
            | Self::NobodyNamed(Role::Actor) => {
                (400, "invalid_request", "the actor token is not accepted")
            }
            Self::NotThisClient => (
                400,
                "unauthorized_client",
                "this token is not exchanged for this client, or without one",
            ),
            Self::NotItsOwn => (400, "invalid_grant", "the token is not this client's"),
            Self::Grant(GrantRefused::NoAudience) => {
                (400, "unauthorized_client", "this client may have no tokens")
            }
            Self::Grant(GrantRefused::Scope) => (
                400,
                "invalid_scope",
                "the scope is more than this client may have, or none",
            ),
            Self::Grant(GrantRefused::Audience) => (
                400,
                "invalid_target",
                "this client may have no token for that audience",
            ),
            Self::Grant(GrantRefused::WhichAudience) => (
                400,
                "invalid_target",
                "name one audience with resource or audience",
            ),
            Self::Storage(_)
            | Self::KeySet(_)
            | Self::NotSigned(_)
            | Self::Keys(_)
            | Self::IssuerUnavailable(_)
            | Self::Reach(_) => (
                503,
                "temporarily_unavailable",
                "this cannot be answered now: ask again",
            ),
        };
        Answer {
            status,
            error,
            description,
        }
    }
}
