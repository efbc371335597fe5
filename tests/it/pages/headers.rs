//! Headers of every answer, and what every page says of itself.

use std::collections::HashSet;

use http::{Method, StatusCode};
use rstest::rstest;

use crate::support::broker::Broker;
use crate::support::browser::{Browser, Page};
use crate::support::nodes::{ACME, BOARD, SHARED, SOLO, WIKI};
use crate::support::provider::Endpoint;
use crate::support::raw::values;

/// An answer of every route, good and bad, with the status that it must have.
#[expect(clippy::too_many_lines, reason = "a table")]
async fn every_answer(broker: &Broker) -> Vec<Page> {
    let mut signed_in = broker.browser();
    broker.sign_in(&mut signed_in, BOARD, "/").await;
    let stranger = broker.browser();
    let own = signed_in.tab();
    let unknown = "AAAAAAAAAAAAAAAAAAAAAA";
    let table: Vec<(&Browser, Method, &str, String, u16)> = vec![
        (&stranger, Method::GET, ACME, "/login".into(), 303),
        (&stranger, Method::GET, ACME, "/login/main".into(), 303),
        (&stranger, Method::GET, ACME, "/login/other".into(), 404),
        (&stranger, Method::GET, ACME, "/login/..%2f".into(), 404),
        (
            &stranger,
            Method::GET,
            ACME,
            format!("/login?continue={unknown}"),
            400,
        ),
        (
            &stranger,
            Method::GET,
            ACME,
            "/login/main/callback".into(),
            400,
        ),
        (
            &stranger,
            Method::GET,
            ACME,
            format!("/login/main/callback?code=x&state={unknown}"),
            400,
        ),
        (
            &stranger,
            Method::GET,
            ACME,
            format!("/login/main/callback?error=access_denied&state={unknown}"),
            400,
        ),
        (
            &stranger,
            Method::GET,
            ACME,
            "/login/other/callback".into(),
            404,
        ),
        (&stranger, Method::GET, ACME, "/sessions".into(), 303),
        (&stranger, Method::GET, ACME, "/logout".into(), 200),
        (
            &stranger,
            Method::GET,
            ACME,
            "/logout?rd=https://evil.example/".into(),
            400,
        ),
        (&stranger, Method::GET, ACME, "/signed-out".into(), 200),
        (&stranger, Method::GET, ACME, "/".into(), 404),
        (&stranger, Method::GET, ACME, "/no/such/page".into(), 404),
        (&stranger, Method::GET, ACME, "/robots.txt".into(), 200),
        (
            &stranger,
            Method::GET,
            SHARED,
            "/t/globex/login".into(),
            303,
        ),
        (
            &stranger,
            Method::GET,
            SHARED,
            "/t/nobody/login".into(),
            421,
        ),
        (&stranger, Method::GET, SHARED, "/login".into(), 421),
        (&stranger, Method::GET, SOLO, "/oauth2/login".into(), 303),
        (
            &stranger,
            Method::GET,
            WIKI,
            "/oauth2/sign_in?rd=/".into(),
            303,
        ),
        (
            &stranger,
            Method::GET,
            WIKI,
            "/oauth2/sign_in?rd=https://evil.example/".into(),
            400,
        ),
        (&stranger, Method::GET, WIKI, "/oauth2/callback".into(), 400),
        (
            &stranger,
            Method::GET,
            WIKI,
            format!("/oauth2/callback?ticket=AAAAAAAA.{unknown}"),
            400,
        ),
        (&stranger, Method::GET, WIKI, "/oauth2/sign_out".into(), 303),
        (&stranger, Method::GET, WIKI, "/oauth2/userinfo".into(), 401),
        (&stranger, Method::GET, WIKI, "/oauth2/other".into(), 404),
        (&stranger, Method::GET, "nobody.localhost", "/".into(), 421),
        (&own, Method::GET, ACME, "/login".into(), 303),
        (&own, Method::GET, ACME, "/sessions".into(), 200),
        (&own, Method::GET, ACME, "/logout".into(), 200),
        (&own, Method::POST, ACME, "/logout".into(), 400),
        (&own, Method::POST, ACME, "/sessions/end".into(), 400),
        (&own, Method::POST, ACME, "/sessions/end-others".into(), 400),
        (&own, Method::GET, BOARD, "/oauth2/userinfo".into(), 200),
        (&stranger, Method::POST, ACME, "/login".into(), 422),
        // Methods that a route does not have.
        (&stranger, Method::PUT, ACME, "/login".into(), 405),
        (&stranger, Method::PUT, ACME, "/login/main".into(), 405),
        (
            &stranger,
            Method::POST,
            ACME,
            "/login/main/callback".into(),
            405,
        ),
        (&stranger, Method::DELETE, ACME, "/sessions".into(), 405),
        (&stranger, Method::OPTIONS, ACME, "/logout".into(), 405),
        (&stranger, Method::GET, ACME, "/sessions/end".into(), 405),
        (
            &stranger,
            Method::GET,
            ACME,
            "/sessions/end-others".into(),
            405,
        ),
        (&stranger, Method::POST, WIKI, "/oauth2/sign_in".into(), 405),
        (
            &stranger,
            Method::POST,
            WIKI,
            "/oauth2/sign_out".into(),
            405,
        ),
        (
            &stranger,
            Method::POST,
            WIKI,
            "/oauth2/callback".into(),
            405,
        ),
        (
            &stranger,
            Method::OPTIONS,
            WIKI,
            "/oauth2/userinfo".into(),
            405,
        ),
        (&stranger, Method::TRACE, ACME, "/signed-out".into(), 405),
        (&stranger, Method::POST, ACME, "/healthz".into(), 405),
        (&stranger, Method::GET, ACME, "/healthz".into(), 200),
        (&stranger, Method::GET, ACME, "/readyz".into(), 200),
        (&stranger, Method::GET, ACME, "/metrics".into(), 200),
    ];
    let mut answers = Vec::new();
    for (browser, method, host, path, expected) in table {
        let page = browser
            .request(method.clone(), &broker.url(host, &path), &[])
            .await;
        assert_eq!(
            page.status,
            expected,
            "{method} {host}{path}: {}",
            page.text()
        );
        answers.push(page);
    }
    let refused = signed_in.visit(&broker.sign_in_url(BOARD, "/admin")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    answers.push(refused);
    answers
}

#[tokio::test]
async fn t22_nothing_may_be_kept_in_a_cache() {
    let broker = Broker::start().await;
    for page in every_answer(&broker).await {
        let what = format!("{} {}", page.status, page.url);
        assert_eq!(
            values(&page.headers, "cache-control"),
            ["no-store"],
            "{what}"
        );
    }
}

#[rstest]
#[case::allowed(BOARD, "/", true, 202)]
#[case::public(BOARD, "/public", false, 202)]
#[case::not_signed_in(BOARD, "/", false, 401)]
#[case::refused(BOARD, "/admin", true, 403)]
#[case::ambiguous(BOARD, "//", true, 403)]
#[case::no_app(ACME, "/", true, 403)]
#[tokio::test]
async fn t22_no_check_may_be_kept_in_a_cache(
    #[case] host: &str,
    #[case] path: &str,
    #[case] signed_in: bool,
    #[case] expected: u16,
) {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    if signed_in {
        broker.sign_in(&mut browser, BOARD, "/").await;
    }
    let page = broker.check(&browser, "GET", host, path).await;
    assert_eq!(page.status, expected);
    assert_eq!(values(&page.headers, "cache-control"), ["no-store"]);
    assert!(page.set_cookies().is_empty());
    assert!(page.body.is_empty());
}

#[tokio::test]
async fn t22_a_check_that_cannot_be_answered_is_not_kept_either() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, BOARD, "/").await;
    broker.clock.advance(std::time::Duration::from_secs(6));
    let page = broker.check(&browser, "GET", BOARD, "/").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(values(&page.headers, "cache-control"), ["no-store"]);
}

