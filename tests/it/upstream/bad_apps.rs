//! Apps that misbehave: a page for people, a bare status for scripts, one line for the operator, and nothing
//! of what the app or the system said.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use rstest::rstest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::*;
use crate::support::app::{Conduct, ok};
use crate::support::nodes::app_cookie;
use crate::support::{audit, raw};

fn says(text: impl Into<Vec<u8>>) -> Conduct {
    Conduct::SaysAndCloses(text.into())
}

fn many_headers() -> Conduct {
    let lines = "x-many: y\r\n".repeat(200);
    says(format!(
        "HTTP/1.1 200 OK\r\n{lines}content-length: 0\r\n\r\n"
    ))
}

#[rstest]
#[case::closes_early(says(""), 502, "closed before the answer")]
#[case::closes_in_the_head(says("HTTP/1.1 200 OK\r\ncontent-le"), 502, "closed before the answer")]
#[case::huge_header(says(format!("HTTP/1.1 200 OK\r\nx-secret: {}\r\n\r\n", "s".repeat(300_000))), 502, "head of the answer is too large")]
#[case::endless_header(Conduct::Floods(b"HTTP/1.1 200 OK\r\nx-secret: ".to_vec()), 502, "head of the answer is too large")]
#[case::many_headers(many_headers(), 502, "head of the answer is too large")]
#[case::no_http(says("SSH-2.0-secret\r\n"), 502, "no HTTP")]
#[case::http2(says("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 502, "no HTTP")]
#[case::bad_length(
    says("HTTP/1.1 200 OK\r\ncontent-length: secret\r\n\r\n"),
    502,
    "no HTTP"
)]
#[case::two_lengths(
    says("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nsecret"),
    502,
    "no HTTP"
)]
#[case::switches_unasked(
    says("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: secret\r\n\r\n"),
    502,
    "nobody asked for"
)]
#[case::hangs(Conduct::Hangs, 504, "no answer within 1s")]
#[case::hangs_in_the_head(Conduct::InTwoParts(b"HTTP/1.1 200 OK\r\n".to_vec(), Arc::new(Semaphore::new(0)), Vec::new()), 504, "no answer within 1s")]
#[tokio::test]
async fn an_app_that_fails_is_reported_and_nothing_leaks(
    #[case] conduct: Conduct,
    #[case] status: u16,
    #[case] reason: &str,
) {
    let app = App::start().await;
    let broker = before_with_times(&app, "response_timeout = \"1s\"").await;
    let browser = signed_in(&broker).await;
    app.now(conduct);
    let address = app.address.to_string();
    let page = browser
        .request(Method::GET, &broker.url(WIKI, "/x?y=z"), &[])
        .await;
    assert_eq!(page.status, status, "{}", page.html());
    let line = audit::only(&page);
    assert_eq!(line.event(), "app_unavailable");
    assert!(
        line.field("reason").contains(reason),
        "{}",
        line.field("reason")
    );
    assert_eq!(
        (&*line.field("app"), &*line.field("upstream")),
        ("wiki", &*address)
    );
    let text = page.html();
    assert!(text.contains("Wiki does not answer"), "{text}");
    assert_eq!(page.link("Try again").as_str(), broker.url(WIKI, "/x?y=z"));
    for inner in ["secret", &*address, "hyper"] {
        assert!(!text.contains(inner), "{inner} in {text}");
    }
    let script = browser.fetch(&broker.url(WIKI, "/")).await;
    assert_eq!(script.status, status);
    assert!(script.html().len() < 40, "{}", script.html());
    assert_eq!(script.header("cache-control"), "no-store");
}

#[tokio::test]
async fn an_app_that_is_down_is_back_when_it_is_back() {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = signed_in(&broker).await;
    let address = app.address;
    drop(app);
    let page = browser
        .request(Method::GET, &broker.url(WIKI, "/"), &[])
        .await;
    assert_eq!(page.status, StatusCode::BAD_GATEWAY);
    let metrics = browser
        .request(Method::GET, &broker.url("acme.localhost", "/metrics"), &[])
        .await;
    let counted = "doorward_forwarded_total{tenant=\"acme\",app=\"wiki\",outcome=\"unreachable\"}";
    assert!(metrics.html().contains(counted), "{}", metrics.html());
    assert!(page.html().contains("it@acme.example"), "{address}");
}

/// A connection that was kept and has been closed meanwhile is not held against the next request.
#[tokio::test]
async fn a_connection_closed_between_two_requests_is_replaced() {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = signed_in(&broker).await;
    app.now(Conduct::SaysAndCloses(
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".into(),
    ));
    for _ in 0..20 {
        let page = browser
            .request(Method::GET, &broker.url(WIKI, "/"), &[])
            .await;
        assert_eq!(page.html(), "ok");
    }
    assert_eq!(app.count(), 21);
}

