//! How many fetches there were.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use url::Url;

use super::{FetchFault, FetchObserver};

/// Counts fetches.
#[derive(Debug, Default)]
pub struct FetchCounts {
    succeeded: AtomicU64,
    failed: AtomicU64,
}

impl FetchCounts {
    /// Fetches that brought a document.
    #[must_use]
    pub fn succeeded(&self) -> u64 {
        self.succeeded.load(Ordering::Relaxed)
    }

    /// Fetches that did not.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

impl FetchObserver for FetchCounts {
    fn fetched(&self, _: &Url, outcome: Result<(), &FetchFault>, _: Duration) {
        let count = if outcome.is_ok() {
            &self.succeeded
        } else {
            &self.failed
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}
