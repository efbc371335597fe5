//! Whole ways through a proxy that passes on the check's own answer, and routes nothing else to the broker.

use http::{Method, StatusCode};
use rstest::rstest;

use crate::support::broker::Broker;
use crate::support::nodes::{APP_COOKIE, BOARD, GLOBEX_WIKI, SOLO, WIKI};
use crate::support::raw;
use crate::support::relay::{Asks, Relay, is_app};

/// The first line of this header that reached the app.
fn seen<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = body.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[rstest]
#[case::forward_auth(Asks::ForwardAuth)]
#[case::ext_authz(Asks::ExtAuthz)]
#[case::grpc(Asks::Grpc)]
#[tokio::test]
async fn a_person_signs_in_and_out_again(#[case] asks: Asks) {
    let broker = Broker::start().await;
    let relay = Relay::start(&broker, asks).await;
    let mut browser = relay.browser(&broker, &[WIKI, BOARD]);
    let page = browser
        .visit(&broker.url(WIKI, "/page?x=1&rd=/other"))
        .await;
    assert!(is_app(&page), "{} {}", page.status, page.text());
    assert_eq!(
        page.url.as_str(),
        broker.url(WIKI, "/page?x=1&rd=/other"),
        "they are where they wanted to be"
    );
    let html = page.html();
    assert_eq!(seen(&html, "remote-email"), Some("ada@example.com"));
    assert_eq!(seen(&html, "remote-groups"), Some("staff"));
    assert_eq!(seen(&html, "remote-user").map(str::len), Some(32));
    // The wiki hides our cookies.
    assert!(!html.contains(APP_COOKIE), "{html}");

    // The second app knows them without asking; and refuses where its rules do.
    let page = browser.visit(&broker.url(BOARD, "/")).await;
    assert!(is_app(&page));
    let page = browser.visit(&broker.url(BOARD, "/admin")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(!is_app(&page));

    let page = browser.visit(&broker.url(WIKI, "/oauth2/sign_out")).await;
    assert!(!is_app(&page));
    let page = browser.open(&broker.url(WIKI, "/page")).await;
    assert_eq!(page.status, StatusCode::FOUND);
    let page = browser.open(&broker.url(BOARD, "/")).await;
    assert_eq!(page.status, StatusCode::FOUND);
}

/// The answer is all that the person gets: an empty one would be a dead end.
#[rstest]
#[case::forward_auth(Asks::ForwardAuth)]
#[case::ext_authz(Asks::ExtAuthz)]
#[tokio::test]
async fn a_person_who_may_not_is_told_so_and_can_choose_another_account(#[case] asks: Asks) {
    let broker = Broker::start().await;
    let relay = Relay::start(&broker, asks).await;
    let mut browser = relay.browser(&broker, &[BOARD]);
    assert!(is_app(&browser.visit(&broker.url(BOARD, "/")).await));

    let page = browser.visit(&broker.url(BOARD, "/admin?x=1&y=2")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(page.html().contains("Your account cannot open Board"));
    let script = [("sec-fetch-mode", "cors"), ("accept", "*/*")];
    let url = broker.url(BOARD, "/admin");
    let answer = browser.request(Method::GET, &url, &script).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.text(), "", "a script could not read it");

    broker
        .provider
        .person("root", |root| root.groups = vec!["admins".into()]);
    broker.provider.sign_in_as("root");
    let arrived = browser.click(&page.link("Use another account")).await;
    assert!(is_app(&arrived), "{} {}", arrived.status, arrived.text());
    assert_eq!(arrived.url.as_str(), broker.url(BOARD, "/admin?x=1&y=2"));
}

/// Where the tenant's pages are on the app's own host, a login with one provider needs no page of ours.
#[rstest]
#[case::forward_auth(Asks::ForwardAuth)]
#[case::ext_authz(Asks::ExtAuthz)]
#[case::grpc(Asks::Grpc)]
#[tokio::test]
async fn login_and_app_can_share_one_host(#[case] asks: Asks) {
    let broker = Broker::start().await;
    let relay = Relay::start(&broker, asks).await;
    let mut browser = relay.browser(&broker, &[SOLO]);
    let page = browser.visit(&broker.url(SOLO, "/page")).await;
    assert!(is_app(&page), "{} {}", page.status, page.text());
    assert_eq!(page.url.as_str(), broker.url(SOLO, "/page"));
}

/// What would be 2xx lets the request through to the app.
#[rstest]
#[tokio::test]
async fn our_own_paths_never_reach_the_app(
    #[values(Asks::ForwardAuth, Asks::ExtAuthz, Asks::Grpc)] asks: Asks,
    #[values(WIKI, SOLO)] host: &str,
) {
    let broker = Broker::start().await;
    let relay = Relay::start(&broker, asks).await;
    let mut browser = relay.browser(&broker, &[host]);
    let page = browser.visit(&broker.url(host, "/")).await;
    assert!(is_app(&page));
    for path in [
        "/oauth2",
        "/oauth2/",
        "/oauth2?x",
        "/oauth2/auth",
        "/oauth2/auth?allowed_groups=staff",
        "/oauth2/userinfo",
        "/oauth2/login",
        "/oauth2/login/main",
        "/oauth2/login/main/callback?code=x&state=y",
        "/oauth2/sessions",
        "/oauth2/logout",
        "/oauth2/signed-out",
        "/oauth2/callback",
        "/oauth2/callback?ticket=x",
        "/oauth2/healthz",
        "/oauth2//evil",
        "/oauth2/api/authz/forward-auth",
    ] {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS] {
            let page = browser
                .request(method.clone(), &broker.url(host, path), &[])
                .await;
            let class = page.status.as_u16() / 100;
            assert!(!is_app(&page), "{method} {path} reached the app");
            assert!(class == 3 || class == 4, "{method} {path}: {}", page.status);
            assert!(page.header("remote-user").is_empty());
        }
    }
    // Not ours: the whole first segment counts.
    let page = browser.open(&broker.url(host, "/oauth2x/auth")).await;
    assert!(is_app(&page));
}

