//! A provider's keys as it published them (RFC 7517), and which of them may verify a token.
//!
//! Invariant: a [`Jwk`] that exists can verify a signature with exactly one kind of key, is strong enough,
//! and is the only one of its `kid`. What cannot be used is skipped with its reason, so that one bad key does
//! not take the others with it; the members are kept as published, for libraries that read them again.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::algorithm::SignatureAlgorithm;
use super::header::JoseHeader;
use super::public_key::PublicKey;
use super::shown;

/// No key set has more keys.
const MAX_KEYS: usize = 100;

/// A key set.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<Arc<Jwk>>,
    skipped: Vec<SkippedKey>,
}

/// A key that can verify signatures.
#[derive(Debug)]
pub struct Jwk {
    kid: Option<Box<str>>,
    algorithm: Option<Box<str>>,
    key: PublicKey,
    members: Map<String, Value>,
}

/// Keys are the same when everything that is published of them is.
impl PartialEq for Jwk {
    fn eq(&self, other: &Self) -> bool {
        self.members == other.members
    }
}

/// A key that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    /// Its `kid`, where it has one.
    pub kid: Option<Box<str>>,
    /// Why, for an operator.
    pub reason: &'static str,
}

/// A key set that cannot be used as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetFault {
    /// Not a JSON object with a list `keys` (RFC 7517 §5).
    #[error("it is not a key set (a JSON object with a list `keys`): {0}")]
    Malformed(Box<str>),
    /// Too many keys.
    #[error("it has {0} keys, more than {MAX_KEYS}")]
    TooMany(usize),
    /// Nothing in it can verify a signature; the first reason, where there is one.
    #[error("none of its {of} keys can verify a signature{reason}")]
    NoneUsable {
        /// How many there are.
        of: usize,
        /// The first reason, in brackets.
        reason: Box<str>,
    },
}

/// Why no key was found for a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefused {
    /// The token names another algorithm than the pinned one (RFC 8725 §3.1).
    #[error(
        "the token is signed with {found}, this provider's tokens with {pinned} \
         (`id_token_algorithm` of the provider)"
    )]
    Algorithm {
        /// The provider's.
        pinned: SignatureAlgorithm,
        /// The token's.
        found: SignatureAlgorithm,
    },
    /// No key has the token's `kid`.
    #[error("the key set has no key `{0}`")]
    UnknownKid(Box<str>),
    /// The key with the token's `kid` was skipped.
    #[error("the key `{kid}` cannot be used: {reason}")]
    Skipped {
        /// Its name.
        kid: Box<str>,
        /// Why.
        reason: &'static str,
    },
    /// The key with the token's `kid` is for something else.
    #[error("the key `{0}` does not fit the token's algorithm")]
    Unfit(Box<str>),
    /// The token has no `kid`, and no key fits its algorithm.
    #[error("the token has no `kid`, and no key of the set fits its algorithm")]
    NoneFits,
    /// The token has no `kid`, and several keys fit: guessing is not verifying.
    #[error("the token has no `kid`, and several keys of the set fit its algorithm")]
    Ambiguous,
    /// The key that fits the header did not make the signature, nor did the one that stands there now.
    #[error("the signature is not that of the key which fits the token's header")]
    Signature,
    /// None was found, and the provider was asked too recently to be asked again: it may have one by now.
    #[error("{0}, and it is too soon to ask for the key set again")]
    TooSoon(Box<Self>),
    /// None was found in the set at hand, and the newer one cannot be had.
    #[error("{0}, and the key set cannot be fetched again: {1}")]
    NotRenewed(Box<Self>, crate::outbound::FetchFault),
    /// There is no key set to look into.
    #[error(transparent)]
    Unavailable(#[from] crate::outbound::FetchFault),
}

impl KeyRefused {
    /// Whether nothing is known of the token: the provider may have signed it, with a key that is not here yet.
    #[must_use]
    pub const fn is_undecided(&self) -> bool {
        matches!(
            self,
            Self::TooSoon(_) | Self::NotRenewed(..) | Self::Unavailable(_)
        )
    }
}

