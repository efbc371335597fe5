//! `doorward api-keys`: makes API keys, and says what became of them.
//!
//! Works on the database, beside a server that runs: it hears of a change within a second.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::of_tenant::{Access, OfTenant, Output};
use super::{Failure, say, serve};
use crate::config::{duration, quoted, suggestion};
use crate::domain::api_key::{ApiKey, ApiKeyGrant, ApiKeyStanding, KnownApiKey};
use crate::domain::ids::{ApiKeyId, AppId, UserId};
use crate::domain::tenant::Tenant;
use crate::ports::{Clock as _, SecureRandom, SystemClock, SystemRandom};
use crate::storage::{KeyChange, NewApiKey, Store};

/// Further away than this is a typing error, or `--never-expires`.
const LONGEST: time::Duration = time::Duration::days(366 * 100);

/// Longest name of a key, or entry of a list, in characters.
const LONGEST_NAME: usize = 100;
const LONGEST_ENTRY: usize = 1000;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a key, and show it once: on standard output, and nothing else there.
    Create(Box<Create>),
    /// Show the keys of a tenant, and how each stands. Keys themselves cannot be shown again.
    List {
        #[command(flatten)]
        of: Of,
    },
    /// Set anew how long a key is good. One that has expired is good again; one that was revoked stays revoked.
    Renew {
        #[command(flatten)]
        of: Of,
        /// The key, by its name or its id.
        key: String,
        #[command(flatten)]
        lifetime: Lifetime,
    },
    /// Let a key open nothing any more, for ever. Servers that run refuse it within five seconds.
    Revoke {
        #[command(flatten)]
        of: Of,
        /// The key, by its name or its id.
        key: String,
    },
    /// Show how often keys were let in, and when last. What happened in the last minute may not be counted yet.
    Usage {
        #[command(flatten)]
        of: Of,
        /// One key, by its name or its id.
        key: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Create {
    #[command(flatten)]
    of: Of,
    /// What you call it, and what apps are told as its name.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The apps that it opens, with commas between them. All that accept keys otherwise.
    #[arg(long, value_name = "APPS", value_delimiter = ',')]
    apps: Vec<String>,
    /// Its groups, as the rules of apps see them, with commas between them.
    #[arg(long, value_name = "GROUPS", value_delimiter = ',')]
    groups: Vec<String>,
    /// Its roles.
    #[arg(long, value_name = "ROLES", value_delimiter = ',')]
    roles: Vec<String>,
    /// Its scopes.
    #[arg(long, value_name = "SCOPES", value_delimiter = ',')]
    scopes: Vec<String>,
    /// The user whose it is, by the id that apps are told. Otherwise it is a user of its own.
    #[arg(long, value_name = "ID")]
    owner: Option<String>,
    #[command(flatten)]
    lifetime: Lifetime,
}

#[derive(Debug, clap::Args)]
pub(super) struct Lifetime {
    /// How long it is good, such as 15d or 8h, or until when, such as 2027-01-31T12:00:00+01:00.
    #[arg(long, value_name = "WHEN", default_value = "15d")]
    expires: String,
    /// It is good until it is revoked.
    #[arg(long, conflicts_with = "expires")]
    never_expires: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Of {
    #[command(flatten)]
    tenant: OfTenant,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

impl Command {
    const fn of(&self) -> &Of {
        match self {
            Self::Create(create) => &create.of,
            Self::List { of }
            | Self::Renew { of, .. }
            | Self::Revoke { of, .. }
            | Self::Usage { of, .. } => of,
        }
    }

    const fn access(&self) -> Access {
        match self {
            Self::Create(_) | Self::Renew { .. } | Self::Revoke { .. } => Access::Writes,
            Self::List { .. } | Self::Usage { .. } => Access::Reads,
        }
    }
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    serve::runtime()?.block_on(async {
        let known = command.of().tenant.load()?;
        let store = known.open(command.access()).await?;
        let now = SystemClock::new().now();
        let done = done(command, &*store, &known.tenant, now).await;
        store.close().await;
        done
    })
}

fn wrong(message: String) -> Failure {
    Failure::CommandLine(anyhow!(message))
}

async fn done(
    command: &Command,
    store: &dyn Store,
    tenant: &Tenant,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    let output = command.of().output;
    match command {
        Command::Create(create) => made(create, store, tenant, now).await,
        Command::List { .. } => {
            let keys = keys_of(store, tenant).await?;
            shown(&keys, now, output, table);
            Ok(())
        }
        Command::Usage { key, .. } => {
            let mut keys = keys_of(store, tenant).await?;
            if let Some(key) = key {
                keys = vec![found(keys, key, tenant)?];
            }
            shown(&keys, now, output, usage);
            Ok(())
        }
        Command::Renew { key, lifetime, .. } => {
            let until = until(lifetime, now)?;
            changed(store, tenant, key, KeyChange::Renew(until), now, output).await
        }
        Command::Revoke { key, .. } => {
            changed(store, tenant, key, KeyChange::Revoke, now, output).await
        }
    }
}

async fn keys_of(store: &dyn Store, tenant: &Tenant) -> Result<Vec<KnownApiKey>, Failure> {
    let keys = store.api_keys_of(&tenant.id).await;
    Ok(keys.context("the keys cannot be read")?)
}

async fn made(
    create: &Create,
    store: &dyn Store,
    tenant: &Tenant,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    let random: &dyn SecureRandom = &SystemRandom;
    let expires_at = until(&create.lifetime, now)?;
    let key = ApiKey::of(random.array());
    let new = NewApiKey {
        tenant: tenant.id.clone(),
        id: ApiKeyId::from_bytes(random.array()),
        digest: key.digest(),
        grant: grant(create, tenant)?,
        created_at: now,
        expires_at,
    };
    let kept = store.make_api_key(&new).await;
    if let Err(why) = kept.context("the key cannot be kept: none was made")? {
        return Err(anyhow!("no key was made: {why}").into());
    }
    match create.of.output {
        Output::Json => say(&format!(
            "{:#}",
            json!({
                "id": new.id.to_string(),
                "name": new.grant.name,
                "key": key.reveal().expose_secret(),
                "expires_at": expires_at.map(moment),
            })
        )),
        Output::Table => {
            say(key.reveal().expose_secret());
            // The key alone is on standard output, for a file or a variable.
            let until = expires_at.map_or_else(
                || "until it is revoked".to_owned(),
                |end| format!("until {}", moment(end)),
            );
            let header = &tenant.api_key_header;
            let _ = writeln!(
                std::io::stderr(),
                "Keep it: it is not shown again. It is good {until}, in the header {header}."
            );
        }
    }
    if opens_nothing(&new.grant, tenant) {
        let _ = writeln!(
            std::io::stderr(),
            "warning: no app that it is for accepts keys yet: add \"api_key\" to its `accept`"
        );
    }
    Ok(())
}

fn opens_nothing(grant: &ApiKeyGrant, tenant: &Tenant) -> bool {
    use crate::domain::caller::Scheme;
    let mut apps = tenant.apps.iter();
    !apps.any(|app| grant.opens(&app.id) && app.accepts.accepts(Scheme::ApiKey))
}

fn grant(create: &Create, tenant: &Tenant) -> Result<ApiKeyGrant, Failure> {
    let name = line("--name", &create.name, LONGEST_NAME)?;
    let app = |text: &String| -> Result<AppId, Failure> {
        let known = || tenant.apps.iter().map(|app| app.id.as_str());
        let app = known().find(|app| app == text);
        app.and_then(|app| app.parse().ok()).ok_or_else(|| {
            let help = suggestion(text, known());
            wrong(format!("{} has no app {}: {help}", tenant.id, quoted(text)))
        })
    };
    let list = |option: &str, texts: &[String]| -> Result<Box<[Box<str>]>, Failure> {
        let each = texts.iter().map(|text| line(option, text, LONGEST_ENTRY));
        each.collect()
    };
    let owner = create.owner.as_ref().map(|text| text.parse::<UserId>());
    let owner = owner
        .transpose()
        .map_err(|error| wrong(format!("`--owner` is not the id of a user: {error}")))?;
    Ok(ApiKeyGrant {
        name,
        owner,
        apps: create.apps.iter().map(app).collect::<Result<_, _>>()?,
        groups: list("--groups", &create.groups)?,
        roles: list("--roles", &create.roles)?,
        scopes: list("--scopes", &create.scopes)?,
    })
}

fn line(option: &str, text: &str, longest: usize) -> Result<Box<str>, Failure> {
    let fits = !text.is_empty()
        && text.trim() == text
        && !text.chars().any(char::is_control)
        && text.chars().count() <= longest;
    if fits {
        return Ok(text.into());
    }
    Err(wrong(format!(
        "`{option}` is text of at most {longest} characters, without control characters or space around it"
    )))
}

/// A length of time from now on, or a moment with its zone. None: for ever.
fn until(lifetime: &Lifetime, now: OffsetDateTime) -> Result<Option<OffsetDateTime>, Failure> {
    const HOW: &str =
        "write how long, such as 15d or 8h, or until when, such as 2027-01-31T12:00:00+01:00";
    if lifetime.never_expires {
        return Ok(None);
    }
    let text = lifetime.expires.trim();
    let of_length = |length: Duration| Some(now.checked_add(length.try_into().ok()?));
    let end = match OffsetDateTime::parse(text, &Rfc3339) {
        Ok(moment) => Some(moment),
        Err(_) => duration(text).and_then(of_length).flatten(),
    };
    let Some(end) = end else {
        return Err(wrong(format!("`--expires` is no time: {HOW}")));
    };
    if end <= now {
        return Err(wrong(format!("{} is over already: {HOW}", moment(end))));
    }
    if end - now > LONGEST {
        return Err(wrong(
            "that is more than a hundred years: say --never-expires".into(),
        ));
    }
    Ok(Some(end))
}

/// The key of that name that was not revoked, else the latest one, or that of this id.
fn found(keys: Vec<KnownApiKey>, wanted: &str, tenant: &Tenant) -> Result<KnownApiKey, Failure> {
    let names: Vec<String> = keys.iter().map(|key| key.grant.name.to_string()).collect();
    let mut fitting: Vec<_> = keys
        .into_iter()
        .filter(|key| *key.grant.name == *wanted || key.id.to_string() == wanted)
        .collect();
    fitting.sort_by_key(|key| (key.revoked_at.is_none(), key.created_at));
    fitting.pop().ok_or_else(|| {
        let help = suggestion(wanted, names.iter().map(String::as_str));
        anyhow!("{} has no key {}: {help}", tenant.id, quoted(wanted)).into()
    })
}

async fn changed(
    store: &dyn Store,
    tenant: &Tenant,
    wanted: &str,
    change: KeyChange,
    now: OffsetDateTime,
    output: Output,
) -> Result<(), Failure> {
    let key = found(keys_of(store, tenant).await?, wanted, tenant)?;
    let name = quoted(&key.grant.name);
    let done = store.change_api_key(&tenant.id, key.id, change, now).await;
    if !done.context("nothing was changed")? {
        return Err(anyhow!("the key {name} was revoked: make another one").into());
    }
    let said = match change {
        KeyChange::Renew(Some(end)) => format!("The key {name} is good until {}.", moment(end)),
        KeyChange::Renew(None) => format!("The key {name} is good until it is revoked."),
        KeyChange::Revoke => {
            format!(
                "The key {name} opens nothing any more. Servers that run refuse it within five seconds."
            )
        }
    };
    if output == Output::Table {
        say(&said);
        return Ok(());
    }
    let keys = keys_of(store, tenant).await?;
    let now_is = keys.into_iter().find(|it| it.id == key.id);
    shown(&Vec::from_iter(now_is), now, output, table);
    Ok(())
}

fn shown(
    keys: &[KnownApiKey],
    now: OffsetDateTime,
    output: Output,
    table: fn(&[KnownApiKey], OffsetDateTime) -> String,
) {
    match output {
        Output::Table if keys.is_empty() => say("There are no keys."),
        Output::Table => say(table(keys, now).trim_end()),
        Output::Json => {
            let keys: Value = keys.iter().map(|key| as_json(key, now)).collect();
            say(&format!("{keys:#}"));
        }
    }
}

fn standing(key: &KnownApiKey, now: OffsetDateTime) -> &'static str {
    match key.standing(now) {
        ApiKeyStanding::Live => "good",
        ApiKeyStanding::Expired => "expired",
        ApiKeyStanding::Revoked => "revoked",
    }
}

/// Cut to `width`, with a sign that it was.
fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width - 1).collect();
    format!("{kept}…")
}

