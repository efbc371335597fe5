//! Who calls, where the request itself shows it: tokens, keys, names with passwords.
//!
//! An app names the schemes that it accepts; what it does not accept is not looked at, and passes through to it
//! as it came. Invariants: what is shown and not good is refused, and nothing else that the request shows is
//! looked at in its place; the first scheme that is shown decides, in the order of [`Scheme::ALL`]. What is
//! remembered belongs to one app in one snapshot of the configuration.

mod api_key;
mod attestation;
mod authorization;
mod basic;
mod bearer;
mod issuer_keys;
mod key_uses;
mod memory;
mod revoked;

use std::sync::{Arc, OnceLock};

use http::{HeaderName, HeaderValue};
use metrics::Counter;

use self::api_key::ApiKeys;
use self::attestation::Attestations;
use self::basic::Basic;
use self::bearer::Bearer;
pub use self::issuer_keys::IssuerKeys;
use self::key_uses::Uses;
use self::revoked::Revoked;
use super::check::Found;
use super::dialect::CheckRequest;
use super::identity_headers::{HandedTokens, ReadyHeaders, identity_headers};
use super::limiter::{Limiter, OverLimit};
use super::target::CheckTarget;
use super::verdict::Verdict;
use crate::domain::caller::{Caller, Scheme, Schemes};
use crate::domain::identity_header::HeaderSet;
use crate::domain::ids::TenantId;
use crate::domain::tenant::ProtectedApp;
use crate::jose::{Revocations, VerifiedToken};
use crate::ports::{Clock, SecureRandom};
use crate::providers::issuers::Outside;
use crate::storage::{StorageError, Store};
use crate::telemetry::metrics::{CheckOutcome, check_counter, count_credential};
use crate::tenants::{AppAt, Attestation};

/// What the schemes share.
#[derive(Debug)]
pub struct Shared {
    /// Where callers have their ids.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn SecureRandom>,
    /// How often something may be tried.
    pub limiter: Arc<Limiter>,
}

/// Judges what requests show.
#[derive(Debug)]
pub struct Credentials {
    shared: Shared,
    basic: Basic,
    api_keys: ApiKeys,
    bearer: Bearer,
    attestations: Attestations,
    revoked: Revoked,
}

/// What a request shows beside a session.
pub(super) enum Shown {
    /// Nothing that the app accepts.
    Nothing,
    /// What was judged a moment ago, and is still good.
    Known(Arc<KnownCaller>),
    /// What has to be judged first, which can take a request or a query.
    Unjudged(Scheme),
}

/// What a request shows by one scheme.
enum Standing {
    NotShown,
    Known(Arc<KnownCaller>),
    Unjudged,
}

/// Why a caller is not known.
#[derive(Clone, Debug)]
enum NotAccepted {
    /// What the caller may learn, and the reason for the log.
    Fault(CredentialFault, Box<str>),
    /// It was tried too often.
    OverLimit(OverLimit),
}

impl NotAccepted {
    fn malformed(reason: &str) -> Self {
        Self::Fault(CredentialFault::Malformed, reason.into())
    }

    fn invalid(reason: &str) -> Self {
        Self::Fault(CredentialFault::Invalid, reason.into())
    }

    fn unjudged(reason: &str) -> Self {
        Self::Fault(CredentialFault::Unjudged, reason.into())
    }

    const fn label(&self) -> &'static str {
        match self {
            Self::Fault(CredentialFault::Malformed, _) => "malformed",
            Self::Fault(CredentialFault::Invalid | CredentialFault::Unattested, _) => "invalid",
            Self::Fault(CredentialFault::Unjudged, _) => "unjudged",
            Self::OverLimit(_) => "over_limit",
        }
    }

    #[cfg(test)]
    fn fault(&self) -> Option<CredentialFault> {
        match self {
            Self::Fault(fault, _) => Some(*fault),
            Self::OverLimit(_) => None,
        }
    }
}

impl From<OverLimit> for NotAccepted {
    fn from(over: OverLimit) -> Self {
        Self::OverLimit(over)
    }
}

