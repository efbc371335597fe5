//! The sessions that this process has in memory: their idle clocks, and whether they may still be believed.
//!
//! All app sessions of a session share one [`LiveSession`], so that using one app keeps the other alive and
//! one flag ends them all. Invariants: once [`LiveSession`] is over it never answers again; what was read
//! from the store is not believed if news of an end came in between ([`LiveSessions::generation`]); when no
//! news has come for [`TRUST`], nothing in memory is believed at all.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

use super::due::Due;
use super::record;
use crate::domain::identity::Person;
use crate::domain::ids::SessionId;
use crate::domain::news::{News, TRUST};
use crate::domain::session::{SessionTimes, Standing};
use crate::ports::Clock;
use crate::storage::{StorageError, Store, StoredSession};

/// After so long without news, some may have been swept before we could hear them (they are kept for ten
/// minutes): everything is read again.
const DEAF: Duration = Duration::from_mins(5);

const LIVE: u8 = 0;
const STALE: u8 = 1;
const OVER: u8 = 2;

/// A session in memory. Times are whole seconds since 1970, cut: it ends earlier, never later.
#[derive(Debug)]
pub struct LiveSession {
    id: SessionId,
    state: AtomicU8,
    idle: u32,
    ends_at: i64,
    used_at: AtomicI64,
    written_at: AtomicI64,
    /// When the person is to be looked at again at their provider.
    due_at: AtomicI64,
    person: Person,
}

/// As a time: never.
const NEVER: i64 = i64::MAX;

/// Rounded up: what is due here is due in the store.
fn due(at: Option<OffsetDateTime>) -> i64 {
    at.map_or(NEVER, |at| {
        at.unix_timestamp() + i64::from(at.nanosecond() > 0)
    })
}

impl LiveSession {
    fn new(stored: &StoredSession) -> Result<Self, StorageError> {
        let used_at = stored.times.used_at.unix_timestamp();
        Ok(Self {
            id: stored.id,
            state: AtomicU8::new(LIVE),
            idle: u32::try_from(stored.times.idle.as_secs()).unwrap_or(u32::MAX),
            ends_at: stored.times.ends_at.unix_timestamp(),
            used_at: AtomicI64::new(used_at),
            written_at: AtomicI64::new(used_at),
            due_at: AtomicI64::new(due(stored.due_at)),
            person: record::person_of(&stored.data)?,
        })
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// Whose it is.
    #[must_use]
    pub const fn person(&self) -> &Person {
        &self.person
    }

    /// It has ended; no question to the store can change that.
    pub(super) fn is_over(&self) -> bool {
        self.state.load(Ordering::Acquire) == OVER
    }

    /// There is news of it: the store must be asked.
    pub(super) fn is_stale(&self) -> bool {
        self.state.load(Ordering::Acquire) == STALE
    }

    /// The rule of [`SessionTimes::standing`], on what is here.
    pub(super) fn standing(&self, now: i64) -> Standing {
        if now >= self.ends_at {
            Standing::Expired
        } else if now >= self.used_at.load(Ordering::Relaxed) + i64::from(self.idle) {
            Standing::Idle
        } else {
            Standing::Alive
        }
    }

    /// When it ends in any case, in seconds since 1970.
    pub(super) const fn ends_at(&self) -> i64 {
        self.ends_at
    }

    /// Its last use, which is this moment for whoever has just recalled it. It never goes back.
    pub(super) fn used_at(&self) -> i64 {
        self.used_at.load(Ordering::Relaxed)
    }

    /// It was used. Writes only when the second has changed: thousands of requests share this line of memory.
    pub(super) fn touch(&self, now: i64) {
        if now > self.used_at.load(Ordering::Relaxed) {
            self.used_at.fetch_max(now, Ordering::Relaxed);
        }
    }

    /// Whether its person is to be looked at again.
    pub(super) fn is_due(&self, now: i64) -> bool {
        now >= self.due_at.load(Ordering::Relaxed)
    }

    /// The same, for one of all who ask at once.
    pub(super) fn take_due(&self, now: i64) -> bool {
        let due_at = self.due_at.load(Ordering::Relaxed);
        let (to, order) = (NEVER, Ordering::Relaxed);
        now >= due_at
            && self
                .due_at
                .compare_exchange(due_at, to, order, order)
                .is_ok()
    }

    pub(super) fn set_due(&self, at: i64) {
        self.due_at.store(at, Ordering::Relaxed);
    }

    /// The store knows of a use, here or elsewhere.
    fn heard_of_use(&self, at: i64) {
        self.touch(at);
        self.written_at.fetch_max(at, Ordering::Relaxed);
    }

    fn unwritten(&self) -> Option<i64> {
        let used_at = self.used_at.load(Ordering::Relaxed);
        (used_at > self.written_at.load(Ordering::Relaxed)).then_some(used_at)
    }
}

/// What this process has in memory.
#[derive(Debug)]
pub struct LiveSessions {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
    /// How far the sequence of ended sessions has been followed.
    sequence: tokio::sync::Mutex<i64>,
    news: News,
    due: Due,
}

#[derive(Debug, Default)]
struct Known {
    sessions: HashMap<SessionId, Arc<LiveSession>, BuildHasherDefault<RandomIdHasher>>,
    generation: u64,
    /// Last uses, not written yet, of sessions that are to be read again.
    uses: HashMap<SessionId, i64, BuildHasherDefault<RandomIdHasher>>,
    /// Over by the clock, but the store could not be told yet. The clock may step back before it can.
    untold: HashSet<SessionId>,
}

impl Known {
    fn part_with(&mut self, session: &LiveSession, state: u8) {
        session.state.fetch_max(state, Ordering::AcqRel);
        if let Some(used_at) = session.unwritten().filter(|_| state != OVER) {
            self.uses.insert(session.id, used_at);
        }
    }
}

/// State of memory at one moment; see [`LiveSessions::admit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Generation(u64);

/// A session that was read from the store and is alive.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) session: Arc<LiveSession>,
    /// Whether news will find it, so that it may be kept.
    pub(super) kept: bool,
}

