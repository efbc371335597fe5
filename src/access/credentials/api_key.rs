//! API keys, in a header of the tenant's choice.
//!
//! A key that was let in a moment ago is answered from memory. Invariants: what is remembered is believed only
//! while no newer change has been heard of than when it was read, and while there is news of changes; so a key
//! that was revoked, in whatever process, is refused within [`TRUST`]. Unknown, expired, revoked and another app's
//! key are one answer.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use http::HeaderValue;
use time::OffsetDateTime;

use super::key_uses::UsesOfKeys;
use super::memory::{Memory, Name};
use super::{KnownCaller, NotAccepted, Shared, Standing};
use crate::access::check::Found;
use crate::access::dialect::CheckRequest;
use crate::domain::api_key::{self, ApiKeyGrant, ApiKeyStanding};
use crate::domain::caller::{Caller, Scheme};
use crate::domain::ids::{ApiKeyId, UserId};
use crate::domain::news::{News, TRUST};
use crate::storage::{KeyChanged, KnownSubject, StorageError};

/// How many keys are remembered, and how many that are none.
const CAPACITY: u64 = 50_000;
const UNKNOWN_CAPACITY: u64 = 10_000;

/// How long a key is not read again that nothing was changed about. An assertion about its caller is kept as long, and
/// none may be kept longer.
const REMEMBERED: Duration = Duration::from_mins(5);

/// How long the store is not asked again for one that is no good.
const UNKNOWN: Duration = Duration::from_secs(10);

/// Longest text that is looked at, in bytes: keys of ours have 53, those in the configuration can be others.
const LONGEST: usize = 512;

/// What keys without an owner are known by; see [`basic`](super::basic) for why no provider has this key.
const ISSUER: &str = "doorward:api-keys";

/// In place of a number of a change: there was no news yet.
const UNHEARD: i64 = -1;

/// A key that was let in.
#[derive(Clone, Debug)]
struct Good {
    known: Arc<KnownCaller>,
    /// The newest change when it was read.
    changes: i64,
    /// In seconds since 1970.
    ends_at: i64,
}

/// One that was not, and why.
#[derive(Clone, Debug)]
struct Bad {
    changes: i64,
    why: &'static str,
}

/// Judges keys.
#[derive(Debug)]
pub(super) struct ApiKeys {
    good: Memory<Good>,
    bad: Memory<Bad>,
    /// The newest change that was heard of.
    changes: AtomicI64,
    news: News,
    pub(super) uses: UsesOfKeys,
}

/// What a request shows.
enum Shown<'a> {
    Nothing,
    One(Cow<'a, [u8]>),
    Several,
}

/// The header's one value, or, where the app takes it, that of `api-key` in the query that is asked for.
fn shown<'a>(request: &'a CheckRequest<'_>, query: Option<&'a str>, found: Found<'_>) -> Shown<'a> {
    let header = request.headers.get_all(&found.at.tenant.api_key_header);
    let of_header = header
        .iter()
        .map(HeaderValue::as_bytes)
        .map(<[u8]>::trim_ascii);
    let query = query.filter(|_| found.at.app.api_key_query).unwrap_or("");
    let of_query = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "api-key")
        .map(|(_, value)| value);
    let mut all = of_header
        .map(Into::into)
        .chain(of_query.map(|value| match value {
            Cow::Borrowed(text) => text.as_bytes().into(),
            Cow::Owned(text) => text.into_bytes().into(),
        }));
    match (all.next(), all.next()) {
        (None, _) => Shown::Nothing,
        (Some(one), None) => Shown::One(one),
        (Some(_), Some(_)) => Shown::Several,
    }
}

/// What a key opens, and who counts it.
struct Opened {
    id: Option<ApiKeyId>,
    grant: ApiKeyGrant,
    subject_key: String,
    expires_at: Option<OffsetDateTime>,
}

