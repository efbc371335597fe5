//! Tokens that a request brings along: access tokens, ID tokens that are used as such, attestations.
//!
//! The way of one: [`UnverifiedToken`] says who claims to have issued it, and nothing else; the caller picks
//! the [`TrustedIssuer`] of that name; [`TokenVerifier`] judges the token by it and makes a [`VerifiedToken`],
//! which has no other maker; [`TokenMemory`] remembers it under a [`TokenKey`] until it ends or is revoked.
//! Invariant: nothing in a token is believed before its signature was checked with the one algorithm that the
//! rules pin, by a key from where the rules say (RFC 8725 §3.1, §3.10), and no check is skipped because a
//! claim has the wrong shape. What is deliberately absent: which issuers an app trusts, scopes, and HTTP.

mod answer;
mod checks;
mod memory;
mod refused;
mod revocations;
mod secret;
mod trusted_issuer;
mod unverified;
mod verifier;

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod vectors;

pub use answer::TokenAnswer;
pub use memory::{MemoryLimits, TokenFacts, TokenKey, TokenMemory, TokenScope};
pub use refused::{BearerAnswer, TokenRefused};
pub use revocations::{Revocation, Revocations, RevocationsFull};
pub use secret::{HmacAlgorithm, SecretRefused, SharedSecret, SharedSecrets};
pub use trusted_issuer::{
    AnyOf, ClaimDemand, Issuers, TimeRules, TokenKind, TrustedIssuer, TrustedKeys, TypRule,
};
pub use unverified::UnverifiedToken;
pub use verifier::{TokenVerifier, VerifiedToken};
