//! The provider's keys: signatures over any text, and every public form that an attacker could feed
//! to an HMAC.

use std::sync::Mutex;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// Signature algorithms that the provider has a key for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Algorithm {
    Rs256,
    Es256,
}

impl Algorithm {
    /// Its JOSE name (RFC 7518 §3.1).
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }

    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Rs256 => Self::Es256,
            Self::Es256 => Self::Rs256,
        }
    }
}

/// A key pair with its `kid`.
#[derive(Debug)]
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    pair: Pair,
}

#[derive(Debug)]
enum Pair {
    Rsa(Borrowed),
    Ec(Box<EcdsaKeyPair>),
}

/// RSA keys are slow to make, so they are made once and lent: two providers that live at the same
/// time never have the same one.
static IDLE_RSA_KEYS: Mutex<Vec<RsaKeyPair>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Borrowed(Option<RsaKeyPair>);

impl Borrowed {
    fn take() -> Self {
        let idle = IDLE_RSA_KEYS.lock().expect("no test panics here").pop();
        Self(Some(idle.unwrap_or_else(|| {
            RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key")
        })))
    }

    fn key(&self) -> &RsaKeyPair {
        self.0.as_ref().expect("returned only when dropped")
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let (Some(key), Ok(mut idle)) = (self.0.take(), IDLE_RSA_KEYS.lock()) {
            idle.push(key);
        }
    }
}

impl SigningKey {
    pub(crate) fn new(algorithm: Algorithm, kid: impl Into<String>) -> Self {
        let pair = match algorithm {
            Algorithm::Rs256 => Pair::Rsa(Borrowed::take()),
            Algorithm::Es256 => Pair::Ec(Box::new(
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("an EC key"),
            )),
        };
        Self {
            kid: kid.into(),
            pair,
        }
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Rsa(_) => Algorithm::Rs256,
            Pair::Ec(_) => Algorithm::Es256,
        }
    }

    /// The JWS signature value (RFC 7518 §3.3 and §3.4).
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.key().public_modulus_len()];
                pair.key()
                    .sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .expect("a signature");
                signature
            }
            Pair::Ec(pair) => pair
                .sign(&random, message)
                .expect("a signature")
                .as_ref()
                .to_vec(),
        }
    }

    /// As published: with `kid`, `use` and `alg` (RFC 7517 §4).
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let key = jsonwebtoken::DecodingKey::from_rsa_der(pair.key().public_key().as_ref());
                let jwk = jsonwebtoken::jwk::Jwk::from_decoding_key(&key, None).expect("a JWK");
                serde_json::to_value(jwk).expect("JSON")
            }
            Pair::Ec(pair) => {
                // An uncompressed point: 4, x, y (SEC 1 §2.3.3).
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256",
                    "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)})
            }
        };
        jwk["kid"] = self.kid.clone().into();
        jwk["use"] = "sig".into();
        jwk["alg"] = self.algorithm().name().into();
        jwk
    }

    /// `SubjectPublicKeyInfo`.
    pub(crate) fn public_der(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => AsDer::as_der(pair.key().public_key())
                .expect("DER")
                .as_ref()
                .to_vec(),
            Pair::Ec(pair) => AsDer::as_der(pair.public_key())
                .expect("DER")
                .as_ref()
                .to_vec(),
        }
    }

    /// The same in PEM, as it stands in documentation and certificates' folders.
    pub(crate) fn public_pem(&self) -> String {
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        for line in STANDARD.encode(self.public_der()).as_bytes().chunks(64) {
            pem.push_str(std::str::from_utf8(line).expect("base64"));
            pem.push('\n');
        }
        pem + "-----END PUBLIC KEY-----\n"
    }
}
