//! Keeps what was fetched fresh, for as long as somebody holds it.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::jose::{IssuerMetadata, KeySets};
use crate::outbound::DocumentCache;

/// How often it is looked whether something is due.
const EVERY: Duration = Duration::from_secs(1);

/// A task that ends when this is dropped.
#[derive(Debug)]
pub(super) struct Upkeep(AbortHandle);

impl Upkeep {
    /// Begins on the runtime that one is in. None outside of one.
    pub(super) fn begin(
        key_sets: Arc<KeySets>,
        metadata: Arc<DocumentCache<IssuerMetadata>>,
    ) -> Option<Self> {
        let runtime = Handle::try_current().ok()?;
        let task = runtime.spawn(async move {
            let mut ticks = interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                key_sets.tick();
                metadata.tick();
            }
        });
        Some(Self(task.abort_handle()))
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::FetchCounts;
    use crate::ports::ManualClock;
    use time::macros::datetime;

    fn begun() -> Option<Upkeep> {
        let clock = Arc::new(ManualClock::at(datetime!(2026-11-01 12:00 UTC)));
        let counts = Arc::new(FetchCounts::default());
        let key_sets = Arc::new(KeySets::new(clock.clone(), counts.clone()));
        Upkeep::begin(key_sets, Arc::new(IssuerMetadata::cache(clock, counts)))
    }

    #[tokio::test]
    async fn the_task_ends_with_its_owner() {
        let upkeep = begun().expect("a runtime");
        let task = upkeep.0.clone();
        tokio::task::yield_now().await;
        assert!(!task.is_finished());
        drop(upkeep);
        while !task.is_finished() {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn without_a_runtime_there_is_none() {
        assert!(begun().is_none());
    }
}
