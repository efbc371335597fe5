//! How a profile and what the operator wrote become the rules for an issuer's tokens.

mod demands;
mod keys;
mod opaque;

use url::Url;

use super::profile::{Given, IssuerNames, Profile, Typ};
use super::rules::IssuerRules;
use crate::config::{
    Fault, Faults, ParameterValue, Position, TrustedIssuerSettings, checked_url, issuer_settings,
    nearest, quoted, suggestion,
};
use crate::domain::claims::ClaimPath;
use crate::domain::ids::{Issuer, TenantId};
use crate::domain::upstream_provider::UpstreamProvider;
use crate::jose::{AnyOf, Issuers, TimeRules, TrustedIssuer, TypRule};
use crate::providers::layers::CLIENT_ID;
use crate::providers::mapping::Written;
use crate::providers::parameters::{List, Lists, Parameter, is_name};
use crate::providers::template::{Template, Values};

/// What stands for the tenant of a cloud where its template has a place for it.
const ANY: &str = "any";

pub(super) fn resolve(
    profile: &Profile,
    tenant: &TenantId,
    settings: &TrustedIssuerSettings,
    providers: &[UpstreamProvider],
    development: bool,
) -> Result<IssuerRules, Faults> {
    let mut resolution = Resolution {
        profile,
        settings,
        development,
        values: Values::new(),
        lists: Lists::new(),
        faults: Vec::new(),
    };
    if let Some(client_id) = settings.client_id.as_ref().filter(|it| is_name(&it.value)) {
        let values = &mut resolution.values;
        values.insert(CLIENT_ID.into(), client_id.value.clone());
    }
    resolution.parameters();
    for (name, value) in &profile.variables {
        if let Some(text) = value.fill(&resolution.values) {
            resolution.values.insert(name.clone(), text.into());
        }
    }
    let rules = if resolution.faults.is_empty() {
        resolution.rules(tenant, providers)
    } else {
        None
    };
    match (Faults::new(resolution.faults), rules) {
        (None, Some(rules)) => Ok(rules),
        (Some(faults), _) => Err(faults),
        (None, None) => {
            let message = "this profile does not give all that a trusted issuer needs";
            Err(Fault::at(settings.profile.at.clone(), message).into())
        }
    }
}

struct Resolution<'a> {
    profile: &'a Profile,
    settings: &'a TrustedIssuerSettings,
    development: bool,
    values: Values,
    lists: Lists,
    faults: Vec<Fault>,
}