/// A body that breaks off, or stops: what has come cannot be taken back, so the connection ends, and nobody
/// can take it for whole.
#[rstest]
#[case::breaks_off(Conduct::SaysAndCloses(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart".into()))]
#[case::breaks_off_in_a_chunk(Conduct::SaysAndCloses(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\npart".into()))]
#[case::stops(Conduct::InTwoParts(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart".into(), Arc::new(Semaphore::new(0)), Vec::new()))]
#[tokio::test]
async fn half_an_answer_is_not_taken_for_a_whole_one(#[case] conduct: Conduct) {
    let app = App::start().await;
    let broker = before_with_times(&app, "idle_timeout = \"300ms\"").await;
    let browser = signed_in(&broker).await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    app.now(conduct);
    let host = format!("{WIKI}:{}", broker.address.port());
    let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\n\r\n");
    let mut stream = TcpStream::connect(broker.address)
        .await
        .expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(10), read)
        .await
        .expect("it ends");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("200 OK"), "{answer}");
    let whole = answer.contains("0\r\n\r\n") || answer.len() > 400;
    assert!(!whole, "{answer}");
}

/// A client that stops in the middle of its body holds nothing for long, and the app is not blamed.
#[tokio::test]
async fn a_client_that_stops_sending_gets_408() {
    let app = App::start().await;
    let broker = before_with_times(&app, "idle_timeout = \"300ms\"").await;
    let browser = signed_in(&broker).await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    let host = format!("{WIKI}:{}", broker.address.port());
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\ncontent-length: 10\r\n\
         connection: close\r\n\r\nabc"
    );
    let (status, text) = raw::bytes(broker.address, request.as_bytes()).await;
    assert!(
        matches!(
            status,
            Some(StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT)
        ),
        "{text}"
    );
}

/// The body takes longer than the app has for its answer: that time begins when the body is there.
#[tokio::test]
async fn a_slow_upload_is_not_a_slow_app() {
    let app = App::start().await;
    let broker = before_with_times(&app, "response_timeout = \"1s\"").await;
    let browser = signed_in(&broker).await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    let host = format!("{WIKI}:{}", broker.address.port());
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\ncontent-length: 8\r\n\
         connection: close\r\n\r\n"
    );
    let mut stream = TcpStream::connect(broker.address)
        .await
        .expect("a connection");
    stream.write_all(head.as_bytes()).await.expect("sent");
    // Twice the time that the app has.
    let mut beats = tokio::time::interval(Duration::from_millis(250));
    for _ in 0..8 {
        beats.tick().await;
        stream.write_all(b"x").await.expect("sent");
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(app.last().body, b"xxxxxxxx");
}

#[tokio::test]
async fn an_app_that_does_not_read_is_given_up() {
    let app = App::start().await;
    let broker = before_with_times(&app, "idle_timeout = \"1s\", response_timeout = \"1s\"").await;
    let browser = signed_in(&broker).await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    app.now(Conduct::HangsBeforeTheBody);
    let host = format!("{WIKI}:{}", broker.address.port());
    let headers = [("host", &*host), ("cookie", &*cookie)];
    let body = vec![b'x'; 30_000_000].into();
    let answer = raw::send(broker.address, Method::PUT, "/", &headers, body).await;
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
}

/// An app may answer before it has read the body; that answer counts.
#[tokio::test]
async fn an_early_answer_is_passed_on() {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = signed_in(&broker).await;
    app.now(ok("too large", ""));
    let page = browser
        .request(Method::POST, &broker.url(WIKI, "/"), &[])
        .await;
    assert_eq!(page.html(), "too large");
}

/// The metadata services of clouds are no apps, by address or by what a name resolves to.
#[rstest]
#[case("http://169.254.169.254")]
#[case("http://[fd00:ec2::254]")]
#[case("http://metadata.google.internal")]
#[case("http://0.0.0.0:3000")]
#[case("http://[::ffff:169.254.169.254]")]
#[case("http://2852039166")]
#[test]
fn t03_no_app_is_at_a_metadata_address(#[case] address: &str) {
    use doorward::providers::Presets;
    use doorward::tenants::Directory;

    let text = configuration(&format!("\"{address}\""), "")
        .replace("{port}", "4180")
        .replace("{issuer}", "http://127.0.0.1:9")
        .replace("{client_id}", "x");
    let environment = std::collections::BTreeMap::from([
        (
            "SEALING_KEY".to_owned(),
            "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=".to_owned(),
        ),
        ("CLIENT_SECRET".to_owned(), "x".to_owned()),
    ]);
    let file = std::path::Path::new("doorward.toml");
    let config = doorward::config::parse(&text, file, &environment).expect("right so far");
    let presets = Presets::load(None).expect("presets");
    let faults = Directory::build(&config, &presets, 1).expect_err("refused");
    assert_eq!(faults.count(), 2, "{faults}");
}
