//! The ID token (OIDC Core 1.0 §3.1.3.7), point by point.
//!
//! The `openidconnect` crate checks the signature, the header's type, audience and nonce. Ours: which
//! algorithm and key may be used at all and for whom that key signs, the issuer in all its spellings, `azp`,
//! `nbf`, `iat`, the kinds of the time claims, the subject's shape and `at_hash`. Invariant: a
//! `VerifiedIdToken` is made here only, from a token that passed all of it. Claims are mapped from the payload
//! that was signed, never from a library's reading of it: what a provider says of a person in a shape of its
//! own (a number where others have a truth) is judged by its preset, and breaks no login.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{
    CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKey, CoreJwsSigningAlgorithm,
};
use openidconnect::{
    AccessToken, AccessTokenHash, ClientId, IssuerUrl, JsonWebKey as _, JsonWebKeySet, Nonce,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;
use time::{Duration, OffsetDateTime};

use crate::domain::ids::Issuer;
use crate::domain::upstream_provider::OpenIdConnect;
use crate::jose::{Jwk, SignatureAlgorithm, is_shallow, numeric_date, text_claim};

/// How far clocks may differ, in seconds.
pub(super) const SKEW: Duration = Duration::seconds(60);

/// Longest `sub`, in bytes (OIDC Core 1.0 §2 says 255).
pub(super) const LONGEST_SUBJECT: usize = 255;

/// What an ID token must fit.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    /// Whose token it must be.
    pub(super) openid: &'a OpenIdConnect,
    pub(super) client_id: &'a str,
    /// The one algorithm.
    pub(super) algorithm: SignatureAlgorithm,
    /// The one key that fits header and algorithm.
    pub(super) key: &'a Jwk,
    pub(super) nonce: ExpectedNonce<'a>,
    pub(super) access_token: &'a SecretString,
    pub(super) now: OffsetDateTime,
}

/// What `nonce` must be.
#[derive(Clone, Copy, Debug)]
pub(super) enum ExpectedNonce<'a> {
    /// That of this attempt (OIDC Core 1.0 §3.1.3.7, point 11).
    Attempt(&'a SecretString),
    /// This token was not asked for by us, and what binds it to the login is checked elsewhere.
    NotOurs,
    /// After a refresh: absent, or what it was (OIDC Core 1.0 §12.2).
    AsBefore(Option<&'a str>),
}

impl ExpectedNonce<'_> {
    fn fits(self, found: Option<&Nonce>) -> bool {
        let same = |expected: &str| {
            found.is_some_and(|found| {
                bool::from(found.secret().as_bytes().ct_eq(expected.as_bytes()))
            })
        };
        match self {
            Self::Attempt(nonce) => same(nonce.expose_secret()),
            Self::NotOurs => true,
            Self::AsBefore(nonce) => found.is_none() || nonce.is_some_and(same),
        }
    }
}

/// The claims of a token that passed every check.
#[derive(Debug)]
pub(super) struct VerifiedIdToken {
    claims: Value,
    subject: Box<str>,
}

