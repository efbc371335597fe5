//! `doorward tokens`: tokens of trusted issuers that are not to be taken any more.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Subcommand;

use super::of_tenant::{Access, OfTenant};
use super::{Failure, say, serve};
use crate::config::{quoted, suggestion};
use crate::domain::revocation::Revocation;
use crate::jose::Issuers;
use crate::ports::{Clock as _, SystemClock};
use crate::storage::StoredRevocation;
use crate::tenants::TenantTokens;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Take tokens of a trusted issuer no more: one by its `jti`, all of a subject, or all that the issuer has issued
    /// so far. Servers that run hear of it within five seconds. Tokens that are issued later are taken.
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    tenant: OfTenant,
    /// The trusted issuer, by its `id` or by `iss` of the tokens. Needed where it has several names.
    #[arg(long, value_name = "ISSUER")]
    issuer: String,
    /// `sub` of the tokens. Without it and `--jti`: everybody's.
    #[arg(long, value_name = "SUBJECT", conflicts_with = "jti")]
    subject: Option<String>,
    /// `jti` of the token.
    #[arg(long, value_name = "JTI")]
    jti: Option<String>,
    /// How long such a token could still be good, in days.
    #[arg(long, default_value_t = 400, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
    keep: u16,
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    let Command::Revoke(revoke) = command;
    serve::runtime()?.block_on(done(revoke))
}

async fn done(of: &Revoke) -> Result<(), Failure> {
    let known = of.tenant.load()?;
    let tenant = &known.tenant;
    let issuer = issuer(&of.issuer, known.directory.tokens_of(&tenant.id))?;
    let now = SystemClock::new().now();
    let what = match (&of.jti, &of.subject) {
        (Some(id), _) => Revocation::Token {
            issuer: issuer.clone(),
            id: id.as_str().into(),
        },
        (None, Some(subject)) => Revocation::Subject {
            issuer: issuer.clone(),
            subject: subject.as_str().into(),
            issued_until: now,
        },
        (None, None) => Revocation::Issuer {
            issuer: issuer.clone(),
            issued_until: now,
        },
    };
    let store = known.open(Access::Writes).await?;
    let needed = Duration::from_hours(24) * u32::from(of.keep);
    let stored = StoredRevocation {
        tenant: tenant.id.clone(),
        what,
        needed_until: now.saturating_add(needed.try_into().unwrap_or(time::Duration::MAX)),
    };
    let written = store.revoke_tokens(&stored).await;
    store.close().await;
    written.context("nothing was revoked")?;
    let whose = match (&of.jti, &of.subject) {
        (Some(id), _) => format!("the token {} of {issuer}", quoted(id)),
        (None, Some(subject)) => format!(
            "all tokens that {issuer} has issued to {} so far",
            quoted(subject)
        ),
        (None, None) => format!("all tokens that {issuer} has issued so far"),
    };
    say(&format!(
        "Revoked in {}: {whose}.\nServers that run take them no more within five seconds.",
        tenant.id
    ));
    Ok(())
}

/// `iss` of the tokens that are meant.
fn issuer(wanted: &str, tokens: Option<&TenantTokens>) -> Result<Box<str>, Failure> {
    let all = tokens.map_or(&[][..], |tokens| &tokens.issuers);
    if let Some(rules) = all.iter().find(|it| it.id.as_str() == wanted) {
        return match &rules.rules.issuers {
            Issuers::OneOf(names) | Issuers::Unnamed(names) if names.len() == 1 => {
                let only = names.first().map(|name| name.as_str().into());
                only.ok_or_else(|| Failure::CommandLine(anyhow!("{} has no name", quoted(wanted))))
            }
            Issuers::Unnamed(names) if names.is_empty() => Ok("".into()),
            _ => Err(Failure::CommandLine(anyhow!(
                "{} has several names: write `iss` as it stands in the tokens",
                quoted(wanted)
            ))),
        };
    }
    if all.iter().any(|it| it.is_named(wanted)) {
        return Ok(wanted.into());
    }
    let help = suggestion(wanted, all.iter().map(|it| it.id.as_str()));
    Err(Failure::CommandLine(anyhow!(
        "there is no trusted issuer {}: {help}",
        quoted(wanted)
    )))
}
