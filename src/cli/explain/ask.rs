//! Puts the question to the check, and watches what becomes of it.

use std::sync::Arc;

use http::Method;

use super::endpoint::Endpoint;
use super::question::Question;
use crate::access::{AmbiguousTarget, Found, Gate, StartLine, Verdict, WholeTarget, Witness};
use crate::domain::caller::Caller;
use crate::domain::host::Host;
use crate::domain::identity::Person;
use crate::domain::path::CanonicalPath;
use crate::domain::policy::{Allow, Rule, Source, Target};
use crate::domain::tenant::{ProtectedApp, Tenant};
use crate::tenants::{AppAt, Directory};
use crate::web::{authz, check, forward};

/// What came of a question.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The check answered.
    Judged(Verdict),
    /// The path is one of ours, on an app's host.
    OwnPath,
    /// The host is where people of this tenant sign in; none: of several tenants, and the path names none.
    SignInHost(Option<Arc<Tenant>>),
    /// Requests to the app are not forwarded.
    NotForwarded,
}

/// What was seen of the check.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) place: Option<Place>,
    pub(super) rule: Ruled,
    asked: Option<AskedFor>,
    pub(super) person: Option<Person>,
    /// Known by what the request itself shows.
    pub(super) caller: Option<Caller>,
}

/// Where the question led.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) tenant: Arc<Tenant>,
    /// Index in the tenant's apps.
    app: usize,
    pub(super) host: Host,
}

/// What the rules were asked about.
#[derive(Debug)]
struct AskedFor {
    path: Option<CanonicalPath>,
    method: Option<Method>,
    preflight: bool,
    source: Source,
}

/// Which rule is about it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Ruled {
    /// It did not come to that.
    #[default]
    NotAsked,
    NoneFits,
    /// Index in the app's rules.
    By(usize),
}

impl Place {
    pub(super) fn app(&self) -> Option<&ProtectedApp> {
        self.tenant.apps.get(self.app)
    }
}

impl Seen {
    pub(super) fn rule(&self) -> Option<&Rule> {
        let app = self.place.as_ref()?.app()?;
        match self.rule {
            Ruled::By(index) => app.policy.rules().get(index),
            Ruled::NotAsked | Ruled::NoneFits => None,
        }
    }

    /// Where the condition stands that could not be judged, and why.
    pub(super) fn failed_condition(&self) -> Option<String> {
        let Allow::SignedIn(requirements) = &self.rule()?.allow else {
            return None;
        };
        let subject = match (&self.caller, &self.person) {
            (Some(caller), _) => caller.as_subject(),
            (None, person) => person.as_ref()?.as_subject(),
        };
        let asked = self.asked.as_ref()?;
        let target = Target {
            path: asked.path.as_ref(),
            method: asked.method.as_ref(),
            host: self.place.as_ref().map(|place| &place.host),
            preflight: asked.preflight,
            source: asked.source,
        };
        let failed = requirements.failed_condition(subject, target)?;
        Some(format!("{}: {}", failed.place, failed.why))
    }
}

impl Witness for Seen {
    fn found(&mut self, at: AppAt<'_>, host: &Host) {
        self.place = Some(Place {
            tenant: Arc::clone(at.tenant),
            app: at.index,
            host: host.clone(),
        });
    }

    fn asked(&mut self, app: &ProtectedApp, target: Target<'_>) {
        let covering = app.policy.covering(target);
        self.asked = Some(AskedFor {
            path: target.path.cloned(),
            method: target.method.cloned(),
            preflight: target.preflight,
            source: target.source,
        });
        self.rule = covering.map_or(Ruled::NoneFits, |(index, _)| Ruled::By(index));
    }

    fn recognized(&mut self, person: &Person) {
        self.person = Some(person.clone());
    }

    fn identified(&mut self, caller: &Caller) {
        self.caller = Some(caller.clone());
    }
}

