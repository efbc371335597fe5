//! WebSockets through the broker.

use std::time::Duration;

use http::{Method, StatusCode};
use rstest::rstest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::support::app::Conduct;
use crate::support::nodes::app_cookie;
use crate::support::raw;

/// Opens one; gives the connection, and the head of the answer.
async fn open(broker: &Broker, cookie: &str, lines: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(broker.address)
        .await
        .expect("a connection");
    let host = format!("{WIKI}:{}", broker.address.port());
    let request = format!(
        "GET /ws HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\n{lines}\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("an answer"));
    }
    (
        stream,
        String::from_utf8(head).expect("text").to_lowercase(),
    )
}

const ASK: &str = "connection: keep-alive, Upgrade\r\nupgrade: websocket\r\n";

async fn ends(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
    let _ = read.expect("the connection stays open");
    assert!(rest.is_empty());
}

#[tokio::test]
async fn bytes_go_both_ways() {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = signed_in(&broker).await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    app.now(Conduct::Echoes);
    let (mut stream, head) = open(&broker, &cookie, ASK).await;
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(head.contains("\r\nupgrade: websocket\r\n"), "{head}");
    assert!(head.contains("\r\nconnection: upgrade\r\n"), "{head}");
    assert!(head.contains("\r\nsec-websocket-accept: x\r\n"), "{head}");
    for message in ["one", "two"] {
        stream.write_all(message.as_bytes()).await.expect("sent");
        let mut back = [0; 3];
        stream.read_exact(&mut back).await.expect("an echo");
        assert_eq!(&back, message.as_bytes());
    }
    let seen = app.last();
    assert_eq!(seen.only("upgrade"), "websocket");
    assert_eq!(seen.only("connection"), "upgrade");
    assert_eq!(seen.only("sec-websocket-key"), "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(seen.only("x-auth-request-user").len(), 32);
    assert!(seen.values("cookie").is_empty());
    stream.shutdown().await.expect("closed");
    ends(&mut stream).await;
}

#[tokio::test]
async fn nobody_signed_in_opens_none() {
    let app = App::start().await;
    let broker = before(&app).await;
    app.now(Conduct::Echoes);
    let (_, head) = open(&broker, "a=b", ASK).await;
    assert!(head.starts_with("http/1.1 401"), "{head}");
    assert_eq!(app.count(), 0);
}

/// Behind another protocol requests would pass that nobody has judged.
#[rstest]
#[case::h2c("connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: x\r\n")]
#[case::both("connection: upgrade\r\nupgrade: h2c, websocket\r\n")]
#[case::unnamed("upgrade: websocket\r\n")]
#[tokio::test]
async fn nothing_else_is_switched_to(#[case] lines: &str) {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = signed_in(&broker).await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    let (_, head) = open(&broker, &cookie, lines).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let seen = app.last();
    for gone in ["upgrade", "connection", "http2-settings"] {
        let stays = gone == "http2-settings"
            && !lines.contains("http2-settings,")
            && lines.contains("h2c, ");
        assert!(seen.values(gone).is_empty() || stays, "{gone}: {seen:?}");
    }
}

#[rstest]
#[case::refuses("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", "http/1.1 403")]
#[case::other_protocol(
    "HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    "http/1.1 502"
)]
#[case::no_protocol("HTTP/1.1 101 X\r\n\r\n", "http/1.1 502")]
#[tokio::test]
async fn an_app_that_does_not_agree_is_not_joined(#[case] answer: &str, #[case] expected: &str) {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = signed_in(&broker).await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    app.now(Conduct::SaysAndCloses(answer.into()));
    let (_, head) = open(&broker, &cookie, ASK).await;
    assert!(head.starts_with(expected), "{head}");
}

#[tokio::test]
async fn a_silent_one_ends() {
    let app = App::start().await;
    let broker = before_with_times(&app, "idle_timeout = \"300ms\"").await;
    let browser = signed_in(&broker).await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    app.now(Conduct::Echoes);
    let (mut stream, _) = open(&broker, &cookie, ASK).await;
    ends(&mut stream).await;
}

/// Who signs out, or is signed out, loses what is open too.
#[tokio::test]
async fn a27_a_sign_out_ends_it() {
    let app = App::start().await;
    let broker = before(&app).await;
    let mut browser = signed_in(&broker).await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    app.now(Conduct::Echoes);
    let (mut stream, head) = open(&broker, &cookie, ASK).await;
    assert!(head.starts_with("http/1.1 101"), "{head}");
    browser.open(&broker.url(WIKI, "/oauth2/sign_out")).await;
    ends(&mut stream).await;
}

/// An open one keeps nobody signed in: when the session's time is up, it ends.
#[tokio::test]
async fn it_does_not_outlive_its_session() {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = signed_in(&broker).await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    app.now(Conduct::Echoes);
    let (mut stream, _) = open(&broker, &cookie, ASK).await;
    broker.advance(Duration::from_hours(2)).await;
    ends(&mut stream).await;
    let host = format!("{WIKI}:{}", broker.address.port());
    let headers = [("host", &*host), ("cookie", &*cookie)];
    let answer = raw::send(
        broker.address,
        Method::GET,
        "/",
        &headers,
        bytes::Bytes::new(),
    )
    .await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}
