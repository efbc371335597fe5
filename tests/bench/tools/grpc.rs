//! Envoy's question: how it is put, asked as often as it is answered, and what answers it when there is nothing to
//! decide.

// The very messages of the product, so that both sides pay the same for them.
#[path = "../../../src/web/ext_authz/messages.rs"]
#[expect(dead_code, reason = "the product's, of which a part is used here")]
mod messages;

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use prost::Message as _;
use serde_json::json;
use tonic::body::Body;
use tonic_prost::ProstCodec;

use messages::{
    AttributeContext, CHECK, CheckRequest, CheckResponse, HeaderEntry, HttpRequest, Request,
};

#[derive(Debug, clap::Args)]
pub(crate) struct WriteDown {
    /// A file with a check as nginx asks it; `{handle}` stands for the handle.
    check: PathBuf,
    /// A file with a handle on its first line.
    handles: PathBuf,
    /// Where the question goes: a message with its length in front.
    question: PathBuf,
}

/// The question about the same request.
pub(crate) fn question(arguments: &WriteDown) -> anyhow::Result<()> {
    let check = std::fs::read_to_string(&arguments.check)?;
    let handles = std::fs::read_to_string(&arguments.handles)?;
    let handle = handles.lines().next().context("a handle")?;
    let check = check.replace("{handle}", handle);
    let lines = check
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "));
    let mut http = HttpRequest {
        method: "GET".to_owned(),
        scheme: "http".to_owned(),
        ..HttpRequest::default()
    };
    let put = |headers: &mut Vec<HeaderEntry>, key: &str, value: &str| {
        headers.push(HeaderEntry {
            key: Bytes::copy_from_slice(key.to_ascii_lowercase().as_bytes()),
            value: Bytes::copy_from_slice(value.as_bytes()),
        });
    };
    for (name, value) in lines {
        match name {
            "Host" => value.clone_into(&mut http.host),
            "X-Original-URL" => {
                let rest = value.split_once("://").map_or("", |(_, rest)| rest);
                let path = rest.find('/').and_then(|at| rest.get(at..));
                path.unwrap_or("/").clone_into(&mut http.path);
            }
            "X-Original-Method" => {}
            _ => put(&mut http.headers, name, value),
        }
    }
    for (name, value) in [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", &http.host.clone()),
        (":path", &http.path.clone()),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-for", "203.0.113.7"),
        ("x-request-id", "3d0abc85-7ddb-49b1-ae2a-c1781474bd13"),
    ] {
        put(&mut http.headers, name, value);
    }
    let question = CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(Request { http: Some(http) }),
        }),
    };
    std::fs::write(&arguments.question, framed(&question))?;
    Ok(())
}

fn framed(message: &impl prost::Message) -> Vec<u8> {
    let body = message.encode_to_vec();
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut framed = vec![0];
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(&body);
    framed
}

#[derive(Debug, clap::Args)]
pub(crate) struct Bare {
    listen: SocketAddr,
    /// A file with the answer: a message with its length in front.
    answer: PathBuf,
}

/// A service of tonic's that reads the question and gives one answer.
pub(crate) async fn bare(arguments: Bare) -> anyhow::Result<()> {
    let answer = Bytes::from(std::fs::read(arguments.answer)?);
    let service = OneAnswer(CheckResponse::decode(answer.slice(5..))?);
    tonic::transport::Server::builder()
        .add_service(service)
        .serve(arguments.listen)
        .await?;
    Ok(())
}

#[derive(Clone, Debug)]
struct OneAnswer(CheckResponse);

impl tonic::server::NamedService for OneAnswer {
    const NAME: &'static str = "envoy.service.auth.v3.Authorization";
}

impl tower::Service<http::Request<Body>> for OneAnswer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answer = self.0.clone();
        Box::pin(async move {
            let service = tower::service_fn(move |question: tonic::Request<CheckRequest>| {
                let answer = answer.clone();
                async move {
                    std::hint::black_box(question.into_inner());
                    Ok::<_, tonic::Status>(tonic::Response::new(answer))
                }
            });
            let codec = ProstCodec::<CheckResponse, CheckRequest>::default();
            Ok(tonic::server::Grpc::new(codec)
                .unary(service, request)
                .await)
        })
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Ask {
    address: SocketAddr,
    question: PathBuf,
    /// Where the answer goes.
    answer: PathBuf,
}

/// Asks once.
pub(crate) fn ask(arguments: &Ask) -> anyhow::Result<()> {
    let mut connection = Connection::open(arguments.address, &std::fs::read(&arguments.question)?)?;
    connection.ask(1)?;
    while connection.read()? == 0 {}
    let answer = CheckResponse::decode(connection.data.get(5..).context("an answer")?)?;
    let allowed = answer.status.is_some_and(|status| status.code == 0);
    anyhow::ensure!(allowed, "it may not pass");
    std::fs::write(&arguments.answer, &connection.data)?;
    crate::tell(&json!({ "bytes": connection.data.len() }))?;
    Ok(())
}

#[derive(Debug, clap::Args)]
pub(crate) struct Loop {
    address: SocketAddr,
    question: PathBuf,
    /// How long every answer is, in bytes.
    answer_bytes: u64,
    #[arg(long)]
    seconds: f64,
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Questions at a time on each connection.
    #[arg(long, default_value_t = 8)]
    at_a_time: u32,
}

