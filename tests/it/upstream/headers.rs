//! Which headers reach the app.

use http::StatusCode;
use rstest::rstest;

use super::*;
use crate::support::app::Seen;
use crate::support::nodes::app_cookie;
use crate::support::raw;

/// What the app saw of a signed-in request with these further headers.
async fn seen_with(broker: &Broker, app: &App, more: &[(&str, &str)]) -> Seen {
    let browser = signed_in(broker).await;
    let cookie = app_cookie(broker, &browser, WIKI);
    let host = format!("{WIKI}:{}", broker.address.port());
    let mut headers = vec![("host", &*host), ("cookie", &*cookie)];
    headers.extend(more);
    let answer = raw::get(broker.address, "/x", &headers).await;
    assert_eq!(answer.status(), StatusCode::OK);
    app.last()
}

#[rstest]
#[case::plain(&[("x-auth-request-user", "root")])]
#[case::twice(&[("x-auth-request-user", "root"), ("x-auth-request-user", "admin")])]
#[case::case_of_letters(&[("X-Auth-Request-USER", "root")])]
#[case::underscores(&[("x_auth_request_user", "root")])]
#[case::mixed(&[("x-auth_request-user", "root"), ("X_AUTH-Request_User", "root")])]
#[case::dots(&[("x.auth.request.user", "root")])]
#[case::groups(&[("x-auth-request-groups", "admins"), ("x_auth_request_groups", "admins")])]
#[case::hop_by_hop(&[("connection", "x-auth-request-user, x-auth-request-email")])]
#[case::hop_by_hop_and_forged(&[("x-auth-request-user", "root"), ("connection", "close, X-Auth-Request-User")])]
#[case::other_gateways(&[("remote-user", "root"), ("remote_user", "root"), ("x-forwarded-user", "root"), ("x-webauth-user", "root")])]
#[tokio::test]
async fn a04_identity_is_ours_and_there_once(#[case] forged: &[(&str, &str)]) {
    let app = App::start().await;
    let broker = before(&app).await;
    let seen = seen_with(&broker, &app, forged).await;
    assert_eq!(seen.only("x-auth-request-user").len(), 32);
    assert_eq!(seen.only("x-auth-request-email"), "ada@example.com");
    assert_eq!(seen.values("x-auth-request-groups").len(), 1);
    for (name, value) in &seen.headers {
        assert!(
            value != "root" && value != "admins" && value != "admin",
            "{name}: {value}"
        );
    }
}

#[tokio::test]
async fn a04_a_configured_name_is_as_safe_as_a_usual_one() {
    let app = App::start().await;
    let broker = before_with(&app, "identity_headers = { Grafana_User = \"user\" }").await;
    let forged = [
        ("grafana-user", "root"),
        ("grafana_user", "root"),
        ("x-auth-request-user", "root"),
    ];
    let seen = seen_with(&broker, &app, &forged).await;
    assert_eq!(seen.only("grafana_user").len(), 32);
    assert!(seen.values("grafana-user").is_empty());
    assert!(seen.values("x-auth-request-user").is_empty());
}

/// An address that a trusted proxy tells is passed on, with the proxy's own behind it.
#[tokio::test]
async fn a01_a_trusted_proxys_word_about_addresses_counts() {
    let app = App::start().await;
    let broker = before(&app).await;
    let told = [
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-for", "203.0.113.8"),
    ];
    let seen = seen_with(&broker, &app, &told).await;
    assert_eq!(
        seen.only("x-forwarded-for"),
        "203.0.113.7, 203.0.113.8, 127.0.0.1"
    );
    assert_eq!(seen.only("x-real-ip"), "203.0.113.8");
}

#[tokio::test]
async fn a01_a_clients_word_about_addresses_does_not() {
    let app = App::start().await;
    let upstream = format!("\"http://{}\"", app.address);
    let text = configuration(&upstream, "").replace("127.0.0.1/32", "10.9.9.9/32");
    let broker = start(text).await;
    let forged = [
        ("x-forwarded-for", "203.0.113.7"),
        ("x_forwarded_for", "203.0.113.7"),
        ("x-real-ip", "203.0.113.7"),
        ("forwarded", "for=203.0.113.7"),
        ("x-client-ip", "203.0.113.7"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "ftp"),
        ("x-forwarded-port", "1"),
        ("x-forwarded-prefix", "/evil"),
        ("x-forwarded-uri", "/admin"),
        ("x-original-url", "http://evil.example/admin"),
        ("x-rewrite-url", "/admin"),
        ("proxy", "http://evil.example"),
    ];
    let seen = seen_with(&broker, &app, &forged).await;
    assert_eq!(seen.only("x-forwarded-for"), "127.0.0.1");
    assert_eq!(seen.only("x-real-ip"), "127.0.0.1");
    assert!(seen.only("x-forwarded-host").starts_with(WIKI));
    assert_eq!(seen.only("x-forwarded-proto"), "http");
    for (name, value) in &seen.headers {
        let forged = ["203.0.113.7", "evil", "admin", "ftp"];
        assert!(
            !forged.iter().any(|it| value.contains(it)),
            "{name}: {value}"
        );
    }
}

#[tokio::test]
async fn our_cookies_do_not_reach_the_app() {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = signed_in(&broker).await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    let host = format!("{WIKI}:{}", broker.address.port());
    let more = format!("own=1; {cookie}; __Host-dwl-x=y");
    let headers = [("host", &*host), ("cookie", "first=0"), ("cookie", &*more)];
    let answer = raw::get(broker.address, "/", &headers).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(app.last().only("cookie"), "first=0; own=1");
}

#[tokio::test]
async fn what_is_between_client_and_broker_stays_there() {
    let app = App::start().await;
    let broker = before(&app).await;
    let inner = [
        ("connection", "keep-alive, x-inner"),
        ("x-inner", "1"),
        ("keep-alive", "timeout=9"),
        ("te", "trailers"),
        ("proxy-authorization", "Basic x"),
        ("upgrade", "h2c"),
        ("http2-settings", "x"),
        ("authorization", "Bearer the-apps-own"),
        ("x-request-id", "abc"),
    ];
    let seen = seen_with(&broker, &app, &inner).await;
    for gone in [
        "connection",
        "x-inner",
        "keep-alive",
        "te",
        "proxy-authorization",
        "upgrade",
    ] {
        assert!(seen.values(gone).is_empty(), "{gone}: {seen:?}");
    }
    assert_eq!(seen.only("authorization"), "Bearer the-apps-own");
    assert_eq!(seen.only("x-request-id"), "abc");
}