impl ApiKeys {
    pub(super) fn new(shared: &Shared) -> Self {
        let clock = || Arc::clone(&shared.clock);
        Self {
            good: Memory::new(CAPACITY, clock(), &*shared.random),
            bad: Memory::new(UNKNOWN_CAPACITY, clock(), &*shared.random),
            changes: AtomicI64::new(UNHEARD),
            news: News::default(),
            uses: UsesOfKeys::default(),
        }
    }

    /// Hears what was done to keys, and writes it down. What was done before this process began is told by those
    /// that ran then.
    pub(super) async fn poll(&self, shared: &Shared) -> Result<(), StorageError> {
        let asked_at = shared.clock.monotonic();
        let known = self.changes.load(Ordering::Acquire);
        let (newest, changes) = if known == UNHEARD {
            (shared.store.newest_api_key_change().await?, Vec::new())
        } else {
            shared.store.api_key_changes(known).await?
        };
        // Whoever hears of them first writes them down.
        if self.changes.fetch_max(newest, Ordering::AcqRel) < newest {
            changes.iter().for_each(audit);
        }
        self.news.heard(asked_at);
        Ok(())
    }

    /// Whether memory may be believed.
    fn trusted(&self, shared: &Shared) -> bool {
        self.news.is_within(TRUST, shared.clock.monotonic())
    }

    /// What the request shows, from memory.
    pub(super) fn shown(
        &self,
        shared: &Shared,
        request: &CheckRequest<'_>,
        query: Option<&str>,
        found: Found<'_>,
    ) -> Standing {
        let key = match shown(request, query, found) {
            Shown::Nothing => return Standing::NotShown,
            Shown::Several => return Standing::Unjudged,
            Shown::One(key) => key,
        };
        if key.len() > LONGEST || !self.trusted(shared) {
            return Standing::Unjudged;
        }
        let name = self.good.name(Scheme::ApiKey, found, &key);
        let good = self.recall(shared, &name);
        good.map_or(Standing::Unjudged, Standing::Known)
    }

    fn recall(&self, shared: &Shared, name: &Name) -> Option<Arc<KnownCaller>> {
        let good = self.good.recall(name)?;
        let is_fresh = good.changes == self.changes.load(Ordering::Acquire);
        let is_live = shared.clock.now().unix_timestamp() < good.ends_at;
        (is_fresh && is_live).then(|| Arc::clone(&good.known))
    }

    /// Looks up what is shown.
    pub(super) async fn judge(
        &self,
        shared: &Shared,
        request: &CheckRequest<'_>,
        query: Option<&str>,
        found: Found<'_>,
    ) -> Result<Arc<KnownCaller>, NotAccepted> {
        let key = match shown(request, query, found) {
            Shown::One(key) => key,
            Shown::Nothing | Shown::Several => {
                return Err(NotAccepted::malformed("there are several"));
            }
        };
        let text = std::str::from_utf8(&key)
            .ok()
            .filter(|text| text.len() <= LONGEST);
        let Some(text) = text else {
            return Err(NotAccepted::invalid("it is no key"));
        };
        if !self.trusted(shared) {
            return Err(NotAccepted::unjudged("no news of API keys for 5 s"));
        }
        // Before the store is asked: what is changed meanwhile makes this look-up an old one.
        let changes = self.changes.load(Ordering::Acquire);
        let unknown = self.bad.name(Scheme::ApiKey, found, &key);
        if let Some(bad) = self
            .bad
            .recall(&unknown)
            .filter(|bad| bad.changes == changes)
        {
            return Err(NotAccepted::invalid(bad.why));
        }
        match Self::look_up(shared, text, found).await? {
            Err(why) => {
                self.bad
                    .remember(unknown, Arc::new(Bad { changes, why }), UNKNOWN);
                Err(NotAccepted::invalid(why))
            }
            Ok(opened) => {
                let name = self.good.name(Scheme::ApiKey, found, &key);
                self.admit(shared, found, name, opened, changes).await
            }
        }
    }

