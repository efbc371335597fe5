//! The configuration file, read and checked whole.
//!
//! [`load`] gives either a [`Config`] in which every value is valid, or all faults of the file at once.
//! What needs more than the file itself (presets, clashes between tenants) is checked by `providers` and
//! `tenants`, with the [`Position`]s kept here: [`load_checked`] shows them the [`Draft`], and what they find
//! stands in the same list, whatever else is wrong. Invariants: secrets are references and are never echoed;
//! the environment is read here and nowhere else; the text of the file is not kept. Deliberately absent:
//! defaults that depend on the machine, and settings that are silently ignored.

mod accent;
mod accepted_tokens;
mod addresses;
mod api_keys;
mod apps;
mod callers;
mod claim_changes;
mod client_authentication;
mod diagnostics;
mod expressions;
mod ext_authz;
mod files;
mod fixed;
mod item;
mod limits;
mod logging;
mod machine_clients;
mod operations;
mod parent_cookie;
mod passwords;
mod protected_resource;
mod providers;
pub(crate) mod reader;
mod restrictions;
mod rules;
mod schema;
mod secrets;
mod security_headers;
mod server;
mod sessions;
mod signing;
pub(crate) mod source;
mod storage;
pub(crate) mod table;
mod tenants;
#[cfg(test)]
mod tests;
mod tls;
mod token_exchanges;
mod tracing;
mod trusted_issuers;
mod upstream_tokens;
mod upstreams;
mod users;

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

pub use self::tracing::Tracing;
pub use accepted_tokens::{AcceptedTokens, AttestationSettings};
pub use api_keys::ApiKeySettings;
pub use apps::AppSettings;
pub use client_authentication::{AssertionSettings, AudienceKind, AuthenticationMethod};
pub use diagnostics::{Fault, Faults, Position, Severity, Style, nearest, quoted, suggestion};
pub use ext_authz::ExtAuthz;
pub use files::WatchedFiles;
pub use fixed::FixedSettings;
pub use item::{Located, duration};
pub use limits::{Limits, Quotas};
pub use logging::{LogFormat, Logging};
pub use machine_clients::MachineClientSettings;
pub use operations::Operations;
pub use parent_cookie::ParentCookieSettings;
pub use passwords::{SALT, hash_password};
pub use providers::{Parameter, ParameterValue, ProviderSettings};
pub use restrictions::RestrictionSettings;
pub use secrets::{Environment, SealingKey, SystemEnvironment};
pub use server::{Server, TargetHeaders, TrustedProxy};
pub use storage::Storage;
pub use tenants::TenantSettings;
pub use tls::ServerCertificate;
pub use token_exchanges::{OWN_TOKENS, TokenExchangeSettings};
pub use trusted_issuers::{ClaimDemandSettings, SecretEncoding, TrustedIssuerSettings};
pub use upstream_tokens::TokenSettings;

pub(crate) use addresses::checked_url;
pub(crate) use providers::{PRESET_WORDS, settings as provider_settings};
pub(crate) use schema::{PresetKey, PresetTable, schema};
pub(crate) use table::Shape;
pub(crate) use trusted_issuers::{PROFILE_WORDS, settings as issuer_settings};

use crate::domain::session::SessionLifetimes;
use reader::Document;
use source::Source;
use table::{Key, Table};

/// The whole file.
static TABLE: Table = Table::new(
    "this file",
    "The configuration of Doorward.",
    &[
        Key::table("server", &server::TABLE),
        Key::table("operations", &operations::TABLE),
        Key::table("ext_authz", &ext_authz::TABLE),
        Key::table("logging", &logging::TABLE),
        Key::table("tracing", &self::tracing::TABLE),
        Key::table("limits", &limits::TABLE),
        Key::table("storage", &storage::TABLE).required(),
        Key::table("sessions", &sessions::TABLE),
        Key::tables("tenants", &tenants::TABLE).required(),
    ],
);

/// Longest configuration file, in bytes.
const FILE_LIMIT: u64 = 16 * 1024 * 1024;

