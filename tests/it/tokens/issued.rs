//! Introspection (RFC 7662) and revocation (RFC 7009) of tokens of ours.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use doorward::jose::TokenFacts;
use http::Response;
use rstest::rstest;
use serde_json::json as value;

use super::{
    AT_ACME, AT_GLOBEX, SECRET, access_token, ask, error, json, post, verified, with, with_all,
};
use crate::support::audit;
use crate::support::broker::{Broker, Setup};
use crate::support::nodes::{ACME, Node};
use crate::support::raw;
use crate::support::tampering::Database;

/// Resource servers: `orders` is the one that the usual tokens are for.
const RESOURCES: &str = r#"
[[tenants.machine_clients]]
id = "orders"
secrets = [{ env = "NEXT_SEALING_KEY" }]
introspects = ["https://api.example.com"]

[[tenants.machine_clients]]
id = "invoices"
secrets = [{ env = "NEXT_SEALING_KEY" }]
introspects = ["https://invoices.example.com"]
"#;

async fn about(broker: &Broker, at: (&str, &str), client: &str, token: &str) -> Response<Bytes> {
    let form = [
        ("client_id", client),
        ("client_secret", SECRET),
        ("token", token),
    ];
    post(broker, at, "/introspect", &[], &form).await
}

async fn is_active(broker: &Broker, token: &str) -> bool {
    let answer = about(broker, AT_ACME, "orders", token).await;
    assert_eq!(answer.status(), 200);
    json(&answer)["active"].as_bool().expect("true or false")
}

async fn revoke(broker: &Broker, client: &str, token: &str) -> Response<Bytes> {
    let form = [
        ("client_id", client),
        ("client_secret", SECRET),
        ("token", token),
    ];
    post(broker, AT_ACME, "/revoke", &[], &form).await
}

async fn token(broker: &Broker) -> String {
    access_token(&ask(broker, "report", SECRET, &[]).await)
}

/// An app that trusts the tenant as an issuer judges its tokens like anybody's, in whatever process.
#[tokio::test]
async fn a14_a_revoked_token_of_ours_is_refused_as_one_of_a_trusted_issuer() {
    let first = with(RESOURCES).await;
    let (clock, folder) = (Arc::clone(&first.clock), Arc::clone(&first.folder));
    let setup = Setup {
        configuration: std::fs::read_to_string(first.file()).expect("a file"),
        ..Setup::default()
    };
    let second = Broker::on(setup, clock, Arc::clone(&first.provider), folder).await;
    let token = token(&first).await;
    let claims = verified(&first, AT_ACME, &token).await;
    let facts = TokenFacts {
        issuer: claims["iss"].as_str().expect("text").into(),
        id: claims["jti"].as_str().map(Into::into),
        ..TokenFacts::default()
    };
    let tenant = "acme".parse().expect("a name");
    let refused = |broker: &Broker| broker.door.parts.revocations.refuses(&tenant, &facts);
    assert!(!refused(&first) && !refused(&second));
    assert_eq!(revoke(&first, "report", &token).await.status(), 200);
    assert!(refused(&first), "here at once");
    second.door.upkeep().await;
    assert!(refused(&second));
    // Whoever knows nothing but what is stored for trusted issuers hears of it too.
    let store = &first.door.parts.store;
    let (_, stored) = store.token_revocations_since(0).await.expect("read");
    assert_eq!(stored.len(), 1);
    // Once more changes nothing.
    assert_eq!(revoke(&first, "report", &token).await.status(), 200);
    let (_, stored) = store.token_revocations_since(0).await.expect("read");
    assert_eq!(stored.len(), 1);
}

#[tokio::test]
async fn a_resource_server_is_told_what_stands_in_a_token() {
    let broker = with(RESOURCES).await;
    let token = token(&broker).await;
    let told = json(&about(&broker, AT_ACME, "orders", &token).await);
    assert_eq!(told["active"], true);
    assert_eq!(told["token_type"], "Bearer");
    assert_eq!(told["iss"], broker.url(ACME, ""));
    assert_eq!(told["sub"], "report");
    assert_eq!(told["client_id"], "report");
    assert_eq!(told["aud"], "https://api.example.com");
    assert_eq!(told["scope"], "orders.read orders.write");
    assert_eq!(
        told["exp"].as_i64(),
        told["iat"].as_i64().map(|at| at + 600)
    );
    broker.advance(Duration::from_secs(599)).await;
    assert!(is_active(&broker, &token).await);
    broker.advance(Duration::from_secs(1)).await;
    assert!(!is_active(&broker, &token).await, "no second longer");
}

/// A11: nobody learns about tokens that are not for them, not even that there are such.
#[tokio::test]
async fn a11_a_token_is_inactive_to_everybody_else() {
    let broker = with(RESOURCES).await;
    let token = token(&broker).await;
    let inactive = value!({ "active": false });
    for (at, client) in [
        (AT_ACME, "invoices"),
        // Who it was given to is not who it is for.
        (AT_ACME, "report"),
        (AT_GLOBEX, "orders"),
    ] {
        let answer = about(&broker, at, client, &token).await;
        assert_eq!(json(&answer), inactive, "{at:?} {client}");
    }
    for form in [
        vec![("token", token.as_str())],
        vec![
            ("client_id", "orders"),
            ("client_secret", "wrong"),
            ("token", &token),
        ],
        vec![("client_id", "orders"), ("token", &token)],
    ] {
        let answer = post(&broker, AT_ACME, "/introspect", &[], &form).await;
        assert_eq!(error(&answer), (401, "invalid_client".to_owned()));
    }
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let answer = post(
        &broker,
        AT_ACME,
        "/introspect",
        &headers,
        &[("token", &token)],
    )
    .await;
    assert_eq!(answer.status(), 401, "a token is no client");
}

