//! `doorward provider test`: tries a provider without a person, and prints a list to go through.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::json;

use crate::cli::{ConfigFile, Failure, load, say, serve};
use crate::config::{Config, quoted, suggestion};
use crate::domain::tenant::Tenant;
use crate::domain::upstream_provider::UpstreamProvider;
use crate::jose::KeySets;
use crate::outbound::{FetchCounts, HttpClients, OutboundSettings};
use crate::ports::{Clock, SystemClock, SystemRandom};
use crate::relying_party::RelyingParty;
use crate::relying_party::begin_login::WAITING;
use crate::relying_party::trial::{Finding, Step};
use crate::storage::sealing::SealingKeys;
use crate::storage::sqlite::SqliteStore;
use crate::tenants::Directory;

/// Somebody waits in front of the screen, and a provider that is slower than a login allows is worth knowing.
const DEADLINE: Duration = Duration::from_secs(5);

/// What to try.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What is sent is what a login sends: an authorization request that nobody shall be asked \
                  anything for (`prompt=none`), and a token request with a made-up code; each a second time \
                  with an address, or a secret, that cannot be right, because a provider that refuses those \
                  has looked at yours. That leaves a failed attempt in the provider's log. No token is kept, \
                  nobody is signed in, and the database is not opened.\n\n\
                  \x20 ok     as it must be\n  \
                  look   may work, and should be looked at\n  \
                  WRONG  no login can work like this\n  \
                  open   cannot be told without a person\n\n\
                  Exit status: 0 nothing is wrong, 1 something is, 2 the command line or the configuration is \
                  wrong.\n\n\
                  Examples:\n  \
                  doorward provider test\n  \
                  doorward provider test acme/keycloak --config doorward.toml"
)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
    /// Which, by the ids of tenant and provider: `acme/keycloak`. All of them otherwise.
    #[arg(value_name = "TENANT/PROVIDER")]
    names: Vec<String>,
    /// For people or for programs.
    #[arg(long, default_value = "text", value_name = "FORMAT")]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// A provider that was tried.
struct Tried<'a> {
    tenant: &'a Tenant,
    provider: &'a UpstreamProvider,
    steps: Vec<Step>,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (config, directory) = load(&arguments.file.config)?;
    let chosen = chosen(&directory, &arguments.names).map_err(Failure::CommandLine)?;
    let tried = serve::runtime()?.block_on(async {
        let relying_party = relying_party(&config)?;
        let mut tried = Vec::new();
        for (tenant, provider) in chosen {
            let steps = relying_party.try_out(tenant, provider).await;
            tried.push(Tried {
                tenant,
                provider,
                steps,
            });
        }
        Ok::<_, Failure>(tried)
    })?;
    match arguments.output {
        Output::Text => say(text(&tried).trim_end()),
        Output::Json => say(&json(&tried)),
    }
    let all_steps = tried.iter().flat_map(|tried| &tried.steps);
    match all_steps
        .filter(|step| step.finding == Finding::Wrong)
        .count()
    {
        0 => Ok(()),
        1 => Err(anyhow::anyhow!("one thing is wrong: see above").into()),
        wrong => Err(anyhow::anyhow!("{wrong} things are wrong: see above").into()),
    }
}

type Chosen<'a> = Vec<(&'a Tenant, &'a UpstreamProvider)>;

/// The providers of these names, in their order; all without names.
fn chosen<'a>(directory: &'a Directory, names: &[String]) -> Result<Chosen<'a>, anyhow::Error> {
    let all = || {
        let tenants = directory.tenants().iter();
        tenants.flat_map(|tenant| tenant.providers.iter().map(|it| (&**tenant, it)))
    };
    if names.is_empty() {
        return Ok(all().collect());
    }
    let called = |(tenant, provider): &(&Tenant, &UpstreamProvider)| {
        format!("{}/{}", tenant.id, provider.id)
    };
    let found = names.iter().map(|name| {
        all().find(|it| called(it) == *name).ok_or_else(|| {
            let known: Vec<String> = all().map(|it| called(&it)).collect();
            let help = suggestion(name, known.iter().map(String::as_str));
            anyhow::anyhow!("there is no provider {}: {help}", quoted(name))
        })
    });
    found.collect()
}

/// What signs people in, on a store that is never opened: nothing here is remembered.
fn relying_party(config: &Config) -> Result<RelyingParty, anyhow::Error> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let random = Arc::new(SystemRandom);
    let keys = SealingKeys::new(&config.storage.sealing_keys)?;
    let observer = Arc::new(FetchCounts::default());
    Ok(RelyingParty {
        http: HttpClients::new(OutboundSettings {
            development: config.server.development,
            deadline: DEADLINE,
            ..OutboundSettings::default()
        }),
        documents: crate::providers::metadata_cache(Arc::clone(&clock), observer.clone()),
        key_sets: Arc::new(KeySets::new(Arc::clone(&clock), observer)),
        store: Arc::new(SqliteStore::unopened(
            &config.storage.sqlite,
            keys,
            random.clone(),
        )),
        clock,
        random,
        waiting: WAITING,
    })
}

const fn word(finding: Finding) -> &'static str {
    match finding {
        Finding::Fine => "ok",
        Finding::Doubtful => "look",
        Finding::Wrong => "WRONG",
        Finding::Open => "open",
    }
}

/// For people. Writing to a `String` cannot fail.
fn text(tried: &[Tried<'_>]) -> String {
    let mut out = String::new();
    for Tried {
        tenant,
        provider,
        steps,
    } in tried
    {
        let (of, at) = (&tenant.id, &provider.id);
        let _ = writeln!(
            out,
            "{of}/{at} ({}, preset {})",
            provider.name, provider.preset
        );
        for step in steps {
            let _ = writeln!(
                out,
                "  {:<6} {:<14} {}",
                word(step.finding),
                step.what,
                step.seen
            );
            if let Some(advice) = &step.advice {
                let _ = writeln!(out, "{:24}-> {advice}", "");
            }
        }
        if !steps.iter().any(|step| step.finding == Finding::Wrong) {
            let begin = tenant.base.address(&format!("/login/{at}"));
            let _ = writeln!(
                out,
                "  {:<6} {:<14} sign in once: {begin}",
                "open", "a person"
            );
        }
        out.push('\n');
    }
    out
}

/// For programs.
fn json(tried: &[Tried<'_>]) -> String {
    let step = |step: &Step| {
        json!({
            "what": step.what,
            "finding": word(step.finding).to_ascii_lowercase(),
            "seen": step.seen,
            "advice": step.advice,
        })
    };
    let tried = tried.iter().map(|tried| {
        json!({
            "tenant": tried.tenant.id.as_str(),
            "provider": tried.provider.id.as_str(),
            "preset": tried.provider.preset,
            "steps": tried.steps.iter().map(step).collect::<Vec<_>>(),
        })
    });
    json!(tried.collect::<Vec<_>>()).to_string()
}
