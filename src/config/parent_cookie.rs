//! `[tenants.parent_cookie]`: one cookie for several hosts below one name.

use super::diagnostics::Position;
use super::reader::Item;
use super::server::Server;
use super::table::{Key, Shape, Table};
use super::{AppSettings, apps};
use crate::domain::host::{Host, HostPattern};
use crate::domain::tenant::{BaseUrl, ParentCookie};

/// The cookie, with the place of what is checked across tenants.
#[derive(Clone, Debug)]
pub struct ParentCookieSettings {
    /// The cookie.
    pub cookie: ParentCookie,
    /// Where its domain is written.
    pub at: Position,
}

pub(super) static TABLE: Table = Table::new(
    "[tenants.parent_cookie]",
    "One cookie for several app hosts below one name, for where nothing can be routed to Doorward there.",
    &[
        Key::new(
            "domain",
            Shape::Host,
            "The name that all these hosts, and the tenant's own, are below. Never a public suffix.",
        )
        .required(),
        Key::new(
            "hosts",
            Shape::List(&Shape::Host),
            "The app hosts at which it counts.",
        )
        .required(),
    ],
);

/// What was read, before it is held against the tenant's own addresses.
pub(super) struct Read<'a> {
    domain: Option<(Host, Item<'a>)>,
    hosts: Option<Vec<(HostPattern, Item<'a>)>>,
}

pub(super) fn read<'a>(item: &Item<'a>, server: &Server) -> Option<Read<'a>> {
    let section = item.section(&TABLE)?;
    let domain = section
        .require("domain", "add domain = \"example.com\"")
        .and_then(|item| Some((domain(&item)?, item)));
    let hosts = section
        .require("hosts", "add hosts = [\"wiki.example.com\"]")
        .and_then(|item| item.list(|item| Some((apps::host_pattern(item, server)?, item.clone()))));
    section.finish();
    Some(Read { domain, hosts })
}

/// A name that somebody can register, or one below it: browsers keep no cookie for others.
fn domain(item: &Item<'_>) -> Option<Host> {
    let text = item.text()?;
    let plain = text.strip_prefix('.').unwrap_or(text);
    let host = Host::parse(plain, 443)
        .ok()
        .filter(|host| host.port().is_none());
    let Some(host) = host else {
        item.fault_with_help(
            format!("{} is not the name of a domain", item.shown()),
            "write the name alone: \"example.com\"",
        );
        return None;
    };
    let is_address =
        host.name().starts_with('[') || host.name().parse::<std::net::IpAddr>().is_ok();
    if is_address {
        item.fault_with_help(
            format!("{} is an address: nothing is below it", item.shown()),
            "a cookie for several hosts needs a name that they share",
        );
        return None;
    }
    if is_public_suffix(host.name()) {
        item.fault_with_help(
            format!(
                "{} is a public suffix: strangers have names below it",
                item.shown()
            ),
            "name a domain that is yours alone; browsers keep no cookie for others",
        );
        return None;
    }
    Some(host)
}

/// Whether names below `name` are given to anybody (<https://publicsuffix.org>).
fn is_public_suffix(name: &str) -> bool {
    addr::parse_domain_name(name).map_or(true, |parsed| parsed.suffix() == name)
}

/// The app among those below `pattern` that we forward to. An exact name goes before a pattern.
fn forwarded_to<'a>(pattern: &HostPattern, apps: &'a [AppSettings]) -> Option<&'a AppSettings> {
    let forwarded = |app: &&AppSettings| app.app.upstream.is_some();
    let has =
        |app: &AppSettings, fits: &dyn Fn(&HostPattern) -> bool| app.app.hosts.iter().any(fits);
    let Some(host) = pattern.exact() else {
        let below = |other: &HostPattern| other.exact().is_some_and(|it| pattern.matches(&it));
        return apps
            .iter()
            .filter(forwarded)
            .find(|app| has(app, &|other| other == pattern || below(other)));
    };
    apps.iter()
        .find(|app| has(app, &|other| other == pattern))
        .or_else(|| {
            apps.iter()
                .find(|app| has(app, &|other| other.matches(&host)))
        })
        .filter(forwarded)
}

impl Read<'_> {
    /// The cookie, if the tenant's pages can set it and its hosts are the tenant's.
    pub(super) fn finish(
        self,
        base: Option<&BaseUrl>,
        apps: &[AppSettings],
    ) -> Option<ParentCookieSettings> {
        let (domain, domain_item) = self.domain?;
        let mut right = true;
        if let Some(base) = base
            && !ParentCookie::is_within(base.host.name(), &domain)
        {
            domain_item.fault_with_help(
                format!(
                    "{} is not below {domain}: the tenant's pages could not set the cookie",
                    base.host
                ),
                "name a domain that `base_url` is below, or move `base_url`",
            );
            right = false;
        }
        let hosts = self.hosts?;
        for (pattern, item) in &hosts {
            let theirs = apps
                .iter()
                .flat_map(|app| &app.app.hosts)
                .any(|host| host == pattern || pattern.exact().is_some_and(|it| host.matches(&it)));
            if !ParentCookie::is_within(pattern.name(), &domain) {
                item.fault_with_help(
                    format!("{pattern} is not below {domain}: the cookie would not get there"),
                    "leave it out, or name a domain that it is below",
                );
                right = false;
            } else if !theirs {
                item.fault_with_help(
                    format!("no app of this tenant has the host {pattern}"),
                    "write it as it stands in the app's `hosts`",
                );
                right = false;
            } else if let Some(app) = forwarded_to(pattern, apps) {
                item.fault_with_help(
                    format!(
                        "{pattern} leads to the app `{}`, whose `upstream` has requests forwarded: there the \
                         cookie does not count",
                        app.app.id
                    ),
                    "leave it out: such an app has a cookie of its own, for which nothing has to be routed",
                );
                right = false;
            }
        }
        right.then(|| ParentCookieSettings {
            cookie: ParentCookie {
                domain,
                hosts: hosts.into_iter().map(|(pattern, _)| pattern).collect(),
            },
            at: domain_item.position(),
        })
    }
}
