//! What came of a question, in words.

use std::fmt::Write as _;

use serde_json::json;

use http::StatusCode;

use super::ask::{Outcome, Place, Ruled, Seen};
use super::endpoint::Endpoint;
use super::question::Question;
use super::why::why;
use crate::access::Verdict;
use crate::cli::check::told;
use crate::config::{Config, TargetHeaders};
use crate::domain::caller::{Caller, Scheme};
use crate::domain::identity::Person;
use crate::domain::policy::{Allow, Refusal, Requirements, Rule};
use crate::web::{check, forward};

/// What came of a question.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) allowed: bool,
    question: String,
    endpoint: &'static str,
    /// None: nobody asks.
    asked: Option<String>,
    passes: String,
    /// None: it is that of the app, or of a page of ours.
    status: Option<u16>,
    tenant: Option<(String, String)>,
    app: Option<(String, String)>,
    host: Option<String>,
    rule: Option<String>,
    /// None: nobody looked.
    person: Option<String>,
    because: String,
    next: Option<String>,
    /// What the app is told.
    headers: Vec<(String, String)>,
}

impl Answer {
    pub(super) fn new(
        config: &Config,
        question: &Question,
        outcome: &Outcome,
        seen: &Seen,
        known_hosts: &[String],
    ) -> Self {
        let place = seen.place.as_ref();
        let why = why(config, question, outcome, seen, known_hosts);
        let allowed = match outcome {
            Outcome::Judged(Verdict::Allowed(allowed)) => Some(allowed),
            _ => None,
        };
        let headers = allowed.map_or(&[][..], |allowed| allowed.headers());
        let headers = headers.iter().map(|(name, value)| {
            let value = if value.is_sensitive() && !value.is_empty() {
                "(a token, not shown)".into()
            } else {
                String::from_utf8_lossy(value.as_bytes())
            };
            (name.to_string(), value.into_owned())
        });
        let app = place.and_then(Place::app);
        let tenant = match outcome {
            Outcome::SignInHost(tenant) => tenant.as_ref(),
            _ => place.map(|place| &place.tenant),
        };
        let status = status(question, outcome).map(|status| status.as_u16());
        Self {
            allowed: allowed.is_some(),
            question: format!("{} {}", question.method, question.shown),
            endpoint: question.endpoint.name(),
            asked: is_asked(question, outcome).then(|| asked(config, question)),
            passes: passes(question, outcome, status),
            status,
            tenant: tenant.map(|tenant| (tenant.id.to_string(), tenant.name.to_string())),
            app: app.map(|app| (app.id.to_string(), app.name.to_string())),
            host: place.map(|place| place.host.to_string()),
            rule: rule(outcome, seen),
            person: match seen.rule {
                Ruled::NotAsked => None,
                _ => Some(match (&seen.caller, &seen.person) {
                    (Some(caller), _) => describe_caller(caller),
                    (None, Some(person)) => describe_person(person),
                    (None, None) => "nobody".into(),
                }),
            },
            because: why.because,
            next: why.next,
            headers: headers.collect(),
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut out = format!("{}\n", self.question);
        if let Some(asked) = &self.asked {
            let _ = writeln!(out, "{asked}");
        }
        out.push('\n');
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(out, "  {name:<9}{value}");
        };
        let named = |(id, name): &(String, String)| {
            if id == name {
                id.clone()
            } else {
                format!("{name} ({id})")
            }
        };
        line("passes", &self.passes);
        line("because", &self.because);
        if let Some(tenant) = &self.tenant {
            line("tenant", &named(tenant));
        }
        if let (Some(app), Some(host)) = (&self.app, &self.host) {
            line("app", &format!("{}, found by its host {host}", named(app)));
        }
        if let Some(rule) = &self.rule {
            line("rule", rule);
        }
        if let Some(person) = &self.person {
            line("person", person);
        }
        if !self.headers.is_empty() {
            out.push_str("\nThe app is told:\n");
            for (name, value) in &self.headers {
                let shown = if value.is_empty() { "(empty)" } else { value };
                let _ = writeln!(out, "  {name}: {shown}");
            }
        }
        if let Some(next) = &self.next {
            let _ = write!(out, "\n{next}");
        }
        out.trim_end().to_owned()
    }

