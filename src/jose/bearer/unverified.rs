//! A token that nobody has checked.
//!
//! Invariant: what it says can be read by nobody but the verifier, except for `iss`, which picks the rules that
//! it is then judged by. Whoever makes up an `iss` is judged by the rules, and the keys, of that issuer.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::refused::TokenRefused;
use super::secret::HmacAlgorithm;
use crate::jose::algorithm::SignatureAlgorithm;
use crate::jose::header::{Header, HeaderRefused, MAX_TOKEN_BYTES, segments};
use crate::jose::{json, shown};

/// What `alg` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NamedAlgorithm {
    Signature(SignatureAlgorithm),
    Hmac(HmacAlgorithm),
}

impl NamedAlgorithm {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Signature(algorithm) => algorithm.as_str(),
            Self::Hmac(algorithm) => algorithm.as_str(),
        }
    }
}

/// A signed token in the compact form (RFC 7515 §3.1), taken apart and not believed.
pub struct UnverifiedToken<'a> {
    /// The first two segments, over which the signature is.
    pub(super) signed: &'a str,
    pub(super) signature: Vec<u8>,
    pub(super) algorithm: NamedAlgorithm,
    pub(super) kid: Option<Box<str>>,
    pub(super) typ: Option<Box<str>>,
    pub(super) claims: Map<String, Value>,
}

impl<'a> UnverifiedToken<'a> {
    /// Takes a token of at most 16 KiB apart. Costs no request, no signature, and time that grows with the
    /// length only; an encrypted token (five segments, RFC 7516 §3.1) is refused unread.
    ///
    /// # Errors
    /// The first reason to refuse it: size, segments, strict base64url without padding, header, payload.
    pub fn read(token: &'a str) -> Result<Self, TokenRefused> {
        Self::read_within(token, MAX_TOKEN_BYTES)
    }

    /// The same with another limit, in bytes.
    ///
    /// # Errors
    /// As [`UnverifiedToken::read`].
    pub fn read_within(token: &'a str, longest: usize) -> Result<Self, TokenRefused> {
        let [header, payload, signature] = segments(token, longest)?;
        let Header {
            algorithm,
            kid,
            typ,
            has_certificate,
        } = Header::read(header)?;
        if has_certificate {
            return Err(HeaderRefused::EmbeddedKey("x5c").into());
        }
        let hmac = || {
            HmacAlgorithm::ALL
                .into_iter()
                .find(|each| each.as_str() == &*algorithm)
        };
        let algorithm = algorithm
            .parse()
            .map(NamedAlgorithm::Signature)
            .ok()
            .or_else(|| hmac().map(NamedAlgorithm::Hmac))
            .ok_or_else(|| HeaderRefused::Algorithm(shown(&algorithm)))?;
        let payload_bytes = BASE64_URL_SAFE_NO_PAD
            .decode(payload)
            .map_err(|_| TokenRefused::Payload)?;
        let claims = json::object(&payload_bytes).ok_or(TokenRefused::Payload)?;
        let signature = BASE64_URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| TokenRefused::SignatureEncoding)?;
        let signed = token
            .get(..header.len() + 1 + payload.len())
            .ok_or(HeaderRefused::Malformed)?;
        Ok(Self {
            signed,
            signature,
            algorithm,
            kid,
            typ,
            claims,
        })
    }

    /// `iss` (RFC 7519 §4.1.1), where it is text: whose rules the token wants to be judged by. Never who it is
    /// from.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }
}

/// Nothing that the token says, because nothing of it is known to be true, and it may be somebody's secret.
impl fmt::Debug for UnverifiedToken<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("UnverifiedToken")
            .finish_non_exhaustive()
    }
}
