//! One snapshot of all tenants, and of the settings of the server that change with them.

use std::collections::HashMap;
use std::sync::Arc;

use http::header::STRICT_TRANSPORT_SECURITY;

use super::app_tokens::{AppTokens, TenantTokens};
use super::hosts::{AppHosts, Slot};
use super::{checks, machine_clients, token_exchanges, tokens_for_apps};
use crate::config::{AppSettings, Config, Fault, Faults, Server, Severity, TenantSettings};
use crate::domain::host::Host;
use crate::domain::ids::{AppId, TenantId};
use crate::domain::tenant::{ProtectedApp, Tenant};
use crate::domain::upstream_provider::UpstreamProvider;
use crate::providers::Presets;

/// All tenants and where they are.
#[derive(Debug)]
pub struct Directory {
    version: u64,
    server: Server,
    tenants: Vec<Arc<Tenant>>,
    by_id: HashMap<TenantId, usize>,
    /// Hosts with one tenant each: their own, or an app's.
    by_host: HashMap<Host, usize>,
    /// Hosts with tenants at `/t/{id}`.
    shared: HashMap<Host, HashMap<Box<str>, usize>>,
    apps: AppHosts,
    /// One for each tenant, in their order.
    tokens: Vec<TenantTokens>,
}

/// A page address taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Location<'a> {
    /// Whose page it is.
    pub tenant: &'a Arc<Tenant>,
    /// What comes behind the tenant's own path: `/login`, `/`; empty for `/t/{id}` alone.
    pub rest: &'a str,
}

/// An app and its tenant.
#[derive(Clone, Copy, Debug)]
pub struct AppAt<'a> {
    /// Who owns it.
    pub tenant: &'a Arc<Tenant>,
    /// The app.
    pub app: &'a ProtectedApp,
    /// Its place in the tenant's list.
    pub index: usize,
    /// Whose tokens it accepts; none: it looks at no token.
    pub tokens: Option<&'a AppTokens>,
}

impl Directory {
    /// Makes all providers and checks tenants against each other. `version` tells this snapshot from others.
    ///
    /// # Errors
    /// Everything that is wrong, at the operator's lines.
    pub fn build(config: &Config, presets: &Presets, version: u64) -> Result<Self, Faults> {
        let (directory, mut faults) =
            Self::judge(&config.server, &config.tenants, presets, version);
        faults.retain(|fault| fault.severity() == Severity::Error);
        Faults::new(faults).map_or(Ok(directory), Err)
    }

    /// The same for settings that may be a draft: the directory, and everything that is wrong or odd beside
    /// what was told when they were read. With faults anywhere the directory is good for nothing.
    #[must_use]
    pub fn judge(
        server: &Server,
        settings: &[TenantSettings],
        presets: &Presets,
        version: u64,
    ) -> (Self, Vec<Fault>) {
        let mut faults = Vec::new();
        let tenants: Vec<Arc<Tenant>> = settings
            .iter()
            .map(|settings| {
                let providers = providers(settings, server, presets, &mut faults);
                Arc::new(tenant(settings, providers))
            })
            .collect();
        let tokens = settings.iter().zip(&tenants).map(|(settings, tenant)| {
            let profiles = presets.profiles();
            TenantTokens::build(settings, tenant, profiles, (server, version), &mut faults)
        });
        let tokens: Vec<_> = tokens.collect();
        faults.extend(checks::across(settings));
        faults.extend(settings.iter().flat_map(checks::upstreams));
        faults.extend(settings.iter().flat_map(tokens_for_apps::faults));
        faults.extend(settings.iter().flat_map(machine_clients::faults));
        for ((settings, tenant), tokens) in settings.iter().zip(&tenants).zip(&tokens) {
            // Whom a policy admits is not known while a provider is missing.
            if settings.providers.len() == tenant.providers.len() {
                faults.extend(checks::identity_headers(settings, tenant, tokens));
            }
            if settings.whole && settings.providers.len() == tenant.providers.len() {
                faults.extend(checks::groups(settings, tenant));
            }
        }
        let mut directory = Self::of(tenants, server.clone(), version);
        directory.tokens = tokens;
        (directory, faults)
    }

    fn of(tenants: Vec<Arc<Tenant>>, server: Server, version: u64) -> Self {
        let mut directory = Self {
            version,
            server,
            by_id: HashMap::with_capacity(tenants.len()),
            by_host: HashMap::new(),
            shared: HashMap::new(),
            apps: AppHosts::default(),
            tenants: Vec::new(),
            tokens: Vec::new(),
        };
        for (index, tenant) in tenants.iter().enumerate() {
            directory.by_id.insert(tenant.id.clone(), index);
            let host = tenant.base.host.clone();
            if tenant.base.path.is_empty() || tenant.base.on_app_host {
                directory.by_host.insert(host, index);
            } else {
                let shared = directory.shared.entry(host).or_default();
                shared.insert(tenant.id.as_str().into(), index);
            }
            for (app_index, app) in tenant.apps.iter().enumerate() {
                let slot = Slot {
                    tenant: u32::try_from(index).unwrap_or(u32::MAX),
                    app: u32::try_from(app_index).unwrap_or(u32::MAX),
                };
                for pattern in &app.hosts {
                    directory.apps.insert(pattern, slot);
                }
            }
        }
        directory.tenants = tenants;
        directory
    }