/// A configuration in which every value is valid for itself.
#[derive(Debug)]
pub struct Config {
    /// The file it was read from, as the operator named it.
    pub file: PathBuf,
    /// Where and how we listen.
    pub server: Server,
    /// Health and metrics.
    pub operations: Operations,
    /// Envoy asks over gRPC.
    pub ext_authz: ExtAuthz,
    /// What is logged, and how.
    pub logging: Logging,
    /// Where traces go, if anywhere.
    pub tracing: Option<Tracing>,
    /// How often something may be asked for.
    pub limits: Limits,
    /// What is remembered, and how it is sealed.
    pub storage: Storage,
    /// How long sessions live where a tenant says nothing.
    pub sessions: SessionLifetimes,
    /// In the order of the file; at least one.
    pub tenants: Vec<TenantSettings>,
    /// What can be used and is probably not what was meant.
    pub warnings: Vec<Fault>,
    /// What a reload cannot change.
    pub fixed: FixedSettings,
    /// Every file and folder that was read for it, itself first.
    pub files: Vec<PathBuf>,
}

/// As much of a file as could be read, for those who check it further. What could not be read was told; where
/// something has to be there, something that nobody wrote and nothing clashes with stands in for it. So a
/// draft is good for finding faults, and becomes a [`Config`] only if there is none.
#[derive(Debug)]
pub struct Draft {
    /// Where and how we listen.
    pub server: Server,
    /// In the order of the file.
    pub tenants: Vec<TenantSettings>,
}

/// What sections need beside their own table.
pub(crate) struct Context<'a> {
    /// Where `{ env = … }` looks.
    pub(crate) environment: &'a dyn Environment,
    /// Where relative paths begin.
    pub(crate) folder: &'a Path,
    /// What was read beside the file.
    files: RefCell<Vec<PathBuf>>,
}

impl<'a> Context<'a> {
    fn new(file: &'a Path, environment: &'a dyn Environment) -> Self {
        Self {
            environment,
            folder: file.parent().unwrap_or(Path::new("")),
            files: RefCell::new(vec![file.to_owned()]),
        }
    }

    /// The path of a file that is read now; a change to it counts as a change of the configuration.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        let path = self.path(path);
        self.files.borrow_mut().push(path.clone());
        path
    }

    /// A file that is read later, for which the same holds.
    pub(crate) fn also(&self, path: PathBuf) {
        self.files.borrow_mut().push(path);
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Context")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// Reads and checks the file at `path`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path, environment: &dyn Environment) -> Result<Config, Faults> {
    let (loaded, _) = load_checked(path, environment, |_| ((), Vec::new()));
    loaded.map(|(config, ())| config)
}

/// The same, with a further check, whose faults and warnings stand beside those of the file, and what that
/// check makes of a file without faults. Also every file that was read or could not be: what a change of may
/// mend it.
pub fn load_checked<T>(
    path: &Path,
    environment: &dyn Environment,
    further: impl FnOnce(&Draft) -> (T, Vec<Fault>),
) -> (Result<(Config, T), Faults>, Vec<PathBuf>) {
    let context = Context::new(path, environment);
    let config = read(path).and_then(|text| parse_in(&text, path, &context, further));
    (config, context.files.into_inner())
}

/// Checks `text` as if it stood in `file`, whose folder is where relative paths begin.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(text: &str, file: &Path, environment: &dyn Environment) -> Result<Config, Faults> {
    let context = Context::new(file, environment);
    parse_in(text, file, &context, |_| ((), Vec::new())).map(|(config, ())| config)
}

