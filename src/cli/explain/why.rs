//! Why something came of a question, and what to do about it.

use super::ask::{Outcome, Seen};
use super::endpoint::Endpoint;
use super::question::{Question, ShownCookie, path_of};
use crate::access::{AmbiguousTarget, Asked, Verdict};
use crate::config::{Config, TargetHeaders, nearest};
use crate::domain::policy::{Allow, Refusal, Rule};
use crate::domain::tenant::Tenant;
use crate::web::authz;

/// Why, and what to do or to know.
#[derive(Debug)]
pub(super) struct Why {
    pub(super) because: String,
    pub(super) next: Option<String>,
}

impl Why {
    fn new(because: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            because: because.into(),
            next: Some(next.into()),
        }
    }

    fn plain(because: impl Into<String>) -> Self {
        Self {
            because: because.into(),
            next: None,
        }
    }
}

pub(super) fn why(
    config: &Config,
    question: &Question,
    outcome: &Outcome,
    seen: &Seen,
    known_hosts: &[String],
) -> Why {
    let prefix = &*config.server.prefix;
    match outcome {
        Outcome::Judged(verdict) => judged(prefix, question, verdict, seen, known_hosts),
        Outcome::OwnPath => own_path(prefix, question),
        Outcome::SignInHost(tenant) => sign_in_host(tenant.as_deref()),
        Outcome::NotForwarded => Why::new(
            if config.server.forward_to_apps {
                "the app has no `upstream`: nothing is forwarded to it"
            } else {
                "nothing is forwarded to any app: `forward_to_apps` in [server] is off"
            },
            "If a proxy stands before the app, say with --endpoint how it asks.",
        ),
    }
}

fn judged(
    prefix: &str,
    question: &Question,
    verdict: &Verdict,
    seen: &Seen,
    known_hosts: &[String],
) -> Why {
    match verdict {
        Verdict::Allowed(_) => Why::plain(if seen.caller.is_some() {
            "what the request shows is good, and its caller fits the rule"
        } else if seen.person.is_some() {
            "the session is alive, and its person fits the rule"
        } else if seen.rule().is_some_and(wants_session) {
            "it is a CORS preflight, which the rule lets pass without a session"
        } else {
            "the rule lets anybody pass, signed in or not"
        }),
        Verdict::SignInOffered(asked) => Why::new(
            without_session(question),
            way_to_sign_in(prefix, question, asked),
        ),
        Verdict::SignInRequired { .. } => Why::new(
            without_session(question),
            "No login is offered: this is no page that a person opens (see the method, `Accept`, \
             `Sec-Fetch-Mode`,\n`Sec-Fetch-Dest`, `X-Requested-With`, `Upgrade` and `Authorization`).",
        ),
        Verdict::ScopeMissing(missing) => Why::new(
            Refusal::Scope.to_string(),
            format!("It takes: {}.", missing.scopes),
        ),
        Verdict::Unaccepted(unaccepted) => Why::plain(unaccepted.reason.to_string()),
        Verdict::Refused(refusal @ Refusal::ConditionFailed) => Why {
            because: refusal.to_string(),
            next: seen.failed_condition(),
        },
        Verdict::Refused(refusal) => Why {
            because: refusal.to_string(),
            next: remedy(*refusal, question),
        },
        Verdict::Ambiguous(ambiguous) => unclear(ambiguous),
        Verdict::UnknownHost => {
            let host = question.origin.split("://").last().unwrap_or_default();
            let near = nearest(host, known_hosts.iter().map(String::as_str))
                .map_or(String::new(), |near| format!(" Did you mean {near}?"));
            Why::new(
                "the host is no app's",
                format!(
                    "Add it to the `hosts` of an app.{near}\nHosts of apps: {}",
                    known_hosts.join(", ")
                ),
            )
        }
        // It is an outcome of its own.
        Verdict::OwnPath(_) => own_path(prefix, question),
        Verdict::OverLimit(over) => Why::plain(over.to_string()),
        Verdict::Unavailable(error) => Why::plain(error.to_string()),
    }
}

fn own_path(prefix: &str, question: &Question) -> Why {
    let because = format!("everything below {prefix}/ on the host of an app is Doorward's own");
    let here = format!("{}{prefix}/", question.origin);
    match question.endpoint {
        Endpoint::Auth | Endpoint::AuthRequest => Why::new(
            because,
            format!(
                "Have the proxy route {here} to Doorward, past the check; but {prefix}/auth to nobody."
            ),
        ),
        Endpoint::ForwardAuth | Endpoint::ExtAuthz => Why::new(
            because,
            format!(
                "The proxy hands on what it is answered, and Doorward answers the check with its own page: \
                 3xx or 4xx,\nnever 2xx, which would let the request through to the app. What has no other \
                 answer ({prefix}/userinfo, a\npage of the tenant's) is 404, unless the proxy routes {here} \
                 to Doorward."
            ),
        ),
        Endpoint::Forwarding => Why::new(
            because,
            format!("It is never forwarded. The check, {prefix}/auth, is 404 there."),
        ),
    }
}

