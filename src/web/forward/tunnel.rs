//! A WebSocket: bytes both ways, until one side closes, both are silent for too long, or the session behind it
//! is over.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use crate::access::SessionWatch;
use crate::web::Door;

/// Between two looks at the session.
const LOOK: Duration = Duration::from_secs(1);

/// What is to be joined.
#[derive(Debug)]
pub(super) struct Tunnel {
    pub(super) door: Arc<Door>,
    pub(super) browser: OnUpgrade,
    pub(super) app: OnUpgrade,
    pub(super) idle_timeout: Duration,
    /// None where nobody had to be signed in.
    pub(super) watch: Option<SessionWatch>,
}

impl Tunnel {
    /// Begins, as soon as both sides have switched. It ends with the process at the latest: when we stop, it
    /// is not waited for.
    pub(super) fn dig(self) {
        tokio::spawn(async move {
            let (browser, app) = tokio::join!(self.browser, self.app);
            let (Ok(browser), Ok(app)) = (browser, app) else {
                return;
            };
            let heard = Notify::new();
            let mut browser = Heard::new(browser, &heard);
            let mut app = Heard::new(app, &heard);
            let why = tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut browser, &mut app) => "one side closed it",
                () = silence(&heard, self.idle_timeout) => "both sides were silent for too long",
                () = sign_out(&self.door, self.watch) => "the session is over",
            };
            tracing::debug!(why, "a WebSocket ended");
        });
    }
}

async fn silence(heard: &Notify, patience: Duration) {
    while tokio::time::timeout(patience, heard.notified())
        .await
        .is_ok()
    {}
}

async fn sign_out(door: &Door, watch: Option<SessionWatch>) {
    let Some(mut watch) = watch else {
        return std::future::pending().await;
    };
    loop {
        tokio::time::sleep(LOOK).await;
        if !door.gate.still_signed_in(&mut watch).await {
            return;
        }
    }
}

/// One side, which tells when something was heard from it.
struct Heard<'a> {
    side: TokioIo<Upgraded>,
    heard: &'a Notify,
}

impl<'a> Heard<'a> {
    fn new(side: Upgraded, heard: &'a Notify) -> Self {
        Self {
            side: TokioIo::new(side),
            heard,
        }
    }
}

impl AsyncRead for Heard<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let read = Pin::new(&mut self.side).poll_read(context, buffer);
        if read.is_ready() {
            self.heard.notify_one();
        }
        read
    }
}

impl AsyncWrite for Heard<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.side).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.side).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.side).poll_shutdown(context)
    }
}
