//! Connections: how long one may take to say what it wants, how much it may say, and how it ends.
//!
//! `axum::serve` has no limits of its own, so connections are served by hyper directly.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use super::front::Front;
use super::tls;

/// How long a connection may take to send the head of a request, from its opening or from the last answer:
/// longer than proxies keep idle connections (60 s).
const HEAD: Duration = Duration::from_secs(75);

/// Largest head of a request, in bytes. Beyond it: 431 (RFC 6585 §5).
const LARGEST_HEAD: usize = 64 * 1024;

/// Serves until `stop`; then takes no new connection and returns when those there are have had their answers.
pub async fn serve(mut listener: TcpListener, front: Front, stop: impl Future<Output = ()>) {
    let front = Arc::new(front);
    // HTTP/1.1 alone, which is what proxies speak to what is behind them: to tell versions apart, a silent
    // connection would have to be waited for without limit.
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LARGEST_HEAD);
    let graceful = GracefulShutdown::new();
    // Whoever still shakes hands has asked for nothing yet, and is let go at once when we stop.
    let (shaking, stopping) = tokio::sync::watch::channel(());
    tokio::pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            // Waits out a shortage of descriptors for itself.
            accepted = Listener::accept(&mut listener) => accepted,
            () = &mut stop => break,
        };
        let connection = Connection {
            peer,
            builder: builder.clone(),
            front: Arc::clone(&front),
            watcher: graceful.watcher(),
        };
        let Some(acceptor) = front.tls() else {
            tokio::spawn(connection.serve(stream));
            continue;
        };
        let mut stopping = stopping.clone();
        tokio::spawn(async move {
            tokio::select! {
                shaken = tls::handshake(acceptor, stream) => match shaken {
                    Ok(stream) => connection.serve(stream).await,
                    Err(error) => tracing::debug!(%peer, %error, "no TLS with this peer"),
                },
                _ = stopping.changed() => {}
            }
        });
    }
    drop(listener);
    drop(shaking);
    graceful.shutdown().await;
}

/// A peer that has connected.
struct Connection {
    peer: SocketAddr,
    builder: Builder<TokioExecutor>,
    front: Arc<Front>,
    watcher: Watcher,
}

impl Connection {
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Self {
            peer,
            builder,
            front,
            watcher,
        } = self;
        let service = service_fn(move |request| Arc::clone(&front).answer(peer, request));
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%peer, %error, "a connection broke");
        }
    }
}
