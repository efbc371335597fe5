//! An Envoy that asks over gRPC, with messages of its own: as Envoy's `.proto` files have them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut as _, Bytes, BytesMut};
use doorward::web::ext_authz::{self, ExtAuthz};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Frame;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::broker::Broker;

/// The one method there is.
pub(crate) const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

#[derive(Clone, PartialEq, Message)]
pub(crate) struct CheckRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) attributes: Option<AttributeContext>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AttributeContext {
    #[prost(message, optional, tag = "1")]
    pub(crate) source: Option<Peer>,
    #[prost(message, optional, tag = "4")]
    pub(crate) request: Option<AttributeRequest>,
    #[prost(map = "string, string", tag = "10")]
    pub(crate) context_extensions: std::collections::HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Peer {
    #[prost(string, tag = "2")]
    pub(crate) service: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AttributeRequest {
    #[prost(message, optional, tag = "2")]
    pub(crate) http: Option<HttpRequest>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct HttpRequest {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(string, tag = "2")]
    pub(crate) method: String,
    #[prost(btree_map = "string, string", tag = "3")]
    pub(crate) headers: BTreeMap<String, String>,
    #[prost(string, tag = "4")]
    pub(crate) path: String,
    #[prost(string, tag = "5")]
    pub(crate) host: String,
    #[prost(string, tag = "6")]
    pub(crate) scheme: String,
    #[prost(int64, tag = "9")]
    pub(crate) size: i64,
    #[prost(string, tag = "10")]
    pub(crate) protocol: String,
    #[prost(message, optional, tag = "13")]
    pub(crate) header_map: Option<RawHeaders>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RawHeaders {
    #[prost(message, repeated, tag = "1")]
    pub(crate) headers: Vec<HeaderValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct CheckResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) status: Option<RpcStatus>,
    #[prost(message, optional, tag = "2")]
    pub(crate) denied: Option<DeniedHttpResponse>,
    #[prost(message, optional, tag = "3")]
    pub(crate) ok: Option<OkHttpResponse>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct DeniedHttpResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) status: Option<HttpStatus>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) headers: Vec<HeaderValueOption>,
    #[prost(string, tag = "3")]
    pub(crate) body: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct HttpStatus {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct OkHttpResponse {
    #[prost(message, repeated, tag = "2")]
    pub(crate) headers: Vec<HeaderValueOption>,
    #[prost(string, repeated, tag = "5")]
    pub(crate) headers_to_remove: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct HeaderValueOption {
    #[prost(message, optional, tag = "1")]
    pub(crate) header: Option<HeaderValue>,
    /// `google.protobuf.BoolValue`.
    #[prost(message, optional, tag = "2")]
    pub(crate) append: Option<bool>,
    #[prost(int32, tag = "3")]
    pub(crate) append_action: i32,
    #[prost(bool, tag = "4")]
    pub(crate) keep_empty_value: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct HeaderValue {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) raw_value: Bytes,
}

/// A question as Envoy puts it: start line, and the client's headers.
pub(crate) fn question(method: &str, host: &str, path: &str, headers: &HeaderMap) -> CheckRequest {
    let mut told: BTreeMap<String, String> = BTreeMap::from([
        (":method".into(), method.into()),
        (":path".into(), path.into()),
        (":authority".into(), host.into()),
        (":scheme".into(), "http".into()),
    ]);
    for (name, value) in headers {
        if name == "host" {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        told.entry(name.to_string())
            .and_modify(|joined| *joined = format!("{joined},{value}"))
            .or_insert_with(|| value.into_owned());
    }
    about(HttpRequest {
        id: "7".into(),
        method: method.into(),
        headers: told,
        path: path.into(),
        host: host.into(),
        scheme: "http".into(),
        size: -1,
        protocol: "HTTP/1.1".into(),
        header_map: None,
    })
}

/// The question about a request.
pub(crate) fn about(http: HttpRequest) -> CheckRequest {
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(Peer {
                service: "edge".into(),
            }),
            request: Some(AttributeRequest { http: Some(http) }),
            context_extensions: [("virtual_host".to_owned(), "x".to_owned())].into(),
        }),
    }
}

/// A broker's gRPC listener.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Listener {
    pub(crate) async fn start(broker: &Broker) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, mut stopped) = watch::channel(false);
        let stopped = async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let asked = ExtAuthz::new(&broker.door);
        let serving = tokio::spawn(ext_authz::serve(listener, asked, stopped));
        Self {
            address,
            stop,
            serving,
        }
    }

    /// Takes no new connections. Ends when all questions have been answered.
    pub(crate) fn stop(self) -> JoinHandle<()> {
        let _ = self.stop.send(true);
        self.serving
    }

    pub(crate) async fn envoy(&self) -> Envoy {
        Envoy::connect(self.address).await
    }
}

