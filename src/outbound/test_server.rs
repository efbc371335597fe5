//! A tiny HTTP/1.1 server on loopback that answers in raw bytes, so that it can misbehave in any way.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use url::Url;

/// What the server does with a request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// These bytes, and the connection is closed.
    Bytes(Vec<u8>),
    /// Headers, and then a body without end.
    Flood,
    /// Nothing, ever; the connection stays open.
    Silence,
    /// Nothing: the connection is closed.
    Hangup,
    /// Headers at once, the body never.
    HeadersOnly,
    /// The bytes, once a permit is given.
    Gated(Arc<Semaphore>, Vec<u8>),
}

/// Status 200 with a JSON body and further header lines.
pub(crate) fn json(body: &str, headers: &str) -> Answer {
    response("200 OK", "application/json", body, headers)
}

/// Any response.
pub(crate) fn response(status: &str, content_type: &str, body: &str, headers: &str) -> Answer {
    let length = body.len();
    Answer::Bytes(
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\
             connection: close\r\n{headers}\r\n{body}"
        )
        .into_bytes(),
    )
}

/// A server that counts its requests and keeps their heads.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    scheme: &'static str,
    state: Arc<State>,
}

struct State {
    answer: Mutex<Answer>,
    hits: AtomicUsize,
    heads: Mutex<Vec<String>>,
}

impl TestServer {
    pub(crate) async fn start(answer: Answer) -> Self {
        Self::listen(answer, None).await
    }

    pub(crate) async fn start_tls(answer: Answer, tls: rustls::ServerConfig) -> Self {
        Self::listen(answer, Some(TlsAcceptor::from(Arc::new(tls)))).await
    }

    async fn listen(answer: Answer, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let state = Arc::new(State {
            answer: Mutex::new(answer),
            hits: AtomicUsize::new(0),
            heads: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                let tls = tls.clone();
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &state).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &state).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            scheme,
            state,
        }
    }

    /// What is answered from now on.
    pub(crate) fn answer(&self, answer: Answer) {
        *self.state.answer.lock().expect("not poisoned") = answer;
    }

    /// How many requests have arrived.
    pub(crate) fn hits(&self) -> usize {
        self.state.hits.load(Ordering::SeqCst)
    }

    /// The start line and headers of the last request.
    pub(crate) fn last_head(&self) -> String {
        let heads = self.state.heads.lock().expect("not poisoned");
        heads.last().expect("a request has arrived").clone()
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        self.url_at(&self.address.ip().to_string(), path)
    }

    /// The same server under another host name.
    pub(crate) fn url_at(&self, host: &str, path: &str) -> Url {
        let text = format!("{}://{host}:{}{path}", self.scheme, self.address.port());
        Url::parse(&text).expect("a URL")
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, state: &State) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte).await {
            Ok(1) => head.extend_from_slice(&byte),
            _ => return,
        }
    }
    state
        .heads
        .lock()
        .expect("not poisoned")
        .push(String::from_utf8_lossy(&head).into_owned());
    state.hits.fetch_add(1, Ordering::SeqCst);
    let answer = state.answer.lock().expect("not poisoned").clone();
    // The other side may hang up at any time; that is what some tests are about.
    let _ = match answer {
        Answer::Bytes(bytes) => stream.write_all(&bytes).await,
        Answer::Flood => flood(&mut stream).await,
        Answer::Silence => std::future::pending().await,
        Answer::Hangup => Ok(()),
        Answer::HeadersOnly => {
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n")
                .await;
            std::future::pending().await
        }
        Answer::Gated(gate, bytes) => {
            let _permit = gate.acquire().await;
            stream.write_all(&bytes).await
        }
    };
    let _ = stream.shutdown().await;
}

async fn flood(stream: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<()> {
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
        .await?;
    loop {
        stream.write_all(&[b' '; 8192]).await?;
    }
}
