//! How often each key was let in: counted in memory, written in batches.
//!
//! Invariant: a use is in memory or in the store, and never in both: what is written is taken out first, and put
//! back where writing failed. (Where a store fails after it has written, it is counted twice: it does not happen
//! but when a disk stalls for seconds.) A process that is killed loses the uses of at most a minute.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;

use crate::domain::ids::{ApiKeyId, TenantId};
use crate::storage::{KeyUses, StorageError, Store};

/// Keys in one transaction.
const BATCH: usize = 1000;

/// Uses of one key that are not written yet.
#[derive(Debug)]
pub(super) struct Uses {
    tenant: TenantId,
    id: ApiKeyId,
    times: AtomicU64,
    /// In seconds since 1970.
    last: AtomicI64,
}

impl Uses {
    pub(super) fn note(&self, now: i64) {
        self.last.fetch_max(now, Ordering::Relaxed);
        self.times.fetch_add(1, Ordering::Release);
    }

    fn take(&self) -> Option<KeyUses> {
        let times = self.times.swap(0, Ordering::Acquire);
        let last = OffsetDateTime::from_unix_timestamp(self.last.load(Ordering::Relaxed)).ok()?;
        (times > 0).then(|| KeyUses {
            tenant: self.tenant.clone(),
            id: self.id,
            times,
            last,
        })
    }
}

/// Uses of all keys that this process has in memory.
#[derive(Debug, Default)]
pub(super) struct UsesOfKeys(Mutex<HashMap<(TenantId, ApiKeyId), Arc<Uses>>>);

impl UsesOfKeys {
    /// Where the uses of this key are counted.
    pub(super) fn of(&self, tenant: &TenantId, id: ApiKeyId) -> Arc<Uses> {
        let mut all = self.all();
        let uses = all.entry((tenant.clone(), id)).or_insert_with(|| {
            Arc::new(Uses {
                tenant: tenant.clone(),
                id,
                times: AtomicU64::new(0),
                last: AtomicI64::new(0),
            })
        });
        Arc::clone(uses)
    }

    /// Writes what is counted. How many keys were used.
    pub(super) async fn flush(&self, store: &dyn Store) -> Result<usize, StorageError> {
        let taken: Vec<(Arc<Uses>, KeyUses)> = {
            let mut all = self.all();
            let each = all.values();
            let taken = each.filter_map(|uses| Some((Arc::clone(uses), uses.take()?)));
            let taken: Vec<_> = taken.collect();
            // Those that nobody can count with any more: who is counted with is held by a caller in memory.
            all.retain(|_, uses| Arc::strong_count(uses) > 1);
            taken
        };
        for (index, batch) in taken.chunks(BATCH).enumerate() {
            let uses: Vec<_> = batch.iter().map(|(_, uses)| uses.clone()).collect();
            if let Err(error) = store.count_key_uses(&uses).await {
                for (of, uses) in taken.iter().skip(index * BATCH) {
                    of.times.fetch_add(uses.times, Ordering::Release);
                    // It may have been let go meanwhile.
                    let place = (uses.tenant.clone(), uses.id);
                    self.put_back(place, of, uses.times);
                }
                return Err(error);
            }
        }
        Ok(taken.len())
    }

    /// Where another one is counted with by now, the uses are moved there.
    fn put_back(&self, place: (TenantId, ApiKeyId), of: &Arc<Uses>, times: u64) {
        let mut all = self.all();
        let there = all.entry(place).or_insert_with(|| Arc::clone(of));
        if !Arc::ptr_eq(there, of) {
            of.times.fetch_sub(times, Ordering::AcqRel);
            there.times.fetch_add(times, Ordering::Release);
            let last = of.last.load(Ordering::Relaxed);
            there.last.fetch_max(last, Ordering::Relaxed);
        }
    }

    /// A panic elsewhere leaves nothing half done here: each change is one insertion or removal.
    fn all(&self) -> MutexGuard<'_, HashMap<(TenantId, ApiKeyId), Arc<Uses>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
