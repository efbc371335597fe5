//! What has to be done from time to time. No timers: the server calls, and so do the tests.

use super::lifecycle::Sessions;
use crate::storage::StorageError;

/// Last uses in one transaction.
const BATCH: usize = 1000;

impl Sessions {
    /// Hears what was ended elsewhere. Call it every second, from a task of its own: when it has not
    /// succeeded for [`TRUST`](crate::domain::news::TRUST), every check is an error.
    ///
    /// # Errors
    /// The store's; call again.
    pub async fn poll_ended(&self) -> Result<(), StorageError> {
        self.live().poll_ended().await
    }

    /// Whether checks are answered from memory.
    #[must_use]
    pub fn trusted(&self) -> bool {
        self.live().trusted()
    }

    /// Writes last uses, and tells the store of overdue sessions that it could not be told of. Call it every
    /// 60 s and when the server drains. How many uses were written.
    ///
    /// # Errors
    /// The store's. What was not written is kept for the next time.
    pub async fn flush_uses(&self) -> Result<usize, StorageError> {
        self.live().tell_overdue().await?;
        let uses = self.live().unwritten();
        for batch in uses.chunks(BATCH) {
            self.live().store().note_uses(batch).await?;
            self.live().written(batch);
        }
        self.live().let_go();
        Ok(uses.len())
    }

    /// Deletes what is over. Writes last uses first, so that nothing that is used is swept. How many rows
    /// went.
    ///
    /// # Errors
    /// The store's.
    pub async fn sweep(&self) -> Result<u64, StorageError> {
        self.flush_uses().await?;
        self.live().store().sweep(self.live().clock().now()).await
    }
}
