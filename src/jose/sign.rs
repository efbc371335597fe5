//! Our own signatures, with a key that is parsed once.
//!
//! Invariant: the `kid` is the key's thumbprint (RFC 7638), so two keys never share one. What is deliberately
//! absent: storage and rotation of keys. Random numbers come from aws-lc-rs itself, which takes no others.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::Value;

use crate::domain::client_authentication::NotSigned;
use crate::domain::signing_key::SigningAlgorithm;

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
    EdDsa(Ed25519KeyPair),
}

/// A stored key that is none, or one for another algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored private key is not one for {0}")]
pub struct SignerUnreadable(pub SigningAlgorithm);

/// What stands before the claims (RFC 7515 §4.1).
#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    kid: &'a str,
}

/// Room for an encoded signature and the dots: 2048 bits of RSA are the longest.
const SIGNATURE: usize = 348;

/// Room for header and claims. Longer ones grow their buffer.
const USUAL_CLAIMS: usize = 640;

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
            SigningAlgorithm::EdDsa => {
                Key::EdDsa(Ed25519KeyPair::generate().map_err(|_| SigningFailed)?)
            }
        };
        Self::of(key)
    }

    /// A key that [`Signer::secret`] has written.
    ///
    /// # Errors
    /// [`SignerUnreadable`].
    pub fn read(
        algorithm: SigningAlgorithm,
        secret: &SecretString,
    ) -> Result<Self, SignerUnreadable> {
        let unreadable = |()| SignerUnreadable(algorithm);
        let der = BASE64_STANDARD
            .decode(secret.expose_secret())
            .map_err(|_| unreadable(()))?;
        let key = match algorithm {
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).map(Key::Es256)
            }
            SigningAlgorithm::Rs256 => {
                RsaKeyPair::from_pkcs8(&der).map(|pair| Key::Rs256(Box::new(pair)))
            }
            SigningAlgorithm::EdDsa => Ed25519KeyPair::from_pkcs8(&der).map(Key::EdDsa),
        };
        let key = key.map_err(|_| unreadable(()))?;
        Self::of(key).map_err(|SigningFailed| unreadable(()))
    }

    fn of(key: Key) -> Result<Self, SigningFailed> {
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

    /// The private key, to be sealed and stored: PKCS#8 (RFC 5958) in base64.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn secret(&self) -> Result<SecretString, SigningFailed> {
        let text = match &self.key {
            Key::Es256(pair) => pair
                .to_pkcs8v1()
                .map(|der| BASE64_STANDARD.encode(der.as_ref())),
            Key::Rs256(pair) => AsDer::<Pkcs8V1Der<'_>>::as_der(pair.as_ref())
                .map(|der| BASE64_STANDARD.encode(der.as_ref())),
            Key::EdDsa(pair) => pair
                .to_pkcs8()
                .map(|der| BASE64_STANDARD.encode(der.as_ref())),
        };
        Ok(text.map_err(|_| SigningFailed)?.into())
    }

    /// The name of the key.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The registered name of the algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> &'static str {
        self.signs_with().as_str()
    }

    /// The algorithm.
    #[must_use]
    pub const fn signs_with(&self) -> SigningAlgorithm {
        match self.key {
            Key::Es256(_) => SigningAlgorithm::Es256,
            Key::Rs256(_) => SigningAlgorithm::Rs256,
            Key::EdDsa(_) => SigningAlgorithm::EdDsa,
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
    /// When the library refuses, or the claims are nothing that JSON can say.
    pub fn sign<C: Serialize + ?Sized>(
        &self,
        claims: &C,
        typ: &str,
    ) -> Result<String, SigningFailed> {
        let header = Header {
            alg: self.algorithm(),
            typ,
            kid: &self.kid,
        };
        self.sign_with_header(&header, claims)
    }

    /// A signed token with any header: for a provider in tests that misbehaves on request.
    ///
    /// # Errors
    /// As [`Signer::sign`].
    pub fn sign_with_header<H: Serialize + ?Sized, C: Serialize + ?Sized>(
        &self,
        header: &H,
        claims: &C,
    ) -> Result<String, SigningFailed> {
        with_signature(header, claims, |message| self.key.sign(message))
    }
}

/// Header and claims in the compact form, with the signature over them (RFC 7515 §3.1). One buffer for what is
/// encoded, one for the token.
pub(super) fn with_signature<S: AsRef<[u8]>, E: From<SigningFailed>>(
    header: &(impl Serialize + ?Sized),
    claims: &(impl Serialize + ?Sized),
    sign: impl FnOnce(&[u8]) -> Result<S, E>,
) -> Result<String, E> {
    let mut plain = Vec::with_capacity(USUAL_CLAIMS);
    serde_json::to_writer(&mut plain, header).map_err(|_| SigningFailed)?;
    let header_end = plain.len();
    serde_json::to_writer(&mut plain, claims).map_err(|_| SigningFailed)?;
    let (header, claims) = plain.split_at(header_end);
    let mut token = String::with_capacity(plain.len() * 4 / 3 + SIGNATURE);
    BASE64_URL_SAFE_NO_PAD.encode_string(header, &mut token);
    token.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let signature = sign(token.as_bytes())?;
    token.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

impl From<SigningFailed> for NotSigned {
    fn from(_: SigningFailed) -> Self {
        Self
    }
}

/// The bytes of a signature.
enum Signature {
    Short([u8; 64]),
    Rsa(Vec<u8>),
}

impl AsRef<[u8]> for Signature {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Short(signature) => signature,
            Self::Rsa(signature) => signature,
        }
    }
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
            Self::EdDsa(key) => (
                DecodingKey::from_ed_der(key.public_key().as_ref()),
                Algorithm::EdDSA,
            ),
        };
        Jwk::from_decoding_key(&public, Some(algorithm))
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, SigningFailed> {
        let random = SystemRandom::new();
        match self {
            Self::Es256(key) => key
                .sign(&random, message)
                .map_err(|_| SigningFailed)
                .and_then(|signature| short(&signature)),
            Self::EdDsa(key) => short(&key.sign(message)),
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(|_| SigningFailed)?;
                Ok(Signature::Rsa(signature))
            }
        }
    }
}

