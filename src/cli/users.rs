//! `doorward users`: what the users of a tenant's own need.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::process::{Command as Process, Stdio};

use anyhow::{Context as _, bail};
use secrecy::zeroize::Zeroizing;

use super::{Failure, say};
use crate::config::{SALT, hash_password};
use crate::ports::{SecureRandom, SystemRandom};

/// Longest password that is read, in bytes: what an `Authorization` header of ours holds.
const LONGEST: u64 = 1024;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Print the hash of a password, for `password_hash` of [[tenants.users]]. Asks at a terminal, else reads one
    /// line from standard input; never give a password as an argument, where every user of the machine can see it.
    Hash,
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Hash => hash(),
    }
}

fn hash() -> Result<(), Failure> {
    let password = if std::io::stdin().is_terminal() {
        let password = ask("Password: ")?;
        if *password != *ask("Again: ")? {
            return Err(wrong("the two are not the same"));
        }
        password
    } else {
        piped()?
    };
    if password.is_empty() {
        return Err(wrong("the password is empty"));
    }
    if password.chars().any(char::is_control) {
        return Err(wrong(
            "the password has control characters in it, which nobody could show (RFC 7617 §2)",
        ));
    }
    let random: &dyn SecureRandom = &SystemRandom;
    let hash = hash_password(password.as_bytes(), random.array::<SALT>());
    say(&hash.context("the password cannot be hashed")?);
    Ok(())
}

fn wrong(why: &'static str) -> Failure {
    Failure::CommandLine(anyhow::anyhow!(why))
}

/// One line, without its end.
fn piped() -> Result<Zeroizing<String>, anyhow::Error> {
    let mut text = Zeroizing::new(String::new());
    let mut input = std::io::stdin().lock().take(LONGEST + 2);
    input
        .read_to_string(&mut text)
        .context("standard input is not text in UTF-8")?;
    without_line_break(&mut text);
    if text.len() as u64 > LONGEST {
        bail!("the password is longer than {LONGEST} bytes");
    }
    if text.contains('\n') {
        bail!("there is more than one line on standard input");
    }
    Ok(text)
}

fn without_line_break(text: &mut String) {
    let kept = text.strip_suffix('\n').unwrap_or(text);
    let kept = kept.strip_suffix('\r').unwrap_or(kept).len();
    text.truncate(kept);
}

/// What is typed, without showing it.
fn ask(prompt: &str) -> Result<Zeroizing<String>, anyhow::Error> {
    let mut out = std::io::stderr().lock();
    let _ = write!(out, "{prompt}");
    let _ = out.flush();
    let hidden = echo("-echo");
    let mut line = Zeroizing::new(String::new());
    let read = std::io::stdin().lock().read_line(&mut line);
    if hidden {
        echo("echo");
        let _ = writeln!(out);
    }
    read.context("the terminal cannot be read")?;
    without_line_break(&mut line);
    Ok(line)
}

/// Whether the terminal does it.
fn echo(mode: &str) -> bool {
    let mut process = Process::new("stty");
    process.arg(mode).stdin(Stdio::inherit());
    process.stdout(Stdio::null()).stderr(Stdio::null());
    process.status().is_ok_and(|status| status.success())
}