impl From<StorageError> for NotAccepted {
    fn from(error: StorageError) -> Self {
        Self::unjudged(&error.to_string())
    }
}

/// What is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unaccepted {
    /// Whose app it is.
    pub tenant: TenantId,
    /// What the app accepts.
    pub accepts: Schemes,
    /// What was shown.
    pub scheme: Scheme,
    /// What the caller may learn.
    pub fault: CredentialFault,
    /// Why, for the log: nothing of a secret, and no more of a token than its refusal tells.
    pub reason: Box<str>,
}

/// What a caller may learn of what they showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialFault {
    /// It cannot be read: 401 with `invalid_request` (RFC 6750 §3.1), because proxies know no 400.
    Malformed,
    /// It is not good: 401, `invalid_token` for a bearer.
    Invalid,
    /// What must be shown beside the caller is not there, or not good: 401 with an empty JSON object, and no word
    /// of what it would take.
    Unattested,
    /// It cannot be judged now: 503. Nobody is let in, and nothing is called bad.
    Unjudged,
}

/// A caller at one app, as the configuration stands, with what the app is told of them.
#[derive(Debug)]
pub struct KnownCaller {
    caller: Caller,
    version: u64,
    /// Counts what they were allowed.
    pub(super) allowed: Counter,
    /// Where uses of their key are counted.
    uses: Option<Arc<Uses>>,
    /// One for each [`HeaderSet`].
    headers: [OnceLock<ReadyHeaders>; 2],
}

impl KnownCaller {
    /// At an app in the snapshot with this version.
    #[must_use]
    pub fn new(caller: Caller, at: AppAt<'_>, version: u64) -> Self {
        let (tenant, app) = (at.tenant.id.as_str(), at.app.id.as_str());
        Self {
            caller,
            version,
            allowed: check_counter(tenant, app, CheckOutcome::Allowed),
            uses: None,
            headers: [OnceLock::new(), OnceLock::new()],
        }
    }

    /// Who it is.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whether this was made of the snapshot with this version.
    #[must_use]
    pub const fn is_of(&self, version: u64) -> bool {
        self.version == version
    }

    const fn of(&self, set: HeaderSet) -> &OnceLock<ReadyHeaders> {
        let [first, second] = &self.headers;
        match set {
            HeaderSet::OAuth2Proxy => first,
            HeaderSet::Authelia => second,
        }
    }

    pub(super) fn is_ready(&self, set: HeaderSet) -> bool {
        self.of(set).get().is_some()
    }

    /// What is ready holds for as long as the caller is remembered, and so does an assertion among `tokens`.
    pub(super) fn make_ready(&self, set: HeaderSet, app: &ProtectedApp, tokens: &HandedTokens) {
        self.of(set).get_or_init(|| {
            let subject = self.caller.as_subject();
            identity_headers(&app.id, app.headers_for(set), Some(&subject), tokens)
        });
    }

    pub(super) fn ready(&self, set: HeaderSet) -> &[(HeaderName, HeaderValue)] {
        self.of(set).get().map_or(&[], |headers| headers)
    }
}

impl Credentials {
    /// With nothing in memory.
    #[must_use]
    pub fn new(shared: Shared, outside: &Outside, revocations: &Arc<Revocations>) -> Self {
        Self {
            basic: Basic::new(&shared),
            api_keys: ApiKeys::new(&shared),
            bearer: Bearer::new(&shared, outside, revocations),
            attestations: Attestations::new(&shared, outside, revocations),
            revoked: Revoked::new(Arc::clone(revocations), Arc::clone(&shared.clock)),
            shared,
        }
    }

    /// What the request shows, from memory: no I/O, no waiting.
    pub(super) fn shown(
        &self,
        request: &CheckRequest<'_>,
        target: &CheckTarget<'_>,
        found: Found<'_>,
    ) -> Shown {
        for scheme in found.at.app.accepts.iter() {
            let standing = match scheme {
                Scheme::Bearer => self.bearer.shown(request, found, &self.revoked),
                Scheme::Basic => self.basic.shown(request, found),
                Scheme::ApiKey => {
                    let query = query_of(target);
                    self.api_keys.shown(&self.shared, request, query, found)
                }
                Scheme::Session => Standing::NotShown,
            };
            match standing {
                Standing::NotShown => {}
                Standing::Known(known) => return Shown::Known(known),
                Standing::Unjudged => return Shown::Unjudged(scheme),
            }
        }
        Shown::Nothing
    }

