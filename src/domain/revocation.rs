//! Tokens that are no longer taken although nothing in them says so.

use time::OffsetDateTime;

/// What is revoked, in one tenant. An issuer that tokens do not name is the empty text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// One token.
    Token {
        /// Its `iss`.
        issuer: Box<str>,
        /// Its `jti`, which is unique for its issuer only (RFC 7519 §4.1.7).
        id: Box<str>,
    },
    /// All of a subject's that were issued by then.
    Subject {
        /// Their `iss`.
        issuer: Box<str>,
        /// Their `sub`.
        subject: Box<str>,
        /// Tokens with this `iat` or an earlier one, and those without, are refused. Later ones are a new
        /// sign-in. Whole seconds are counted: one issued in the same second is refused. Add what the
        /// issuer's clock may be ahead of ours.
        issued_until: OffsetDateTime,
    },
    /// All of an issuer's that were issued by then.
    Issuer {
        /// Their `iss`.
        issuer: Box<str>,
        /// As for a subject.
        issued_until: OffsetDateTime,
    },
}
