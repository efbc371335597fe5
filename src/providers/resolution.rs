//! How a preset and what the operator wrote become a provider of a tenant.

mod protocol;

use url::Url;

use super::client_authentication::authentication;
use super::layers::CLIENT_ID;
use super::logout::{self, Logout as LogoutDefinition};
use super::mapping::Written;
use super::parameters::{List, Lists, Parameter, is_name};
use super::preset::{Definition, Preset};
use super::protocol::Protocol as Speaks;
use super::refresh;
use super::requests::Request;
use super::required_claims::Rule;
use super::restrictions::restrictions;
use super::template::{Template, Values};
use crate::config::{
    Fault, Faults, ParameterValue, ProviderSettings, checked_url, nearest, provider_settings,
    quoted, suggestion,
};
use crate::domain::client_authentication::ClientAuthentication;
use crate::domain::logout::{Logout, LogoutRedirect};
use crate::domain::profile_request::ProfileRequest;
use crate::domain::upstream_provider::{
    ClaimRule, Protocol, RequiredClaim, Source, UpstreamProvider,
};

/// Beginning of what users and keys of a tenant's own are known by.
const OURS: &str = "doorward:";

/// The provider that `settings` describe.
pub(super) fn resolve(
    preset: &Preset,
    settings: &ProviderSettings,
    development: bool,
) -> Result<UpstreamProvider, Faults> {
    let mut resolution = Resolution {
        settings,
        development,
        values: Values::new(),
        lists: Lists::new(),
        misspelt: Vec::new(),
        faults: Vec::new(),
    };
    resolution.client_id();
    resolution.parameters(preset);
    let (definition, chosen) = preset.definition(&resolution.values, &resolution.lists);
    resolution.check(preset, definition, chosen.as_deref());
    for (name, template) in &definition.variables {
        if let Some(value) = template.fill(&resolution.values) {
            resolution.values.insert(name.clone(), value.into());
        }
    }
    let authentication = authentication(settings, definition, &resolution.values)
        .map_err(|faults| resolution.faults.extend(faults));
    // With a parameter missing, every address that needs it would be a fault of its own.
    let provider = match authentication {
        Ok(authentication) if resolution.faults.is_empty() => {
            resolution.provider(preset, definition, authentication)
        }
        _ => None,
    };
    match (Faults::new(resolution.faults), provider) {
        (None, Some(provider)) => Ok(provider),
        (Some(faults), _) => Err(faults),
        (None, None) => Err(Fault::at(
            settings.preset.at.clone(),
            "this preset does not give all that a provider needs",
        )
        .into()),
    }
}

/// One provider on its way.
pub(super) struct Resolution<'a> {
    pub(super) settings: &'a ProviderSettings,
    development: bool,
    values: Values,
    lists: Lists,
    /// Parameters that are there under a name that is not quite theirs.
    misspelt: Vec<Box<str>>,
    pub(super) faults: Vec<Fault>,
}