fn names(list: &[impl AsRef<str>]) -> String {
    let names: Vec<&str> = list.iter().map(AsRef::as_ref).collect();
    names.join(",")
}

/// At most 80 columns. Writing to a `String` cannot fail.
fn table(keys: &[KnownApiKey], now: OffsetDateTime) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{:24}  {:7}  {:20}  APPS", "NAME", "", "EXPIRES");
    for key in keys {
        let ends = key.expires_at.map_or("never".to_owned(), moment);
        let apps: Vec<&str> = key.grant.apps.iter().map(AppId::as_str).collect();
        let apps = if apps.is_empty() {
            "all".into()
        } else {
            names(&apps)
        };
        let (name, apps) = (fit(&key.grant.name, 24), fit(&apps, 23));
        let _ = writeln!(
            out,
            "{name:24}  {:7}  {ends:20}  {apps}",
            standing(key, now)
        );
    }
    out
}

/// The same.
fn usage(keys: &[KnownApiKey], now: OffsetDateTime) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{:24}  {:7}  {:20}  TIMES", "NAME", "", "LAST USED");
    for key in keys {
        let last = key.last_used_at.map_or("never".to_owned(), moment);
        let name = fit(&key.grant.name, 24);
        let _ = writeln!(
            out,
            "{name:24}  {:7}  {last:20}  {}",
            standing(key, now),
            key.used
        );
    }
    out
}

fn as_json(key: &KnownApiKey, now: OffsetDateTime) -> Value {
    let grant = &key.grant;
    let apps: Vec<&str> = grant.apps.iter().map(AppId::as_str).collect();
    json!({
        "id": key.id.to_string(),
        "name": grant.name,
        "standing": standing(key, now),
        "owner": grant.owner.map(|owner| owner.to_string()),
        "apps": apps,
        "groups": grant.groups,
        "roles": grant.roles,
        "scopes": grant.scopes,
        "created_at": moment(key.created_at),
        "expires_at": key.expires_at.map(moment),
        "revoked_at": key.revoked_at.map(moment),
        "last_used_at": key.last_used_at.map(moment),
        "used": key.used,
    })
}

/// Whole seconds, in UTC.
fn moment(time: OffsetDateTime) -> String {
    let time = time.to_offset(time::UtcOffset::UTC);
    let whole = time.replace_nanosecond(0).unwrap_or(time);
    whole.format(&Rfc3339).unwrap_or_default()
}
