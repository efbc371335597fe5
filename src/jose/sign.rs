//! Our own signatures, with a key that is parsed once and never leaves memory.
//!
//! Invariant: the `kid` is the key's thumbprint (RFC 7638), so two keys never share one. What is deliberately
//! absent: storage and rotation of keys. Random numbers come from aws-lc-rs itself, which takes no others.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Value, json};

/// What we sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256: small and quick.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 and 2048 bits: what everybody can verify (OIDC Core 1.0 §15.1).
    Rs256,
}

/// The cryptographic library refused. There is nothing a caller can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key could not be made or used for a signature")]
pub struct SigningFailed;

/// A private key.
pub struct Signer {
    key: Key,
    kid: Box<str>,
    public: Value,
}

enum Key {
    Es256(EcdsaKeyPair),
    Rs256(Box<RsaKeyPair>),
}

impl Signer {
    /// Makes a key. An RSA key can take a second: not for the hot path.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn generate(algorithm: SigningAlgorithm) -> Result<Self, SigningFailed> {
        let key = match algorithm {
            SigningAlgorithm::Es256 => Key::Es256(
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                    .map_err(|_| SigningFailed)?,
            ),
            SigningAlgorithm::Rs256 => Key::Rs256(Box::new(
                RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| SigningFailed)?,
            )),
        };
        let mut public = key.public().map_err(|_| SigningFailed)?;
        let kid = public
            .thumbprint(ThumbprintHash::SHA256)
            .map_err(|_| SigningFailed)?;
        public.common.key_id = Some(kid.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self {
            key,
            kid: kid.into(),
            public: serde_json::to_value(public).map_err(|_| SigningFailed)?,
        })
    }

    /// The name of the key.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The registered name of the algorithm.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self.key {
            Key::Es256(_) => "ES256",
            Key::Rs256(_) => "RS256",
        }
    }

    /// The public half as a JWK (RFC 7517), with `kid`, `use` and `alg`.
    #[must_use]
    pub fn public_jwk(&self) -> &Value {
        &self.public
    }

    /// A signed token with these claims. `typ` tells kinds of tokens apart (RFC 8725 §3.11).
    ///
    /// # Errors
    /// When the library refuses.
    pub fn sign(&self, claims: &Value, typ: &str) -> Result<String, SigningFailed> {
        let header = json!({ "alg": self.algorithm(), "typ": typ, "kid": self.kid });
        self.sign_with_header(&header, claims)
    }

    /// A signed token with any header: for a provider in tests that misbehaves on request.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn sign_with_header(
        &self,
        header: &Value,
        claims: &Value,
    ) -> Result<String, SigningFailed> {
        with_signature(header, claims, |message| self.key.sign(message))
    }
}

/// Header and claims in the compact form, with the signature over them (RFC 7515 §3.1).
pub(super) fn with_signature<E>(
    header: &Value,
    claims: &Value,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<String, E> {
    let mut token = BASE64_URL_SAFE_NO_PAD.encode(header.to_string());
    token.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
    let signature = sign(token.as_bytes())?;
    token.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

impl Key {
    fn public(&self) -> Result<Jwk, jsonwebtoken::errors::Error> {
        let (public, algorithm) = match self {
            Self::Es256(key) => (
                DecodingKey::from_ec_der(key.public_key().as_ref()),
                Algorithm::ES256,
            ),
            Self::Rs256(key) => (
                DecodingKey::from_rsa_der(key.public_key().as_ref()),
                Algorithm::RS256,
            ),
        };
        Jwk::from_decoding_key(&public, Some(algorithm))
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        let random = SystemRandom::new();
        match self {
            Self::Es256(key) => key
                .sign(&random, message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| SigningFailed),
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(|_| SigningFailed)?;
                Ok(signature)
            }
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Signer")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{JoseHeader, KeySet};
    use jsonwebtoken::Validation;
    use rstest::rstest;

    fn verified(signer: &Signer, token: &str) -> Result<Value, jsonwebtoken::errors::Error> {
        let header = JoseHeader::peek(token).expect("a header");
        let published = json!({ "keys": [signer.public_jwk()] }).to_string();
        let selected = KeySet::parse(published.as_bytes())
            .expect("a key set")
            .select(&header, header.algorithm())
            .expect("a key");
        let key: Jwk =
            serde_json::from_value(selected.keys()[0].members().clone().into()).expect("a key");
        let algorithm = header.algorithm().as_str().parse().expect("an algorithm");
        let mut validation = Validation::new(algorithm);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        let key = DecodingKey::from_jwk(&key).expect("a key");
        Ok(jsonwebtoken::decode::<Value>(token, &key, &validation)?.claims)
    }

    #[rstest]
    #[case(SigningAlgorithm::Es256, "ES256")]
    #[case(SigningAlgorithm::Rs256, "RS256")]
    fn another_library_verifies_what_we_sign(
        #[case] algorithm: SigningAlgorithm,
        #[case] name: &str,
    ) {
        let signer = Signer::generate(algorithm).expect("a key");
        let claims = json!({ "sub": "ana", "name": "Ána Ω" });
        let token = signer.sign(&claims, "JWT").expect("signed");
        let header = JoseHeader::peek(&token).expect("a header");
        assert_eq!(header.algorithm().as_str(), name);
        assert_eq!(header.kid(), Some(signer.kid()));
        assert_eq!(header.typ(), Some("JWT"));
        assert_eq!(verified(&signer, &token).expect("verified"), claims);

        let (front, signature) = token.rsplit_once('.').expect("three parts");
        let altered = format!("{}A.{signature}", &front[..front.len() - 1]);
        assert!(verified(&signer, &altered).is_err());
    }

    #[test]
    fn the_public_half_is_all_that_is_published() {
        for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::Rs256] {
            let signer = Signer::generate(algorithm).expect("a key");
            let public = signer.public_jwk().as_object().expect("an object");
            let mut names: Vec<_> = public.keys().map(String::as_str).collect();
            names.sort_unstable();
            let expected = match algorithm {
                SigningAlgorithm::Es256 => ["alg", "crv", "kid", "kty", "use", "x", "y"].as_slice(),
                SigningAlgorithm::Rs256 => &["alg", "e", "kid", "kty", "n", "use"],
            };
            assert_eq!(names, expected);
            assert_eq!(public["use"], "sig");
            assert_eq!(public["alg"], signer.algorithm());
            assert!(!format!("{signer:?}").contains("key:"));
        }
    }
}