impl Resolution<'_> {
    /// `{client_id}` stands in addresses only if it cannot change what stands around it.
    fn client_id(&mut self) {
        let client_id = &self.settings.client_id;
        if is_name(client_id) {
            self.values.insert(CLIENT_ID.into(), client_id.clone());
        }
    }

    fn parameters(&mut self, preset: &Preset) {
        let preset_name = &self.settings.preset.value;
        for given in &self.settings.parameters {
            let name = &given.name.value;
            let Some(parameter) = preset.parameters.iter().find(|p| p.name == *name) else {
                let own = preset.parameters.iter().map(|parameter| &*parameter.name);
                self.misspelt
                    .extend(nearest(name, own.clone()).map(Into::into));
                let known = own.chain(provider_settings().map(|setting| -> &str { setting }));
                let message = format!(
                    "{} is not a setting of a provider with the preset `{preset_name}`",
                    quoted(name)
                );
                let fault = Fault::at(given.name.at.clone(), message);
                self.faults.push(fault.with_help(suggestion(name, known)));
                continue;
            };
            let accepted = parameter.accept(
                &given.value.value,
                self.development,
                &mut self.values,
                &mut self.lists,
            );
            if let Err((message, help)) = accepted {
                let fault = Fault::at(given.value.at.clone(), message);
                self.faults.push(match help.as_str() {
                    "" => fault,
                    _ => fault.with_help(help),
                });
            }
        }
        for parameter in &preset.parameters {
            if self.gives(&parameter.name) {
                continue;
            }
            if parameter.required {
                self.missing(parameter, "");
            } else if let Some(text) = parameter
                .default
                .as_ref()
                .and_then(|d| d.fill(&self.values))
                && let Err((message, help)) = parameter.accept(
                    &ParameterValue::Text(text.into()),
                    self.development,
                    &mut self.values,
                    &mut self.lists,
                )
            {
                let fault = Fault::at(self.settings.preset.at.clone(), message);
                self.faults.push(fault.with_help(help));
            }
        }
    }

    fn gives(&self, name: &str) -> bool {
        let mut all = self.settings.parameters.iter();
        all.any(|given| *given.name.value == *name)
    }

    /// Whether a parameter has a value, its default or a list.
    fn has(&self, name: &str) -> bool {
        self.values.contains_key(name) || self.lists.contains_key(name)
    }

    fn missing(&mut self, parameter: &Parameter, chosen: &str) {
        // One fault is told once.
        if self.misspelt.contains(&parameter.name) {
            return;
        }
        let (name, about) = (&parameter.name, &parameter.about);
        let message = format!(
            "the preset `{}`{chosen} needs `{name}`",
            self.settings.preset.value
        );
        let fault = Fault::at(self.settings.preset.at.clone(), message);
        let value = if parameter.list {
            "[\"…\"]"
        } else {
            "\"…\""
        };
        let help = format!("add {name} = {value}: {about}");
        self.faults.push(fault.with_help(help));
    }

    fn chooses(&self, preset: &Preset, parameter: &str) -> bool {
        preset.chooses_by(parameter, &self.values, &self.lists)
    }

    /// What the operator wrote beside the parameters, against what the preset says.
    fn check(&mut self, preset: &Preset, definition: &Definition, chosen: Option<&str>) {
        let settings = self.settings;
        let preset_name = &settings.preset.value;
        let at_preset = |message: String| Fault::at(settings.preset.at.clone(), message);
        let oauth2 = matches!(definition.protocol, Speaks::OAuth2 { .. });
        if oauth2 && let Some(algorithm) = &settings.id_token_algorithm {
            let message = format!("a provider with the preset `{preset_name}` has no ID tokens");
            let fault = Fault::at(algorithm.at.clone(), message);
            self.faults
                .push(fault.with_help("leave out `id_token_algorithm`"));
        }
        let has_page = definition.protocol.has_sign_in_page();
        if has_page && let Some(secret) = &settings.client_secret {
            let message = format!("nothing is exchanged with the preset `{preset_name}`");
            let fault = Fault::at(secret.at.clone(), message);
            self.faults
                .push(fault.with_help("leave out `client_secret`"));
        }
        if has_page && settings.scopes.is_some() {
            let message = format!("nothing is asked for with the preset `{preset_name}`");
            let fault = at_preset(message);
            self.faults.push(fault.with_help("leave out `scopes`"));
        }
        if let Some(scopes) = &settings.scopes
            && !oauth2
            && !has_page
            && !scopes.iter().any(|scope| **scope == *"openid")
        {
            let message =
                "without the scope `openid` there is no ID token (OIDC Core 1.0 §3.1.2.1)";
            let help = "add \"openid\" to `scopes`";
            self.faults.push(at_preset(message.into()).with_help(help));
        }
        let faults = logout::not_told(definition.logout_notices, settings);
        self.faults.extend(faults);
        let chosen = chosen.map_or_else(String::new, |words| format!(" {words}"));
        for given in &settings.parameters {
            let name = &given.name.value;
            let known = preset.parameters.iter().any(|it| it.name == *name);
            if known && !definition.used.contains(name) && !self.chooses(preset, name) {
                let message = format!("`{name}` means nothing here{chosen}");
                let fault = Fault::at(given.name.at.clone(), message);
                self.faults.push(fault.with_help("leave it out"));
            }
        }
        if definition.used.contains(CLIENT_ID) && !is_name(&settings.client_id) {
            let message = format!("the preset `{preset_name}` needs a `client_id` that is a name");
            let help = "use letters, digits, `-`, `_` and `.`";
            self.faults.push(at_preset(message).with_help(help));
        }
        for claim in &definition.required_claims {
            if let Rule::OneOf {
                list,
                required: true,
                ..
            } = &claim.rule
                && !self.gives(list)
                && let Some(parameter) = preset.parameters.iter().find(|it| it.name == *list)
                && !parameter.required
            {
                self.missing(parameter, &chosen);
            }
        }
    }

    /// What people of the provider are known by: never what users and keys of the tenant's own are.
    fn issuer_key(&mut self, definition: &Definition) -> Option<Box<str>> {
        let issuer_key = self.text(&definition.issuer_key)?;
        if issuer_key.starts_with(OURS) {
            let message = format!("`issuer_key` begins with `{OURS}`, which is ours");
            let fault = Fault::at(self.settings.preset.at.clone(), message);
            self.faults.push(fault.with_help("name it otherwise"));
            return None;
        }
        Some(issuer_key)
    }

    fn provider(
        &mut self,
        preset: &Preset,
        definition: &Definition,
        client_authentication: ClientAuthentication,
    ) -> Option<UpstreamProvider> {
        let settings = self.settings;
        let protocol = self.protocol(definition);
        // An issuer that the operator wrote can be one for all tenants too.
        if let Some(Protocol::OpenIdConnect(openid)) = &protocol
            && openid.is_shared_by_tenants()
            && !definition.asks_for_tenants()
        {
            let message = format!("the issuer `{}` would let in every tenant", openid.issuer);
            let fault = Fault::at(settings.preset.at.clone(), message);
            self.faults
                .push(fault.with_help("name the tenant in place of {tenantid}"));
            return None;
        }
        let issuer_key = self.issuer_key(definition)?;
        let requests: Vec<&Request> = definition
            .profile_requests
            .iter()
            .filter(|request| {
                let requires = request.requires.as_ref();
                requires.is_none_or(|it| self.has(it))
            })
            .collect();
        let requests: Vec<_> = requests
            .into_iter()
            .map(|request| self.profile_request(request))
            .collect();
        let requests: Vec<ProfileRequest> = requests.into_iter().collect::<Option<_>>()?;
        let mut claims = self.written().claims(&definition.claims)?;
        // What nobody asks for tells no groups, and rules that ask for some are warned about.
        claims.groups.retain(|groups| match &groups.place.source {
            Source::Profile(name) => requests.iter().any(|request| request.name == *name),
            _ => true,
        });
        let authorization = &definition.authorization;
        let scopes = || {
            let scopes = authorization.scopes.iter();
            scopes.filter_map(|scope| self.text(scope)).collect()
        };
        let mut scopes = settings.scopes.clone().unwrap_or_else(scopes);
        let mut authorization_parameters = self.filled(&authorization.parameters);
        let protocol = protocol?;
        let required_claims = self.required_claims(definition)?;
        let asked = refresh::Asked {
            protocol: &protocol,
            claims: &claims,
            required: &required_claims,
        };
        let tokens = self.tokens(definition, asked)?;
        self.check_whose_names(definition)?;
        // Offline access is asked for only where something comes of it.
        if tokens.refresh.is_some() {
            let scope = definition.refresh.scope.as_ref();
            let scope = scope.and_then(|scope| self.text(scope));
            scopes.extend(scope.filter(|scope| !scopes.contains(scope)));
            authorization_parameters.extend(self.filled(&definition.refresh.parameters));
        }
        Some(UpstreamProvider {
            id: settings.id.value.clone(),
            name: settings
                .name
                .clone()
                .unwrap_or_else(|| preset.title.clone()),
            preset: settings.preset.value.clone(),
            client_id: settings.client_id.clone(),
            client_secret: settings.client_secret.as_ref().map(|it| it.value.clone()),
            client_authentication,
            protocol,
            pkce: authorization.pkce,
            scopes,
            scope_separator: authorization.scope_separator.clone(),
            authorization_parameters,
            switch_account_parameters: self.filled(&authorization.switch_account_parameters),
            response_mode: authorization.response_mode,
            email_domains: settings.email_domains.clone(),
            hints: authorization.hints.clone(),
            prompts: authorization.prompts.clone(),
            switch_account_prompt: authorization
                .switch_account_prompt
                .as_ref()
                .and_then(|template| self.text(template)),
            token_request: definition.token_request,
            errors_with_success_status: definition.errors_with_success_status,
            profile_requests: requests,
            required_claims,
            claims,
            changes: settings.changes.clone(),
            restrictions: restrictions(settings, definition, self.written())
                .map_err(|faults| self.faults.extend(faults))
                .ok()?,
            issuer_key,
            has_separate_people: self.has_separate_people(definition),
            // The preset's word is about its own claim.
            preferred_username_is_stable: definition.preferred_username_is_stable
                && settings.changes.preferred_username.is_none()
                && settings.changes.expressions.preferred_username.is_none(),
            logout: self.logout(&definition.logout)?,
            logout_notices: logout::switched(definition.logout_notices, settings),
            tokens,
            reach: settings.reach.clone(),
        })
    }

    /// Where everybody's tenants come, each gives its people what names it likes: groups and roles that the operator
    /// takes from a claim of theirs would open doors to anybody.
    fn check_whose_names(&mut self, definition: &Definition) -> Option<()> {
        let unlimited = definition.required_claims.iter().find_map(|claim| {
            let Rule::OneOf { list, .. } = &claim.rule else {
                return None;
            };
            matches!(self.lists.get(list), Some(List::Unlimited(_))).then_some(list)
        });
        let changes = &self.settings.changes;
        let mut lists = [&changes.groups, &changes.roles].into_iter().flatten();
        let (Some(list), true) = (unlimited, lists.any(|change| !change.from.is_empty())) else {
            return Some(());
        };
        let given = self.settings.parameters.iter();
        let at = given.map(|it| &it.name).find(|name| name.value == *list);
        let at = at.map_or_else(|| self.settings.preset.at.clone(), |name| name.at.clone());
        let message = format!(
            "with everybody let in by `{list}`, groups and roles are whatever anybody's administrator says"
        );
        let help = format!("name who is let in, or leave out `from` in `claims` (`{list}`)");
        self.faults.push(Fault::at(at, message).with_help(help));
        None
    }

    /// Whether the people of several tenants of a cloud come, whose names are each tenant's own.
    fn has_separate_people(&self, definition: &Definition) -> bool {
        definition
            .required_claims
            .iter()
            .any(|claim| match &claim.rule {
                Rule::OneOf {
                    list,
                    separate_people: true,
                    ..
                } => match self.lists.get(list) {
                    Some(List::Of(admitted)) => admitted.len() > 1,
                    Some(List::Unlimited(_)) | None => true,
                },
                _ => false,
            })
    }

    fn required_claims(&self, definition: &Definition) -> Option<Vec<RequiredClaim>> {
        let mut claims = Vec::new();
        for claim in &definition.required_claims {
            let rule = match &claim.rule {
                Rule::Is(text) => ClaimRule::Is(self.text(text)?),
                Rule::NoneOf(refused) => ClaimRule::NoneOf(refused.clone()),
                Rule::Absent => ClaimRule::Absent,
                Rule::OneOf { list, required, .. } => match self.lists.get(list) {
                    Some(List::Of(admitted)) => ClaimRule::OneOf(admitted.clone()),
                    // That it is missing was told; a rule is never left out for it.
                    None if *required => return None,
                    Some(List::Unlimited(_)) | None => continue,
                },
            };
            let written = self.written();
            let places = claim.places.iter().map(|place| written.place(place));
            claims.push(RequiredClaim {
                places: places.collect::<Option<_>>()?,
                members: written.paths(&claim.members)?,
                ignore_case: claim.ignore_case,
                rule,
            });
        }
        Some(claims)
    }

    fn profile_request(&mut self, request: &Request) -> Option<ProfileRequest> {
        let url = self.url(&request.url)?;
        self.written().profile_request(request, url)
    }

    fn logout(&mut self, logout: &LogoutDefinition) -> Option<Logout> {
        let LogoutDefinition::Redirect {
            discovered,
            address,
            parameters,
        } = logout
        else {
            return Some(Logout::None);
        };
        // An address that depends on what the operator left out is none.
        let address = match address.as_ref().and_then(|it| it.fill(&self.values)) {
            Some(text) => Some(self.checked(&text)?),
            None => None,
        };
        Some(Logout::Redirect(LogoutRedirect {
            discovered: *discovered,
            address,
            parameters: parameters.clone(),
        }))
    }

    const fn written(&self) -> Written<'_> {
        Written {
            values: &self.values,
            lists: &self.lists,
        }
    }

    /// Those that depend on nothing which was left out.
    fn filled(&self, parameters: &[(Box<str>, Template)]) -> Vec<(Box<str>, Box<str>)> {
        let filled = |(name, value): &(Box<str>, _)| Some((name.clone(), self.text(value)?));
        parameters.iter().filter_map(filled).collect()
    }

    pub(super) fn text(&self, template: &Template) -> Option<Box<str>> {
        template.fill(&self.values).map(Into::into)
    }

    fn url(&mut self, template: &Template) -> Option<Url> {
        let text = template.fill(&self.values)?;
        self.checked(&text)
    }

    pub(super) fn checked(&mut self, text: &str) -> Option<Url> {
        checked_url(text, self.development)
            .map_err(|fault| {
                let at = self.settings.preset.at.clone();
                let message = format!(
                    "the preset gives an address that cannot be used: {}",
                    fault.message
                );
                self.faults
                    .push(Fault::at(at, message).with_help(fault.help));
            })
            .ok()
    }
}