impl Jwk {
    /// `kid` (RFC 7517 §4.5).
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// All members, as published.
    #[must_use]
    pub fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    fn parse(members: Map<String, Value>) -> Result<Self, &'static str> {
        let text = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err("a member that should be text is not"),
        };
        let kty = text("kty")?.ok_or("no `kty`")?;
        let kid = text("kid")?;
        let algorithm = text("alg")?;
        if text("use")?.is_some_and(|purpose| purpose != "sig") {
            return Err("it is not for signatures (`use`)");
        }
        // RFC 7517 §4.3.
        match members.get("key_ops") {
            None => {}
            Some(Value::Array(operations)) if operations.iter().any(|each| each == "verify") => {}
            Some(_) => return Err("it is not for verifying (`key_ops`)"),
        }
        if kty == "oct" {
            return Err("it is symmetric: a published secret is none");
        }
        if members.contains_key("d") {
            return Err("its private half is published with it");
        }
        let bytes = |name: &str| {
            let encoded = text(name)?.ok_or("a parameter of the key is missing")?;
            BASE64_URL_SAFE_NO_PAD
                .decode(encoded.trim_end_matches('='))
                .map_err(|_| "a parameter of the key is not base64url")
        };
        let key = match (kty, text("crv")?) {
            ("RSA", _) => PublicKey::rsa(&bytes("n")?, &bytes("e")?)?,
            ("EC", Some("P-256")) => PublicKey::p256(&bytes("x")?, &bytes("y")?)?,
            ("EC", Some("P-384")) => PublicKey::p384(&bytes("x")?, &bytes("y")?)?,
            ("OKP", Some("Ed25519")) => PublicKey::ed25519(&bytes("x")?)?,
            ("EC" | "OKP", _) => return Err("its curve is not supported"),
            _ => return Err("its `kty` is not supported"),
        };
        Ok(Self {
            kid: kid.map(Into::into),
            algorithm: algorithm.map(Into::into),
            key,
            members,
        })
    }

    fn fits(&self, algorithm: SignatureAlgorithm) -> bool {
        self.key.fits(algorithm)
            && self
                .algorithm
                .as_deref()
                .is_none_or(|named| named == algorithm.as_str())
    }

    /// Whether `signature` is this key's over `message`. Never with an algorithm that the key is not for: by
    /// its kind, or by its own `alg` (RFC 8725 §3.1). ECDSA signatures are two numbers of fixed length
    /// (RFC 7518 §3.4), the salt of PSS is as long as the digest (§3.5).
    #[must_use]
    pub fn verifies(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        self.fits(algorithm) && self.key.verifies(algorithm, message, signature)
    }
}

impl KeySet {
    /// Reads a published key set.
    ///
    /// # Errors
    /// When it is not one, or too large, or nothing in it can be used. Then an earlier one is better.
    pub fn parse(document: &[u8]) -> Result<Self, KeySetFault> {
        #[derive(Deserialize)]
        struct Published {
            keys: Vec<Value>,
        }

        let Published { keys } = serde_json::from_slice(document)
            .map_err(|error| KeySetFault::Malformed(shown(&error.to_string())))?;
        let of = keys.len();
        if of > MAX_KEYS {
            return Err(KeySetFault::TooMany(of));
        }
        let mut set = Self::default();
        for key in keys {
            set.add(key);
        }
        set.skip_doubles();
        if set.keys.is_empty() {
            let reason = set.skipped.first().map(|first| first.reason);
            return Err(KeySetFault::NoneUsable {
                of,
                reason: reason.map_or_else(Box::default, |reason| format!(" ({reason})").into()),
            });
        }
        Ok(set)
    }

    fn add(&mut self, key: Value) {
        let Value::Object(members) = key else {
            return self.skip(None, "it is not an object");
        };
        let kid = members.get("kid").and_then(Value::as_str).map(shown);
        match Jwk::parse(members) {
            Ok(key) => self.keys.push(Arc::new(key)),
            Err(reason) => self.skip(kid, reason),
        }
    }

    fn skip(&mut self, kid: Option<Box<str>>, reason: &'static str) {
        self.skipped.push(SkippedKey { kid, reason });
    }

