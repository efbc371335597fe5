//! Looking at people again: whose turn it is, and what becomes of their session.
//!
//! Who asks the provider is not known here. Invariants: nobody asks for a session that another asks for, here or in
//! another process ([`Claimed`]); what is found is written only to a session that is alive, about the person whose it
//! is; the provider's trouble ends nothing.

use std::time::Duration;

use secrecy::SecretString;
use time::OffsetDateTime;

use super::lifecycle::Sessions;
use super::record;
use crate::domain::identity::Profile;
use crate::domain::ids::{ProviderId, SessionId};
use crate::domain::upstream_tokens::{Refresh, UpstreamTokens};
use crate::storage::{
    Claim, Claimed, Claiming, LookedAt, NewTokens, Settled, StorageError, TokensOf,
};

/// How long a look may take, all in all. After it somebody else may begin one.
pub const LEASE: Duration = Duration::from_mins(1);

/// When the store is asked again that did not answer.
const STORE_AGAIN: Duration = Duration::from_secs(30);

/// How often a new refresh token is written, until it is.
const TRIES: u32 = 5;

/// Between two of them.
const BETWEEN_TRIES: Duration = Duration::from_millis(500);

/// What a provider gave for a session beside its word.
#[derive(Clone, Debug, Default)]
pub struct Granted {
    /// For `id_token_hint` at sign-out.
    pub id_token: Option<SecretString>,
    /// Where they are kept.
    pub tokens: Option<(UpstreamTokens, Refresh)>,
}

impl Sessions {
    /// What is kept of `granted` in a session that begins now.
    pub(super) fn new_tokens(
        &self,
        provider: &ProviderId,
        granted: Option<(UpstreamTokens, Refresh)>,
        now: OffsetDateTime,
    ) -> Option<NewTokens> {
        let (tokens, refresh) = granted?;
        Some(NewTokens {
            provider: provider.clone(),
            due_at: refresh.due_at(&tokens, now, self.jitter()),
            tokens,
        })
    }

    /// A session whose person is to be looked at again; it is in use, or was a moment ago. Call
    /// [`claim_refresh`](Self::claim_refresh) for it.
    #[must_use]
    pub fn take_due(&self) -> Option<SessionId> {
        self.live().due().take()
    }

    /// Whose tokens of `session` are looked with. `None`: none are, or not any more.
    ///
    /// # Errors
    /// The store's. It is tried again at a later use.
    pub async fn find_whose_tokens(
        &self,
        session: SessionId,
    ) -> Result<Option<TokensOf>, StorageError> {
        let found = self.live().store().find_whose_tokens(session).await;
        if found.is_err() {
            self.put_off(session, STORE_AGAIN);
        }
        found
    }

    /// Has a use of `session` find it due only when so much time has passed. Nothing is written.
    pub fn put_off(&self, session: SessionId, wait: Duration) {
        let again = self.live().clock().now() + wait;
        self.live().set_due(session, Some(again));
    }

    /// The right to look at the person of `session`. `None`: it is not due, or in another hand.
    ///
    /// # Errors
    /// The store's. It is tried again at a later use.
    pub async fn claim_refresh(&self, session: SessionId) -> Result<Option<Claimed>, StorageError> {
        let now = self.live().clock().now();
        let store = self.live().store();
        match store.claim_refresh(session, now, now + LEASE).await {
            Ok(Claiming::Ours(claimed)) => Ok(Some(*claimed)),
            Ok(Claiming::NotBefore(at)) => {
                self.live().set_due(session, Some(at));
                Ok(None)
            }
            Ok(Claiming::Nothing) => Ok(None),
            Err(error) => {
                self.live().set_due(session, Some(now + STORE_AGAIN));
                Err(error)
            }
        }
    }

    /// Puts a refresh token that has just come in the place of the one that it replaces, before anything else is
    /// done. `false`: the claim is lost, and the new token is nobody's.
    ///
    /// # Errors
    /// The store's. The new token is not kept then.
    pub async fn keep_rotated(
        &self,
        claim: &Claim,
        refresh_token: &SecretString,
    ) -> Result<bool, StorageError> {
        let store = self.live().store();
        let mut kept = store.keep_rotated(claim, refresh_token).await;
        // It is nowhere else: a database that is locked for a moment must not lose it.
        for _ in 1..TRIES {
            if kept.is_ok() {
                break;
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
            kept = store.keep_rotated(claim, refresh_token).await;
        }
        if kept.is_err() {
            let again = self.live().clock().now() + STORE_AGAIN;
            self.live().set_due(claim.session, Some(again));
        }
        kept
    }

    /// Writes what a look has found. All app sessions of a person who has changed are told within a second, and
    /// where apps are given tokens (`for_apps`), all of them are.
    ///
    /// # Errors
    /// The store's. It is tried again at a later use.
    pub async fn settle_refresh(
        &self,
        claim: &Claim,
        refresh: &Refresh,
        profile: &Profile,
        tokens: UpstreamTokens,
        for_apps: bool,
    ) -> Result<Settled, StorageError> {
        let at = self.live().clock().now();
        let found = LookedAt {
            due_at: refresh.due_at(&tokens, at, self.jitter()),
            tokens,
            issuer_key: profile.issuer_key.clone(),
            subject_key: profile.subject_key.clone(),
            for_apps,
            at,
        };
        let change = |data: &str| record::with_person_again(data, profile);
        let settled = self
            .live()
            .store()
            .settle_refresh(claim, &found, &change)
            .await;
        match &settled {
            Ok(Settled::Changed) => self.live().changed(claim.session),
            Ok(Settled::Unchanged) if for_apps => self.live().changed(claim.session),
            Ok(Settled::Unchanged) => self.live().set_due(claim.session, found.due_at),
            Ok(Settled::AnotherPerson | Settled::Lost) => {}
            Err(_) => self.live().set_due(claim.session, Some(at + STORE_AGAIN)),
        }
        settled
    }

    /// The provider was in trouble: the session goes on as it is, and its person is looked at again later.
    ///
    /// # Errors
    /// The store's. Then nobody looks before the lease is over.
    pub async fn postpone_refresh(&self, claimed: &Claimed) -> Result<(), StorageError> {
        let now = self.live().clock().now();
        let again = Refresh::again_at(claimed.failures, now, self.jitter());
        self.live().set_due(claimed.claim.session, Some(again));
        let store = self.live().store();
        store.postpone_refresh(&claimed.claim, Some(again)).await?;
        Ok(())
    }

    /// There is nothing to look with any more: the session goes on, and is never due again.
    ///
    /// # Errors
    /// The store's. It is found out once more at a later use.
    pub async fn give_up_refreshing(&self, claim: &Claim) -> Result<(), StorageError> {
        let store = self.live().store();
        let written = store.postpone_refresh(claim, None).await;
        let again = self.live().clock().now() + STORE_AGAIN;
        let due_at = written.is_err().then_some(again);
        self.live().set_due(claim.session, due_at);
        written.map(drop)
    }

    /// Ends the session of somebody who is not let in any more. Whether it was still theirs to end.
    ///
    /// # Errors
    /// The store's. It is tried again at a later use.
    pub async fn end_claimed(&self, claim: &Claim) -> Result<bool, StorageError> {
        let now = self.live().clock().now();
        let ended = self.live().store().end_claimed(claim, now).await;
        match &ended {
            Ok(true) => self.live().end(claim.session),
            Ok(false) => {}
            Err(_) => self.live().set_due(claim.session, Some(now + STORE_AGAIN)),
        }
        ended
    }

    fn jitter(&self) -> u8 {
        let [jitter] = self.random().array();
        jitter
    }
}