    /// For programs.
    pub(super) fn json(&self) -> String {
        let named = |named: &Option<(String, String)>| {
            named
                .as_ref()
                .map(|(id, name)| json!({ "id": id, "name": name }))
        };
        let headers: serde_json::Map<_, _> = self
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone().into()))
            .collect();
        format!(
            "{:#}",
            json!({
                "allowed": self.allowed,
                "endpoint": self.endpoint,
                "status": self.status,
                "because": self.because,
                "tenant": named(&self.tenant),
                "app": named(&self.app),
                "host": self.host,
                "rule": self.rule,
                "person": self.person,
                "headers": headers,
                "next": self.next,
            })
        )
    }
}

/// What is answered, where the check decides it.
fn status(question: &Question, outcome: &Outcome) -> Option<StatusCode> {
    let verdict = match outcome {
        Outcome::Judged(verdict) => verdict,
        Outcome::NotForwarded => return Some(StatusCode::NOT_FOUND),
        Outcome::OwnPath | Outcome::SignInHost(_) => return None,
    };
    match (question.endpoint.authelias(), verdict) {
        (Some(endpoint), _) => Some(endpoint.status(verdict)),
        (None, _) if question.endpoint == Endpoint::Auth => Some(check::status(verdict)),
        (None, Verdict::Allowed(_)) => None,
        // It is not forwarded, and nobody's page.
        (None, Verdict::UnknownHost) => Some(StatusCode::MISDIRECTED_REQUEST),
        (None, _) => Some(forward::status(verdict, &question.method)),
    }
}

fn passes(question: &Question, outcome: &Outcome, status: Option<u16>) -> String {
    let forwarding = question.endpoint == Endpoint::Forwarding;
    match (outcome, status) {
        (Outcome::Judged(Verdict::Allowed(_)), Some(status)) => {
            format!("yes; the proxy is answered {status}")
        }
        (Outcome::Judged(Verdict::Allowed(_)), None) => {
            "yes; the request is forwarded to the app".into()
        }
        (_, Some(status)) if forwarding => {
            format!("no; Doorward answers {status} in the app's place")
        }
        (_, Some(status)) => format!("no; the proxy is answered {status}"),
        (_, None) => "not to an app: Doorward itself answers there".into(),
    }
}

/// Whether there is a question at all: what Doorward itself answers comes to it past the check, but for proxies
/// that hand on what the check answers.
fn is_asked(question: &Question, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Judged(_) => true,
        Outcome::OwnPath => matches!(
            question.endpoint,
            Endpoint::ForwardAuth | Endpoint::ExtAuthz
        ),
        Outcome::SignInHost(_) | Outcome::NotForwarded => false,
    }
}

/// How the question was put.
fn asked(config: &Config, question: &Question) -> String {
    let Some(path) = question.endpoint.path(&config.server.prefix) else {
        return "asked by Doorward itself, before it forwards the request to the app".into();
    };
    let peer = question.peer;
    if !question.trusted {
        let believed = match question.endpoint {
            Endpoint::Auth => ": only `Host` is believed",
            _ => "",
        };
        return format!("asked at {path} from {peer}, which is no trusted proxy{believed}");
    }
    let told = match question.family {
        Some(TargetHeaders::XOriginal) => "in X-Original-URL and X-Original-Method",
        Some(TargetHeaders::XForwarded) => "in X-Forwarded-Proto, -Host, -Uri and -Method",
        None if question.endpoint == Endpoint::ExtAuthz => {
            "in the start line, Host and X-Forwarded-Proto"
        }
        None => "which does not tell path and method (`target_headers`)",
    };
    let mut text = format!("asked at {path} by the proxy at {peer}, {told}");
    if question.endpoint == Endpoint::ForwardAuth && !question.endpoint_given {
        text.push_str(
            "\n(as proxies without `target_headers` mostly do; for another way, --endpoint)",
        );
    }
    text
}

