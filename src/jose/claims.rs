//! Claims in the shapes that RFC 7519 gives them. Absent is absent; what is there and is not of its shape is an
//! error, and never taken for absent.

use std::ops::RangeInclusive;

use serde_json::Value;
use time::OffsetDateTime;

/// Seconds up to the year 9999: beyond it nobody means a time.
const LAST: f64 = 253_402_300_800.0;

/// A claim is there, and not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a claim is not of its shape")]
pub struct Misshapen;

/// A `NumericDate` (RFC 7519 §2): seconds since 1970 as a JSON number, which may be fractional.
///
/// # Errors
/// [`Misshapen`]: no number, or no date up to the year 9999.
pub fn numeric_date(claim: Option<&Value>) -> Result<Option<OffsetDateTime>, Misshapen> {
    claim.map(|value| date(value).ok_or(Misshapen)).transpose()
}

/// Text of so many bytes.
///
/// # Errors
/// [`Misshapen`]: no text, or of another length.
pub fn text_claim(
    claim: Option<&Value>,
    lengths: RangeInclusive<usize>,
) -> Result<Option<&str>, Misshapen> {
    match claim {
        None => Ok(None),
        Some(Value::String(text)) if lengths.contains(&text.len()) => Ok(Some(text)),
        Some(_) => Err(Misshapen),
    }
}

/// The date that `value` is.
pub(super) fn date(value: &Value) -> Option<OffsetDateTime> {
    let seconds = value.as_f64()?;
    if !(0.0..LAST).contains(&seconds) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
    let nanoseconds = (seconds * 1e9) as i128;
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;
    use time::macros::datetime;

    #[rstest]
    #[case::whole(json!(1_800_000_000), Some(datetime!(2027-01-15 08:00 UTC)))]
    #[case::fraction(json!(1_800_000_000.5), Some(datetime!(2027-01-15 08:00:00.5 UTC)))]
    #[case::first(json!(0), Some(OffsetDateTime::UNIX_EPOCH))]
    #[case::before(json!(-1), None)]
    #[case::after(json!(253_402_300_800_i64), None)]
    #[case::null(json!(null), None)]
    #[case::text(json!("1800000000"), None)]
    #[case::truth(json!(true), None)]
    fn a19_only_a_number_is_a_date(#[case] value: Value, #[case] expected: Option<OffsetDateTime>) {
        let found = numeric_date(Some(&value));
        assert_eq!(found, expected.map(Some).ok_or(Misshapen));
        assert_eq!(numeric_date(None), Ok(None));
    }

    #[rstest]
    #[case::fits(json!("abc"), Ok(Some("abc")))]
    #[case::empty(json!(""), Err(Misshapen))]
    #[case::long(json!("abcd"), Err(Misshapen))]
    #[case::null(json!(null), Err(Misshapen))]
    #[case::number(json!(1), Err(Misshapen))]
    fn only_text_names_something(
        #[case] value: Value,
        #[case] expected: Result<Option<&str>, Misshapen>,
    ) {
        assert_eq!(text_claim(Some(&value), 1..=3), expected);
        assert_eq!(text_claim(None, 1..=3), Ok(None));
    }
}
