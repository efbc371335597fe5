//! How we prove to a provider's token endpoint who we are (RFC 6749 §2.3, OIDC Core 1.0 §9).
//!
//! Invariant: an assertion is made for one request, is over after five minutes, and names whom it is for.
//! What is deliberately absent: keys. Whoever holds one signs what stands here.

use std::fmt::Debug;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use url::Url;

/// How long an assertion is good for, in seconds.
const LIFETIME_SECONDS: i64 = 300;

/// How we authenticate at the token endpoint. Without a secret and without an assertion we are a public
/// client, which PKCE protects.
#[derive(Clone, Debug, Default)]
pub enum ClientAuthentication {
    /// With the secret, presented as the metadata says; basic where it says nothing.
    #[default]
    Discovered,
    /// The secret in `Authorization: Basic`, both parts form-encoded first (RFC 6749 §2.3.1).
    Basic,
    /// The secret in the body.
    Post,
    /// `client_assertion`: a JWT, signed with our key or keyed with the secret (RFC 7523 §2.2).
    Assertion(ClientAssertion),
    /// A JWT signed with our key stands where the secret would, in the body (Apple).
    GeneratedSecret(ClientAssertion),
}

/// What is the same in all our assertions to one provider.
#[derive(Clone, Debug)]
pub struct ClientAssertion {
    /// `iss`: our name at the provider, or that of the team it belongs to (Apple).
    pub issuer: Box<str>,
    /// `sub`: our name at the provider (RFC 7523 §3, point 2 B).
    pub subject: Box<str>,
    /// `aud`.
    pub audience: AssertionAudience,
    /// What signs.
    pub key: Arc<dyn AssertionKey>,
}

/// Whom an assertion is for (RFC 7523 §3, point 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssertionAudience {
    /// The address it is sent to.
    TokenEndpoint,
    /// The issuer of the provider.
    Issuer(Box<str>),
}

/// A key that is ready to sign: read and judged with the configuration.
pub trait AssertionKey: Debug + Send + Sync {
    /// The signed token with these claims.
    ///
    /// # Errors
    /// [`NotSigned`].
    fn sign(&self, claims: &Value) -> Result<SecretString, NotSigned>;
}

/// The cryptographic library refused. There is nothing a caller can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the assertion for the token endpoint could not be signed")]
pub struct NotSigned;

impl ClientAssertion {
    /// For `client_assertion` of one request to `token_endpoint`. `id` is 16 random bytes: no two assertions
    /// have the same `jti` (RFC 7523 §3, point 7), which is written as a GUID because Entra asks for one.
    ///
    /// # Errors
    /// [`NotSigned`].
    pub fn assertion(
        &self,
        token_endpoint: &Url,
        now: OffsetDateTime,
        id: [u8; 16],
    ) -> Result<SecretString, NotSigned> {
        let mut claims = self.claims(token_endpoint, now);
        claims.insert("jti".to_owned(), guid(id).into());
        claims.insert("nbf".to_owned(), now.unix_timestamp().into());
        self.key.sign(&Value::Object(claims))
    }

    /// For `client_secret` of one request to `token_endpoint`.
    ///
    /// # Errors
    /// [`NotSigned`].
    pub fn secret(
        &self,
        token_endpoint: &Url,
        now: OffsetDateTime,
    ) -> Result<SecretString, NotSigned> {
        self.key
            .sign(&Value::Object(self.claims(token_endpoint, now)))
    }

    fn claims(&self, token_endpoint: &Url, now: OffsetDateTime) -> Map<String, Value> {
        let audience = match &self.audience {
            AssertionAudience::TokenEndpoint => token_endpoint.as_str(),
            AssertionAudience::Issuer(issuer) => issuer,
        };
        let now = now.unix_timestamp();
        Map::from_iter([
            ("iss".to_owned(), json!(self.issuer)),
            ("sub".to_owned(), json!(self.subject)),
            ("aud".to_owned(), json!(audience)),
            ("iat".to_owned(), json!(now)),
            ("exp".to_owned(), json!(now + LIFETIME_SECONDS)),
        ])
    }
}

