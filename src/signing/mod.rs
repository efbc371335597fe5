//! Our own keys, and everything that is signed with them.
//!
//! [`Signing::sign`] is the one way to a token of ours; [`Signing::key_set`] is what the world verifies it with.
//! Invariants: a key is parsed once, signs only while this process has news of all keys, and is in the key set
//! before it signs and until its last token is over (`domain::signing_key` has the rules); a key that does not
//! open is replaced by nobody but an operator. What is deliberately absent: what stands in a token, who gets
//! one, and timers (the server and the tests call [`Signing::poll`] and [`Signing::turn`]).

mod known;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::ids::TenantId;
use crate::domain::news::{News, TRUST};
use crate::domain::signing_key::{
    KEY_SET_STALENESS, KeyPlan, KeySchedule, LONGEST_TOKEN, Occasion, SigningAlgorithm,
    SigningRules, plan,
};
use crate::jose::{
    KeySet, Revocation, Revocations, SignatureAlgorithm, Signer, SigningFailed, TrustedKeys,
};
use crate::ports::Clock;
use crate::storage::{NewSigningKey, RevokedToken, StorageError, Store, StoredRevocation};
use known::{Known, TenantKeys};

/// How many revoked tokens are known at a time; each is forgotten when it has ended.
const MOST_REVOKED: usize = 250_000;

/// For how long that may be, whatever the clock does.
const REVOKED_FOR: Duration = LONGEST_TOKEN.unsigned_abs();

/// How long after its end an app may still take a token (`skew` of a trusted issuer).
const LONGEST_SKEW: time::Duration = time::Duration::minutes(5);

fn token_of(revoked: &RevokedToken) -> Revocation {
    Revocation::Token {
        issuer: revoked.issuer.clone(),
        id: revoked.id.clone(),
    }
}

/// Claims of a token of ours.
pub trait Claims: Serialize {
    /// `exp` (RFC 7519 §4.1.4), in seconds since 1970. None: they have none, and are not signed.
    fn expires_at(&self) -> Option<i64>;
}

impl Claims for Value {
    fn expires_at(&self) -> Option<i64> {
        self.get("exp")?.as_i64()
    }
}

/// Why nothing was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// The store has not answered for [`TRUST`].
    #[error("there is no news of the signing keys")]
    NoNews,
    /// The tenant has no key yet: none could be made.
    #[error("the tenant has no signing key")]
    NoKey,
    /// The key that should sign is sealed with a key that is not among the sealing keys, or is damaged.
    #[error(
        "the signing key does not open: put the sealing key that it was sealed with back into \
         `storage.sealing_keys`, or make another with `doorward keys rotate --at-once`"
    )]
    Unopened,
    /// There is no `exp`, or it is later than the key is kept for.
    #[error("a token of ours ends within 24 hours, and says so")]
    Endless,
    /// The cryptographic library.
    #[error(transparent)]
    Failed(#[from] SigningFailed),
}

/// Why there is no key set to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is known of the signing keys is too old to be shown, or there are none")]
pub struct NoKeySet;

