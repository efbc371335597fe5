//! Secrets that both sides know, for issuers that sign with HMAC (RFC 7518 §3.2).
//!
//! Invariant: a secret comes from the configuration, is as long as its digest at least, and is not the text of
//! a public key, which everybody knows. No key set can hold one. Signatures are compared in constant time.

use std::fmt;

use aws_lc_rs::hmac;

/// An algorithm with a shared secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HmacAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

impl HmacAlgorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hs256, Self::Hs384, Self::Hs512];

    /// Its registered name, compared with regard to case (RFC 7515 §4.1.1).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// Bytes of its digest, and so of the shortest secret (RFC 7518 §3.2).
    #[must_use]
    pub const fn digest_length(self) -> usize {
        match self {
            Self::Hs256 => 32,
            Self::Hs384 => 48,
            Self::Hs512 => 64,
        }
    }

    fn library(self) -> hmac::Algorithm {
        match self {
            Self::Hs256 => hmac::HMAC_SHA256,
            Self::Hs384 => hmac::HMAC_SHA384,
            Self::Hs512 => hmac::HMAC_SHA512,
        }
    }
}

/// Why a secret is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretRefused {
    /// Shorter than the digest (RFC 7518 §3.2).
    #[error("the secret has {found} bytes; {algorithm} needs {needed} at least", algorithm = .algorithm.as_str())]
    TooShort {
        /// For which algorithm.
        algorithm: HmacAlgorithm,
        /// Bytes that it has.
        found: usize,
        /// Bytes that it must have.
        needed: usize,
    },
    /// A key in PEM, JWK or DER: whoever knows the public half could sign.
    #[error("the secret is the text of a key; a public key belongs in a key set")]
    Key,
}

/// One secret, parsed.
#[derive(Clone)]
pub struct SharedSecret {
    kid: Option<Box<str>>,
    key: hmac::Key,
}

