//! All presets, and how one becomes a provider of a tenant.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rust_embed::RustEmbed;
use url::Url;

use super::claims::{Email, Place as PlaceDefinition};
use super::parameters::Parameter;
use super::preset::{Definition, Preset, Protocol as Speaks};
use super::template::{Template, Values};
use crate::config::{
    Fault, Faults, PresetTable, ProviderSettings, checked_url, nearest, provider_settings, quoted,
    schema, suggestion,
};
use crate::domain::claims::{ClaimPath, EmailRule};
use crate::domain::ids::Issuer;
use crate::domain::upstream_provider::{
    ClaimMapping, GroupMapping, OpenIdConnect, Place, ProfileRequest, Protocol, Source,
    UpstreamProvider,
};

#[derive(RustEmbed)]
#[folder = "providers/"]
struct Embedded;

/// The presets, by name.
#[derive(Clone, Debug)]
pub struct Presets(BTreeMap<Box<str>, Preset>);

impl Presets {
    /// Reads the embedded presets, then those of `folder` (`*.toml`), which add to them or replace them.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn load(folder: Option<&Path>) -> Result<Self, Faults> {
        let mut presets = BTreeMap::new();
        let mut faults = Vec::new();
        let mut add = |name: &str, text: &str, file: &Path| match Preset::parse(text, file) {
            Ok(preset) => {
                presets.insert(name.into(), preset);
            }
            Err(found) => faults.extend(found),
        };
        for file in Embedded::iter() {
            let Some((name, embedded)) = file.strip_suffix(".toml").zip(Embedded::get(&file))
            else {
                continue;
            };
            let text = String::from_utf8_lossy(&embedded.data);
            add(name, &text, &Path::new("providers").join(&*file));
        }
        let mut unreadable = Vec::new();
        for path in folder
            .map(|folder| files(folder, &mut unreadable))
            .unwrap_or_default()
        {
            let Some(name) = path.file_stem().and_then(|name| name.to_str()) else {
                continue;
            };
            match std::fs::read_to_string(&path) {
                Ok(text) => add(name, &text, &path),
                Err(error) => unreadable.push(cannot_read(&path, &error)),
            }
        }
        faults.extend(unreadable);
        Faults::new(faults).map_or(Ok(Self(presets)), Err)
    }

    /// Their names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.keys().map(|name| &**name)
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Preset)> {
        self.0.iter().map(|(name, preset)| (&**name, preset))
    }

    /// The JSON Schema of a configuration that may use these presets, as the text of a file.
    #[must_use]
    pub fn configuration_schema(&self) -> String {
        let tables: Vec<_> = self
            .0
            .iter()
            .map(|(name, preset)| PresetTable {
                name: name.clone(),
                keys: preset.parameters.iter().map(Parameter::declared).collect(),
            })
            .collect();
        format!("{:#}\n", schema(&tables))
    }

    /// Makes the provider that `settings` describe. `development` permits plain http on loopback.
    ///
    /// # Errors
    /// Everything that is wrong with the settings, at the operator's lines.
    pub fn resolve(
        &self,
        settings: &ProviderSettings,
        development: bool,
    ) -> Result<UpstreamProvider, Faults> {
        let Some(preset) = self.0.get(&settings.preset.value) else {
            let name = &settings.preset.value;
            let fault = Fault::at(
                settings.preset.at.clone(),
                format!("there is no preset {}", quoted(name)),
            );
            let mut help = suggestion(name, self.names());
            if nearest(name, self.names()).is_none() && self.0.contains_key("oidc") {
                help.push_str("; with its `issuer`, `oidc` does for any OpenID Connect provider");
            }
            return Err(fault.with_help(help).into());
        };
        let mut resolution = Resolution {
            settings,
            development,
            values: Values::new(),
            faults: Vec::new(),
        };
        resolution.parameters(preset);
        let definition = preset.definition(&resolution.values);
        resolution.check(definition);
        for (name, template) in &definition.variables {
            if let Some(value) = template.fill(&resolution.values) {
                resolution.values.insert(name.clone(), value.into());
            }
        }
        // With a parameter missing, every address that needs it would be a fault of its own.
        let provider = if resolution.faults.is_empty() {
            resolution.provider(preset, definition)
        } else {
            None
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
}

fn files(folder: &Path, unreadable: &mut Vec<Fault>) -> Vec<PathBuf> {
    match std::fs::read_dir(folder) {
        Ok(entries) => {
            let mut files: Vec<_> = entries
                .filter_map(|entry| entry.ok().map(|entry| entry.path()))
                .filter(|path| {
                    path.extension()
                        .is_some_and(|extension| extension == "toml")
                })
                .collect();
            files.sort();
            files
        }
        Err(error) => {
            unreadable.push(cannot_read(folder, &error));
            Vec::new()
        }
    }
}

fn cannot_read(path: &Path, error: &std::io::Error) -> Fault {
    let shown = quoted(&path.display().to_string());
    Fault::nowhere(format!("the presets in {shown} cannot be read: {error}"))
        .with_help("`providers_folder` in [server] names the folder")
}

/// One provider on its way.
struct Resolution<'a> {
    settings: &'a ProviderSettings,
    development: bool,
    values: Values,
    faults: Vec<Fault>,
}

