//! What came of a question, in words.

use std::fmt::Write as _;

use serde_json::json;

use super::question::Question;
use super::{Place, Seen};
use crate::access::Verdict;
use crate::config::{Config, TargetHeaders, nearest};
use crate::domain::identity::Person;
use crate::domain::policy::{Allow, Refusal, Requirements, Rule};
use crate::web::cookies;

/// What came of a question.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) allowed: bool,
    question: String,
    proxy: String,
    status: u16,
    tenant: Option<(String, String)>,
    app: Option<(String, String)>,
    host: Option<String>,
    rule: Option<String>,
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
        verdict: &Verdict,
        seen: &Seen,
        known_hosts: &[String],
    ) -> Self {
        let place = seen.place.as_ref();
        let (because, next) = reason(config, question, verdict, place, known_hosts);
        let headers = match verdict {
            Verdict::Allowed(allowed) => allowed
                .headers()
                .iter()
                .map(|(name, value)| {
                    let value = String::from_utf8_lossy(value.as_bytes());
                    (name.to_string(), value.into_owned())
                })
                .collect(),
            _ => Vec::new(),
        };
        let app = place.and_then(Place::app);
        Self {
            allowed: matches!(verdict, Verdict::Allowed(_)),
            question: format!("{} {}", question.method, question.shown),
            proxy: proxy(question),
            status: status(verdict),
            tenant: place.map(|place| (place.tenant.id.to_string(), place.tenant.name.to_string())),
            app: app.map(|app| (app.id.to_string(), app.name.to_string())),
            host: place.map(|place| place.host.to_string()),
            rule: place.map(|place| match (verdict, place.rule()) {
                (Verdict::Refused(Refusal::PathUnknown | Refusal::MethodUnknown), _) => {
                    "cannot be chosen".into()
                }
                (_, Some(rule)) => describe(place, rule),
                (_, None) => "none fits".into(),
            }),
            person: seen.person.as_ref().map(describe_person),
            because,
            next,
            headers,
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut out = format!("{}\n{}\n\n", self.question, self.proxy);
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
        let passes = if self.allowed { "yes" } else { "no" };
        line(
            "passes",
            &format!("{passes}; the proxy is answered {}", self.status),
        );
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
        if self.tenant.is_some() {
            line("person", self.person.as_deref().unwrap_or("nobody"));
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

/// What `/oauth2/auth` answers.
fn status(verdict: &Verdict) -> u16 {
    match verdict {
        Verdict::Allowed(allowed) => allowed.status.as_u16(),
        Verdict::SignInOffered(_) | Verdict::SignInRequired { .. } => 401,
        Verdict::Unavailable(_) => 503,
        _ => 403,
    }
}

fn proxy(question: &Question) -> String {
    let peer = question.peer;
    match question.family {
        None if !question.trusted => {
            format!("asked from {peer}, which is no trusted proxy: only `Host` is believed")
        }
        None => {
            format!(
                "asked by the proxy at {peer}, which does not tell path and method (`target_headers`)"
            )
        }
        Some(TargetHeaders::XOriginal) => {
            format!("asked by the proxy at {peer}, in X-Original-URL and X-Original-Method")
        }
        Some(TargetHeaders::XForwarded) => {
            format!("asked by the proxy at {peer}, in X-Forwarded-Proto, -Host, -Uri and -Method")
        }
    }
}

/// Why, and what to do about it.
fn reason(
    config: &Config,
    question: &Question,
    verdict: &Verdict,
    place: Option<&Place>,
    known_hosts: &[String],
) -> (String, Option<String>) {
    let prefix = &config.server.prefix;
    match verdict {
        Verdict::Allowed(_) => {
            let public = place.and_then(Place::rule).is_some_and(|rule| !wants_session(rule));
            let because = if public {
                "the rule lets anybody pass, signed in or not"
            } else {
                "the session is alive, and its person fits the rule"
            };
            (because.into(), None)
        }
        Verdict::SignInOffered(_) => (
            without_session(question),
            Some(format!(
                "A person is looking, so the proxy sends them to sign in:\n  {}{prefix}/sign_in",
                question.origin
            )),
        ),
        Verdict::SignInRequired { .. } => (
            without_session(question),
            Some(
                "No login is offered: this is no page that a person opens (see the method, `Accept`, \
                 `Sec-Fetch-Mode`,\n`Sec-Fetch-Dest`, `X-Requested-With`, `Upgrade` and `Authorization`)."
                    .into(),
            ),
        ),
        Verdict::Refused(refusal) => (refusal.to_string(), remedy(*refusal)),
        Verdict::Ambiguous(ambiguous) => (
            format!("the request has no single meaning: {ambiguous}"),
            Some("A client may have sent that header, or written the path so. Such requests are refused.".into()),
        ),
        Verdict::UnknownHost => {
            let host = question.origin.split("://").last().unwrap_or_default();
            let near = nearest(host, known_hosts.iter().map(String::as_str))
                .map_or(String::new(), |near| format!(" Did you mean {near}?"));
            (
                "the host is no app's".into(),
                Some(format!(
                    "Add it to the `hosts` of an app.{near}\nHosts of apps: {}",
                    known_hosts.join(", ")
                )),
            )
        }
        Verdict::OwnPath(_) => ("it is one of our own paths".into(), None),
        Verdict::OverLimit(over) => (over.to_string(), None),
        Verdict::Unavailable(error) => (error.to_string(), None),
    }
}

fn without_session(question: &Question) -> String {
    if question.shows_session {
        "the cookie's session is over (ended, idle too long, or too old), or was begun at another host or \
         tenant"
            .into()
    } else if question.has_cookie {
        format!(
            "the rule wants somebody who is signed in, and among the cookies there is not one `{}` that \
             reads as ours",
            cookies::APP_SESSION
        )
    } else {
        "the rule wants somebody who is signed in, and there is no cookie (give one with --cookie)"
            .into()
    }
}

fn remedy(refusal: Refusal) -> Option<String> {
    match refusal {
        Refusal::PathUnknown | Refusal::MethodUnknown => Some(
            "Name the headers in which the proxy tells it: `target_headers` in [[server.trusted_proxies]], \
             with the proxy's\nnetwork in `networks`."
                .into(),
        ),
        Refusal::NoRule => Some("What no rule is about is refused: add a rule for it.".into()),
        _ => None,
    }
}

fn wants_session(rule: &Rule) -> bool {
    matches!(rule.allow, Allow::SignedIn(_))
}

/// `2 of 4: /admin, GET; in group admins`
fn describe(place: &Place, rule: &Rule) -> String {
    let of = place.app().map_or(0, |app| app.policy.rules().len());
    let number = place.rule.map_or(0, |index| index + 1);
    let mut text = format!("{number} of {of}: ");
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
        Allow::SignedIn(requirements) if *requirements == Requirements::default() => {
            "whoever is signed in passes".into()
        }
        Allow::SignedIn(requirements) => {
            let mut lists = Vec::new();
            let mut list = |name: &str, entries: String| {
                if !entries.is_empty() {
                    lists.push(format!("{name} {entries}"));
                }
            };
            list("provider", joined(&requirements.providers));
            list("e-mail domain", joined(&requirements.email_domains));
            list("e-mail address", joined(&requirements.emails));
            list("group", joined(&requirements.groups));
            format!("who is signed in passes with {}", lists.join(" and "))
        }
    }
}

fn joined<T: ToString>(entries: &[T]) -> String {
    let texts: Vec<_> = entries.iter().map(ToString::to_string).collect();
    texts.join(" or ")
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
    // A provider's words go to a terminal.
    text.replace(char::is_control, "\u{fffd}")
}
