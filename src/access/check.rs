//! One check: may this request pass?
//!
//! Host → app → tenant; the app's rules; the session, if a rule wants one. Invariant: the rules are asked
//! before anybody's session, so that a path nobody may open is refused alike for everyone; a store that
//! does not answer is never a yes. With a session seen a moment ago nothing here waits for anything.

use std::sync::Arc;

use http::{HeaderMap, Method, header};

use super::asked::Asked;
use super::assertion::Assertions;
use super::client_address::client_address;
use super::credentials::{Credentials, KnownCaller};
use super::dialect::{CheckRequest, Dialect, before_forwarding, before_rules, read_target};
use super::identity_headers::{HandedTokens, identity_headers};
use super::limiter::{Counted, Limiter};
use super::noted::{condition_failed, note, unreadable};
use super::target::CheckTarget;
use super::verdict::{Allowed, Prepared, ScopeMissing, Told, Verdict};
use super::whoever::Whoever;
use crate::config::Server;
use crate::domain::caller::{Caller, Scheme, Subject};
use crate::domain::host::Host;
use crate::domain::identity::Person;
use crate::domain::identity_header::{HeaderSet, IdentitySource};
use crate::domain::login_offer::is_navigation;
use crate::domain::policy::{Refusal, Requirements, Ruling, Source, Target};
use crate::domain::tenant::ProtectedApp;
use crate::sessions::AppSessions;
use crate::telemetry::metrics::{CheckOutcome, check_counter};
use crate::tenants::{AppAt, Directory, LiveDirectory};

/// Answers checks.
#[derive(Debug)]
pub struct Gate {
    /// Which app a host belongs to, and whose target headers are believed.
    pub directory: Arc<LiveDirectory>,
    /// Who is signed in.
    pub sessions: AppSessions<Prepared>,
    /// Who shows a token, a key or a password.
    pub credentials: Credentials,
    /// What apps are told in a form that they can verify.
    pub assertions: Assertions,
    /// How many checks may fail.
    pub limiter: Arc<Limiter>,
}

/// The app that a check is about, in the snapshot in which it was found.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The snapshot.
    pub directory: &'a Directory,
    /// The app.
    pub at: AppAt<'a>,
    /// Which of its hosts is asked for.
    pub host: &'a Host,
}