/// An HTTP/2 connection.
#[derive(Clone)]
pub(crate) struct Envoy(SendRequest<Full<Bytes>>);

/// `grpc-status` of an answer that is none.
pub(crate) type NoAnswer = String;

impl Envoy {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("a handshake");
        tokio::spawn(connection);
        Self(sender)
    }

    /// Asks.
    pub(crate) async fn check(
        &mut self,
        question: &CheckRequest,
    ) -> Result<CheckResponse, NoAnswer> {
        let (head, trailers, body) = self
            .send(Method::POST, CHECK, "application/grpc", framed(question))
            .await;
        assert_eq!(head.status(), StatusCode::OK);
        let status = trailers
            .get("grpc-status")
            .or(head.headers().get("grpc-status"));
        match status.expect("a status").to_str().expect("text") {
            "0" => Ok(CheckResponse::decode(&body[5..]).expect("a message")),
            other => Err(other.to_owned()),
        }
    }

    /// Any request: head, trailers, body.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> (Response<()>, HeaderMap, Bytes) {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://doorward{path}"))
            .header("content-type", kind)
            .header("te", "trailers")
            .body(Full::new(body))
            .expect("a request");
        let answer = self.0.send_request(request).await.expect("an answer");
        let (head, body) = answer.into_parts();
        let body = body.collect().await.expect("a body");
        let trailers = body.trailers().cloned().unwrap_or_default();
        (Response::from_parts(head, ()), trailers, body.to_bytes())
    }
}

/// A body that comes in pieces, when the test sends them.
struct Pieces(UnboundedReceiver<Bytes>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let piece = self.0.poll_recv(context);
        piece.map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// Begins a question on a connection that has had an answer. Gives the headers (or trailers) with the status, and
/// where the question goes on; it ends when that is dropped.
pub(crate) async fn begin(
    address: SocketAddr,
    before: &CheckRequest,
) -> (JoinHandle<HeaderMap>, UnboundedSender<Bytes>) {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .expect("a handshake");
    tokio::spawn(connection);
    let (pieces, body) = unbounded_channel();
    pieces.send(framed(before)).expect("it listens");
    drop(pieces);
    let answer = sender.send_request(post(Pieces(body))).await;
    let body = answer.expect("an answer").into_body().collect().await;
    assert_eq!(
        body.expect("a body").trailers().expect("a status")["grpc-status"],
        "0"
    );
    let (pieces, body) = unbounded_channel();
    let answer = tokio::spawn(async move {
        let answer = sender.send_request(post(Pieces(body))).await;
        let (head, body) = answer.expect("an answer").into_parts();
        let body = body.collect().await.expect("a body");
        body.trailers().cloned().unwrap_or(head.headers)
    });
    (answer, pieces)
}

fn post(body: Pieces) -> Request<Pieces> {
    Request::builder()
        .method(Method::POST)
        .uri(format!("http://doorward{CHECK}"))
        .header("content-type", "application/grpc")
        .body(body)
        .expect("a request")
}

/// A message with its length in front.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(message.encoded_len()).expect("short"));
    message.encode(&mut bytes).expect("room");
    bytes.freeze()
}

impl CheckResponse {
    /// The HTTP status that the person or the proxy sees.
    pub(crate) fn http_status(&self) -> u16 {
        let code = self.status.as_ref().map_or(0, |status| status.code);
        match (&self.ok, &self.denied) {
            (Some(_), None) => {
                assert_eq!(code, 0);
                200
            }
            (None, Some(denied)) => {
                assert_ne!(code, 0);
                let status = denied.status.as_ref().expect("a status").code;
                u16::try_from(status).expect("a status")
            }
            both => panic!("{both:?}"),
        }
    }

    /// Its headers, all of which overwrite.
    pub(crate) fn headers(&self) -> HeaderMap {
        let options = match (&self.ok, &self.denied) {
            (Some(ok), _) => &ok.headers,
            (_, Some(denied)) => &denied.headers,
            _ => panic!("no answer"),
        };
        let mut headers = HeaderMap::new();
        for option in options {
            assert_eq!((option.append, option.append_action), (None, 2));
            assert!(option.keep_empty_value);
            let header = option.header.as_ref().expect("a header");
            headers.append(
                http::HeaderName::try_from(&header.key).expect("a name"),
                http::HeaderValue::try_from(&header.value).expect("a value"),
            );
        }
        headers
    }
}
