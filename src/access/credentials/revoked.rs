//! What was revoked here and elsewhere: read from the store, about once a second.
//!
//! Invariant: without news for five seconds nothing in memory is believed, and nothing new is let in: a revocation
//! reaches every process within that time, or closes the door.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::jose::{Revocations, RevocationsFull};
use crate::ports::Clock;
use crate::storage::{StorageError, Store};

/// How long silence is trusted.
const TRUST: Duration = Duration::from_secs(5);

/// The news of revoked tokens.
#[derive(Debug)]
pub(super) struct Revoked {
    known: Arc<Revocations>,
    clock: Arc<dyn Clock>,
    sequence: AtomicI64,
    /// On the monotonic clock, in milliseconds.
    heard_at: AtomicU64,
}

/// Why there is no news.
#[derive(Debug, thiserror::Error)]
pub enum NoNews {
    /// The store's.
    #[error(transparent)]
    Store(#[from] StorageError),
    /// They do not fit into memory.
    #[error(transparent)]
    Full(#[from] RevocationsFull),
}

impl Revoked {
    pub(super) fn new(known: Arc<Revocations>, clock: Arc<dyn Clock>) -> Self {
        Self {
            heard_at: AtomicU64::new(millis(clock.monotonic())),
            known,
            clock,
            sequence: AtomicI64::new(0),
        }
    }

    /// Whether what is in memory may be believed.
    pub(super) fn is_trusted(&self) -> bool {
        let heard_at = self.heard_at.load(Ordering::Acquire);
        millis(self.clock.monotonic()).saturating_sub(heard_at) < millis(TRUST)
    }

    /// Hears what is new.
    pub(super) async fn poll(&self, store: &dyn Store) -> Result<(), NoNews> {
        let asked_at = millis(self.clock.monotonic());
        loop {
            let before = self.sequence.load(Ordering::Acquire);
            let (last, all) = store.token_revocations_since(before).await?;
            let now = self.clock.now();
            for revocation in &all {
                let needed = Duration::try_from(revocation.needed_until - now).unwrap_or_default();
                if !needed.is_zero() {
                    self.known
                        .revoke(&revocation.tenant, &revocation.what, needed)?;
                }
            }
            self.sequence.fetch_max(last, Ordering::AcqRel);
            if all.is_empty() {
                break;
            }
        }
        self.heard_at.fetch_max(asked_at, Ordering::AcqRel);
        Ok(())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
