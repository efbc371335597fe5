//! The login, from sending a person away to a verified identity.
//!
//! Read [`begin_login`] first, then [`complete_login`]: they are the two halves of one login. What is
//! deliberately absent: sessions. A verified identity is all that leaves this room.

pub mod begin_login;
pub mod callback_parameters;
mod code_exchange;
pub mod complete_login;
mod documents;
mod expressions;
pub mod id_token;
pub mod logout_token;
mod posted_answer;
mod profile;
mod profile_requests;
mod refresh;
mod revocation;
pub mod trial;
pub mod upstream_logout;

use std::sync::Arc;

pub use begin_login::{BeginFailed, Begun, LoginRequest};
pub use callback_parameters::{CallbackParameters, InvalidCallback};
pub use complete_login::{Completed, Failure, LoginFailed};
pub use id_token::IdTokenRefused;
pub use logout_token::{LogoutTokenFailed, LogoutTokenRefused};
pub use refresh::{Fresh, LookedAgain, NotRefreshed};

use crate::domain::client_authentication::NotSigned;
use crate::domain::expression::ExpressionFailed;
use crate::domain::restrictions::NotMet;
use crate::jose::{KeyRefused, KeySets};
use crate::outbound::{DocumentCache, FetchFault, HttpClients, OutboundError, ReachFault};
use crate::ports::{Clock, SecureRandom};
use crate::providers::{MetadataFault, ProviderMetadata};
use crate::storage::{Store, WaitingCaps};

/// Signs people in at their providers.
#[derive(Debug)]
pub struct RelyingParty {
    /// The way to providers.
    pub http: HttpClients,
    /// Discovery documents.
    pub documents: DocumentCache<ProviderMetadata>,
    /// Signing keys.
    pub key_sets: Arc<KeySets>,
    /// Where attempts wait.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn SecureRandom>,
    /// How many attempts may wait.
    pub waiting: WaitingCaps,
}

