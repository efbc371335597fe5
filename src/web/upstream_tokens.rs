//! Looking at people again, and revoking their tokens, in the background: here sessions and relying party meet.
//!
//! A look is one person's turn from the claim to what becomes of their session. No request waits for it. Invariants:
//! a refresh token that came is kept before anything else is done with the answer; only what the provider says of a
//! person ends their session, never its trouble or ours; every look ends, whatever hangs.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::Door;
use crate::domain::ids::SessionId;
use crate::domain::tenant::Tenant;
use crate::domain::upstream_provider::UpstreamProvider;
use crate::domain::upstream_tokens::{Refresh, UpstreamTokens};
use crate::relying_party::{Fresh, LookedAgain, NotRefreshed, UpstreamTrouble};
use crate::storage::{Claimed, EndedTokens, Settled, StorageError, TokensOf};
use crate::telemetry::metrics::{count_refresh, count_session};

/// After so long a look is given up. Shorter than its lease, so that nobody else has begun one meanwhile.
const DEADLINE: Duration = Duration::from_secs(25);

/// When a session is noticed again for which there is no place now.
const NO_PLACE: Duration = Duration::from_secs(1);

/// How many sessions' tokens are revoked at once at one provider.
const REVOKED_AT_ONCE: u32 = 8;

/// A provider that takes longer to revoke tokens is not waited for.
const REVOCATION_DEADLINE: Duration = Duration::from_secs(10);

/// Why a look came to nothing.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Refused(#[from] NotRefreshed),
    #[error(transparent)]
    Store(#[from] StorageError),
    /// The session has ended, or somebody has signed in anew in it.
    #[error("the session is another one by now")]
    Lost,
}

impl Door {
    /// Begins to look at people whose turn it is, and waits for none of it.
    pub(super) fn look_at_people(self: &Arc<Self>) {
        let Some(sorting) = self.looks.sort() else {
            return;
        };
        let door = Arc::clone(self);
        tokio::spawn(async move {
            while let Some(session) = door.next_due() {
                door.have_wait(session).await;
                door.begin_looks();
            }
            door.begin_looks();
            drop(sorting);
        });
    }

    /// Whose turn it is depends on the provider, which the store knows.
    async fn have_wait(&self, session: SessionId) {
        let sessions = &self.parts.sessions;
        match sessions.find_whose_tokens(session).await {
            Ok(Some(of)) => {
                if !self.looks.wait(of, session) {
                    sessions.put_off(session, NO_PLACE);
                }
            }
            Ok(None) => {}
            Err(error) => not_looked_at(session, &error),
        }
    }

    /// Each that ends makes way for others.
    fn begin_looks(self: &Arc<Self>) {
        while let Some((place, of, session)) = self.looks.begin() {
            let door = Arc::clone(self);
            tokio::spawn(async move {
                door.look(&of, session).await;
                drop(place);
                door.begin_looks();
            });
        }
    }

    /// Begins to revoke the tokens of sessions that have ended, however they did, and waits for none of it. No
    /// provider waits for another one.
    pub(super) fn revoke_ended(self: &Arc<Self>) {
        let Some(finding) = self.looks.find() else {
            return;
        };
        let door = Arc::clone(self);
        tokio::spawn(async move {
            match door.parts.store.find_ended_tokens().await {
                Ok(waiting) => waiting.into_iter().for_each(|of| door.begin_revoking(of)),
                Err(error) => not_revoked(&error),
            }
            drop(finding);
        });
    }

    fn begin_revoking(self: &Arc<Self>, of: TokensOf) {
        let Some(turn) = self.looks.revoke(&of) else {
            return;
        };
        let door = Arc::clone(self);
        tokio::spawn(async move {
            door.revoke_all(&of).await;
            drop(turn);
        });
    }

    /// They are taken out of the store first: each is tried once.
    async fn revoke_all(self: &Arc<Self>, of: &TokensOf) {
        while !self.looks.is_stopped() {
            let ended = match self
                .parts
                .store
                .take_ended_tokens(of, REVOKED_AT_ONCE)
                .await
            {
                Ok(ended) if ended.is_empty() => return,
                Ok(ended) => ended,
                Err(error) => return not_revoked(&error),
            };
            let mut all = JoinSet::new();
            for ended in ended {
                let door = Arc::clone(self);
                all.spawn(async move { door.revoke(&ended).await });
            }
            all.join_all().await;
        }
    }

