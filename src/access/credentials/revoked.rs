//! What was revoked here and elsewhere: read from the store, about once a second.
//!
//! Invariant: without news within [`TRUST`], and before the first, nothing in memory is believed and nothing new is
//! let in: a revocation reaches every process within that time, or closes the door.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::domain::ids::TenantId;
use crate::domain::news::{News, TRUST};
use crate::jose::{Revocations, RevocationsFull, VerifiedToken};
use crate::ports::Clock;
use crate::storage::{StorageError, Store};

/// The news of revoked tokens.
#[derive(Debug)]
pub(super) struct Revoked {
    known: Arc<Revocations>,
    clock: Arc<dyn Clock>,
    sequence: AtomicI64,
    news: News,
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
            known,
            clock,
            sequence: AtomicI64::new(0),
            news: News::default(),
        }
    }

    /// Whether what is in memory may be believed.
    pub(super) fn is_trusted(&self) -> bool {
        self.news.is_within(TRUST, self.clock.monotonic())
    }

    /// Whether the token was revoked. None: there is no news.
    pub(super) fn refuses(&self, tenant: &TenantId, token: &VerifiedToken) -> Option<bool> {
        let refused = self.known.refuse(tenant, token);
        self.is_trusted().then_some(refused)
    }

    /// Hears what is new.
    pub(super) async fn poll(&self, store: &dyn Store) -> Result<(), NoNews> {
        let asked_at = self.clock.monotonic();
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
        self.news.heard(asked_at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{ManualClock, SeededRandom};
    use crate::storage::sealing::SealingKeys;
    use crate::storage::sqlite::SqliteStore;

    /// A process whose first question fails may have missed every revocation there is.
    #[tokio::test]
    async fn a41_before_the_first_news_nothing_is_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let sealing = [crate::config::SealingKey::from_bytes([7; 32])];
        let path = folder.path().join("doorward.db");
        let store = SqliteStore::open(
            &path,
            SealingKeys::new(&sealing).expect("keys"),
            Arc::new(SeededRandom::new(1)),
        );
        let store = store.await.expect("a store");
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(
            time::macros::datetime!(2027-01-15 08:00 UTC),
        ));
        let known = Arc::new(Revocations::new(Arc::clone(&clock), 10));
        let revoked = Revoked::new(known, clock);
        assert!(!revoked.is_trusted());
        revoked.poll(&store).await.expect("news");
        assert!(revoked.is_trusted());
    }
}
