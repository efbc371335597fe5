//! `[[tenants]]`: organizations, each with its own address, providers and apps.

use std::collections::HashMap;

use url::Url;

use super::diagnostics::{Position, quoted};
use super::providers::ProviderSettings;
use super::reader::{Item, Section};
use super::server::Server;
use super::table::{Key, Shape, Table};
use super::trusted_issuers::TrustedIssuerSettings;
use super::{
    ApiKeySettings, Context, MachineClientSettings, ParentCookieSettings, TokenExchangeSettings,
    accent, addresses, api_keys, apps, machine_clients, parent_cookie, providers, sessions,
    signing, token_exchanges, trusted_issuers, upstream_tokens, users,
};
use crate::config::AppSettings;
use crate::domain::email::EmailDomain;
use crate::domain::host::{Host, HostPattern};
use crate::domain::ids::TenantId;
use crate::domain::local_user::LocalUsers;
use crate::domain::session::SessionLifetimes;
use crate::domain::signing_key::SigningRules;
use crate::domain::tenant::{Accent, BaseUrl};

/// A tenant, its providers not yet made from their presets.
#[derive(Clone, Debug)]
pub struct TenantSettings {
    /// Its name in addresses, cookies and logs.
    pub id: TenantId,
    /// Where its table begins.
    pub at: Position,
    /// What people call it.
    pub name: Box<str>,
    /// Where its pages live.
    pub base: BaseUrl,
    /// Where that was written; the table's own place where it was left out.
    pub base_at: Position,
    /// Whom to ask for access.
    pub contact: Option<Box<str>>,
    /// Accent colours of its pages.
    pub accent: Option<Accent>,
    /// How long its sessions live.
    pub lifetimes: SessionLifetimes,
    /// Who authenticates its people; at least one.
    pub providers: Vec<ProviderSettings>,
    /// Whose bearer tokens its apps accept.
    pub trusted_issuers: Vec<TrustedIssuerSettings>,
    /// What they may open.
    pub apps: Vec<AppSettings>,
    /// Further hosts that a sign-in or sign-out may return to.
    pub return_hosts: Vec<HostPattern>,
    /// Names and passwords of its own.
    pub users: LocalUsers,
    /// Where API keys are shown, and keys that stand in the file.
    pub api_keys: ApiKeySettings,
    /// A cookie that several app hosts share.
    pub parent_cookie: Option<ParentCookieSettings>,
    /// Its own keys.
    pub signing: SigningRules,
    /// Machines that it gives tokens to.
    pub machine_clients: Vec<MachineClientSettings>,
    /// Whose tokens it changes into its own.
    pub token_exchanges: Vec<TokenExchangeSettings>,
    /// Whether nothing in it stands in for what could not be read.
    pub whole: bool,
}

pub(super) static TABLE: Table = Table::new(
    "[[tenants]]",
    "Organizations, each with its own address, providers, apps and sessions. At least one.",
    &[
        Key::new(
            "id",
            Shape::Id,
            "In addresses, cookies and logs: 1 to 63 of a-z, 0-9, -.",
        )
        .required(),
        Key::new("name", Shape::Line(100), "What people read.").or("the id"),
        Key::new(
            "base_url",
            Shape::Address,
            "Where the sign-in pages are: a host of its own, /t/{id} on a shared host, or the prefix on the host of one of the tenant's own apps.",
        )
        .or("{public_url}/t/{id}"),
        Key::new(
            "contact",
            Shape::Line(200),
            "Whom to ask for access; shown to people who are refused.",
        ),
        Key::table("accent", &accent::TABLE),
        Key::table("sessions", &sessions::TABLE),
        Key::new(
            "return_hosts",
            Shape::List(&Shape::Host),
            "Further hosts that a sign-in or sign-out may return to; the tenant's own and its apps' always may.",
        ),
        Key::table("parent_cookie", &parent_cookie::TABLE),
        api_keys::HEADER.or("\"X-API-Key\""),
        Key::tables("api_keys", &api_keys::TABLE),
        users::HTPASSWD_FILE,
        Key::tables("users", &users::TABLE),
        Key::table("signing", &signing::TABLE),
        Key::tables("providers", &providers::TABLE).required(),
        Key::tables("trusted_issuers", &trusted_issuers::TABLE),
        Key::tables("apps", &apps::TABLE),
        Key::tables("machine_clients", &machine_clients::TABLE),
        Key::tables("token_exchanges", &token_exchanges::TABLE),
    ],
);

