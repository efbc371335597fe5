//! HTTP/2 connections of Envoys: few, long, each with many questions at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::serve::Listener;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;

use super::ExtAuthz;

/// How long a connection may take to its first question.
const FIRST_QUESTION: Duration = Duration::from_secs(75);

/// How often a silent peer is asked whether it is still there, and how long it may take to say so.
const ARE_YOU_THERE: Duration = Duration::from_secs(60);
const YES: Duration = Duration::from_secs(20);

/// Questions at a time on one connection.
const AT_A_TIME: u32 = 1024;

/// Largest head of a question, in bytes: what Envoy asks about is in the body.
const LARGEST_HEAD: u32 = 16 * 1024;

/// Serves until `stop`; then takes no new connection and returns when the questions under way have been answered.
pub async fn serve(mut listener: TcpListener, asked: ExtAuthz, stop: impl Future<Output = ()>) {
    let asked = Arc::new(asked);
    let mut builder = Builder::new(TokioExecutor::new()).http2_only();
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(ARE_YOU_THERE)
        .keep_alive_timeout(YES)
        .max_concurrent_streams(AT_A_TIME)
        .max_header_list_size(LARGEST_HEAD);
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            // Waits out a shortage of descriptors for itself.
            accepted = Listener::accept(&mut listener) => accepted,
            () = &mut stop => break,
        };
        let _ = stream.set_nodelay(true);
        let spoke = Arc::new(AtomicBool::new(false));
        let (asked, heard) = (Arc::clone(&asked), Arc::clone(&spoke));
        let service = service_fn(move |request| {
            heard.store(true, Ordering::Relaxed);
            Arc::clone(&asked).answer(peer, request)
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection.into_owned());
        tokio::spawn(async move {
            tokio::pin!(connection);
            tokio::select! {
                ended = &mut connection => return tell(peer, ended),
                () = tokio::time::sleep(FIRST_QUESTION) => {}
            }
            // One that has said nothing by now is let go; pings end those that fall silent later.
            if spoke.load(Ordering::Relaxed) {
                tell(peer, connection.await);
            }
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

fn tell(peer: SocketAddr, ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection broke");
    }
}
