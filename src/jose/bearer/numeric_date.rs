//! Times in tokens.

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::refused::TokenRefused;

/// Seconds up to the year 9999: beyond it nobody means a time.
const LAST: f64 = 253_402_300_800.0;

/// A `NumericDate` (RFC 7519 §2): seconds since 1970 as a JSON number, which may be fractional. Absent is
/// absent; anything else that is not a date is an error and never taken for absent.
pub(super) fn numeric_date(
    claims: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<OffsetDateTime>, TokenRefused> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => date(value).map(Some).ok_or(TokenRefused::Time(name)),
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
