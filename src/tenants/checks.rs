//! What only all tenants together can show to be wrong: two owners of one host, one address for two
//! tenants, an identity that two issuers could give.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::app_tokens::TenantTokens;
use super::hosts::and_parents;
use crate::config::{AppSettings, Fault, Position, TenantSettings};
use crate::domain::caller::Scheme;
use crate::domain::host::HostPattern;
use crate::domain::identity_header::{IdentityHeader, IdentitySource};
use crate::domain::policy::{Allow, Requirements, Rule};
use crate::domain::tenant::{ParentCookie, ProtectedApp, Tenant};
use crate::domain::upstream_provider::UpstreamProvider;
use crate::outbound::AddressGuard;
use crate::providers::issuers::IssuerRules;

/// A host pattern and its owner.
#[derive(Clone, Copy)]
struct Claim<'a> {
    pattern: &'a HostPattern,
    at: &'a Position,
    tenant: &'a TenantSettings,
    app: &'a AppSettings,
}

impl Claim<'_> {
    fn owner(&self) -> String {
        format!("app `{}` of tenant `{}`", self.app.app.id, self.tenant.id)
    }
}

/// Hosts and addresses that have two owners.
pub(super) fn across(tenants: &[TenantSettings]) -> Vec<Fault> {
    let mut claims: HashMap<&str, Vec<Claim<'_>>> = HashMap::new();
    let mut faults = Vec::new();
    for claim in tenants.iter().flat_map(claims_of) {
        claims.entry(claim.pattern.name()).or_default().push(claim);
    }
    for claim in tenants.iter().flat_map(claims_of) {
        faults.extend(clash(&claim, &claims));
    }
    faults.extend(addresses(tenants));
    faults.extend(tenants.iter().filter_map(|it| parent_cookie(it, tenants)));
    for tenant in tenants {
        faults.extend(own_host(tenant, &claims));
    }
    faults
}

/// Addresses that requests are never forwarded to.
pub(super) fn upstreams(tenant: &TenantSettings) -> Vec<Fault> {
    let guard = AddressGuard::for_apps();
    let refused = |app: &AppSettings| {
        let host = app.app.upstream.as_ref()?.authority.host();
        let refusal = guard.check_host(host).err()?;
        let fault = Fault::at(app.upstream_at.clone()?, refusal.to_string());
        Some(fault.with_help("name the address of the app"))
    };
    tenant.apps.iter().filter_map(refused).collect()
}

fn claims_of(tenant: &TenantSettings) -> impl Iterator<Item = Claim<'_>> {
    tenant.apps.iter().flat_map(move |app| {
        let hosts = app.app.hosts.iter().zip(&app.hosts_at);
        hosts.map(move |(pattern, at)| Claim {
            pattern,
            at,
            tenant,
            app,
        })
    })
}

/// Told once for each pair, at the later of the two lines. A pattern overlaps only with one of the same
/// name or of a name above it.
fn clash(claim: &Claim<'_>, claims: &HashMap<&str, Vec<Claim<'_>>>) -> Option<Fault> {
    let related = and_parents(claim.pattern.name())
        .filter_map(|name| claims.get(name))
        .flatten();
    let other = related
        .filter(|other| !std::ptr::eq(other.pattern, claim.pattern))
        // Two of the same name see each other: the earlier one keeps silent.
        .filter(|other| {
            other.pattern.name() != claim.pattern.name()
                || other.at.span().start < claim.at.span().start
        })
        .find(|other| other.pattern.overlaps(claim.pattern) && !is_exception(claim, other))?;
    let (earlier, later) = if other.at.span().start < claim.at.span().start {
        (other, claim)
    } else {
        (claim, other)
    };
    let fault = Fault::at(
        later.at.clone(),
        format!(
            "{} of {} overlaps with {} of {}",
            later.pattern,
            later.owner(),
            earlier.pattern,
            earlier.owner()
        ),
    );
    Some(fault.with_help(format!(
        "the other one is at line {}: a host belongs to one app of one tenant",
        earlier.at.line()
    )))
}

