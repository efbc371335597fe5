//! What an app is told about a person.
//!
//! Invariant: every configured header is there exactly once, empty where there is no value, so that a
//! proxy overwrites whatever the client sent. Control characters are percent-encoded (they could end a
//! header); all other characters, UTF-8 too, stand as they are.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use crate::domain::identity::Person;
use crate::domain::identity_header::IdentityHeader;
use crate::domain::ids::AppId;

/// Header values that are ready to be sent.
pub type ReadyHeaders = Box<[(HeaderName, HeaderValue)]>;

/// These headers of `app` for `person`; all empty where nobody is signed in.
#[must_use]
pub fn identity_headers(
    app: &AppId,
    headers: &[IdentityHeader],
    person: Option<&Person>,
) -> ReadyHeaders {
    let mut text = String::new();
    let ends: Vec<usize> = headers
        .iter()
        .map(|IdentityHeader { source, .. }| {
            let (value, left_out) = person
                .map(|person| source.value(person))
                .unwrap_or_default();
            if !left_out.is_empty() {
                tracing::warn!(
                    target: "audit",
                    event = "groups_left_out",
                    %app,
                    user = person.map(|person| tracing::field::display(person.user)),
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
            let value = value.unwrap_or_else(|_| HeaderValue::from_static(""));
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
