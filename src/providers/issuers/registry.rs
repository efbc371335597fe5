//! All profiles, by name.

use std::collections::BTreeMap;
use std::path::Path;

use rust_embed::RustEmbed;

use super::profile::Profile;
use super::resolution;
use super::rules::IssuerRules;
use crate::config::{
    Fault, Faults, PresetTable, TrustedIssuerSettings, nearest, quoted, suggestion,
};
use crate::domain::ids::TenantId;
use crate::domain::upstream_provider::UpstreamProvider;
use crate::providers::parameters::Parameter;

#[derive(RustEmbed)]
#[folder = "issuers/"]
struct Embedded;

/// The profiles, by name.
#[derive(Clone, Debug, Default)]
pub struct Profiles {
    known: BTreeMap<Box<str>, Profile>,
}

impl Profiles {
    /// Reads the embedded profiles, and everything that is wrong with any of them.
    #[must_use]
    pub fn read() -> (Self, Vec<Fault>) {
        let mut profiles = Self::default();
        let mut faults = Vec::new();
        for file in Embedded::iter() {
            let Some((name, embedded)) = file.strip_suffix(".toml").zip(Embedded::get(&file))
            else {
                continue;
            };
            let text = String::from_utf8_lossy(&embedded.data);
            match Profile::parse(&text, &Path::new("issuers").join(&*file)) {
                Ok(profile) => {
                    profiles.known.insert(name.into(), profile);
                }
                Err(found) => faults.extend(found),
            }
        }
        (profiles, faults)
    }

    /// Their names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.known.keys().map(|name| &**name)
    }

    /// Their names with what people call them, and what is worth knowing beside.
    pub fn described(&self) -> impl Iterator<Item = (&str, &str, &[Box<str>])> {
        let each = self.known.iter();
        each.map(|(name, profile)| (&**name, &*profile.title, &*profile.notes))
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Profile)> {
        self.known.iter().map(|(name, profile)| (&**name, profile))
    }

    /// Their settings, for the JSON Schema of the configuration.
    pub(in crate::providers) fn tables(&self) -> Vec<PresetTable> {
        let each = self.known.iter().map(|(name, profile)| PresetTable {
            chooser: "profile",
            name: name.clone(),
            keys: profile.parameters.iter().map(Parameter::declared).collect(),
        });
        each.collect()
    }

    /// Makes the trusted issuer of `tenant` that `settings` describe; `providers` are those of the same tenant.
    ///
    /// # Errors
    /// Everything that is wrong with the settings, at the operator's lines.
    pub fn resolve(
        &self,
        tenant: &TenantId,
        settings: &TrustedIssuerSettings,
        providers: &[UpstreamProvider],
        development: bool,
    ) -> Result<IssuerRules, Faults> {
        let Some(profile) = self.known.get(&settings.profile.value) else {
            let name = &settings.profile.value;
            let at = settings.profile.at.clone();
            let fault = Fault::at(at, format!("there is no profile {}", quoted(name)));
            let mut help = suggestion(name, self.names());
            if nearest(name, self.names()).is_none() {
                help.push_str("; with its `issuer`, `oidc` does for any issuer of signed tokens");
            }
            return Err(fault.with_help(help).into());
        };
        resolution::resolve(profile, tenant, settings, providers, development)
    }
}