/// A24: every truncation and extension.
#[tokio::test]
async fn a24_a_truncated_or_longer_token_is_not_active() {
    let broker = with_all("[limits]\nenabled = false\n", RESOURCES).await;
    let token = token(&broker).await;
    assert!(is_active(&broker, &token).await);
    for end in 0..token.len() {
        let answer = about(&broker, AT_ACME, "orders", &token[..end]).await;
        match end {
            // An empty parameter is one that was left out.
            0 => assert_eq!(error(&answer), (400, "invalid_request".to_owned())),
            _ => assert_eq!(json(&answer), value!({ "active": false }), "{end}"),
        }
    }
    for more in ["A", "=", ".", ".e30", " ", "\n"] {
        for longer in [format!("{token}{more}"), format!("{more}{token}")] {
            assert!(!is_active(&broker, &longer).await, "{longer:?}");
        }
    }
}

/// T15: sizes and nesting.
#[tokio::test]
async fn t15_nonsense_is_no_token() {
    let broker = with(RESOURCES).await;
    let deep = format!("{}1{}", "[".repeat(2_000), "]".repeat(2_000));
    for nonsense in ["x", "a.b.c", &".".repeat(15_000), &deep] {
        assert!(!is_active(&broker, nonsense).await);
        assert_eq!(revoke(&broker, "report", nonsense).await.status(), 200);
    }
    let large = "a".repeat(20_000);
    assert_eq!(
        about(&broker, AT_ACME, "orders", &large).await.status(),
        413
    );
}

#[tokio::test]
async fn a14_a_revoked_token_is_over_everywhere_and_after_a_restart() {
    let broker = with(RESOURCES).await;
    let configuration = std::fs::read_to_string(broker.file()).expect("the file");
    let second = Node::beside_with(&broker, &configuration).await;
    let (revoked, other) = (token(&broker).await, token(&broker).await);
    let answer = revoke(&broker, "report", &revoked).await;
    assert_eq!((answer.status().as_u16(), answer.body().len()), (200, 0));
    let lines = audit::of_answer(answer.headers());
    assert!(
        lines.iter().any(|line| line.event() == "token_revoked"),
        "{lines:?}"
    );
    assert!(!is_active(&broker, &revoked).await);
    assert!(is_active(&broker, &other).await);
    let elsewhere = async |token: &str| {
        let authority = format!("{ACME}:{}", broker.address.port());
        let headers = [
            ("host", authority.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let secret: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        let form = format!("client_id=orders&client_secret={secret}&token={token}");
        let address = second.broker.address;
        let answer = raw::send(
            address,
            http::Method::POST,
            "/introspect",
            &headers,
            form.into(),
        );
        json(&answer.await)["active"]
            .as_bool()
            .expect("true or false")
    };
    second.broker.door.upkeep().await;
    assert!(!elsewhere(&revoked).await);
    assert!(elsewhere(&other).await);
    // Once more changes nothing; and what a clock does neither.
    assert_eq!(revoke(&broker, "report", &revoked).await.status(), 200);
    broker.advance(Duration::from_secs(300)).await;
    broker.door.housekeeping().await;
    let third = Node::beside_with(&broker, &configuration).await;
    assert!(!is_active(&broker, &revoked).await);
    drop(third);
}

#[rstest]
#[case::of_another_client("broad", 400, "invalid_grant")]
#[case::of_a_resource_server("orders", 400, "invalid_grant")]
#[tokio::test]
async fn a10_a_client_revokes_its_own(
    #[case] client: &str,
    #[case] status: u16,
    #[case] expected: &str,
) {
    let broker = with(RESOURCES).await;
    let token = token(&broker).await;
    let answer = revoke(&broker, client, &token).await;
    assert_eq!(error(&answer), (status, expected.to_owned()));
    assert!(is_active(&broker, &token).await);
    let form = [
        ("client_id", "report"),
        ("client_secret", "wrong"),
        ("token", &token),
    ];
    let answer = post(&broker, AT_ACME, "/revoke", &[], &form).await;
    assert_eq!(answer.status(), 401);
    let form = [
        ("client_id", "report"),
        ("client_secret", SECRET),
        ("token", &token),
    ];
    let answer = post(&broker, AT_GLOBEX, "/revoke", &[], &form).await;
    assert_eq!(answer.status(), 200, "there it is nobody's");
    assert!(is_active(&broker, &token).await);
}

#[tokio::test]
async fn a_resource_server_alone_gets_no_tokens() {
    let broker = with(RESOURCES).await;
    let answer = ask(&broker, "orders", SECRET, &[]).await;
    assert_eq!(error(&answer), (400, "unauthorized_client".to_owned()));
}

/// A41: nothing is said that may be wrong, and nothing is lost.
#[tokio::test]
async fn a41_without_the_store_nothing_is_known_of_tokens() {
    let broker = with(RESOURCES).await;
    let token = token(&broker).await;
    let mut database = Database::of(&broker).await;
    database.break_it().await;
    let answer = revoke(&broker, "report", &token).await;
    assert_eq!(error(&answer), (503, "temporarily_unavailable".to_owned()));
    assert!(
        is_active(&broker, &token).await,
        "what was not done was not done"
    );
    broker.advance(Duration::from_secs(6)).await;
    let answer = about(&broker, AT_ACME, "orders", &token).await;
    assert_eq!(error(&answer), (503, "temporarily_unavailable".to_owned()));
    database.mend().await;
    broker.door.upkeep().await;
    assert!(is_active(&broker, &token).await);
    assert_eq!(revoke(&broker, "report", &token).await.status(), 200);
    assert!(!is_active(&broker, &token).await);
}
