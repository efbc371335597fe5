//! tower-sessions' store for one tenant, on ours.
//!
//! Here the two ways of naming a session meet: tower-sessions has an id of 128 bits, we have a
//! [`Handle`] of which only the digest is stored. Invariants: only a login creates, with an id from
//! [`SecureRandom`]; `save` updates what is there and cannot revive what has ended; `load` gives nothing
//! that is over.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tower_sessions_core::session::{Id, Record};
use tower_sessions_core::session_store::{Error, Result};
use tower_sessions_core::{SessionStore, session};

use super::live::LiveSessions;
use super::record::{self, PERSON};
use crate::domain::handle::{Handle, SessionKind};
use crate::domain::identity::{Person, VerifiedIdentity};
use crate::domain::ids::{SessionId, TenantId};
use crate::domain::session::SessionTimes;
use crate::domain::upstream_logout::SignedOutMeanwhile;
use crate::ports::SecureRandom;
use crate::storage::{NewSession, StorageError};

/// What is told with a loaded session and never written back: its name and times, [`Facts`].
pub(super) const FACTS: &str = "facts";

/// The id of tower-sessions for our handle. Both print the same 22 characters.
pub(super) const fn id_of(handle: &Handle<SessionKind>) -> Id {
    Id(i128::from_le_bytes(handle.expose()))
}

/// Our handle for an id of tower-sessions.
pub(super) const fn handle_of(id: Id) -> Handle<SessionKind> {
    Handle::from_bytes(id.0.to_le_bytes())
}

/// What the store knows of a session beside its data. Times are seconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) id: String,
    pub(super) began_at: i64,
    pub(super) used_at: i64,
    pub(super) idle: u64,
    pub(super) ends_at: i64,
}

impl Facts {
    fn of(id: SessionId, times: &SessionTimes) -> Self {
        Self {
            id: id.to_string(),
            began_at: times.began_at.unix_timestamp(),
            used_at: times.used_at.unix_timestamp(),
            idle: times.idle.as_secs(),
            ends_at: times.ends_at.unix_timestamp(),
        }
    }

    pub(super) fn read(&self) -> Option<(SessionId, SessionTimes)> {
        let time = |seconds| OffsetDateTime::from_unix_timestamp(seconds).ok();
        let times = SessionTimes {
            began_at: time(self.began_at)?,
            used_at: time(self.used_at)?,
            idle: std::time::Duration::from_secs(self.idle),
            ends_at: time(self.ends_at)?,
        };
        Some((self.id.parse().ok()?, times))
    }
}

/// A login that may create one session.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) identity: VerifiedIdentity,
    /// All but the handle, which is drawn when the session is created.
    pub(super) session: NewSession,
}

/// The sessions of one tenant, as tower-sessions sees them.
#[derive(Debug)]
pub struct TenantSessionStore {
    live: Arc<LiveSessions>,
    tenant: TenantId,
    login: Mutex<Option<(Login, Arc<dyn SecureRandom>)>>,
    /// tower-sessions has no word for it.
    refused: OnceLock<SignedOutMeanwhile>,
}

impl TenantSessionStore {
    /// For pages: finds, changes and ends.
    pub(super) fn for_pages(live: &Arc<LiveSessions>, tenant: &TenantId) -> Arc<Self> {
        Arc::new(Self {
            live: Arc::clone(live),
            tenant: tenant.clone(),
            login: Mutex::default(),
            refused: OnceLock::new(),
        })
    }

    /// For the end of a login: creates once.
    pub(super) fn for_login(
        live: &Arc<LiveSessions>,
        login: Login,
        random: &Arc<dyn SecureRandom>,
    ) -> Arc<Self> {
        Arc::new(Self {
            live: Arc::clone(live),
            tenant: login.identity.tenant().clone(),
            login: Mutex::new(Some((login, Arc::clone(random)))),
            refused: OnceLock::new(),
        })
    }

    /// Whether the login came too late, where it created nothing.
    pub(super) fn refused(&self) -> Option<SignedOutMeanwhile> {
        self.refused.get().copied()
    }
}

#[async_trait]
impl SessionStore for TenantSessionStore {
    async fn create(&self, record: &mut Record) -> Result<()> {
        let login = self
            .login
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some((login, random)) = login else {
            return Err(Error::Backend("only a login begins a session".into()));
        };
        let handle = Handle::<SessionKind>::from_bytes(random.array());
        let session = NewSession {
            handle: handle.digest(),
            ..login.session
        };
        let identity = &login.identity;
        let with_person = |user| {
            let mut data = record.data.clone();
            data.insert(
                PERSON.into(),
                serde_json::json!(Person::new(user, identity)),
            );
            data
        };
        let text = |user| record::written(with_person(user));
        let user = self
            .live
            .store()
            .begin_session(identity, &session, &text)
            .await
            .map_err(trouble)?
            .map_err(|refused| Error::Backend(self.refused.get_or_init(|| refused).to_string()))?;
        record.data = with_person(user);
        record.id = id_of(&handle);
        Ok(())
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let mut data = record.data.clone();
        data.remove(FACTS);
        let text = record::written(data);
        let handle = handle_of(record.id).digest();
        let saved = self
            .live
            .store()
            .update_session(&self.tenant, handle, &text)
            .await
            .map_err(trouble)?;
        if saved {
            Ok(())
        } else {
            Err(Error::Backend("the session has ended".into()))
        }
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let generation = self.live.generation();
        let handle = handle_of(*id).digest();
        let found = self.live.store().find_session(&self.tenant, handle).await;
        let Some(mut stored) = found.map_err(trouble)? else {
            return Ok(None);
        };
        let admitted = self.live.admit(&stored, generation).await;
        if admitted.map_err(trouble)?.is_none() {
            return Ok(None);
        }
        stored.times.used_at = self.live.latest_use(&stored);
        let mut data: record::Data = serde_json::from_str(&stored.data)
            .map_err(|error| Error::Decode(record::unreadable(&error).to_string()))?;
        let facts = Facts::of(stored.id, &stored.times);
        data.insert(FACTS.into(), serde_json::json!(facts));
        Ok(Some(Record {
            id: *id,
            data,
            expiry_date: stored.times.ends_at,
        }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        let handle = handle_of(*id).digest();
        let now = self.live.clock().now();
        let ended = self
            .live
            .store()
            .end_by_handle(&self.tenant, handle, now)
            .await
            .map_err(trouble)?;
        if let Some(ended) = ended {
            self.live.end(ended.session.id);
        }
        Ok(())
    }
}

fn trouble(error: StorageError) -> Error {
    match error {
        StorageError::Unavailable(why) => Error::Backend(why),
        StorageError::Unreadable(why) => Error::Decode(why),
    }
}

/// Back from tower-sessions' errors.
pub(super) fn storage_error(error: session::Error) -> StorageError {
    match error {
        session::Error::SerdeJson(error) => record::unreadable(&error),
        session::Error::Store(Error::Backend(why)) => StorageError::Unavailable(why),
        session::Error::Store(Error::Encode(why) | Error::Decode(why)) => {
            StorageError::Unreadable(why)
        }
    }
}