#[tokio::test]
async fn every_answer_says_how_browsers_are_to_treat_it() {
    let broker = Broker::start().await;
    let mut ids = HashSet::new();
    for page in every_answer(&broker).await {
        let what = format!("{} {}", page.status, page.url);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("x-frame-options", "DENY"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(values(&page.headers, name), [value], "{name} of {what}");
        }
        assert!(
            page.header("permissions-policy").contains("camera=()"),
            "{what}"
        );
        assert!(
            page.headers.get("access-control-allow-origin").is_none(),
            "{what}"
        );
        // Plain http: a promise of https only would lock the person out.
        assert!(
            page.headers.get("strict-transport-security").is_none(),
            "{what}"
        );
        assert!(page.headers.get("server").is_none(), "{what}");
        let id = page.header("x-request-id").to_owned();
        assert!(!id.is_empty() && ids.insert(id), "{what}");
    }
}

#[tokio::test]
async fn every_page_has_a_policy_a_language_and_a_title() {
    let broker = Broker::start().await;
    let mut pages = 0;
    let mut nonces = HashSet::new();
    for page in every_answer(&broker).await {
        if !page.header("content-type").starts_with("text/html") {
            continue;
        }
        pages += 1;
        let what = format!("{} {}", page.status, page.url);
        let html = page.html();
        let head: String = html
            .split_whitespace()
            .take(4)
            .collect::<Vec<_>>()
            .join(" ");
        assert_eq!(head, "<!doctype html> <html lang=\"en\">", "{what}");
        let title = html
            .split_once("<title>")
            .and_then(|(_, rest)| rest.split_once("</title>"));
        assert!(title.is_some_and(|(title, _)| title.len() > 5), "{what}");
        assert_eq!(html.matches("<h1").count(), 1, "{what}");
        let policy = page.header("content-security-policy");
        for directive in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(
                policy.contains(directive),
                "{directive} of {what}: {policy}"
            );
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        let nonce = policy
            .split_once("'nonce-")
            .and_then(|(_, rest)| rest.split_once('\''));
        let nonce = nonce.expect("a nonce").0.to_owned();
        assert!(
            html.contains(&format!("<style nonce=\"{nonce}\">")),
            "{what}"
        );
        assert!(nonces.insert(nonce), "the nonce of {what} was there before");
        assert!(!html.contains("<script"), "{what}");
        assert!(!html.contains(" style=\""), "{what}");
        // Nothing is fetched from anywhere.
        for outside in ["src=\"http", "url(http", "@import"] {
            assert!(!html.contains(outside), "{outside} in {what}");
        }
    }
    assert!(pages >= 20, "{pages} pages");
}

