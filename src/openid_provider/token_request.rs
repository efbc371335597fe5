//! The form that is posted to the token endpoint and its kin (RFC 6749 §3.2), parsed and not believed.
//!
//! Invariant: a parameter without a value is one that was left out, and one that stands twice is refused, whatever
//! it is called.

use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, header};
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::refused::TokenRefused;

/// RFC 7523 §2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Parameters that say who asks.
pub const OF_THE_CLIENT: [&str; 4] = [
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
];

/// A form.
pub struct TokenRequest {
    parameters: HashMap<Box<str>, Box<str>>,
}

/// How a client says who it is.
#[derive(Debug)]
pub enum Credentials {
    /// `Authorization: Basic` or the form (RFC 6749 §2.3.1).
    Secret {
        /// `client_id`.
        client: Box<str>,
        /// The secret, in each way in which it can have been meant.
        secrets: Vec<SecretString>,
    },
    /// `client_assertion` (RFC 7523 §2.2).
    Assertion {
        /// `client_id`, which may be left out (RFC 7521 §4.2).
        client: Option<Box<str>>,
        /// The token.
        token: SecretString,
    },
}

impl TokenRequest {
    /// Reads a form.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, TokenRefused> {
        let kind = headers.get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(TokenRefused::NotAForm);
        }
        let coding = headers.get(header::CONTENT_ENCODING);
        if coding.is_some_and(|coding| coding != "identity") {
            return Err(TokenRefused::Coding);
        }
        let mut parameters = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            if parameters.insert(name.into(), value.into()).is_some() {
                return Err(TokenRefused::Doubled);
            }
        }
        Ok(Self { parameters })
    }

    /// What a JSON object says of who asks: the members that are called as the form's parameters are. None of them,
    /// where there is no object.
    #[must_use]
    pub fn of_members(members: Option<&Map<String, Value>>) -> Self {
        let told = |name: &&str| {
            let value = members?.get(*name)?.as_str()?;
            Some(((*name).into(), value.into()))
        };
        Self {
            parameters: OF_THE_CLIENT.iter().filter_map(told).collect(),
        }
    }

    /// A parameter, if it has a value (RFC 6749 §3.2).
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .get(name)
            .map(AsRef::as_ref)
            .filter(|value| !value.is_empty())
    }

    /// A parameter that must be there.
    ///
    /// # Errors
    /// It is not.
    pub fn required(&self, name: &'static str) -> Result<&str, TokenRefused> {
        self.parameter(name).ok_or(TokenRefused::Parameter(name))
    }

    /// Whether anything in the request says that a client asks: then it must prove who it is.
    #[must_use]
    pub fn names_client(&self, headers: &HeaderMap) -> bool {
        let sent = ["client_secret", "client_assertion", "client_assertion_type"];
        headers.contains_key(header::AUTHORIZATION)
            || self.parameter("client_id").is_some()
            || sent.iter().any(|name| self.parameters.contains_key(*name))
    }

    /// The client's credentials: one kind of them.
    ///
    /// # Errors
    /// None, or several.
    pub fn credentials(&self, headers: &HeaderMap) -> Result<Credentials, TokenRefused> {
        let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
        let (authorization, another) = (authorizations.next(), authorizations.next());
        let named = self.parameter("client_id");
        // An empty secret is one, and wrong: it must not become a request without any.
        let secret = self.parameters.get("client_secret");
        let assertion = self.parameters.get("client_assertion");
        let assertion_type = self.parameters.get("client_assertion_type");
        let has_assertion = assertion.is_some() || assertion_type.is_some();
        let methods = [authorization.is_some(), secret.is_some(), has_assertion];
        if another.is_some() || methods.into_iter().filter(|used| *used).count() > 1 {
            return Err(TokenRefused::TwoMethods);
        }
        if let Some(authorization) = authorization {
            let credentials = basic(authorization.as_bytes()).ok_or(TokenRefused::NoCredentials)?;
            return match (&credentials, named) {
                (Credentials::Secret { client, .. }, Some(named)) if **client != *named => {
                    Err(TokenRefused::TwoMethods)
                }
                _ => Ok(credentials),
            };
        }
        if let Some(secret) = secret {
            return Ok(Credentials::Secret {
                client: named.ok_or(TokenRefused::NoCredentials)?.into(),
                secrets: vec![secret.to_string().into()],
            });
        }
        if !has_assertion {
            return Err(TokenRefused::NoCredentials);
        }
        if assertion_type.is_none_or(|kind| **kind != *JWT_BEARER) {
            return Err(TokenRefused::Parameter("client_assertion_type"));
        }
        let token = self.required("client_assertion")?;
        Ok(Credentials::Assertion {
            client: named.map(Into::into),
            token: token.to_owned().into(),
        })
    }
}