/// Within one tenant an exact host is an exception from a pattern; within one app patterns may overlap.
fn is_exception(one: &Claim<'_>, other: &Claim<'_>) -> bool {
    let exact = |claim: &Claim<'_>| claim.pattern.exact().is_some();
    let same_tenant = std::ptr::eq(one.tenant, other.tenant);
    let same_app = std::ptr::eq(one.app, other.app);
    let twice = one.pattern == other.pattern;
    !twice && ((same_tenant && exact(one) != exact(other)) || same_app)
}

/// A cookie for a whole name reaches every host below it: none of them may be another tenant's.
fn parent_cookie(tenant: &TenantSettings, tenants: &[TenantSettings]) -> Option<Fault> {
    let parent = tenant.parent_cookie.as_ref()?;
    let domain = &parent.cookie.domain;
    let others = tenants.iter().filter(|other| other.id != tenant.id);
    let (other, name, at) = others
        .flat_map(|other| {
            let reached = |claim: &Claim<'_>| {
                let name = claim.pattern.name();
                // Cookies know no ports: a pattern for another port reaches below the domain, too.
                let from_above = claim.pattern.covers_subdomains()
                    && domain
                        .name()
                        .strip_suffix(name)
                        .is_some_and(|rest| rest.ends_with('.'));
                from_above || ParentCookie::is_within(name, domain)
            };
            let hosts = claims_of(other)
                .filter(reached)
                .map(|claim| (claim.pattern.name(), claim.at));
            let theirs = other.parent_cookie.as_ref();
            let theirs = theirs.map(|theirs| (theirs.cookie.domain.name(), &theirs.at));
            let theirs = theirs.filter(|(name, _)| ParentCookie::is_within(name, domain));
            hosts.chain(theirs).map(move |(name, at)| (other, name, at))
        })
        .next()?;
    let fault = Fault::at(
        parent.at.clone(),
        format!(
            "the cookie of {domain} would reach {name} of tenant `{}`",
            other.id
        ),
    );
    Some(fault.with_help(format!(
        "see line {}: name a domain that is this tenant's alone",
        at.line()
    )))
}

fn addresses(tenants: &[TenantSettings]) -> Vec<Fault> {
    let mut seen: HashMap<String, &TenantSettings> = HashMap::new();
    let mut faults = Vec::new();
    for tenant in tenants {
        // Hosts are told apart by name and port; http and https of one host are one.
        let address = format!("{}{}", tenant.base.host, tenant.base.path);
        if let Some(other) = seen.get(&address) {
            // Two tables of one name were told already.
            if other.id == tenant.id {
                continue;
            }
            let message = format!("tenant `{}` is at {address} already", other.id);
            faults.push(
                Fault::at(tenant.base_at.clone(), message).with_help(format!(
                    "see line {}: give each tenant an address of its own",
                    other.base_at.line()
                )),
            );
        } else {
            seen.insert(address, tenant);
        }
    }
    // A host of one tenant's own, and tenants below /t/ on the same host.
    let own: HashMap<_, _> = tenants
        .iter()
        .filter(|tenant| tenant.base.path.is_empty())
        .map(|tenant| (&tenant.base.host, tenant))
        .collect();
    let below = tenants.iter().filter(|tenant| !tenant.base.path.is_empty());
    for tenant in below {
        if let Some(owner) = own.get(&tenant.base.host) {
            let message = format!(
                "{} is the own host of tenant `{}`",
                tenant.base.host, owner.id
            );
            faults.push(
                Fault::at(tenant.base_at.clone(), message)
                    .with_help("give that tenant, or this one, another host"),
            );
        }
    }
    faults
}

/// The host of a tenant's pages is no app's, except where login and app share one name.
fn own_host(tenant: &TenantSettings, claims: &HashMap<&str, Vec<Claim<'_>>>) -> Option<Fault> {
    let host = &tenant.base.host;
    let claim = and_parents(host.name())
        .filter_map(|name| claims.get(name))
        .flatten()
        .filter(|claim| claim.pattern.matches(host))
        .find(|claim| !(tenant.base.on_app_host && std::ptr::eq(claim.tenant, tenant)))?;
    let fault = Fault::at(
        tenant.base_at.clone(),
        format!(
            "{host} is the host of tenant `{}` and also {} of {}",
            tenant.id,
            claim.pattern,
            claim.owner()
        ),
    );
    Some(fault.with_help(format!(
        "see line {}: sign-in pages need a host that is no app's (or base_url with the prefix as its path, where both share one name)",
        claim.at.line()
    )))
}

