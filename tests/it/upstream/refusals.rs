//! What is answered in place of the app, and never reaches it.

use http::{Method, StatusCode};
use rstest::rstest;

use super::*;
use crate::support::audit;
use crate::support::nodes::BOARD;
use crate::support::raw;
use crate::support::tampering::Database;

#[rstest]
#[case::navigation(Method::GET, &[], 302)]
#[case::head(Method::HEAD, &[], 302)]
#[case::form(Method::POST, &[], 303)]
#[case::script(Method::GET, &[("x-requested-with", "XMLHttpRequest")], 401)]
#[case::bearer(Method::GET, &[("authorization", "Bearer x")], 401)]
#[case::websocket(Method::GET, &[("upgrade", "websocket"), ("connection", "upgrade")], 401)]
#[tokio::test]
async fn nobody_signed_in(
    #[case] method: Method,
    #[case] headers: &[(&'static str, &str)],
    #[case] status: u16,
) {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = broker.browser();
    let page = browser
        .request(method, &broker.url(WIKI, "/a?b=c&d=%2F"), headers)
        .await;
    assert_eq!(page.status, status);
    assert_eq!(page.header("cache-control"), "no-store");
    if status == 401 {
        assert!(
            page.header("www-authenticate")
                .starts_with("Cookie realm=\"acme\"")
        );
        assert!(!page.headers.contains_key("set-cookie"));
    } else {
        let location = "/oauth2/sign_in?rd=%2Fa%3Fb%3Dc%26d%3D%252F";
        assert_eq!(page.header("location"), location);
    }
    assert_eq!(app.count(), 0);
}

#[tokio::test]
async fn t30_a_background_call_gets_401_and_begins_nothing() {
    let app = App::start().await;
    let broker = before(&app).await;
    let mut database = Database::of(&broker).await;
    let page = broker.browser().fetch(&broker.url(WIKI, "/api")).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert_eq!(database.rows("sign_in").await, 0);
}

#[tokio::test]
async fn somebody_who_may_not_sees_a_page_and_a_script_does_not() {
    let app = App::start().await;
    let broker = before(&app).await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, BOARD, "/x").await;
    let before = app.count();
    let page = browser.open(&broker.url(BOARD, "/admin?x=1")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let text = page.html().replace("<wbr>", "");
    assert!(text.contains("ada@example.com"), "{text}");
    assert!(text.contains("Use another account"), "{text}");
    assert!(text.contains("it@acme.example"), "{text}");
    assert!(
        page.header("content-security-policy")
            .contains("frame-ancestors 'none'")
    );
    let script = browser.fetch(&broker.url(BOARD, "/admin")).await;
    assert_eq!(script.status, StatusCode::FORBIDDEN);
    assert_eq!(script.html(), "you may not open this\n");
    assert_eq!(app.count(), before);
    // Another account leads to another login, and back to the same place.
    let link = page.link("Use another account");
    assert!(
        link.as_str()
            .starts_with(&broker.url(BOARD, "/oauth2/sign_in?another=1&rd="))
    );
    let choose = browser.click(&link).await;
    assert!(choose.chain.len() > 1, "{}", choose.url);
}

#[tokio::test]
async fn what_is_closed_to_all_says_so_without_a_login() {
    let app = App::start().await;
    let upstream = format!("\"http://{}\"", app.address);
    let text = configuration(&upstream, "").replace("groups = [\"admins\"]", "deny = true");
    let broker = start(text).await;
    let browser = broker.browser();
    let page = browser
        .request(Method::GET, &broker.url(BOARD, "/admin"), &[])
        .await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(
        page.html().contains("Nobody may open this"),
        "{}",
        page.html()
    );
    assert_eq!(app.count(), 0);
}

/// A path that servers read differently is nobody's to forward, public rule or not.
#[rstest]
#[case::dots("/public/../admin")]
#[case::encoded_dots("/public/%2e%2e/admin")]
#[case::half_encoded("/public/.%2E/admin")]
#[case::encoded_slash("/public%2f..%2fadmin")]
#[case::backslash("/public/..%5cadmin")]
#[case::parameters("/public/..;/admin")]
#[case::doubled("//public")]
#[case::doubled_inside("/public//admin")]
#[case::twice("/public/%252e%252e/admin")]
#[case::nul("/public%00")]
#[case::line_break("/public%0d%0aX: y")]
#[case::not_utf8("/public/%ff")]
#[case::broken("/public/%zz")]
#[case::out_of_our_prefix("/oauth2/..%2fadmin")]
#[case::into_our_prefix("/public/../oauth2/auth")]
#[case::star("*")]
#[tokio::test]
async fn a02_what_is_ambiguous_is_never_forwarded(#[case] path: &str) {
    let app = App::start().await;
    let broker = before(&app).await;
    let host = format!("{BOARD}:{}", broker.address.port());
    let path = path.replace(' ', "%20");
    let method = if path == "*" { "OPTIONS" } else { "GET" };
    let request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    let (status, text) = raw::bytes(broker.address, request.as_bytes()).await;
    assert_eq!(status, Some(StatusCode::BAD_REQUEST), "{text}");
    assert_eq!(app.count(), 0);
}