/// Without the room that the library keeps for the longest signatures of all.
fn short(signature: &aws_lc_rs::signature::Signature) -> Result<Signature, SigningFailed> {
    let bytes = signature.as_ref().try_into();
    bytes.map(Signature::Short).map_err(|_| SigningFailed)
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
    use serde_json::json;

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
    #[case(SigningAlgorithm::EdDsa, "EdDSA")]
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
    fn a_written_key_is_read_again_and_for_its_own_algorithm_only() {
        for algorithm in SigningAlgorithm::ALL {
            let signer = Signer::generate(algorithm).expect("a key");
            let secret = signer.secret().expect("written");
            let again = Signer::read(algorithm, &secret).expect("read");
            assert_eq!(again.public_jwk(), signer.public_jwk());
            let token = again.sign(&json!({ "sub": "ana" }), "JWT").expect("signed");
            assert!(verified(&signer, &token).is_ok());
            for other in SigningAlgorithm::ALL
                .into_iter()
                .filter(|other| *other != algorithm)
            {
                let refused = Signer::read(other, &secret).expect_err("another kind");
                assert_eq!(refused, SignerUnreadable(other));
            }
            for damaged in ["", "!", "AAAA"] {
                assert!(Signer::read(algorithm, &damaged.into()).is_err());
            }
        }
    }

    #[test]
    fn the_public_half_is_all_that_is_published() {
        for algorithm in SigningAlgorithm::ALL {
            let signer = Signer::generate(algorithm).expect("a key");
            let public = signer.public_jwk().as_object().expect("an object");
            let mut names: Vec<_> = public.keys().map(String::as_str).collect();
            names.sort_unstable();
            let expected = match algorithm {
                SigningAlgorithm::Es256 => ["alg", "crv", "kid", "kty", "use", "x", "y"].as_slice(),
                SigningAlgorithm::Rs256 => &["alg", "e", "kid", "kty", "n", "use"],
                SigningAlgorithm::EdDsa => &["alg", "crv", "kid", "kty", "use", "x"],
            };
            assert_eq!(names, expected);
            assert_eq!(public["use"], "sig");
            assert_eq!(public["alg"], signer.algorithm());
            assert!(!format!("{signer:?}").contains("key:"));
        }
    }
}
