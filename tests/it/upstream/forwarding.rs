//! What goes to the app and what comes back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use rstest::rstest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};

use super::*;
use crate::support::app::{Conduct, ok};
use crate::support::nodes::{BOARD, SOLO, app_cookie};
use crate::support::raw;

#[tokio::test]
async fn a_person_signs_in_and_sees_the_app() {
    let app = App::start().await;
    let broker = before(&app).await;
    let mut browser = broker.browser();
    let page = browser.visit(&broker.url(WIKI, "/page?x=1&y=%20a")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.html(), "hello from the app");
    assert_eq!(page.chain[0].status, StatusCode::FOUND);
    let seen = app.last();
    assert_eq!(seen.start, "GET /page?x=1&y=%20a HTTP/1.1");
    assert_eq!(app.count(), 1, "nothing reached the app before");
    let port = broker.address.port();
    assert_eq!(seen.only("host"), format!("{WIKI}:{port}"));
    assert_eq!(seen.only("x-auth-request-user").len(), 32);
    assert_eq!(seen.only("x-auth-request-email"), "ada@example.com");
    assert_eq!(seen.only("x-forwarded-host"), format!("{WIKI}:{port}"));
    assert_eq!(seen.only("x-forwarded-proto"), "http");
    assert!(seen.values("cookie").is_empty(), "{seen:?}");
}

#[tokio::test]
async fn the_host_can_be_the_apps_own() {
    let app = App::start().await;
    let upstream = format!(
        "{{ address = \"http://{}\", host = \"upstream\" }}",
        app.address
    );
    let broker = start(configuration(&upstream, "")).await;
    signed_in(&broker).await;
    let seen = app.last();
    assert_eq!(seen.only("host"), app.address.to_string());
    assert!(seen.only("x-forwarded-host").starts_with(WIKI));
}

#[rstest]
#[case::post(Method::POST, "a=b")]
#[case::put(Method::PUT, "x")]
#[case::delete(Method::DELETE, "")]
#[case::own("PURGE".parse().expect("a method"), "")]
#[tokio::test]
async fn methods_and_bodies_go_on(#[case] method: Method, #[case] body: &str) {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = signed_in(&broker).await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    let host = format!("{WIKI}:{}", broker.address.port());
    let headers = [("host", &*host), ("cookie", &*cookie)];
    let body = Bytes::copy_from_slice(body.as_bytes());
    let answer = raw::send(broker.address, method.clone(), "/x", &headers, body.clone()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let seen = app.last();
    assert_eq!(seen.start, format!("{method} /x HTTP/1.1"));
    assert_eq!(seen.body, body);
}

#[tokio::test]
async fn a_head_has_the_length_of_what_it_leaves_out() {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = signed_in(&broker).await;
    app.now(Conduct::Says(
        b"HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n".into(),
    ));
    let page = browser
        .request(Method::HEAD, &broker.url(WIKI, "/"), &[])
        .await;
    assert_eq!(page.header("content-length"), "1234");
    assert!(page.body.is_empty());
}

/// The first part is here before the app has the second, in both directions.
#[tokio::test]
async fn bodies_stream_both_ways() {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = signed_in(&broker).await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    let gate = Arc::new(Semaphore::new(0));
    app.now(Conduct::InTwoParts(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n".into(),
        Arc::clone(&gate),
        b"6\r\nsecond\r\n0\r\n\r\n".into(),
    ));
    let mut stream = TcpStream::connect(broker.address)
        .await
        .expect("a connection");
    let head = format!(
        "POST /up HTTP/1.1\r\nhost: {WIKI}:{}\r\ncookie: {cookie}\r\ntransfer-encoding: chunked\r\n\
         connection: close\r\n\r\n2\r\nab\r\n",
        broker.address.port()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream
        .write_all(b"2\r\ncd\r\n0\r\n\r\n")
        .await
        .expect("sent");
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains("first") {
        assert!(stream.read_buf(&mut read).await.expect("an answer") > 0);
    }
    assert!(!String::from_utf8_lossy(&read).contains("second"));
    gate.add_permits(1);
    stream.read_to_end(&mut read).await.expect("the rest");
    assert!(String::from_utf8_lossy(&read).contains("second"));
    assert_eq!(app.last().body, b"abcd");
}

#[tokio::test]
async fn a_large_body_comes_through_whole() {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = signed_in(&broker).await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    let host = format!("{WIKI}:{}", broker.address.port());
    let body: Bytes = (0..4_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    app.now(ok(&"z".repeat(3_000_000), ""));
    let headers = [("host", &*host), ("cookie", &*cookie)];
    let answer = raw::send(broker.address, Method::PUT, "/", &headers, body.clone()).await;
    assert_eq!(answer.body().len(), 3_000_000);
    let seen = app.last();
    assert_eq!(seen.only("content-length"), body.len().to_string());
    assert_eq!(seen.body, body);
}

#[tokio::test]
async fn the_answer_comes_back_without_what_was_between_us() {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = signed_in(&broker).await;
    app.now(ok(
        "x",
        "connection: x-inner, keep-alive\r\nx-inner: 1\r\nkeep-alive: timeout=5\r\n\
         proxy-connection: x\r\nset-cookie: a=b\r\nset-cookie: __Host-dwa=planted; Path=/; Secure\r\n\
         set-cookie: c=d\r\nx-own: yes\r\nserver: the-app\r\n",
    ));
    let page = browser
        .request(Method::GET, &broker.url(WIKI, "/"), &[])
        .await;
    for gone in ["connection", "x-inner", "keep-alive", "proxy-connection"] {
        assert!(
            !page.headers.contains_key(gone),
            "{gone}: {:?}",
            page.headers
        );
    }
    assert_eq!(raw::values(&page.headers, "set-cookie"), ["a=b", "c=d"]);
    assert_eq!(page.header("x-own"), "yes");
    assert_eq!(page.header("server"), "the-app");
}

#[rstest]
#[case::redirect(
    "HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n",
    302
)]
#[case::unauthorized(
    "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic\r\ncontent-length: 0\r\n\r\n",
    401
)]
#[case::error("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", 503)]
#[case::nothing("HTTP/1.1 204 No Content\r\n\r\n", 204)]
#[case::early_hints(
    "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    200
)]
#[case::older("HTTP/1.0 200 OK\r\n\r\nold", 200)]
#[tokio::test]
async fn what_the_app_answers_is_the_answer(#[case] answer: &str, #[case] status: u16) {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = signed_in(&broker).await;
    app.now(Conduct::SaysAndCloses(answer.into()));
    let page = browser
        .request(Method::GET, &broker.url(WIKI, "/"), &[])
        .await;
    assert_eq!(page.status, status);
}

