//! Tokens that pages of apps get for the session of whoever looks at them.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use rstest::rstest;
use serde_json::Value;

use super::{AT_ACME, access_token, error, json, verified};
use crate::support::audit;
use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::browser::Browser;
use crate::support::http::post_form;
use crate::support::nodes::{ACME, ACME_COOKIE, APP_COOKIE, BOARD, GLOBEX_WIKI, WIKI};
use crate::support::raw;
use crate::support::relay::{Asks, Relay, is_app};
use crate::support::tampering::Database;

const PATH: &str = "/oauth2/session_token";
const PAGES: &str = "pages.acme.localhost";

/// The wiki's pages get tokens for one audience, the board's for two, and those of its administrators only.
async fn start() -> Broker {
    let wiki = r#"hide_cookies = true
session_tokens = { audiences = ["https://api.example.com"], scopes = ["orders.read", "orders.write"], origins = ["http://pages.acme.localhost:{port}"], lifetime = "1h" }
"#;
    let board = r#"id = "board"
session_tokens = { audiences = ["https://api.example.com", "urn:other"], path = "/admin" }
"#;
    let configuration = CONFIGURATION
        .replace("hide_cookies = true\n", wiki)
        .replace("id = \"board\"\n", board)
        .replace("absolute = \"10h\"", "absolute = \"90m\"");
    Broker::with(Setup {
        configuration,
        ..Setup::default()
    })
    .await
}

/// Somebody who is signed in at the app, and what their browser sends as its cookie.
async fn signed_in(broker: &Broker, host: &str) -> (Browser, String) {
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, host, "/").await;
    let cookie = browser
        .cookie(&broker.url(host, "/"), APP_COOKIE)
        .expect("a session");
    (browser, format!("{APP_COOKIE}={cookie}"))
}

async fn post_to(
    broker: &Broker,
    host: &str,
    headers: &[(&str, &str)],
    form: &[(&str, &str)],
) -> Response<Bytes> {
    let authority = format!("{host}:{}", broker.address.port());
    let headers = [&[("host", authority.as_str())], headers].concat();
    let answer = post_form(broker.address, PATH, &headers, form).await;
    answer.expect("an answer")
}

/// As a page of the wiki asks by `fetch`.
async fn fetched(broker: &Broker, cookie: &str, form: &[(&str, &str)]) -> Response<Bytes> {
    let origin = broker.url(WIKI, "");
    let headers = [
        ("cookie", cookie),
        ("origin", origin.as_str()),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-dest", "empty"),
    ];
    post_to(broker, WIKI, &headers, form).await
}

async fn user_of(broker: &Broker, browser: &Browser) -> String {
    let page = browser.fetch(&broker.url(WIKI, "/oauth2/userinfo")).await;
    let told: Value = serde_json::from_slice(&page.body).expect("JSON");
    told["user"].as_str().expect("a user").to_owned()
}

#[tokio::test]
async fn a_page_gets_a_token_about_whoever_looks_at_it() {
    let broker = start().await;
    let (browser, cookie) = signed_in(&broker, WIKI).await;
    let answer = fetched(&broker, &cookie, &[("scope", "orders.read")]).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["vary"], "origin");
    let headers = answer.headers();
    assert!(headers.get("access-control-allow-origin").is_none());
    assert!(headers.get("set-cookie").is_none());
    let body = json(&answer);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 3600);
    assert_eq!(body["scope"], "orders.read");
    let claims = verified(&broker, AT_ACME, &access_token(&answer)).await;
    assert_eq!(claims["iss"], broker.url(ACME, ""));
    assert_eq!(claims["sub"], user_of(&broker, &browser).await);
    assert_eq!(claims["aud"], "https://api.example.com");
    assert_eq!(claims["client_id"], "wiki");
    assert_eq!(claims["scope"], "orders.read");
    assert!(claims.get("act").is_none());
    let lines = audit::of_answer(answer.headers());
    let line = lines
        .iter()
        .find(|line| line.event() == "session_token_issued");
    let line = line.expect("a line");
    assert_eq!(line.field("app"), "wiki");
    assert_eq!(line.field("token"), claims["jti"].as_str().expect("text"));
}

