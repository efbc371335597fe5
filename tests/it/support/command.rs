//! The program, as a process of its own.

use std::process::{Output, Stdio};

use tokio::io::AsyncWriteExt as _;

use super::provider::CLIENT_SECRET;

/// Runs `doorward` with these arguments, and waits for its end. The secrets are those of
/// [`CONFIGURATION`](super::broker::CONFIGURATION).
pub(crate) async fn doorward(arguments: &[&str], client_secret: &str) -> Output {
    tokio::process::Command::new(env!("CARGO_BIN_EXE_doorward"))
        .args(arguments)
        .env(
            "SEALING_KEY",
            "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",
        )
        .env("CLIENT_SECRET", client_secret)
        .env("NO_COLOR", "1")
        .output()
        .await
        .expect("it runs")
}

/// The same with something on standard input.
pub(crate) async fn doorward_with_input(arguments: &[&str], input: &str) -> Output {
    let mut process = tokio::process::Command::new(env!("CARGO_BIN_EXE_doorward"))
        .args(arguments)
        .env(
            "SEALING_KEY",
            "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",
        )
        .env("CLIENT_SECRET", CLIENT_SECRET)
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut to = process.stdin.take().expect("a pipe");
    to.write_all(input.as_bytes()).await.expect("written");
    drop(to);
    process.wait_with_output().await.expect("it ends")
}
