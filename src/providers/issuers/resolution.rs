//! How a profile and what the operator wrote become the rules for an issuer's tokens.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::ExposeSecret as _;
use serde_json::Value as Json;
use url::Url;

use super::profile::{Demand, Given, IssuerNames, Opaque, Profile, Rule, Typ};
use super::rules::{IssuerRules, KeySource, OpaqueRules};
use crate::config::{
    Fault, Faults, ParameterValue, Position, SecretEncoding, TrustedIssuerSettings, checked_url,
    issuer_settings, nearest, quoted, suggestion,
};
use crate::domain::claims::ClaimPath;
use crate::domain::ids::{Issuer, TenantId};
use crate::domain::upstream_provider::UpstreamProvider;
use crate::jose::{
    AnyOf, ClaimDemand, HmacAlgorithm, Issuers, KeySet, SharedSecrets, SignatureAlgorithm,
    TimeRules, TrustedIssuer, TrustedKeys, TypRule,
};
use crate::providers::layers::CLIENT_ID;
use crate::providers::mapping::Written;
use crate::providers::parameters::{List, Lists, Parameter, is_name};
use crate::providers::template::{Template, Values};

/// How long an answer about an opaque token counts, unless the operator says otherwise.
const CACHE: std::time::Duration = std::time::Duration::from_secs(30);
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

    /// What verifies, or where it is to be found. `may_lack`: where there is nothing to verify, somebody is asked.
    fn keys(&mut self, issuers: &Issuers, may_lack: bool) -> Option<(TrustedKeys, KeySource)> {
        let settings = self.settings;
        let ways = [
            settings.jwks_uri.as_ref().map(|it| &it.at),
            settings.keys.as_ref().map(|it| &it.at),
            settings.secret.as_ref().map(|it| &it.at),
        ];
        let mut ways = ways.into_iter().flatten();
        if let (Some(_), Some(second)) = (ways.next(), ways.next()) {
            let help = "use one of `jwks_uri`, `keys`, `keys_file` and `secret`";
            self.fault(second, "there are two places for the keys", help);
            return None;
        }
        let nothing = |algorithm| TrustedKeys::Inline {
            algorithm,
            keys: KeySet::default(),
        };
        let Some(algorithm) = self.algorithm()? else {
            let nothing = nothing("RS256".parse().ok()?);
            return may_lack.then_some((nothing, KeySource::Held));
        };
        let hmac = HmacAlgorithm::ALL
            .into_iter()
            .find(|each| each.as_str() == &*algorithm);
        if let Some(hmac) = hmac {
            return self.secret(hmac).map(|keys| (keys, KeySource::Held));
        }
        if let Some(secret) = &settings.secret {
            let message = format!("`{algorithm}` needs keys, not a secret");
            let help = "write algorithm = \"HS256\", or name the keys instead";
            self.fault(&secret.at, message, help);
            return None;
        }
        let algorithm: SignatureAlgorithm = algorithm.parse().ok()?;
        if let Some(keys) = &settings.keys {
            return match KeySet::parse(keys.value.as_bytes()) {
                Ok(set) if set.keys().is_empty() => {
                    let message = "there is no key in it that could verify anything";
                    let help = "write a JSON Web Key Set with public keys: {\"keys\": […]}";
                    self.fault(&keys.at, message, help);
                    None
                }
                Ok(set) => Some((
                    TrustedKeys::Inline {
                        algorithm,
                        keys: set,
                    },
                    KeySource::Held,
                )),
                Err(fault) => {
                    let message = format!("the keys cannot be read: {fault}");
                    let help = "write a JSON Web Key Set with public keys: {\"keys\": […]}";
                    self.fault(&keys.at, message, help);
                    None
                }
            };
        }
        let cool_down = self.profile.key_cool_down;
        let address = match &settings.jwks_uri {
            Some(url) => Some(url.value.clone()),
            None => match self
                .profile
                .jwks_uri
                .as_ref()
                .and_then(|it| it.fill(&self.values))
            {
                Some(text) => Some(self.checked(&text)?),
                None => None,
            },
        };
        let source = match address {
            Some(address) => KeySource::Published {
                algorithm,
                address,
                cool_down,
            },
            None => KeySource::Discovered {
                algorithm,
                metadata: self.metadata(issuers)?,
                names: self.names_of_metadata(issuers),
                cool_down,
            },
        };
        Some((nothing(algorithm), source))
    }

    /// The one algorithm. The inner none: the profile has nothing to verify.
    #[expect(
        clippy::option_option,
        reason = "the outer one is a fault that was told"
    )]
    fn algorithm(&mut self) -> Option<Option<Box<str>>> {
        let known = &self.profile.algorithms;
        let Some(written) = &self.settings.algorithm else {
            let secret = self.settings.secret.is_some();
            let fits = |it: &str| it.starts_with("HS") == secret;
            let first = known.iter().find(|it| fits(it)).or(known.first());
            return Some(first.cloned());
        };
        if known.contains(&written.value) {
            return Some(Some(written.value.clone()));
        }
        let profile = &self.settings.profile.value;
        let message = format!(
            "tokens of `{profile}` are never signed with {}",
            written.value
        );
        let help = if known.is_empty() {
            "leave it out: they are not signed for us at all".to_owned()
        } else {
            format!("use one of {}, or leave it out", known.join(", "))
        };
        self.fault(&written.at.clone(), message, help);
        None
    }

    fn secret(&mut self, algorithm: HmacAlgorithm) -> Option<TrustedKeys> {
        let Some(secret) = &self.settings.secret else {
            let profile = &self.settings.profile.value;
            self.at_profile(
                format!(
                    "the profile `{profile}` with {} needs `secret`",
                    algorithm.as_str()
                ),
                "add secret = { env = \"NAME\" } or { file = \"path\" }",
            );
            return None;
        };
        let text = secret.value.expose_secret();
        let encoding = self.settings.secret_encoding;
        let bytes = match encoding.unwrap_or(self.profile.secret_encoding) {
            SecretEncoding::Text => text.as_bytes().to_vec(),
            SecretEncoding::Base64 => {
                if let Ok(bytes) = BASE64_STANDARD.decode(text.trim()) {
                    bytes
                } else {
                    self.fault(
                        &secret.at,
                        "what `secret` refers to is not base64",
                        "write secret_encoding = \"text\" if it is meant as it stands",
                    );
                    return None;
                }
            }
        };
        match SharedSecrets::new(algorithm).with(&bytes, None) {
            Ok(secrets) => Some(TrustedKeys::Shared(secrets)),
            Err(refused) => {
                self.fault(
                    &secret.at,
                    format!("`secret` cannot be used: {refused}"),
                    "use the secret that the issuer gave out, whole",
                );
                None
            }
        }
    }

    fn metadata(&mut self, issuers: &Issuers) -> Option<Url> {
        let written = self.profile.discovery.as_ref();
        if let Some(text) = written.and_then(|it| it.fill(&self.values)) {
            return self.checked(&text);
        }
        match issuers {
            // OIDC Discovery 1.0 §4.1: a final slash is taken off first.
            Issuers::OneOf(names) if let Some(first) = names.first() => {
                let issuer = first.as_str();
                let below = issuer.strip_suffix('/').unwrap_or(issuer);
                self.checked(&format!("{below}/.well-known/openid-configuration"))
            }
            _ => {
                self.at_profile(
                    "it is not known where its keys are",
                    "add `jwks_uri`, `keys`, `keys_file` or `secret`",
                );
                None
            }
        }
    }

    /// What its metadata may call itself: what the profile says, else as its tokens do.
    fn names_of_metadata(&self, issuers: &Issuers) -> Vec<Box<str>> {
        let own = self.profile.metadata_issuers.iter();
        let own: Vec<Box<str>> = own.filter_map(|it| self.text(it)).collect();
        if !own.is_empty() {
            return own;
        }
        match issuers {
            Issuers::OneOf(names) | Issuers::Unnamed(names) => {
                names.iter().map(|name| name.as_str().into()).collect()
            }
            Issuers::Template { template, .. } => vec![template.clone()],
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

    fn demands(&mut self) -> Option<Vec<ClaimDemand>> {
        let profile = self.profile.required_claims.iter();
        let demands: Vec<Option<ClaimDemand>> = profile
            .filter_map(|it| self.demand(it).transpose())
            .collect();
        let mut demands: Vec<ClaimDemand> = demands.into_iter().collect::<Option<_>>()?;
        for own in &self.settings.required_claims {
            let claim = ClaimPath::new(&own.claim);
            demands.push(match &own.one_of {
                None => ClaimDemand::Present(claim),
                Some(texts) => ClaimDemand::OneOf {
                    claim,
                    values: texts.iter().map(|text| Json::from(&**text)).collect(),
                },
            });
        }
        Some(demands)
    }

    /// The inner none: nothing is demanded. The error of that: something that must be there is missing.
    fn demand(&self, demand: &Demand) -> DemandMade {
        let written = self.written();
        let Some(claim) = written.path(&demand.claim) else {
            return DemandMade::Missing;
        };
        let made = match &demand.rule {
            Rule::IsTrue => ClaimDemand::Is {
                claim,
                value: true.into(),
            },
            Rule::IsOrAbsent(text) => match text.fill(&self.values) {
                None => ClaimDemand::Absent(claim),
                Some(text) => ClaimDemand::Is {
                    claim,
                    value: text.into(),
                },
            },
            Rule::Is { text, any_case } => match text.fill(&self.values) {
                // What the operator left out is not asked for.
                None => return DemandMade::Nothing,
                Some(text) if *any_case => ClaimDemand::OneOfInAnyCase {
                    claim,
                    values: vec![text.into()],
                },
                Some(text) => ClaimDemand::Is {
                    claim,
                    value: text.into(),
                },
            },
            Rule::OneOf { list, any_case } => match self.lists.get(list) {
                Some(List::Of(values)) if *any_case => ClaimDemand::OneOfInAnyCase {
                    claim,
                    values: values.clone(),
                },
                Some(List::Of(values)) => ClaimDemand::OneOf {
                    claim,
                    values: values.iter().map(|text| Json::from(&**text)).collect(),
                },
                Some(List::Unlimited(_)) | None => return DemandMade::Nothing,
            },
            Rule::Present(others) if others.is_empty() => ClaimDemand::Present(claim),
            Rule::Present(others) => {
                let others = others.iter().filter_map(|it| written.path(it));
                ClaimDemand::AnyPresent(std::iter::once(claim).chain(others).collect())
            }
            Rule::Absent => ClaimDemand::Absent(claim),
            Rule::Past => ClaimDemand::Past(claim),
            Rule::PresentIf(condition) => match condition.fill(&self.values) {
                None => return DemandMade::Nothing,
                Some(_) => ClaimDemand::Present(claim),
            },
            Rule::AbsentIf(condition) => match condition.fill(&self.values) {
                None => return DemandMade::Nothing,
                Some(_) => ClaimDemand::Absent(claim),
            },
        };
        DemandMade::Made(made)
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

    fn check_asking(&mut self, opaque: Option<&OpaqueRules>) {
        let settings = self.settings;
        let given = [
            settings.client_secret.as_ref().map(|it| &it.at),
            settings.client_id.as_ref().map(|it| &it.at),
        ];
        if opaque.is_none()
            && !self.profile.used.contains(CLIENT_ID)
            && let Some(at) = given.into_iter().flatten().next()
        {
            let profile = &settings.profile.value;
            let message = format!("nobody is asked about tokens of `{profile}`");
            let help = "leave it out, or use the profile \"introspection\"";
            self.fault(at, message, help);
        }
    }

    fn opaque(&mut self, opaque: &Opaque) -> Option<OpaqueRules> {
        let settings = self.settings;
        let client = match (&settings.client_id, &settings.client_secret) {
            (Some(id), Some(secret)) => Some((id.value.clone(), secret.value.clone())),
            _ if opaque.authenticated => {
                let profile = &settings.profile.value;
                self.at_profile(
                    format!("the profile `{profile}` needs `client_id` and `client_secret`"),
                    "add what the issuer knows Doorward by, when it is asked about tokens",
                );
                return None;
            }
            _ => None,
        };
        let endpoint = match opaque
            .endpoint
            .as_ref()
            .and_then(|it| it.fill(&self.values))
        {
            Some(text) => Some(self.checked(&text)?),
            None => None,
        };
        let written = self.written();
        let active = opaque.active.as_ref().and_then(|it| written.path(it));
        let also_signed = opaque.also_signed.as_ref();
        Some(OpaqueRules {
            endpoint,
            asking: opaque.asking,
            parameter: opaque.parameter.clone(),
            client,
            active,
            refused_status: opaque.refused_status.clone(),
            numbers_as_text: opaque.numbers_as_text,
            cache: settings.cache.unwrap_or(CACHE),
            also_signed: also_signed
                .is_some_and(|it| it.fill(&self.values).as_deref() == Some("yes")),
        })
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

/// What became of a demand of the profile.
enum DemandMade {
    Made(ClaimDemand),
    /// It is about something that the operator left out.
    Nothing,
    /// Its own place depends on something that was left out.
    Missing,
}

impl DemandMade {
    #[expect(clippy::option_option, reason = "left out, missing, or there")]
    fn transpose(self) -> Option<Option<ClaimDemand>> {
        match self {
            Self::Made(demand) => Some(Some(demand)),
            Self::Nothing => None,
            Self::Missing => Some(None),
        }
    }
}
