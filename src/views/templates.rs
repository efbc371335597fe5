//! Where templates come from: the binary, and a folder that may replace them one by one.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use minijinja::Environment;
use rust_embed::RustEmbed;

/// The style sheet that every page carries inline.
pub(super) const STYLE: &str = "style.css";

/// Where a folder may add templates of its own, for the ones it replaces to include.
const OWN_PARTS: &str = "components/";

#[derive(RustEmbed)]
#[folder = "templates/"]
struct Embedded;

/// What is wrong with the templates.
#[derive(Debug, thiserror::Error)]
pub enum ViewsFault {
    /// The folder or a file in it cannot be read, or is not UTF-8.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file whose name is that of no template: most likely misspelt.
    #[error(
        "`{}` replaces no template; there are: {known}. Parts of your own belong in `{OWN_PARTS}`",
        path.display()
    )]
    ReplacesNothing {
        /// Which.
        path: PathBuf,
        /// The names there are.
        known: String,
    },
    /// Not a template: the engine's message names the line.
    #[error("`{name}` is not a template: {source}")]
    Syntax {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: minijinja::Error,
    },
    /// Asks for something that its page does not have.
    #[error("`{template}` does not fit its page: {source}")]
    DoesNotFit {
        /// Which page's.
        template: &'static str,
        /// Why.
        #[source]
        source: minijinja::Error,
    },
}

/// Compiles all templates into `environment`.
pub(super) fn load(
    environment: &mut Environment<'static>,
    overrides: Option<&Path>,
) -> Result<(), ViewsFault> {
    let mut sources = embedded()?;
    if let Some(folder) = overrides {
        replace(&mut sources, folder)?;
    }
    for (name, source) in sources {
        environment
            .add_template_owned(name.clone(), source)
            .map_err(|source| ViewsFault::Syntax { name, source })?;
    }
    Ok(())
}

fn embedded() -> Result<BTreeMap<String, String>, ViewsFault> {
    Embedded::iter()
        .filter_map(|name| Embedded::get(&name).map(|file| (name, file)))
        .map(|(name, file)| {
            let source = text(file.data.into_owned()).map_err(|source| ViewsFault::Unreadable {
                path: name.as_ref().into(),
                source,
            })?;
            Ok((name.into_owned(), source))
        })
        .collect()
}

fn replace(sources: &mut BTreeMap<String, String>, folder: &Path) -> Result<(), ViewsFault> {
    for path in files_below(folder)? {
        let name = name_of(&path, folder);
        if !sources.contains_key(&name) && !name.starts_with(OWN_PARTS) {
            return Err(ViewsFault::ReplacesNothing {
                path,
                known: sources.keys().cloned().collect::<Vec<_>>().join(", "),
            });
        }
        let source = fs::read(&path)
            .and_then(text)
            .map_err(|source| ViewsFault::Unreadable { path, source })?;
        sources.insert(name, source);
    }
    Ok(())
}

/// Files at any depth. Names that begin with a dot are passed over: editors leave them, and so does
/// Kubernetes where it mounts a folder (`..data`).
fn files_below(folder: &Path) -> Result<Vec<PathBuf>, ViewsFault> {
    let unreadable = |path: &Path, source| ViewsFault::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|source| unreadable(&folder, source))?;
        for entry in entries {
            let entry = entry.map_err(|source| unreadable(&folder, source))?;
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let path = entry.path();
            let kind = fs::metadata(&path).map_err(|source| unreadable(&path, source))?;
            if kind.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn name_of(path: &Path, folder: &Path) -> String {
    let inside = path.strip_prefix(folder).unwrap_or(path);
    let parts: Vec<_> = inside
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The names of the templates in the binary.
#[cfg(test)]
pub(super) fn embedded_sources() -> BTreeMap<String, String> {
    embedded().expect("they are text")
}