fn rule(outcome: &Outcome, seen: &Seen) -> Option<String> {
    if let Outcome::Judged(Verdict::Refused(Refusal::PathUnknown | Refusal::MethodUnknown)) =
        outcome
    {
        return Some("cannot be chosen".into());
    }
    match seen.rule {
        Ruled::NotAsked => None,
        Ruled::NoneFits => Some("none fits".into()),
        Ruled::By(index) => Some(describe(seen, index, seen.rule()?)),
    }
}

/// `2 of 4: /admin, GET; in group admins`
fn describe(seen: &Seen, index: usize, rule: &Rule) -> String {
    let app = seen.place.as_ref().and_then(Place::app);
    let of = app.map_or(0, |app| app.policy.rules().len());
    let mut text = format!("{} of {of}: ", index + 1);
    if rule.paths.is_empty() {
        text.push_str("every path");
    } else {
        text.push_str(&joined(&rule.paths));
    }
    if !rule.methods.is_empty() {
        let _ = write!(text, ", {}", joined(&rule.methods));
    }
    let _ = write!(text, "; {}", who(&rule.allow));
    if rule.preflight {
        text.push_str("; a CORS preflight passes");
    }
    text
}

fn who(allow: &Allow) -> String {
    match allow {
        Allow::Nobody => "nobody passes".into(),
        Allow::Public => "anybody passes".into(),
        Allow::SignedIn(requirements) if **requirements == Requirements::default() => {
            "whoever is signed in passes".into()
        }
        Allow::SignedIn(requirements) => format!("whoever {} passes", told(requirements)),
    }
}

fn joined<T: ToString>(entries: &[T]) -> String {
    let texts: Vec<_> = entries.iter().map(ToString::to_string).collect();
    texts.join(" or ")
}

/// `0123…, token of ana, by the issuer ci, through the client shop, with the scopes read`
fn describe_caller(caller: &Caller) -> String {
    let known_by = match caller.scheme {
        Scheme::Bearer => "token of",
        Scheme::ApiKey => "API key",
        Scheme::Basic => "user",
        Scheme::Session => "session of",
    };
    let mut text = format!("{}, {known_by} {}", caller.user, caller.subject);
    if let Some(issuer) = &caller.issuer {
        let _ = write!(text, ", by the issuer {issuer}");
    }
    if let Some(client) = &caller.client {
        let _ = write!(text, ", through the client {client}");
    }
    if let Some(email) = &caller.email {
        let _ = write!(text, ", e-mail {email}");
    }
    let lists = [
        ("in", &caller.groups),
        ("with the roles", &caller.roles),
        ("with the scopes", &caller.scopes),
        ("with the permissions", &caller.permissions),
    ];
    for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        let _ = write!(text, ", {name} {}", list.join(", "));
    }
    // Somebody else's words go to a terminal.
    text.replace(char::is_control, "\u{fffd}")
}

fn describe_person(person: &Person) -> String {
    let mut text = format!("{}, signed in through {}", person.user, person.provider);
    if let Some(email) = &person.email {
        let _ = write!(text, ", e-mail {email}");
    } else {
        text.push_str(", without a verified e-mail address");
    }
    if person.groups.is_empty() {
        text.push_str(", in no group");
    } else {
        let _ = write!(text, ", in {}", person.groups.join(", "));
    }
    if !person.roles.is_empty() {
        let _ = write!(text, ", with the roles {}", person.roles.join(", "));
    }
    // A provider's words go to a terminal.
    text.replace(char::is_control, "\u{fffd}")
}
