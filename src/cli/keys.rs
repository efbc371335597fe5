//! `doorward keys`: the keys of a tenant, and new ones.

use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::anyhow;
use clap::Subcommand;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::of_tenant::{Access, OfTenant, Output};
use super::{Failure, say, serve};
use crate::domain::ids::TenantId;
use crate::domain::signing_key::{
    KEY_SET_MAX_AGE, KeySchedule, Occasion, Phase, SigningRules, newest, signer,
};
use crate::ports::{Clock as _, SystemClock};
use crate::signing::{NotTurned, Signing};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show the signing keys of a tenant: which one signs, which wait, which are kept for what they have signed.
    List {
        #[command(flatten)]
        of: Of,
    },
    /// Make a new signing key. It takes over in half an hour, when everybody knows it, and nothing fails.
    Rotate {
        #[command(flatten)]
        of: Of,
        /// For a key that somebody else may have: it and all others of the tenant are deleted, the new one signs
        /// at once, and every token issued so far is refused.
        #[arg(long)]
        at_once: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Of {
    #[command(flatten)]
    tenant: OfTenant,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    let (of, occasion) = match command {
        Command::List { of } => (of, None),
        Command::Rotate { of, at_once: true } => (of, Some(Occasion::Leaked)),
        Command::Rotate { of, at_once: false } => (of, Some(Occasion::Asked)),
    };
    serve::runtime()?.block_on(done(of, occasion))
}

async fn done(of: &Of, occasion: Option<Occasion>) -> Result<(), Failure> {
    let known = of.tenant.load()?;
    let tenant = &known.tenant;
    let access = if occasion.is_some() {
        Access::Writes
    } else {
        Access::Reads
    };
    let store = known.open(access).await?;
    let clock = Arc::new(SystemClock::new());
    let signing = Signing::new(Arc::clone(&store), clock.clone());
    signing
        .poll()
        .await
        .map_err(NotTurned::from)
        .map_err(trouble)?;
    let mut said = None;
    if let Some(occasion) = occasion {
        said = Some(rotate(&signing, &tenant.id, tenant.signing, occasion).await?);
    }
    let keys = signing.schedules(&tenant.id);
    let now = clock.now();
    match of.output {
        Output::Json => say(&format!("{:#}", as_json(&keys, now))),
        Output::Table => {
            say(table(&keys, now).trim_end());
            if let Some(said) = said {
                say(&format!("\n{said}"));
            }
        }
    }
    store.close().await;
    Ok(())
}

/// Does it, and says what happens when.
async fn rotate(
    signing: &Signing,
    tenant: &TenantId,
    rules: SigningRules,
    occasion: Occasion,
) -> Result<String, Failure> {
    let done = signing.turn_one(tenant, rules, occasion).await;
    let done = done
        .map_err(trouble)?
        .is_some_and(|plan| plan.add.is_some());
    let keys = signing.schedules(tenant);
    let next = newest(&keys).ok_or_else(|| anyhow!("the tenant has no key"))?;
    let (kid, from) = (&next.kid, shown(next.signs_from));
    Ok(match (occasion, done) {
        (Occasion::Leaked, _) => format!(
            "{kid} signs from now on; all other keys of {tenant} are deleted.\nServers that run take it up within \
             a second. Every token issued before is refused by whoever has fetched\nthe key set since; others may \
             know the old keys, and not the new one, for {} minutes.",
            KEY_SET_MAX_AGE.whole_minutes()
        ),
        (_, true) => format!(
            "{kid} is published now and signs from {from} on.\nThe key before it stays published until the last \
             token it has signed is over. Nothing fails meanwhile."
        ),
        (_, false) => {
            format!("Nothing was done: {kid} is published already and signs from {from} on.")
        }
    })
}

fn trouble(error: NotTurned) -> anyhow::Error {
    anyhow::Error::new(error).context("nothing was changed")
}

/// A table, for people. Writing to a `String` cannot fail.
fn table(keys: &[KeySchedule], now: OffsetDateTime) -> String {
    let mut out = String::new();
    if keys.is_empty() {
        return "There are no keys yet: `doorward serve` makes the first one.".to_owned();
    }
    let _ = writeln!(
        out,
        "{:9}  {:9}  {:20}  {:20}  KID",
        "", "ALGORITHM", "SIGNS FROM", "PUBLISHED UNTIL"
    );
    for key in keys {
        let until = key.published_until.map_or("-".to_owned(), shown);
        let _ = writeln!(
            out,
            "{:9}  {:9}  {:20}  {until:20}  {}",
            phase(keys, key, now).as_str(),
            key.algorithm.as_str(),
            shown(key.signs_from),
            key.kid
        );
    }
    out
}

fn as_json(keys: &[KeySchedule], now: OffsetDateTime) -> Value {
    let time = |time: Option<OffsetDateTime>| time.map(shown);
    let keys = keys.iter().map(|key| {
        json!({
            "kid": key.kid,
            "algorithm": key.algorithm.as_str(),
            "phase": phase(keys, key, now).as_str(),
            "created_at": time(Some(key.created_at)),
            "signs_from": time(Some(key.signs_from)),
            "signs_until": time(key.signs_until),
            "published_until": time(key.published_until),
        })
    });
    keys.collect()
}

/// As it really is: a clock that stepped back changes who signs, and no times.
fn phase(keys: &[KeySchedule], key: &KeySchedule, now: OffsetDateTime) -> Phase {
    if signer(keys, now).is_some_and(|signer| signer.kid == key.kid) {
        Phase::Signs
    } else {
        key.phase(now)
    }
}

fn shown(time: OffsetDateTime) -> String {
    let whole = time.replace_nanosecond(0).unwrap_or(time);
    whole.format(&Rfc3339).unwrap_or_default()
}