impl Resolution<'_> {
    fn at_profile(&mut self, message: impl Into<String>, help: impl Into<String>) {
        self.fault(&self.settings.profile.at.clone(), message, help);
    }

    fn fault(&mut self, at: &Position, message: impl Into<String>, help: impl Into<String>) {
        let fault = Fault::at(at.clone(), message.into());
        self.faults.push(fault.with_help(help.into()));
    }

    fn parameters(&mut self) {
        let profile = &self.settings.profile.value;
        let own = self
            .profile
            .parameters
            .iter()
            .map(|parameter| &*parameter.name);
        let mut misspelt = Vec::new();
        for given in &self.settings.parameters {
            let name = &given.name.value;
            let known = self.profile.parameters.iter().find(|it| it.name == *name);
            let Some(parameter) = known else {
                misspelt.extend(nearest(name, own.clone()));
                let all = own
                    .clone()
                    .chain(issuer_settings().map(|it| -> &str { it }));
                let message = format!(
                    "{} is not a setting of a trusted issuer with the profile `{profile}`",
                    quoted(name)
                );
                let fault = Fault::at(given.name.at.clone(), message);
                self.faults.push(fault.with_help(suggestion(name, all)));
                continue;
            };
            let value = &given.value;
            self.accept(parameter, &value.value, &value.at);
        }
        for parameter in &self.profile.parameters {
            let mut given = self.settings.parameters.iter();
            if given.any(|it| it.name.value == parameter.name) {
                continue;
            }
            if parameter.required {
                if !misspelt.contains(&&*parameter.name) {
                    let value = if parameter.list {
                        "[\"…\"]"
                    } else {
                        "\"…\""
                    };
                    self.at_profile(
                        format!("the profile `{profile}` needs `{}`", parameter.name),
                        format!("add {} = {value}: {}", parameter.name, parameter.about),
                    );
                }
            } else if let Some(text) = parameter
                .default
                .as_ref()
                .and_then(|default| default.fill(&self.values))
            {
                let at = self.settings.profile.at.clone();
                self.accept(parameter, &ParameterValue::Text(text.into()), &at);
            }
        }
    }

    fn accept(&mut self, parameter: &Parameter, value: &ParameterValue, at: &Position) {
        let accepted = parameter.accept(value, self.development, &mut self.values, &mut self.lists);
        if let Err((message, help)) = accepted {
            self.fault(at, message, help);
        }
    }

    fn rules(&mut self, tenant: &TenantId, providers: &[UpstreamProvider]) -> Option<IssuerRules> {
        let (profile, settings) = (self.profile, self.settings);
        let opaque = match &profile.opaque {
            None => None,
            Some(opaque) => Some(self.opaque(opaque)?),
        };
        self.check_asking(opaque.as_ref());
        let issuers = self.issuers();
        let source = self.keys(&issuers, opaque.is_some());
        let audience = self.audience();
        let party = self.party();
        let claims = self.demands()?;
        let issuer_key: Box<str> = self.text(&profile.issuer_key)?;
        let provider = self.provider(&issuer_key, providers);
        let written = self.written();
        let mapping = written.claims(&profile.claims)?;
        let optional = |template: &Template| written.path(template);
        let (keys, source) = source?;
        let rules = TrustedIssuer {
            issuers,
            keys,
            key_issuer: profile.key_issuer,
            kind: profile.kind,
            typ: self.typ(),
            audience: audience?,
            party: party?,
            times: TimeRules {
                skew: settings.skew.unwrap_or(TimeRules::default().skew),
                expiry_required: true,
                oldest: settings.oldest,
            },
            claims,
        };
        if !self.faults.is_empty() {
            return None;
        }
        Some(IssuerRules {
            id: settings.id.value.clone(),
            profile: settings.profile.value.clone(),
            tenant: tenant.clone(),
            rules,
            keys: source,
            reach: settings.reach.clone(),
            claims: mapping,
            scopes: profile.scopes.iter().filter_map(optional).collect(),
            scope_form: profile.scope_form,
            permissions: profile.permissions.as_ref().and_then(optional),
            client: profile.client.iter().filter_map(optional).collect(),
            // Without a provider they are nobody who signs in: two that name each other's people stay two.
            issuer_key: match provider {
                Some(_) => issuer_key,
                None => format!("token:{issuer_key}").into(),
            },
            provider: provider.map(|it| it.id.clone()),
            opaque,
            header: profile.header.clone(),
        })
    }

    fn issuers(&mut self) -> Issuers {
        let filled = |names: &[Template]| -> Vec<Issuer> {
            let texts = names.iter().filter_map(|name| name.fill(&self.values));
            texts.map(|text| Issuer::new(&text)).collect()
        };
        match &self.profile.issuers {
            IssuerNames::OneOf(names) => Issuers::OneOf(filled(names)),
            IssuerNames::Unnamed(names) => Issuers::Unnamed(filled(names)),
            IssuerNames::Template {
                template,
                claim,
                tenants,
            } => Issuers::Template {
                template: template.fill(&self.values).unwrap_or_default().into(),
                tenant_claim: self.written().path(claim).unwrap_or(ClaimPath::new("tid")),
                tenants: match self.lists.get(tenants) {
                    Some(List::Of(tenants)) => Some(tenants.clone()),
                    Some(List::Unlimited(word)) if **word == *ANY => None,
                    // Nobody was named, so nobody is let in.
                    Some(List::Unlimited(_)) | None => Some(Vec::new()),
                },
            },
        }
    }

    fn typ(&self) -> TypRule {
        match (&self.settings.typ, &self.profile.typ) {
            (Some(typ), _) | (None, Typ::OneOf(typ)) => TypRule::OneOf(typ.clone()),
            (None, Typ::AccessToken) => TypRule::AccessToken,
            (None, Typ::Any) => TypRule::NotDemanded,
        }
    }

    #[expect(
        clippy::option_option,
        reason = "the outer one is a fault that was told"
    )]
    fn audience(&mut self) -> Option<Option<AnyOf>> {
        let claim = self.written().path(&self.profile.audience)?;
        let own = &self.settings.audiences;
        let values = match &self.profile.audiences {
            Given::Fixed(values) => {
                if !own.is_empty() {
                    let profile = &self.settings.profile.value;
                    self.at_profile(
                        format!("`audiences` means nothing with the profile `{profile}`"),
                        "leave it out: the profile says for whom its tokens are",
                    );
                    return None;
                }
                values.iter().filter_map(|it| self.text(it)).collect()
            }
            Given::Required if own.is_empty() => {
                self.at_profile(
                    "it is not said for whom its tokens must be",
                    "add audiences = [\"…\"]: what the issuer calls your API",
                );
                return None;
            }
            Given::Optional if own.is_empty() => return Some(None),
            Given::Required | Given::Optional => own.clone(),
        };
        Some(Some(AnyOf { claim, values }))
    }

    #[expect(
        clippy::option_option,
        reason = "the outer one is a fault that was told"
    )]
    fn party(&mut self) -> Option<Option<AnyOf>> {
        let own = &self.settings.clients;
        if own.is_empty() {
            if matches!(self.profile.clients, Given::Required) {
                self.at_profile(
                    "it is not said to which clients its tokens must have been issued",
                    "add clients = [\"…\"]: tokens of every other client of the issuer would pass too",
                );
                return None;
            }
            return Some(None);
        }
        let Some(claim) = self.profile.client.first() else {
            let profile = &self.settings.profile.value;
            self.at_profile(
                format!("tokens of `{profile}` do not say to which client they were issued"),
                "leave `clients` out",
            );
            return None;
        };
        let claim = self.written().path(claim)?;
        let values = own.clone();
        Some(Some(AnyOf { claim, values }))
    }

    /// The provider whose people they are about: one of the same issuer, or the same names would be other people's.
    fn provider<'p>(
        &mut self,
        issuer_key: &str,
        providers: &'p [UpstreamProvider],
    ) -> Option<&'p UpstreamProvider> {
        let wanted = self.settings.provider.as_ref()?;
        let Some(found) = providers.iter().find(|it| it.id == wanted.value) else {
            let known = providers.iter().map(|provider| provider.id.as_str());
            let message = format!("there is no provider {}", quoted(wanted.value.as_str()));
            let help = suggestion(wanted.value.as_str(), known);
            self.fault(&wanted.at, message, help);
            return None;
        };
        if *found.issuer_key != *issuer_key {
            let message = format!(
                "the provider `{}` knows its people by `{}`, these tokens by `{issuer_key}`",
                found.id, found.issuer_key
            );
            let help = "leave `provider` out: they are not the same people";
            self.fault(&wanted.at, message, help);
            return None;
        }
        Some(found)
    }

    fn written(&self) -> Written<'_> {
        Written {
            values: &self.values,
            lists: &self.lists,
        }
    }

    fn text(&self, template: &Template) -> Option<Box<str>> {
        template.fill(&self.values).map(Into::into)
    }

    fn checked(&mut self, text: &str) -> Option<Url> {
        match checked_url(text, self.development) {
            Ok(url) => Some(url),
            Err(fault) => {
                let message = format!(
                    "the profile gives an address that cannot be used: {}",
                    fault.message
                );
                self.at_profile(message, fault.help);
                None
            }
        }
    }
}
