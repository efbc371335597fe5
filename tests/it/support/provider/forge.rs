//! ID tokens, true and forged. A draft is header and claims; faults change the draft, then its
//! signature, then the finished text.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::fault::{IdTokenFault, KeyText};
use super::keys::{Algorithm, SigningKey};

/// What a forger needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forge<'a> {
    /// Seconds since 1970, by the provider's clock.
    pub(crate) now: i64,
    /// Where the provider is.
    pub(crate) base: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) client_secret: &'a str,
    /// Its key of the algorithm in use.
    pub(crate) key: &'a SigningKey,
    /// Its key of the other algorithm.
    pub(crate) other_key: &'a SigningKey,
    /// The key in use before the last rotation.
    pub(crate) retired: Option<&'a SigningKey>,
    /// Keys that are not the provider's.
    pub(crate) strangers: &'a Strangers,
}

/// A stranger's keys, one of each algorithm, made when first used: a forged token must fail for whose
/// key it is, not for its algorithm.
#[derive(Debug, Default)]
pub(crate) struct Strangers([OnceLock<SigningKey>; 2]);

impl Strangers {
    pub(crate) fn key(&self, algorithm: Algorithm) -> &SigningKey {
        let [rsa, ec] = &self.0;
        let cell = match algorithm {
            Algorithm::Rs256 => rsa,
            Algorithm::Es256 => ec,
        };
        cell.get_or_init(|| SigningKey::new(algorithm, "stranger"))
    }
}

enum Signature<'a> {
    By(&'a SigningKey),
    Hmac(Vec<u8>),
    Absent,
}

