//! The ID token (OIDC Core 1.0 §3.1.3.7), point by point.
//!
//! The `openidconnect` crate checks signature, issuer, audience, expiry and nonce. Ours: which algorithm
//! and key may be used at all, `azp`, `nbf`, `iat`, the kinds of the time claims, the subject's shape and
//! `at_hash`. Invariant: a `VerifiedIdToken` is made here only, from a token that passed all of it.
//! Claims are mapped from the payload that was signed, never from a library's reading of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{
    CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKey, CoreJwsSigningAlgorithm,
};
use openidconnect::{
    AccessToken, AccessTokenHash, ClaimsVerificationError, ClientId, IssuerUrl, JsonWebKeySet,
    Nonce,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use subtle::ConstantTimeEq as _;
use time::{Duration, OffsetDateTime};

use crate::domain::ids::Issuer;
use crate::jose::{Jwk, SignatureAlgorithm, is_shallow};

/// How far clocks may differ, in seconds.
const SKEW: Duration = Duration::seconds(60);

/// Longest `sub`, in bytes (OIDC Core 1.0 §2 says 255).
const LONGEST_SUBJECT: usize = 255;

/// What an ID token must fit.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a Issuer,
    pub(super) client_id: &'a str,
    /// The one algorithm.
    pub(super) algorithm: SignatureAlgorithm,
    /// The one key that fits header and algorithm.
    pub(super) key: &'a Jwk,
    pub(super) nonce: &'a SecretString,
    pub(super) access_token: &'a SecretString,
    pub(super) now: OffsetDateTime,
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
    #[error("the ID token's signature is refused: {0}")]
    Signature(String),
    /// Issuer, audience or nonce.
    #[error("the ID token is refused: {0}")]
    Claims(String),
    /// `exp`, `iat` or `nbf` is missing, of the wrong kind or out of range.
    #[error("the ID token's `{0}` is missing, malformed or out of range")]
    Time(&'static str),
    /// `azp` names somebody else, or is missing beside several audiences.
    #[error("the ID token's `azp` does not name this client")]
    AuthorizedParty,
    /// `sub` is missing, empty or too long.
    #[error("the ID token's `sub` is missing, empty or longer than 255 bytes")]
    Subject,
    /// `at_hash` does not fit the access token (OIDC Core 1.0 §3.1.3.6).
    #[error("the ID token's `at_hash` does not fit the access token")]
    AccessTokenHash,
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
        let parsed: CoreIdToken = text.parse().map_err(|error: serde_json::Error| {
            // A parser's message can quote the token.
            IdTokenRefused::Claims(format!(
                "it does not read as an ID token ({:?})",
                error.classify()
            ))
        })?;
        let claims = payload(text)?;
        check_times(&claims, expected.now)?;
        let verifier = CoreIdTokenVerifier::new_public_client(
            ClientId::new(expected.client_id.to_owned()),
            IssuerUrl::new(expected.issuer.as_str().to_owned())
                .map_err(|error| IdTokenRefused::Claims(error.to_string()))?,
            JsonWebKeySet::new(vec![key.clone()]),
        )
        .set_allowed_algs([algorithm.clone()])
        .set_other_audience_verifier_fn(|_| false)
        // Times are checked above, with the caller's clock.
        .set_time_fn(|| chrono::DateTime::<chrono::Utc>::MIN_UTC);
        let nonce = |found: Option<&Nonce>| {
            let same = found.is_some_and(|found| {
                bool::from(
                    found
                        .secret()
                        .as_bytes()
                        .ct_eq(expected.nonce.expose_secret().as_bytes()),
                )
            });
            if same {
                Ok(())
            } else {
                Err("it is missing or another login's".to_owned())
            }
        };
        let checked = parsed
            .claims(&verifier, nonce)
            .map_err(|error| match error {
                ClaimsVerificationError::SignatureVerification(error) => {
                    IdTokenRefused::Signature(error.to_string())
                }
                error => IdTokenRefused::Claims(error.to_string()),
            })?;
        if let Some(found) = checked.access_token_hash() {
            let access_token = AccessToken::new(expected.access_token.expose_secret().to_owned());
            let own = AccessTokenHash::from_token(&access_token, &algorithm, &key)
                .map_err(|_| IdTokenRefused::AccessTokenHash)?;
            if own != *found {
                return Err(IdTokenRefused::AccessTokenHash);
            }
        }
        check_authorized_party(&claims, expected.client_id)?;
        let subject = match claims.get("sub") {
            Some(Value::String(subject)) if (1..=LONGEST_SUBJECT).contains(&subject.len()) => {
                subject.as_str().into()
            }
            _ => return Err(IdTokenRefused::Subject),
        };
        Ok(Self { claims, subject })
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

fn algorithm(algorithm: SignatureAlgorithm) -> Result<CoreJwsSigningAlgorithm, IdTokenRefused> {
    serde_json::from_value(Value::String(algorithm.as_str().to_owned()))
        .map_err(|_| IdTokenRefused::Key(format!("{algorithm} cannot be checked")))
}

/// The second segment, which the signature covers.
fn payload(token: &str) -> Result<Value, IdTokenRefused> {
    let malformed = || IdTokenRefused::Claims("its payload is not a JSON object".to_owned());
    let segment = token.split('.').nth(1).ok_or_else(malformed)?;
    let bytes = URL_SAFE_NO_PAD.decode(segment).map_err(|_| malformed())?;
    serde_json::from_slice(&bytes)
        .ok()
        .filter(|claims: &Value| claims.is_object() && is_shallow(claims))
        .ok_or_else(malformed)
}

/// A `NumericDate` (RFC 7519 §2): a JSON number, which may be fractional, of a year that exists.
fn numeric_date(
    claims: &Value,
    name: &'static str,
) -> Result<Option<OffsetDateTime>, IdTokenRefused> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let refused = || IdTokenRefused::Time(name);
    let seconds = value.as_f64().ok_or_else(refused)?;
    // Up to the year 9999: beyond it nobody means a time.
    if !(0.0..253_402_300_800.0).contains(&seconds) {
        return Err(refused());
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
    let whole = seconds.floor() as i64;
    OffsetDateTime::from_unix_timestamp(whole)
        .map(Some)
        .map_err(|_| refused())
}

fn check_times(claims: &Value, now: OffsetDateTime) -> Result<(), IdTokenRefused> {
    let expires_at = numeric_date(claims, "exp")?.ok_or(IdTokenRefused::Time("exp"))?;
    if now >= expires_at + SKEW {
        return Err(IdTokenRefused::Time("exp"));
    }
    let issued_at = numeric_date(claims, "iat")?.ok_or(IdTokenRefused::Time("iat"))?;
    if issued_at > now + SKEW {
        return Err(IdTokenRefused::Time("iat"));
    }
    if numeric_date(claims, "nbf")?.is_some_and(|not_before| not_before > now + SKEW) {
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
    numeric_date(claims, "auth_time").ok().flatten()
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