/// As many as can be judged, and whether that is all of the file, whole.
pub(super) fn read(
    root: &Section<'_>,
    server: &Server,
    lifetimes: SessionLifetimes,
    context: &Context<'_>,
) -> (Vec<TenantSettings>, bool) {
    let help = "add [[tenants]] with id, base_url, [[tenants.providers]] and [[tenants.apps]]";
    let item = root.require("tenants", help);
    let sections = item.map(|item| item.sections(&TABLE)).unwrap_or_default();
    report_duplicates(&sections, "a tenant");
    let tenants: Vec<_> = sections
        .iter()
        .filter_map(|section| tenant(section, server, lifetimes, context))
        .collect();
    let whole = !tenants.is_empty()
        && tenants.len() == sections.len()
        && tenants.iter().all(|tenant| tenant.whole);
    (tenants, whole)
}

fn tenant(
    section: &Section<'_>,
    server: &Server,
    lifetimes: SessionLifetimes,
    context: &Context<'_>,
) -> Option<TenantSettings> {
    let id: Option<TenantId> = section
        .require(
            "id",
            "add id = \"acme\": its name in addresses, cookies and logs",
        )
        .and_then(|item| item.parsed());
    let name = section.get("name").and_then(|item| item.line(100));
    let base_url = section.get("base_url");
    let contact = section.get("contact").and_then(|item| item.line(200));
    let accent = section.get("accent").and_then(|item| accent::read(&item));
    let lifetimes = sessions::read(section.get("sessions").as_ref(), lifetimes);
    let return_hosts = section
        .get("return_hosts")
        .and_then(|item| item.list(|item| apps::host_pattern(item, server)))
        .unwrap_or_default();
    let parent_cookie = section
        .get("parent_cookie")
        .map(|item| parent_cookie::read(&item, server));
    let signing = signing::read(section.get("signing").as_ref());
    let providers = tables(section, "providers", &providers::TABLE);
    report_providers(section, &providers);
    let names = ids(&providers);
    let apps = tables(section, "apps", &apps::TABLE);
    report_duplicates(&apps, "an app");
    let app_names = ids(&apps);
    report_unknown_apps(&providers, &app_names);
    let (machine_clients, machines_are_whole) = machines(section, server, &app_names, context);
    let (token_exchanges, exchanges_are_whole) = exchanges(section);
    let api_keys = api_keys::read(section, &app_names, context);
    let users = users::read(section, context);
    if users.as_ref().is_some_and(LocalUsers::is_empty) {
        apps.iter().for_each(apps::report_no_users);
    }
    let (provider_count, app_count) = (providers.len(), apps.len());
    let providers: Vec<_> = providers
        .iter()
        .filter_map(|section| providers::read(section, context))
        .collect();
    let (trusted_issuers, all_issuers) = issuers(section, server.development, context);
    let apps: Vec<_> = apps
        .iter()
        .filter_map(|section| apps::read(section, server, &names, context))
        .collect();
    section.finish();
    let hosts_are_known =
        apps.len() == app_count && apps.iter().all(|app| !app.app.hosts.is_empty());
    let base = if let Some(id) = &id {
        base(
            section,
            base_url.as_ref(),
            id,
            server,
            &apps,
            hosts_are_known,
        )
    } else {
        if let Some(item) = &base_url {
            addresses::plain_url(item, server.development);
        }
        None
    };
    let wants_cookie = parent_cookie.is_some();
    let parent_cookie = parent_cookie
        .flatten()
        .filter(|_| hosts_are_known)
        .and_then(|read| read.finish(base.as_ref(), &apps));
    let whole = id.is_some()
        && base.is_some()
        && users.is_some()
        && api_keys.is_some()
        && wants_cookie == parent_cookie.is_some()
        && machines_are_whole
        && exchanges_are_whole
        && (providers.len(), apps.len()) == (provider_count, app_count)
        && all_issuers
        && providers.iter().all(|provider| provider.whole)
        && apps.iter().all(|app| app.whole);
    let id = id.or_else(|| section.stand_in().parse().ok())?;
    Some(TenantSettings {
        name: name.unwrap_or_else(|| id.as_str().into()),
        at: section.position(),
        base: base.or_else(|| nobodys_address(section))?,
        base_at: base_url.map_or_else(|| section.position(), |item| item.position()),
        id,
        contact,
        accent,
        lifetimes,
        providers,
        trusted_issuers,
        apps,
        return_hosts,
        users: users.unwrap_or_default(),
        api_keys: api_keys.unwrap_or_default(),
        parent_cookie,
        signing,
        machine_clients,
        token_exchanges,
        whole,
    })
}

