//! The hot path: may this handle pass at this host? Answered from memory, without I/O, allocation or waiting.
//!
//! Only what is not in memory, has gone idle, or has been named in the news goes to the store. Invariant: an
//! answer is a yes only for the very tenant and host that the store gave the app session for.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher as _, BuildHasherDefault, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use time::OffsetDateTime;

use super::lifecycle::Sessions;
use super::live::{Generation, LiveSession, LiveSessions, RandomIdHasher};
use crate::domain::handle::{AppSessionKind, Digest, Handle, ParentSessionKind};
use crate::domain::host::Host;
use crate::domain::identity::Person;
use crate::domain::identity_header::IdentitySource;
use crate::domain::ids::{AppId, SessionId, TenantId};
use crate::domain::session::Standing;
use crate::domain::upstream_tokens::TokensForApp;
use crate::storage::{StorageError, StoredSession};
use crate::telemetry::metrics::look_up_took;

/// How long the store is not asked again for a handle that it did not have. It could be for ever: a handle is
/// drawn when its session begins, so one that is not there never will be.
const UNKNOWN: Duration = Duration::from_secs(10);

/// How many unknown handles are remembered.
const UNKNOWN_CAPACITY: u64 = 10_000;

/// Where an app session is good. One in memory for all app sessions there.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Place {
    tenant: TenantId,
    host: Host,
    app: AppId,
}

/// An app session in memory, with what its user prepared for it (`P`: header values, say).
#[derive(Debug)]
pub struct AppEntry<P> {
    place: Arc<Place>,
    session: Arc<LiveSession>,
    prepared: OnceLock<P>,
}

impl<P> AppEntry<P> {
    /// The app it was begun for. The directory may say otherwise by now.
    #[must_use]
    pub fn app(&self) -> &AppId {
        &self.place.app
    }

    /// Whose it is.
    #[must_use]
    pub fn person(&self) -> &Person {
        self.session.person()
    }

    /// The session it came from.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session.id()
    }

    /// Its last use, in seconds since 1970: this moment, for whoever was just given it. It never goes back.
    #[must_use]
    pub fn used_at(&self) -> i64 {
        self.session.used_at()
    }

    /// When it ends in any case: never later than this, and earlier where nobody uses it.
    #[must_use]
    pub fn ends_at(&self) -> OffsetDateTime {
        let at = OffsetDateTime::from_unix_timestamp(self.session.ends_at());
        at.unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// What was prepared for it, if anything was.
    #[must_use]
    pub fn ready(&self) -> Option<&P> {
        self.prepared.get()
    }

    /// What was prepared for it, made at the first call. See [`AppSessions::renewed`] for making it anew.
    pub fn prepared(&self, make: impl FnOnce(&Self) -> P) -> &P {
        self.prepared.get_or_init(|| make(self))
    }
}

/// What the store is asked for.
#[derive(Clone, Copy, Debug)]
struct Stored<'a> {
    host: &'a Host,
    handle: Digest<AppSessionKind>,
    /// The app it is for, where the store does not say: it counts at several.
    app: Option<&'a AppId>,
}

fn untrusted() -> StorageError {
    StorageError::Unavailable("no news of ended sessions for 5 s".into())
}

/// What memory says.
#[derive(Debug)]
pub enum Recalled<P> {
    /// Alive, and used now.
    Alive(Arc<AppEntry<P>>),
    /// No: over, of another place, or asked for a moment ago and unknown.
    No,
    /// Memory cannot say.
    Unknown,
    /// Memory must not be believed: there has been no news of ended sessions. An error, not a "no".
    Untrusted,
}

/// The app sessions in memory.
pub struct AppSessions<P> {
    live: Arc<LiveSessions>,
    entries: Cache<Digest<AppSessionKind>, Arc<AppEntry<P>>, BuildHasherDefault<RandomIdHasher>>,
    places: Mutex<HashSet<Arc<Place>>>,
    /// Handles that the store did not have, with the hash of the place they were shown at, until when.
    unknown: Cache<(Digest<AppSessionKind>, u64), Duration>,
    hasher: RandomState,
}

impl<P> fmt::Debug for AppSessions<P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AppSessions")
    }
}

