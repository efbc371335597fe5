//! What browsers are told about an app's pages: by the check, for the proxy to pass on, and by ourselves.

use http::{Method, StatusCode};

use super::*;
use crate::support::app::ok;

const SET: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("content-security-policy", "frame-ancestors 'self'"),
    ("x-frame-options", "SAMEORIGIN"),
];

#[tokio::test]
async fn they_are_off_by_default() {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = signed_in(&broker).await;
    let page = browser
        .request(Method::GET, &broker.url(WIKI, "/"), &[])
        .await;
    let without = Broker::start().await;
    let mut browser = without.browser();
    without.sign_in(&mut browser, WIKI, "/").await;
    let checked = without.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(checked.status, StatusCode::ACCEPTED);
    for (name, _) in SET {
        assert!(!page.headers.contains_key(name), "{name}");
        assert!(!checked.headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn the_app_keeps_its_own_and_gets_the_others() {
    let app = App::start().await;
    let broker = before_with(&app, "security_headers = true").await;
    let browser = signed_in(&broker).await;
    app.now(ok(
        "x",
        "Content-Security-Policy: default-src 'self'\r\nreferrer-policy: origin\r\n",
    ));
    let page = browser
        .request(Method::GET, &broker.url(WIKI, "/"), &[])
        .await;
    for (name, value) in SET {
        let value = match name {
            "content-security-policy" => "default-src 'self'",
            "referrer-policy" => "origin",
            _ => value,
        };
        assert_eq!(page.headers.get_all(name).iter().count(), 1, "{name}");
        assert_eq!(page.header(name), value);
    }
    // Nobody can keep a promise of https over http.
    assert!(!page.headers.contains_key("strict-transport-security"));
}

/// Under their own names, on an allowed answer and no other.
#[tokio::test]
async fn a_proxy_gets_them_with_the_check() {
    let text = CONFIGURATION.replace(
        "hide_cookies = true\n",
        "security_headers = { Referrer-Policy = \"no-referrer\", X-Frame-Options = false }\n",
    );
    let broker = start(text).await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let page = broker.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(page.status, StatusCode::ACCEPTED);
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert!(!page.headers.contains_key("x-frame-options"));
    let stranger = broker.check(&broker.browser(), "GET", WIKI, "/").await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    assert!(!stranger.headers.contains_key("x-content-type-options"));
}
