//! Keys, tokens and rules for the tests of this folder.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use aws_lc_rs::{hmac, signature};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

use super::*;
use crate::domain::claims::ClaimPath;
use crate::domain::ids::Issuer;
use crate::domain::upstream_provider::KeyIssuer;
use crate::jose::{KeySet, KeySets, SignatureAlgorithm};
use crate::outbound::FetchCounts;
use crate::ports::ManualClock;

pub(super) const NOW: OffsetDateTime = datetime!(2027-01-15 08:00 UTC);
pub(super) const ISSUER: &str = "https://issuer.example/";
pub(super) const AUDIENCE: &str = "api://orders";

/// Seconds since 1970, `seconds` from now.
pub(super) fn at(seconds: i64) -> i64 {
    NOW.unix_timestamp() + seconds
}

/// Keys of every kind, made once.
pub(super) struct Keys {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
}

pub(super) fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(Keys::generate)
}

/// Somebody else's.
pub(super) fn foreign_keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(Keys::generate)
}

pub(super) const SECRET: [u8; 64] = [0xd5; 64];

impl Keys {
    pub(super) fn generate() -> Self {
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"),
            p256: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"),
            p384: EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key"),
            ed25519: Ed25519KeyPair::generate().expect("a key"),
        }
    }

    /// What signs with `algorithm`, as it is published, called `kid`.
    pub(super) fn public(&self, algorithm: &str, kid: &str) -> Value {
        let mut key = match algorithm {
            "ES256" => point("P-256", self.p256.public_key().as_ref()),
            "ES384" => point("P-384", self.p384.public_key().as_ref()),
            "EdDSA" => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(self.ed25519.public_key())})
            }
            _ => {
                let public = self.rsa.public_key();
                json!({
                    "kty": "RSA",
                    "n": encoded(public.modulus().big_endian_without_leading_zero()),
                    "e": encoded(public.exponent().big_endian_without_leading_zero()),
                })
            }
        };
        key["kid"] = kid.into();
        key
    }

    /// The RSA key as people write it down.
    pub(super) fn rsa_texts(&self) -> Vec<Vec<u8>> {
        let public = self.rsa.public_key();
        let der = signature::ParsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, public)
            .expect("a key")
            .as_der()
            .expect("DER")
            .as_ref()
            .to_vec();
        let base64 = base64::prelude::BASE64_STANDARD.encode(&der);
        let lines: Vec<_> = base64.as_bytes().chunks(64).collect();
        let pem = [
            b"-----BEGIN PUBLIC KEY-----\n".as_slice(),
            &lines.join(b"\n".as_slice()),
            b"\n-----END PUBLIC KEY-----\n",
        ]
        .concat();
        let bare = pem.trim_ascii().to_vec();
        let jwk = self.public("RS256", "k1").to_string().into_bytes();
        let pkcs1 = public.as_ref().to_vec();
        vec![pem, bare, der, pkcs1, jwk, base64.into_bytes()]
    }

    pub(super) fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |encoding: &'static dyn RsaEncoding| {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa
                .sign(encoding, &random, message, &mut signature)
                .expect("signed");
            signature
        };
        let shared = |algorithm| {
            hmac::sign(&hmac::Key::new(algorithm, &SECRET), message)
                .as_ref()
                .to_vec()
        };
        match algorithm {
            "RS256" => rsa(&RSA_PKCS1_SHA256),
            "RS384" => rsa(&RSA_PKCS1_SHA384),
            "RS512" => rsa(&RSA_PKCS1_SHA512),
            "PS256" => rsa(&RSA_PSS_SHA256),
            "PS384" => rsa(&RSA_PSS_SHA384),
            "PS512" => rsa(&RSA_PSS_SHA512),
            "ES256" => self
                .p256
                .sign(&random, message)
                .expect("signed")
                .as_ref()
                .to_vec(),
            "ES384" => self
                .p384
                .sign(&random, message)
                .expect("signed")
                .as_ref()
                .to_vec(),
            "EdDSA" => self.ed25519.sign(message).as_ref().to_vec(),
            "HS256" => shared(hmac::HMAC_SHA256),
            "HS384" => shared(hmac::HMAC_SHA384),
            "HS512" => shared(hmac::HMAC_SHA512),
            other => panic!("no {other}"),
        }
    }

    /// A token with this header, signed by its `alg`.
    pub(super) fn token(&self, header: &Value, claims: &Value) -> String {
        let algorithm = header["alg"].as_str().expect("an algorithm").to_owned();
        token(header, claims, |message| self.sign(&algorithm, message))
    }
}

