//! Whose tokens each app accepts, as its tenant's trusted issuers and its own settings come together.
//!
//! Invariants: an app never accepts more than its tenant's issuer does; what is remembered of a token belongs to
//! one app, one purpose and one snapshot.

use std::sync::Arc;

use http::HeaderName;

use super::token_exchanges;
use crate::config::{
    AppSettings, AttestationSettings, Fault, Server, TenantSettings, quoted, suggestion,
};
use crate::domain::caller::Scheme;
use crate::domain::tenant::Tenant;
use crate::jose::{TokenKind, TokenScope};
use crate::providers::issuers::{IssuerRules, Profiles};

/// The trusted issuers of a tenant.
#[derive(Debug, Default)]
pub struct TenantTokens {
    /// All of them, in the order of the file.
    pub issuers: Vec<Arc<IssuerRules>>,
    /// Those whose tokens are changed into the tenant's own, for the audiences that are expected there.
    pub exchanged: Vec<Arc<IssuerRules>>,
    apps: Vec<Option<AppTokens>>,
}

/// What of them one app accepts.
#[derive(Debug)]
pub struct AppTokens {
    /// Under which its bearers are remembered.
    pub scope: TokenScope,
    /// Whose bearers it accepts, in the order in which they are tried; empty: it accepts none.
    pub issuers: Vec<Arc<IssuerRules>>,
    /// What each of its requests must show beside.
    pub attestation: Option<Attestation>,
}

/// A token that comes in a header of its own, in addition to whatever says who calls.
#[derive(Debug)]
pub struct Attestation {
    /// Under which it is remembered.
    pub scope: TokenScope,
    /// Who attests.
    pub issuer: Arc<IssuerRules>,
    /// Where it stands.
    pub header: HeaderName,
    /// The header that it must be bound to.
    pub bound_to: Option<HeaderName>,
}

impl TenantTokens {
    /// Those of `settings`; what is wrong is put into `faults`.
    pub(super) fn build(
        settings: &TenantSettings,
        tenant: &Tenant,
        profiles: &Profiles,
        (server, version): (&Server, u64),
        faults: &mut Vec<Fault>,
    ) -> Self {
        let mut issuers = Vec::new();
        for one in settings.trusted_issuers.iter().filter(|it| !it.misread) {
            let id = &settings.id;
            match profiles.resolve(id, one, &tenant.providers, server.development) {
                Ok(rules) => issuers.push(Arc::new(rules)),
                Err(found) => faults.extend(found),
            }
        }
        // Of what could not be made nothing more can be said.
        let whole = issuers.len() == settings.trusted_issuers.len();
        let building = Building {
            settings,
            issuers: &issuers,
            version,
            whole,
        };
        let apps = settings.apps.iter();
        let apps = apps.map(|app| building.app(app, faults)).collect();
        faults.extend(token_exchanges::faults(settings, &issuers, whole));
        let exchanged = token_exchanges::issuers(&tenant.token_exchanges, &issuers);
        Self {
            issuers,
            exchanged,
            apps,
        }
    }

    /// What the app at this place in the tenant's list accepts.
    pub(super) fn of_app(&self, index: usize) -> Option<&AppTokens> {
        self.apps.get(index)?.as_ref()
    }
}

struct Building<'a> {
    settings: &'a TenantSettings,
    issuers: &'a [Arc<IssuerRules>],
    version: u64,
    whole: bool,
}

