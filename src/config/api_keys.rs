//! `api_key_header` and `[[tenants.api_keys]]`: where API keys are shown, and keys that the operator brings.

use std::collections::HashMap;

use http::HeaderName;
use secrecy::ExposeSecret as _;

use super::Context;
use super::apps::RESERVED;
use super::diagnostics::suggestion;
use super::reader::{Item, Section};
use super::secrets::secret;
use super::table::{Key, Shape, Table};
use crate::domain::api_key::{self, ApiKeyGrant, FixedApiKeys, PREFIX};
use crate::domain::ids::AppId;

/// Shortest key that somebody brings, in characters. Shorter ones can be tried.
const SHORTEST: usize = 32;

/// Longest, in bytes.
const LONGEST: usize = 512;

static DEFAULT_HEADER: HeaderName = HeaderName::from_static("x-api-key");

pub(super) static TABLE: Table = Table::new(
    "[[tenants.api_keys]]",
    "API keys that you bring along. Those that `doorward api-keys create` makes stand in the database.",
    &[
        Key::new(
            "name",
            Shape::Line(100),
            "What apps are told as its name; no two keys have the same.",
        )
        .required(),
        Key::new(
            "secret",
            Shape::Secret,
            "Where the key is: at least 32 characters that nobody can guess.",
        )
        .required(),
        Key::new("apps", Shape::List(&Shape::Id), "The apps that it opens.")
            .or("all that accept keys"),
        Key::new("groups", Shape::List(&Shape::Line(1000)), "Groups."),
        Key::new("roles", Shape::List(&Shape::Line(1000)), "Roles."),
        Key::new(
            "scopes",
            Shape::List(&Shape::Line(255)),
            "Scopes, as rules ask for them.",
        ),
    ],
);

pub(super) const HEADER: Key = Key::new(
    "api_key_header",
    Shape::Line(100),
    "The header that API keys are shown in.",
);

/// Both together.
#[derive(Clone, Debug)]
pub struct ApiKeySettings {
    /// The header that keys are shown in.
    pub header: HeaderName,
    /// Keys of the configuration.
    pub keys: FixedApiKeys,
}

impl Default for ApiKeySettings {
    fn default() -> Self {
        Self {
            header: DEFAULT_HEADER.clone(),
            keys: FixedApiKeys::default(),
        }
    }
}

/// `None`: something is wrong, and was told.
pub(super) fn read(
    section: &Section<'_>,
    apps: &[&str],
    context: &Context<'_>,
) -> Option<ApiKeySettings> {
    let header = section
        .get("api_key_header")
        .map_or_else(|| Some(DEFAULT_HEADER.clone()), |item| header(&item));
    let tables = section
        .get("api_keys")
        .map(|item| item.sections(&TABLE))
        .unwrap_or_default();
    let mut names = HashMap::new();
    let mut keys = FixedApiKeys::new();
    let mut whole = true;
    for section in &tables {
        whole &= key(section, apps, context, &mut names, &mut keys).is_some();
    }
    Some(ApiKeySettings {
        header: header?,
        keys: Some(keys).filter(|_| whole)?,
    })
}

fn header(item: &Item<'_>) -> Option<HeaderName> {
    let text = item.line(100)?;
    let Ok(name) = text.parse::<HeaderName>() else {
        item.fault_with_help(
            format!("{} is not the name of a header", item.shown()),
            "use letters, digits and `-`: X-API-Key",
        );
        return None;
    };
    let told = ["x-forwarded-", "x-original-", "x-auth-request-", "remote-"];
    let is_told = told.iter().any(|prefix| name.as_str().starts_with(prefix));
    if is_told || RESERVED.contains(&name.as_str()) {
        item.fault_with_help(
            format!("the header {name} means something else to proxies and browsers"),
            "choose a name of its own: X-API-Key",
        );
        return None;
    }
    Some(name)
}

fn key(
    section: &Section<'_>,
    apps: &[&str],
    context: &Context<'_>,
    names: &mut HashMap<Box<str>, u32>,
    keys: &mut FixedApiKeys,
) -> Option<()> {
    let name = section
        .require("name", "add name = \"nightly-backup\"")
        .and_then(|item| {
            let name = item.line(100)?;
            if let Some(line) = names.insert(name.clone(), item.position().line()) {
                item.fault_with_help(
                    format!("there is a key {} already", item.shown()),
                    format!("the first one is at line {line}: give this one another name"),
                );
                return None;
            }
            Some(name)
        });
    let digest = section
        .require("secret", "add secret = { env = \"BACKUP_API_KEY\" }")
        .and_then(|item| {
            let text = secret(&item, context)?;
            judge(&item, text.expose_secret())?;
            Some((api_key::digest(text.expose_secret()), item))
        });
    let apps = section.get("apps").map_or(Some(Vec::new()), |item| {
        item.list(|item| known_app(item, apps))
    });
    let many = |key, longest| {
        section.get(key).map_or(Some(Vec::new()), |item| {
            item.list(|item| item.line(longest))
        })
    };
    let (groups, roles, scopes) = (
        many("groups", 1000),
        many("roles", 1000),
        many("scopes", 255),
    );
    section.finish();
    let (digest, item) = digest?;
    let grant = ApiKeyGrant {
        name: name?,
        owner: None,
        apps: apps?.into(),
        groups: groups?.into(),
        roles: roles?.into(),
        scopes: scopes?.into(),
    };
    if keys.insert(digest, grant).is_some() {
        item.fault_with_help(
            "another key has the same secret",
            "two keys that cannot be told apart are one: give each its own",
        );
        return None;
    }
    Some(())
}

fn judge(item: &Item<'_>, text: &str) -> Option<()> {
    let fault = |message: &str, help: &str| {
        item.fault_with_help(format!("the key of `{}` {message}", item.name), help);
    };
    let make = "make one with: openssl rand -base64 32";
    if text.starts_with(PREFIX) && api_key::read(text).is_err() {
        fault(
            "looks like one of ours and is none: it was mistyped or cut",
            make,
        );
    } else if text.chars().count() < SHORTEST || text.len() > LONGEST {
        fault("has less than 32 characters, or more than 512", make);
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        fault("has characters that no header carries as they are", make);
    } else {
        return Some(());
    }
    None
}

/// One of the tenant's apps, by its name.
pub(super) fn known_app(item: &Item<'_>, apps: &[&str]) -> Option<AppId> {
    let app: AppId = item.parsed()?;
    if !apps.contains(&app.as_str()) {
        item.fault_with_help(
            format!("this tenant has no app {}", item.shown()),
            suggestion(app.as_str(), apps.iter().copied()),
        );
        return None;
    }
    Some(app)
}
