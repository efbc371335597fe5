//! A public key that was judged and parsed once, and verifies from then on.
//!
//! Invariant: a key that exists is strong enough and verifies with algorithms of its own kind only.

use std::fmt;
use std::sync::OnceLock;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, VerificationAlgorithm,
};

use super::algorithm::SignatureAlgorithm;

/// RSA keys below are weak (RFC 7518 §3.3); those above cost more than a signature is worth.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A public key.
pub(super) enum PublicKey {
    Rsa(Rsa),
    P256(ParsedPublicKey),
    P384(ParsedPublicKey),
    Ed25519(ParsedPublicKey),
}

/// The library's parsed form belongs to one algorithm. A key without `alg` could be used with six: each form
/// is made when it is first needed, which is hardly ever more than one.
pub(super) struct Rsa {
    modulus: Box<[u8]>,
    exponent: Box<[u8]>,
    parsed: [OnceLock<Option<Box<ParsedPublicKey>>>; 6],
}

impl PublicKey {
    /// From modulus and exponent (RFC 7518 §6.3.1). The error says why not, to an operator; so do the others.
    pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, &'static str> {
        let modulus = without_zeros(modulus);
        let exponent = without_zeros(exponent);
        let leading = modulus.first().map_or(0, |first| first.leading_zeros());
        let bits = (modulus.len() * 8).saturating_sub(leading as usize);
        if bits < *RSA_BITS.start() {
            return Err("its RSA modulus is shorter than 2048 bits");
        }
        if bits > *RSA_BITS.end() {
            return Err("its RSA modulus is longer than 8192 bits");
        }
        // Even, 1, or so large that each verification costs like a signature: no honest key has such.
        let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
        if !odd(exponent) || exponent == [1] || exponent.len() > 4 || !odd(modulus) {
            return Err("it is not an RSA key");
        }
        let key = Rsa {
            modulus: modulus.into(),
            exponent: exponent.into(),
            parsed: Default::default(),
        };
        match key.parsed(SignatureAlgorithm::Rs256) {
            Some(_) => Ok(Self::Rsa(key)),
            None => Err("it is not an RSA key"),
        }
    }

    /// From the coordinates (RFC 7518 §6.2.1).
    pub(super) fn p256(x: &[u8], y: &[u8]) -> Result<Self, &'static str> {
        point(&ECDSA_P256_SHA256_FIXED, 32, x, y).map(Self::P256)
    }

    /// From the coordinates (RFC 7518 §6.2.1).
    pub(super) fn p384(x: &[u8], y: &[u8]) -> Result<Self, &'static str> {
        point(&ECDSA_P384_SHA384_FIXED, 48, x, y).map(Self::P384)
    }

    /// From the encoded point (RFC 8037 §2).
    pub(super) fn ed25519(x: &[u8]) -> Result<Self, &'static str> {
        ParsedPublicKey::new(&ED25519, x)
            .map(Self::Ed25519)
            .map_err(|_| "it is not a key")
    }

    /// RFC 7518 §3.1, RFC 8037 §3.1.
    pub(super) fn fits(&self, algorithm: SignatureAlgorithm) -> bool {
        use SignatureAlgorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        match algorithm {
            Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512 => matches!(self, Self::Rsa(_)),
            Es256 => matches!(self, Self::P256(_)),
            Es384 => matches!(self, Self::P384(_)),
            EdDsa => matches!(self, Self::Ed25519(_)),
        }
    }

    /// Whether `signature` is this key's over `message`, by an algorithm that fits.
    pub(super) fn verifies(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        if !self.fits(algorithm) {
            return false;
        }
        let key = match self {
            Self::Rsa(key) => key.parsed(algorithm),
            Self::P256(key) | Self::P384(key) | Self::Ed25519(key) => Some(key),
        };
        key.is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }
}

impl Rsa {
    fn parsed(&self, algorithm: SignatureAlgorithm) -> Option<&ParsedPublicKey> {
        use SignatureAlgorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        let (place, parameters): (usize, &'static RsaParameters) = match algorithm {
            Rs256 => (0, &RSA_PKCS1_2048_8192_SHA256),
            Rs384 => (1, &RSA_PKCS1_2048_8192_SHA384),
            Rs512 => (2, &RSA_PKCS1_2048_8192_SHA512),
            Ps256 => (3, &RSA_PSS_2048_8192_SHA256),
            Ps384 => (4, &RSA_PSS_2048_8192_SHA384),
            Ps512 => (5, &RSA_PSS_2048_8192_SHA512),
            Es256 | Es384 | EdDsa => return None,
        };
        let parse = || {
            let components = RsaPublicKeyComponents {
                n: &*self.modulus,
                e: &*self.exponent,
            };
            components
                .to_parsed_public_key(parameters)
                .ok()
                .map(Box::new)
        };
        self.parsed.get(place)?.get_or_init(parse).as_deref()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Rsa(_) => "RSA",
            Self::P256(_) => "P-256",
            Self::P384(_) => "P-384",
            Self::Ed25519(_) => "Ed25519",
        })
    }
}

fn point(
    algorithm: &'static dyn VerificationAlgorithm,
    length: usize,
    x: &[u8],
    y: &[u8],
) -> Result<ParsedPublicKey, &'static str> {
    // RFC 7518 §6.2.1.2: the full length, zeros in front included.
    if x.len() != length || y.len() != length {
        return Err("its coordinates have the wrong length");
    }
    ParsedPublicKey::new(algorithm, [&[4], x, y].concat())
        .map_err(|_| "it is not a point of its curve")
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}