impl Forge<'_> {
    /// A compact JWS of `claims` (RFC 7515 §7.1), with `faults` applied in order.
    #[expect(clippy::too_many_lines, reason = "a table: one arm for each fault")]
    pub(crate) fn token(&self, mut claims: Map<String, Value>, faults: &[IdTokenFault]) -> String {
        use IdTokenFault as F;
        let mut header = Map::new();
        header.insert("alg".into(), self.key.algorithm().name().into());
        header.insert("kid".into(), self.key.kid.clone().into());
        header.insert("typ".into(), "JWT".into());
        let mut signature = Signature::By(self.key);
        let stranger = || self.strangers.key(self.key.algorithm());
        for fault in faults {
            let now = self.now;
            let ours = self.client_id;
            let mut claim = |name: &str, value: Value| {
                claims.insert(name.into(), value);
            };
            let mut parameter = |name: &str, value: Value| {
                header.insert(name.into(), value);
            };
            match fault {
                F::OtherIssuer => claim("iss", "https://evil.example".into()),
                F::IssuerWithSlash => claim("iss", format!("{}/", self.base).into()),
                F::OtherAudience => claim("aud", "somebody-else".into()),
                F::EmptyAudience => claim("aud", json!([])),
                F::AudienceThatBeginsWithOurs => claim("aud", format!("{ours}-2").into()),
                F::AudienceWithinOurs => claim("aud", ours[..ours.len() - 1].into()),
                F::ExtraAudience => {
                    claim("aud", json!([ours, "somebody-else"]));
                    claim("azp", ours.into());
                }
                F::ExtraAudienceWithoutAzp => claim("aud", json!([ours, "somebody-else"])),
                F::OtherAzp => claim("azp", "somebody-else".into()),
                F::OtherNonce => claim("nonce", "a-nonce-of-another-browser".into()),
                F::ExpiredFor(seconds) => claim("exp", (now - seconds).into()),
                F::StringExpiry => claim("exp", "never".into()),
                F::NumberInStringExpiry => claim("exp", (now + 300).to_string().into()),
                F::NullExpiry => claim("exp", Value::Null),
                F::EndlessExpiry => claim("exp", 1e300.into()),
                F::NegativeExpiry => claim("exp", (-1).into()),
                F::FractionalExpiry => claim(
                    "exp",
                    serde_json::from_str(&format!("{}.5", now + 300)).expect("a number"),
                ),
                F::NotBeforeIn(seconds) => claim("nbf", (now + seconds).into()),
                F::StringNotBefore => claim("nbf", "now".into()),
                F::NullNotBefore => claim("nbf", Value::Null),
                F::IssuedIn(seconds) => claim("iat", (now + seconds).into()),
                F::StringIssuedAt => claim("iat", "now".into()),
                F::EmptySubject => claim("sub", "".into()),
                F::NullSubject => claim("sub", Value::Null),
                F::NumberSubject => claim("sub", 1001.into()),
                F::LongSubject(length) => claim("sub", "s".repeat(*length).into()),
                F::SubjectWithControlCharacter => claim("sub", "ada\r\nX-Forged: 1".into()),
                F::Claim(name, value) => claim(name, value.clone()),
                F::NoIssuer => drop(claims.remove("iss")),
                F::NoAudience => drop(claims.remove("aud")),
                F::NoNonce => drop(claims.remove("nonce")),
                F::NoExpiry => drop(claims.remove("exp")),
                F::NoIssuedAt => drop(claims.remove("iat")),
                F::NoSubject => drop(claims.remove("sub")),
                F::WithoutClaim(name) => drop(claims.remove(*name)),
                F::Unsigned(none) => {
                    parameter("alg", (*none).into());
                    signature = Signature::Absent;
                }
                F::HmacKeyedWith(text) => {
                    parameter("alg", "HS256".into());
                    signature = Signature::Hmac(self.key_text(*text));
                }
                F::SignedWithTheOtherAlgorithm => {
                    parameter("alg", self.other_key.algorithm().name().into());
                    parameter("kid", self.other_key.kid.clone().into());
                    signature = Signature::By(self.other_key);
                }
                F::MislabelledAlgorithm(name) => parameter("alg", (*name).into()),
                F::NoSignature => signature = Signature::Absent,
                F::EmbeddedKey => {
                    parameter("jwk", stranger().jwk());
                    signature = Signature::By(stranger());
                }
                F::KeySetAddress => {
                    parameter("jku", format!("{}/attacker/jwks", self.base).into());
                    parameter("kid", stranger().kid.clone().into());
                    signature = Signature::By(stranger());
                }
                F::CertificateAddress => {
                    parameter("x5u", format!("{}/attacker/x5u", self.base).into());
                    signature = Signature::By(stranger());
                }
                F::SignedByStranger => signature = Signature::By(stranger()),
                F::SignedByRetiredKey => {
                    let retired = self.retired.expect("a key was rotated before");
                    parameter("kid", retired.kid.clone().into());
                    signature = Signature::By(retired);
                }
                F::UnknownCritical => {
                    parameter("crit", json!(["urn:example:unheard-of"]));
                    parameter("urn:example:unheard-of", true.into());
                }
                F::UnencodedPayload => {
                    parameter("crit", json!(["b64"]));
                    parameter("b64", false.into());
                }
                F::BareUnencodedPayload => parameter("b64", false.into()),
                F::UnknownKid => parameter("kid", "nobody-knows-this-one".into()),
                F::NoKid => drop(header.remove("kid")),
                F::EmptyKid => parameter("kid", "".into()),
                F::LongKid(length) => parameter("kid", "k".repeat(*length).into()),
                F::KidOfOtherKey => parameter("kid", self.other_key.kid.clone().into()),
                F::Type(typ) => parameter("typ", (*typ).into()),
                F::Header(name, value) => parameter(name, value.clone()),
                F::BadSignature
                | F::ChangedAfterSigning
                | F::Encrypted
                | F::FourParts
                | F::Dots(_)
                | F::NestedClaims(_)
                | F::NestedHeader(_)
                | F::DuplicateClaim(..)
                | F::Padded => {}
            }
        }
        Self::shape(&header, &claims, &signature, faults)
    }

    fn shape(
        header: &Map<String, Value>,
        claims: &Map<String, Value>,
        signature: &Signature<'_>,
        faults: &[IdTokenFault],
    ) -> String {
        use IdTokenFault as F;
        let mut header = Value::from(header.clone()).to_string();
        let mut claims = Value::from(claims.clone()).to_string();
        for fault in faults {
            match fault {
                F::NestedClaims(depth) => claims = nested(&claims, *depth),
                F::NestedHeader(depth) => header = nested(&header, *depth),
                F::DuplicateClaim(name, first) => {
                    claims = format!("{{{}:{},{}", json!(name), json!(first), &claims[1..]);
                }
                _ => {}
            }
        }
        let encode = |bytes: &[u8]| {
            if faults.contains(&F::Padded) {
                URL_SAFE.encode(bytes)
            } else {
                URL_SAFE_NO_PAD.encode(bytes)
            }
        };
        let header = encode(header.as_bytes());
        let mut payload = encode(claims.as_bytes());
        let message = format!("{header}.{payload}");
        let mut signature = match signature {
            Signature::By(key) => key.sign(message.as_bytes()),
            Signature::Hmac(secret) => {
                use aws_lc_rs::hmac;
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
            }
            Signature::Absent => Vec::new(),
        };
        for fault in faults {
            match fault {
                F::BadSignature => {
                    let middle = signature.len() / 2;
                    signature[middle] ^= 1;
                }
                F::ChangedAfterSigning => {
                    payload = encode(claims.replace("subject-of-", "subject_of-").as_bytes());
                }
                _ => {}
            }
        }
        let signature = encode(&signature);
        faults
            .iter()
            .fold(format!("{header}.{payload}.{signature}"), |token, fault| {
                match fault {
                    F::Encrypted => {
                        let header = encode(
                            br#"{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2000000000,"p2s":"c2FsdA","zip":"DEF"}"#,
                        );
                        format!("{header}.{payload}.{signature}.{payload}.{signature}")
                    }
                    F::FourParts => format!("{token}.{signature}"),
                    F::Dots(count) => ".".repeat(*count),
                    _ => token,
                }
            })
    }

    fn key_text(&self, text: KeyText) -> Vec<u8> {
        match text {
            KeyText::Pem => self.key.public_pem().into_bytes(),
            KeyText::TrimmedPem => self.key.public_pem().trim_end().into(),
            KeyText::Der => self.key.public_der(),
            KeyText::Jwk => self.key.jwk().to_string().into_bytes(),
            KeyText::ClientSecret => self.client_secret.into(),
            KeyText::Empty => Vec::new(),
        }
    }
}

/// The same object, with one member more that is this deep.
fn nested(object: &str, depth: usize) -> String {
    let (open, close) = ("[".repeat(depth), "]".repeat(depth));
    format!("{{\"deep\":{open}{close},{}", &object[1..])
}
