//! `doorward explain`: asks the check one question, and says who decided what and why.
//!
//! Invariants: the answer is that of [`Gate`], the very code that `serve` asks; nothing is written anywhere;
//! what is given in `--cookie`, `--header`, `--headers-from` and `--bearer-file` is never repeated.

mod ask;
mod endpoint;
mod question;
mod report;
mod why;

use std::sync::Arc;

use anyhow::Context as _;
use clap::ValueEnum;

use super::{ConfigFile, Failure, load, say, serve, start};
use crate::access::{Assertions, Credentials, Gate, Limiter, Shared, Verdict};
use crate::config::{Config, Limits};
use crate::ports::{Clock, SecureRandom, SystemClock, SystemRandom};
use crate::sessions::{AppSessions, Sessions};
use crate::signing::Signing;
use crate::storage::Store;
use crate::storage::sealing::SealingKeys;
use crate::storage::sqlite::SqliteStore;
use crate::tenants::{Directory, LiveDirectory};
use ask::Outcome;
use endpoint::Endpoint;
use question::{Question, ShownCookie};

/// What to ask.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The question is put as your proxy would put it, without asking Doorward or the proxy. \
                  The database is looked into only where a cookie, key or password is given, and never changed; uses of the \
                  last minute may not be in it yet.\n\n\
                  Without --endpoint it is `forwarding` for an app that Doorward forwards to, `auth` for a \
                  proxy with `target_headers`, `forward-auth` for any other trusted one. The answer says \
                  which it was.\n\n\
                  Exit status: 0 the request may pass, 3 it may not, or Doorward itself answers it, 1 failed, \
                  2 the command line or the configuration is wrong.\n\n\
                  Examples:\n  \
                  doorward explain --url https://wiki.example.com/page\n  \
                  doorward explain --url https://wiki.example.com/api --method POST --header 'Accept: */*'\n  \
                  doorward explain --url https://wiki.example.com/ --endpoint ext-authz --cookie \"$(pbpaste)\""
)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
    /// The address that is asked for, as the browser shows it.
    #[arg(long, value_name = "ADDRESS")]
    url: String,
    /// Its method.
    #[arg(long, default_value = "GET", value_name = "METHOD")]
    method: String,
    /// A further header of the request, `Name: value`. Can be given several times. Without `Accept` and
    /// `Sec-Fetch-Mode` it is a person opening a page.
    #[arg(long, value_name = "HEADER", allow_hyphen_values = true)]
    header: Vec<String>,
    /// What a browser shows that is signed in: the value of its cookie `__Host-dwa` (where hosts share one,
    /// `__Secure-dwd-` and the tenant's id), or the whole `Cookie` header.
    #[arg(long, value_name = "COOKIE", allow_hyphen_values = true)]
    cookie: Option<String>,
    /// A file with further headers, one on each line; `-` for standard input. For what must not be seen: a token,
    /// a key, a name with its password. Nothing of it is repeated.
    #[arg(long, value_name = "FILE")]
    headers_from: Option<std::path::PathBuf>,
    /// A file with a bearer token that the request shows; `-` is standard input. Never the token itself: a command
    /// line is everybody's to read. Its issuer's keys are fetched, and an issuer of opaque tokens is asked.
    #[arg(long, value_name = "FILE")]
    bearer_file: Option<std::path::PathBuf>,
    /// How the check is asked: by the address that your proxy's configuration names, or by no proxy.
    #[arg(long, value_name = "ENDPOINT")]
    endpoint: Option<Endpoint>,
    /// The address of the proxy that asks. The first trusted one that fits otherwise.
    #[arg(long, value_name = "IP")]
    proxy: Option<std::net::IpAddr>,
    /// For people or for programs.
    #[arg(long, default_value = "text", value_name = "FORMAT")]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Asks, and says what came of it.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (config, directory) = load(&arguments.file.config)?;
    let question = Question::read(arguments, &config, &directory).map_err(Failure::CommandLine)?;
    let known: Vec<String> = known_hosts(&directory);
    let (outcome, seen) = serve::runtime()?.block_on(async {
        let gate = gate(&config, directory, &question).await?;
        Ok::<_, Failure>(ask::ask(&gate, &question).await)
    })?;
    if let Outcome::Judged(Verdict::Unavailable(error)) = &outcome {
        return Err(
            anyhow::anyhow!("it cannot be told whether somebody is signed in: {error}").into(),
        );
    }
    let answer = report::Answer::new(&config, &question, &outcome, &seen, &known);
    match arguments.output {
        Output::Text => say(&answer.text()),
        Output::Json => say(&answer.json()),
    }
    if answer.allowed {
        Ok(())
    } else {
        Err(Failure::NotAllowed)
    }
}

fn known_hosts(directory: &Directory) -> Vec<String> {
    let apps = directory.tenants().iter().flat_map(|tenant| &tenant.apps);
    apps.flat_map(|app| app.hosts.iter().map(ToString::to_string))
        .collect()
}

/// What answers checks here: as in `serve`, but that nothing is counted.
async fn gate(config: &Config, directory: Directory, question: &Question) -> Result<Gate, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let needed = question.shown_cookie != ShownCookie::None || question.shows_credential;
    let store = open(config, needed).await?;
    // How often others asked is not known here.
    let limits = Limits {
        enabled: false,
        ..config.limits
    };
    let limiter = Arc::new(Limiter::new(&limits, &clock));
    let random: Arc<dyn SecureRandom> = Arc::new(SystemRandom);
    let shared = Shared {
        store: Arc::clone(&store),
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
        limiter: Arc::clone(&limiter),
    };
    let (outside, revocations) = start::outside(config, &clock);
    let credentials = Credentials::new(shared, &outside, &revocations);
    if question.shows_credential {
        let heard = credentials.poll().await;
        heard.context("API keys cannot be judged")?;
        let heard = credentials.poll_revocations().await;
        heard.map_err(|error| anyhow::anyhow!("revoked tokens cannot be looked for: {error}"))?;
    }
    let signing = Signing::new(Arc::clone(&store), Arc::clone(&clock));
    // Without news nothing is signed, and the answer says so.
    let _ = signing.poll().await;
    let sessions = Sessions::new(store, Arc::clone(&clock), Arc::clone(&random));
    Ok(Gate {
        directory: Arc::new(LiveDirectory::new(directory)),
        sessions: AppSessions::new(&sessions, 1),
        credentials,
        assertions: Assertions {
            signing: Arc::new(signing),
            clock,
            random,
        },
        limiter,
    })
}

/// The database, if the question is about a session, or about what the request shows.
async fn open(config: &Config, needed: bool) -> Result<Arc<dyn Store>, anyhow::Error> {
    let keys = SealingKeys::new(&config.storage.sealing_keys)?;
    let path = &config.storage.sqlite;
    let random = Arc::new(SystemRandom);
    if needed {
        Ok(Arc::new(SqliteStore::look_into(path, keys, random).await?))
    } else {
        Ok(Arc::new(SqliteStore::unopened(path, keys, random)))
    }
}
