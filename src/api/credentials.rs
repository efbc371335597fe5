//! The token that a request brings along (RFC 6750 §2.1).
//!
//! Invariant: a request has one token, no token, or is refused; which of several is meant is never guessed.
//! Tokens in the address (§2.3) and in forms (§2.2) are not taken: they end up in logs.

use http::HeaderMap;
use http::header::AUTHORIZATION;
#[cfg(feature = "axum")]
use http::{HeaderName, HeaderValue};
use url::form_urlencoded;

/// What a request brings along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credentials<'a> {
    /// Nothing, or something that is no bearer token.
    None,
    /// What stands where a token belongs; it may be nonsense.
    Token(&'a str),
    /// Something that no token can be.
    NoToken,
    /// More than one way, or a scheme without a token: `invalid_request` (§3.1).
    Confused,
}

/// From `Authorization`. The scheme is compared without regard to case (RFC 9110 §11.1).
pub(super) fn of_authorization<'a>(headers: &'a HeaderMap, query: Option<&str>) -> Credentials<'a> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Credentials::None;
    };
    if values.next().is_some() {
        return Credentials::Confused;
    }
    let value = value.as_bytes().trim_ascii();
    let end = value
        .iter()
        .position(u8::is_ascii_whitespace)
        .unwrap_or(value.len());
    let (scheme, rest) = value.split_at(end);
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Credentials::None;
    }
    if has_token(query) {
        return Credentials::Confused;
    }
    let token = rest.trim_ascii();
    if token.is_empty() {
        return Credentials::Confused;
    }
    as_token(token)
}

/// From a header of its own, without a scheme.
#[cfg(feature = "axum")]
pub(super) fn of_header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Credentials<'a> {
    match the_only(headers, name) {
        Ok(None) => Credentials::None,
        Ok(Some(value)) => as_token(value.as_bytes().trim_ascii()),
        Err(Several) => Credentials::Confused,
    }
}

/// A header that stands there more than once.
#[cfg(feature = "axum")]
pub(super) struct Several;

/// The value of a header that may stand there once.
#[cfg(feature = "axum")]
pub(super) fn the_only<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, Several> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(Several),
    }
}

/// `b64token` (RFC 6750 §2.1), with the `=` of the end anywhere: the verifier is stricter.
fn as_token(token: &[u8]) -> Credentials<'_> {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    match str::from_utf8(token) {
        Ok(text) if !text.is_empty() && token.iter().all(fits) => Credentials::Token(text),
        _ => Credentials::NoToken,
    }
}

/// Whether the query has `access_token` (§2.3), however it is written.
fn has_token(query: Option<&str>) -> bool {
    query.is_some_and(|query| {
        form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use rstest::rstest;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        values
            .iter()
            .map(|value| {
                let value = HeaderValue::from_bytes(value).expect("a header");
                (AUTHORIZATION, value)
            })
            .collect()
    }

    #[rstest]
    #[case::nothing(&[], Credentials::None)]
    #[case::empty(&[b"" as &[u8]], Credentials::None)]
    #[case::plain(&[b"Bearer a.b.c" as &[u8]], Credentials::Token("a.b.c"))]
    #[case::lower_case(&[b"bearer a.b.c" as &[u8]], Credentials::Token("a.b.c"))]
    #[case::upper_case(&[b"BEARER a.b.c" as &[u8]], Credentials::Token("a.b.c"))]
    #[case::many_spaces(&[b"Bearer    a.b.c" as &[u8]], Credentials::Token("a.b.c"))]
    #[case::tab(&[b"Bearer\ta.b.c" as &[u8]], Credentials::Token("a.b.c"))]
    #[case::spaces_around(&[b" \t Bearer a.b.c \t " as &[u8]], Credentials::Token("a.b.c"))]
    #[case::padding(&[b"Bearer ab==" as &[u8]], Credentials::Token("ab=="))]
    #[case::basic(&[b"Basic YTpi" as &[u8]], Credentials::None)]
    #[case::dpop(&[b"DPoP a.b.c" as &[u8]], Credentials::None)]
    #[case::token_alone(&[b"a.b.c" as &[u8]], Credentials::None)]
    #[case::glued(&[b"Bearera.b.c" as &[u8]], Credentials::None)]
    #[case::scheme_alone(&[b"Bearer" as &[u8]], Credentials::Confused)]
    #[case::scheme_and_spaces(&[b"Bearer   " as &[u8]], Credentials::Confused)]
    #[case::two_tokens(&[b"Bearer a.b.c d.e.f" as &[u8]], Credentials::NoToken)]
    #[case::comma(&[b"Bearer a.b.c,Bearer d.e.f" as &[u8]], Credentials::NoToken)]
    #[case::quoted(&[b"Bearer \"a.b.c\"" as &[u8]], Credentials::NoToken)]
    #[case::scheme_twice(&[b"Bearer Bearer a.b.c" as &[u8]], Credentials::NoToken)]
    #[case::no_utf8(&[b"Bearer a\xff" as &[u8]], Credentials::NoToken)]
    #[case::two_headers(&[b"Bearer a.b.c" as &[u8], b"Bearer a.b.c"], Credentials::Confused)]
    #[case::two_schemes(&[b"Basic YTpi" as &[u8], b"Bearer a.b.c"], Credentials::Confused)]
    fn a_request_has_one_token_or_none(
        #[case] values: &[&[u8]],
        #[case] expected: Credentials<'static>,
    ) {
        assert_eq!(of_authorization(&headers(values), None), expected);
    }

    #[rstest]
    #[case::plain("access_token=x", Credentials::Confused)]
    #[case::behind("a=b&access_token=x", Credentials::Confused)]
    #[case::empty("access_token", Credentials::Confused)]
    #[case::encoded("access%5Ftoken=x", Credentials::Confused)]
    #[case::encoded_letter("%61ccess_token=x", Credentials::Confused)]
    #[case::another("my_access_token=x", Credentials::Token("t"))]
    #[case::as_a_value("a=access_token", Credentials::Token("t"))]
    fn a_token_in_the_address_as_well_is_one_too_many(
        #[case] query: &str,
        #[case] expected: Credentials<'static>,
    ) {
        let headers = headers(&[b"Bearer t"]);
        assert_eq!(of_authorization(&headers, Some(query)), expected);
    }

    #[test]
    fn a_token_in_the_address_alone_is_none() {
        let nothing = HeaderMap::new();
        let found = of_authorization(&nothing, Some("access_token=x"));
        assert_eq!(found, Credentials::None);
    }
}
