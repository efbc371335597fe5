//! Who calls, where the request itself shows it: tokens, keys, names with passwords.
//!
//! An app names the schemes that it accepts; what it does not accept is not looked at, and passes through to it
//! as it came. Invariants: what is shown and not good is refused, and nothing else that the request shows is
//! looked at in its place; the first scheme that is shown decides, in the order of [`Scheme::ALL`]. What is
//! remembered belongs to one app in one snapshot of the configuration.

use std::sync::{Arc, OnceLock};

use http::{HeaderName, HeaderValue};
use metrics::Counter;

use super::check::Found;
use super::dialect::CheckRequest;
use super::identity_headers::{HandedTokens, ReadyHeaders, identity_headers};
use crate::domain::caller::{Caller, Scheme, Schemes};
use crate::domain::identity_header::HeaderSet;
use crate::domain::ids::TenantId;
use crate::domain::tenant::ProtectedApp;
use crate::telemetry::metrics::{CheckOutcome, check_counter};
use crate::tenants::AppAt;

/// Judges what requests show.
#[derive(Debug, Default)]
pub struct Credentials {}

/// What a request shows beside a session.
#[expect(dead_code, reason = "the schemes come one by one")]
pub(super) enum Shown {
    /// Nothing that the app accepts.
    Nothing,
    /// What was judged a moment ago, and is still good.
    Known(Arc<KnownCaller>),
    /// What has to be judged first, which can take a request or a query.
    Unjudged(Scheme),
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
    /// What the request shows, from memory: no I/O, no waiting.
    #[expect(clippy::unused_self, reason = "no scheme is there yet")]
    pub(super) fn shown(&self, _request: &CheckRequest<'_>, _found: Found<'_>) -> Shown {
        Shown::Nothing
    }

    /// Judges what is not known yet.
    #[expect(clippy::unused_async, reason = "no scheme is there yet")]
    pub(super) async fn judge(
        &self,
        scheme: Scheme,
        _request: &CheckRequest<'_>,
        found: Found<'_>,
    ) -> Result<Arc<KnownCaller>, Unaccepted> {
        Err(Unaccepted {
            tenant: found.at.tenant.id.clone(),
            accepts: found.at.app.accepts,
            scheme,
            fault: CredentialFault::Invalid,
            reason: "this scheme is not known".into(),
        })
    }
}