#[tokio::test]
async fn a_public_path_is_told_nobody() {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = broker.browser();
    let forged = [("x-auth-request-user", "root")];
    let page = browser
        .request(Method::GET, &broker.url(BOARD, "/public/x"), &forged)
        .await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(app.last().only("x-auth-request-user"), "");
}

/// Our own addresses stay ours, and everything else of that host is the app's.
#[tokio::test]
async fn only_what_is_not_ours_is_forwarded() {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = signed_in(&broker).await;
    let before = app.count();
    for (path, status) in [
        ("/oauth2/userinfo", 200),
        ("/oauth2/auth", 404),
        ("/oauth2/%61uth", 404),
        ("/oauth2/auth/x", 404),
        ("/oauth2/nothing", 404),
        ("/%6fauth2/userinfo", 404),
        ("/oauth2", 404),
    ] {
        let page = browser
            .request(Method::GET, &broker.url(WIKI, path), &[])
            .await;
        assert_eq!(page.status, status, "{path}");
    }
    assert_eq!(app.count(), before);
    for path in [
        "/healthz",
        "/metrics",
        "/login",
        "/oauth2x",
        "/OAuth2/auth",
        "/api/authz/auth-request",
    ] {
        let page = browser
            .request(Method::GET, &broker.url(WIKI, path), &[])
            .await;
        assert_eq!(page.html(), "hello from the app", "{path}");
        assert_eq!(app.last().start, format!("GET {path} HTTP/1.1"));
    }
}

/// What has no upstream is as it was: the check, pages, health.
#[tokio::test]
async fn other_hosts_are_not_touched() {
    let app = App::start().await;
    let broker = before(&app).await;
    let mut browser = broker.browser();
    let page = broker.sign_in(&mut browser, SOLO, "/page").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    let checked = broker.check(&browser, "GET", SOLO, "/").await;
    assert_eq!(checked.status, StatusCode::ACCEPTED);
    let host = broker.address.to_string();
    let health = raw::get(broker.address, "/healthz", &[("host", &host)]).await;
    assert_eq!(health.status(), StatusCode::OK);
    assert_eq!(app.count(), 0);
}

/// RFC 9112 §3.2.2: the host of the start line counts, and the app hears no other.
#[tokio::test]
async fn a33_an_absolute_address_decides_the_app() {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = signed_in(&broker).await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    let port = broker.address.port();
    let request = format!(
        "GET http://{WIKI}:{port}/x HTTP/1.1\r\nhost: {BOARD}:{port}\r\ncookie: {cookie}\r\n\
         connection: close\r\n\r\n"
    );
    let (status, _) = raw::bytes(broker.address, request.as_bytes()).await;
    assert_eq!(status, Some(StatusCode::OK));
    let seen = app.last();
    assert_eq!(seen.start, "GET /x HTTP/1.1");
    assert_eq!(seen.only("host"), format!("{WIKI}:{port}"));
}

/// What is under way when we stop may finish.
#[tokio::test]
async fn a_request_under_way_outlives_the_stop() {
    let app = App::start().await;
    let broker = before(&app).await;
    let browser = signed_in(&broker).await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = watch::channel(false);
    let front = doorward::web::front::Front::new(&broker.door, true);
    let serving = tokio::spawn(doorward::web::connections::serve(
        listener,
        front,
        async move {
            let mut stopped = stopped;
            let _ = stopped.wait_for(|stop| *stop).await;
        },
    ));
    let gate = Arc::new(Semaphore::new(0));
    app.now(Conduct::InTwoParts(
        b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf".into(),
        Arc::clone(&gate),
        b"half".into(),
    ));
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let host = format!("{WIKI}:{}", broker.address.port());
    let head = format!("GET / HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains("half") {
        assert!(stream.read_buf(&mut read).await.expect("an answer") > 0);
    }
    stop.send(true).expect("it listens");
    assert!(!serving.is_finished());
    gate.add_permits(1);
    let rest = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut read));
    rest.await.expect("in time").expect("the rest");
    assert!(String::from_utf8_lossy(&read).ends_with("halfhalf"));
    let ended = tokio::time::timeout(Duration::from_secs(10), serving).await;
    ended.expect("in time").expect("no panic");
}