/// Which check an ID token failed.
#[derive(Debug, thiserror::Error)]
pub enum IdTokenRefused {
    /// The token answer had none.
    #[error("the token answer has no ID token")]
    Missing,
    /// Not a token, or its header asks for something we do not do.
    #[error("the ID token's header is refused: {0}")]
    Header(String),
    /// No key of the provider fits.
    #[error("no key of the provider fits the ID token: {0}")]
    Key(String),
    /// The signature is not the provider's.
    #[error("the ID token's signature is refused: it is not the provider's")]
    Signature,
    /// Issuer, audience or nonce.
    #[error("the ID token is refused: {0}")]
    Claims(String),
    /// The key is the provider's, but signs for somebody else.
    #[error("the ID token is signed with a key whose `issuer` is not the token's")]
    KeyIssuer,
    /// `exp`, `iat` or `nbf` is missing, of the wrong kind or out of range.
    #[error("the ID token's `{0}` is missing, malformed or out of range")]
    Time(&'static str),
    /// `azp` names somebody else, or is missing beside several audiences.
    #[error("the ID token's `azp` does not name this client")]
    AuthorizedParty,
    /// `sub` is missing, empty or too long.
    #[error("the ID token's `sub` is missing, empty or longer than 255 bytes")]
    Subject,
    /// After a refresh: it is about another sign-in (OIDC Core 1.0 §12.2).
    #[error("the ID token of the refresh has another `{0}` than that of the sign-in")]
    Continuity(&'static str),
    /// `at_hash` does not fit the access token (OIDC Core 1.0 §3.1.3.6).
    #[error("the ID token's `at_hash` does not fit the access token")]
    AccessTokenHash,
}

impl IdTokenRefused {
    /// Whether the provider has signed it and means somebody else: another person, client, issuer or sign-in.
    pub(super) const fn is_about_another(&self) -> bool {
        match self {
            Self::Claims(_)
            | Self::KeyIssuer
            | Self::AuthorizedParty
            | Self::Subject
            | Self::Continuity(_)
            | Self::AccessTokenHash => true,
            Self::Missing | Self::Header(_) | Self::Key(_) | Self::Signature | Self::Time(_) => {
                false
            }
        }
    }
}

impl VerifiedIdToken {
    /// Checks `token` against `expected`.
    pub(super) fn verify(
        token: &SecretString,
        expected: &Expected<'_>,
    ) -> Result<Self, IdTokenRefused> {
        let algorithm = algorithm(expected.algorithm)?;
        let key = Value::Object(expected.key.members().clone());
        let key: CoreJsonWebKey =
            serde_json::from_value(key).map_err(|error| IdTokenRefused::Key(error.to_string()))?;
        let text = token.expose_secret();
        check_signature(text, &algorithm, &key)?;
        let claims = payload(text)?;
        check_times(&claims, expected.now)?;
        if !expected.openid.issued(&claims) {
            return Err(foreign_issuer(expected.openid, &claims));
        }
        let named = expected.key.members().get("issuer");
        if !expected.openid.signed_by_key_of(named, &claims) {
            return Err(IdTokenRefused::KeyIssuer);
        }
        let issuer = expected.openid.issuer.as_str();
        let parsed = protocol_claims(text, &claims, issuer)?;
        if parsed.signing_alg().ok() != Some(&algorithm) {
            return Err(IdTokenRefused::Header("it is of another kind".into()));
        }
        let verifier = CoreIdTokenVerifier::new_public_client(
            ClientId::new(expected.client_id.to_owned()),
            IssuerUrl::new(issuer.to_owned())
                .map_err(|error| IdTokenRefused::Claims(error.to_string()))?,
            JsonWebKeySet::new(Vec::new()),
        )
        // It was checked above, over the bytes that were sent.
        .insecure_disable_signature_check()
        .set_other_audience_verifier_fn(|_| false)
        // Times are checked above, with the caller's clock.
        .set_time_fn(|| chrono::DateTime::<chrono::Utc>::MIN_UTC);
        let nonce = |found: Option<&Nonce>| {
            if expected.nonce.fits(found) {
                Ok(())
            } else {
                Err("it is missing or another login's".to_owned())
            }
        };
        let checked = parsed
            .claims(&verifier, nonce)
            .map_err(|error| IdTokenRefused::Claims(error.to_string()))?;
        if let Some(found) = checked.access_token_hash() {
            let access_token = AccessToken::new(expected.access_token.expose_secret().to_owned());
            let own = AccessTokenHash::from_token(&access_token, &algorithm, &key)
                .map_err(|_| IdTokenRefused::AccessTokenHash)?;
            if own != *found {
                return Err(IdTokenRefused::AccessTokenHash);
            }
        }
        check_authorized_party(&claims, expected.client_id)?;
        let subject = text_claim(claims.get("sub"), 1..=LONGEST_SUBJECT)
            .ok()
            .flatten();
        let subject = subject.ok_or(IdTokenRefused::Subject)?.into();
        Ok(Self { claims, subject })
    }

    /// Whether the callback, where it named an issuer, named this token's (RFC 9207 §2.4).
    pub(super) fn check_named(&self, named: Option<&Issuer>) -> Result<(), IdTokenRefused> {
        let found = self.claims.get("iss").and_then(Value::as_str);
        match named {
            Some(named) if Some(named.as_str()) != found => Err(IdTokenRefused::Claims(
                "Invalid issuer: the callback named another one".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// A token that passed every check once and was sealed since. Its times are over, perhaps.
    pub(super) fn kept(token: &SecretString) -> Result<Self, IdTokenRefused> {
        let claims = payload(token.expose_secret())?;
        let subject = claims.get("sub").and_then(Value::as_str);
        Ok(Self {
            subject: subject.ok_or(IdTokenRefused::Subject)?.into(),
            claims,
        })
    }

    /// Whether this token, from a refresh, is about the sign-in that `first` is of (OIDC Core 1.0 §12.2). Audience,
    /// `azp` and `nonce` were held against what we are and remember.
    pub(super) fn continues(
        &self,
        first: &Self,
        openid: &OpenIdConnect,
    ) -> Result<(), IdTokenRefused> {
        // Otherwise all spellings are one issuer's.
        if openid.is_shared_by_tenants() && self.claims.get("iss") != first.claims.get("iss") {
            return Err(IdTokenRefused::Continuity("iss"));
        }
        if self.subject != first.subject {
            return Err(IdTokenRefused::Continuity("sub"));
        }
        let before = authenticated_at(&first.claims);
        match authenticated_at(&self.claims) {
            // A later one: the person has signed in there once more, in the same session (Keycloak).
            Some(found) if before.is_some_and(|before| found < before) => {
                Err(IdTokenRefused::Continuity("auth_time"))
            }
            _ => Ok(()),
        }
    }

    /// Whether the token was made in the course of a login that began at `began_at`, for somebody who has signed
    /// in no longer ago than `within`. Where no nonce says so, this is what keeps older tokens out.
    pub(super) fn check_fresh(
        &self,
        began_at: OffsetDateTime,
        within: Duration,
        now: OffsetDateTime,
    ) -> Result<(), IdTokenRefused> {
        let issued_at = time_claim(&self.claims, "iat")?;
        if issued_at.is_none_or(|issued_at| issued_at < began_at - SKEW) {
            return Err(IdTokenRefused::Time("iat"));
        }
        let authenticated_at = time_claim(&self.claims, "auth_time")?;
        let fits = |at: OffsetDateTime| at <= now + SKEW && at >= now - within;
        if authenticated_at.is_some_and(fits) {
            Ok(())
        } else {
            Err(IdTokenRefused::Time("auth_time"))
        }
    }

    /// The payload.
    pub(super) const fn claims(&self) -> &Value {
        &self.claims
    }

    /// `sub`.
    pub(super) fn subject(&self) -> &str {
        &self.subject
    }
}

pub(super) fn algorithm(
    algorithm: SignatureAlgorithm,
) -> Result<CoreJwsSigningAlgorithm, IdTokenRefused> {
    serde_json::from_value(Value::String(algorithm.as_str().to_owned()))
        .map_err(|_| IdTokenRefused::Key(format!("{algorithm} cannot be checked")))
}

/// The signature over the first two segments (RFC 7515 §5.2), by this key and algorithm and no other.
pub(super) fn check_signature(
    token: &str,
    algorithm: &CoreJwsSigningAlgorithm,
    key: &CoreJsonWebKey,
) -> Result<(), IdTokenRefused> {
    let (signed, signature) = token.rsplit_once('.').ok_or(IdTokenRefused::Signature)?;
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| IdTokenRefused::Signature)?;
    key.verify_signature(algorithm, signed.as_bytes(), &signature)
        .map_err(|_| IdTokenRefused::Signature)
}

/// The second segment, which the signature covers.
pub(super) fn payload(token: &str) -> Result<Value, IdTokenRefused> {
    let malformed = |why: &str| {
        IdTokenRefused::Claims(format!(
            "it does not read as an ID token: its payload {why}"
        ))
    };
    let segment = token.split('.').nth(1);
    let segment = segment.ok_or_else(|| malformed("is missing"))?;
    let bytes = URL_SAFE_NO_PAD
        .decode(segment)
        .map_err(|_| malformed("is not base64url"))?;
    // A parser's message can quote the token.
    let Claims(claims) = serde_json::from_slice(&bytes)
        .map_err(|_| malformed("is not a JSON object with each claim once"))?;
    let claims = Value::Object(claims);
    if is_shallow(&claims) {
        Ok(claims)
    } else {
        Err(malformed("is nested deeper than 32 levels"))
    }
}

/// Claims of which none stands twice (RFC 7519 §4): two readers could choose differently.
struct Claims(Map<String, Value>);

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Claims;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Claims, A::Error> {
                let mut claims = Map::new();
                while let Some((name, value)) = from.next_entry::<String, Value>()? {
                    if claims.insert(name, value).is_some() {
                        return Err(A::Error::custom("a claim stands twice"));
                    }
                }
                Ok(Claims(claims))
            }
        }
        from.deserialize_map(Once)
    }
}

/// The claims of the protocol alone, for a library that would stumble over what a provider says of a person.
/// `iss` has been judged: it is given as the provider calls itself, because one spelling is no address.
fn protocol_claims(
    token: &str,
    claims: &Value,
    issuer: &str,
) -> Result<CoreIdToken, IdTokenRefused> {
    let malformed = || IdTokenRefused::Claims("it does not read as an ID token".to_owned());
    let mut protocol = Map::new();
    for name in ["sub", "aud", "exp", "iat", "nonce", "at_hash"] {
        if let Some(value) = claims.get(name) {
            protocol.insert(name.to_owned(), value.clone());
        }
    }
    protocol.insert("iss".to_owned(), issuer.into());
    let payload = URL_SAFE_NO_PAD.encode(Value::Object(protocol).to_string());
    let mut segments = token.split('.');
    match (segments.next(), segments.nth(1), segments.next()) {
        (Some(header), Some(signature), None) => format!("{header}.{payload}.{signature}")
            .parse()
            .map_err(|_| malformed()),
        _ => Err(malformed()),
    }
}

fn foreign_issuer(openid: &OpenIdConnect, claims: &Value) -> IdTokenRefused {
    let found = claims.get("iss").and_then(Value::as_str);
    let found: String = found
        .unwrap_or("none")
        .chars()
        .take(200)
        .flat_map(char::escape_debug)
        .collect();
    IdTokenRefused::Claims(format!(
        "Invalid issuer: expected `{}` (found `{found}`)",
        openid.issuer
    ))
}

/// A time that is there must be one.
pub(super) fn time_claim(
    claims: &Value,
    name: &'static str,
) -> Result<Option<OffsetDateTime>, IdTokenRefused> {
    numeric_date(claims.get(name)).map_err(|_| IdTokenRefused::Time(name))
}

fn check_times(claims: &Value, now: OffsetDateTime) -> Result<(), IdTokenRefused> {
    let expires_at = time_claim(claims, "exp")?.ok_or(IdTokenRefused::Time("exp"))?;
    // The last second of all is a time too, and has no later one.
    if now >= expires_at.saturating_add(SKEW) {
        return Err(IdTokenRefused::Time("exp"));
    }
    let issued_at = time_claim(claims, "iat")?.ok_or(IdTokenRefused::Time("iat"))?;
    if issued_at > now + SKEW {
        return Err(IdTokenRefused::Time("iat"));
    }
    if time_claim(claims, "nbf")?.is_some_and(|not_before| not_before > now + SKEW) {
        return Err(IdTokenRefused::Time("nbf"));
    }
    Ok(())
}

/// Points 4 and 5: `azp` is us where it is present, and is present beside several audiences.
fn check_authorized_party(claims: &Value, client_id: &str) -> Result<(), IdTokenRefused> {
    let several = claims
        .get("aud")
        .and_then(Value::as_array)
        .is_some_and(|audiences| audiences.len() > 1);
    match claims.get("azp") {
        Some(Value::String(party)) if party == client_id => Ok(()),
        None if !several => Ok(()),
        _ => Err(IdTokenRefused::AuthorizedParty),
    }
}

/// `auth_time`, where the provider tells (OIDC Core 1.0 §2).
pub(super) fn authenticated_at(claims: &Value) -> Option<OffsetDateTime> {
    time_claim(claims, "auth_time").ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2027-01-15 08:00 UTC);

    fn at(seconds: i64) -> i64 {
        NOW.unix_timestamp() + seconds
    }

    #[rstest]
    #[case::fresh(json!({"exp": at(300), "iat": at(0)}), None)]
    #[case::within_the_skew(json!({"exp": at(-59), "iat": at(-300)}), None)]
    #[case::expired(json!({"exp": at(-60), "iat": at(-300)}), Some("exp"))]
    #[case::fractional(json!({"exp": 1_900_000_000.5, "iat": at(0)}), None)]
    #[case::no_exp(json!({"iat": at(0)}), Some("exp"))]
    #[case::null_exp(json!({"exp": null, "iat": at(0)}), Some("exp"))]
    #[case::text_exp(json!({"exp": "never", "iat": at(0)}), Some("exp"))]
    #[case::number_in_text(json!({"exp": "1900000000", "iat": at(0)}), Some("exp"))]
    #[case::huge_exp(json!({"exp": 1e300, "iat": at(0)}), Some("exp"))]
    #[case::last_second_of_all(json!({"exp": 253_402_300_799_i64, "iat": at(0)}), None)]
    #[case::negative_exp(json!({"exp": -1, "iat": at(0)}), Some("exp"))]
    #[case::no_iat(json!({"exp": at(300)}), Some("iat"))]
    #[case::future_iat(json!({"exp": at(300), "iat": at(61)}), Some("iat"))]
    #[case::future_nbf(json!({"exp": at(300), "iat": at(0), "nbf": at(61)}), Some("nbf"))]
    #[case::text_nbf(json!({"exp": at(300), "iat": at(0), "nbf": "0"}), Some("nbf"))]
    #[case::rfc3339_exp(json!({"exp": "2037-01-15T08:00:00Z", "iat": at(0)}), Some("exp"))]
    fn a19_a_malformed_time_is_never_an_absent_one(
        #[case] claims: Value,
        #[case] refused: Option<&str>,
    ) {
        match (check_times(&claims, NOW), refused) {
            (Ok(()), None) => {}
            (Err(IdTokenRefused::Time(name)), Some(expected)) => assert_eq!(name, expected),
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
    }

    #[rstest]
    #[case::thirty_two(31, true)]
    #[case::thirty_three(32, false)]
    fn t15_a_payload_is_nested_no_deeper_than_a_header(
        #[case] inner: usize,
        #[case] expected: bool,
    ) {
        let claims = format!(r#"{{"a":{}{}}}"#, "[".repeat(inner), "]".repeat(inner));
        let token = format!("e30.{}.", URL_SAFE_NO_PAD.encode(claims));
        assert_eq!(payload(&token).is_ok(), expected);
    }

    #[rstest]
    #[case::absent(json!({"aud": "us"}), true)]
    #[case::us(json!({"aud": "us", "azp": "us"}), true)]
    #[case::them(json!({"aud": "us", "azp": "them"}), false)]
    #[case::of_another_kind(json!({"aud": "us", "azp": ["us"]}), false)]
    #[case::null(json!({"aud": "us", "azp": null}), false)]
    #[case::one_in_a_list(json!({"aud": ["us"]}), true)]
    #[case::several_without(json!({"aud": ["us", "them"]}), false)]
    fn the_authorized_party_is_us(#[case] claims: Value, #[case] expected: bool) {
        assert_eq!(check_authorized_party(&claims, "us").is_ok(), expected);
    }
}