impl Resolution<'_> {
    fn parameters(&mut self, preset: &Preset) {
        let preset_name = &self.settings.preset.value;
        for given in &self.settings.parameters {
            let name = &given.name.value;
            let Some(parameter) = preset.parameters.iter().find(|p| p.name == *name) else {
                let own = preset.parameters.iter().map(|parameter| &*parameter.name);
                let known = own.chain(provider_settings().map(|setting| -> &str { setting }));
                let message = format!(
                    "{} is not a setting of a provider with the preset `{preset_name}`",
                    quoted(name)
                );
                let fault = Fault::at(given.name.at.clone(), message);
                self.faults.push(fault.with_help(suggestion(name, known)));
                continue;
            };
            let Some(text) = &given.value.value else {
                let message = format!("`{name}` is text in quotes");
                self.faults.push(Fault::at(given.value.at.clone(), message));
                continue;
            };
            if let Err((message, help)) = parameter.set(text, self.development, &mut self.values) {
                let fault = Fault::at(given.value.at.clone(), message);
                self.faults.push(fault.with_help(help));
            }
        }
        let given = |name: &str| {
            let mut all = self.settings.parameters.iter();
            all.any(|given| *given.name.value == *name)
        };
        for parameter in preset.parameters.iter().filter(|p| !given(&p.name)) {
            if parameter.required {
                let name = &parameter.name;
                let message = format!("the preset `{preset_name}` needs `{name}`");
                let fault = Fault::at(self.settings.preset.at.clone(), message);
                let help = format!("add {name} = \"…\": {}", parameter.about);
                self.faults.push(fault.with_help(help));
            } else if let Some(text) = parameter
                .default
                .as_ref()
                .and_then(|d| d.fill(&self.values))
                && let Err((message, help)) =
                    parameter.set(&text, self.development, &mut self.values)
            {
                let fault = Fault::at(self.settings.preset.at.clone(), message);
                self.faults.push(fault.with_help(help));
            }
        }
    }

    /// What the operator wrote beside the parameters, against what the preset says.
    fn check(&mut self, definition: &Definition) {
        let settings = self.settings;
        let oauth2 = matches!(definition.protocol, Speaks::OAuth2 { .. });
        if oauth2 && let Some(algorithm) = &settings.id_token_algorithm {
            self.faults.push(
                Fault::at(
                    algorithm.at.clone(),
                    format!(
                        "a provider with the preset `{}` has no ID tokens",
                        settings.preset.value
                    ),
                )
                .with_help("leave out `id_token_algorithm`"),
            );
        }
        if definition.secret_required && settings.client_secret.is_none() {
            self.faults.push(
                Fault::at(
                    settings.preset.at.clone(),
                    format!(
                        "the preset `{}` needs `client_secret`",
                        settings.preset.value
                    ),
                )
                .with_help("add client_secret = { env = \"NAME\" } or { file = \"path\" }"),
            );
        }
        if let Some(scopes) = &settings.scopes
            && !oauth2
            && !scopes.iter().any(|scope| **scope == *"openid")
        {
            self.faults.push(
                Fault::at(
                    settings.preset.at.clone(),
                    "without the scope `openid` there is no ID token (OIDC Core 1.0 §3.1.2.1)",
                )
                .with_help("add \"openid\" to `scopes`"),
            );
        }
    }

    fn provider(&mut self, preset: &Preset, definition: &Definition) -> Option<UpstreamProvider> {
        let settings = self.settings;
        let protocol = self.protocol(definition);
        let issuer_key = self.text(&definition.issuer_key)?;
        let requests: Vec<_> = definition
            .profile_requests
            .iter()
            .map(|request| {
                Some(ProfileRequest {
                    name: request.name.clone(),
                    url: self.url(&request.url)?,
                    authorization_scheme: request.authorization_scheme.clone(),
                    headers: request.headers.clone(),
                    paginated: request.paginated,
                    incomplete_header: request.incomplete_header.clone(),
                })
            })
            .collect();
        let authorization_parameters = definition
            .authorization_parameters
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), self.text(value)?)))
            .collect();
        Some(UpstreamProvider {
            id: settings.id.value.clone(),
            name: settings
                .name
                .clone()
                .unwrap_or_else(|| preset.title.clone()),
            preset: settings.preset.value.clone(),
            client_id: settings.client_id.clone(),
            client_secret: settings.client_secret.clone(),
            client_authentication: settings
                .client_authentication
                .unwrap_or(definition.client_authentication),
            protocol: protocol?,
            pkce: definition.pkce,
            scopes: settings
                .scopes
                .clone()
                .unwrap_or_else(|| definition.scopes.clone()),
            scope_separator: definition.scope_separator.clone(),
            authorization_parameters,
            switch_account_prompt: definition
                .switch_account_prompt
                .as_ref()
                .and_then(|template| self.text(template)),
            errors_with_success_status: definition.errors_with_success_status,
            profile_requests: requests.into_iter().collect::<Option<_>>()?,
            claims: self.claims(definition)?,
            issuer_key,
            preferred_username_is_stable: definition.preferred_username_is_stable,
            logout: definition.logout.clone(),
            reach: settings.reach.clone(),
        })
    }

    fn protocol(&mut self, definition: &Definition) -> Option<Protocol> {
        match &definition.protocol {
            Speaks::OpenIdConnect {
                issuer,
                discovery,
                userinfo,
            } => {
                let issuer = self.text(issuer)?;
                let discovery = match discovery.as_ref().and_then(|it| it.fill(&self.values)) {
                    Some(text) => self.checked(&text),
                    // OIDC Discovery 1.0 §4.1: a final slash is taken off first.
                    None => self.checked(&format!(
                        "{}/.well-known/openid-configuration",
                        issuer.strip_suffix('/').unwrap_or(&issuer)
                    )),
                };
                let algorithm = self.settings.id_token_algorithm.as_ref();
                Some(Protocol::OpenIdConnect(OpenIdConnect {
                    issuer: Issuer::new(&issuer),
                    discovery: discovery?,
                    id_token_algorithm: algorithm.map(|it| it.value.clone()),
                    userinfo: *userinfo,
                }))
            }
            Speaks::OAuth2 {
                authorization_endpoint,
                token_endpoint,
                response_issuer,
            } => {
                let authorization_endpoint = self.url(authorization_endpoint);
                let token_endpoint = self.url(token_endpoint);
                let response_issuer = response_issuer.as_ref().and_then(|it| self.text(it));
                Some(Protocol::OAuth2 {
                    authorization_endpoint: authorization_endpoint?,
                    token_endpoint: token_endpoint?,
                    response_issuer: response_issuer.map(|issuer| Issuer::new(&issuer)),
                })
            }
        }
    }

    fn claims(&self, definition: &Definition) -> Option<ClaimMapping> {
        let claims = &definition.claims;
        let path = |template: &Template| template.fill(&self.values).map(|it| ClaimPath::new(&it));
        let optional = |place: &Option<PlaceDefinition>| place.as_ref().and_then(|p| self.place(p));
        let email = match &claims.email {
            None | Some((_, Email::Never)) => (Source::Claims, EmailRule::Never),
            Some((from, rule)) => {
                let rule = match rule {
                    Email::Never => None,
                    Email::Flag { address, flag } => path(address)
                        .zip(path(flag))
                        .map(|(email, flag)| EmailRule::Flag { email, flag }),
                    Email::Entry {
                        list,
                        address,
                        flags,
                    } => {
                        let flags: Option<Vec<_>> = flags.iter().map(path).collect();
                        path(list)
                            .zip(path(address))
                            .zip(flags)
                            .map(|((list, email), flags)| EmailRule::Entry { list, email, flags })
                    }
                };
                // A flag that the operator did not name vouches for nothing.
                (from.clone(), rule.unwrap_or_default())
            }
        };
        let groups = claims.groups.iter().filter_map(|groups| {
            let members: Option<Vec<_>> = groups.members.iter().map(path).collect();
            let only = match &groups.only {
                None => None,
                Some((member, value)) => Some((path(member)?, value.clone())),
            };
            Some(GroupMapping {
                place: self.place(&groups.list)?,
                members: members?,
                only,
            })
        });
        Some(ClaimMapping {
            subject: self.place(&claims.subject)?,
            name: optional(&claims.name),
            preferred_username: optional(&claims.preferred_username),
            email,
            groups: groups.collect(),
        })
    }

    fn place(&self, place: &PlaceDefinition) -> Option<Place> {
        Some(Place {
            source: place.source.clone(),
            path: ClaimPath::new(&place.path.fill(&self.values)?),
        })
    }

    fn text(&self, template: &Template) -> Option<Box<str>> {
        template.fill(&self.values).map(Into::into)
    }

    fn url(&mut self, template: &Template) -> Option<Url> {
        let text = template.fill(&self.values)?;
        self.checked(&text)
    }

    fn checked(&mut self, text: &str) -> Option<Url> {
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