impl LiveSessions {
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        // Nothing is in memory: there is nothing that could have ended unheard.
        let news = News::default();
        news.heard(clock.monotonic());
        Self {
            store,
            clock,
            known: Mutex::default(),
            sequence: tokio::sync::Mutex::new(0),
            news,
            due: Due::new(),
        }
    }

    pub(super) const fn due(&self) -> &Due {
        &self.due
    }

    /// It was used: its person may be due.
    pub(super) fn note_use(&self, session: &LiveSession, now: i64) {
        session.touch(now);
        if session.is_due(now) {
            self.due.note(session, now);
        }
    }

    /// Its person is to be looked at then.
    pub(super) fn set_due(&self, id: SessionId, at: Option<OffsetDateTime>) {
        if let Some(session) = self.known().sessions.get(&id) {
            session.set_due(due(at));
        }
    }

    pub(super) const fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub(super) const fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Whether memory may be believed: the last news came less than [`TRUST`] ago.
    #[must_use]
    pub fn trusted(&self) -> bool {
        self.news.is_within(TRUST, self.clock.monotonic())
    }

    /// Taken before the store is read, given to [`LiveSessions::admit`] with what was read.
    pub(super) fn generation(&self) -> Generation {
        Generation(self.known().generation)
    }

    /// Takes a session that was read from the store, counts this moment as a use of it, and gives what all
    /// its users share. `None`: it is over by idle or absolute time, or is known to have ended.
    ///
    /// If news came since `generation`, it may be news of this one: then it is good for this one answer, as
    /// the store had it, and must not be kept, because later news would not find it.
    pub(super) async fn admit(
        &self,
        stored: &StoredSession,
        generation: Generation,
    ) -> Result<Option<Admitted>, StorageError> {
        let now = self.clock.now();
        let read = Arc::new(LiveSession::new(stored)?);
        let (session, kept) = {
            let mut known = self.known();
            if known.untold.contains(&stored.id) {
                return Ok(None);
            }
            if let Some(used_at) = known.uses.get(&stored.id) {
                read.touch(*used_at);
            }
            match known.sessions.get(&stored.id) {
                Some(session) => (Arc::clone(session), true),
                None if Generation(known.generation) == generation => {
                    known.sessions.insert(stored.id, Arc::clone(&read));
                    known.uses.remove(&stored.id);
                    (read, true)
                }
                None => (read, false),
            }
        };
        session.heard_of_use(stored.times.used_at.unix_timestamp());
        if session.standing(now.unix_timestamp()) != Standing::Alive {
            self.end_overdue(stored.id, now).await?;
            return Ok(None);
        }
        self.note_use(&session, now.unix_timestamp());
        Ok(Some(Admitted { session, kept }))
    }

    /// Asks the store before refusing for idleness: the session may have been used elsewhere. Whether it is
    /// alive.
    pub(super) async fn settle(&self, session: &LiveSession) -> Result<bool, StorageError> {
        let now = self.clock.now();
        if session.standing(now.unix_timestamp()) == Standing::Idle {
            let Some(used_at) = self.store.last_use(session.id).await? else {
                self.end(session.id);
                return Ok(false);
            };
            session.heard_of_use(used_at.unix_timestamp());
        }
        // Ended while we asked.
        if session.is_over() {
            return Ok(false);
        }
        if session.standing(now.unix_timestamp()) == Standing::Alive {
            self.note_use(session, now.unix_timestamp());
            return Ok(true);
        }
        self.end_overdue(session.id, now).await?;
        Ok(false)
    }

    /// It was ended, in this process: from now on nothing in memory says otherwise.
    pub(super) fn end(&self, id: SessionId) {
        self.forget(id, OVER);
    }

    /// It was changed, in this process: it is read again.
    pub(super) fn changed(&self, id: SessionId) {
        self.forget(id, STALE);
    }

    /// It was found idle or expired. The store is told, so that no clock that steps back revives it; where
    /// that fails it is dead here at least, and the store is told later.
    pub(super) async fn end_overdue(
        &self,
        id: SessionId,
        now: OffsetDateTime,
    ) -> Result<(), StorageError> {
        self.end(id);
        self.known().untold.insert(id);
        self.store.end_overdue(id, now).await?;
        self.known().untold.remove(&id);
        Ok(())
    }

    /// The latest use, of those written and those in memory.
    pub(super) fn latest_use(&self, stored: &StoredSession) -> OffsetDateTime {
        let known = self.known();
        known
            .sessions
            .get(&stored.id)
            .map(|session| session.used_at.load(Ordering::Relaxed))
            .or_else(|| known.uses.get(&stored.id).copied())
            .and_then(|used_at| OffsetDateTime::from_unix_timestamp(used_at).ok())
            .map_or(stored.times.used_at, |used_at| {
                used_at.max(stored.times.used_at)
            })
    }

    /// What is true of a stored session, with what only this process knows of it.
    pub(super) fn standing(&self, stored: &StoredSession, now: OffsetDateTime) -> Standing {
        if self.known().untold.contains(&stored.id) {
            return Standing::Expired;
        }
        let times = SessionTimes {
            used_at: self.latest_use(stored),
            ..stored.times
        };
        times.standing(now)
    }

    /// How many sessions are in memory.
    #[must_use]
    pub fn count(&self) -> usize {
        self.known().sessions.len()
    }

    /// Hears what was ended since last time.
    ///
    /// # Errors
    /// The store's. Memory is believed until [`TRUST`] has passed since it last answered.
    pub async fn poll_ended(&self) -> Result<(), StorageError> {
        let mut sequence = self.sequence.lock().await;
        let asked_at = self.clock.monotonic();
        let (newest, ended) = self.store.ended_since(*sequence).await?;
        if !self.news.is_within(DEAF, asked_at) {
            self.forget_all();
        }
        for id in ended {
            self.forget(id, STALE);
        }
        *sequence = newest;
        self.news.heard(asked_at);
        Ok(())
    }

    /// Uses that are not written yet.
    pub(super) fn unwritten(&self) -> Vec<(SessionId, OffsetDateTime)> {
        let known = self.known();
        let of_live = known
            .sessions
            .iter()
            .filter_map(|(id, session)| Some((*id, session.unwritten()?)));
        let of_stale = known.uses.iter().map(|(id, used_at)| (*id, *used_at));
        of_live
            .chain(of_stale)
            .filter_map(|(id, at)| Some((id, OffsetDateTime::from_unix_timestamp(at).ok()?)))
            .collect()
    }

    /// They are written now.
    pub(super) fn written(&self, uses: &[(SessionId, OffsetDateTime)]) {
        let mut known = self.known();
        for (id, used_at) in uses {
            let used_at = used_at.unix_timestamp();
            if known.uses.get(id).is_some_and(|at| *at <= used_at) {
                known.uses.remove(id);
            }
            if let Some(session) = known.sessions.get(id) {
                session.written_at.fetch_max(used_at, Ordering::Relaxed);
            }
        }
    }

    /// Lets go of sessions that nobody else holds and whose last use is written.
    pub(super) fn let_go(&self) {
        let mut known = self.known();
        known
            .sessions
            .retain(|_, session| Arc::strong_count(session) > 1 || session.unwritten().is_some());
        if known.sessions.capacity() > 4 * known.sessions.len() {
            known.sessions.shrink_to_fit();
        }
    }

    /// Tells the store again what it could not be told.
    pub(super) async fn tell_overdue(&self) -> Result<(), StorageError> {
        let untold: Vec<SessionId> = self.known().untold.iter().copied().collect();
        for id in untold {
            self.end_overdue(id, self.clock.now()).await?;
        }
        Ok(())
    }

    fn forget(&self, id: SessionId, state: u8) {
        let mut known = self.known();
        known.generation += 1;
        if state == OVER {
            known.uses.remove(&id);
        }
        if let Some(session) = known.sessions.remove(&id) {
            known.part_with(&session, state);
        }
    }

    fn forget_all(&self) {
        let mut known = self.known();
        known.generation += 1;
        for (_, session) in std::mem::take(&mut known.sessions) {
            known.part_with(&session, STALE);
        }
    }

    /// A panic elsewhere leaves nothing half done here: each change is one insertion or removal.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For keys that are random bytes, or a digest, already: a part of them is as good as any hash.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RandomIdHasher(u64);

impl Hasher for RandomIdHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    /// The length that goes before a slice.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