/// `Basic` with both parts form-encoded (RFC 6749 §2.3.1). Many do not encode the secret: it is taken both ways.
fn basic(value: &[u8]) -> Option<Credentials> {
    let (scheme, encoded) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let pair = BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let (client, secret) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
    let (client, decoded) = (form_decoded(client), form_decoded(secret));
    if client.is_empty() {
        return None;
    }
    Some(Credentials::Secret {
        client: client.into(),
        secrets: vec![decoded.into(), secret.to_owned().into()],
    })
}

fn form_decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced)
        .decode_utf8_lossy()
        .into_owned()
}

/// Without what was sent: it holds secrets.
impl fmt::Debug for TokenRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TokenRequest")
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use rstest::rstest;
    use secrecy::ExposeSecret as _;

    fn headers(authorization: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        for value in authorization {
            let value = HeaderValue::from_str(value).expect("a value");
            headers.append(header::AUTHORIZATION, value);
        }
        headers
    }

    fn encoded(pair: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(pair))
    }

    /// `client_id` and the first way in which the secret can be meant, or the error.
    fn read(authorization: &[&str], form: &str) -> Result<(String, String), &'static str> {
        let headers = headers(authorization);
        let read = TokenRequest::parse(&headers, form.as_bytes())
            .and_then(|request| request.credentials(&headers));
        match read {
            Ok(Credentials::Secret { client, secrets }) => {
                Ok((client.into(), secrets[0].expose_secret().to_owned()))
            }
            Ok(Credentials::Assertion { client, token }) => Ok((
                client.map_or_else(String::new, Into::into),
                token.expose_secret().to_owned(),
            )),
            Err(refused) => Err(refused.answer().error),
        }
    }

    const ASSERTION: &str = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=a.b.c";

    #[test]
    fn credentials_are_read_in_each_way() {
        let is = |client: &str, secret: &str| Ok((client.to_owned(), secret.to_owned()));
        assert_eq!(read(&[&encoded("m:s%20p+x")], ""), is("m", "s p x"));
        assert_eq!(
            read(&[&encoded("m:a:b").replace("Basic", "bAsIc")], ""),
            is("m", "a:b")
        );
        assert_eq!(read(&[&encoded("m:s")], "client_id=m"), is("m", "s"));
        assert_eq!(read(&[], "client_id=m&client_secret=s%2B"), is("m", "s+"));
        assert_eq!(read(&[], ASSERTION), is("", "a.b.c"));
        assert_eq!(
            read(&[], &format!("client_id=m&{ASSERTION}")),
            is("m", "a.b.c")
        );
    }

    #[rstest]
    #[case::nothing(vec![], "grant_type=client_credentials", "invalid_client")]
    #[case::a_name_alone(vec![], "client_id=m", "invalid_client")]
    #[case::a_secret_alone(vec![], "client_secret=s", "invalid_client")]
    #[case::a12_an_empty_secret(vec![], "client_id=m&client_secret=", "")]
    #[case::another_scheme(vec!["Bearer abc".to_owned()], "", "invalid_client")]
    #[case::no_base64(vec!["Basic ~~~".to_owned()], "", "invalid_client")]
    #[case::no_colon(vec![encoded("m")], "", "invalid_client")]
    #[case::no_name(vec![encoded(":s")], "", "invalid_client")]
    #[case::two_headers(vec![encoded("m:s"), encoded("m:s")], "", "invalid_request")]
    #[case::header_and_form(vec![encoded("m:s")], "client_id=m&client_secret=s", "invalid_request")]
    #[case::header_and_empty_form(vec![encoded("m:s")], "client_secret=", "invalid_request")]
    #[case::header_and_assertion(vec![encoded("m:s")], ASSERTION, "invalid_request")]
    #[case::form_and_assertion(vec![], &format!("client_id=m&client_secret=s&{ASSERTION}"), "invalid_request")]
    #[case::two_names(vec![encoded("m:s")], "client_id=n", "invalid_request")]
    #[case::assertion_without_type(vec![], "client_assertion=a.b.c", "invalid_request")]
    #[case::type_without_assertion(vec![], "client_assertion_type=x", "invalid_request")]
    #[case::saml(vec![], "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Asaml2-bearer&client_assertion=x", "invalid_request")]
    #[case::doubled(vec![], "client_id=m&client_secret=s&client_id=m", "invalid_request")]
    #[case::doubled_unknown(vec![encoded("m:s")], "x=1&x=", "invalid_request")]
    fn a12_credentials_that_could_be_misread_are_refused(
        #[case] authorization: Vec<String>,
        #[case] form: &str,
        #[case] error: &str,
    ) {
        let authorization: Vec<_> = authorization.iter().map(String::as_str).collect();
        match read(&authorization, form) {
            // It is read as what it is, and fits nobody's.
            Ok((_, secret)) => assert_eq!((secret.as_str(), error), ("", "")),
            Err(found) => assert_eq!(found, error),
        }
    }
}