/// T20: a cookie that a browser brings along is not enough; a page that may must ask.
#[rstest]
#[case::cross_site_form("{evil}", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")])]
#[case::cross_site_script("{evil}", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")])]
#[case::sibling_host("{board}", &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors")])]
#[case::the_tenants_host("{acme}", &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors")])]
#[case::older_browser_elsewhere("{evil}", &[])]
#[case::null_origin("null", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")])]
#[case::null_origin_that_says_it_is_ours("null", &[("sec-fetch-site", "same-origin")])]
#[case::nothing_is_said("", &[])]
#[case::no_origin("", &[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")])]
#[case::two_origins("{wiki}", &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")])]
#[case::two_sites("{wiki}", &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")])]
#[case::own_form("{wiki}", &[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate")])]
#[case::a_form_in_a_frame("{wiki}", &[("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "iframe")])]
#[tokio::test]
async fn t20_a_page_that_may_not_ask_gets_no_token(
    #[case] origin: &str,
    #[case] more: &[(&str, &str)],
) {
    let broker = start().await;
    let (_, cookie) = signed_in(&broker, WIKI).await;
    let origin = origin
        .replace("{wiki}", &broker.url(WIKI, ""))
        .replace("{board}", &broker.url(BOARD, ""))
        .replace("{acme}", &broker.url(ACME, ""))
        .replace("{evil}", "https://evil.example");
    let mut headers = vec![("cookie", cookie.as_str())];
    if !origin.is_empty() {
        headers.push(("origin", &origin));
    }
    headers.extend(more);
    let answer = post_to(&broker, WIKI, &headers, &[]).await;
    assert_eq!(error(&answer), (403, "access_denied".to_owned()));
    let headers = answer.headers();
    assert!(headers.get("access-control-allow-origin").is_none());
    assert_eq!(headers["cache-control"], "no-store");
}

/// T20: what a page can send without asking first is no request for a token either.
#[tokio::test]
async fn t15_t20_a_token_is_asked_for_by_post_with_a_form() {
    let broker = start().await;
    let (browser, cookie) = signed_in(&broker, WIKI).await;
    let authority = format!("{WIKI}:{}", broker.address.port());
    let origin = broker.url(WIKI, "");
    for (kind, body) in [
        ("text/plain", "{\"audience\":\"https://api.example.com\"}"),
        ("application/json", "{}"),
        ("multipart/form-data", "x"),
        ("", ""),
    ] {
        let headers = [
            ("host", authority.as_str()),
            ("cookie", cookie.as_str()),
            ("origin", origin.as_str()),
            ("content-type", kind),
        ];
        let answer = raw::send(broker.address, Method::POST, PATH, &headers, body.into()).await;
        assert_eq!(answer.status(), 415, "{kind}");
    }
    for method in [Method::GET, Method::HEAD, Method::PUT] {
        let page = browser
            .request(method.clone(), &broker.url(WIKI, PATH), &[])
            .await;
        assert_eq!(page.status, 405, "{method}");
    }
}

#[tokio::test]
async fn pages_of_named_origins_ask_and_read_the_answer() {
    let broker = start().await;
    let (_, cookie) = signed_in(&broker, WIKI).await;
    let origin = broker.url(PAGES, "");
    let headers = [
        ("cookie", cookie.as_str()),
        ("origin", origin.as_str()),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-mode", "cors"),
    ];
    for (cookie, status) in [(cookie.as_str(), 200), ("x=y", 401)] {
        let headers = [&[("cookie", cookie)], &headers[1..]].concat();
        let answer = post_to(&broker, WIKI, &headers, &[]).await;
        assert_eq!(answer.status(), status);
        let headers = answer.headers();
        assert_eq!(headers["access-control-allow-origin"], origin.as_str());
        assert_eq!(headers["access-control-allow-credentials"], "true");
        assert_eq!(headers["vary"], "origin");
    }
    // It is named at the wiki only.
    let (_, cookie) = signed_in(&broker, BOARD).await;
    let headers = [&[("cookie", cookie.as_str())], &headers[1..]].concat();
    let answer = post_to(&broker, BOARD, &headers, &[]).await;
    assert_eq!(error(&answer).0, 403);
    assert!(
        answer
            .headers()
            .get("access-control-allow-origin")
            .is_none()
    );
}

