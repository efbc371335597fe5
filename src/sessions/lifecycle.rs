//! A session from login to sign-out.

use std::sync::Arc;

use tower_sessions_core::{Expiry, Session};

use super::live::LiveSessions;
use super::record::{self, BROWSER, Browser, PERSON};
use super::rounds::Rounds;

use super::tenant_store::{
    FACTS, Facts, Login, TenantSessionStore, handle_of, id_of, storage_error,
};
use super::upstream::Granted;
use crate::domain::handle::{AppSessionKind, Handle, SessionKind};
use crate::domain::host::Host;
use crate::domain::identity::{Person, VerifiedIdentity};
use crate::domain::ids::{SessionId, TenantId, UserId};
use crate::domain::session::{SessionTimes, Standing};
use crate::domain::tenant::Tenant;
use crate::domain::upstream_logout::SignedOutMeanwhile;
use crate::ports::{Clock, SecureRandom};
use crate::storage::{EndedSession, Ending, NewSession, StorageError, Store, StoredSession};

/// The use-cases.
#[derive(Clone, Debug)]
pub struct Sessions {
    live: Arc<LiveSessions>,
    random: Arc<dyn SecureRandom>,
    rounds: Rounds,
}

/// A login has become a session.
#[derive(Debug)]
pub struct Established {
    /// For the cookie: always a new one.
    pub handle: Handle<SessionKind>,
    /// Its name.
    pub session: SessionId,
    /// Who signed in.
    pub person: Person,
    /// What became of the session that the browser had.
    pub origin: Origin,
}

/// Why a login became no session.
#[derive(Debug, thiserror::Error)]
pub enum NotEstablished {
    /// The provider ended it meanwhile.
    #[error(transparent)]
    SignedOutMeanwhile(#[from] SignedOutMeanwhile),
    /// The store's.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Where an established session comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The browser had none that was alive.
    New,
    /// The same person's: it goes on under a new handle, apps stay signed in.
    Renewed,
    /// Another person's, which was ended.
    InsteadOf(SessionId),
}

/// A live session, for a page.
#[derive(Clone, Debug)]
pub struct CurrentSession {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub person: Person,
    /// The browser it was begun in.
    pub browser: Browser,
    /// Its times.
    pub times: SessionTimes,
}

/// One line of a person's list of sessions.
pub type ListedSession = CurrentSession;

impl Sessions {
    /// On `store`.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn SecureRandom>,
    ) -> Self {
        Self {
            live: Arc::new(LiveSessions::new(store, clock)),
            random,
            rounds: Rounds::new(),
        }
    }

    /// What this process has in memory.
    #[must_use]
    pub const fn live(&self) -> &Arc<LiveSessions> {
        &self.live
    }

    /// Begins a session for a verified identity, always with a new handle, so that a handle planted before
    /// the login is worth nothing after it. `presented` is what the browser showed: the same person's live
    /// session goes on (with its name and its app sessions), anybody else's is ended first.
    ///
    /// Whose session it is follows from the identity alone; `tenant` gives the lifetimes, and `granted` is kept
    /// sealed.
    ///
    /// # Errors
    /// [`NotEstablished`]. Then nothing was begun.
    pub async fn establish(
        &self,
        tenant: &Tenant,
        identity: VerifiedIdentity,
        granted: Granted,
        browser: Browser,
        presented: Option<Handle<SessionKind>>,
    ) -> Result<Established, NotEstablished> {
        let now = self.live.clock().now();
        let session = NewSession {
            id: SessionId::from_bytes(self.random.array()),
            handle: Handle::<SessionKind>::from_bytes(self.random.array()).digest(),
            new_user: UserId::from_bytes(self.random.array()),
            times: SessionTimes::begin(now, tenant.lifetimes),
            id_token: granted.id_token,
            tokens: self.new_tokens(identity.provider(), granted.tokens, now),
            upstream: identity.upstream_login(),
        };
        let mut origin = Origin::New;
        if let Some(presented) = presented
            && let Some(found) = self.find_alive(identity.tenant(), &presented).await?
        {
            if self.live.store().user_of(&identity).await? == Some(found.user) {
                let renewed = self
                    .renew(&found, &presented, &identity, &session, &browser)
                    .await?;
                if let Some(established) = renewed {
                    return Ok(established);
                }
            } else {
                self.sign_out(identity.tenant(), &presented).await?;
                origin = Origin::InsteadOf(found.id);
            }
        }
        self.begin(Login { identity, session }, &browser, origin)
            .await
    }

    async fn begin(
        &self,
        login: Login,
        browser: &Browser,
        origin: Origin,
    ) -> Result<Established, NotEstablished> {
        let id = login.session.id;
        let ends_at = login.session.times.ends_at;
        let store = TenantSessionStore::for_login(&self.live, login, &self.random);
        let session = Session::new(
            None,
            Arc::clone(&store) as _,
            Some(Expiry::AtDateTime(ends_at)),
        );
        let created = async {
            session.insert(BROWSER, browser).await?;
            session.save().await?;
            session.get(PERSON).await
        };
        let person = created.await.map_err(|error| match store.refused() {
            Some(refused) => NotEstablished::from(refused),
            None => storage_error(error).into(),
        })?;
        match (session.id(), person) {
            (Some(handle), Some(person)) => Ok(Established {
                handle: handle_of(handle),
                session: id,
                person,
                origin,
            }),
            _ => Err(NotEstablished::Storage(StorageError::Unreadable(
                "a session that was just begun has no person".into(),
            ))),
        }
    }

