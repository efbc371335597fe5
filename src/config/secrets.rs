//! Secrets, which a configuration names and never holds.
//!
//! Invariant: no message repeats a secret, or what stands where a reference should stand.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::{ExposeSecret as _, SecretBox, SecretString};

use super::Context;
use super::diagnostics::quoted;
use super::reader::Item;
use super::source::is_variable_name;
use super::table::{Key, Shape, Table};

/// Where `{ env = "NAME" }` looks.
pub trait Environment {
    /// The value of a variable, if it is set.
    fn variable(&self, name: &str) -> Option<OsString>;
}

/// The environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    fn variable(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }
}

/// For tests, and for the demo, which has no environment of its own.
impl Environment for BTreeMap<String, String> {
    fn variable(&self, name: &str) -> Option<OsString> {
        self.get(name).map(Into::into)
    }
}

/// Longest secret file that is read, in bytes.
const FILE_LIMIT: u64 = 64 * 1024;

const HOW: &str = "name where it is: { env = \"NAME\" } for an environment variable, { file = \"path\" } for a file";

/// Where a secret is. The name is that of the key it belongs to.
pub(super) static REFERENCE: Table = Table::new(
    "a secret",
    "Where the secret is: it is never written into this file.",
    &[
        Key::new("env", Shape::Text, "The name of an environment variable."),
        Key::new(
            "file",
            Shape::Path,
            "A file; a line break at its end is taken off.",
        ),
    ],
)
.exactly_one_of(&["env", "file"]);

/// Reads the secret that `item` refers to: one line of text.
pub(super) fn secret(item: &Item<'_>, context: &Context<'_>) -> Option<SecretString> {
    let text = secret_lines(item, context)?;
    if text.expose_secret().chars().any(char::is_control) {
        item.fault_with_help(
            format!(
                "what `{}` refers to has control characters in it",
                item.name
            ),
            "a secret is one line of text; a line break at the end of a file is taken off",
        );
        return None;
    }
    Some(text)
}

/// Reads the text that `item` refers to, which can have many lines: a private key in PEM. Whoever uses it
/// judges it.
pub(super) fn secret_lines(item: &Item<'_>, context: &Context<'_>) -> Option<SecretString> {
    if !item.is_table() {
        item.fault_with_help(
            format!(
                "`{}` is a secret and does not belong in this file",
                item.name
            ),
            HOW,
        );
        return None;
    }
    let name = item.name;
    let section = item.reference(&REFERENCE)?;
    let (variable, file) = (section.get("env"), section.get("file"));
    section.finish();
    let (text, place, empty) = match (variable, file) {
        (Some(variable), None) => {
            let text = from_environment(name, &variable, context)?;
            let empty = format!("the environment variable of `{name}` is empty");
            let help = "give it its value where this process is started";
            (text, variable, (empty, help.into()))
        }
        (None, Some(file)) => {
            let (text, path) = from_file(name, &file, context)?;
            let empty = format!("the file of `{name}` is empty");
            let help = format!(
                "write the secret into it, and nothing else; {}",
                looked_at(&path)
            );
            (text, file, (empty, help))
        }
        _ => {
            item.fault_with_help(
                format!("`{name}` needs exactly one of `env` and `file`"),
                HOW,
            );
            return None;
        }
    };
    if text.expose_secret().is_empty() {
        let (message, help) = empty;
        place.fault_with_help(message, help);
        return None;
    }
    Some(text)
}

fn from_environment(key: &str, item: &Item<'_>, context: &Context<'_>) -> Option<SecretString> {
    let name = item.text()?;
    let value = context.environment.variable(name);
    let Some(value) = value else {
        // Somebody may have put the secret itself here.
        let shown = if is_variable_name(name) {
            quoted(name)
        } else {
            "that `env` names".into()
        };
        item.fault_with_help(
            format!("the environment variable {shown} is not set"),
            format!("set it for this process, or give `{key}` by {{ file = \"path\" }}"),
        );
        return None;
    };
    if let Ok(text) = value.into_string() {
        Some(text.into())
    } else {
        item.fault(format!(
            "the environment variable {} is not UTF-8",
            item.shown()
        ));
        None
    }
}

fn from_file(key: &str, item: &Item<'_>, context: &Context<'_>) -> Option<(SecretString, PathBuf)> {
    let path = context.file(item.text()?);
    match read_limited(&path) {
        Ok(mut text) => {
            let kept = text.trim_end_matches(['\r', '\n']).len();
            text.truncate(kept);
            Some((text.into(), path))
        }
        Err(error) => {
            item.fault_with_help(
                format!("the file of `{key}` cannot be read: {error}"),
                looked_at(&path),
            );
            None
        }
    }
}

/// Where a file was looked for, as help.
pub(super) fn looked_at(path: &Path) -> String {
    let shown = quoted(&path.display().to_string());
    format!("looked for it at {shown}; relative paths begin at the folder of this file")
}

fn read_limited(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(FILE_LIMIT + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > FILE_LIMIT {
        return Err(std::io::Error::other("it is longer than 64 KiB"));
    }
    Ok(text)
}

/// A key that seals what is stored: 32 bytes.
pub struct SealingKey(SecretBox<[u8; 32]>);

impl SealingKey {
    /// A key of one's own making (the demo's).
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }

    /// The bytes, for the cipher.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SealingKey(…)")
    }
}

/// Both alphabets are met (`openssl rand -base64`, Python's `urlsafe_b64encode`), with and without padding.
const fn decoder(alphabet: &alphabet::Alphabet) -> GeneralPurpose {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config)
}

/// Reads a sealing key: 32 bytes in base64.
pub(super) fn sealing_key(item: &Item<'_>, context: &Context<'_>) -> Option<SealingKey> {
    let text = secret(item, context)?;
    let text = text.expose_secret();
    let alphabet = if text.contains(['-', '_']) {
        &alphabet::URL_SAFE
    } else {
        &alphabet::STANDARD
    };
    // One byte of room more, so that a longer key is told from a right one.
    let mut bytes = secrecy::zeroize::Zeroizing::new([0; 48]);
    let length = decoder(alphabet).decode_slice(text, bytes.as_mut_slice());
    let key: Option<[u8; 32]> = match length {
        Ok(32) => bytes.get(..32).and_then(|bytes| bytes.try_into().ok()),
        _ => None,
    };
    let help = "make one with: openssl rand -base64 32";
    match key {
        None => item.fault_with_help("a sealing key is 32 bytes in base64, and this is not", help),
        Some(key) if key.iter().all(|byte| key.first() == Some(byte)) => {
            item.fault_with_help(
                "this sealing key is one byte repeated: anybody can guess it",
                help,
            );
        }
        Some(key) => return Some(SealingKey::from_bytes(key)),
    }
    None
}