/// Headers whose value is the name of a person, where two issuers could give the same one.
pub(super) fn identity_headers(
    settings: &TenantSettings,
    tenant: &Tenant,
    tokens: &TenantTokens,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, app) in settings.apps.iter().enumerate() {
        for (header, at) in app.app.identity_headers.iter().zip(&app.headers_at) {
            if !names_a_person(header) {
                continue;
            }
            let mut providers = admitted(&app.app, tenant);
            providers.extend(own_callers(&app.app));
            let tokens = tokens.of_app(index);
            let issuers = tokens.map_or(&[][..], |tokens| &tokens.issuers);
            providers.extend(admitted_tokens(&app.app, tenant, issuers));
            let issuers: BTreeSet<Option<&str>> = providers.iter().map(|it| it.1).collect();
            let source = word(header.source);
            let shared = issuers.contains(&None);
            if issuers.len() > 1 || shared {
                let list: Vec<_> = providers.iter().map(|it| format!("`{}`", it.0)).collect();
                let message = format!(
                    "{} gives `{source}` as the name of a person, but app `{}` admits more than one issuer: {}",
                    header.name,
                    app.app.id,
                    list.join(", ")
                );
                let help = if shared {
                    "each tenant of a cloud is an issuer of its own, and two can give one name to two persons: use \"user\", or a provider of one tenant in every rule of the app"
                } else {
                    "two issuers can give one name to two persons: use \"user\", or name one provider in every rule of the app"
                };
                faults.push(Fault::at(at.clone(), message).with_help(help));
            }
            if header.source == IdentitySource::PreferredUsername
                && let Some((name, ..)) = providers.iter().find(|it| !it.2)
            {
                let message = format!(
                    "{} gives `{source}` as the name of a person, but provider `{name}` may give it to somebody else one day",
                    header.name
                );
                faults.push(Fault::at(at.clone(), message).with_help(
                    "use \"user\" or \"subject\"; as a mere label it belongs into a header that ends in Preferred-Username",
                ));
            }
        }
    }
    faults
}

/// Rules that ask for groups or roles and admit nobody who can have any. They are safe, and no use.
pub(super) fn groups(settings: &TenantSettings, tenant: &Tenant) -> Vec<Fault> {
    let mut warnings = Vec::new();
    // Tokens and keys bring groups and roles of their own.
    let by_session = |app: &&AppSettings| !app.app.accepts.beyond_session();
    for app in settings.apps.iter().filter(by_session) {
        for (rule, at) in app.app.policy.rules().iter().zip(&app.rules_at) {
            let Allow::SignedIn(requirements) = &rule.allow else {
                continue;
            };
            let admitted: Vec<_> = tenant
                .providers
                .iter()
                .filter(|provider| admits(requirements, provider))
                .collect();
            let asked = [
                ("groups", !requirements.groups.is_empty()),
                ("roles", !requirements.roles.is_empty()),
            ];
            for (what, _) in asked.into_iter().filter(|(_, asked)| *asked) {
                if admitted.iter().any(|it| tells(it, what)) {
                    continue;
                }
                let names: Vec<_> = admitted.iter().map(|it| format!("`{}`", it.id)).collect();
                let message = format!(
                    "nobody can pass this rule of app `{}`: it asks for {what}, and {} tells none",
                    app.app.id,
                    names.join(" or ")
                );
                let help = format!(
                    "name the claim in [tenants.providers.claims.{what}], or ask for `emails` or `email_domains`"
                );
                warnings.push(Fault::at(at.clone(), message).with_help(help).as_warning());
            }
        }
    }
    warnings
}