    async fn revoke(&self, ended: &EndedTokens) {
        let snapshot = self.parts.directory.snapshot();
        let tenant = snapshot.tenant(&ended.tenant);
        let Some(provider) = tenant.and_then(|tenant| tenant.provider(&ended.provider)) else {
            return;
        };
        let revoked = self.parts.relying_party.revoke(provider, &ended.tokens);
        let revoked = tokio::time::timeout(REVOCATION_DEADLINE, revoked).await;
        let trouble = match revoked {
            Ok(Ok(told)) => {
                if told {
                    tracing::info!(
                        target: "audit", event = "tokens_revoked", tenant = %ended.tenant,
                        provider = %ended.provider, session = %ended.session,
                    );
                }
                return;
            }
            Ok(Err(trouble)) => trouble,
            Err(_) => UpstreamTrouble::Slow(REVOCATION_DEADLINE.as_secs()),
        };
        tracing::warn!(
            target: "audit", event = "tokens_not_revoked", tenant = %ended.tenant, provider = %ended.provider,
            session = %ended.session, reason = %trouble, "they live until they expire"
        );
    }

    /// Tokens that came when their session had ended already. Where somebody has only signed in anew they are left
    /// alone: with them, the provider might end the new ones.
    async fn revoke_late(&self, claimed: &Claimed, tokens: Option<UpstreamTokens>) {
        let claim = &claimed.claim;
        let alive = self.parts.store.last_use(claim.session).await;
        if let (Ok(None), Some(tokens)) = (alive, tokens) {
            let ended = EndedTokens {
                tenant: claim.tenant.clone(),
                session: claim.session,
                provider: claimed.provider.clone(),
                tokens,
            };
            self.revoke(&ended).await;
        }
    }

    fn next_due(&self) -> Option<SessionId> {
        let stopped = self.looks.is_stopped();
        (!stopped).then(|| self.parts.sessions.take_due()).flatten()
    }

    /// Waits until every look under way is done.
    pub async fn looked_at_people(&self) {
        self.looks.done().await;
    }

    /// Begins no more, and waits for those under way: what a provider has answered is not lost.
    pub(super) async fn stop_looking(&self) {
        self.looks.stop();
        self.looks.done().await;
    }

    async fn look(&self, of: &TokensOf, session: SessionId) {
        let sessions = &self.parts.sessions;
        // Nothing is claimed, and nothing written.
        if let Some(rest) = self.looks.rests_for(of, self.parts.clock.monotonic()) {
            return sessions.put_off(session, rest);
        }
        let claimed = match sessions.claim_refresh(session).await {
            Ok(Some(claimed)) => claimed,
            Ok(None) => return,
            Err(error) => return not_looked_at(session, &error),
        };
        let snapshot = self.parts.directory.snapshot();
        let tenant = snapshot.tenant(&claimed.claim.tenant);
        let found = tenant.and_then(|tenant| {
            let provider = tenant.provider(&claimed.provider)?;
            Some((tenant, provider, provider.tokens.refresh.as_ref()?))
        });
        // Taken out of the configuration: nobody looks, and what the provider gave is of no use.
        let Some((tenant, provider, refresh)) = found else {
            // It may be put back.
            if let Err(error) = sessions.postpone_refresh(&claimed).await {
                tracing::error!(%session, %error, "a look cannot be put off");
            }
            return;
        };
        let looked = tokio::time::timeout(DEADLINE, self.ask(tenant, provider, refresh, &claimed));
        let looked = looked.await.unwrap_or_else(|_| {
            Err(NotRefreshed::Trouble(UpstreamTrouble::Slow(DEADLINE.as_secs())).into())
        });
        let outcome = match looked {
            Ok(settled) => note_settled(&claimed, settled),
            Err(failed) => self.note_failed(&claimed, &failed).await,
        };
        count_refresh(tenant.id.as_str(), provider.id.as_str(), outcome);
    }