#[rstest]
#[case::forward_auth(Asks::ForwardAuth)]
#[case::ext_authz(Asks::ExtAuthz)]
#[case::grpc(Asks::Grpc)]
#[tokio::test]
async fn a_background_call_is_not_sent_to_sign_in(#[case] asks: Asks) {
    let broker = Broker::start().await;
    let relay = Relay::start(&broker, asks).await;
    let browser = relay.browser(&broker, &[WIKI]);
    for path in ["/api", "/oauth2/sign_in", "/oauth2/start?rd=/"] {
        let page = browser.fetch(&broker.url(WIKI, path)).await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(!page.header("www-authenticate").is_empty(), "{path}");
        assert!(page.set_cookies().is_empty(), "{path}");
        assert!(page.location().is_none(), "{path}");
    }
}

/// A form that was sent without a session is not sent again by itself: they are back where it was to go.
#[rstest]
#[case::forward_auth(Asks::ForwardAuth)]
#[case::ext_authz(Asks::ExtAuthz)]
#[case::grpc(Asks::Grpc)]
#[tokio::test]
async fn a_post_without_a_session_is_answered_with_303(#[case] asks: Asks) {
    let broker = Broker::start().await;
    let relay = Relay::start(&broker, asks).await;
    let mut browser = relay.browser(&broker, &[WIKI]);
    let page = browser
        .post(&broker.url(WIKI, "/form"), &[("a", "b")])
        .await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    let location = page.location().expect("an address");
    assert!(location.as_str().ends_with("&rm=POST"), "{location}");
    let page = browser.visit(location.as_str()).await;
    assert!(is_app(&page));
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/form"));
}

#[rstest]
#[case::forward_auth(Asks::ForwardAuth)]
#[case::ext_authz(Asks::ExtAuthz)]
#[case::grpc(Asks::Grpc)]
#[tokio::test]
async fn a04_what_a_client_sends_under_our_names_does_not_survive(#[case] asks: Asks) {
    let broker = Broker::start().await;
    broker.provider.person("ada", |ada| ada.groups.clear());
    let relay = Relay::start(&broker, asks).await;
    let mut browser = relay.browser(&broker, &[WIKI, BOARD]);
    browser.visit(&broker.url(WIKI, "/")).await;
    browser.visit(&broker.url(BOARD, "/")).await;
    let planted = [
        ("remote-user", "boss"),
        ("remote-groups", "admins"),
        ("remote-email", "boss@example.com"),
        ("remote-name", "Boss"),
    ];
    for (host, path, signed_in) in [(WIKI, "/", true), (BOARD, "/public", false)] {
        let page = browser
            .request(Method::GET, &broker.url(host, path), &planted)
            .await;
        assert!(is_app(&page));
        let html = page.html();
        assert!(!html.to_lowercase().contains("boss"), "{html}");
        assert_eq!(seen(&html, "remote-groups"), Some(""), "{html}");
        assert_eq!(
            seen(&html, "remote-user").map(str::len),
            Some(if signed_in { 32 } else { 0 }),
        );
    }
}

/// An app session of one tenant opens nothing of another's.
#[tokio::test]
async fn t01_a_session_of_another_tenant_is_none() {
    let broker = Broker::start().await;
    let relay = Relay::start(&broker, Asks::ForwardAuth).await;
    let mut browser = relay.browser(&broker, &[WIKI, GLOBEX_WIKI]);
    browser.visit(&broker.url(WIKI, "/")).await;
    let handle = browser
        .cookie(&broker.url(WIKI, "/"), APP_COOKIE)
        .expect("an app session");
    let authority = format!("{GLOBEX_WIKI}:{}", broker.address.port());
    let answer = raw::get(
        broker.address,
        "/api/authz/forward-auth",
        &[
            ("host", "doorward"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", &authority),
            ("x-forwarded-uri", "/"),
            ("x-forwarded-method", "GET"),
            ("cookie", &format!("{APP_COOKIE}={handle}")),
        ],
    )
    .await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}