impl Building<'_> {
    fn app(&self, app: &AppSettings, faults: &mut Vec<Fault>) -> Option<AppTokens> {
        let attestation = app.tokens.attestation.as_ref();
        let attestation = attestation.and_then(|it| self.attestation(app, it, faults));
        let issuers = if app.app.accepts.accepts(Scheme::Bearer) {
            self.bearers(app, faults)
        } else {
            check_unused(app, faults);
            Vec::new()
        };
        if issuers.is_empty() && attestation.is_none() {
            return None;
        }
        Some(AppTokens {
            scope: self.scope(app, "bearer"),
            issuers,
            attestation,
        })
    }

    fn scope(&self, app: &AppSettings, purpose: &str) -> TokenScope {
        TokenScope::new(
            &self.settings.id,
            self.version,
            app.app.id.as_str(),
            purpose,
        )
    }

    /// The issuers of the app, and of those what is for its audiences.
    fn bearers(&self, app: &AppSettings, faults: &mut Vec<Fault>) -> Vec<Arc<IssuerRules>> {
        let bearing = |it: &&Arc<IssuerRules>| it.rules.kind != TokenKind::Attestation;
        let mut chosen: Vec<Arc<IssuerRules>> = match &app.tokens.issuers {
            None => self.issuers.iter().filter(bearing).cloned().collect(),
            Some(names) => {
                let found = names.iter().filter_map(|name| {
                    let found = self.issuers.iter().find(|it| it.id == name.value);
                    match found {
                        None if self.whole => {
                            let known = self.issuers.iter().map(|it| it.id.as_str());
                            let text = name.value.as_str();
                            let message = format!("there is no trusted issuer {}", quoted(text));
                            let fault = Fault::at(name.at.clone(), message);
                            faults.push(fault.with_help(suggestion(text, known)));
                        }
                        Some(it) if it.rules.kind == TokenKind::Attestation => {
                            let message = format!("tokens of `{}` say nothing of who calls", it.id);
                            let help = "demand them with [tenants.apps.attestation]";
                            faults.push(Fault::at(name.at.clone(), message).with_help(help));
                        }
                        _ => {}
                    }
                    found.filter(bearing).cloned()
                });
                found.collect()
            }
        };
        if let Some(audiences) = &app.tokens.audiences {
            let unknown = |audience: &str| {
                !chosen.iter().any(|it| {
                    let own = it.rules.audience.as_ref();
                    own.is_none_or(|own| own.values.iter().any(|it| **it == *audience))
                })
            };
            if let Some(unknown) = audiences
                .value
                .iter()
                .find(|it| unknown(it))
                .filter(|_| self.whole)
            {
                let message = format!(
                    "no issuer of this app issues tokens for {}",
                    quoted(unknown)
                );
                let help = "an app can only narrow what its issuers accept: add it to `audiences` of one of them";
                faults.push(Fault::at(audiences.at.clone(), message).with_help(help));
            }
            chosen = chosen
                .iter()
                .filter_map(|it| it.for_audiences(&audiences.value).map(Arc::new))
                .collect();
        }
        if chosen.is_empty()
            && self.whole
            && self.settings.trusted_issuers.iter().all(|it| !it.misread)
            && app.tokens.issuers.is_none()
            && app.tokens.audiences.is_none()
        {
            let message = format!(
                "app `{}` accepts bearer tokens, and nobody's are trusted",
                app.app.id
            );
            let help = "add [[tenants.trusted_issuers]], or leave \"bearer\" out of `accept`";
            faults.push(Fault::at(app.accept_at.clone(), message).with_help(help));
        }
        chosen
    }

    fn attestation(
        &self,
        app: &AppSettings,
        settings: &AttestationSettings,
        faults: &mut Vec<Fault>,
    ) -> Option<Attestation> {
        let at = &settings.issuer.at;
        let name = &settings.issuer.value;
        let Some(issuer) = self.issuers.iter().find(|it| it.id == *name) else {
            if self.whole {
                let attesting = self.issuers.iter();
                let attesting = attesting.filter(|it| it.rules.kind == TokenKind::Attestation);
                let known = attesting.map(|it| it.id.as_str());
                let message = format!("there is no trusted issuer {}", quoted(name.as_str()));
                let fault = Fault::at(at.clone(), message);
                faults.push(fault.with_help(suggestion(name.as_str(), known)));
            }
            return None;
        };
        if issuer.rules.kind != TokenKind::Attestation {
            let message = format!("`{name}` attests nothing: its tokens say who calls");
            let help =
                "name an issuer with the profile \"approov\", or accept its tokens as bearers";
            faults.push(Fault::at(at.clone(), message).with_help(help));
            return None;
        }
        let header = settings.header.clone().or_else(|| issuer.header.clone());
        let Some(header) = header else {
            let message = "it is not said in which header attestations come";
            let help = "add header = \"…\"";
            faults.push(Fault::at(settings.at.clone(), message).with_help(help));
            return None;
        };
        Some(Attestation {
            scope: self.scope(app, "attestation"),
            issuer: Arc::clone(issuer),
            header,
            bound_to: settings.bound_to.clone(),
        })
    }
}

/// Settings that would silently do nothing.
fn check_unused(app: &AppSettings, faults: &mut Vec<Fault>) {
    let issuers = app.tokens.issuers.as_ref().and_then(|all| all.first());
    let issuers = issuers.map(|first| ("issuers", &first.at));
    let audiences = app.tokens.audiences.as_ref();
    let audiences = audiences.map(|all| ("audiences", &all.at));
    for (name, at) in [issuers, audiences].into_iter().flatten() {
        let message = format!("`{name}` means nothing where no bearer tokens are accepted");
        let help = "add \"bearer\" to `accept`, or leave it out";
        faults.push(Fault::at(at.clone(), message).with_help(help));
    }
}
