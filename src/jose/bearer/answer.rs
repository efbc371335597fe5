//! What an issuer says of a token that nobody else can read (RFC 7662 §2.2).
//!
//! Invariant: the answer came over the issuer's own connection, which the caller vouches for; nothing signs it.

use serde_json::Value;

use crate::domain::claims::ClaimPath;
use crate::jose::json;

/// An answer, read and not judged.
#[derive(Clone, PartialEq)]
pub struct TokenAnswer(pub(super) Value);

impl TokenAnswer {
    /// A JSON object with each member once, at most 32 levels deep. None: it is something else.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        json::object(body).map(|members| Self(Value::Object(members)))
    }

    /// Whether it says JSON `true` at this place: not a text, not a number.
    #[must_use]
    pub fn says(&self, place: &ClaimPath) -> bool {
        place.find(&self.0) == Some(&Value::Bool(true))
    }

    /// With times as numbers where they came as digits in a text (Google).
    #[must_use]
    pub fn with_numbers(mut self) -> Self {
        for name in ["exp", "iat", "nbf"] {
            let Some(member) = self.0.get_mut(name) else {
                continue;
            };
            let number = member.as_str().and_then(|text| text.parse::<u64>().ok());
            if let Some(number) = number {
                *member = number.into();
            }
        }
        self
    }
}

/// Without the members, which are about a person.
impl std::fmt::Debug for TokenAnswer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TokenAnswer(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::TokenRefused;
    use super::super::testing::*;
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn accepted(changes: Value) -> Result<(), TokenRefused> {
        let answer = TokenAnswer(with(claims(), changes));
        verifier_at(NOW)
            .accept(&answer, &trusted("ES256"))
            .map(|_| ())
    }

    #[rstest]
    #[case::as_it_is(json!({}), true)]
    #[case::no_issuer(json!({"iss": null}), true)]
    #[case::no_end(json!({"exp": null}), true)]
    #[case::another_issuer(json!({"iss": "https://other.example/"}), false)]
    #[case::another_audience(json!({"aud": "api://others"}), false)]
    #[case::no_audience(json!({"aud": null}), false)]
    #[case::over(json!({"exp": at(-61)}), false)]
    #[case::end_as_text(json!({"exp": "never"}), false)]
    #[case::bound(json!({"cnf": {"jkt": "x"}}), false)]
    fn an_answer_is_held_against_the_rules(#[case] changes: Value, #[case] expected: bool) {
        assert_eq!(accepted(changes.clone()).is_ok(), expected, "{changes}");
    }

    #[rstest]
    #[case::truth(r#"{"active": true}"#, true)]
    #[case::text(r#"{"active": "true"}"#, false)]
    #[case::number(r#"{"active": 1}"#, false)]
    #[case::lie(r#"{"active": false}"#, false)]
    #[case::missing("{}", false)]
    fn only_truth_is_active(#[case] body: &str, #[case] expected: bool) {
        let answer = TokenAnswer::read(body.as_bytes()).expect("an object");
        assert_eq!(answer.says(&ClaimPath::new("active")), expected);
    }

    #[rstest]
    #[case::twice(r#"{"active": false, "active": true}"#)]
    #[case::list("[true]")]
    #[case::html("<html>")]
    fn what_is_no_answer_is_none(#[case] body: &str) {
        assert_eq!(TokenAnswer::read(body.as_bytes()), None);
    }
}
