//! `[[tenants.apps]]`: what a tenant protects.

use http::header::AUTHORIZATION;
use http::{HeaderName, StatusCode};

use super::accepted_tokens::{self, AcceptedTokens};
use super::diagnostics::{Position, suggestion};
use super::reader::{Item, Section};
use super::server::Server;
use super::table::{Key, Shape, Table};
use super::{
    Context, callers, protected_resource, rules, security_headers, session_tokens, upstreams,
};
use crate::domain::caller::{Scheme, Schemes};
use crate::domain::claims::ClaimPath;
use crate::domain::host::{Host, HostPattern};
use crate::domain::identity_header::{HeaderSet, IdentityHeader, IdentitySource};
use crate::domain::ids::AppId;
use crate::domain::policy::Policy;
use crate::domain::tenant::{ProtectedApp, SecurityHeaders};

/// An app, with the places of what is checked across tenants.
#[derive(Clone, Debug)]
pub struct AppSettings {
    /// The app.
    pub app: ProtectedApp,
    /// Where its table begins.
    pub at: Position,
    /// Where each of its hosts is, in their order.
    pub hosts_at: Vec<Position>,
    /// Where each of its identity headers is, in their order; the table's own place for the defaults.
    pub headers_at: Vec<Position>,
    /// Whose tokens it accepts, where it accepts tokens.
    pub tokens: AcceptedTokens,
    /// Where `accept` is; the table's own place where it was left out.
    pub accept_at: Position,
    /// Where its upstream is, if it has one.
    pub upstream_at: Option<Position>,
    /// Where each of its rules is, in their order.
    pub rules_at: Vec<Position>,
    /// Whether nothing in it stands in for what could not be read.
    pub(super) whole: bool,
}

pub(super) static TABLE: Table = Table::new(
    "[[tenants.apps]]",
    "What the tenant's people may open.",
    &[
        Key::new("id", Shape::Id, "In logs and metrics.").required(),
        Key::new("name", Shape::Line(100), "What people read.").or("the id"),
        Key::new(
            "hosts",
            Shape::List(&Shape::Host),
            "Its hosts. A host belongs to one app of one tenant; within a tenant an exact host is an exception from another app's pattern.",
        )
        .required(),
        Key::new(
            "accept",
            Shape::List(&SCHEME),
            "How callers may show who they are: any one of these will do.",
        )
        .or("[\"session\"]"),
        Key::new(
            "issuers",
            Shape::List(&Shape::Id),
            "The trusted issuers whose tokens it accepts.",
        )
        .or("all of the tenant's"),
        Key::new(
            "audiences",
            Shape::List(&Shape::Line(500)),
            "For whom tokens must be, beside what their issuer's own list says.",
        ),
        Key::table("attestation", &accepted_tokens::ATTESTATION),
        Key::table("allow", &callers::ALLOW),
        Key::tables("rules", &rules::TABLE),
        Key::new(
            "api_key_query",
            Shape::Flag,
            "An API key may stand in the query that is asked for, as `api-key`. It lands in logs there.",
        )
        .or("false"),
        Key::new(
            "allowed_status",
            Shape::Numbers(&[202, 200]),
            "Status of an allowed answer of /oauth2/auth.",
        )
        .or("202"),
        Key::new(
            "hide_cookies",
            Shape::Flag,
            "An allowed answer carries `Cookie` without our own cookies, for the proxy to pass on.",
        )
        .or("false"),
        Key::new(
            "identity_headers",
            Shape::Entries(&Shape::Or(
                &Shape::Words(&IDENTITY_SOURCES),
                &Shape::Prefixed(CLAIM),
            )),
            "What the app is told about a person, header by header. It replaces both defaults.",
        ),
        Key::new(
            "security_headers",
            Shape::Or(
                &Shape::Flag,
                &Shape::Entries(&Shape::Or(&Shape::Flag, &security_headers::VALUE)),
            ),
            "What browsers are told about the app's pages: the usual set, or that set changed header by header.",
        )
        .or("false"),
        Key::new(
            "upstream",
            Shape::Or(&Shape::Address, &Shape::Table(&upstreams::TABLE)),
            "Where the app is, if Doorward forwards to it.",
        ),
        Key::table("protected_resource", &protected_resource::TABLE),
        Key::table("session_tokens", &session_tokens::TABLE),
    ],
)
.exactly_one_of(&["allow", "rules"]);

