//! An app behind the broker, on loopback: it writes down each byte that it gets, and answers as told, or
//! misbehaves.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// What the app does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Conduct {
    /// Answers with these bytes, and waits for the next request.
    Says(Vec<u8>),
    /// The same, and closes the connection.
    SaysAndCloses(Vec<u8>),
    /// Reads the request and says nothing.
    Hangs,
    /// Reads the head of the request and no more, and says nothing.
    HangsBeforeTheBody,
    /// Sends the first part, and the second when it may.
    InTwoParts(Vec<u8>, Arc<Semaphore>, Vec<u8>),
    /// Sends bytes for ever, after these.
    Floods(Vec<u8>),
    /// Switches to WebSocket, and sends back what it gets.
    Echoes,
}

/// A request as the app got it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// `GET /path HTTP/1.1`.
    pub(crate) start: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Without its framing.
    pub(crate) body: Vec<u8>,
}

impl Seen {
    /// All values of a header.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let fits = self.headers.iter().filter(|(other, _)| other == name);
        fits.map(|(_, value)| value.as_str()).collect()
    }

    /// The one value of a header.
    pub(crate) fn only(&self, name: &str) -> &str {
        let values = self.values(name);
        assert_eq!(values.len(), 1, "{name}: {self:#?}");
        values[0]
    }
}

/// The app.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    conduct: Mutex<Conduct>,
    seen: Mutex<Vec<Seen>>,
}

/// An answer with this body and these further lines of its head.
pub(crate) fn ok(body: &str, lines: &str) -> Conduct {
    let length = body.len();
    Conduct::Says(
        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n{lines}\r\n{body}").into_bytes(),
    )
}

impl App {
    /// One that is there and friendly.
    pub(crate) async fn start() -> Self {
        Self::that(ok("hello from the app", "content-type: text/plain\r\n")).await
    }

    pub(crate) async fn that(conduct: Conduct) -> Self {
        Self::listen(conduct, None).await
    }

    pub(crate) async fn with_tls(tls: TlsAcceptor) -> Self {
        Self::listen(ok("hello over TLS", ""), Some(tls)).await
    }

    async fn listen(conduct: Conduct, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            conduct: Mutex::new(conduct),
            seen: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            // Dropped with this task, and with it every connection.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (state, tls) = (Arc::clone(&shared), tls.clone());
                connections.spawn(async move {
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
            state,
            task,
        }
    }

    /// What it does from now on.
    pub(crate) fn now(&self, conduct: Conduct) {
        *self.state.conduct.lock().expect("no test panics here") = conduct;
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().expect("no test panics here").clone()
    }

    /// The last request.
    pub(crate) fn last(&self) -> Seen {
        self.seen().pop().expect("a request has arrived")
    }

    /// How many there were.
    pub(crate) fn count(&self) -> usize {
        self.seen().len()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, state: &State) {
    let mut buffer = Vec::new();
    loop {
        let Some(mut seen) = head(&mut stream, &mut buffer).await else {
            return;
        };
        let conduct = state.conduct.lock().expect("no test panics here").clone();
        if !matches!(conduct, Conduct::HangsBeforeTheBody) {
            let Some(body) = body(&mut stream, &mut buffer, &seen).await else {
                return;
            };
            seen.body = body;
        }
        state.seen.lock().expect("no test panics here").push(seen);
        // The other side may go at any time.
        let gone = match conduct {
            Conduct::Says(bytes) => stream.write_all(&bytes).await.is_err(),
            Conduct::SaysAndCloses(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                true
            }
            Conduct::Hangs | Conduct::HangsBeforeTheBody => std::future::pending().await,
            Conduct::InTwoParts(first, gate, second) => {
                let _ = stream.write_all(&first).await;
                let _ = stream.flush().await;
                gate.acquire().await.expect("open").forget();
                stream.write_all(&second).await.is_err()
            }
            Conduct::Floods(bytes) => {
                let _ = stream.write_all(&bytes).await;
                while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
                true
            }
            Conduct::Echoes => {
                let accepted = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n\
                                upgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n";
                let _ = stream.write_all(accepted.as_bytes()).await;
                let (mut read, mut write) = tokio::io::split(&mut stream);
                let _ = tokio::io::copy(&mut read, &mut write).await;
                true
            }
        };
        if gone {
            return;
        }
    }
}

async fn head(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<Seen> {
    let text = loop {
        if let Some(end) = buffer.windows(4).position(|it| it == b"\r\n\r\n") {
            let rest = buffer.split_off(end + 4);
            let head = std::mem::replace(buffer, rest);
            break String::from_utf8_lossy(&head[..end]).into_owned();
        }
        more(stream, buffer).await?;
    };
    let mut lines = text.split("\r\n");
    let start = lines.next()?.to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some(Seen {
        start,
        headers,
        body: Vec::new(),
    })
}

async fn body(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    seen: &Seen,
) -> Option<Vec<u8>> {
    if seen.values("transfer-encoding") == ["chunked"] {
        let mut body = Vec::new();
        loop {
            let length = loop {
                if let Some(end) = buffer.windows(2).position(|it| it == b"\r\n") {
                    let rest = buffer.split_off(end + 2);
                    let line = std::mem::replace(buffer, rest);
                    let line = std::str::from_utf8(&line).ok()?.trim_end();
                    break usize::from_str_radix(line, 16).ok()?;
                }
                more(stream, buffer).await?;
            };
            while buffer.len() < length + 2 {
                more(stream, buffer).await?;
            }
            body.extend(buffer.drain(..length));
            buffer.drain(..2);
            if length == 0 {
                return Some(body);
            }
        }
    }
    let length = seen
        .values("content-length")
        .first()
        .map_or(Some(0), |it| it.parse().ok())?;
    while buffer.len() < length {
        more(stream, buffer).await?;
    }
    Some(buffer.drain(..length).collect())
}

async fn more(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<()> {
    match stream.read_buf(buffer).await {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(()),
    }
}