/// What is wrong with them together.
fn report_providers(section: &Section<'_>, providers: &[Section<'_>]) {
    if providers.is_empty() {
        section.fault_with_help(
            "nobody can sign in to this tenant: it has no provider",
            "add [[tenants.providers]]",
        );
    }
    report_duplicates(providers, "a provider");
    report_claimed_twice(providers);
}

fn report_unknown_apps(providers: &[Section<'_>], apps: &[&str]) {
    for provider in providers {
        upstream_tokens::report_unknown_apps(provider, apps);
    }
}

/// As many as can be judged, and whether that is all of them.
fn machines(
    section: &Section<'_>,
    server: &Server,
    apps: &[&str],
    context: &Context<'_>,
) -> (Vec<MachineClientSettings>, bool) {
    let sections = tables(section, "machine_clients", &machine_clients::TABLE);
    report_duplicates(&sections, "a machine client");
    let read: Vec<_> = sections
        .iter()
        .filter_map(|section| machine_clients::read(section, server, apps, context))
        .collect();
    let whole = read.len() == sections.len();
    (read, whole)
}

/// As many as can be judged, and whether that is all of them.
fn exchanges(section: &Section<'_>) -> (Vec<TokenExchangeSettings>, bool) {
    let sections = tables(section, "token_exchanges", &token_exchanges::TABLE);
    report_duplicates(&sections, "a rule for exchanging tokens");
    let read: Vec<_> = sections.iter().filter_map(token_exchanges::read).collect();
    let whole = read.len() == sections.len();
    (read, whole)
}

/// The trusted issuers, and whether nothing of them was misread.
fn issuers(
    section: &Section<'_>,
    development: bool,
    context: &Context<'_>,
) -> (Vec<TrustedIssuerSettings>, bool) {
    let sections = tables(section, "trusted_issuers", &trusted_issuers::TABLE);
    report_duplicates(&sections, "a trusted issuer");
    let read = sections
        .iter()
        .filter_map(|section| trusted_issuers::read(section, development, context));
    let read: Vec<_> = read.collect();
    let whole = read.len() == sections.len() && read.iter().all(|issuer| !issuer.misread);
    (read, whole)
}

/// In place of an address that could not be read: one that clashes with no other (RFC 6761 §6.4).
fn nobodys_address(section: &Section<'_>) -> Option<BaseUrl> {
    let origin = Url::parse(&format!("https://{}.invalid", section.stand_in())).ok()?;
    Some(BaseUrl {
        host: Host::of(&origin)?,
        origin,
        path: "".into(),
        on_app_host: false,
    })
}

fn tables<'a>(section: &Section<'a>, key: &'static str, table: &'static Table) -> Vec<Section<'a>> {
    section
        .get(key)
        .map(|item| item.sections(table))
        .unwrap_or_default()
}

