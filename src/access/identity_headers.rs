//! What an app is told about whoever calls.
//!
//! Invariant: every configured header is there exactly once, empty where there is no value, so that a
//! proxy overwrites whatever the client sent. Control characters are percent-encoded (they could end a
//! header); all other characters, UTF-8 too, stand as they are.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

use crate::domain::caller::Subject;
use crate::domain::identity_header::{IdentityHeader, IdentitySource};
use crate::domain::ids::AppId;

/// Header values that are ready to be sent.
pub type ReadyHeaders = Box<[(HeaderName, HeaderValue)]>;

/// The tokens that an app is given, a provider's and ours, each fit for a header. Most are given none.
#[derive(Debug, Default)]
pub struct HandedTokens {
    pub(super) access_token: Option<SecretString>,
    pub(super) id_token: Option<SecretString>,
    pub(super) assertion: Option<SecretString>,
}

impl HandedTokens {
    /// What stands in `header`. One named `Authorization` says what kind of credential it is (RFC 6750 §2.1).
    fn value(&self, header: &IdentityHeader) -> Option<[&str; 2]> {
        let token = match header.source {
            IdentitySource::AccessToken => self.access_token.as_ref(),
            IdentitySource::IdToken => self.id_token.as_ref(),
            IdentitySource::Assertion => self.assertion.as_ref(),
            _ => None,
        };
        let scheme = if header.name == AUTHORIZATION {
            "Bearer "
        } else {
            ""
        };
        token.map(|token| [scheme, token.expose_secret()])
    }
}

/// These headers of `app` for `subject`; all empty where nobody is known. What stands in a token's header is
/// never indexed (RFC 7541 §7.1.3) and never printed.
#[must_use]
pub fn identity_headers(
    app: &AppId,
    headers: &[IdentityHeader],
    subject: Option<&Subject<'_>>,
    tokens: &HandedTokens,
) -> ReadyHeaders {
    let mut text = String::new();
    let ends: Vec<usize> = headers
        .iter()
        .map(|header| {
            if let Some(token) = tokens.value(header) {
                text.extend(token);
                return text.len();
            }
            let (value, left_out) = subject
                .map(|subject| header.source.value(subject))
                .unwrap_or_default();
            if !left_out.is_empty() {
                tracing::warn!(
                    target: "audit",
                    event = "groups_left_out",
                    %app,
                    user = subject.map(|subject| tracing::field::display(subject.user)),
                    groups = ?left_out,
                    "group names with a comma or control character cannot be told to an app"
                );
            }
            push_safe(&mut text, &value);
            text.len()
        })
        .collect();
    // In one piece of memory: they are kept for each session, and always sent together.
    let text = Bytes::from(text.into_bytes().into_boxed_slice());
    let begins = std::iter::once(0).chain(ends.iter().copied());
    headers
        .iter()
        .zip(begins.zip(ends.iter().copied()))
        .map(|(header, (begin, end))| {
            let value = HeaderValue::from_maybe_shared(text.slice(begin..end));
            let mut value = value.unwrap_or_else(|_| HeaderValue::from_static(""));
            value.set_sensitive(header.source.is_secret());
            (header.name.clone(), value)
        })
        .collect()
}

fn push_safe(safe: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_control() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(safe, "%{byte:02X}");
            }
        } else {
            safe.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::plain("Ada Lovelace", "Ada Lovelace")]
    #[case::utf8("Žofie Müller", "Žofie Müller")]
    #[case::line_break("Ada\r\nX-Admin: yes", "Ada%0D%0AX-Admin: yes")]
    #[case::nul("a\0b", "a%00b")]
    #[case::delete("a\x7fb", "a%7Fb")]
    #[case::c1("a\u{85}b", "a%C2%85b")]
    #[case::tab("a\tb", "a%09b")]
    fn t07_nothing_ends_a_header(#[case] text: &str, #[case] expected: &str) {
        let mut safe = String::new();
        push_safe(&mut safe, text);
        assert_eq!(safe, expected);
        assert!(HeaderValue::from_bytes(safe.as_bytes()).is_ok());
    }
}
