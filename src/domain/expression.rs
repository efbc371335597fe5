//! Expressions of the operator, as far as the rules know them: they are given what is known of a person and
//! answer with a value, or fail.
//!
//! Invariant: what an expression answers is checked before it is used, and a failed one is never "no" or
//! "none". The language itself is `config`'s, which compiles it once.

use std::fmt;

use serde_json::Value;

/// Longest text that an expression may answer with, in bytes.
const LONGEST_TEXT: usize = 2048;

/// Most names in a list that an expression may answer with.
const MOST_NAMES: usize = 1000;

/// What an expression may look at.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What the provider says, as it says it.
    pub claims: &'a Value,
    /// What has been made of it so far.
    pub identity: &'a Value,
}

/// An expression that was compiled.
pub trait Expression: fmt::Debug + Send + Sync {
    /// What comes of it.
    ///
    /// # Errors
    /// [`ExpressionFailed`]; without any value of `known`, which can be secret.
    fn evaluate(&self, known: Known<'_>) -> Result<Value, ExpressionFailed>;

    /// Whether it looks at claims, and not only at what was made of them.
    fn looks_at_claims(&self) -> bool;
}

/// Why there is no answer, for operators.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExpressionFailed(pub Box<str>);

/// A text; `null` and an empty one are none.
///
/// # Errors
/// It is something else, or too long.
pub fn text(value: Value) -> Result<Option<Box<str>>, ExpressionFailed> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.is_empty() => Ok(None),
        Value::String(text) if text.len() <= LONGEST_TEXT => Ok(Some(text.into())),
        Value::String(_) => Err(failed(format!(
            "its text is longer than {LONGEST_TEXT} bytes"
        ))),
        other => Err(failed(format!(
            "it gives {}, not a text or null",
            kind(&other)
        ))),
    }
}

/// A list of texts, none of them empty; `null` is an empty one.
///
/// # Errors
/// It is something else, or too long.
pub fn names(value: Value) -> Result<Vec<Box<str>>, ExpressionFailed> {
    let values = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(values) if values.len() <= MOST_NAMES => values,
        Value::Array(_) => {
            return Err(failed(format!(
                "its list has more than {MOST_NAMES} entries"
            )));
        }
        other => {
            return Err(failed(format!(
                "it gives {}, not a list of texts or null",
                kind(&other)
            )));
        }
    };
    let name = |value| match text(value)? {
        Some(name) => Ok(name),
        None => Err(failed("its list has an entry that is null or empty".into())),
    };
    values.into_iter().map(name).collect()
}

/// Whether it is true.
///
/// # Errors
/// It is neither true nor false.
pub fn truth(value: &Value) -> Result<bool, ExpressionFailed> {
    value
        .as_bool()
        .ok_or_else(|| failed(format!("it gives {}, not true or false", kind(value))))
}

fn failed(why: String) -> ExpressionFailed {
    ExpressionFailed(why.into())
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::text(json!("a"), Some("a"))]
    #[case::null(json!(null), None)]
    #[case::empty(json!(""), None)]
    fn a_text_or_none(#[case] value: Value, #[case] expected: Option<&str>) {
        assert_eq!(text(value).expect("right").as_deref(), expected);
    }

    #[rstest]
    #[case::number(json!(7), "a number")]
    #[case::truth(json!(true), "true or false")]
    #[case::list(json!(["a"]), "a list")]
    #[case::map(json!({"a": 1}), "a map")]
    #[case::long(json!("x".repeat(LONGEST_TEXT + 1)), "longer than")]
    fn nothing_else_is_a_text(#[case] value: Value, #[case] why: &str) {
        let failed = text(value).expect_err("no text").to_string();
        assert!(failed.contains(why), "{failed}");
    }

    #[rstest]
    #[case::text(json!("a"), "a text")]
    #[case::mixed(json!(["a", 1]), "a number")]
    #[case::empty_entry(json!(["a", ""]), "null or empty")]
    #[case::null_entry(json!(["a", null]), "null or empty")]
    #[case::long(json!(vec!["a"; MOST_NAMES + 1]), "more than")]
    fn nothing_else_is_a_list_of_names(#[case] value: Value, #[case] why: &str) {
        let failed = names(value).expect_err("no list").to_string();
        assert!(failed.contains(why), "{failed}");
    }

    #[test]
    fn only_true_and_false_are_a_truth() {
        assert_eq!(truth(&json!(true)), Ok(true));
        assert_eq!(truth(&json!(false)), Ok(false));
        for other in [json!(null), json!("true"), json!(1), json!([])] {
            assert!(truth(&other).is_err(), "{other}");
        }
    }
}
