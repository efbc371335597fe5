//! Connections: how long one may take to say what it wants, how much it may say, and how it ends.
//!
//! `axum::serve` has no limits of its own, so connections are served by hyper directly. Invariant: a
//! connection that we wait for ends; one that waits for us does not. Deliberately absent: hyper's own timer
//! for heads, which costs each request as much as half a check.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::response::Response;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::front::Front;
use super::silence::{Busy, Silence, Watched};
use super::tls;

/// Largest head of a request, in bytes. Beyond it: 431 (RFC 6585 §5).
const LARGEST_HEAD: usize = 64 * 1024;

/// Serves until `stop`; then takes no new connection and returns when those there are have had their answers.
pub async fn serve(mut listener: TcpListener, front: Front, stop: impl Future<Output = ()>) {
    let front = Arc::new(front);
    let builder = builder();
    let graceful = GracefulShutdown::new();
    // Who still shakes hands has asked for nothing yet, and is let go at once when we stop.
    let (stopping, going_on) = watch::channel(());
    tokio::pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            // Waits out a shortage of descriptors for itself.
            accepted = Listener::accept(&mut listener) => accepted,
            () = &mut stop => break,
        };
        let tls = front.tls();
        let front = Arc::clone(&front);
        let answer = move |request| Arc::clone(&front).answer(peer, request);
        let watcher = graceful.watcher();
        let Some(acceptor) = tls else {
            tokio::spawn(converse(&builder, stream, peer, answer, watcher));
            continue;
        };
        let (builder, mut going_on) = (builder.clone(), going_on.clone());
        tokio::spawn(async move {
            let shaken = tokio::select! {
                shaken = tls::handshake(acceptor, stream) => shaken,
                _ = going_on.changed() => return,
            };
            match shaken {
                Ok(stream) => converse(&builder, stream, peer, answer, watcher).await,
                Err(error) => tracing::debug!(%peer, %error, "no TLS with this peer"),
            }
        });
    }
    drop(listener);
    drop(stopping);
    graceful.shutdown().await;
}

fn builder() -> Builder<TokioExecutor> {
    // HTTP/1.1 alone, which is what proxies speak to what is behind them: to tell versions apart, a silent
    // connection would have to be waited for without limit.
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .header_read_timeout(None)
        .max_buf_size(LARGEST_HEAD);
    builder
}