/// The names of tables, as far as they can be read.
fn ids<'a>(sections: &[Section<'a>]) -> Vec<&'a str> {
    let ids = sections.iter();
    ids.filter_map(|section| section.get("id")?.as_text())
        .collect()
}

/// Names are compared before anything else is judged, so that two wrong tables are still told apart.
fn report_duplicates(sections: &[Section<'_>], what: &str) {
    let mut seen: HashMap<&str, u32> = HashMap::new();
    for section in sections {
        let Some(item) = section.get("id") else {
            continue;
        };
        let Some(id) = item.as_text() else { continue };
        if let Some(line) = seen.get(id) {
            item.fault_with_help(
                format!("there is {what} {} already", quoted(id)),
                format!("the first one is at line {line}: give this one another `id`"),
            );
        } else {
            seen.insert(id, item.position().line());
        }
    }
}

/// The people of one domain cannot be sent to two providers.
fn report_claimed_twice(providers: &[Section<'_>]) {
    let mut claimed: HashMap<EmailDomain, u32> = HashMap::new();
    let lists = providers
        .iter()
        .filter_map(|section| section.get("email_domains")?.as_items());
    for item in lists.flatten() {
        let Some(Ok(domain)) = item.as_text().map(str::parse::<EmailDomain>) else {
            continue;
        };
        if let Some(line) = claimed.get(&domain) {
            item.fault_with_help(
                format!("{} leads to a provider already", item.shown()),
                format!(
                    "the first one is at line {line}: its people can be sent to one provider only"
                ),
            );
        } else {
            claimed.insert(domain, item.position().line());
        }
    }
}

/// The three shapes of a tenant's address; anything else is a fault.
fn base(
    section: &Section<'_>,
    item: Option<&Item<'_>>,
    id: &TenantId,
    server: &Server,
    apps: &[AppSettings],
    hosts_are_known: bool,
) -> Option<BaseUrl> {
    let Some(item) = item else {
        let Some(url) = &server.public_url else {
            if !server.public_url_given {
                section.fault_with_help(
                    "this tenant has no address",
                    "add base_url = \"https://login.example.com\" here, or public_url in [server] for tenants at /t/{id}",
                );
            }
            return None;
        };
        return Some(BaseUrl {
            origin: url.clone(),
            host: Host::of(url)?,
            path: format!("/t/{id}").into(),
            on_app_host: false,
        });
    };
    let (url, path) = addresses::plain_url(item, server.development)?;
    let host = Host::of(&url)?;
    let is_app = apps
        .iter()
        .any(|app| app.app.hosts.iter().any(|pattern| pattern.matches(&host)));
    let shared = server.public_url.as_ref().and_then(Host::of) == Some(host.clone());
    let on_app_host = *path == *server.prefix;
    if path.is_empty() && shared {
        item.fault_with_help(
            format!("{host} is the shared host of `public_url`"),
            format!("leave `base_url` out: this tenant is at /t/{id} there"),
        );
        return None;
    }
    if on_app_host && !is_app {
        if hosts_are_known {
            item.fault_with_help(
                format!("{host} is not the host of one of this tenant's apps"),
                "with the prefix as its path, `base_url` is on an app's own host: add it to the app's `hosts`",
            );
        }
        return None;
    }
    if !path.is_empty() && !on_app_host && *path != format!("/t/{id}") {
        item.fault_with_help(
            format!("{} cannot be the address of a tenant", item.shown()),
            format!(
                "its path is empty on a host of its own, /t/{id} on a shared one, or {} on an app's host",
                server.prefix
            ),
        );
        return None;
    }
    addresses::warn_of_development(item, &url, server.development);
    Some(BaseUrl {
        origin: addresses::origin(&url),
        host,
        path,
        on_app_host,
    })
}
