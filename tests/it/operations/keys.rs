//! `doorward keys`, as a process of its own beside a broker that runs.

use std::process::Output;

use doorward::ports::{Clock as _, SystemClock};
use rstest::rstest;
use serde_json::Value;

use crate::support::broker::Broker;
use crate::support::command::doorward;
use crate::support::provider::CLIENT_SECRET;
use crate::support::tampering::Database;

async fn keys(broker: &Broker, arguments: &[&str]) -> Output {
    let file = broker.file();
    let file = ["--config", file.to_str().expect("a plain path")];
    doorward(&[&["keys"], arguments, &file].concat(), CLIENT_SECRET).await
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("text")
}

async fn list(broker: &Broker) -> Value {
    let output = keys(broker, &["list", "acme", "--output", "json"]).await;
    serde_json::from_str(&text(&output)).expect("JSON")
}

fn shown(broker: &Broker) -> Value {
    let acme = "acme".parse().expect("a name");
    broker.door.parts.signing.key_set(&acme).expect("keys")
}

/// A broker by the same clock as the command.
async fn start() -> Broker {
    let broker = Broker::start().await;
    broker.clock.step_to(SystemClock::new().now());
    broker.door.upkeep().await;
    broker.door.housekeeping().await;
    broker
}

#[tokio::test]
async fn a_key_is_made_and_taken_up_by_the_servers_that_run() {
    let broker = start().await;
    let before = list(&broker).await;
    assert_eq!(before.as_array().map(Vec::len), Some(1));
    assert_eq!(before[0]["algorithm"], "ES256");
    let rotated = text(&keys(&broker, &["rotate", "acme"]).await);
    assert!(
        rotated.contains("is published now and signs from"),
        "{rotated}"
    );
    assert!(rotated.lines().all(|line| line.len() <= 120), "{rotated}");
    broker.door.upkeep().await;
    assert_eq!(shown(&broker)["keys"].as_array().map(Vec::len), Some(2));
    let after = list(&broker).await;
    assert_eq!(after[0]["kid"], before[0]["kid"]);
    assert_eq!(after[0]["signs_until"], after[1]["signs_from"]);
    assert_eq!(after[1]["phase"], "published");
    // The one that waits is all that is wanted.
    let again = text(&keys(&broker, &["rotate", "acme"]).await);
    assert!(again.contains("Nothing was done"), "{again}");
    assert_eq!(list(&broker).await, after);
}

#[tokio::test]
async fn a_leaked_key_is_replaced_at_once() {
    let broker = start().await;
    let leaked = shown(&broker);
    let said = text(&keys(&broker, &["rotate", "acme", "--at-once"]).await);
    assert!(said.contains("are deleted"), "{said}");
    broker.door.upkeep().await;
    let now = shown(&broker);
    assert_eq!(now["keys"].as_array().map(Vec::len), Some(1));
    assert_ne!(now["keys"][0]["kid"], leaked["keys"][0]["kid"]);
}

#[tokio::test]
async fn a_misspelt_tenant_is_put_right() {
    let broker = Broker::start().await;
    let output = keys(&broker, &["rotate", "acne"]).await;
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(
        said.contains("there is no tenant `acne`: did you mean `acme`?"),
        "{said}"
    );
}

/// A command that is newer than the server leaves the server's database as it is.
#[rstest]
#[case::rotated(&["keys", "rotate", "acme"])]
#[case::key_made(&["api-keys", "create", "acme", "--name", "nightly"])]
#[case::key_revoked(&["api-keys", "revoke", "acme", "nightly"])]
#[case::listed(&["keys", "list", "acme"])]
#[tokio::test]
async fn a_command_migrates_nothing(#[case] arguments: &[&str]) {
    let broker = start().await;
    let mut database = Database::of(&broker).await;
    database
        .run(
            "DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)",
        )
        .await;
    let before = database.rows("_sqlx_migrations").await;
    let file = broker.file();
    let file = ["--config", file.to_str().expect("a plain path")];
    let output = doorward(&[arguments, &file].concat(), CLIENT_SECRET).await;
    let trouble = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{trouble}");
    assert!(trouble.contains("start `doorward serve` once"), "{trouble}");
    assert_eq!(database.rows("_sqlx_migrations").await, before);
    database.close().await;
}
