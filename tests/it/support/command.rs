//! The program, as a process of its own.

use std::process::Output;

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
