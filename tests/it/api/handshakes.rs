//! The layers on real connections: HTTP/1.1, HTTP/2, and the handshake of a WebSocket.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use doorward::api::BearerLayer;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rstest::rstest;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Issuer, whoami};

/// The app on a free port, for as long as the test runs.
async fn served(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn status(address: SocketAddr, http2: bool, authorization: Option<&str>) -> u16 {
    let stream = TokioIo::new(TcpStream::connect(address).await.expect("a connection"));
    let mut request = Request::get(format!("http://{address}/"));
    if !http2 {
        request = Request::get("/").header("host", address.to_string());
    }
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    let request = request
        .body(Empty::<bytes::Bytes>::new())
        .expect("a request");
    let response = if http2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
                .await
                .expect("HTTP/2");
        tokio::spawn(connection);
        sender.send_request(request).await
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
            .await
            .expect("HTTP/1.1");
        tokio::spawn(connection);
        sender.send_request(request).await
    };
    response.expect("an answer").status().as_u16()
}

#[rstest]
#[case::http1(false)]
#[case::http2(true)]
#[tokio::test]
async fn both_versions_are_guarded_alike(#[case] http2: bool) {
    let issuer = Issuer::new();
    let address = served(whoami(issuer.trusted())).await;
    let good = format!("Bearer {}", issuer.token(&json!({})));
    assert_eq!(status(address, http2, Some(&good)).await, 200);
    assert_eq!(status(address, http2, Some("Bearer x")).await, 401);
    assert_eq!(status(address, http2, None).await, 401);
}

/// Agrees to a WebSocket. What is said on it is not this test's matter.
async fn upgrade() -> Response<Body> {
    let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-accept", accept)
        .body(Body::empty())
        .expect("an answer")
}

#[tokio::test]
async fn a_handshake_of_a_websocket_is_a_request_like_any_other() {
    let issuer = Issuer::new();
    let app = Router::new()
        .route("/", get(upgrade))
        .layer(BearerLayer::new(issuer.trusted()));
    let address = served(app).await;
    let token = issuer.token(&json!({}));
    for (authorization, expected) in [
        (String::new(), "HTTP/1.1 401 "),
        ("Authorization: Bearer x\r\n".into(), "HTTP/1.1 401 "),
        (
            format!("Authorization: Bearer {token}\r\n"),
            "HTTP/1.1 101 ",
        ),
    ] {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let handshake = format!(
            "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{authorization}\r\n"
        );
        stream.write_all(handshake.as_bytes()).await.expect("sent");
        let mut begin = [0; 13];
        stream.read_exact(&mut begin).await.expect("an answer");
        assert_eq!(String::from_utf8_lossy(&begin), expected);
    }
}