#[tokio::test]
async fn one_page_twice_has_two_nonces() {
    let broker = Broker::start().await;
    let browser = broker.browser();
    let url = broker.url(ACME, "/signed-out");
    let one = browser.request(Method::GET, &url, &[]).await;
    let two = browser.request(Method::GET, &url, &[]).await;
    assert_ne!(
        one.header("content-security-policy"),
        two.header("content-security-policy")
    );
}

#[rstest]
#[case("/login")]
#[case("/signed-out")]
#[case("/logout")]
#[case("/nothing")]
#[tokio::test]
async fn head_is_answered_as_get_without_a_body(#[case] path: &str) {
    let broker = Broker::start().await;
    let browser = broker.browser();
    let get = browser
        .request(Method::GET, &broker.url(ACME, path), &[])
        .await;
    let head = browser
        .request(Method::HEAD, &broker.url(ACME, path), &[])
        .await;
    assert_eq!(head.status, get.status);
    assert!(head.body.is_empty());
}

/// A page of a tenant on https asks for https from then on.
#[tokio::test]
async fn a_page_on_https_asks_for_https_ever_after() {
    let broker = Broker::with(crate::support::broker::Setup {
        configuration: crate::support::broker::CONFIGURATION.replace(
            "base_url = \"http://acme.localhost:{port}\"",
            "base_url = \"https://login.acme.example\"",
        ),
        ..crate::support::broker::Setup::default()
    })
    .await;
    let mut browser = broker.browser();
    browser.reach("login.acme.example", broker.address);
    let page = browser.visit("https://login.acme.example/sessions").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.header("strict-transport-security"), "max-age=63072000");
    assert_eq!(broker.provider.count(Endpoint::Token), 1);
}
