//! Connections: how long one may take to say what it wants, how much it may say, and how it ends.
//!
//! `axum::serve` has no limits of its own, so connections are served by hyper directly.

use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;

use super::front::Front;

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
    tokio::pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            // Waits out a shortage of descriptors for itself.
            accepted = Listener::accept(&mut listener) => accepted,
            () = &mut stop => break,
        };
        let front = Arc::clone(&front);
        let service = service_fn(move |request| Arc::clone(&front).answer(peer, request));
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let connection = graceful.watch(connection.into_owned());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%peer, %error, "a connection broke");
            }
        });
    }
    drop(listener);
    graceful.shutdown().await;
}