    /// Two keys of one name: no telling which is meant, so neither is used.
    fn skip_doubles(&mut self) {
        let mut times: HashMap<Box<str>, usize> = HashMap::new();
        for kid in self.keys.iter().filter_map(|key| key.kid()) {
            *times.entry(kid.into()).or_default() += 1;
        }
        let (single, double): (Vec<_>, Vec<_>) = std::mem::take(&mut self.keys)
            .into_iter()
            .partition(|key| key.kid().is_none_or(|kid| times.get(kid) == Some(&1)));
        self.keys = single;
        for key in double {
            self.skip(key.kid().map(shown), "another key has the same `kid`");
        }
    }

    /// The keys that can be used.
    #[must_use]
    pub fn keys(&self) -> &[Arc<Jwk>] {
        &self.keys
    }

    /// Those that can verify signatures of `algorithm`.
    pub fn fitting(&self, algorithm: SignatureAlgorithm) -> impl Iterator<Item = &Jwk> {
        let keys = self.keys.iter().map(AsRef::as_ref);
        keys.filter(move |key: &&Jwk| key.fits(algorithm))
    }

    /// The keys that were left out.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// The usable keys as a JSON key set, for a library that wants one.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let keys = self.keys.iter().map(|key| key.members.clone().into());
        serde_json::json!({ "keys": keys.collect::<Vec<Value>>() })
    }

    /// A set of the one key that may verify a token with this header, of a provider with this algorithm.
    ///
    /// # Errors
    /// Why there is none.
    pub fn select(
        &self,
        header: &JoseHeader,
        pinned: SignatureAlgorithm,
    ) -> Result<Self, KeyRefused> {
        check_algorithm(header, pinned)?;
        let key = match header.kid() {
            Some(kid) => self.named(kid, pinned)?,
            None => self.only_fitting(pinned)?,
        };
        Ok(Self {
            keys: vec![Arc::clone(key)],
            skipped: Vec::new(),
        })
    }

    fn named(&self, kid: &str, pinned: SignatureAlgorithm) -> Result<&Arc<Jwk>, KeyRefused> {
        let shown_kid = || shown(kid);
        match self.keys.iter().find(|key| key.kid() == Some(kid)) {
            Some(key) if key.fits(pinned) => Ok(key),
            Some(_) => Err(KeyRefused::Unfit(shown_kid())),
            None => {
                let kid = shown_kid();
                let skipped = self
                    .skipped
                    .iter()
                    .find(|key| key.kid.as_ref() == Some(&kid));
                Err(match skipped {
                    Some(key) => KeyRefused::Skipped {
                        kid,
                        reason: key.reason,
                    },
                    None => KeyRefused::UnknownKid(kid),
                })
            }
        }
    }

    fn only_fitting(&self, pinned: SignatureAlgorithm) -> Result<&Arc<Jwk>, KeyRefused> {
        let mut fitting = self.keys.iter().filter(|key| key.fits(pinned));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (None, _) => Err(KeyRefused::NoneFits),
            (Some(_), Some(_)) => Err(KeyRefused::Ambiguous),
        }
    }
}

