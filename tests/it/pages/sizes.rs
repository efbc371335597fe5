//! Requests that are larger than anybody needs.

use std::fmt::Write as _;

use http::StatusCode;
use rstest::rstest;

use crate::support::broker::Broker;
use crate::support::nodes::{ACME, WIKI, app_cookie, check};
use crate::support::raw;

#[rstest]
#[case::one_header(1, 1024 * 1024)]
#[case::many_headers(5_000, 100)]
#[case::many_small_headers(500, 1)]
#[tokio::test]
async fn t15_a_head_that_is_too_large_is_refused(#[case] number: usize, #[case] size: usize) {
    let broker = Broker::start().await;
    for (host, path) in [
        (WIKI, "/oauth2/auth"),
        (ACME, "/login"),
        (WIKI, "/oauth2/sign_in?rd=/"),
    ] {
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}:{}\r\nConnection: close\r\n",
            broker.address.port()
        );
        for index in 0..number {
            let _ = write!(request, "x-{index}: {}\r\n", "x".repeat(size));
        }
        request += "\r\n";
        let (status, answer) = raw::bytes(broker.address, request.as_bytes()).await;
        // The connection may be closed before all of it is sent.
        let refused = [None, Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)];
        assert!(refused.contains(&status), "{path}: {answer}");
    }
    // Nobody else has noticed.
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
}

/// An app's own cookies may be large: 30 KB of them are no reason to lose anybody.
#[tokio::test]
async fn t15_large_cookies_of_an_app_do_not_hide_ours() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let ours = app_cookie(&broker, &browser, WIKI);
    let theirs: Vec<String> = (0..10)
        .map(|index| format!("app{index}={}", "x".repeat(3_000)))
        .collect();
    let line = format!("{}; {ours}", theirs.join("; "));
    assert_eq!(check(&broker, WIKI, "/", &line).await, StatusCode::ACCEPTED);
}

#[rstest]
#[case::path("/login/{long}")]
#[case::query("/login?x={long}")]
#[case::target("/logout?rd=/{long}")]
#[tokio::test]
async fn t15_a_target_that_is_too_long_is_refused(#[case] target: &str) {
    let broker = Broker::start().await;
    let target = target.replace("{long}", &"x".repeat(100_000));
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {ACME}:{}\r\nConnection: close\r\n\r\n",
        broker.address.port()
    );
    let (status, answer) = raw::bytes(broker.address, request.as_bytes()).await;
    let refused = [
        None,
        Some(StatusCode::URI_TOO_LONG),
        Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
    ];
    assert!(refused.contains(&status), "{answer}");
}

#[tokio::test]
async fn t15_a_return_target_of_more_than_4_kib_is_refused() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    for (length, expected) in [(3_000, 303), (5_000, 400)] {
        let url = broker.url(WIKI, &format!("/oauth2/sign_in?rd=/{}", "x".repeat(length)));
        assert_eq!(browser.open(&url).await.status, expected);
    }
}

/// A check has no body; one that has is answered without reading it.
#[tokio::test]
async fn t15_a_body_of_a_check_is_not_read() {
    let broker = Broker::start().await;
    let request = format!(
        "POST /oauth2/auth HTTP/1.1\r\nHost: {WIKI}:{}\r\nContent-Length: 1000000000\r\n\
         Content-Encoding: gzip\r\nConnection: close\r\n\r\nx",
        broker.address.port()
    );
    let (status, answer) = raw::bytes(broker.address, request.as_bytes()).await;
    assert_eq!(status, Some(StatusCode::UNAUTHORIZED), "{answer}");
}

#[rstest]
#[case::no_http("hello\r\n\r\n")]
#[case::other_protocol("GET / HTTP/9.9\r\n\r\n")]
#[case::bare_line_feed_in_header("GET /login HTTP/1.1\r\nHost: a\nX: b\0\r\n\r\n")]
#[case::space_before_colon("GET /login HTTP/1.1\r\nHost : acme.localhost\r\n\r\n")]
#[case::folded_header("GET /login HTTP/1.1\r\nHost: acme.localhost\r\n evil\r\n\r\n")]
#[case::two_lengths(
    "POST /logout HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"
)]
#[case::signed_length("POST /logout HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na")]
#[tokio::test]
async fn a05_what_is_no_http_is_no_yes(#[case] request: &str) {
    let broker = Broker::start().await;
    let (status, answer) = raw::bytes(broker.address, request.as_bytes()).await;
    assert!(
        status.is_none_or(|status| status.is_client_error()),
        "{answer}"
    );
    assert!(
        !answer.contains("Set-Cookie") && !answer.contains("set-cookie"),
        "{answer}"
    );
}