/// Rules are about the request itself; what its headers tell of another one counts nothing.
#[rstest]
#[case::url(&[("x-original-url", "http://board.acme.localhost/public")])]
#[case::uri(&[("x-forwarded-uri", "/public")])]
#[case::method(&[("x-original-method", "OPTIONS")])]
#[case::host(&[("x-forwarded-host", "wiki.acme.localhost")])]
#[case::override_(&[("x-http-method-override", "OPTIONS")])]
#[tokio::test]
async fn t28_a_forged_target_opens_nothing(#[case] forged: &[(&'static str, &str)]) {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = broker.browser();
    let page = browser
        .request(Method::GET, &broker.url(BOARD, "/admin"), forged)
        .await;
    assert_eq!(page.status, StatusCode::FOUND);
    assert_eq!(app.count(), 0);
}

#[tokio::test]
async fn t29_rules_about_methods_hold() {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = signed_in(&broker).await;
    let mut other = browser.clone();
    broker.sign_in(&mut other, BOARD, "/read").await;
    let url = broker.url(BOARD, "/read");
    let read = other.request(Method::GET, &url, &[]).await;
    assert_eq!(read.status, StatusCode::OK);
    let before = app.count();
    // The rule for everything else wants an e-mail domain, which this person has: it is another rule.
    let preflight = [
        ("origin", "https://elsewhere.example"),
        ("access-control-request-method", "GET"),
    ];
    let stranger = broker.browser();
    let page = stranger.request(Method::OPTIONS, &url, &preflight).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(app.count(), before + 1);
    let page = stranger
        .request(Method::OPTIONS, &broker.url(BOARD, "/admin"), &preflight)
        .await;
    assert_ne!(page.status, StatusCode::OK);
    assert_eq!(app.count(), before + 1);
}

#[tokio::test]
async fn a41_without_the_store_nobody_comes_through() {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = signed_in(&broker).await;
    let before = app.count();
    broker.clock.advance(std::time::Duration::from_secs(6));
    let page = browser
        .request(Method::GET, &broker.url(WIKI, "/"), &[])
        .await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(page.header("retry-after"), "5");
    assert!(
        page.html().contains("not possible right now"),
        "{}",
        page.html()
    );
    let script = browser.fetch(&broker.url(WIKI, "/")).await;
    assert_eq!(script.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(script.html(), "nobody can be let in at the moment\n");
    assert_eq!(app.count(), before);
}

#[tokio::test]
async fn a27_after_a_sign_out_nothing_is_forwarded() {
    let app = App::start().await;
    let broker = before(&app).await;
    let mut browser = signed_in(&broker).await;
    let old = browser
        .cookie(&broker.url(WIKI, "/"), "__Host-dwa")
        .expect("a session");
    browser.open(&broker.url(WIKI, "/oauth2/sign_out")).await;
    let before = app.count();
    let host = format!("{WIKI}:{}", broker.address.port());
    let cookie = format!("__Host-dwa={old}");
    let answer = raw::get(broker.address, "/", &[("host", &host), ("cookie", &cookie)]).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(app.count(), before);
}

fn with_a_public_app(app: &App) -> String {
    let upstream = format!("\"http://{}\"", app.address);
    let more = format!(
        "[[tenants.apps]]\nid = \"files\"\nhosts = [\"files.solo.example:*\"]\nupstream = {upstream}\nallow = {{ public = true }}\n"
    );
    configuration(&upstream, "") + &more
}

/// No session over plain http, as at the checks.
#[tokio::test]
async fn a_request_that_came_in_the_clear_is_refused() {
    let app = App::start().await;
    let broker = start(with_a_public_app(&app)).await;
    let host = ("host", "files.solo.example");
    for (scheme, passes) in [
        ("https", true),
        ("wss", true),
        ("http", false),
        ("ws", false),
        ("https, http", false),
    ] {
        let before = app.count();
        let headers = [host, ("x-forwarded-proto", scheme)];
        let answer = raw::get(broker.address, "/", &headers).await;
        let expected = if passes { 200 } else { 400 };
        assert_eq!(answer.status(), expected, "{scheme}");
        assert_eq!(app.count() - before, usize::from(passes), "{scheme}");
    }
    let lines = audit::here();
    let told = lines.iter().find(|line| line.event() == "check_ambiguous");
    let reason = told.expect("a line").field("reason");
    assert_eq!(reason, "the request did not come over https");
    // A person reads why.
    let browser = [host, ("x-forwarded-proto", "http"), ("accept", "text/html")];
    let page = raw::get(broker.address, "/", &browser).await;
    assert_eq!(page.status(), StatusCode::BAD_REQUEST);
    let text = String::from_utf8_lossy(page.body());
    assert!(text.contains("This address needs https"), "{text}");
    // Where nobody says anything, nothing is wrong.
    let answer = raw::get(broker.address, "/", &[host]).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn a01_a_clients_word_about_the_scheme_is_ignored() {
    let app = App::start().await;
    let text = with_a_public_app(&app).replace("127.0.0.1/32", "10.9.9.9/32");
    let broker = start(text).await;
    let headers = [
        ("host", "files.solo.example"),
        ("x-forwarded-proto", "http"),
    ];
    let answer = raw::get(broker.address, "/", &headers).await;
    assert_eq!(answer.status(), StatusCode::OK);
}