fn sign_in_host(tenant: Option<&Tenant>) -> Why {
    const ROUTE: &str = "No check is asked about it: have the proxy pass on to Doorward what comes for this host, \
                         but for the checks\n(/oauth2/auth, /api/authz/), /metrics and /readyz, which \
                         are nobody's to ask from outside.";
    match tenant {
        Some(tenant) => Why::new(
            format!(
                "the host is no app's, but where people of {} sign in: {}",
                tenant.name,
                tenant.base.address("/login")
            ),
            ROUTE,
        ),
        None => Why::new(
            "the host is no app's, but where tenants have their pages, each below /t/ and its id; this path \
             is none of them",
            ROUTE,
        ),
    }
}

fn without_session(question: &Question) -> String {
    match question.shown_cookie {
        ShownCookie::Ours => "the cookie's session is over (ended, idle too long, too old, or of a provider that is no longer \
             configured), or was begun at another host or tenant"
            .into(),
        ShownCookie::Others => format!(
            "the rule wants somebody who is signed in, and among the cookies there is not one `{}` that \
             reads as ours",
            question.cookies.join("` or `")
        ),
        ShownCookie::None => "the rule wants somebody who is signed in, and there is no cookie (give one with \
             --cookie)"
            .into(),
    }
}

fn way_to_sign_in(prefix: &str, question: &Question, asked: &Asked) -> String {
    let here = format!("{}{prefix}/sign_in", question.origin);
    let address = || {
        // Its query is where they come back to.
        let address = authz::sign_in_address(asked, prefix);
        address.map_or_else(|| here.clone(), |address| path_of(&address).to_owned())
    };
    match question.endpoint {
        Endpoint::Auth => {
            format!("A person is looking, so the proxy sends them to sign in:\n  {here}")
        }
        Endpoint::AuthRequest => format!(
            "A person is looking, so the answer says where the proxy is to send them (`Location`):\n  {}",
            address()
        ),
        Endpoint::ForwardAuth | Endpoint::ExtAuthz => format!(
            "A person is looking, and the proxy hands on the answer, which sends them to sign in:\n  {}",
            address()
        ),
        Endpoint::Forwarding => {
            format!("A person is looking, so the answer sends them to sign in:\n  {here}")
        }
    }
}

fn unclear(ambiguous: &AmbiguousTarget) -> Why {
    match ambiguous {
        AmbiguousTarget::Untrusted | AmbiguousTarget::Missing(_) | AmbiguousTarget::OwnPath => {
            Why::plain(ambiguous.to_string())
        }
        AmbiguousTarget::PlainHttp => Why::new(
            ambiguous.to_string(),
            "Have the proxy redirect http to https: over http nobody's session is shown and nothing told about \
             them.",
        ),
        AmbiguousTarget::Twice(_)
        | AmbiguousTarget::Malformed(_)
        | AmbiguousTarget::Contradiction(_)
        | AmbiguousTarget::Path(_) => Why::new(
            format!("the request has no single meaning: {ambiguous}"),
            "A client may have sent that header, or written the path so. Such requests are refused.",
        ),
    }
}

fn remedy(refusal: Refusal, question: &Question) -> Option<String> {
    match (refusal, question.endpoint, question.family) {
        (Refusal::PathUnknown | Refusal::MethodUnknown, Endpoint::Auth, _) => Some(
            "Name the headers in which the proxy tells it: `target_headers` in [[server.trusted_proxies]], \
             with the proxy's\nnetwork in `networks`."
                .into(),
        ),
        (Refusal::MethodUnknown, _, Some(family)) => {
            let name = match family {
                TargetHeaders::XForwarded => "X-Forwarded-Method",
                TargetHeaders::XOriginal => "X-Original-Method",
            };
            Some(format!("Have the proxy send `{name}`."))
        }
        (Refusal::NoRule, ..) => {
            Some("What no rule is about is refused: add a rule for it.".into())
        }
        _ => None,
    }
}

fn wants_session(rule: &Rule) -> bool {
    matches!(rule.allow, Allow::SignedIn(_))
}
