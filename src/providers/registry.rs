//! All presets, by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rust_embed::RustEmbed;

use super::explanation::Explanation;
use super::parameters::Parameter;
use super::preset::Preset;
use super::resolution;
use crate::config::{
    Fault, Faults, PresetTable, ProviderSettings, nearest, quoted, schema, suggestion,
};
use crate::domain::upstream_provider::UpstreamProvider;

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

    /// Each of them in words, in alphabetical order.
    pub fn explanations(&self) -> impl Iterator<Item = Explanation> {
        let presets = self.0.iter();
        presets.map(|(name, preset)| Explanation::of(name, preset))
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
        resolution::resolve(preset, settings, development)
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
