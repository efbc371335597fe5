//! Reading claims out of verified documents.
//!
//! Invariant: only documents whose origin has been checked are read here. Paths are JSON pointers
//! (RFC 6901), so that names with dots, slashes and colons are no trouble.

use std::fmt;

use serde_json::Value;

/// A JSON pointer (RFC 6901), or the bare name of a member of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath(Box<str>);

impl ClaimPath {
    /// `/a/b` is a pointer; anything else is the name of one member, taken literally
    /// (`https://slack.com/user_id`, `cognito:groups`).
    #[must_use]
    pub fn new(text: &str) -> Self {
        if text.starts_with('/') {
            Self(text.into())
        } else {
            Self(format!("/{}", text.replace('~', "~0").replace('/', "~1")).into())
        }
    }

    /// As a JSON pointer.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the document itself.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0.len() <= 1
    }

    /// The value at this path, unless it is absent or null. An empty path is the document itself.
    #[must_use]
    pub fn find<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        document
            .pointer(self.pointer())
            .filter(|value| !value.is_null())
    }

    /// Whether anything stands at this path, null included.
    #[must_use]
    pub fn stands(&self, document: &Value) -> bool {
        document.pointer(self.pointer()).is_some()
    }

    /// The member of the document that it stands in; none for the document itself.
    #[must_use]
    pub fn member(&self) -> Option<String> {
        let first = self.0.split('/').nth(1)?;
        Some(first.replace("~1", "/").replace("~0", "~"))
    }

    fn pointer(&self) -> &str {
        if self.is_all() { "" } else { &self.0 }
    }

    /// The mark that this claim is said somewhere else (OIDC Core 1.0 §5.6.2, `_claim_names`).
    #[must_use]
    pub fn mark_of_absence(&self) -> Self {
        let first = self.0.split('/').nth(1).unwrap_or_default();
        Self(format!("/_claim_names/{first}").into())
    }

    /// A string, or a number written as its digits (numeric ids stay exact); never empty.
    #[must_use]
    pub fn text(&self, document: &Value) -> Option<Box<str>> {
        match self.find(document)? {
            Value::String(text) if !text.is_empty() => Some(text.as_str().into()),
            Value::Number(number) if number.is_u64() || number.is_i64() => {
                Some(number.to_string().into())
            }
            _ => None,
        }
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A list of strings, or one string as a list of one. `None`: of another shape.
#[must_use]
pub fn texts(value: &Value) -> Option<Vec<Box<str>>> {
    match value {
        Value::String(text) => Some(vec![text.as_str().into()]),
        Value::Array(values) => values
            .iter()
            .map(|value| value.as_str().map(Into::into))
            .collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::member("sub", json!({"sub": "a"}), Some("a"))]
    #[case::nested("/a/b", json!({"a": {"b": "x"}}), Some("x"))]
    #[case::literal_slashes("https://x/y", json!({"https://x/y": "z"}), Some("z"))]
    #[case::number("id", json!({"id": 1_152_921_504_606_846_977_u64}), Some("1152921504606846977"))]
    #[case::float("id", json!({"id": 1.5}), None)]
    #[case::null("id", json!({"id": null}), None)]
    #[case::empty("id", json!({"id": ""}), None)]
    #[case::object("id", json!({"id": {}}), None)]
    fn text_is_read_exactly(
        #[case] path: &str,
        #[case] document: Value,
        #[case] expected: Option<&str>,
    ) {
        assert_eq!(ClaimPath::new(path).text(&document).as_deref(), expected);
    }
}
