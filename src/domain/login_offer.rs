//! Whether a request that lacks a session is offered a login, or told 401.
//!
//! One rule for every endpoint: a navigation is offered a login, everything else is not. A background
//! call that was redirected to a login page would get a page it cannot use, and would begin an attempt
//! that nobody completes.

use http::{HeaderMap, Method, header};

/// Whether `headers` are those of a person who is looking at the page.
///
/// With Fetch metadata (W3C Fetch Metadata §2.2): `Sec-Fetch-Mode: navigate`. Without: a GET or HEAD that
/// accepts `text/html`. Never a WebSocket upgrade, a bearer, or a call that says it is `XMLHttpRequest`.
/// `method` is the target's, `None` where the proxy does not tell.
#[must_use]
pub fn is_navigation(method: Option<&Method>, headers: &HeaderMap) -> bool {
    let text = |name: &header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let upgrade = headers.contains_key(header::UPGRADE);
    let bearer = text(&header::AUTHORIZATION).is_some_and(|value| {
        value
            .split_ascii_whitespace()
            .next()
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"))
    });
    let script = headers
        .get("x-requested-with")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"xmlhttprequest"));
    if upgrade || bearer || script {
        return false;
    }
    if let Some(mode) = headers.get("sec-fetch-mode") {
        // A frame or an image navigates too, but nobody can sign in there.
        let destination = headers
            .get("sec-fetch-dest")
            .map(http::HeaderValue::as_bytes);
        return mode == "navigate" && matches!(destination, None | Some(b"document"));
    }
    let safe = method.is_none_or(|method| method == Method::GET || method == Method::HEAD);
    safe && text(&header::ACCEPT).is_some_and(accepts_html)
}

fn accepts_html(accept: &str) -> bool {
    accept.split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let html = parts
            .next()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"));
        let refused = parts.any(|parameter| {
            parameter
                .strip_prefix("q=")
                .is_some_and(|weight| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0))
        });
        html && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::navigation(Method::GET, &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")], true)]
    #[case::form_post(Method::POST, &[("sec-fetch-mode", "navigate")], true)]
    #[case::frame(Method::GET, &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")], false)]
    #[case::fetch(Method::GET, &[("sec-fetch-mode", "cors"), ("accept", "text/html")], false)]
    #[case::old_browser(Method::GET, &[("accept", "text/html,application/xhtml+xml;q=0.9")], true)]
    #[case::old_browser_post(Method::POST, &[("accept", "text/html")], false)]
    #[case::json(Method::GET, &[("accept", "application/json")], false)]
    #[case::anything(Method::GET, &[("accept", "*/*")], false)]
    #[case::html_refused(Method::GET, &[("accept", "text/html;q=0")], false)]
    #[case::nothing(Method::GET, &[], false)]
    #[case::xhr(Method::GET, &[("accept", "text/html"), ("x-requested-with", "XMLHttpRequest")], false)]
    #[case::bearer(Method::GET, &[("accept", "text/html"), ("authorization", "bearer x")], false)]
    #[case::websocket(Method::GET, &[("sec-fetch-mode", "navigate"), ("upgrade", "websocket")], false)]
    fn only_navigations_are_offered_a_login(
        #[case] method: Method,
        #[case] headers: &[(&'static str, &'static str)],
        #[case] expected: bool,
    ) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                (
                    header::HeaderName::from_static(name),
                    header::HeaderValue::from_static(value),
                )
            })
            .collect();
        assert_eq!(is_navigation(Some(&method), &headers), expected);
    }
}
