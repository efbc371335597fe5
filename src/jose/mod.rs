//! Signed tokens: their headers before anything is believed, the keys of those who signed them, bearers that
//! are verified by rules for their issuer, our own signatures, and the keys with which we authenticate at token
//! endpoints.
//!
//! Invariants: a key comes from the address that configuration or metadata names, never from a token; the
//! algorithm is pinned by the caller and a token that names another is refused before a key is looked for
//! (RFC 8725 §3.1); a shared secret verifies bearers of the one issuer that the configuration gives it to, and
//! nothing else, so no key set can bring one; `none` does not exist. What is deliberately absent: who may do
//! what with a verified token.

mod algorithm;
mod bearer;
mod claims;
mod client_key;
mod header;
mod issuer_metadata;
mod json;
mod key_set;
mod key_sets;
mod public_key;
mod sign;

pub use algorithm::{SignatureAlgorithm, UnsupportedAlgorithm};
pub use bearer::{
    AnyOf, BearerAnswer, ClaimDemand, HmacAlgorithm, Issuers, MemoryLimits, Revocation,
    Revocations, RevocationsFull, SecretRefused, SharedSecret, SharedSecrets, TimeRules,
    TokenAnswer, TokenFacts, TokenKey, TokenKind, TokenMemory, TokenRefused, TokenScope,
    TokenVerifier, TrustedIssuer, TrustedKeys, TypRule, UnverifiedToken, VerifiedToken,
};
pub use claims::{Misshapen, numeric_date, text_claim};
pub use client_key::{
    CertificateRefused, ClientCertificate, ClientKey, ClientKeyRefused, PrivateKey,
    PrivateKeyRefused,
};
pub use header::{HeaderRefused, JoseHeader, MAX_TOKEN_BYTES};
pub use issuer_metadata::IssuerMetadata;
pub use key_set::{Jwk, KeyRefused, KeySet, KeySetFault, SkippedKey};
pub use key_sets::KeySets;
pub use sign::{Signer, SignerUnreadable, SigningFailed};

pub use crate::domain::signing_key::SigningAlgorithm;

/// Whether a document from outside is nested no deeper than anything that people mean: 32 levels.
#[must_use]
pub fn is_shallow(document: &serde_json::Value) -> bool {
    json::within(document, json::MAX_DEPTH)
}

/// The members of the object that a document from outside is; none if it is another thing, has a member twice, or is
/// nested deeper than anything that people mean.
#[must_use]
pub fn object(document: &[u8]) -> Option<serde_json::Map<String, serde_json::Value>> {
    json::object(document)
}

/// Text from outside, fit for a line of a log: short, and without control characters.
pub(crate) fn shown(text: &str) -> Box<str> {
    text.chars()
        .take(64)
        .flat_map(char::escape_debug)
        .collect::<String>()
        .into()
}