/// What went wrong on the provider's side. For operators; people are told that their provider did not
/// answer as it should.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamTrouble {
    /// It cannot be reached: slow, dead, or at an address that is refused.
    #[error("the provider cannot be reached: {0}")]
    Unreachable(#[from] OutboundError),
    /// The way to it is configured wrongly.
    #[error(transparent)]
    Reach(#[from] ReachFault),
    /// Its discovery document cannot be had.
    #[error("the discovery document cannot be had: {0}")]
    Discovery(#[from] FetchFault),
    /// Its discovery document cannot be used.
    #[error(transparent)]
    Metadata(#[from] MetadataFault),
    /// Its keys cannot be had.
    #[error("the provider's keys cannot be used: {0}")]
    Keys(#[from] KeyRefused),
    /// Our own assertion could not be made.
    #[error(transparent)]
    NotSigned(#[from] NotSigned),
    /// The token endpoint refused the code (RFC 6749 §5.2).
    #[error("the token endpoint answered `{0}`{help}", help = what_to_look_at(.0))]
    TokenRefused(String),
    /// The token endpoint's answer does not read as one.
    #[error("the token endpoint's answer cannot be read: {0}")]
    TokenAnswer(String),
    /// The ID token failed a check.
    #[error(transparent)]
    IdToken(#[from] IdTokenRefused),
    /// Userinfo is about somebody else (OIDC Core 1.0 §5.3.2).
    #[error("userinfo has another `sub` than the ID token")]
    Subject,
    /// A look at a person found somebody else than whose session it is.
    #[error("it is another person than the one who signed in")]
    AnotherPerson,
    /// All that was asked took longer than it may.
    #[error("it took longer than {0} s")]
    Slow(u64),
    /// It answered with a status that says nothing of the request: it is overloaded, broken or moved.
    #[error("`{0}` answered with status {1}")]
    Status(Box<str>, u16),
    /// A profile request was answered otherwise than it should be.
    #[error("the answer to `{0}` cannot be used: {1}")]
    ProfileAnswer(Box<str>, String),
    /// The provider says that its list is not whole: unknown is not "none".
    #[error("the provider's answer to `{0}` is not whole")]
    Incomplete(Box<str>),
    /// The claims say that a person has more groups than they list.
    #[error(
        "the list of groups in `{groups}` is not whole (`{mark}`): have the provider send fewer groups, or roles"
    )]
    Overage {
        /// Where the list is.
        groups: Box<str>,
        /// What says so.
        mark: Box<str>,
    },
    /// The answer lacks what every answer of this provider to us says.
    #[error("the claim `{0}` is missing or not what the preset requires")]
    RequiredClaim(Box<str>),
    /// The provider signed somebody in whom the configuration does not let in.
    #[error("this account is not let in: its `{claim}` is {found}")]
    AccountRefused {
        /// Where it is said.
        claim: Box<str>,
        /// What is said there, for the operator.
        found: Box<str>,
    },
    /// The provider signed somebody in who does not meet a restriction of the configuration.
    #[error("this account is not let in by the provider's `restrictions`: {0}")]
    NotLetIn(#[from] NotMet),
    /// An expression of the configuration failed.
    #[error("the expression `{setting}` of the provider's `claims` failed: {why}")]
    Expression {
        /// What it is for.
        setting: &'static str,
        /// Why.
        why: ExpressionFailed,
    },
    /// A fact is not where the preset says.
    #[error("the provider's documents have no usable `{0}`")]
    Unmapped(&'static str),
    /// An address that goes into a request does not read as one.
    #[error("an address cannot be used: {0}")]
    Address(#[from] url::ParseError),
}

impl UpstreamTrouble {
    /// Whether it says of a person that they are not let in, or says it in a way that signs nobody in, rather than
    /// that something is out of order at the provider or with us.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Subject
            | Self::AnotherPerson
            | Self::Incomplete(_)
            | Self::Overage { .. }
            | Self::RequiredClaim(_)
            | Self::AccountRefused { .. }
            | Self::NotLetIn(_)
            | Self::Expression { .. } => true,
            // Without a subject nobody at all was spoken of: an answer of another shape.
            Self::Unmapped(fact) => *fact != "subject",
            Self::IdToken(refused) => refused.is_about_another(),
            Self::Unreachable(_)
            | Self::Reach(_)
            | Self::Discovery(_)
            | Self::Metadata(_)
            | Self::Keys(_)
            | Self::NotSigned(_)
            | Self::TokenRefused(_)
            | Self::TokenAnswer(_)
            | Self::Slow(_)
            | Self::Status(..)
            | Self::ProfileAnswer(..)
            | Self::Address(_) => false,
        }
    }

    /// Whether the provider does not take us for its client: nobody's sign-in works until the operator mends that.
    #[must_use]
    pub fn is_of_registration(&self) -> bool {
        matches!(self, Self::TokenRefused(error) if is_of_registration(error))
    }

    /// Whether the provider could not be reached at all, rather than answered wrongly.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_)
                | Self::Slow(_)
                | Self::Status(_, 429 | 500..)
                | Self::Reach(_)
                | Self::Discovery(_)
                | Self::Keys(KeyRefused::Unavailable(_) | KeyRefused::NotRenewed(..))
        )
    }
}

/// For the operator, where it is likely to be theirs to mend.
fn what_to_look_at(error: &str) -> &'static str {
    if is_of_registration(error) {
        ": look at `client_id`, `client_secret` (it may have run out) and how the client authenticates there; \
         `doorward provider test` tries them"
    } else {
        ""
    }
}

/// Whether an error of the token endpoint is about who we are (RFC 6749 §5.2), also in a word of its own (GitHub).
fn is_of_registration(error: &str) -> bool {
    matches!(
        error,
        "invalid_client" | "unauthorized_client" | "incorrect_client_credentials"
    )
}
