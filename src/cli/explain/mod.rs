//! `doorward explain`: asks the check one question, and says who decided what and why.
//!
//! Invariants: the answer is that of [`Gate`], the very code that `serve` asks; nothing is written anywhere;
//! what is given in `--cookie` and `--header` is never repeated.

mod question;
mod report;

use std::sync::Arc;

use clap::ValueEnum;

use super::{ConfigFile, Failure, load, say, serve};
use crate::access::{CheckRequest, Dialect, Gate, Limiter, Verdict, Witness};
use crate::config::{Config, Limits};
use crate::domain::host::Host;
use crate::domain::identity::Person;
use crate::domain::policy::{Rule, Target};
use crate::domain::tenant::{ProtectedApp, Tenant};
use crate::ports::{Clock, SystemClock, SystemRandom};
use crate::sessions::{AppSessions, Sessions};
use crate::storage::Store;
use crate::storage::sealing::SealingKeys;
use crate::storage::sqlite::SqliteStore;
use crate::tenants::{AppAt, Directory, LiveDirectory};
use crate::web::cookies;
use question::Question;

/// What to ask.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The question is put as your proxy would put it, without asking Doorward or the proxy. \
                  The database is looked into only where --cookie is given, and never changed; uses of the \
                  last minute may not be in it yet.\n\n\
                  Exit status: 0 the request may pass, 3 it may not, 1 failed, 2 the command line or the \
                  configuration is wrong.\n\n\
                  Examples:\n  \
                  doorward explain --url https://wiki.example.com/page\n  \
                  doorward explain --url https://wiki.example.com/api --method POST --header 'Accept: */*'\n  \
                  doorward explain --url https://wiki.example.com/ --cookie \"$(pbpaste)\""
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
    /// The cookie `__Host-dwa` of a browser: its value, or the whole header.
    #[arg(long, value_name = "COOKIE", allow_hyphen_values = true)]
    cookie: Option<String>,
    /// The address of the proxy that asks. The first trusted one otherwise.
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

/// What was seen of the check.
#[derive(Debug, Default)]
struct Seen {
    place: Option<Place>,
    person: Option<Person>,
}

/// Where the question led.
#[derive(Debug)]
struct Place {
    tenant: Arc<Tenant>,
    /// Index in the tenant's apps.
    app: usize,
    host: Host,
    /// Index in the app's rules.
    rule: Option<usize>,
}

impl Place {
    fn app(&self) -> Option<&ProtectedApp> {
        self.tenant.apps.get(self.app)
    }

    fn rule(&self) -> Option<&Rule> {
        self.app()?.policy.rules().get(self.rule?)
    }
}

impl Witness for Seen {
    fn found(&mut self, at: AppAt<'_>, host: &Host) {
        self.place = Some(Place {
            tenant: Arc::clone(at.tenant),
            app: at.index,
            host: host.clone(),
            rule: None,
        });
    }

    fn asked(&mut self, app: &ProtectedApp, target: Target<'_>) {
        if let Some(place) = &mut self.place {
            place.rule = app.policy.covering(target).map(|(index, _)| index);
        }
    }

    fn recognized(&mut self, person: &Person) {
        self.person = Some(person.clone());
    }
}

/// Asks, and says what came of it.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (config, directory) = load(&arguments.file.config)?;
    let question = Question::read(arguments, &config).map_err(Failure::CommandLine)?;
    let known: Vec<String> = known_hosts(&directory);
    let (verdict, seen) = serve::runtime()?.block_on(ask(&config, directory, &question))?;
    if let Verdict::Unavailable(error) = &verdict {
        return Err(
            anyhow::anyhow!("it cannot be told whether somebody is signed in: {error}").into(),
        );
    }
    let answer = report::Answer::new(&config, &question, &verdict, &seen, &known);
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

async fn ask(
    config: &Config,
    directory: Directory,
    question: &Question,
) -> Result<(Verdict, Seen), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let store = open(config, question.has_cookie).await?;
    let sessions = Sessions::new(store, Arc::clone(&clock), Arc::new(SystemRandom));
    let gate = Gate {
        directory: Arc::new(LiveDirectory::new(directory)),
        sessions: AppSessions::new(&sessions, 1),
        // How often others asked is not known here.
        limiter: Arc::new(Limiter::new(
            &Limits {
                enabled: false,
                ..config.limits
            },
            &clock,
        )),
    };
    let request = CheckRequest {
        headers: &question.headers,
        dialect: Dialect::OAuth2Proxy { limits: None },
        peer: question.peer,
        app_session: cookies::app_session(&question.headers),
        parent_session: cookies::parent_session,
    };
    let mut seen = Seen::default();
    let verdict = gate.check(&request, &mut seen).await;
    Ok((verdict, seen))
}

/// The database, if the question is about a session.
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