/// Callers of the tenant's own, who have names as if another issuer gave them. A rule that names providers admits
/// none of them.
fn own_callers<'a>(app: &ProtectedApp) -> Vec<(&'a str, Option<&'a str>, bool)> {
    let admits = |rule: &Rule| match &rule.allow {
        Allow::SignedIn(requirements) => requirements.providers.is_empty(),
        Allow::Public | Allow::Nobody => false,
    };
    let admitted = app.policy.rules().iter().any(admits);
    let accepts = |scheme| admitted && app.accepts.accepts(scheme);
    let mut callers = Vec::new();
    if accepts(Scheme::Basic) {
        callers.push(("users of its own", Some("doorward:users"), true));
    }
    if accepts(Scheme::ApiKey) {
        // The name of a key can be given again.
        callers.push(("API keys", Some("doorward:api-keys"), false));
    }
    callers
}

/// Whether people of `provider` can have `groups`, or `roles`.
fn tells(provider: &UpstreamProvider, names: &str) -> bool {
    let lists = match names {
        "groups" => &provider.claims.groups,
        _ => &provider.claims.roles,
    };
    !lists.is_empty() || provider.changes.give(names)
}

/// Whether somebody who signed in through `provider` can fit.
fn admits(requirements: &Requirements, provider: &UpstreamProvider) -> bool {
    requirements.providers.is_empty() || requirements.providers.contains(&provider.id)
}

/// An e-mail address in a header for e-mail addresses is a fact about a person, not their name.
fn names_a_person(header: &IdentityHeader) -> bool {
    let name = header.name.as_str();
    match header.source {
        IdentitySource::Subject => true,
        IdentitySource::Email => !name.ends_with("email"),
        IdentitySource::PreferredUsername => !name.ends_with("preferred-username"),
        IdentitySource::User
        | IdentitySource::Name
        | IdentitySource::Groups
        | IdentitySource::Roles
        | IdentitySource::Picture
        | IdentitySource::Locale
        | IdentitySource::Provider
        | IdentitySource::AccessToken
        | IdentitySource::IdToken
        | IdentitySource::Assertion
        | IdentitySource::Claim => false,
    }
}

/// The providers through which somebody can get to `app`: name, the one issuer, whether names are stable there.
fn admitted<'a>(app: &ProtectedApp, tenant: &'a Tenant) -> Vec<(&'a str, Option<&'a str>, bool)> {
    tenant
        .providers
        .iter()
        .filter(|_| app.accepts.accepts(Scheme::Session))
        .filter(|provider| {
            app.policy.rules().iter().any(|rule| match &rule.allow {
                Allow::SignedIn(requirements) => admits(requirements, provider),
                // A public rule passes without identity.
                Allow::Public | Allow::Nobody => false,
            })
        })
        .map(|provider| {
            (
                provider.id.as_str(),
                provider.only_issuer(),
                provider.preferred_username_is_stable,
            )
        })
        .collect()
}

/// The same of the issuers whose tokens it accepts. Nobody promises that a name in a token stays one's own.
fn admitted_tokens<'a>(
    app: &ProtectedApp,
    tenant: &'a Tenant,
    issuers: &'a [Arc<IssuerRules>],
) -> Vec<(&'a str, Option<&'a str>, bool)> {
    let rules = || app.policy.rules().iter();
    let reached = |issuer: &&Arc<IssuerRules>| {
        rules().any(|rule| match &rule.allow {
            Allow::SignedIn(requirements) => {
                let named = &requirements.providers;
                named.is_empty()
                    || issuer
                        .provider
                        .as_ref()
                        .is_some_and(|it| named.contains(it))
            }
            Allow::Public | Allow::Nobody => false,
        })
    };
    let each = issuers.iter().filter(reached).map(|issuer| {
        let of_provider = issuer.provider.as_ref().and_then(|it| tenant.provider(it));
        let only = match of_provider {
            Some(provider) => provider.only_issuer(),
            None => issuer.is_one_issuer().then_some(&*issuer.issuer_key),
        };
        (issuer.id.as_str(), only, false)
    });
    each.collect()
}

fn word(source: IdentitySource) -> &'static str {
    IdentitySource::ALL
        .iter()
        .find(|(_, other)| *other == source)
        .map_or("", |(word, _)| word)
}