/// As many questions as are answered. Never sleeps, as [`crate::closed_loop`] does not.
pub(crate) fn closed_loop(arguments: &Loop) -> anyhow::Result<()> {
    let question = std::fs::read(&arguments.question)?;
    let mut connections = Vec::new();
    for _ in 0..arguments.connections {
        let mut connection = Connection::open(arguments.address, &question)?;
        connection.stream.set_nonblocking(true)?;
        connection.ask(arguments.at_a_time)?;
        connections.push(connection);
    }
    let until = Instant::now() + Duration::from_secs_f64(arguments.seconds);
    let mut count: u64 = 0;
    while Instant::now() < until {
        for connection in &mut connections {
            let answered = connection.read()?;
            if answered > 0 {
                let expected = u64::from(answered) * arguments.answer_bytes;
                connection.received += u64::try_from(connection.data.len())?;
                connection.data.clear();
                connection.expected += expected;
                count += u64::from(answered);
                connection.ask(answered)?;
            }
        }
    }
    for connection in &connections {
        // What is under way may have come in part.
        let ahead = connection.received.abs_diff(connection.expected);
        let most = u64::from(arguments.at_a_time) * arguments.answer_bytes;
        anyhow::ensure!(ahead <= most, "an answer of another length");
    }
    crate::tell(&json!({ "count": count }))?;
    Ok(())
}

/// What an HTTP/2 client says first (RFC 9113 §3.4): no settings of its own, and a window that never closes.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\
    \0\0\0\x04\0\0\0\0\0\
    \0\0\x04\x08\0\0\0\0\0\x7f\xff\0\0";

/// One HTTP/2 connection, as much of it as one question needs.
struct Connection {
    stream: TcpStream,
    /// HEADERS and DATA of a question; the stream's number is filled in.
    question: Vec<u8>,
    /// Where that is.
    numbers: [usize; 2],
    next: u32,
    buffer: Vec<u8>,
    out: Vec<u8>,
    /// What DATA frames brought.
    data: Vec<u8>,
    received: u64,
    expected: u64,
}

impl Connection {
    fn open(address: SocketAddr, body: &[u8]) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.write_all(HELLO)?;
        let headers = head();
        let mut question = Vec::new();
        frame(&mut question, 1, 0x4, &headers);
        let second = question.len();
        frame(&mut question, 0, 0x1, body);
        Ok(Self {
            stream,
            question,
            numbers: [5, second + 5],
            next: 1,
            buffer: Vec::with_capacity(64 * 1024),
            out: Vec::new(),
            data: Vec::new(),
            received: 0,
            expected: 0,
        })
    }

    fn ask(&mut self, times: u32) -> io::Result<()> {
        for _ in 0..times {
            for at in self.numbers {
                if let Some(place) = self.question.get_mut(at..at + 4) {
                    place.copy_from_slice(&self.next.to_be_bytes());
                }
            }
            self.out.extend_from_slice(&self.question);
            self.next += 2;
        }
        self.stream.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// Reads what is there. How many answers it ended.
    fn read(&mut self) -> anyhow::Result<u32> {
        let mut piece = [0; 16 * 1024];
        let count = match self.stream.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            count => count?,
        };
        anyhow::ensure!(count > 0, "the server closed the connection");
        self.buffer
            .extend_from_slice(piece.get(..count).unwrap_or_default());
        let mut answered = 0;
        let mut used = 0;
        while let Some([a, b, c, kind, flags, _, _, _, _]) = self.buffer.get(used..used + 9) {
            let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
            let Some(payload) = self.buffer.get(used + 9..used + 9 + length) else {
                break;
            };
            match (kind, flags & 1) {
                (0, _) => self.data.extend_from_slice(payload),
                // The trailers end it.
                (1, 1) => answered += 1,
                (4, 0) => frame(&mut self.out, 4, 1, &[]),
                (6, 0) => frame(&mut self.out, 6, 1, payload),
                (3 | 7, _) => anyhow::bail!("the server gave up"),
                _ => {}
            }
            used += 9 + length;
        }
        self.buffer.drain(..used);
        Ok(answered)
    }
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, payload: &[u8]) {
    let length = u32::try_from(payload.len())
        .unwrap_or(u32::MAX)
        .to_be_bytes();
    out.extend_from_slice(length.get(1..).unwrap_or_default());
    out.extend_from_slice(&[kind, flags, 0, 0, 0, 0]);
    out.extend_from_slice(payload);
}

/// The fields of a question, none of them indexed (RFC 7541 §6.2.2), so that each is like the first.
fn head() -> Vec<u8> {
    // `:method: POST` and `:scheme: http` stand in the static table.
    let mut head = vec![0x83, 0x86];
    let mut text = |name: &[u8], value: &str| {
        head.extend_from_slice(name);
        head.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
        head.extend_from_slice(value.as_bytes());
    };
    text(&[0x04], CHECK);
    text(&[0x01], "doorward");
    text(&[0x0f, 0x10], "application/grpc");
    text(&[0x00, 2, b't', b'e'], "trailers");
    head
}