#[rstest]
#[case::named("{pages}", "POST", true)]
#[case::own("{wiki}", "POST", false)]
#[case::another_method("{pages}", "GET", false)]
#[case::longer("{pages}.evil.example", "POST", false)]
#[case::null("null", "POST", false)]
#[tokio::test]
async fn a_preflight_is_answered_to_named_origins(
    #[case] origin: &str,
    #[case] method: &str,
    #[case] expected: bool,
) {
    let broker = start().await;
    let origin = origin
        .replace("{wiki}", &broker.url(WIKI, ""))
        .replace("{pages}", &broker.url(PAGES, ""));
    let headers = [
        ("origin", origin.as_str()),
        ("access-control-request-method", method),
        ("access-control-request-headers", "content-type"),
    ];
    let url = broker.url(WIKI, PATH);
    let page = broker
        .browser()
        .request(Method::OPTIONS, &url, &headers)
        .await;
    let allowed = page.headers.get("access-control-allow-origin");
    assert_eq!(allowed.is_some(), expected);
    if expected {
        assert_eq!(page.status, StatusCode::NO_CONTENT);
        assert_eq!(page.header("access-control-allow-credentials"), "true");
        assert_eq!(page.header("access-control-allow-methods"), "POST");
    } else {
        assert_eq!(page.status, StatusCode::FORBIDDEN);
    }
}

/// A11: a session counts at its own app, alive.
#[tokio::test]
async fn a11_only_the_apps_own_session_counts() {
    let broker = start().await;
    let (mut browser, cookie) = signed_in(&broker, WIKI).await;
    let tenants = browser
        .cookie(&broker.url(ACME, "/"), ACME_COOKIE)
        .expect("a session");
    let (_, boards) = signed_in(&broker, BOARD).await;
    let token = access_token(&fetched(&broker, &cookie, &[]).await);
    for cookie in [
        String::new(),
        boards,
        format!("{ACME_COOKIE}={tenants}"),
        format!("{APP_COOKIE}={tenants}"),
        format!("{cookie}; {cookie}"),
        format!("{APP_COOKIE}={token}"),
    ] {
        let answer = fetched(&broker, &cookie, &[]).await;
        assert_eq!(
            error(&answer),
            (401, "login_required".to_owned()),
            "{cookie}"
        );
    }
    let page = browser.visit(&broker.url(WIKI, "/oauth2/sign_out")).await;
    assert!(page.status.is_success(), "{}", page.status);
    let answer = fetched(&broker, &cookie, &[]).await;
    assert_eq!(error(&answer).0, 401, "signed out");
}

/// T16: nothing outlives the session that it came from.
#[tokio::test]
async fn t16_a_token_ends_with_the_session() {
    let broker = start().await;
    let (_, cookie) = signed_in(&broker, WIKI).await;
    broker.advance(Duration::from_mins(50)).await;
    let answer = fetched(&broker, &cookie, &[]).await;
    assert_eq!(json(&answer)["expires_in"], 40 * 60);
    broker.advance(Duration::from_mins(40)).await;
    assert_eq!(error(&fetched(&broker, &cookie, &[]).await).0, 401);
}

#[rstest]
#[case::another_audience(&[("audience", "urn:other")], "invalid_target")]
#[case::two(&[("audience", "https://api.example.com"), ("resource", "urn:other")], "invalid_target")]
#[case::twice(&[("audience", "urn:other"), ("audience", "https://api.example.com")], "invalid_request")]
#[case::more(&[("scope", "orders.read admin")], "invalid_scope")]
#[tokio::test]
async fn a15_nothing_is_given_that_the_app_may_not_have(
    #[case] form: &[(&str, &str)],
    #[case] expected: &str,
) {
    let broker = start().await;
    let (_, cookie) = signed_in(&broker, WIKI).await;
    let answer = fetched(&broker, &cookie, form).await;
    assert_eq!(error(&answer), (400, expected.to_owned()));
}