/// The token's algorithm must be the provider's.
pub(super) fn check_algorithm(
    header: &JoseHeader,
    pinned: SignatureAlgorithm,
) -> Result<(), KeyRefused> {
    let found = header.algorithm();
    if found == pinned {
        Ok(())
    } else {
        Err(KeyRefused::Algorithm { pinned, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{Signer, SigningAlgorithm};
    use aws_lc_rs::signature::{
        ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    };
    use rstest::rstest;
    use serde_json::json;
    use std::sync::OnceLock;

    fn rsa() -> &'static Value {
        static KEY: OnceLock<Value> = OnceLock::new();
        KEY.get_or_init(|| public(SigningAlgorithm::Rs256))
    }

    fn p256() -> &'static Value {
        static KEY: OnceLock<Value> = OnceLock::new();
        KEY.get_or_init(|| public(SigningAlgorithm::Es256))
    }

    fn public(algorithm: SigningAlgorithm) -> Value {
        let signer = Signer::generate(algorithm).expect("a key");
        signer.public_jwk().clone()
    }

    fn p384() -> Value {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key");
        let (x, y) = pair.public_key().as_ref()[1..].split_at(48);
        json!({ "kty": "EC", "crv": "P-384", "x": encoded(x), "y": encoded(y) })
    }

    fn ed25519() -> Value {
        let pair = Ed25519KeyPair::generate().expect("a key");
        json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key().as_ref()) })
    }

    fn encoded(bytes: &[u8]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// `key` with these members; null takes one away.
    #[expect(clippy::needless_pass_by_value, reason = "the tables read better")]
    fn with(key: &Value, changes: Value) -> Value {
        let mut key = key.clone();
        let members = key.as_object_mut().expect("an object");
        for (name, value) in changes.as_object().expect("an object") {
            if value.is_null() {
                members.remove(name);
            } else {
                members.insert(name.clone(), value.clone());
            }
        }
        key
    }

    fn named(key: &Value, kid: &str) -> Value {
        with(key, json!({ "kid": kid, "alg": null, "use": null }))
    }

    fn set(keys: &[Value]) -> KeySet {
        parse(keys).expect("a key set")
    }

    fn parse(keys: &[Value]) -> Result<KeySet, KeySetFault> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    fn header(algorithm: &str, kid: Option<&str>) -> JoseHeader {
        let mut header = json!({ "alg": algorithm });
        if let Some(kid) = kid {
            header["kid"] = kid.into();
        }
        JoseHeader::peek(&format!(
            "{}.e30.c2ln",
            encoded(header.to_string().as_bytes())
        ))
        .expect("a header")
    }

    fn select(set: &KeySet, algorithm: &str, kid: Option<&str>) -> Result<Value, KeyRefused> {
        let selected = set.select(
            &header(algorithm, kid),
            algorithm.parse().expect("an algorithm"),
        )?;
        let [key] = selected.keys() else {
            panic!("exactly one: {selected:?}")
        };
        Ok(key.members().clone().into())
    }

    #[rstest]
    #[case::rsa(rsa().clone(), &["RS256"])]
    #[case::rsa_without_alg(with(rsa(), json!({"alg": null})), &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])]
    #[case::linkedin_without_use(with(rsa(), json!({"use": null})), &["RS256"])]
    #[case::for_verifying(with(rsa(), json!({"key_ops": ["verify"]})), &["RS256"])]
    #[case::with_certificate(with(rsa(), json!({"x5c": ["MII"], "x5t": "a", "issuer": "https://i"})), &["RS256"])]
    #[case::of_another_alg(with(rsa(), json!({"alg": "PS256"})), &["PS256"])]
    #[case::p256(p256().clone(), &["ES256"])]
    #[case::p384(p384(), &["ES384"])]
    #[case::ed25519(ed25519(), &["EdDSA"])]
    fn a18_a_key_verifies_what_it_fits_and_nothing_else(
        #[case] key: Value,
        #[case] fitting: &[&str],
    ) {
        let set = set(&[with(&key, json!({"kid": "k1"}))]);
        for algorithm in SignatureAlgorithm::ALL.map(SignatureAlgorithm::as_str) {
            let by_kid = select(&set, algorithm, Some("k1"));
            let alone = select(&set, algorithm, None);
            if fitting.contains(&algorithm) {
                assert_eq!(by_kid.expect("it fits"), alone.expect("it fits"));
            } else {
                assert_eq!(by_kid, Err(KeyRefused::Unfit("k1".into())));
                assert_eq!(alone, Err(KeyRefused::NoneFits));
            }
        }
    }

    #[test]
    fn a18_a_token_of_another_algorithm_than_the_pinned_one_is_refused_though_a_key_fits() {
        let set = set(&[named(rsa(), "r"), named(p256(), "e")]);
        for (found, kid) in [
            (SignatureAlgorithm::Es256, "e"),
            (SignatureAlgorithm::Ps256, "r"),
            (SignatureAlgorithm::Rs512, "r"),
        ] {
            let pinned = SignatureAlgorithm::Rs256;
            assert_eq!(
                set.select(&header(found.as_str(), Some(kid)), pinned)
                    .expect_err("refused"),
                KeyRefused::Algorithm { pinned, found }
            );
        }
    }

    #[rstest]
    #[case::symmetric(json!({"kty": "oct", "k": "c2VjcmV0", "alg": "RS256"}), "symmetric")]
    #[case::symmetric_in_disguise(json!({"kty": "oct", "k": "c2VjcmV0", "n": "AQAB", "e": "AQAB"}), "symmetric")]
    #[case::encryption(with(rsa(), json!({"use": "enc", "alg": "RSA-OAEP"})), "`use`")]
    #[case::other_use(with(rsa(), json!({"use": "tls"})), "`use`")]
    #[case::for_wrapping(with(rsa(), json!({"key_ops": ["wrapKey"]})), "`key_ops`")]
    #[case::private(with(p256(), json!({"d": "AAAA"})), "private")]
    #[case::no_kty(with(rsa(), json!({"kty": null})), "`kty`")]
    #[case::unknown_kty(json!({"kty": "AKP", "pub": "AAAA"}), "`kty`")]
    #[case::lower_kty(with(rsa(), json!({"kty": "rsa"})), "`kty`")]
    #[case::kty_number(with(rsa(), json!({"kty": 1})), "text")]
    #[case::kid_number(with(rsa(), json!({"kid": 1})), "text")]
    #[case::alg_list(with(rsa(), json!({"alg": ["RS256"]})), "text")]
    #[case::secp256k1(with(p256(), json!({"crv": "secp256k1"})), "curve")]
    #[case::p521(with(p256(), json!({"crv": "P-521"})), "curve")]
    #[case::ed448(json!({"kty": "OKP", "crv": "Ed448", "x": "AAAA"}), "curve")]
    #[case::x25519(json!({"kty": "OKP", "crv": "X25519", "x": "AAAA"}), "curve")]
    #[case::no_modulus(with(rsa(), json!({"n": null})), "missing")]
    #[case::modulus_not_base64(with(rsa(), json!({"n": "****"})), "base64url")]
    #[case::modulus_empty(with(rsa(), json!({"n": ""})), "shorter")]
    #[case::modulus_1024(with(rsa(), json!({"n": encoded(&[0xff; 128])})), "shorter")]
    #[case::modulus_2047(with(rsa(), json!({"n": encoded(&[&[0x7f], [0xff; 255].as_slice()].concat())})), "shorter")]
    #[case::modulus_1024_in_zeros(with(rsa(), json!({"n": encoded(&[[0; 128], [0xff; 128]].concat())})), "shorter")]
    #[case::modulus_huge(with(rsa(), json!({"n": encoded(&[0xff; 1025])})), "longer")]
    #[case::modulus_even(with(rsa(), json!({"n": encoded(&[0xfe; 256])})), "not an RSA key")]
    #[case::exponent_one(with(rsa(), json!({"e": "AQ"})), "not an RSA key")]
    #[case::exponent_even(with(rsa(), json!({"e": "AQAC"})), "not an RSA key")]
    #[case::exponent_zero(with(rsa(), json!({"e": "AA"})), "not an RSA key")]
    #[case::exponent_huge(with(rsa(), json!({"e": encoded(&[0xff; 256])})), "not an RSA key")]
    #[case::off_the_curve(with(p256(), json!({"x": encoded(&[1; 32]), "y": encoded(&[1; 32])})), "curve")]
    #[case::short_coordinate(with(p256(), json!({"x": encoded(&[1; 31])})), "length")]
    #[case::point_of_another_curve(with(&p384(), json!({"crv": "P-256"})), "length")]
    #[case::short_ed25519(json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(&[1; 31])}), "not a key")]
    #[case::not_an_object(json!("key"), "not an object")]
    #[case::null(Value::Null, "not an object")]
    fn t04_an_unusable_key_is_skipped_and_the_others_work(
        #[case] bad: Value,
        #[case] reason: &str,
    ) {
        for keys in [
            [bad.clone(), named(rsa(), "good")],
            [named(rsa(), "good"), bad],
        ] {
            let set = set(&keys);
            assert_eq!(set.keys().len(), 1);
            assert!(set.skipped()[0].reason.contains(reason), "{set:?}");
            assert!(select(&set, "RS256", Some("good")).is_ok());
            assert!(select(&set, "RS256", None).is_ok());
        }
    }

    #[test]
    fn t04_two_keys_of_one_name_are_both_skipped() {
        let set = set(&[
            named(rsa(), "twin"),
            named(p256(), "single"),
            named(p256(), "twin"),
        ]);
        for algorithm in ["RS256", "ES256"] {
            assert_eq!(
                select(&set, algorithm, Some("twin")),
                Err(KeyRefused::Skipped {
                    kid: "twin".into(),
                    reason: "another key has the same `kid`"
                })
            );
        }
        assert!(select(&set, "ES256", Some("single")).is_ok());
    }

    #[test]
    fn keycloak_lists_an_encryption_key_first() {
        let set = set(&[
            with(
                rsa(),
                json!({"kid": "enc", "use": "enc", "alg": "RSA-OAEP"}),
            ),
            with(rsa(), json!({"kid": "sig", "use": "sig", "alg": "RS256"})),
        ]);
        assert!(select(&set, "RS256", Some("sig")).is_ok());
        assert!(select(&set, "RS256", None).is_ok());
        assert_eq!(
            select(&set, "RS256", Some("enc")),
            Err(KeyRefused::Skipped {
                kid: "enc".into(),
                reason: "it is not for signatures (`use`)"
            })
        );
    }

    #[test]
    fn without_kid_exactly_one_key_must_fit() {
        let two = set(&[named(rsa(), "a"), named(rsa(), "b"), named(p256(), "c")]);
        assert_eq!(select(&two, "RS256", None), Err(KeyRefused::Ambiguous));
        assert!(select(&two, "ES256", None).is_ok());
        assert_eq!(select(&two, "EdDSA", None), Err(KeyRefused::NoneFits));
    }

    #[rstest]
    #[case::other("K1")]
    #[case::prefix("k")]
    #[case::longer("k11")]
    #[case::empty("")]
    fn a_kid_is_compared_byte_for_byte(#[case] kid: &str) {
        let set = set(&[named(rsa(), "k1")]);
        assert_eq!(
            select(&set, "RS256", Some(kid)),
            Err(KeyRefused::UnknownKid(kid.into()))
        );
    }

    #[test]
    fn members_are_kept_as_published() {
        let key = with(
            rsa(),
            json!({"issuer": "https://login.example/{tenantid}/v2.0"}),
        );
        let set = set(std::slice::from_ref(&key));
        assert_eq!(Value::from(set.keys()[0].members().clone()), key);
        assert_eq!(set.to_json(), json!({ "keys": [key] }));
    }

    #[rstest]
    #[case::html(b"<html>".as_slice(), "not a key set")]
    #[case::empty(b"", "not a key set")]
    #[case::list(b"[]", "not a key set")]
    #[case::no_keys(b"{}", "not a key set")]
    #[case::keys_no_list(b"{\"keys\":{}}", "not a key set")]
    #[case::binary(b"\xff\xfe", "not a key set")]
    #[case::nothing_in_it(b"{\"keys\":[]}", "none of its 0 keys")]
    #[case::nothing_usable(
        b"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA\"}]}",
        "none of its 1 keys can verify a signature (it is symmetric"
    )]
    fn t04_a_document_that_is_no_key_set(#[case] document: &[u8], #[case] expected: &str) {
        let fault = KeySet::parse(document).expect_err("refused").to_string();
        assert!(fault.contains(expected), "{fault}");
    }

    #[test]
    fn t04_a_deeply_nested_key_set_is_refused() {
        let document = format!("{{\"keys\":{}", "[".repeat(200_000));
        assert!(matches!(
            KeySet::parse(document.as_bytes()),
            Err(KeySetFault::Malformed(_))
        ));
    }

    #[test]
    fn t04_at_most_a_hundred_keys() {
        let keys: Vec<_> = (0..101)
            .map(|number| named(p256(), &format!("k{number}")))
            .collect();
        assert_eq!(
            parse(&keys).expect_err("refused"),
            KeySetFault::TooMany(101)
        );
        assert_eq!(set(&keys[..100]).keys().len(), 100);
    }
}
