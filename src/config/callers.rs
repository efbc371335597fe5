//! Who may pass: what `allow` and each rule of an app say of callers.
//!
//! Invariant: nothing is read as more generous than it was meant. An empty list, an alternative without one, and
//! what contradicts itself are faults.

use ipnet::IpNet;

use super::apps::SCHEME;
use super::diagnostics::suggestion;
use super::expressions;
use super::reader::{Item, Section};
use super::server;
use super::table::{Key, Shape, Table};
use crate::domain::caller::Scheme;
use crate::domain::email::{EmailAddress, EmailDomain};
use crate::domain::ids::{ProviderId, TrustedIssuerId, UserId};
use crate::domain::policy::{Allow, Requirements};

const WHO: &str = "exactly one of public = true, deny = true, signed_in = true, or lists \
                   (`email_domains`, `emails`, `groups`, `roles`, `providers`, `scopes`, …, `when`, `any_of`)";

pub(super) static ALLOW: Table = Table::new(
    "`allow`",
    "Short for one rule about everything. An app has `allow` or `rules`.",
    WHO_KEYS,
)
.and(LISTS);

/// Whoever fits one entry of each list that is given.
static ALTERNATIVE: Table = Table::new(
    "[[tenants.apps.rules.any_of]]",
    "Lists as in the rule itself. Whoever fits all of one such table fits.",
    LISTS,
);

pub(super) const WHO_KEYS: &[Key] = &[
    Key::new(
        "networks",
        Shape::List(&Shape::Network),
        "Networks that a request has to come from, whoever sends it.",
    )
    .or("any"),
    Key::new(
        "public",
        Shape::Flag,
        "Anybody passes, signed in or not, without identity.",
    ),
    Key::new("deny", Shape::Flag, "Nobody passes."),
    Key::new(
        "signed_in",
        Shape::Flag,
        "Anybody passes who is signed in, or known in another way that the app accepts.",
    ),
    Key::tables("any_of", &ALTERNATIVE),
];

pub(super) const LISTS: &[Key] = &[
    Key::new(
        "email_domains",
        Shape::List(&Shape::Text),
        "Domains of a verified address; not those below them.",
    ),
    Key::new("emails", Shape::List(&Shape::Text), "Verified addresses."),
    Key::new(
        "users",
        Shape::List(&Shape::Text),
        "Ids of people, as apps are told them and the log has them.",
    ),
    Key::new(
        "groups",
        Shape::List(&Shape::Line(1000)),
        "Groups, with their case.",
    ),
    Key::new(
        "all_groups",
        Shape::List(&Shape::Line(1000)),
        "Groups, all of them.",
    ),
    Key::new(
        "roles",
        Shape::List(&Shape::Line(1000)),
        "Roles, with their case.",
    ),
    Key::new(
        "all_roles",
        Shape::List(&Shape::Line(1000)),
        "Roles, all of them.",
    ),
    Key::new(
        "providers",
        Shape::List(&Shape::Id),
        "Ids of this tenant's providers.",
    ),
    Key::new(
        "schemes",
        Shape::List(&SCHEME),
        "How callers are known, of what the app accepts.",
    ),
    Key::new(
        "issuers",
        Shape::List(&Shape::Id),
        "Ids of this tenant's trusted issuers, whose token it is.",
    ),
    Key::new(
        "clients",
        Shape::List(&Shape::Line(255)),
        "Clients that the token was issued to.",
    ),
    Key::new(
        "scopes",
        Shape::List(&Shape::Text),
        "Scopes of a token. A session has none.",
    ),
    Key::new(
        "all_scopes",
        Shape::List(&Shape::Text),
        "Scopes of a token, all of them.",
    ),
    Key::new(
        "permissions",
        Shape::List(&Shape::Line(255)),
        "Permissions of a token. A session has none.",
    ),
    Key::new(
        "all_permissions",
        Shape::List(&Shape::Line(255)),
        "Permissions of a token, all of them.",
    ),
    Key::new(
        "when",
        Shape::Text,
        "An expression in CEL about `caller` and `request` that must be true as well.",
    ),
];

/// Who may pass, and the networks that they have to come from.
pub(super) fn who(section: &Section<'_>, providers: &[&str]) -> Option<(Allow, Vec<IpNet>)> {
    let networks = values(section.get("networks"), server::network);
    let mut given: Vec<(&'static str, Item<'_>)> = Vec::new();
    let mut right = true;
    for key in ["public", "deny", "signed_in"] {
        let Some(item) = section.get(key) else {
            continue;
        };
        match item.flag() {
            Some(true) => given.push((key, item)),
            Some(false) => {}
            None => right = false,
        }
    }
    let (mut requirements, first) = requirements(section, providers);
    let any_of = section.get("any_of");
    if let Some(any_of) = &any_of {
        let alternatives = alternatives(any_of, providers);
        requirements = requirements
            .zip(alternatives)
            .map(|(own, any_of)| Requirements { any_of, ..own });
    }
    given.extend(first.or(any_of.map(|item| ("any_of", item))));
    match given.as_slice() {
        [] if right => section.fault_with_help(
            format!("{} does not say who may pass", section.name()),
            format!("say {WHO}"),
        ),
        [_] | [] => {}
        [(first, _), (second, item), ..] => item.fault_with_help(
            format!("`{first}` and `{second}` contradict each other"),
            if *first == "signed_in" {
                "leave out `signed_in`: who is on a list, or fits `when`, must be signed in anyway"
                    .into()
            } else {
                format!("say {WHO}")
            },
        ),
    }
    let (requirements, networks) = (requirements?, networks?);
    let allow = match given.as_slice() {
        [("public", _)] => Allow::Public,
        [("deny", _)] => Allow::Nobody,
        [_] => Allow::SignedIn(Box::new(requirements)),
        _ => return None,
    };
    Some((allow, networks))
}