#[tokio::test]
async fn whoever_may_not_open_the_app_gets_no_token() {
    let broker = start().await;
    let (_, cookie) = signed_in(&broker, BOARD).await;
    let origin = broker.url(BOARD, "");
    let ask = |cookie: String| {
        let (broker, origin) = (&broker, &origin);
        async move {
            let headers = [("cookie", cookie.as_str()), ("origin", origin.as_str())];
            post_to(broker, BOARD, &headers, &[("audience", "urn:other")]).await
        }
    };
    let answer = ask(cookie).await;
    assert_eq!(error(&answer), (403, "access_denied".to_owned()));
    broker
        .provider
        .person("root", |root| root.groups = vec!["admins".into()]);
    broker.provider.sign_in_as("root");
    let (_, cookie) = signed_in(&broker, BOARD).await;
    assert_eq!(ask(cookie).await.status(), 200);
    // What is public is no reason to give somebody a token.
    broker.edit(|text| text.replace("path = \"/admin\"", "path = \"/public\""));
    broker.reload().await.expect("reloaded");
    let (_, cookie) = signed_in(&broker, BOARD).await;
    assert_eq!(ask(cookie).await.status(), 403);
}

/// Who has not asked for it has no such address.
#[tokio::test]
async fn an_app_without_the_setting_has_no_tokens() {
    let broker = start().await;
    let (_, cookie) = signed_in(&broker, GLOBEX_WIKI).await;
    let origin = broker.url(GLOBEX_WIKI, "");
    let headers = [("cookie", cookie.as_str()), ("origin", origin.as_str())];
    let answer = post_to(&broker, GLOBEX_WIKI, &headers, &[]).await;
    assert_eq!(answer.status(), 404);
    let url = broker.url(GLOBEX_WIKI, PATH);
    let page = broker.browser().request(Method::OPTIONS, &url, &[]).await;
    assert_eq!(page.status, 404);
}

/// Through a check a 2xx would let the request through to the app.
#[rstest]
#[case::forward_auth(Asks::ForwardAuth)]
#[case::ext_authz(Asks::ExtAuthz)]
#[case::grpc(Asks::Grpc)]
#[tokio::test]
async fn no_check_gives_tokens(#[case] asks: Asks) {
    let broker = start().await;
    let relay = Relay::start(&broker, asks).await;
    let mut browser = relay.browser(&broker, &[WIKI]);
    assert!(is_app(&browser.visit(&broker.url(WIKI, "/")).await));
    let own = broker.url(WIKI, "");
    let pages = broker.url(PAGES, "");
    let form = ("content-type", "application/x-www-form-urlencoded");
    let wanted = ("access-control-request-method", "POST");
    let script = [("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")];
    for (method, headers) in [
        (Method::POST, [("origin", own.as_str()), form]),
        (Method::OPTIONS, [("origin", pages.as_str()), wanted]),
    ] {
        let headers = [headers, script].concat();
        let page = browser
            .request(method.clone(), &broker.url(WIKI, PATH), &headers)
            .await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{method}");
        assert!(!page.text().contains("access_token"));
        assert!(!is_app(&page));
    }
}

/// A41: without the store nobody is known, and nobody is told that they are signed out.
#[tokio::test]
async fn a41_without_the_store_there_are_no_tokens() {
    let broker = start().await;
    let (_, cookie) = signed_in(&broker, WIKI).await;
    Database::of(&broker).await.break_it().await;
    broker.advance(Duration::from_secs(6)).await;
    let answer = fetched(&broker, &cookie, &[]).await;
    assert_eq!(error(&answer), (503, "temporarily_unavailable".to_owned()));
}