impl SharedSecret {
    /// From its bytes (base64 decoded, where the issuer hands it out so) and, where the account has several,
    /// its name.
    ///
    /// # Errors
    /// When it is too short, or not a secret.
    pub fn new(
        algorithm: HmacAlgorithm,
        secret: &[u8],
        kid: Option<&str>,
    ) -> Result<Self, SecretRefused> {
        let needed = algorithm.digest_length();
        if secret.len() < needed {
            return Err(SecretRefused::TooShort {
                algorithm,
                found: secret.len(),
                needed,
            });
        }
        if is_a_key(secret) {
            return Err(SecretRefused::Key);
        }
        Ok(Self {
            kid: kid.map(Into::into),
            key: hmac::Key::new(algorithm.library(), secret),
        })
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SharedSecret")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// PEM, a JWK, or the DER of a public key (a sequence whose second element, or second integer, follows the
/// lengths that `SubjectPublicKeyInfo` and `RSAPublicKey` have).
fn is_a_key(secret: &[u8]) -> bool {
    let text = secret.trim_ascii();
    let is_jwk = || {
        serde_json::from_slice::<serde_json::Value>(text)
            .is_ok_and(|value| value.get("kty").is_some() || value.get("keys").is_some())
    };
    text.starts_with(b"-----BEGIN ") || is_jwk() || is_der(secret)
}

/// A DER sequence that spans exactly the whole secret (X.690 §8.1.3). Random bytes are one once in 16 million
/// times.
fn is_der(secret: &[u8]) -> bool {
    match secret {
        [0x30, length @ ..=0x7f, rest @ ..] | [0x30, 0x81, length, rest @ ..] => {
            rest.len() == usize::from(*length)
        }
        [0x30, 0x82, high, low, rest @ ..] => {
            rest.len() == usize::from(u16::from_be_bytes([*high, *low]))
        }
        _ => false,
    }
}

/// The secrets of one issuer, all for one algorithm: two while the secret is being changed, or one for each
/// `kid`.
#[derive(Clone, Debug)]
pub struct SharedSecrets {
    algorithm: HmacAlgorithm,
    secrets: Vec<SharedSecret>,
}

impl SharedSecrets {
    /// None yet, so nothing verifies.
    #[must_use]
    pub const fn new(algorithm: HmacAlgorithm) -> Self {
        Self {
            algorithm,
            secrets: Vec::new(),
        }
    }

    /// With one more secret.
    ///
    /// # Errors
    /// As [`SharedSecret::new`].
    pub fn with(mut self, secret: &[u8], kid: Option<&str>) -> Result<Self, SecretRefused> {
        self.secrets
            .push(SharedSecret::new(self.algorithm, secret, kid)?);
        Ok(self)
    }

    /// The one algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> HmacAlgorithm {
        self.algorithm
    }

    /// Whether `signature` is one of these secrets' over `message`: of the one that is called `kid`, else of
    /// one that has no name. The whole digest is wanted, and compared in constant time.
    #[must_use]
    pub fn verify(&self, kid: Option<&str>, message: &[u8], signature: &[u8]) -> bool {
        let named = kid.filter(|kid| {
            self.secrets
                .iter()
                .any(|secret| secret.kid.as_deref() == Some(kid))
        });
        self.secrets
            .iter()
            .filter(|secret| secret.kid.as_deref() == named)
            .any(|secret| hmac::verify(&secret.key, message, signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _};
    use rstest::rstest;

    #[rstest]
    #[case::pem(b"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n".to_vec())]
    #[case::pem_indented(b"\n  -----BEGIN RSA PUBLIC KEY-----\nMIIBCgKCAQEA\n".to_vec())]
    #[case::jwk(br#"{"kty":"RSA","n":"sXchDaQebHnPiGvyDOAT4saGEUetSyo9MKLOoWFsueri","e":"AQAB"}"#.to_vec())]
    #[case::jwk_set(br#"  {"keys":[{"kty":"RSA","n":"sXchDaQebHnPiGvyDOAT4sa","e":"AQAB"}]} "#.to_vec())]
    #[case::der(der(90))]
    #[case::der_of_two_lengths(der(200))]
    #[case::der_of_rsa(der(290))]
    fn a18_the_text_of_a_key_is_no_secret(#[case] secret: Vec<u8>) {
        assert_eq!(
            SharedSecret::new(HmacAlgorithm::Hs256, &secret, None).expect_err("refused"),
            SecretRefused::Key
        );
    }

    /// A sequence of `length` bytes.
    fn der(length: usize) -> Vec<u8> {
        let low = u8::try_from(length % 256).expect("a byte");
        let mut bytes = match length {
            0..128 => vec![0x30, low],
            128..256 => vec![0x30, 0x81, low],
            _ => vec![0x30, 0x82, u8::try_from(length / 256).expect("a byte"), low],
        };
        bytes.extend(std::iter::repeat_n(2, length));
        bytes
    }

    #[test]
    fn a18_the_library_writes_the_der_that_is_refused() {
        use aws_lc_rs::encoding::AsDer as _;
        let pair = Ed25519KeyPair::generate().expect("a key");
        let public =
            aws_lc_rs::signature::ParsedPublicKey::new(&ED25519, pair.public_key()).expect("a key");
        let der = public.as_der().expect("DER");
        assert!(is_a_key(der.as_ref()));
    }

    #[test]
    fn a_secret_is_as_long_as_its_digest() {
        for algorithm in HmacAlgorithm::ALL {
            let needed = algorithm.digest_length();
            let short = vec![7; needed - 1];
            assert_eq!(
                SharedSecret::new(algorithm, &short, None).expect_err("refused"),
                SecretRefused::TooShort {
                    algorithm,
                    found: needed - 1,
                    needed
                }
            );
            assert!(SharedSecret::new(algorithm, &vec![7; needed], None).is_ok());
        }
    }

    #[test]
    fn a_named_secret_answers_to_its_name_only() {
        let sign = |secret: &[u8]| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            hmac::sign(&key, b"m").as_ref().to_vec()
        };
        let secrets = SharedSecrets::new(HmacAlgorithm::Hs256)
            .with(&[1; 32], Some("one"))
            .and_then(|secrets| secrets.with(&[2; 32], Some("two")))
            .and_then(|secrets| secrets.with(&[3; 32], None))
            .and_then(|secrets| secrets.with(&[4; 32], None))
            .expect("secrets");
        for (kid, number, expected) in [
            (Some("one"), 1, true),
            (Some("one"), 2, false),
            (Some("one"), 3, false),
            (Some("two"), 2, true),
            (None, 3, true),
            (None, 4, true),
            (None, 1, false),
            (Some("other"), 3, true),
            (Some("other"), 1, false),
        ] {
            let found = secrets.verify(kid, b"m", &sign(&[number; 32]));
            assert_eq!(found, expected, "{kid:?} {number}");
        }
    }

    #[test]
    fn a36_a_secret_is_not_printed() {
        let secrets = SharedSecrets::new(HmacAlgorithm::Hs256)
            .with(b"canary-canary-canary-canary-canary", None)
            .expect("a secret");
        assert!(!format!("{secrets:?}").contains("canary"));
        assert!(!format!("{secrets:?}").contains("99, 97, 110"));
    }
}