    async fn ask(
        &self,
        tenant: &Tenant,
        provider: &UpstreamProvider,
        refresh: &Refresh,
        claimed: &Claimed,
    ) -> Result<Settled, Failed> {
        let relying_party = &self.parts.relying_party;
        let sessions = &self.parts.sessions;
        let fresh = relying_party
            .refresh_tokens(provider, refresh, claimed)
            .await?;
        let late = fresh.as_ref().map(Fresh::to_revoke);
        if let Some(token) = fresh.as_ref().and_then(Fresh::refresh_token)
            && !sessions.keep_rotated(&claimed.claim, token).await?
        {
            self.revoke_late(claimed, late).await;
            return Err(Failed::Lost);
        }
        let LookedAgain { profile, tokens } = relying_party
            .look_again(tenant, provider, claimed, fresh)
            .await?;
        let settled = sessions
            .settle_refresh(
                &claimed.claim,
                refresh,
                &profile,
                tokens,
                !provider.tokens.for_apps.is_empty(),
            )
            .await?;
        match settled {
            Settled::AnotherPerson => {
                Err(NotRefreshed::Refused(UpstreamTrouble::AnotherPerson).into())
            }
            Settled::Lost => {
                self.revoke_late(claimed, late).await;
                Err(Failed::Lost)
            }
            settled => Ok(settled),
        }
    }

    async fn note_failed(&self, claimed: &Claimed, failed: &Failed) -> &'static str {
        let claim = &claimed.claim;
        let sessions = &self.parts.sessions;
        let (over, reason) = match failed {
            Failed::Refused(refused) => {
                if let NotRefreshed::Trouble(trouble) = refused
                    && trouble.is_unreachable()
                {
                    let of = TokensOf {
                        tenant: claim.tenant.clone(),
                        provider: claimed.provider.clone(),
                    };
                    self.looks.rest(of, self.parts.clock.monotonic());
                }
                (refused.is_about_the_person(), refused)
            }
            Failed::Store(error) => {
                not_looked_at(claim.session, error);
                return "failed";
            }
            Failed::Lost => return "lost",
        };
        let done = if over {
            sessions.end_claimed(claim).await
        } else if matches!(reason, NotRefreshed::NothingToAskWith) {
            sessions.give_up_refreshing(claim).await.map(|()| false)
        } else {
            sessions.postpone_refresh(claimed).await.map(|()| false)
        };
        match done {
            Ok(true) => {
                count_session(claim.tenant.as_str(), "ended");
                tracing::warn!(
                    target: "audit", event = "session_ended", tenant = %claim.tenant, provider = %claimed.provider,
                    session = %claim.session, %reason, "the provider does not vouch for somebody any more"
                );
                "ended"
            }
            Ok(false) if over => "lost",
            Ok(false) if matches!(reason, NotRefreshed::NothingToAskWith) => {
                tracing::warn!(
                    target: "audit", event = "refresh_ended", tenant = %claim.tenant, provider = %claimed.provider,
                    session = %claim.session, %reason,
                    "a person is not looked at again before their next sign-in: their session goes on"
                );
                "failed"
            }
            Ok(false) => {
                tracing::warn!(
                    tenant = %claim.tenant, provider = %claimed.provider, session = %claim.session, %reason,
                    failures = claimed.failures + 1,
                    "a person was not looked at again: their session goes on, and it will be tried again"
                );
                "failed"
            }
            Err(error) => {
                tracing::error!(session = %claim.session, %error, %reason, "what a look has found cannot be written");
                "failed"
            }
        }
    }
}

fn not_looked_at(session: SessionId, error: &StorageError) {
    tracing::error!(%session, %error, "a person cannot be looked at again; it will be tried again");
}

fn not_revoked(error: &StorageError) {
    tracing::error!(%error, "tokens of ended sessions are not revoked; it will be tried again");
}

fn note_settled(claimed: &Claimed, settled: Settled) -> &'static str {
    let claim = &claimed.claim;
    if settled != Settled::Changed {
        return "unchanged";
    }
    tracing::info!(
        target: "audit", event = "person_changed", tenant = %claim.tenant, provider = %claimed.provider,
        session = %claim.session, "the provider describes somebody who is signed in otherwise than before"
    );
    "changed"
}
