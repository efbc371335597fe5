//! All presets, by name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rust_embed::RustEmbed;

use super::explanation::Explanation;
use super::issuers::Profiles;
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
#[derive(Clone, Debug, Default)]
pub struct Presets {
    /// What is known of trusted issuers.
    profiles: Profiles,
    known: BTreeMap<Box<str>, Preset>,
    /// Those whose file has a fault.
    unread: BTreeSet<Box<str>>,
    /// Why nobody can say which presets the folder has.
    unlisted: Option<Fault>,
}

impl Presets {
    /// Reads the embedded presets, then those of `folder` (`*.toml`), which add to them or replace them.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn load(folder: Option<&Path>) -> Result<Self, Faults> {
        let (presets, mut faults) = Self::read(folder);
        faults.extend(presets.unlisted.clone());
        Faults::new(faults).map_or(Ok(presets), Err)
    }

    /// The same as far as they can be read, and everything that is wrong with any of them; not that there is
    /// no such folder, which the configuration tells at its line.
    #[must_use]
    pub fn read(folder: Option<&Path>) -> (Self, Vec<Fault>) {
        let (profiles, mut faults) = Profiles::read();
        let mut presets = Self {
            profiles,
            ..Self::default()
        };
        let mut add = |name: &str, text: &str, file: &Path| match Preset::parse(text, file) {
            Ok(preset) => {
                presets.known.insert(name.into(), preset);
            }
            Err(found) => {
                presets.unread.insert(name.into());
                faults.extend(found);
            }
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
        let files = folder.map_or(Ok(Vec::new()), |folder| {
            files(folder).map_err(|error| cannot_read(folder, &error))
        });
        for path in files.iter().flatten() {
            let Some(name) = path.file_stem().and_then(|name| name.to_str()) else {
                continue;
            };
            match std::fs::read_to_string(path) {
                Ok(text) => add(name, &text, path),
                Err(error) => unreadable.push((name.into(), cannot_read(path, &error))),
            }
        }
        for (name, fault) in unreadable {
            presets.unread.insert(name);
            faults.push(fault);
        }
        presets.unlisted = files.err();
        (presets, faults)
    }

    /// The profiles of trusted issuers.
    #[must_use]
    pub const fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    /// Their names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.known.keys().map(|name| &**name)
    }

    /// Whether `name` may be a preset that could not be read, so that nobody can judge its providers.
    #[must_use]
    pub fn is_unread(&self, name: &str) -> bool {
        self.unread.contains(name) || (self.unlisted.is_some() && !self.known.contains_key(name))
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Preset)> {
        self.known.iter().map(|(name, preset)| (&**name, preset))
    }

    /// Each of them in words, in alphabetical order.
    pub fn explanations(&self) -> impl Iterator<Item = Explanation> {
        let presets = self.known.iter();
        presets.map(|(name, preset)| Explanation::of(name, preset))
    }

    /// The JSON Schema of a configuration that may use these presets, as the text of a file.
    #[must_use]
    pub fn configuration_schema(&self) -> String {
        let tables: Vec<_> = self
            .known
            .iter()
            .map(|(name, preset)| PresetTable {
                chooser: "preset",
                name: name.clone(),
                keys: preset.parameters.iter().map(Parameter::declared).collect(),
            })
            .chain(self.profiles.tables())
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
        let Some(preset) = self.known.get(&settings.preset.value) else {
            let name = &settings.preset.value;
            let fault = Fault::at(
                settings.preset.at.clone(),
                format!("there is no preset {}", quoted(name)),
            );
            let mut help = suggestion(name, self.names());
            if nearest(name, self.names()).is_none() && self.known.contains_key("oidc") {
                help.push_str("; with its `issuer`, `oidc` does for any OpenID Connect provider");
            }
            return Err(fault.with_help(help).into());
        };
        resolution::resolve(preset, settings, development)
    }
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files: Vec<_> = std::fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    Ok(files)
}

fn cannot_read(path: &Path, error: &std::io::Error) -> Fault {
    let shown = quoted(&path.display().to_string());
    Fault::nowhere(format!("the presets in {shown} cannot be read: {error}"))
        .with_help("`providers_folder` in [server] names the folder")
}