    /// `None`: it ended meanwhile.
    async fn renew(
        &self,
        found: &StoredSession,
        presented: &Handle<SessionKind>,
        identity: &VerifiedIdentity,
        session: &NewSession,
        browser: &Browser,
    ) -> Result<Option<Established>, NotEstablished> {
        let handle = Handle::<SessionKind>::from_bytes(self.random.array());
        let renewed = NewSession {
            handle: handle.digest(),
            ..session.clone()
        };
        let person = Person::new(found.user, identity);
        let data =
            record::of_login(&person, browser).map_err(|error| record::unreadable(&error))?;
        let live = self
            .live
            .store()
            .renew_session(identity.tenant(), presented.digest(), &renewed, &data)
            .await??;
        // The person may have other groups now: what is in memory is read again.
        self.live.changed(found.id);
        Ok(live.then_some(Established {
            handle,
            session: found.id,
            person,
            origin: Origin::Renewed,
        }))
    }

    /// The live session of a handle, for a page. Counts as a use.
    ///
    /// # Errors
    /// The store's.
    pub async fn current(
        &self,
        tenant: &TenantId,
        handle: &Handle<SessionKind>,
    ) -> Result<Option<CurrentSession>, StorageError> {
        let store = TenantSessionStore::for_pages(&self.live, tenant);
        let session = Session::new(Some(id_of(handle)), store, None);
        let read = async {
            let facts: Option<Facts> = session.get(FACTS).await?;
            let person: Option<Person> = session.get(PERSON).await?;
            let browser: Option<Browser> = session.get(BROWSER).await?;
            Ok((facts, person, browser.unwrap_or_default()))
        };
        let (facts, person, browser) = read.await.map_err(storage_error)?;
        let (Some(facts), Some(person)) = (facts, person) else {
            return Ok(None);
        };
        Ok(facts.read().map(|(id, times)| CurrentSession {
            id,
            person,
            browser,
            times,
        }))
    }

    /// A person's live sessions, newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(
        &self,
        tenant: &TenantId,
        user: UserId,
    ) -> Result<Vec<ListedSession>, StorageError> {
        let now = self.live.clock().now();
        let mut listed = Vec::new();
        for mut stored in self.live.store().sessions_of(tenant, user).await? {
            if self.live.standing(&stored, now) == Standing::Alive {
                stored.times.used_at = self.live.latest_use(&stored);
                let (person, browser) = record::person_and_browser_of(&stored.data)?;
                listed.push(ListedSession {
                    id: stored.id,
                    person,
                    browser,
                    times: stored.times,
                });
            }
        }
        Ok(listed)
    }

    /// Ends one of a person's sessions. Whether it was live, and theirs.
    ///
    /// # Errors
    /// The store's.
    pub async fn end_one(
        &self,
        tenant: &TenantId,
        user: UserId,
        session: SessionId,
    ) -> Result<bool, StorageError> {
        let ended = self.end(tenant, Ending::One(session, user)).await?;
        Ok(!ended.is_empty())
    }

    /// Ends all of a person's sessions but one. Gives the names of those that were live.
    ///
    /// # Errors
    /// The store's.
    pub async fn end_others(
        &self,
        tenant: &TenantId,
        user: UserId,
        keep: SessionId,
    ) -> Result<Vec<SessionId>, StorageError> {
        self.end(tenant, Ending::Others(keep, user)).await
    }

    async fn end(&self, tenant: &TenantId, which: Ending) -> Result<Vec<SessionId>, StorageError> {
        let now = self.live.clock().now();
        let ended = self.live.store().end_sessions(tenant, which, now).await?;
        for id in &ended {
            self.live.end(*id);
        }
        Ok(ended)
    }

    /// Ends the session of a handle, here at once and everywhere within a second. `None`: there was none.
    ///
    /// # Errors
    /// The store's. Then the session may be alive: the page must say so.
    pub async fn sign_out(
        &self,
        tenant: &TenantId,
        handle: &Handle<SessionKind>,
    ) -> Result<Option<EndedSession>, StorageError> {
        let now = self.live.clock().now();
        let ended = self
            .live
            .store()
            .end_by_handle(tenant, handle.digest(), now)
            .await?;
        if let Some(ended) = &ended {
            self.live.end(ended.session.id);
        }
        Ok(ended)
    }

    /// Ends the session that an app session came from, as [`Sessions::sign_out`] does. `None`: there was none.
    ///
    /// # Errors
    /// The store's. Then the session may be alive: the page must say so.
    pub async fn sign_out_of_app(
        &self,
        tenant: &TenantId,
        host: &Host,
        handle: &Handle<AppSessionKind>,
    ) -> Result<Option<EndedSession>, StorageError> {
        let now = self.live.clock().now();
        let store = self.live.store();
        let ended = store
            .end_by_app_handle(tenant, host, handle.digest(), now)
            .await?;
        if let Some(ended) = &ended {
            self.live.end(ended.session.id);
        }
        Ok(ended)
    }

    /// A session by its handle, if it is neither ended nor over. Does not count as a use.
    async fn find_alive(
        &self,
        tenant: &TenantId,
        handle: &Handle<SessionKind>,
    ) -> Result<Option<StoredSession>, StorageError> {
        let found = self.live.store().find_session(tenant, handle.digest());
        let Some(stored) = found.await? else {
            return Ok(None);
        };
        let now = self.live.clock().now();
        if self.live.standing(&stored, now) == Standing::Alive {
            return Ok(Some(stored));
        }
        self.live.end_overdue(stored.id, now).await?;
        Ok(None)
    }

    pub(super) const fn rounds(&self) -> &Rounds {
        &self.rounds
    }

    pub(super) const fn random(&self) -> &Arc<dyn SecureRandom> {
        &self.random
    }
}
