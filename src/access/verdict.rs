//! What a check comes to, and what is ready to be said of a session that may pass.

use std::sync::{Arc, OnceLock};

use http::{HeaderName, HeaderValue, StatusCode};

use super::asked::Asked;
use super::credentials::{KnownCaller, Unaccepted};
use super::identity_headers::{HandedTokens, ReadyHeaders, identity_headers};
use super::limiter::OverLimit;
use super::target::AmbiguousTarget;
use crate::domain::caller::{Schemes, Subject};
use crate::domain::identity::Person;
use crate::domain::identity_header::HeaderSet;
use crate::domain::ids::TenantId;
use crate::domain::policy::Refusal;
use crate::domain::tenant::{ProtectedApp, SecurityHeaders};
use crate::sessions::AppEntry;
use crate::storage::StorageError;
use crate::telemetry::metrics::{CheckOutcome, check_counter};
use crate::tenants::AppAt;

/// The answer, before it is put into a dialect.
#[derive(Debug)]
pub enum Verdict {
    /// It may pass.
    Allowed(Allowed),
    /// One of our own paths on an app's host is asked for, and the answer is passed on as it is.
    OwnPath(Box<Asked>),
    /// Nobody is signed in, and a person is looking: they are offered a login.
    SignInOffered(Box<Asked>),
    /// Nobody is signed in, and nobody could sign in here.
    SignInRequired {
        /// Whose session it would take.
        tenant: TenantId,
        /// What the app accepts.
        accepts: Schemes,
    },
    /// What the request shows of its caller is not accepted, and nothing else is looked at.
    Unaccepted(Box<Unaccepted>),
    /// Somebody may be signed in, but may not pass.
    Refused(Refusal),
    /// A token may not be used for this: 403, and what would do.
    ScopeMissing(Box<ScopeMissing>),
    /// The request has no single meaning.
    Ambiguous(AmbiguousTarget),
    /// The host is no app.
    UnknownHost,
    /// It would not be allowed, and there were too many of those.
    OverLimit(OverLimit),
    /// It cannot be told whether somebody is signed in.
    Unavailable(StorageError),
}

/// What a token lacks (RFC 6750 §3.1, `insufficient_scope`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeMissing {
    /// Whose app it is.
    pub tenant: TenantId,
    /// The scopes that it takes, with spaces between them.
    pub scopes: Box<str>,
}

/// A request that may pass.
#[derive(Debug)]
pub struct Allowed {
    /// 202, or 200 where the app's proxy wants that. oauth2-proxy's dialect only; Authelia's knows 200 alone.
    pub status: StatusCode,
    pub(super) told: Told,
    /// Whether the proxy is to pass on `Cookie` without our own.
    pub hide_cookies: bool,
    /// What browsers are to be told about the app's pages.
    pub security_headers: Option<SecurityHeaders>,
}

/// Whom the app is told about.
#[derive(Debug)]
pub(super) enum Told {
    Person(Arc<AppEntry<Prepared>>, HeaderSet),
    Caller(Arc<KnownCaller>, HeaderSet),
    Nobody(ReadyHeaders),
}

impl Allowed {
    /// What the app is told: every identity header, once.
    #[must_use]
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        match &self.told {
            Told::Nobody(headers) => headers,
            // Prepared before the request was allowed.
            Told::Caller(known, set) => known.ready(*set),
            Told::Person(entry, set) => entry.ready().map_or(&[], |prepared| prepared.ready(*set)),
        }
    }
}

/// What is ready for one session at one app, as long as the directory stays the same.
#[derive(Debug)]
pub struct Prepared {
    version: u64,
    /// When the first token in them expires, in seconds since 1970.
    good_until: i64,
    /// One for each [`HeaderSet`]; most sessions need one only.
    headers: [OnceLock<ReadyHeaders>; 2],
    pub(super) counter: metrics::Counter,
}

impl Prepared {
    pub(super) fn new(version: u64, at: AppAt<'_>) -> Self {
        let (tenant, app) = (at.tenant.id.as_str(), at.app.id.as_str());
        Self {
            version,
            good_until: i64::MAX,
            headers: [OnceLock::new(), OnceLock::new()],
            counter: check_counter(tenant, app, CheckOutcome::Allowed),
        }
    }

    /// The same with the headers of an app that is given tokens, good until the first of these expires. Such an app
    /// names its headers, so there is one set.
    pub(super) fn with_tokens(
        version: u64,
        at: AppAt<'_>,
        person: &Person,
        (tokens, good_until): (&HandedTokens, i64),
    ) -> Self {
        let headers = &at.app.identity_headers;
        let ready = identity_headers(&at.app.id, headers, Some(&person.as_subject()), tokens);
        let prepared = Self {
            good_until,
            ..Self::new(version, at)
        };
        prepared.of(HeaderSet::OAuth2Proxy).get_or_init(|| ready);
        prepared
    }

    /// Whether it still holds for this version of the directory and at this time.
    pub(super) const fn is_good(&self, version: u64, now: i64) -> bool {
        self.version == version && now < self.good_until
    }

    fn of(&self, set: HeaderSet) -> &OnceLock<ReadyHeaders> {
        let [first, second] = &self.headers;
        match set {
            HeaderSet::OAuth2Proxy => first,
            HeaderSet::Authelia => second,
        }
    }

    pub(super) fn make_ready(&self, set: HeaderSet, app: &ProtectedApp, subject: &Subject<'_>) {
        self.of(set).get_or_init(|| {
            let none = HandedTokens::default();
            identity_headers(&app.id, app.headers_for(set), Some(subject), &none)
        });
    }

    fn ready(&self, set: HeaderSet) -> &[(HeaderName, HeaderValue)] {
        self.of(set).get().map_or(&[], |headers| headers)
    }
}
