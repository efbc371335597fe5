//! The query of a callback, or the form that was posted to it, as it came.
//!
//! Invariant: nothing is believed yet, and nothing ambiguous gets further: a parameter that counts and
//! stands twice refuses the whole (RFC 6749 §3.1).

use secrecy::{ExposeSecret as _, SecretString};

use crate::domain::handle::{Handle, StateKind};
use crate::domain::ids::Issuer;
use crate::domain::login_attempt::ProviderError;
use crate::domain::upstream_provider::UpstreamProvider;

/// `code` or `error`, `state` and `iss` of an authorization response (RFC 6749 §4.1.2, RFC 9207 §2).
#[derive(Debug)]
pub struct CallbackParameters {
    pub(super) state: Handle<StateKind>,
    pub(super) issuer: Option<Issuer>,
    pub(super) answer: Result<SecretString, ProviderError>,
}

/// The query is not an answer to anything we asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCallback {
    /// No `state`, or one that is not ours.
    #[error("`state` is missing or is none of ours")]
    State,
    /// `code`, `state`, `iss` or `error` stands twice.
    #[error("`{0}` stands twice")]
    Duplicate(&'static str),
    /// The provider posts its answers, and this is none that it posted.
    #[error("it did not come by POST, as this provider answers")]
    NotPosted,
    /// `iss` is longer than any issuer.
    #[error("`iss` is too long")]
    Issuer,
    /// `code` or `id_token` is longer than 8192 bytes.
    #[error("`{0}` is longer than {LONGEST_CODE} bytes, which are taken at most")]
    TooLong(&'static str),
    /// Neither `code` (from a page of the operator's: `id_token`) nor `error`.
    #[error("there is neither `code` nor `error`")]
    Empty,
}

/// What holds an authorization code (RFC 6749 §4.1.2).
const CODE: &str = "code";

/// Longest authorization code that is carried on, in bytes. Entra's reach two thousand.
const LONGEST_CODE: usize = 8192;

/// Longest `iss` that is looked at, in bytes.
const LONGEST_ISSUER: usize = 2048;

impl CallbackParameters {
    /// Reads a query string without its `?`, or a form. Unknown parameters are ignored: providers add their own.
    ///
    /// # Errors
    /// [`InvalidCallback`].
    pub fn parse(query: &str) -> Result<Self, InvalidCallback> {
        Self::parse_with(query, CODE)
    }

    /// What was posted to the callback of `provider`: from a page of the operator's, an ID token in place of a
    /// code.
    ///
    /// # Errors
    /// [`InvalidCallback`].
    pub fn parse_posted(form: &str, provider: &UpstreamProvider) -> Result<Self, InvalidCallback> {
        let answer = provider.sign_in_page().map_or(CODE, |_| "id_token");
        Self::parse_with(form, answer)
    }

    fn parse_with(query: &str, answer: &'static str) -> Result<Self, InvalidCallback> {
        let (mut code, mut error, mut state, mut issuer) = (None, None, None, None);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let (slot, name) = match &*name {
                name if name == answer => (&mut code, answer),
                "error" => (&mut error, "error"),
                "state" => (&mut state, "state"),
                "iss" => (&mut issuer, "iss"),
                _ => continue,
            };
            if slot.replace(value.into_owned()).is_some() {
                return Err(InvalidCallback::Duplicate(name));
            }
        }
        let state = state
            .and_then(|state: String| state.parse().ok())
            .ok_or(InvalidCallback::State)?;
        // Never passed over: where none is promised, an answer without it would count.
        if issuer
            .as_ref()
            .is_some_and(|issuer| issuer.len() > LONGEST_ISSUER)
        {
            return Err(InvalidCallback::Issuer);
        }
        let answer = match (error, code) {
            (Some(error), _) => Err(ProviderError::new(&error)),
            (None, Some(code)) if code.len() > LONGEST_CODE => {
                return Err(InvalidCallback::TooLong(answer));
            }
            (None, Some(code)) if !code.is_empty() => Ok(SecretString::from(code)),
            _ => return Err(InvalidCallback::Empty),
        };
        Ok(Self {
            state,
            issuer: issuer.map(|issuer| Issuer::new(&issuer)),
            answer,
        })
    }

    /// All that counts of it, as [`CallbackParameters::parse`] reads it: what else a provider sent is not kept.
    #[must_use]
    pub(super) fn to_query(&self) -> SecretString {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("state", &self.state.reveal());
        if let Some(issuer) = &self.issuer {
            query.append_pair("iss", issuer.as_str());
        }
        match &self.answer {
            Ok(code) => query.append_pair("code", code.expose_secret()),
            Err(error) => query.append_pair("error", error.code()),
        };
        query.finish().into()
    }

    /// What [`CallbackParameters::to_query`] gave.
    pub(super) fn from_query(query: &SecretString) -> Option<Self> {
        Self::parse(query.expose_secret()).ok()
    }

    /// Which attempt it claims to answer.
    #[must_use]
    pub const fn state(&self) -> &Handle<StateKind> {
        &self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const STATE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn foreign_parameters_are_ignored() {
        let query = format!("code=a.b%2Bc&state={STATE}&session_state=1&session_state=2&hd=x");
        let parsed = CallbackParameters::parse(&query).expect("an answer");
        let code = parsed.answer.expect("a code");
        assert_eq!(secrecy::ExposeSecret::expose_secret(&code), "a.b+c");
    }

    #[rstest]
    #[case::code("code=a.b%2Bc%26%3D&iss=https%3A%2F%2Fid.example%2F&user=x")]
    #[case::error("error=access_denied&code=c")]
    fn what_counts_is_kept_and_nothing_else(#[case] query: &str) {
        let parsed = CallbackParameters::parse(&format!("{query}&state={STATE}"));
        let parsed = parsed.expect("an answer");
        let text = parsed.to_query();
        let again = CallbackParameters::from_query(&text).expect("the same");
        assert_eq!(
            format!("{:?}", again.answer),
            format!("{:?}", parsed.answer)
        );
        assert_eq!(again.issuer, parsed.issuer);
        assert_eq!(again.state.reveal(), STATE);
        let text = text.expose_secret();
        assert!(!text.contains("user"), "{text}");
        if let (Ok(one), Ok(other)) = (parsed.answer, again.answer) {
            assert_eq!(one.expose_secret(), other.expose_secret());
        }
    }

    #[rstest]
    #[case::no_state("code=c".into(), InvalidCallback::State)]
    #[case::foreign_state("code=c&state=xyz".into(), InvalidCallback::State)]
    #[case::state_twice(format!("code=c&state={STATE}&state={STATE}"), InvalidCallback::Duplicate("state"))]
    #[case::code_twice(format!("code=c&code=d&state={STATE}"), InvalidCallback::Duplicate("code"))]
    #[case::issuer_twice(format!("code=c&iss=a&iss=a&state={STATE}"), InvalidCallback::Duplicate("iss"))]
    #[case::nothing(format!("state={STATE}"), InvalidCallback::Empty)]
    #[case::empty_code(format!("code=&state={STATE}"), InvalidCallback::Empty)]
    #[case::long_code(format!("code={}&state={STATE}", "c".repeat(8193)), InvalidCallback::TooLong("code"))]
    #[case::empty(String::new(), InvalidCallback::State)]
    fn what_is_ambiguous_or_foreign_is_refused(
        #[case] query: String,
        #[case] reason: InvalidCallback,
    ) {
        assert_eq!(CallbackParameters::parse(&query).err(), Some(reason));
    }

    #[test]
    fn the_longest_code_is_an_answer() {
        let query = format!("code={}&state={STATE}", "c".repeat(LONGEST_CODE));
        assert!(CallbackParameters::parse(&query).is_ok());
        let posted = format!("id_token={}&state={STATE}", "c".repeat(LONGEST_CODE + 1));
        let refused = CallbackParameters::parse_with(&posted, "id_token").err();
        let refused = refused.expect("too long");
        assert_eq!(refused, InvalidCallback::TooLong("id_token"));
        assert!(
            refused
                .to_string()
                .contains("`id_token` is longer than 8192")
        );
    }

    #[test]
    fn code_and_error_at_once_is_an_error() {
        let query = format!("code=c&error=access_denied&state={STATE}");
        let parsed = CallbackParameters::parse(&query).expect("an answer");
        assert_eq!(
            parsed.answer.err().map(|e| e.code().to_owned()),
            Some("access_denied".into())
        );
    }
}
