//! The commands.
//!
//! What a command prints for people goes to standard output; logs and faults go to standard error. Exit
//! statuses: 0 done, 1 failed, 2 the command line or the configuration is wrong, 3 `explain` says no.

mod api_keys;
mod check;
pub mod demo;
mod explain;
mod keys;
mod of_tenant;
mod provider;
pub mod reload;
mod serve;
pub mod start;
mod tokens;
mod users;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{
    Config, Draft, Environment as _, Fault, Faults, Style, SystemEnvironment, load_checked,
};
use crate::providers::Presets;
use crate::tenants::Directory;

/// One door between identity providers and the apps behind them.
#[derive(Debug, Parser)]
#[command(
    name = "doorward",
    version,
    about = "One door between identity providers and the apps behind them.",
    long_about = "Doorward signs people in at the identity providers they already have, and tells the apps \
                  behind your reverse proxy who is calling.\n\n\
                  New here? Run `doorward demo` and open the address it prints.",
    after_help = "Exit status: 0 done, 1 failed, 2 the command line or the configuration is wrong.\n\
                  Secrets are never part of a configuration: it names environment variables or files.",
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve logins and checks, as the configuration says. SIGTERM and Ctrl-C stop it without losing anything.
    Serve(ConfigFile),
    /// Check a configuration and say all that is wrong with it. Changes nothing, asks no provider.
    Check(ConfigFile),
    /// Say which app, rule and person decide about one request, and why. Asks nobody, changes nothing.
    Explain(explain::Arguments),
    /// Say which presets for providers there are and what each does, or try the providers of a configuration.
    #[command(subcommand)]
    Provider(provider::Command),
    /// Make API keys of a tenant, show how they stand, renew and revoke them. Works beside a server that runs.
    #[command(subcommand)]
    ApiKeys(api_keys::Command),
    /// Make the hashes of passwords that a configuration holds.
    #[command(subcommand)]
    Users(users::Command),
    /// Show the keys that sign what a tenant issues, or make a new one.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Take tokens of trusted issuers no more.
    #[command(subcommand)]
    Tokens(tokens::Command),
    /// Print the JSON Schema of the configuration, for editors.
    Schema {
        /// A folder with presets of your own, whose settings are added.
        #[arg(long, value_name = "FOLDER")]
        providers_folder: Option<PathBuf>,
    },
    /// Try it: two organizations, a provider, two apps each, all in this process, on loopback, without a network.
    Demo {
        /// Port to open in the browser. The next free one is taken if it is in use.
        #[arg(long, default_value_t = 8080, value_name = "PORT")]
        port: u16,
    },
}

#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration, TOML. See docs/configuration.md.
    #[arg(
        short,
        long = "config",
        env = "DOORWARD_CONFIG",
        default_value = "/etc/doorward/doorward.toml",
        value_name = "FILE"
    )]
    config: PathBuf,
}

/// Reads the command line and does what it says.
#[must_use]
pub fn run() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Check(file) => check::run(&file.config),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Provider(command) => provider::run(&command),
        Command::Keys(command) => keys::run(&command),
        Command::Tokens(command) => tokens::run(&command),
        Command::Serve(file) => serve::run(&file.config),
        Command::ApiKeys(command) => api_keys::run(&command),
        Command::Users(command) => users::run(&command),
        Command::Schema { providers_folder } => schema(providers_folder.as_deref()),
        Command::Demo { port } => demo::run(port),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Configuration(faults)) => {
            say_faults(&faults);
            ExitCode::from(2)
        }
        Err(Failure::CommandLine(error)) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
        Err(Failure::NotAllowed) => ExitCode::from(3),
        Err(Failure::Other(error)) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Why a command did not do what it should.
#[derive(Debug)]
enum Failure {
    Configuration(Faults),
    CommandLine(anyhow::Error),
    /// `explain` has said why.
    NotAllowed,
    Other(anyhow::Error),
}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        Self::Configuration(faults)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Other(error.into())
    }
}

/// A configuration that has no fault, and what it comes to.
fn load(file: &Path) -> Result<(Config, Directory), Failure> {
    let (loaded, _) = load_checked(file, &SystemEnvironment, |draft| judge(draft, 1));
    Ok(loaded?)
}

/// What needs more than the file itself: presets, and tenants held against each other.
fn judge(draft: &Draft, version: u64) -> (Directory, Vec<Fault>) {
    let (presets, mut faults) = Presets::read(draft.server.providers_folder.as_deref());
    let (directory, found) = Directory::judge(&draft.server, &draft.tenants, &presets, version);
    faults.extend(found);
    (directory, faults)
}

fn schema(providers_folder: Option<&Path>) -> Result<(), Failure> {
    say(Presets::load(providers_folder)?
        .configuration_schema()
        .trim_end());
    Ok(())
}

fn style() -> Style {
    let plain = SystemEnvironment
        .variable("NO_COLOR")
        .is_some_and(|value| !value.is_empty());
    if std::io::stderr().is_terminal() && !plain {
        Style::Colour
    } else {
        Style::Plain
    }
}

fn say_faults(faults: &Faults) {
    let _ = writeln!(std::io::stderr(), "{}", faults.render(style()));
}

fn say_warnings(config: &Config) {
    for warning in &config.warnings {
        let _ = writeln!(std::io::stderr(), "{}", warning.render(style()));
    }
}

/// For people: to standard output.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}