/// Sees how a verdict comes about, for `doorward explain`. A check that nobody watches does nothing for it.
pub trait Witness: Send {
    /// The request is one to this app.
    fn found(&mut self, _at: AppAt<'_>, _host: &Host) {}
    /// The app's rules are asked about `target`.
    fn asked(&mut self, _app: &ProtectedApp, _target: Target<'_>) {}
    /// This person is signed in there.
    fn recognized(&mut self, _person: &Person) {}
    /// This caller is known by what the request shows.
    fn identified(&mut self, _caller: &Caller) {}
}

/// Nobody watches.
impl Witness for () {}

impl Gate {
    /// Answers one check before a witness. Counts and audits it.
    pub async fn check<W: Witness>(&self, request: &CheckRequest<'_>, witness: &mut W) -> Verdict {
        let directory = self.directory.snapshot();
        let target = match read_target(request, directory.server()) {
            Ok(target) => target,
            Err(ambiguous) => {
                let over = self.over_limit(request, directory.server(), None);
                return over.unwrap_or_else(|| unreadable(request, ambiguous));
            }
        };
        let default_port = if target.scheme == Some("http") {
            80
        } else {
            443
        };
        let parsed;
        let found = if let Some(found) = directory.app_at_name(target.host) {
            Some(found)
        } else {
            parsed = Host::parse(target.host, default_port).ok();
            parsed
                .as_ref()
                .and_then(|host| Some((directory.app_at(host)?, host)))
        };
        let Some((at, host)) = found else {
            if let Some(over) = self.over_limit(request, directory.server(), None) {
                return over;
            }
            tracing::warn!(
                target: "audit", event = "check_unknown_host", host = ?target.host, peer = %request.peer,
                "the host is no app: add it to an app's `hosts`, or mend the proxy"
            );
            check_counter("", "", CheckOutcome::UnknownHost).increment(1);
            return Verdict::UnknownHost;
        };
        let found = Found {
            directory: &directory,
            at,
            host,
        };
        self.check_app(request, &target, found, witness).await
    }

    /// Counts a check that is not allowed. One that is allowed never comes here: whoever is signed in passes,
    /// however many fail at the same address.
    fn over_limit(
        &self,
        request: &CheckRequest<'_>,
        server: &Server,
        at: Option<AppAt<'_>>,
    ) -> Option<Verdict> {
        let address = client_address(request.headers, request.peer, server);
        let tenant = at.map(|at| &at.tenant.id);
        let counted = self.limiter.count(Counted::FailedCheck, tenant, address);
        let over = counted.err()?;
        if at.is_none() {
            check_counter("", "", CheckOutcome::OverLimit).increment(1);
        }
        Some(Verdict::OverLimit(over))
    }

    /// Somebody who is known may not pass.
    fn refused(
        &self,
        at: AppAt<'_>,
        rule: (&Requirements, Target<'_>),
        subject: Subject<'_>,
        refusal: Refusal,
    ) -> Verdict {
        let tenant = &at.tenant.id;
        let counted = self
            .limiter
            .count_user(Counted::FailedCheck, tenant, subject.user);
        if let Err(over) = counted {
            return Verdict::OverLimit(over);
        }
        if refusal == Refusal::ConditionFailed {
            condition_failed(at, rule, subject);
        }
        Verdict::Refused(refusal)
    }

    /// Answers for `target` at an app that the caller found. Counts and audits it.
    pub async fn check_app<W: Witness>(
        &self,
        request: &CheckRequest<'_>,
        target: &CheckTarget<'_>,
        found: Found<'_>,
        witness: &mut W,
    ) -> Verdict {
        witness.found(found.at, found.host);
        let verdict = self.judge(request, target, found, witness).await;
        if matches!(verdict, Verdict::Allowed(_) | Verdict::OwnPath(_)) {
            return verdict;
        }
        self.settle(verdict, request, target, found)
    }

    /// Counts and audits what was not allowed.
    pub(super) fn settle(
        &self,
        verdict: Verdict,
        request: &CheckRequest<'_>,
        target: &CheckTarget<'_>,
        found: Found<'_>,
    ) -> Verdict {
        let over = match &verdict {
            // It is not the client's fault.
            Verdict::Unavailable(_) => None,
            _ => self.over_limit(request, found.directory.server(), Some(found.at)),
        };
        let verdict = over.unwrap_or(verdict);
        note(&verdict, target, found.at, request.peer);
        verdict
    }

    async fn judge<W: Witness>(
        &self,
        request: &CheckRequest<'_>,
        target: &CheckTarget<'_>,
        found: Found<'_>,
        witness: &mut W,
    ) -> Verdict {
        let Found {
            directory,
            at,
            host,
        } = found;
        let server = directory.server();
        let before = match request.dialect {
            Dialect::OAuth2Proxy { .. } => None,
            Dialect::Authelia { relayed, .. } => before_rules(target, at, host, relayed, server),
            Dialect::Forwarding => before_forwarding(request, host, server),
        };
        if let Some(verdict) = before {
            return verdict;
        }
        let set = at.app.header_set(request.dialect.header_set());
        let path = match target.path() {
            Ok(path) => path,
            Err(ambiguous) => return Verdict::Ambiguous(ambiguous),
        };
        let asked = Target {
            path: path.as_ref(),
            method: target.method.as_ref(),
            host: Some(host),
            preflight: is_preflight(target.method.as_ref(), request.headers),
            source: if at.app.policy.needs_source() {
                source(request, server)
            } else {
                Source::NotAsked
            },
        };
        witness.asked(at.app, asked);
        let requirements = match at.app.policy.ruling(asked) {
            Ruling::Refused(refusal) => return Verdict::Refused(refusal),
            Ruling::Public { .. } => None,
            Ruling::SignedIn { requirements, .. } => Some(requirements),
        };
        // Before what is public, too: it is public to the app's own users.
        if let Err(verdict) = self.attested(request, found).await {
            return verdict;
        }
        let Some(requirements) = requirements else {
            return public(at, set);
        };
        let (handle, mut entry) = match self.whoever(request, target, found, witness).await {
            Ok(Whoever::Person(handle, entry)) => (handle, entry),
            Ok(Whoever::Caller(known)) => {
                return self.pass(known, (requirements, asked), request, at, set);
            }
            Ok(Whoever::Nobody) if at.app.accepts.accepts(Scheme::Session) => {
                return nobody(request, target, at, host);
            }
            Ok(Whoever::Nobody) => return sign_in_required(at),
            Err(verdict) => return verdict,
        };
        let subject = entry.person().as_subject();
        if let Err(refusal) = admit((requirements, asked), request, subject) {
            return self.refused(at, (requirements, asked), subject, refusal);
        }
        let version = directory.version();
        if let Err(error) = self.with_tokens(&entry, at, version).await {
            return Verdict::Unavailable(error);
        }
        let prepared = entry.prepared(|_| Prepared::new(version, at));
        if !prepared.is_good(version, entry.used_at()) {
            entry = self.sessions.renewed(&handle, &entry);
            if let Err(error) = self.with_tokens(&entry, at, version).await {
                return Verdict::Unavailable(error);
            }
        }
        let prepared = entry.prepared(|_| Prepared::new(version, at));
        prepared.make_ready(set, at.app, &entry.person().as_subject());
        prepared.counter.increment(1);
        allowed(at.app, Told::Person(entry, set))
    }
}

impl Gate {
    /// Whether a caller may pass who is known without a session.
    fn pass(
        &self,
        known: Arc<KnownCaller>,
        rule: (&Requirements, Target<'_>),
        request: &CheckRequest<'_>,
        at: AppAt<'_>,
        set: HeaderSet,
    ) -> Verdict {
        let caller = known.caller();
        if let Err(refusal) = admit(rule, request, caller.as_subject()) {
            let verdict = self.refused(at, rule, caller.as_subject(), refusal);
            return match verdict {
                // Only who has a token can get one with more scopes.
                Verdict::Refused(Refusal::Scope) if caller.scheme == Scheme::Bearer => {
                    Verdict::ScopeMissing(Box::new(ScopeMissing {
                        tenant: at.tenant.id.clone(),
                        scopes: rule.0.wanted_scopes().join(" ").into(),
                    }))
                }
                verdict => verdict,
            };
        }
        if !known.is_ready(set) {
            let mut tokens = HandedTokens::default();
            if at.app.takes(IdentitySource::Assertion) {
                match self.assertion(at, &caller.as_subject(), None) {
                    Ok((assertion, _)) => tokens.assertion = Some(assertion),
                    Err(error) => return Verdict::Unavailable(error),
                }
            }
            known.make_ready(set, at.app, &tokens);
        }
        known.allowed.increment(1);
        self.credentials.used(&known);
        allowed(at.app, Told::Caller(known, set))
    }
}

/// Whoever asks may pass, and the app is told of nobody.
fn public(at: AppAt<'_>, set: HeaderSet) -> Verdict {
    let (tenant, app) = (at.tenant.id.as_str(), at.app.id.as_str());
    check_counter(tenant, app, CheckOutcome::Allowed).increment(1);
    let none = HandedTokens::default();
    let headers = identity_headers(&at.app.id, at.app.headers_for(set), None, &none);
    allowed(at.app, Told::Nobody(headers))
}

fn allowed(app: &ProtectedApp, told: Told) -> Verdict {
    Verdict::Allowed(Allowed {
        status: app.allowed_status,
        hide_cookies: app.hide_cookies,
        security_headers: app.security_headers.clone(),
        told,
    })
}

/// Nobody is signed in: whether somebody could be.
fn nobody(
    request: &CheckRequest<'_>,
    target: &CheckTarget<'_>,
    at: AppAt<'_>,
    host: &Host,
) -> Verdict {
    if is_navigation(target.method.as_ref(), request.headers) {
        return Verdict::SignInOffered(Box::new(Asked::new(target, at, host)));
    }
    sign_in_required(at)
}

pub(super) fn sign_in_required(at: AppAt<'_>) -> Verdict {
    Verdict::SignInRequired {
        tenant: at.tenant.id.clone(),
        accepts: at.app.accepts,
    }
}

/// The rule's lists, then the limits that the proxy names in the query, as oauth2-proxy's users do:
/// `allowed_groups`, `allowed_emails`, `allowed_email_domains`, each a list with commas.
pub(super) fn admit(
    (requirements, target): (&Requirements, Target<'_>),
    request: &CheckRequest<'_>,
    subject: Subject<'_>,
) -> Result<(), Refusal> {
    requirements.admit(subject, target)?;
    let query = match request.dialect {
        Dialect::OAuth2Proxy { limits } => limits,
        // There the query is the client's own, or whatever its users have put there.
        Dialect::Authelia { .. } | Dialect::Forwarding => None,
    };
    let Some(query) = query else { return Ok(()) };
    for (name, list) in url::form_urlencoded::parse(query.as_bytes()) {
        let mut entries = list
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty());
        let fits = |fits: bool, refusal| if fits { Ok(()) } else { Err(refusal) };
        match &*name {
            "allowed_groups" => fits(
                entries.any(|entry| subject.groups.iter().any(|group| **group == *entry)),
                Refusal::Group,
            )?,
            "allowed_emails" => fits(
                entries.any(|entry| entry.parse().ok().as_ref() == subject.email && subject.email.is_some()),
                Refusal::Email,
            )?,
            "allowed_email_domains" => fits(
                entries.any(|entry| {
                    matches!((entry.parse(), subject.email), (Ok(domain), Some(email)) if email.is_in(&domain))
                }),
                Refusal::EmailDomain,
            )?,
            _ => {}
        }
    }
    Ok(())
}

/// Where the held-back request comes from.
pub(super) fn source(request: &CheckRequest<'_>, server: &Server) -> Source {
    client_address(request.headers, request.peer, server).map_or(Source::Unknown, Source::Address)
}

/// The marks of a CORS preflight (Fetch §3.2.2).
fn is_preflight(method: Option<&Method>, headers: &HeaderMap) -> bool {
    method == Some(&Method::OPTIONS)
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}