/// Asks as the question says.
pub(super) async fn ask(gate: &Gate, question: &Question) -> (Outcome, Seen) {
    let mut seen = Seen::default();
    let directory = gate.directory.snapshot();
    let host = Host::parse(&question.host_text, 443).ok();
    let found = host.as_ref().and_then(|host| {
        Some(Found {
            directory: &directory,
            at: directory.app_at(host)?,
            host,
        })
    });
    let outcome = match (question.endpoint.authelias(), found) {
        (Some(endpoint), _) => {
            let target = whole_target(endpoint, question);
            let request = endpoint.question(target, &question.headers, question.peer);
            match gate.check(&request, &mut seen).await {
                Verdict::OwnPath(_) | Verdict::Ambiguous(AmbiguousTarget::OwnPath) => {
                    Outcome::OwnPath
                }
                verdict => Outcome::Judged(verdict),
            }
        }
        (None, Some(found)) if is_own_path(question, &directory) => {
            seen.found(found.at, found.host);
            Outcome::OwnPath
        }
        (None, found) if question.endpoint == Endpoint::Forwarding => {
            forwarded(gate, question, found, &mut seen).await
        }
        (None, _) => {
            let request = check::question(&question.headers, None, question.peer);
            Outcome::Judged(gate.check(&request, &mut seen).await)
        }
    };
    let outcome = match (outcome, host) {
        (Outcome::Judged(Verdict::UnknownHost), Some(host)) => {
            sign_in_host(&directory, &host, question)
                .unwrap_or(Outcome::Judged(Verdict::UnknownHost))
        }
        (outcome, _) => outcome,
    };
    (outcome, seen)
}

/// As the endpoint reads it.
fn whole_target(endpoint: authz::Endpoint, question: &Question) -> WholeTarget<'_> {
    match endpoint {
        authz::Endpoint::ForwardAuth => WholeTarget::XForwarded,
        authz::Endpoint::AuthRequest => WholeTarget::XOriginal,
        authz::Endpoint::ExtAuthz => WholeTarget::StartLine(StartLine {
            method: question.method.as_str(),
            scheme: None,
            host: None,
            path_and_query: &question.path_and_query,
            path_is_open: false,
        }),
    }
}

/// Whether the proxy routes it to us, and when we forward ourselves, whether it comes to our own pages.
fn is_own_path(question: &Question, directory: &Directory) -> bool {
    let path = CanonicalPath::parse(&question.path_and_query);
    let prefix = CanonicalPath::parse(&directory.server().prefix);
    matches!((path, prefix), (Ok(path), Ok(prefix)) if path.is_under(&prefix))
}

async fn forwarded(
    gate: &Gate,
    question: &Question,
    found: Option<Found<'_>>,
    seen: &mut Seen,
) -> Outcome {
    let Some(found) = found else {
        return Outcome::Judged(Verdict::UnknownHost);
    };
    let forwards = found.directory.server().forward_to_apps;
    if !forwards || found.at.app.upstream.is_none() {
        seen.found(found.at, found.host);
        return Outcome::NotForwarded;
    }
    let request = forward::question(&question.headers, question.peer);
    let (host, path) = (&question.host_text, &question.path_and_query);
    let target = forward::target(found.at, host, path, &question.method);
    Outcome::Judged(gate.check_app(&request, &target, found, seen).await)
}

/// A host that is no app's may be one where tenants have their pages.
fn sign_in_host(directory: &Directory, host: &Host, question: &Question) -> Option<Outcome> {
    if directory.app_at(host).is_some() {
        return None;
    }
    let path = super::question::path_of(&question.path_and_query);
    if let Some(location) = directory.locate(host, path) {
        return Some(Outcome::SignInHost(Some(Arc::clone(location.tenant))));
    }
    let mut tenants = directory.tenants().iter();
    tenants
        .any(|tenant| tenant.base.host == *host)
        .then_some(Outcome::SignInHost(None))
}
