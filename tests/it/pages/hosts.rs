//! Which host a request is for, and that nothing a request says gets into an address of ours.

use http::StatusCode;
use rstest::rstest;

use crate::support::broker::Broker;
use crate::support::nodes::{ACME, WIKI};
use crate::support::raw::{self, values};

#[rstest]
#[case::elsewhere("evil.example")]
#[case::elsewhere_with_our_port("evil.example:{port}")]
#[case::ours_in_front("acme.localhost.evil.example:{port}")]
#[case::ours_behind("evil-acme.localhost:{port}")]
#[case::below_ours("x.acme.localhost:{port}")]
#[case::other_port("acme.localhost:1")]
#[case::no_port("acme.localhost")]
#[case::user_information("acme.localhost:{port}@evil.example")]
#[case::in_user_information("evil.example@acme.localhost:{port}")]
#[case::path("acme.localhost:{port}/evil.example")]
#[case::markup("<script>alert(1)</script>")]
#[case::quote("acme.localhost:{port}\"onload=\"x")]
#[case::space("acme.localhost:{port} evil.example")]
#[case::trailing_dot("acme.localhost.:{port}")]
#[case::not_ascii("acme.localhost\u{e9}")]
#[case::empty("")]
#[case::an_address("127.0.0.1:{port}")]
#[tokio::test]
async fn a33_a_host_that_is_not_ours_is_answered_with_421(#[case] host: &str) {
    let broker = Broker::start().await;
    let host = host.replace("{port}", &broker.address.port().to_string());
    for path in [
        "/login",
        "/login/main",
        "/sessions",
        "/logout",
        "/t/globex/login",
        "/oauth2/sign_in?rd=/",
        "/oauth2/callback",
        "/",
    ] {
        let headers = [("host", &*host), ("sec-fetch-mode", "navigate")];
        let answer = raw::get(broker.address, path, &headers).await;
        assert_eq!(answer.status(), StatusCode::MISDIRECTED_REQUEST, "{path}");
        assert!(answer.headers().get("location").is_none());
        assert!(values(answer.headers(), "set-cookie").is_empty());
        let html = String::from_utf8_lossy(answer.body());
        for planted in ["evil", "<script", "onload"] {
            assert!(!html.contains(planted), "{planted} in {html}");
        }
    }
}

#[tokio::test]
async fn a33_two_hosts_are_none() {
    let broker = Broker::start().await;
    let ours = format!("{ACME}:{}", broker.address.port());
    for (first, second) in [
        (&*ours, "evil.example"),
        ("evil.example", &*ours),
        (&*ours, &*ours),
    ] {
        let headers = [
            ("host", first),
            ("host", second),
            ("sec-fetch-mode", "navigate"),
        ];
        let answer = raw::get(broker.address, "/login", &headers).await;
        assert!(
            [400, 421].contains(&answer.status().as_u16()),
            "{}",
            answer.status()
        );
        assert!(answer.headers().get("location").is_none());
        let answer = raw::get(broker.address, "/oauth2/auth", &headers).await;
        assert!(
            [400, 403].contains(&answer.status().as_u16()),
            "{}",
            answer.status()
        );
    }
}

/// A request target with a host of its own decides (RFC 9112 §3.2.2).
#[tokio::test]
async fn a33_a_whole_address_as_the_target_names_the_host() {
    let broker = Broker::start().await;
    let ours = format!("{ACME}:{}", broker.address.port());
    for (target, host, expected) in [
        ("http://evil.example/login".to_owned(), ours.clone(), 421),
        (format!("http://{ours}/login"), ours.clone(), 303),
    ] {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nSec-Fetch-Mode: navigate\r\nConnection: close\r\n\r\n"
        );
        let (status, answer) = raw::bytes(broker.address, request.as_bytes()).await;
        assert_eq!(
            status.map(|status| status.as_u16()),
            Some(expected),
            "{answer}"
        );
        assert!(!answer.contains("evil"), "{answer}");
    }
    let without = "GET /login HTTP/1.1\r\nConnection: close\r\n\r\n";
    let (status, _) = raw::bytes(broker.address, without.as_bytes()).await;
    assert!(
        matches!(status.map(|status| status.as_u16()), Some(400 | 421)),
        "{status:?}"
    );
}

/// Also from a trusted proxy: addresses come from the configuration.
#[rstest]
#[case::host("x-forwarded-host", "evil.example")]
#[case::other_tenant("x-forwarded-host", "wiki.globex.localhost")]
#[case::proto("x-forwarded-proto", "https")]
#[case::port("x-forwarded-port", "444")]
#[case::prefix("x-forwarded-prefix", "/evil")]
#[case::server("x-forwarded-server", "evil.example")]
#[case::forwarded("forwarded", "host=evil.example;proto=https")]
#[case::original_host("x-original-host", "evil.example")]
#[case::original_url("x-original-url", "http://evil.example/evil")]
#[case::rewrite("x-rewrite-url", "/evil")]
#[case::override_method("x-http-method-override", "POST")]
#[case::host_alias("x-host", "evil.example")]
#[tokio::test]
async fn a33_no_forwarded_header_moves_an_address(
    #[case] name: &'static str,
    #[case] value: &'static str,
) {
    let broker = Broker::start().await;
    let mut browser = broker.browser().always(name, value);
    let page = broker.sign_in(&mut browser, WIKI, "/page").await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/page"));
    let mut plain = broker.browser();
    let usual = broker.sign_in(&mut plain, WIKI, "/page").await;
    assert_eq!(page.chain.len(), usual.chain.len());
    for (hop, expected) in page.chain.iter().zip(&usual.chain) {
        assert_eq!(hop.url.host(), expected.url.host());
        assert_eq!(hop.url.path(), expected.url.path());
        assert_eq!(hop.url.scheme(), expected.url.scheme());
    }
    let redirect_uri = format!(
        "http://{ACME}:{}/login/main/callback",
        broker.address.port()
    );
    for request in broker.provider.requests() {
        if let Some(sent) = request.query("redirect_uri") {
            assert_eq!(sent, redirect_uri);
        }
    }
    let page = browser.visit(&broker.url(ACME, "/sessions")).await;
    assert!(!page.html().contains("evil"), "{}", page.html());
}