/// Why a key was not turned.
#[derive(Debug, thiserror::Error)]
pub enum NotTurned {
    /// The store's.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The cryptographic library.
    #[error(transparent)]
    Failed(#[from] SigningFailed),
}

/// The keys of all tenants.
pub struct Signing {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    known: RwLock<Arc<Known>>,
    /// Without it nothing is signed: another process may have been told that a key has leaked.
    news: News,
    /// One at a time makes keys.
    turning: tokio::sync::Mutex<()>,
    revocations: Arc<Revocations>,
    /// The store's sequence of revocations, as far as it is known here.
    followed: AtomicI64,
}

impl Signing {
    /// Knows nothing yet: [`poll`](Self::poll) and [`turn`](Self::turn) first.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            revocations: Arc::new(Revocations::new(Arc::clone(&clock), MOST_REVOKED)),
            followed: AtomicI64::new(0),
            store,
            clock,
            known: RwLock::default(),
            news: News::default(),
            turning: tokio::sync::Mutex::default(),
        }
    }

    /// A signed token of `tenant`. `typ` tells kinds of tokens apart (RFC 8725 §3.11); the header names the key.
    ///
    /// # Errors
    /// [`NotSigned`]. Nobody should get anything else in its place.
    pub fn sign<C: Claims + ?Sized>(
        &self,
        tenant: &TenantId,
        claims: &C,
        typ: &str,
    ) -> Result<String, NotSigned> {
        if !self.has_news() {
            return Err(NotSigned::NoNews);
        }
        let now = self.clock.now();
        let latest = now.saturating_add(LONGEST_TOKEN).unix_timestamp();
        if claims.expires_at().is_none_or(|at| at > latest) {
            return Err(NotSigned::Endless);
        }
        let known = self.known();
        let keys = known.of_tenant(tenant).ok_or(NotSigned::NoKey)?;
        Ok(keys.signer(now)?.sign(claims, typ)?)
    }

    /// The key set of `tenant` as a JWK set (RFC 7517 §5), public halves alone. It may be used for
    /// [`KEY_SET_MAX_AGE`](crate::domain::signing_key::KEY_SET_MAX_AGE).
    ///
    /// # Errors
    /// [`NoKeySet`]: never an empty set, which would be remembered.
    pub fn key_set(&self, tenant: &TenantId) -> Result<Value, NoKeySet> {
        if !self.has_heard_within(KEY_SET_STALENESS.unsigned_abs()) {
            return Err(NoKeySet);
        }
        let now = self.clock.now();
        let known = self.known();
        let keys: Vec<&Value> = known
            .of_tenant(tenant)
            .ok_or(NoKeySet)?
            .published(now)
            .collect();
        if keys.is_empty() {
            return Err(NoKeySet);
        }
        Ok(json!({ "keys": keys }))
    }

    /// With what a tenant's tokens can be signed at this moment.
    #[must_use]
    pub fn algorithms(&self, tenant: &TenantId) -> Vec<SigningAlgorithm> {
        let now = self.clock.now();
        let known = self.known();
        let published = known
            .of_tenant(tenant)
            .into_iter()
            .flat_map(TenantKeys::schedules);
        let mut found = Vec::new();
        for key in published.filter(|key| key.is_published(now)) {
            if !found.contains(&key.algorithm) {
                found.push(key.algorithm);
            }
        }
        found
    }

    /// What verifies tokens of `tenant` that are signed with `algorithm`; none: no key of its signs so.
    ///
    /// # Errors
    /// [`NoKeySet`].
    pub fn trusted_keys(
        &self,
        tenant: &TenantId,
        algorithm: SignatureAlgorithm,
    ) -> Result<Option<TrustedKeys>, NoKeySet> {
        let ours = self.algorithms(tenant);
        if !ours.iter().any(|ours| ours.as_str() == algorithm.as_str()) {
            return Ok(None);
        }
        let set = self.key_set(tenant)?.to_string();
        let keys = KeySet::parse(set.as_bytes()).map_err(|_| NoKeySet)?;
        Ok(Some(TrustedKeys::Inline { algorithm, keys }))
    }

    /// Tokens of ours that do not count any more. What is read here holds while there is [news](Self::has_news).
    #[must_use]
    pub const fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    /// Whether the store has answered within [`TRUST`]: without that it is not known which tokens still count.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.has_heard_within(TRUST)
    }

    /// Revokes a token: durably, here at once, and in every other process with its next [`poll`](Self::poll). Apps
    /// whose tenant trusts itself judge it like anybody's token, and hear of it as of those.
    ///
    /// # Errors
    /// The store's; ask again.
    pub async fn revoke(&self, revoked: &RevokedToken) -> Result<(), StorageError> {
        let at_the_check = StoredRevocation {
            tenant: revoked.tenant.clone(),
            what: token_of(revoked),
            needed_until: revoked.valid_until.saturating_add(LONGEST_SKEW),
        };
        self.store.revoke_tokens(&at_the_check).await?;
        self.store.revoke_token(revoked).await?;
        self.take_back(revoked)
    }

    /// The keys of `tenant` and their times, oldest first.
    #[must_use]
    pub fn schedules(&self, tenant: &TenantId) -> Vec<KeySchedule> {
        let known = self.known();
        known
            .of_tenant(tenant)
            .map(|keys| keys.schedules().cloned().collect())
            .unwrap_or_default()
    }

    /// Hears what has changed. Call it every second: without news for [`TRUST`] nothing is signed.
    ///
    /// # Errors
    /// The store's; call again.
    pub async fn poll(&self) -> Result<(), StorageError> {
        let asked_at = self.clock.monotonic();
        tokio::try_join!(self.follow_keys(), self.follow_revocations())?;
        self.news.heard(asked_at);
        Ok(())
    }

    async fn follow_keys(&self) -> Result<(), StorageError> {
        let change = self.store.signing_key_change().await?;
        let before = self.known();
        if before.change() != Some(change) || before.is_shut() {
            // What is read now may be newer than `change` says: then it is read once more.
            let stored = self.store.signing_keys().await?;
            let known = Known::read(change, stored, &before);
            let mut place = self.known.write().unwrap_or_else(PoisonError::into_inner);
            // Somebody who asked later may have been answered earlier.
            if place.change() <= Some(change) {
                *place = Arc::new(known);
            }
        }
        Ok(())
    }

    async fn follow_revocations(&self) -> Result<(), StorageError> {
        loop {
            let from = self.followed.load(Ordering::Acquire);
            let (until, revoked) = self.store.revoked_since(from).await?;
            if revoked.is_empty() {
                return Ok(());
            }
            for one in &revoked {
                self.take_back(one)?;
            }
            // Two who follow at once come to the same.
            self.followed.fetch_max(until, Ordering::AcqRel);
        }
    }

    fn take_back(&self, revoked: &RevokedToken) -> Result<(), StorageError> {
        self.revocations
            .revoke(&revoked.tenant, &token_of(revoked), REVOKED_FOR)
            .map_err(|full| StorageError::Unavailable(full.to_string()))
    }

    /// Makes and retires keys as their time has come. Call it now and then, behind [`poll`](Self::poll): what is
    /// not due costs nothing. Where it is under way already, it is left to that.
    pub async fn turn(&self, tenants: &[(TenantId, SigningRules)]) {
        let Ok(_turn) = self.turning.try_lock() else {
            return;
        };
        for (tenant, rules) in tenants {
            if !self.has_heard_within(TRUST) {
                return;
            }
            let keys = self.schedules(tenant);
            if plan(&keys, *rules, Occasion::Upkeep, self.clock.now()).is_none() {
                continue;
            }
            if let Err(error) = self.turn_one(tenant, *rules, Occasion::Upkeep).await {
                tracing::error!(%tenant, %error, "signing keys could not be turned; it will be tried again");
            }
        }
    }

    /// Turns the keys of one tenant. What was done; none: there was nothing to do, because the next key waits
    /// already.
    ///
    /// # Errors
    /// [`NotTurned`]; then nothing has changed.
    pub async fn turn_one(
        &self,
        tenant: &TenantId,
        rules: SigningRules,
        occasion: Occasion,
    ) -> Result<Option<KeyPlan>, NotTurned> {
        let now = self.clock.now();
        let wanted = plan(&self.schedules(tenant), rules, occasion, now);
        let wants_key = wanted.is_some_and(|plan| plan.add.is_some());
        let new = if wants_key {
            Some(generate(rules.algorithm).await?)
        } else {
            None
        };
        let decide = |keys: &[KeySchedule]| plan(keys, rules, occasion, now);
        let done = self
            .store
            .turn_signing_keys(tenant, &decide, new.as_ref(), now)
            .await?;
        if let Some(plan) = &done {
            announce(tenant, plan, new.as_ref());
            self.poll().await?;
        }
        Ok(done)
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn has_heard_within(&self, time: Duration) -> bool {
        self.news.is_within(time, self.clock.monotonic())
    }
}

/// RSA takes its time: not on a thread that others wait for.
async fn generate(algorithm: SigningAlgorithm) -> Result<NewSigningKey, SigningFailed> {
    let made = tokio::task::spawn_blocking(move || {
        let signer = Signer::generate(algorithm)?;
        Ok(NewSigningKey {
            kid: signer.kid().into(),
            algorithm,
            public: signer.public_jwk().clone(),
            private: signer.secret()?,
        })
    });
    made.await.map_err(|_| SigningFailed)?
}

fn announce(tenant: &TenantId, plan: &KeyPlan, new: Option<&NewSigningKey>) {
    if let (Some(signs_from), Some(new)) = (plan.add, new) {
        tracing::info!(
            target: "audit", event = "signing_key_made", %tenant, kid = &*new.kid,
            algorithm = %new.algorithm, signs_from = signs_from.unix_timestamp(),
        );
    }
    for kid in &plan.remove {
        tracing::info!(target: "audit", event = "signing_key_removed", %tenant, kid = &**kid);
    }
}

impl fmt::Debug for Signing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Signing").finish_non_exhaustive()
    }
}
