//! How long a fetched document is good for: `Cache-Control` (RFC 9111 §5.2.2) within our own bounds.
//!
//! Keycloak serves its keys with `no-cache`; obeyed to the letter that would be a fetch for every token.

use std::time::Duration;

use http::header::{AGE, CACHE_CONTROL};
use http::{HeaderMap, HeaderValue};

/// No document is fetched again sooner, unless it is asked for.
pub(super) const SHORTEST: Duration = Duration::from_mins(5);
/// No document is trusted longer without asking again.
pub(super) const LONGEST: Duration = Duration::from_hours(24);
/// Where the answer says nothing.
pub(super) const UNSAID: Duration = Duration::from_hours(1);

/// How long the answer with these headers may be used.
pub(super) fn lifetime(headers: &HeaderMap) -> Duration {
    let mut max_age: Option<Duration> = None;
    for directive in headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
    {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let name = name.trim();
        if name.eq_ignore_ascii_case("no-cache") || name.eq_ignore_ascii_case("no-store") {
            return SHORTEST;
        }
        if name.eq_ignore_ascii_case("max-age") {
            // Said twice or unreadably, the shorter understanding counts (RFC 9111 §4.2.1).
            let said = seconds(value.trim().trim_matches('"')).unwrap_or(Duration::ZERO);
            max_age = Some(max_age.map_or(said, |other| other.min(said)));
        }
    }
    let Some(max_age) = max_age else {
        return UNSAID;
    };
    // Time already spent in caches on the way (RFC 9111 §4.2.3).
    let age = headers
        .get(AGE)
        .and_then(|value: &HeaderValue| value.to_str().ok())
        .and_then(|value| seconds(value.trim()))
        .unwrap_or(Duration::ZERO);
    max_age.saturating_sub(age).clamp(SHORTEST, LONGEST)
}

/// Delta-seconds (RFC 9111 §1.2.2): digits only, and as much as can be said where they are too many.
fn seconds(text: &str) -> Option<Duration> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::nothing_said(&[], UNSAID)]
    #[case::other_things_said(&["private, must-revalidate"], UNSAID)]
    #[case::in_bounds(&["max-age=1800"], Duration::from_mins(30))]
    #[case::with_company(&["public, max-age=19845, must-revalidate, no-transform"], Duration::from_secs(19845))]
    #[case::upper_case(&["Max-Age=1800"], Duration::from_mins(30))]
    #[case::quoted(&["max-age=\"1800\""], Duration::from_mins(30))]
    #[case::too_short(&["max-age=0"], SHORTEST)]
    #[case::too_long(&["max-age=31536000"], LONGEST)]
    #[case::endless(&["max-age=99999999999999999999999"], LONGEST)]
    #[case::keycloak(&["no-cache"], SHORTEST)]
    #[case::no_store(&["no-store, max-age=1800"], SHORTEST)]
    #[case::no_cache_in_another_line(&["max-age=1800", "no-cache"], SHORTEST)]
    #[case::twice(&["max-age=7200, max-age=1800"], Duration::from_mins(30))]
    #[case::unreadable(&["max-age=soon"], SHORTEST)]
    #[case::negative(&["max-age=-1"], SHORTEST)]
    #[case::of_shared_caches(&["s-maxage=1800"], UNSAID)]
    fn lifetimes(#[case] lines: &[&'static str], #[case] expected: Duration) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CACHE_CONTROL, HeaderValue::from_static(line));
        }
        assert_eq!(lifetime(&headers), expected);
    }

    #[test]
    fn time_spent_on_the_way_is_taken_off() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
        headers.insert(AGE, HeaderValue::from_static("1800"));
        assert_eq!(lifetime(&headers), Duration::from_mins(30));
    }
}