fn point(curve: &str, public: &[u8]) -> Value {
    let (x, y) = public[1..].split_at(public.len() / 2);
    json!({"kty": "EC", "crv": curve, "x": encoded(x), "y": encoded(y)})
}

pub(super) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A compact token, whoever signs it.
pub(super) fn token(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let mut token = format!(
        "{}.{}",
        encoded(header.to_string()),
        encoded(claims.to_string())
    );
    let signature = sign(token.as_bytes());
    token.push('.');
    token.push_str(&encoded(signature));
    token
}

pub(super) fn header(algorithm: &str) -> Value {
    json!({"alg": algorithm, "kid": "k1", "typ": "JWT"})
}

pub(super) fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": [AUDIENCE, "https://issuer.example/userinfo"],
        "sub": "ana",
        "azp": "shop",
        "exp": at(300),
        "nbf": at(0),
        "iat": at(0),
        "jti": "j-1",
        "scope": "orders.read orders.write",
    })
}

/// `value` with these members; null takes one away.
#[expect(clippy::needless_pass_by_value, reason = "the tables read better")]
pub(super) fn with(value: Value, changes: Value) -> Value {
    let mut value = value;
    let members = value.as_object_mut().expect("an object");
    for (name, change) in changes.as_object().expect("an object") {
        if change.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), change.clone());
        }
    }
    value
}

pub(super) fn key_set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).expect("a key set")
}

pub(super) fn any_of(claim: &str, values: &[&str]) -> AnyOf {
    AnyOf {
        claim: ClaimPath::new(claim),
        values: values.iter().map(|value| (*value).into()).collect(),
    }
}

/// Access tokens of [`ISSUER`] for [`AUDIENCE`], signed with `algorithm` by [`keys`].
pub(super) fn trusted(algorithm: &str) -> TrustedIssuer {
    let trusted_keys = match algorithm.parse::<SignatureAlgorithm>() {
        Ok(named) => TrustedKeys::Inline {
            algorithm: named,
            keys: key_set(&[keys().public(algorithm, "k1")]),
        },
        Err(_) => TrustedKeys::Shared(
            HmacAlgorithm::ALL
                .into_iter()
                .find(|each| each.as_str() == algorithm)
                .map(SharedSecrets::new)
                .expect("an algorithm")
                .with(&SECRET, None)
                .expect("a secret"),
        ),
    };
    TrustedIssuer {
        issuers: Issuers::OneOf(vec![Issuer::new(ISSUER)]),
        keys: trusted_keys,
        key_issuer: KeyIssuer::Ignored,
        kind: TokenKind::Access,
        typ: TypRule::NotDemanded,
        audience: Some(any_of("aud", &[AUDIENCE])),
        party: None,
        times: TimeRules::default(),
        claims: Vec::new(),
    }
}

pub(super) fn verifier_at(now: OffsetDateTime) -> TokenVerifier {
    let clock = Arc::new(ManualClock::at(now));
    let key_sets = KeySets::new(clock.clone(), Arc::new(FetchCounts::default()));
    TokenVerifier::new(Arc::new(key_sets), clock)
}

/// The whole way of a token, with keys that need not be fetched: without waiting once.
pub(super) fn verify_at(
    token: &str,
    trusted: &TrustedIssuer,
    now: OffsetDateTime,
) -> Result<VerifiedToken, TokenRefused> {
    let verifier = verifier_at(now);
    let token = UnverifiedToken::read(token)?;
    let verification = std::pin::pin!(verifier.verify(token, trusted));
    match verification.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("nothing is waited for"),
    }
}

pub(super) fn verify(token: &str, trusted: &TrustedIssuer) -> Result<VerifiedToken, TokenRefused> {
    verify_at(token, trusted, NOW)
}

/// A token of ours with these changes, verified by `trusted`.
pub(super) fn verify_claims(
    changes: Value,
    trusted: &TrustedIssuer,
) -> Result<VerifiedToken, TokenRefused> {
    let token = keys().token(&header("ES256"), &with(claims(), changes));
    verify(&token, trusted)
}