/// All that one connection asks for, until it closes, breaks, or is silent for too long.
fn converse<S, F, A>(
    builder: &Builder<TokioExecutor>,
    stream: S,
    peer: SocketAddr,
    answer: A,
    watcher: Watcher,
) -> impl Future<Output = ()> + Send + use<S, F, A>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    A: Fn(hyper::Request<Incoming>) -> F + Send + 'static,
{
    let silence = Arc::new(Silence::default());
    let stream = TokioIo::new(Watched::new(stream, Arc::clone(&silence)));
    let service = service_fn({
        let silence = Arc::clone(&silence);
        move |request| {
            let busy = Busy::new(Arc::clone(&silence));
            let answer = answer(request);
            async move { answer.await.map(|response| busy.until_sent(response)) }
        }
    });
    let connection = builder
        .serve_connection_with_upgrades(stream, service)
        .into_owned();
    let connection = watcher.watch(connection);
    async move {
        tokio::select! {
            biased;
            ended = connection => if let Err(error) = ended {
                tracing::debug!(%peer, %error, "a connection broke");
            },
            () = silence.too_long() => tracing::debug!(%peer, "a connection was silent for too long"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};
    use std::time::Duration;

    use axum::body::{Body, Bytes, HttpBody};
    use hyper::body::Frame;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::{Instant, Sleep};

    use super::*;

    /// A body that is there after a while.
    struct Late(Option<Pin<Box<Sleep>>>);

    impl HttpBody for Late {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let Some(wait) = &mut self.0 else {
                return Poll::Ready(None);
            };
            ready!(wait.as_mut().poll(context));
            self.0 = None;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from("there")))))
        }
    }

    /// A body that never comes to its end.
    struct Endless;

    impl HttpBody for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from("again")))))
        }
    }

    /// The other end of a connection on which everything is answered with the body that `answer` makes; while
    /// the server lives.
    fn connected_to<B, F>(answer: B) -> (DuplexStream, GracefulShutdown)
    where
        B: Fn() -> F + Clone + Send + 'static,
        F: Future<Output = Body> + Send + 'static,
    {
        let (ours, theirs) = duplex(1024);
        let answer = move |_| {
            let body = answer();
            async move { Ok(Response::new(body.await)) }
        };
        let graceful = GracefulShutdown::new();
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        tokio::spawn(converse(&builder(), ours, peer, answer, graceful.watcher()));
        (theirs, graceful)
    }

    /// The same, where everything is answered after `takes`, and its body is there as much later.
    fn connected(takes: Duration) -> (DuplexStream, GracefulShutdown) {
        connected_to(move || async move {
            tokio::time::sleep(takes).await;
            Body::new(Late(Some(Box::pin(tokio::time::sleep(takes)))))
        })
    }

    async fn seconds_until_closed(connection: &mut DuplexStream) -> u64 {
        let begin = Instant::now();
        let mut rest = Vec::new();
        let closed = connection.read_to_end(&mut rest);
        let _ = tokio::time::timeout(Duration::from_mins(10), closed).await;
        begin.elapsed().as_secs()
    }

    async fn ask(connection: &mut DuplexStream) {
        let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        connection.write_all(request).await.expect("a request");
    }

    async fn hear(connection: &mut DuplexStream) {
        let mut answer = Vec::new();
        while !answer.ends_with(b"there\r\n0\r\n\r\n") {
            let read = connection.read_buf(&mut answer).await.expect("an answer");
            assert_ne!(read, 0, "closed before the answer");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_says_a_thing_is_cut_off() {
        let (mut connection, _server) = connected(Duration::ZERO);
        assert!((75..=95).contains(&seconds_until_closed(&mut connection).await));
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_comes_to_the_end_of_a_head_is_cut_off() {
        let (mut connection, _server) = connected(Duration::ZERO);
        let begin = Instant::now();
        let mut dripped = connection.write_all(b"GET / HTTP/1.1\r\n").await;
        while dripped.is_ok() && begin.elapsed().as_secs() < 300 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            dripped = connection.write_all(b"a: a\r\n").await;
        }
        assert!((75..=95).contains(&begin.elapsed().as_secs()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_answered_may_ask_again_within_a_minute() {
        let (mut connection, _server) = connected(Duration::ZERO);
        for _ in 0..5 {
            ask(&mut connection).await;
            hear(&mut connection).await;
            tokio::time::sleep(Duration::from_mins(1)).await;
        }
        assert!((10..=35).contains(&seconds_until_closed(&mut connection).await));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_take_its_time() {
        let (mut connection, _server) = connected(Duration::from_hours(1));
        ask(&mut connection).await;
        hear(&mut connection).await;
        assert!((75..=95).contains(&seconds_until_closed(&mut connection).await));
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_nothing_of_an_answer_is_cut_off() {
        let (mut connection, _server) = connected_to(|| async { Body::new(Endless) });
        ask(&mut connection).await;
        tokio::time::sleep(Duration::from_secs(95)).await;
        let (mut rest, mut some) = (Vec::new(), connection.take(1024 * 1024));
        some.read_to_end(&mut rest).await.expect("what was sent");
        assert!(rest.len() < 1024 * 1024, "it was still being sent");
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_slowly_is_not() {
        let (mut connection, _server) = connected_to(|| async { Body::new(Endless) });
        ask(&mut connection).await;
        for _ in 0..10 {
            let mut some = [0; 2048];
            connection.read_exact(&mut some).await.expect("more");
            tokio::time::sleep(Duration::from_mins(1)).await;
        }
    }
}