    /// Judges what is not known yet. Whoever is not accepted gets the verdict.
    pub(super) async fn judge(
        &self,
        scheme: Scheme,
        request: &CheckRequest<'_>,
        target: &CheckTarget<'_>,
        found: Found<'_>,
    ) -> Result<Arc<KnownCaller>, Verdict> {
        let judged = match scheme {
            Scheme::Bearer if !self.revoked.is_trusted() => Err(no_news()),
            Scheme::Bearer => self.bearer.judge(&self.shared, request, found).await,
            Scheme::Basic => self.basic.judge(&self.shared, request, found).await,
            Scheme::ApiKey => {
                let query = query_of(target);
                let judged = self.api_keys.judge(&self.shared, request, query, found);
                judged.await
            }
            Scheme::Session => Err(NotAccepted::invalid("this scheme is not known")),
        };
        let outcome = judged
            .as_ref()
            .map_or_else(NotAccepted::label, |_| "accepted");
        count_credential(found.at.tenant.id.as_str(), scheme.as_str(), outcome);
        judged.map_err(|refused| verdict(refused, scheme, found))
    }

    /// What each request to the app must show beside whoever calls.
    pub(super) async fn attested(
        &self,
        demanded: &Attestation,
        request: &CheckRequest<'_>,
        found: Found<'_>,
    ) -> Result<(), Verdict> {
        let judged = if self.revoked.is_trusted() {
            self.attestations.judge(demanded, request.headers).await
        } else {
            Err(no_news())
        };
        judged.map_err(|refused| verdict(refused, Scheme::Bearer, found))
    }

    /// Somebody who is known was let in.
    pub(super) fn used(&self, known: &KnownCaller) {
        if let Some(uses) = &known.uses {
            uses.note(self.shared.clock.now().unix_timestamp());
        }
    }

    /// Hears which tokens were revoked, in this process or another. Called about once a second.
    ///
    /// # Errors
    /// Why there is no news; after five seconds without any no token is let in.
    pub async fn poll_revocations(&self) -> Result<(), StorageError> {
        self.revoked.poll(&*self.shared.store).await
    }

    /// Whether a token was revoked, in this process or another. None: there is no news, and nobody knows.
    #[must_use]
    pub fn is_revoked(&self, tenant: &TenantId, token: &VerifiedToken) -> Option<bool> {
        self.revoked.refuses(tenant, token)
    }

    /// Hears whether API keys were changed. Call it every second: when it has not succeeded for 5 s, no key is
    /// judged.
    ///
    /// # Errors
    /// The store's; call again.
    pub async fn poll(&self) -> Result<(), StorageError> {
        self.api_keys.poll(&self.shared).await
    }

    /// Writes down how often keys were used. Call it every minute and when the server drains. How many were used.
    ///
    /// # Errors
    /// The store's. What was not written is kept for the next time.
    pub async fn flush_uses(&self) -> Result<usize, StorageError> {
        self.api_keys.uses.flush(&*self.shared.store).await
    }
}

fn no_news() -> NotAccepted {
    NotAccepted::unjudged("revoked tokens have not been looked for in five seconds")
}

fn verdict(refused: NotAccepted, scheme: Scheme, found: Found<'_>) -> Verdict {
    match refused {
        NotAccepted::OverLimit(over) => Verdict::OverLimit(over),
        NotAccepted::Fault(fault, reason) => Verdict::Unaccepted(Box::new(Unaccepted {
            tenant: found.at.tenant.id.clone(),
            accepts: found.at.app.accepts,
            scheme,
            fault,
            reason,
        })),
    }
}

/// The query that the app is asked for, where that is told.
fn query_of<'a>(target: &CheckTarget<'a>) -> Option<&'a str> {
    let (_, query) = target.path_and_query?.split_once('?')?;
    Some(query)
}