impl<P: Send + Sync + 'static> AppSessions<P> {
    /// Remembers at most `capacity` app sessions; the least recently used go.
    #[must_use]
    pub fn new(sessions: &Sessions, capacity: u64) -> Self {
        Self {
            live: Arc::clone(sessions.live()),
            entries: Cache::builder()
                .max_capacity(capacity)
                .eviction_policy(EvictionPolicy::lru())
                .build_with_hasher(BuildHasherDefault::default()),
            places: Mutex::default(),
            unknown: Cache::builder()
                .max_capacity(UNKNOWN_CAPACITY)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            hasher: RandomState::new(),
        }
    }

    /// What memory says about a handle shown at `host`. Counts as a use if it is alive.
    #[must_use]
    pub fn recall(
        &self,
        tenant: &TenantId,
        host: &Host,
        handle: &Digest<AppSessionKind>,
    ) -> Recalled<P> {
        if !self.live.trusted() {
            return Recalled::Untrusted;
        }
        let Some(entry) = self.entries.get(handle) else {
            return self.recall_unknown(tenant, host, handle);
        };
        let place = &entry.place;
        if place.tenant != *tenant || place.host != *host || entry.session.is_over() {
            return Recalled::No;
        }
        let now = self.live.clock().now().unix_timestamp();
        if entry.session.is_stale() || entry.session.standing(now) != Standing::Alive {
            return Recalled::Unknown;
        }
        self.live.note_use(&entry.session, now);
        Recalled::Alive(entry)
    }

    /// Whether an app session is as alive as it was, as far as memory tells; no use of it. If not, ask
    /// [`check`](Self::check).
    #[must_use]
    pub fn is_settled(&self, entry: &AppEntry<P>) -> bool {
        let session = &entry.session;
        let now = self.live.clock().now().unix_timestamp();
        !session.is_over() && !session.is_stale() && session.standing(now) == Standing::Alive
    }

    /// Whether a handle shown at `host` may pass: from memory, else from the store.
    ///
    /// # Errors
    /// The store's, within 2 s; [`StorageError::Unavailable`] at once where memory must not be believed.
    pub async fn check(
        &self,
        tenant: &TenantId,
        host: &Host,
        handle: &Digest<AppSessionKind>,
    ) -> Result<Option<Arc<AppEntry<P>>>, StorageError> {
        match self.recall(tenant, host, handle) {
            Recalled::Alive(entry) => Ok(Some(entry)),
            Recalled::No => Ok(None),
            // In a box, so that a check that does not come here need not carry room for it.
            Recalled::Unknown => {
                let stored = Stored {
                    host,
                    handle: *handle,
                    app: None,
                };
                Box::pin(self.measured_look_up(tenant, host, handle, stored)).await
            }
            Recalled::Untrusted => Err(untrusted()),
        }
    }

    /// The same for a handle that counts at several hosts below `domain`, shown at `host`, which is `app`'s. Gives
    /// what it is remembered by there, too.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub async fn check_parent(
        &self,
        tenant: &TenantId,
        domain: &Host,
        (host, app): (&Host, &AppId),
        handle: &Handle<ParentSessionKind>,
    ) -> Result<Option<(Digest<AppSessionKind>, Arc<AppEntry<P>>)>, StorageError> {
        let remembered = handle.remembered_at(domain, host);
        let found = match self.recall(tenant, host, &remembered) {
            Recalled::Alive(entry) => Some(entry),
            Recalled::No => None,
            Recalled::Unknown => {
                let stored = Stored {
                    host: domain,
                    handle: handle.stored(),
                    app: Some(app),
                };
                self.measured_look_up(tenant, host, &remembered, stored)
                    .await?
            }
            Recalled::Untrusted => return Err(untrusted()),
        };
        Ok(found.map(|entry| (remembered, entry)))
    }

    /// The provider's tokens for whoever's session `entry` is; only those among `wanted` are unsealed.
    ///
    /// # Errors
    /// The store's.
    pub async fn tokens(
        &self,
        entry: &AppEntry<P>,
        wanted: &[IdentitySource],
    ) -> Result<Option<TokensForApp>, StorageError> {
        let store = self.live.store();
        store
            .find_tokens(&entry.place.tenant, entry.session(), wanted)
            .await
    }

    /// The same app session with nothing prepared, in place of `entry`: for when what was prepared depends on
    /// a configuration that has changed, or on a time that has passed.
    #[must_use]
    pub fn renewed(
        &self,
        handle: &Digest<AppSessionKind>,
        entry: &AppEntry<P>,
    ) -> Arc<AppEntry<P>> {
        let renewed = Arc::new(AppEntry {
            place: Arc::clone(&entry.place),
            session: Arc::clone(&entry.session),
            prepared: OnceLock::new(),
        });
        self.entries.insert(*handle, Arc::clone(&renewed));
        renewed
    }

    /// Frees the memory of app sessions that are over. Every minute is often enough: they are refused anyway.
    pub fn let_go(&self) {
        let now = self.live.clock().now().unix_timestamp();
        for (handle, entry) in &self.entries {
            let session = &entry.session;
            let over = session.is_over() || session.is_stale();
            if over || session.standing(now) != Standing::Alive {
                self.entries.invalidate(&*handle);
            }
        }
        self.entries.run_pending_tasks();
        self.places().retain(|place| Arc::strong_count(place) > 1);
    }

    /// How many app sessions are in memory, about.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.entries.entry_count()
    }

    fn place(&self, place: Place) -> Arc<Place> {
        let mut places = self.places();
        if let Some(known) = places.get(&place) {
            return Arc::clone(known);
        }
        let place = Arc::new(place);
        places.insert(Arc::clone(&place));
        place
    }

    /// A panic elsewhere leaves nothing half done here: each change is one insertion or removal.
    fn places(&self) -> MutexGuard<'_, HashSet<Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recall_unknown(
        &self,
        tenant: &TenantId,
        host: &Host,
        handle: &Digest<AppSessionKind>,
    ) -> Recalled<P> {
        let key = (*handle, self.hasher.hash_one((tenant, host)));
        match self.unknown.get(&key) {
            Some(until) if self.live.clock().monotonic() < until => Recalled::No,
            _ => Recalled::Unknown,
        }
    }

    async fn measured_look_up(
        &self,
        tenant: &TenantId,
        host: &Host,
        handle: &Digest<AppSessionKind>,
        stored: Stored<'_>,
    ) -> Result<Option<Arc<AppEntry<P>>>, StorageError> {
        let began = self.live.clock().monotonic();
        let found = self.look_up(tenant, host, handle, stored).await;
        let outcome = match &found {
            Ok(Some(_)) => "found",
            Ok(None) => "unknown",
            Err(_) => "failed",
        };
        let ended = self.live.clock().monotonic();
        look_up_took(outcome, ended.saturating_sub(began));
        found
    }

    async fn look_up(
        &self,
        tenant: &TenantId,
        host: &Host,
        handle: &Digest<AppSessionKind>,
        stored: Stored<'_>,
    ) -> Result<Option<Arc<AppEntry<P>>>, StorageError> {
        // It may have been kept since it was not recalled, for another place too.
        if let Some(entry) = self.entries.get(handle)
            && entry.place.tenant == *tenant
            && entry.place.host == *host
            && !entry.session.is_stale()
        {
            let alive = self.live.settle(&entry.session).await?;
            return Ok(alive.then_some(entry));
        }
        let generation = self.live.generation();
        let found = self
            .live
            .store()
            .find_app_session(tenant, stored.host, stored.handle)
            .await?;
        let Some((session, app)) = found else {
            self.entries.invalidate(handle);
            let key = (*handle, self.hasher.hash_one((tenant, host)));
            let until = self.live.clock().monotonic() + UNKNOWN;
            self.unknown.insert(key, until);
            return Ok(None);
        };
        let found = (session, stored.app.cloned().unwrap_or(app));
        self.admit(tenant, host, handle, found, generation).await
    }

    /// Takes what the store gave. It is kept only if nothing was heard since `generation`.
    pub(super) async fn admit(
        &self,
        tenant: &TenantId,
        host: &Host,
        handle: &Digest<AppSessionKind>,
        (stored, app): (StoredSession, AppId),
        generation: Generation,
    ) -> Result<Option<Arc<AppEntry<P>>>, StorageError> {
        let Some(admitted) = self.live.admit(&stored, generation).await? else {
            return Ok(None);
        };
        let entry = Arc::new(AppEntry {
            place: self.place(Place {
                tenant: tenant.clone(),
                host: host.clone(),
                app,
            }),
            session: admitted.session,
            prepared: OnceLock::new(),
        });
        if admitted.kept {
            self.entries.insert(*handle, Arc::clone(&entry));
        }
        Ok(Some(entry))
    }
}