/// The words of [`Scheme`].
static SCHEMES: [&str; Scheme::ALL.len()] = words_of(&Scheme::ALL);

pub(super) static SCHEME: Shape = Shape::Words(&SCHEMES);

/// The words of [`IdentitySource`].
static IDENTITY_SOURCES: [&str; IdentitySource::ALL.len()] = words_of(&IdentitySource::ALL);

const fn words_of<T, const N: usize>(all: &[(&'static str, T); N]) -> [&'static str; N] {
    let mut words = [""; N];
    let mut rest: &[(&str, T)] = all;
    let mut place: &mut [&str] = &mut words;
    while let ([(word, _), others @ ..], [here, there @ ..]) = (rest, place) {
        *here = word;
        (rest, place) = (others, there);
    }
    words
}

pub(super) fn read(
    section: &Section<'_>,
    server: &Server,
    providers: &[&str],
    context: &Context<'_>,
) -> Option<AppSettings> {
    let id: Option<AppId> = section
        .require("id", "add id = \"wiki\": its name in logs and metrics")
        .and_then(|item| item.parsed());
    let name = section.get("name").and_then(|item| item.line(100));
    let hosts = section
        .require("hosts", "add hosts = [\"wiki.example.com\"]")
        .and_then(|item| item.list(|item| Some((host_pattern(item, server)?, item.position()))));
    let allowed_status = section
        .get("allowed_status")
        .map_or(Some(StatusCode::ACCEPTED), |item| allowed_status(&item));
    let hide_cookies = section
        .get("hide_cookies")
        .map_or(Some(false), |item| item.flag());
    let headers = section.get("identity_headers");
    let authelia_headers = headers
        .is_none()
        .then(|| defaults(HeaderSet::Authelia).collect());
    let headers = headers.map_or_else(
        || {
            let at = |header| (header, section.position());
            Some(defaults(HeaderSet::OAuth2Proxy).map(at).collect())
        },
        |item| identity_headers(&item),
    );
    let security_headers = section.get("security_headers").map_or_else(
        || Some(SecurityHeaders::default()),
        |item| security_headers::read(&item),
    );
    let upstream_item = section.get("upstream");
    let upstream = match &upstream_item {
        Some(item) => upstreams::read(item, server, context).map(Some),
        None => Some(None),
    };
    let resource = section
        .get("protected_resource")
        .map_or(Some(None), |item| protected_resource::read(&item).map(Some));
    let session_tokens = section.get("session_tokens").map_or(Some(None), |item| {
        session_tokens::read(&item, server.development).map(Some)
    });
    let accept_at = section.get("accept").map(|item| item.position());
    let tokens = AcceptedTokens::read(section);
    let accepts = section
        .get("accept")
        .map_or(Some(Schemes::SESSION), |item| accepted(&item));
    let api_key_query = section
        .get("api_key_query")
        .map_or(Some(false), |item| api_key_query(&item, accepts));
    report_no_session(section, accepts, tokens.as_ref());
    let policy = rules::read(section, providers);
    let rules = section.get("rules").and_then(|item| item.as_items());
    let rules_at = match (section.get("allow"), rules) {
        (Some(allow), None) => vec![allow.position()],
        (_, rules) => rules.iter().flatten().map(Item::position).collect(),
    };
    section.finish();
    let whole = id.is_some()
        && hosts.is_some()
        && headers.is_some()
        && accepts.is_some()
        && api_key_query.is_some()
        && tokens.is_some()
        && policy.is_some()
        && allowed_status.is_some()
        && hide_cookies.is_some()
        && security_headers.is_some()
        && resource.is_some()
        && session_tokens.is_some()
        && upstream.is_some();
    let (hosts, hosts_at) = hosts.unwrap_or_default().into_iter().unzip();
    let (identity_headers, headers_at) = headers.unwrap_or_default().into_iter().unzip();
    let id = id.or_else(|| section.stand_in().parse().ok())?;
    Some(AppSettings {
        app: ProtectedApp {
            name: name.unwrap_or_else(|| id.as_str().into()),
            id,
            hosts,
            accepts: accepts.unwrap_or(Schemes::SESSION),
            api_key_query: api_key_query.unwrap_or_default(),
            // No rule: nobody.
            policy: policy.unwrap_or_else(|| Policy::new(Vec::new())),
            allowed_status: allowed_status.unwrap_or(StatusCode::ACCEPTED),
            identity_headers,
            authelia_headers,
            hide_cookies: hide_cookies.unwrap_or_default(),
            security_headers: security_headers.filter(|headers| !headers.is_empty()),
            upstream: upstream.flatten(),
            protected_resource: resource.flatten(),
            session_tokens: session_tokens.flatten(),
        },
        at: section.position(),
        hosts_at,
        headers_at,
        tokens: tokens.unwrap_or_default(),
        accept_at: accept_at.unwrap_or_else(|| section.position()),
        upstream_at: upstream_item.map(|item| item.position()),
        rules_at,
        whole,
    })
}

/// Tokens for a session, where there are none, or where a session alone is not enough.
fn report_no_session(
    section: &Section<'_>,
    accepts: Option<Schemes>,
    tokens: Option<&AcceptedTokens>,
) {
    let Some(item) = section.get("session_tokens") else {
        return;
    };
    if accepts.is_some_and(|accepts| !accepts.accepts(Scheme::Session)) {
        item.fault_at_key(
            "`session_tokens` has no effect: nobody has a session at this app",
            "add \"session\" to `accept`, or leave it out",
        );
    }
    if tokens.is_some_and(|tokens| tokens.attestation.is_some()) {
        item.fault_at_key(
            "pages of an app that demands an `attestation` get no tokens: they could be used without one",
            "leave one of the two out",
        );
    }
}

fn accepted(item: &Item<'_>) -> Option<Schemes> {
    let schemes = item.list(|item| item.choice(&Scheme::ALL))?;
    if schemes.is_empty() {
        item.fault_with_help(
            "no way to be known is accepted: nobody could pass",
            "write accept = [\"session\"], or leave it out",
        );
        return None;
    }
    Some(schemes.into_iter().collect())
}

fn api_key_query(item: &Item<'_>, accepts: Option<Schemes>) -> Option<bool> {
    let flag = item.flag()?;
    if flag && accepts.is_some_and(|accepts| !accepts.accepts(Scheme::ApiKey)) {
        item.fault_with_help(
            "`api_key_query` has no effect: this app accepts no API keys",
            "add \"api_key\" to `accept`, or leave it out",
        );
        return None;
    }
    Some(flag)
}

/// The app accepts passwords where nobody has one.
pub(super) fn report_no_users(section: &Section<'_>) {
    let accepted = section.get("accept").and_then(|item| item.as_items());
    let basic = accepted.into_iter().flatten();
    for item in basic.filter(|item| item.as_text() == Some(Scheme::Basic.as_str())) {
        item.fault_with_help(
            "nobody has a password: this tenant has no users",
            "add [[tenants.users]] or `htpasswd_file`, or leave \"basic\" out",
        );
    }
}

fn allowed_status(item: &Item<'_>) -> Option<StatusCode> {
    match item.integer()? {
        200 => Some(StatusCode::OK),
        202 => Some(StatusCode::ACCEPTED),
        _ => {
            item.fault_with_help(
                format!("{} cannot be the status of an allowed answer", item.shown()),
                "use 202, or 200 for proxies that want it",
            );
            None
        }
    }
}

/// Reads a host or pattern. A pattern that covers a whole top-level domain is refused.
pub(super) fn host_pattern(item: &Item<'_>, server: &Server) -> Option<HostPattern> {
    let text = item.text()?;
    if text.contains("//") {
        item.fault_with_help(
            format!("{} is an address, not a host", item.shown()),
            "write the host only: \"wiki.example.com\"",
        );
        return None;
    }
    // Where plain http is permitted its port is the scheme's own too.
    let plain = text
        .strip_suffix(":80")
        .filter(|name| Host::parse(name, 80).is_ok_and(|host| server.permits_plain_http(&host)));
    let Ok(pattern) = plain.unwrap_or(text).parse::<HostPattern>() else {
        item.fault_with_help(
            format!("{} is not a host", item.shown()),
            "write \"wiki.example.com\", \"wiki.example.com:8443\" or \"*.example.com\"",
        );
        return None;
    };
    if pattern.covers_subdomains() && !pattern.name().contains('.') && pattern.name() != "localhost"
    {
        item.fault_with_help(
            format!("{} is a whole top-level domain", item.shown()),
            "name a domain of yours: \"*.example.com\"",
        );
        return None;
    }
    Some(pattern)
}

fn defaults(set: HeaderSet) -> impl Iterator<Item = IdentityHeader> {
    set.defaults()
        .into_iter()
        .map(|(name, source)| IdentityHeader::new(HeaderName::from_static(name), source))
}

/// Headers that mean something to proxies or browsers; as identity they would break the answer.
pub(super) const RESERVED: [&str; 20] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "host",
    "keep-alive",
    "location",
    "proxy-authenticate",
    "proxy-authorization",
    "server",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "via",
    "www-authenticate",
];

fn identity_headers(item: &Item<'_>) -> Option<Vec<(IdentityHeader, Position)>> {
    let section = item.free_section("`identity_headers`")?;
    let mut headers: Vec<(IdentityHeader, Position)> = Vec::new();
    let mut right = true;
    for entry in section.entries() {
        match identity_header(&entry) {
            Some(header) if headers.iter().any(|(other, _)| other.name == header.name) => {
                entry.fault_at_key(
                    format!("the header {} is there already", header.name),
                    "case makes no difference in names of headers",
                );
            }
            Some(header) => headers.push((header, entry.position())),
            None => right = false,
        }
    }
    right.then_some(headers)
}

fn identity_header(entry: &Item<'_>) -> Option<IdentityHeader> {
    let name = entry.name.parse::<HeaderName>().ok();
    let claim = entry.as_text().and_then(|text| text.strip_prefix(CLAIM));
    let source = match claim {
        Some(_) => Some(IdentitySource::Claim),
        None => entry.as_text().and_then(source_of),
    };
    let bearer = source.is_some_and(IdentitySource::is_token);
    match &name {
        None => entry.fault_at_key(
            format!("{} is not the name of a header", entry.quoted_name()),
            "use letters, digits and `-`: X-Auth-Request-User",
        ),
        // With a token it means what it does elsewhere.
        Some(name) if *name == AUTHORIZATION && bearer => {}
        Some(name) if RESERVED.contains(&name.as_str()) => {
            entry.fault_at_key(
                format!("the header {name} means something else to proxies and browsers"),
                "choose a name of its own: X-Auth-Request-User",
            );
            return None;
        }
        Some(_) => {}
    }
    let text = entry.text()?;
    if source.is_none() {
        entry.fault_with_help(
            format!("{} is nothing that is known of a person", entry.shown()),
            suggestion(text, IdentitySource::ALL.iter().map(|(word, _)| *word)),
        );
    }
    let claim = match claim {
        Some(text) => Some(told_claim(entry, text)?),
        None => None,
    };
    Some(IdentityHeader {
        claim,
        ..IdentityHeader::new(name?, source?)
    })
}

/// A claim of the provider's, as it stands: what has a meaning of its own here is asked for by that.
fn told_claim(entry: &Item<'_>, text: &str) -> Option<ClaimPath> {
    let instead = match text.trim_start_matches('/') {
        "" => {
            entry.fault_with_help(
                format!("{} names no claim", entry.shown()),
                "write \"claim:department\", or \"claim:/org/id\" for one within another (RFC 6901)",
            );
            return None;
        }
        "sub" => "subject",
        "email" | "email_verified" => "email",
        "preferred_username" => "preferred_username",
        _ => return Some(ClaimPath::new(text)),
    };
    entry.fault_with_help(
        format!("the claim in {} must not be told unjudged", entry.shown()),
        format!("write \"{instead}\": whether it counts, and for whom, is known of that"),
    );
    None
}

/// What stands before the name of a claim.
const CLAIM: &str = "claim:";

fn source_of(text: &str) -> Option<IdentitySource> {
    let mut all = IdentitySource::ALL.iter();
    all.find(|(word, _)| *word == text)
        .map(|(_, source)| *source)
}