/// The lists of a rule, and the first that is given.
fn requirements<'a>(
    section: &Section<'a>,
    providers: &[&str],
) -> (Option<Requirements>, Option<(&'static str, Item<'a>)>) {
    let mut first = None;
    let mut list = |key| {
        let item = section.get(key)?;
        first.get_or_insert_with(|| (key, item.clone()));
        Some(item)
    };
    let email_domains = values(list("email_domains"), email_domain);
    let emails = values(list("emails"), email);
    let users = values(list("users"), user);
    let mut named = |key, longest| values(list(key), |item| item.line(longest));
    let (groups, all_groups) = (named("groups", 1000), named("all_groups", 1000));
    let (roles, all_roles) = (named("roles", 1000), named("all_roles", 1000));
    let clients = named("clients", 255);
    let (permissions, all_permissions) = (named("permissions", 255), named("all_permissions", 255));
    let vouched_by = values(list("providers"), |item| provider(item, providers));
    let schemes = values(list("schemes"), |item| item.choice(&Scheme::ALL));
    let issuers = values(list("issuers"), issuer);
    let (scopes, all_scopes) = (
        values(list("scopes"), scope),
        values(list("all_scopes"), scope),
    );
    let when = list("when").map_or(Some(None), |item| {
        expressions::read_condition(&item).map(Some)
    });
    let requirements = || {
        Some(Requirements {
            schemes: schemes?,
            providers: vouched_by?,
            issuers: issuers?,
            clients: clients?,
            users: users?,
            email_domains: email_domains?,
            emails: emails?,
            groups: groups?,
            all_groups: all_groups?,
            roles: roles?,
            all_roles: all_roles?,
            permissions: permissions?,
            all_permissions: all_permissions?,
            scopes: scopes?,
            all_scopes: all_scopes?,
            when: when?,
            any_of: Vec::new(),
        })
    };
    (requirements(), first)
}

/// The alternatives of a rule. One alone is none, and one without a list would let anybody in.
fn alternatives(item: &Item<'_>, providers: &[&str]) -> Option<Vec<Requirements>> {
    let sections = item.sections(&ALTERNATIVE);
    if sections.len() < 2 {
        item.fault_with_help(
            "`any_of` needs two alternatives at least",
            "write any_of = [{ groups = [\"staff\"] }, { scopes = [\"orders:read\"] }]",
        );
    }
    let mut read = Vec::new();
    for section in &sections {
        let (requirements, first) = requirements(section, providers);
        section.finish();
        if first.is_none() {
            section.fault_with_help(
                "this alternative has no list: anybody would fit it",
                "say whom it is about, or leave it out",
            );
        }
        read.push(requirements.filter(|_| first.is_some()));
    }
    let read: Option<Vec<_>> = read.into_iter().collect();
    read.filter(|all| all.len() > 1)
}

fn user(item: &Item<'_>) -> Option<UserId> {
    let id = item.text()?.parse().ok();
    if id.is_none() {
        item.fault_with_help(
            format!("{} is not the id of a person", item.shown()),
            "it has 32 hexadecimal digits: the log has it as `user`, and apps are told it",
        );
    }
    id
}

fn issuer(item: &Item<'_>) -> Option<TrustedIssuerId> {
    item.parsed()
}

/// RFC 6749 §3.3: they are written with spaces between them, and in quotes in a challenge.
fn scope(item: &Item<'_>) -> Option<Box<str>> {
    let text = item.text()?;
    let fits = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if text.len() <= 255 && text.bytes().all(fits) {
        return Some(text.into());
    }
    item.fault_with_help(
        format!("{} is not a scope", item.shown()),
        "write each in quotes of its own, without spaces: [\"orders:read\", \"orders:write\"]",
    );
    None
}

/// The values of a list that may be left out; `None` if there is something wrong with it.
pub(super) fn values<T>(
    item: Option<Item<'_>>,
    read: impl Fn(&Item<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    item.map_or(Some(Vec::new()), |item| item.list(read))
}

pub(super) fn email_domain(item: &Item<'_>) -> Option<EmailDomain> {
    let text = item.text()?;
    if let Ok(domain) = text.parse() {
        return Some(domain);
    }
    let help = match (text.strip_prefix('@'), text.split_once('@')) {
        (Some(rest), _) if rest.parse::<EmailDomain>().is_ok() => {
            format!("write it without `@`: \"{rest}\"")
        }
        (_, Some(_)) => "put whole addresses into `emails`".into(),
        _ if text == "*" => "for everybody who is signed in: signed_in = true".into(),
        _ if text.starts_with("*.") || text.starts_with('.') => {
            "name each domain: a domain means itself, not those below it".into()
        }
        _ => "write it as \"example.com\"".into(),
    };
    item.fault_with_help(format!("{} is not a domain", item.shown()), help);
    None
}

fn email(item: &Item<'_>) -> Option<EmailAddress> {
    let address = item.text()?.parse().ok();
    if address.is_none() {
        item.fault_with_help(
            format!("{} is not an e-mail address", item.shown()),
            "write it as \"ada@example.com\"; whole domains go into `email_domains`",
        );
    }
    address
}

fn provider(item: &Item<'_>, providers: &[&str]) -> Option<ProviderId> {
    let text = item.text()?;
    if !providers.contains(&text) {
        item.fault_with_help(
            format!("this tenant has no provider {}", item.shown()),
            suggestion(text, providers.iter().copied()),
        );
        return None;
    }
    text.parse().ok()
}