impl ClientAuthentication {
    /// The same, but that what is signed does not verify: for finding out whether anybody looks.
    #[must_use]
    pub fn with_spoilt_signature(&self) -> Self {
        let spoilt = |ours: &ClientAssertion| ClientAssertion {
            key: Arc::new(Spoilt(Arc::clone(&ours.key))),
            ..ours.clone()
        };
        match self {
            Self::Assertion(ours) => Self::Assertion(spoilt(ours)),
            Self::GeneratedSecret(ours) => Self::GeneratedSecret(spoilt(ours)),
            other => other.clone(),
        }
    }
}

/// A key whose signatures do not verify.
#[derive(Debug)]
struct Spoilt(Arc<dyn AssertionKey>);

impl AssertionKey for Spoilt {
    fn sign(&self, claims: &Value) -> Result<SecretString, NotSigned> {
        let signed = self.0.sign(claims)?;
        let signed = signed.expose_secret();
        let (signed, signature) = signed.rsplit_once('.').ok_or(NotSigned)?;
        // In the same alphabet, and of the same length.
        let spoilt: String = signature
            .chars()
            .map(|character| if character == 'A' { 'B' } else { 'A' })
            .collect();
        Ok(format!("{signed}.{spoilt}").into())
    }
}

/// RFC 9562 §5.4, version 4.
fn guid(random: [u8; 16]) -> String {
    let bits = u128::from_be_bytes(random);
    let bits = bits & !(0xf << 76) | (0x4 << 76);
    let bits = bits & !(0x3 << 62) | (0x2 << 62);
    let digits = format!("{bits:032x}");
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32].map(|place| digits.get(place));
    groups.map(Option::unwrap_or_default).join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::is_guid;
    use rstest::rstest;
    use time::macros::datetime;

    /// Signs nothing: what it would sign is what comes out.
    #[derive(Debug)]
    struct Plain;

    impl AssertionKey for Plain {
        fn sign(&self, claims: &Value) -> Result<SecretString, NotSigned> {
            Ok(claims.to_string().into())
        }
    }

    fn claims(signed: Result<SecretString, NotSigned>) -> Value {
        serde_json::from_str(signed.expect("signed").expose_secret()).expect("JSON")
    }

    #[rstest]
    #[case::endpoint(AssertionAudience::TokenEndpoint, "https://id.example/token?p=1")]
    #[case::issuer(
        AssertionAudience::Issuer("https://id.example/".into()),
        "https://id.example/"
    )]
    fn claims_are_exact(#[case] audience: AssertionAudience, #[case] expected: &str) {
        let assertion = ClientAssertion {
            issuer: "TEAM".into(),
            subject: "doorward".into(),
            audience,
            key: Arc::new(Plain),
        };
        let endpoint = "https://id.example/token?p=1".parse().expect("an address");
        let now = datetime!(2027-01-15 08:00:00.9 UTC);
        let secret = json!({
            "iss": "TEAM", "sub": "doorward", "aud": expected,
            "iat": 1_800_000_000, "exp": 1_800_000_300,
        });
        assert_eq!(claims(assertion.secret(&endpoint, now)), secret);
        let mut whole = secret;
        whole["nbf"] = 1_800_000_000.into();
        whole["jti"] = "ffffffff-ffff-4fff-bfff-ffffffffffff".into();
        assert_eq!(
            claims(assertion.assertion(&endpoint, now, [0xff; 16])),
            whole
        );
    }

    /// Signs nothing, in the shape of what is signed.
    #[derive(Debug)]
    struct InParts;

    impl AssertionKey for InParts {
        fn sign(&self, _: &Value) -> Result<SecretString, NotSigned> {
            Ok("head.body.xAAy".to_owned().into())
        }
    }

    #[test]
    fn a_spoilt_signature_is_another_one() {
        let ours = ClientAuthentication::Assertion(ClientAssertion {
            issuer: "a".into(),
            subject: "a".into(),
            audience: AssertionAudience::TokenEndpoint,
            key: Arc::new(InParts),
        });
        let ClientAuthentication::Assertion(spoilt) = ours.with_spoilt_signature() else {
            panic!("another method");
        };
        let signed = spoilt.key.sign(&json!({})).expect("signed");
        assert_eq!(signed.expose_secret(), "head.body.ABBA");
    }

    #[test]
    fn an_id_is_a_guid_of_its_own() {
        assert_eq!(guid([0; 16]), "00000000-0000-4000-8000-000000000000");
        let mut bytes = [0; 16];
        bytes[0] = 1;
        assert!(is_guid(&guid(bytes)));
        assert_ne!(guid(bytes), guid([0; 16]));
    }
}