fn parse_in<T>(
    text: &str,
    file: &Path,
    context: &Context<'_>,
    further: impl FnOnce(&Draft) -> (T, Vec<Fault>),
) -> Result<(Config, T), Faults> {
    let mut source = Source::new(file, text);
    let table = syntax(&source, text)?;
    source.mask(table.get_ref());
    let document = Document::new(&source);
    let (draft, rest) = read_root(&document.declared_root(&table, &TABLE), context);
    let (made, found) = further(&draft);
    for fault in found {
        document.report(fault);
    }
    let fixed = document.fixed();
    let (errors, warnings): (Vec<_>, Vec<_>) = document
        .into_faults()
        .into_iter()
        .partition(|fault| fault.severity() == Severity::Error);
    let Draft { server, tenants } = draft;
    match (Faults::new(errors), rest) {
        (None, Some(rest)) => {
            let config = Config {
                file: file.into(),
                server,
                operations: rest.operations,
                ext_authz: rest.ext_authz,
                logging: rest.logging,
                tracing: rest.tracing,
                limits: rest.limits,
                storage: rest.storage,
                sessions: rest.sessions,
                tenants,
                warnings,
                fixed,
                files: context.files.borrow().clone(),
            };
            Ok((config, made))
        }
        (Some(faults), _) => Err(faults),
        (None, None) => Err(Fault::nowhere("the configuration cannot be used").into()),
    }
}

/// The tables of a file, or all its faults of grammar.
pub(crate) fn syntax<'a>(
    source: &Source<'_>,
    text: &'a str,
) -> Result<toml::Spanned<DeTable<'a>>, Faults> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let faults = errors
        .iter()
        .map(|error| source.syntax_fault(error))
        .collect();
    Faults::new(faults).map_or(Ok(table), Err)
}

fn read(path: &Path) -> Result<String, Faults> {
    let shown = quoted(&path.display().to_string());
    let cannot = |why: &str, help: &str| {
        let message = format!("the configuration {shown} cannot be read: {why}");
        Faults::from(Fault::nowhere(message).with_help(help))
    };
    let system = |error: io::Error| {
        let help = match error.kind() {
            io::ErrorKind::NotFound => "put it there, or name another file with --config",
            io::ErrorKind::PermissionDenied => {
                "the user that Doorward runs as must be able to read it and to enter its folder"
            }
            _ => "name a file with --config",
        };
        cannot(&error.to_string(), help)
    };
    let size = std::fs::metadata(path).map_err(system)?;
    if size.is_dir() {
        let help = format!(
            "name the file in it: --config {}",
            path.join("doorward.toml").display()
        );
        return Err(cannot("it is a folder", &help));
    }
    if size.len() > FILE_LIMIT {
        let help = "is it the right file? --config names it";
        return Err(cannot("it is larger than 16 MiB", help));
    }
    let bytes = std::fs::read(path).map_err(system)?;
    String::from_utf8(bytes).map_err(|error| {
        let bytes = error.as_bytes();
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            return cannot("it is UTF-16", "save it as UTF-8");
        }
        let good = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(bytes.get(..good).unwrap_or_default());
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .map_or(0, |it| it.chars().count())
            + 1;
        let why = format!("line {line}, column {column} is not UTF-8");
        cannot(&why, "save it as UTF-8")
    })
}

/// What a draft leaves out.
struct Rest {
    operations: Operations,
    ext_authz: ExtAuthz,
    logging: Logging,
    tracing: Option<Tracing>,
    limits: Limits,
    storage: Storage,
    sessions: SessionLifetimes,
}

/// Reads every section, whether the one before was right or not. No rest: something in the draft stands in
/// for what could not be read.
fn read_root(root: &reader::Section<'_>, context: &Context<'_>) -> (Draft, Option<Rest>) {
    let server = server::read(root, context);
    let operations = operations::read(root, &server);
    let ext_authz = ext_authz::read(root, &server, &operations);
    let logging = logging::read(root);
    let tracing = self::tracing::read(root, context);
    let limits = limits::read(root);
    let storage = storage::read(root, context);
    let sessions = sessions::read(root.get("sessions").as_ref(), sessions::DEFAULT);
    let (tenants, whole) = tenants::read(root, &server, sessions, context);
    root.finish();
    let rest = storage.filter(|_| whole).map(|storage| Rest {
        operations,
        ext_authz,
        logging,
        tracing,
        limits,
        storage,
        sessions,
    });
    (Draft { server, tenants }, rest)
}
