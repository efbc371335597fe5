//! Bodies on their way: how far they have come, and an end to waiting.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::Notify;
use tokio::time::Sleep;

type BoxError = Box<dyn Error + Send + Sync>;

/// Nothing came for too long.
#[derive(Debug, thiserror::Error)]
#[error("nothing came for {0:?}")]
pub(super) struct Silent(Duration);

/// How far a body has come.
#[derive(Debug)]
pub(super) struct Progress {
    whole: AtomicBool,
    moved: Notify,
}

impl Progress {
    fn new(whole: bool) -> Self {
        Self {
            whole: AtomicBool::new(whole),
            moved: Notify::new(),
        }
    }

    /// Whether all of it has been passed on.
    pub(super) fn is_whole(&self) -> bool {
        self.whole.load(Ordering::Acquire)
    }

    /// Waits until something of it has been passed on.
    pub(super) async fn moved(&self) {
        self.moved.notified().await;
    }

    fn note(&self, whole: bool) {
        if whole {
            self.whole.store(true, Ordering::Release);
        }
        self.moved.notify_one();
    }
}

/// A body that fails when it is silent for too long.
#[derive(Debug)]
pub(super) struct Watched {
    body: Incoming,
    patience: Duration,
    silence: Option<Pin<Box<Sleep>>>,
    progress: Arc<Progress>,
}

impl Watched {
    pub(super) fn new(body: Incoming, patience: Duration) -> Self {
        Self {
            progress: Arc::new(Progress::new(body.is_end_stream())),
            body,
            patience,
            silence: None,
        }
    }

    pub(super) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            this.silence = None;
            this.progress
                .note(frame.is_none() || this.body.is_end_stream());
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let patience = this.patience;
        let silence = this
            .silence
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        silence
            .as_mut()
            .poll(context)
            .map(|()| Some(Err(Silent(patience).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
