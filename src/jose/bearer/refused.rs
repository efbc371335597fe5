//! Why a token is not accepted: the whole truth for operators, two words for everybody else.

use crate::jose::header::HeaderRefused;
use crate::jose::key_set::KeyRefused;
use crate::outbound::FetchFault;

/// Why a token is not accepted. For logs and for operators: never sent to the caller, who learns
/// [`TokenRefused::answer`]. No variant holds more of a token than a short, escaped piece of its header, `iss`
/// or the name of a claim.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// It is not a signed token, or its header leads astray.
    #[error(transparent)]
    Header(#[from] HeaderRefused),
    /// The payload is not a JSON object with each claim once, at most 32 levels deep (RFC 7519 §7.2).
    #[error("the payload is not a JSON object with each claim once, at most 32 levels deep")]
    Payload,
    /// The signature is not base64url.
    #[error("the signature is not base64url")]
    SignatureEncoding,
    /// `alg` is not the one that the rules pin (RFC 8725 §3.1).
    #[error("the token is signed with {found}, this issuer's tokens with {pinned}")]
    Algorithm {
        /// What the rules say.
        pinned: &'static str,
        /// What the token says.
        found: &'static str,
    },
    /// `typ` is another kind's (RFC 8725 §3.11, RFC 9068 §4).
    #[error("the header's `typ` is not one of this issuer's access tokens: `{0}`")]
    Type(Box<str>),
    /// It is of another kind: an ID token or a logout token where an access token is wanted, and the like.
    #[error("the token is of another kind: it has `{0}`")]
    Kind(&'static str),
    /// `iss` is missing, of the wrong shape, or not one that these rules are for (RFC 7519 §4.1.1).
    #[error("`iss` is none of this issuer's names: `{0}`")]
    Issuer(Box<str>),
    /// No key verifies it.
    #[error(transparent)]
    Key(KeyRefused),
    /// The keys cannot be had: nothing is known about the token.
    #[error("the issuer's keys cannot be had: {0}")]
    KeysUnavailable(FetchFault),
    /// The signature is somebody else's, or the token was altered.
    #[error("the signature does not fit")]
    Signature,
    /// The key signs for another issuer (its member `issuer`).
    #[error("the key signs for another issuer than `iss`")]
    KeyIssuer,
    /// A time is missing where it must be there, is no number, or no date (RFC 7519 §2).
    #[error("`{0}` is missing or not a NumericDate")]
    Time(&'static str),
    /// `exp` is over (RFC 7519 §4.1.4).
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` is in the future.
    #[error("`{0}` is in the future")]
    Early(&'static str),
    /// It was issued longer ago than the rules allow.
    #[error("`iat` is longer ago than is accepted")]
    Old,
    /// It is not for us (RFC 7519 §4.1.3).
    #[error("the audience in `{0}` is not ours")]
    Audience(Box<str>),
    /// It was issued to a client that is not admitted, or to several audiences of which one is not ours.
    #[error("the client in `{0}` is not admitted")]
    Client(Box<str>),
    /// A claim that the rules ask for is missing, of another shape, or says something else.
    #[error("the claim `{0}` is not as demanded")]
    Claim(Box<str>),
    /// `sub` or `jti` is there and no text, or too long (RFC 7519 §4.1.2, §4.1.7).
    #[error("`{0}` is not text of at most 255 bytes")]
    Shape(&'static str),
    /// It is bound to a key that a plain bearer does not prove (RFC 7800 §3.1, RFC 9449 §7.1, RFC 8705 §3).
    #[error("the token is bound to a key (`cnf`), and was sent without proof of it")]
    SenderConstrained,
    /// It was revoked here.
    #[error("the token was revoked")]
    Revoked,
}

/// What the caller may learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BearerAnswer {
    /// 401 with `error="invalid_token"` (RFC 6750 §3.1), whatever the reason.
    InvalidToken,
    /// 503: the token could not be judged, so it is not let in, and is not called bad.
    Unavailable,
}

impl BearerAnswer {
    /// `error` of the challenge (RFC 6750 §3.1), where there is one.
    #[must_use]
    pub const fn error(self) -> Option<&'static str> {
        match self {
            Self::InvalidToken => Some("invalid_token"),
            Self::Unavailable => None,
        }
    }
}

impl TokenRefused {
    /// What the caller may learn.
    #[must_use]
    pub const fn answer(&self) -> BearerAnswer {
        match self {
            Self::KeysUnavailable(_) => BearerAnswer::Unavailable,
            _ => BearerAnswer::InvalidToken,
        }
    }
}

impl From<KeyRefused> for TokenRefused {
    fn from(refused: KeyRefused) -> Self {
        match refused {
            KeyRefused::Unavailable(fault) => Self::KeysUnavailable(fault),
            KeyRefused::Signature => Self::Signature,
            // With the keys at hand it is not let in, and its sender hears 401, not 503: anybody can make a token
            // that no key here has signed, and would have the door called broken with it. Who holds a good one
            // loses nothing, and is let in with it once the keys are there.
            KeyRefused::TooSoon(inner) | KeyRefused::NotRenewed(inner, _)
                if *inner == KeyRefused::Signature =>
            {
                Self::Signature
            }
            other => Self::Key(other),
        }
    }
}
