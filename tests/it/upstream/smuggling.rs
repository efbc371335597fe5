//! Requests whose end can be read in two ways: what goes to the app has one end, and nothing rides behind it.

use http::StatusCode;
use rstest::rstest;

use super::*;
use crate::support::app::Seen;
use crate::support::nodes::app_cookie;
use crate::support::raw;

/// What would be smuggled.
const SECOND: &str = "GET /smuggled HTTP/1.1\r\nhost: x\r\nx-auth-request-user: root\r\n\r\n";

/// Somebody who is signed in at the wiki and writes their requests by hand.
struct ByHand {
    app: App,
    broker: Broker,
    host: String,
    /// The lines `Host` and `Cookie`.
    who: String,
    before: usize,
}

impl ByHand {
    async fn start() -> Self {
        let app = App::start().await;
        let broker = before(&app).await;
        let browser = signed_in(&broker).await;
        let cookie = app_cookie(&broker, &browser, WIKI);
        let host = format!("{WIKI}:{}", broker.address.port());
        Self {
            who: format!("host: {host}\r\ncookie: {cookie}\r\n"),
            host,
            before: app.count(),
            app,
            broker,
        }
    }

    async fn send(&self, request: &str) -> (Option<StatusCode>, String) {
        raw::bytes(self.broker.address, request.as_bytes()).await
    }

    /// What has reached the app since.
    fn seen(&self) -> Vec<Seen> {
        self.app.seen().split_off(self.before)
    }
}

#[rstest]
#[case::two_lengths("content-length: 0\r\ncontent-length: 60\r\n", SECOND)]
#[case::list_of_lengths("content-length: 0, 60\r\n", SECOND)]
#[case::signed_length("content-length: +0\r\n", SECOND)]
#[case::negative_length("content-length: -1\r\n", SECOND)]
#[case::hexadecimal_length("content-length: 0x3c\r\n", SECOND)]
#[case::empty_length("content-length: \r\n", SECOND)]
#[case::space_before_colon("content-length : 60\r\n", SECOND)]
#[case::unknown_coding("transfer-encoding: x\r\n", "0\r\n\r\n")]
#[case::identity("transfer-encoding: identity\r\n", "0\r\n\r\n")]
#[case::chunked_is_not_last("transfer-encoding: chunked, gzip\r\n", "0\r\n\r\n")]
#[case::compressed("transfer-encoding: gzip, chunked\r\n", "0\r\n\r\n")]
#[case::chunked_twice(
    "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
    "0\r\n\r\n"
)]
#[case::odd_space("transfer-encoding: \u{b}chunked\r\n", "0\r\n\r\n")]
#[case::folded("transfer-encoding:\r\n chunked\r\n", "0\r\n\r\n")]
#[case::name_with_space("transfer-encoding : chunked\r\n", "0\r\n\r\n")]
#[case::two_hosts("host: evil.example\r\n", "")]
#[case::header_without_colon("x\r\n", "")]
#[case::nul("x: a\0b\r\n", "")]
#[tokio::test]
async fn bad_framing_never_reaches_the_app(#[case] lines: &str, #[case] body: &str) {
    let wiki = ByHand::start().await;
    let who = &wiki.who;
    let request = format!("POST /first HTTP/1.1\r\n{who}{lines}connection: close\r\n\r\n{body}");
    let (status, text) = wiki.send(&request).await;
    assert!(
        matches!(
            status,
            Some(StatusCode::BAD_REQUEST | StatusCode::MISDIRECTED_REQUEST)
        ),
        "{text}"
    );
    assert!(wiki.seen().is_empty(), "{:?}", wiki.seen());
}

/// RFC 9112 §6.1: both a length and a coding. The coding counts, the length is gone, and the connection ends,
/// so that nothing behind it is taken for a request.
#[rstest]
#[case::length_first("content-length: 4\r\ntransfer-encoding: chunked\r\n")]
#[case::coding_first("transfer-encoding: chunked\r\ncontent-length: 4\r\n")]
#[tokio::test]
async fn a_length_beside_a_coding_ends_the_connection(#[case] lines: &str) {
    let wiki = ByHand::start().await;
    let who = &wiki.who;
    let head = format!("POST /first HTTP/1.1\r\n{who}{lines}\r\n");
    let second = format!("GET /smuggled HTTP/1.1\r\n{who}\r\n");
    let request = format!("{head}3\r\nabc\r\n0\r\n\r\n{second}");
    // The broker ends the connection by itself: `raw::bytes` would fail otherwise.
    let (status, text) = wiki.send(&request).await;
    assert_eq!(status, Some(StatusCode::OK), "{text}");
    let seen = wiki.seen();
    assert_eq!(seen.len(), 1, "{seen:#?}");
    assert_eq!(seen[0].start, "POST /first HTTP/1.1");
    assert_eq!(seen[0].body, b"abc");
    assert_eq!(seen[0].only("transfer-encoding"), "chunked");
    assert!(seen[0].values("content-length").is_empty());
}

#[rstest]
#[case::bad_size("zz\r\nabc\r\n0\r\n\r\n")]
#[case::negative_size("-3\r\nabc\r\n0\r\n\r\n")]
#[case::huge_size("ffffffffffffffffff\r\nabc\r\n0\r\n\r\n")]
#[case::longer_than_it_says("2\r\nabcdef\r\n0\r\n\r\n")]
#[tokio::test]
async fn bad_chunks_are_never_a_whole_request(#[case] body: &str) {
    let wiki = ByHand::start().await;
    let who = &wiki.who;
    let request = format!(
        "POST /first HTTP/1.1\r\n{who}transfer-encoding: chunked\r\n\
         connection: close\r\n\r\n{body}"
    );
    let (status, text) = wiki.send(&request).await;
    assert!(
        status.is_none_or(|status| status.is_client_error()),
        "{text}"
    );
    assert!(wiki.seen().is_empty(), "{:?}", wiki.seen());
}

/// The connection to the app is shared: whatever a client sends behind its request stays on its own.
#[tokio::test]
async fn pipelined_requests_are_judged_one_by_one() {
    let wiki = ByHand::start().await;
    let who = &wiki.who;
    let request = format!(
        "GET /one HTTP/1.1\r\n{who}\r\n\
         GET /two HTTP/1.1\r\nhost: {}\r\nx-auth-request-user: root\r\nconnection: close\r\n\r\n",
        wiki.host
    );
    let (status, text) = wiki.send(&request).await;
    assert_eq!(status, Some(StatusCode::OK));
    assert!(text.contains("401 Unauthorized"), "{text}");
    let seen = wiki.seen();
    assert_eq!(seen.len(), 1, "{seen:#?}");
    assert_eq!(seen[0].start, "GET /one HTTP/1.1");
}