    /// What the key opens, or why it opens nothing.
    async fn look_up(
        shared: &Shared,
        text: &str,
        found: Found<'_>,
    ) -> Result<Result<Opened, &'static str>, StorageError> {
        let tenant = found.at.tenant;
        let opened = if let Some(grant) = tenant.api_keys.get(&api_key::digest(text)) {
            Opened {
                id: None,
                subject_key: format!("name:{}", grant.name),
                grant: grant.clone(),
                expires_at: None,
            }
        } else {
            let Ok(digest) = api_key::read(text) else {
                return Ok(Err("it is no key: mistyped, cut, or something else"));
            };
            let Some(known) = shared.store.find_api_key(&tenant.id, digest).await? else {
                return Ok(Err("there is no such key"));
            };
            match known.standing(shared.clock.now()) {
                ApiKeyStanding::Expired => return Ok(Err("the key has expired")),
                ApiKeyStanding::Revoked => return Ok(Err("the key was revoked")),
                ApiKeyStanding::Live => Opened {
                    id: Some(known.id),
                    subject_key: known.id.to_string(),
                    grant: known.grant,
                    expires_at: known.expires_at,
                },
            }
        };
        Ok(if opened.grant.opens(&found.at.app.id) {
            Ok(opened)
        } else {
            Err("the key is for other apps")
        })
    }

    async fn admit(
        &self,
        shared: &Shared,
        found: Found<'_>,
        name: Name,
        opened: Opened,
        changes: i64,
    ) -> Result<Arc<KnownCaller>, NotAccepted> {
        let now = shared.clock.now();
        let uses = opened.id.map(|id| self.uses.of(&found.at.tenant.id, id));
        let expires_at = opened.expires_at;
        let caller = caller(opened, shared, found).await?;
        let mut known = KnownCaller::new(caller, found.at, found.directory.version());
        known.uses = uses;
        let known = Arc::new(known);
        let left = expires_at.map_or(REMEMBERED, |end| {
            Duration::try_from(end - now)
                .unwrap_or_default()
                .min(REMEMBERED)
        });
        let good = Good {
            known: Arc::clone(&known),
            changes,
            ends_at: expires_at.map_or(i64::MAX, OffsetDateTime::unix_timestamp),
        };
        self.good.remember(name, Arc::new(good), left);
        Ok(known)
    }
}

async fn caller(opened: Opened, shared: &Shared, found: Found<'_>) -> Result<Caller, StorageError> {
    let grant = opened.grant;
    let user = if let Some(owner) = grant.owner {
        owner
    } else {
        let subject = KnownSubject {
            tenant: &found.at.tenant.id,
            issuer_key: ISSUER,
            subject_key: &opened.subject_key,
            issuer: ISSUER,
            subject: &grant.name,
        };
        let new_user = UserId::from_bytes(shared.random.array());
        let now = shared.clock.now();
        shared
            .store
            .find_or_make_user(&subject, new_user, now)
            .await?
    };
    Ok(Caller {
        scheme: Scheme::ApiKey,
        user,
        subject: grant.name.clone(),
        issuer: None,
        provider: None,
        client: None,
        name: Some(grant.name.clone()),
        preferred_username: Some(grant.name),
        email: None,
        groups: grant.groups,
        roles: grant.roles,
        scopes: grant.scopes,
        permissions: Box::default(),
        details: None,
    })
}

fn audit(change: &KeyChanged) {
    let (tenant, key, name) = (&change.tenant, &change.id, &*change.name);
    match &*change.what {
        "created" => {
            tracing::info!(target: "audit", event = "api_key_created", %tenant, %key, name);
        }
        "revoked" => {
            tracing::info!(target: "audit", event = "api_key_revoked", %tenant, %key, name);
        }
        _ => tracing::info!(target: "audit", event = "api_key_renewed", %tenant, %key, name),
    }
}
