//! What the command line says of tokens, as processes of their own beside a broker that runs.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use super::*;
use crate::support::command::doorward;
use crate::support::provider::CLIENT_SECRET;

const ISSUER: &str = "https://issuer.example";

/// On the clock of this machine, which the commands go by.
fn token(changes: Value) -> String {
    let claims = json!({
        "iss": ISSUER, "aud": "orders", "sub": "ana", "azp": "shop", "scope": "read", "exp": 4_000_000_000_i64,
    });
    signed(&with(&claims, changes))
}

fn at_hand() -> String {
    format!(
        "issuer = \"{ISSUER}\"\naudiences = [\"orders\"]\n{}",
        keys()
    )
}

async fn explained(broker: &Broker, token: &str) -> (Option<i32>, Value) {
    let file = broker.folder.path().join("token");
    std::fs::write(&file, format!("{token}\n")).expect("a file");
    let configuration = broker.file();
    let url = broker.url(API, "/");
    let arguments = [
        "explain",
        "--config",
        configuration.to_str().expect("a plain path"),
        "--url",
        &url,
        "--bearer-file",
        file.to_str().expect("a plain path"),
        "--output",
        "json",
    ];
    let output = doorward(&arguments, CLIENT_SECRET).await;
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(!text.contains(token));
    let said = serde_json::from_str(&text).unwrap_or_else(|_| {
        let trouble = String::from_utf8_lossy(&output.stderr);
        panic!("no JSON: {text} {trouble}")
    });
    (output.status.code(), said)
}

#[tokio::test]
async fn explain_says_which_issuer_decided_and_why() {
    let broker = trusting(&at_hand()).await;
    let (code, said) = explained(&broker, &token(json!({}))).await;
    assert_eq!(code, Some(0), "{said}");
    let person = said["person"].as_str().expect("a caller");
    for part in [
        "token of ana",
        "by the issuer it",
        "the client shop",
        "the scopes read",
    ] {
        assert!(person.contains(part), "{person}");
    }
    let (code, said) = explained(&broker, &token(json!({"aud": "invoices"}))).await;
    assert_eq!(code, Some(3));
    assert_eq!(said["status"], 401);
    let because = said["because"].as_str().expect("a reason");
    assert_eq!(because, "issuer it: the audience in `/aud` is not ours");
}

#[tokio::test]
async fn a_command_revokes_what_servers_refuse_from_then_on() {
    let broker = trusting(&at_hand()).await;
    let issued = time::OffsetDateTime::from(std::time::SystemTime::UNIX_EPOCH).unix_timestamp();
    let token = token(json!({"iat": issued}));
    assert_eq!(shown(&broker, &token).await, StatusCode::ACCEPTED);
    let configuration = broker.file();
    let configuration = configuration.to_str().expect("a plain path");
    let revoke = |issuer: &'static str| {
        let arguments = [
            "tokens",
            "revoke",
            "acme",
            "--config",
            configuration,
            "--issuer",
            issuer,
            "--subject",
            "ana",
        ];
        async move { doorward(&arguments, CLIENT_SECRET).await }
    };
    let unknown = revoke("its").await;
    assert_eq!(unknown.status.code(), Some(2));
    let told = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(told.contains("there is no trusted issuer"), "{told}");
    let done = revoke("it").await;
    assert!(done.status.success(), "{done:?}");
    broker.advance(Duration::from_secs(1)).await;
    assert_eq!(shown(&broker, &token).await, StatusCode::UNAUTHORIZED);
}
