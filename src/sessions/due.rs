//! Sessions in use whose person is to be looked at again at their provider.
//!
//! Who is not there any more is not looked at: only a use makes a session due. Noticing it costs the request one
//! comparison; the one request that is first hands over the session's name, and waits for nothing.

use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::live::LiveSession;
use crate::domain::ids::SessionId;

/// Most that wait. Those beyond it are noticed again a second later.
const MOST_WAITING: usize = 10_000;

#[derive(Debug)]
pub(super) struct Due {
    waiting: Sender<SessionId>,
    taken: Mutex<Receiver<SessionId>>,
}

impl Due {
    pub(super) fn new() -> Self {
        let (waiting, taken) = channel(MOST_WAITING);
        Self {
            waiting,
            taken: Mutex::new(taken),
        }
    }

    /// The session is due and in use.
    #[cold]
    pub(super) fn note(&self, session: &LiveSession, now: i64) {
        if session.take_due(now) && self.waiting.try_send(session.id()).is_err() {
            session.set_due(now + 1);
        }
    }

    /// The one that has waited longest.
    pub(super) fn take(&self) -> Option<SessionId> {
        let taken = self.taken.lock();
        taken
            .unwrap_or_else(PoisonError::into_inner)
            .try_recv()
            .ok()
    }
}
