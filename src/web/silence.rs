//! How long a connection may be silent: nothing asked and nothing left to answer.
//!
//! The connection notes that it did something, with one store; a nap of some seconds looks whether it did.
//! So no request sets a timer, and the limit is kept to within one nap.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Between two looks.
const NAP: Duration = Duration::from_secs(15);

/// Looks in a row that see nothing before a connection is closed: 75 s, longer than proxies keep idle
/// connections (60 s).
const NAPS: u32 = 5;

/// Whether a connection does anything.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// A request is under way.
    busy: AtomicBool,
    /// Something was sent, or asked, since the last look. What arrives does not count: a head that comes in
    /// one byte at a time is silence.
    moved: AtomicBool,
    /// The last thing that was to be sent found no room: the other side reads nothing.
    blocked: AtomicBool,
}

impl Silence {
    /// Returns when nothing has happened for too long.
    pub(super) async fn too_long(&self) {
        let mut quiet = 0;
        while quiet < NAPS {
            tokio::time::sleep(NAP).await;
            let moved = self.moved.swap(false, Ordering::Relaxed);
            let waits_for_us =
                self.busy.load(Ordering::Relaxed) && !self.blocked.load(Ordering::Relaxed);
            quiet = if moved || waits_for_us { 0 } else { quiet + 1 };
        }
    }
}

/// A request under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Busy(Arc<Silence>);

impl Busy {
    pub(super) fn new(silence: Arc<Silence>) -> Self {
        silence.busy.store(true, Ordering::Relaxed);
        Self(silence)
    }

    /// A response that is under way until the last of its body is there.
    pub(super) fn until_sent(self, response: Response) -> Response {
        if response.body().is_end_stream() {
            return response;
        }
        response.map(|body| Body::new(Sending { body, _busy: self }))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.moved.store(true, Ordering::Relaxed);
        self.0.busy.store(false, Ordering::Relaxed);
    }
}

/// A body that is being sent.
#[derive(Debug)]
struct Sending {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that notes when something is sent: to a reader that is slow, that may be long after the body's
/// end was there.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    silence: Arc<Silence>,
}

impl<S> Watched<S> {
    pub(super) const fn new(stream: S, silence: Arc<Silence>) -> Self {
        Self { stream, silence }
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.silence.moved.store(true, Ordering::Relaxed);
        }
        let blocked = written.is_pending();
        self.silence.blocked.store(blocked, Ordering::Relaxed);
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