    /// What tells this snapshot from others.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Whom we believe and how we listen, as it stood in the same file.
    #[must_use]
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// All of them, in the order of the file.
    #[must_use]
    pub fn tenants(&self) -> &[Arc<Tenant>] {
        &self.tenants
    }

    /// A tenant by its name.
    #[must_use]
    pub fn tenant(&self, id: &TenantId) -> Option<&Arc<Tenant>> {
        self.tenants.get(*self.by_id.get(id)?)
    }

    /// Whose page `path` on `host` is. `path` is that of the request target, without its query; a prefix
    /// counts as a whole segment only.
    #[must_use]
    pub fn locate<'a>(&'a self, host: &Host, path: &'a str) -> Option<Location<'a>> {
        if let Some(index) = self.by_host.get(host) {
            let tenant = self.tenants.get(*index)?;
            let rest = below(path, &tenant.base.path)?;
            return Some(Location { tenant, rest });
        }
        let shared = self.shared.get(host)?;
        let behind = path.strip_prefix("/t/")?;
        let id = behind.split('/').next()?;
        let tenant = self.tenants.get(*shared.get(id)?)?;
        let rest = below(path, &tenant.base.path)?;
        Some(Location { tenant, rest })
    }

    /// The app of `host`; an exact name wins over a pattern.
    #[must_use]
    pub fn app_at(&self, host: &Host) -> Option<AppAt<'_>> {
        self.slot(self.apps.find(host)?)
    }

    /// The app whose exact host is `host`, byte for byte: a `Host` header in lower case, without the
    /// scheme's own port. None does not mean that there is no app: parse the header and ask
    /// [`app_at`](Self::app_at).
    #[must_use]
    pub fn app_at_name(&self, host: &str) -> Option<(AppAt<'_>, &Host)> {
        let (host, slot) = self.apps.find_text(host)?;
        Some((self.slot(slot)?, host))
    }

    fn slot(&self, slot: Slot) -> Option<AppAt<'_>> {
        let tenant = self.tenants.get(slot.tenant as usize)?;
        let index = slot.app as usize;
        let app = tenant.apps.get(index)?;
        let tokens = self.tokens.get(slot.tenant as usize);
        let tokens = tokens.and_then(|tokens| tokens.of_app(index));
        Some(AppAt {
            tenant,
            app,
            index,
            tokens,
        })
    }

    /// An app by its tenant's name and its own.
    #[must_use]
    pub fn app_named(&self, tenant: &TenantId, app: &AppId) -> Option<AppAt<'_>> {
        let place = *self.by_id.get(tenant)?;
        let tenant = self.tenants.get(place)?;
        let index = tenant.apps.iter().position(|it| it.id == *app)?;
        Some(AppAt {
            tenant,
            app: tenant.apps.get(index)?,
            index,
            tokens: self.tokens.get(place)?.of_app(index),
        })
    }

    /// The trusted issuers of a tenant, as its apps have them in common.
    #[must_use]
    pub fn tokens_of(&self, tenant: &TenantId) -> Option<&TenantTokens> {
        self.tokens.get(*self.by_id.get(tenant)?)
    }

    /// The trusted issuers of all tenants.
    pub fn all_tokens(&self) -> impl Iterator<Item = &TenantTokens> {
        self.tokens.iter()
    }
}

/// What of `path` is behind `prefix`, in whole segments.
fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    path.strip_prefix(prefix)
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn providers(
    settings: &TenantSettings,
    server: &Server,
    presets: &Presets,
    faults: &mut Vec<Fault>,
) -> Vec<UpstreamProvider> {
    settings
        .providers
        .iter()
        .filter(|provider| !presets.is_unread(&provider.preset.value))
        .filter_map(|provider| {
            presets
                .resolve(provider, server.development)
                .map_err(|found| faults.extend(found))
                .ok()
        })
        .collect()
}

fn tenant(settings: &TenantSettings, providers: Vec<UpstreamProvider>) -> Tenant {
    Tenant {
        id: settings.id.clone(),
        name: settings.name.clone(),
        base: settings.base.clone(),
        contact: settings.contact.clone(),
        accent: settings.accent,
        lifetimes: settings.lifetimes,
        providers,
        apps: settings
            .apps
            .iter()
            .map(|app| protected_app(app, settings.base.is_secure()))
            .collect(),
        return_hosts: settings.return_hosts.clone(),
        users: Arc::new(settings.users.clone()),
        api_key_header: settings.api_keys.header.clone(),
        api_keys: Arc::new(settings.api_keys.keys.clone()),
        parent_cookie: settings
            .parent_cookie
            .as_ref()
            .map(|settings| Box::new(settings.cookie.clone())),
        signing: settings.signing,
        machine_clients: settings
            .machine_clients
            .iter()
            .map(|settings| settings.client.clone())
            .collect(),
        token_exchanges: token_exchanges::of(settings),
    }
}

/// A promise of https is no use to somebody who came without (RFC 6797 §7.2).
fn protected_app(settings: &AppSettings, is_secure: bool) -> ProtectedApp {
    let mut app = settings.app.clone();
    if !is_secure {
        app.security_headers = app.security_headers.map(|headers| {
            let plain = headers
                .iter()
                .filter(|(name, _)| *name != STRICT_TRANSPORT_SECURITY);
            plain.cloned().collect()
        });
    }
    app
}
