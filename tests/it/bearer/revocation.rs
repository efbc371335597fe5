//! Tokens that are revoked here.

use std::sync::Arc;
use std::time::Duration;

use doorward::domain::revocation::Revocation;
use doorward::ports::Clock as _;
use doorward::storage::StoredRevocation;
use http::StatusCode;
use rstest::rstest;

use super::*;

const ISSUER: &str = "https://issuer.example";

fn at_hand() -> String {
    format!(
        "issuer = \"{ISSUER}\"\naudiences = [\"orders\"]\n{}",
        keys()
    )
}

fn token(subject: &str, id: &str, issued_at: i64) -> String {
    signed(&json!({
        "iss": ISSUER, "aud": "orders", "sub": subject, "jti": id, "iat": issued_at, "exp": NOW + 3_600,
    }))
}

async fn revoke(broker: &Broker, tenant: &str, what: Revocation) {
    let revocation = StoredRevocation {
        tenant: tenant.parse().expect("a name"),
        what,
        needed_until: broker.clock.now() + Duration::from_hours(1),
    };
    let store = &broker.door.parts.store;
    store.revoke_tokens(&revocation).await.expect("revoked");
}

/// Remembered or not, and in every process, within a second.
#[rstest]
#[case::one(Revocation::Token { issuer: ISSUER.into(), id: "j-1".into() }, [false, true, true, true])]
#[case::subject(
    Revocation::Subject { issuer: ISSUER.into(), subject: "ana".into(), issued_until: time::OffsetDateTime::from_unix_timestamp(NOW).expect("a time") },
    [false, false, true, true]
)]
#[case::everybody(
    Revocation::Issuer { issuer: ISSUER.into(), issued_until: time::OffsetDateTime::from_unix_timestamp(NOW).expect("a time") },
    [false, false, false, true]
)]
#[case::another_issuer(Revocation::Token { issuer: "https://other.example".into(), id: "j-1".into() }, [true; 4])]
#[tokio::test]
async fn a14_a_revoked_token_is_refused_on_every_node(
    #[case] what: Revocation,
    #[case] expected: [bool; 4],
) {
    let first = trusting(&at_hand()).await;
    let issuer = format!("[[tenants.trusted_issuers]]\nid = \"it\"\n{}", at_hand());
    let setup = Setup {
        configuration: configuration(&issuer, BEARER),
        ..Setup::default()
    };
    let (clock, folder) = (Arc::clone(&first.clock), Arc::clone(&first.folder));
    let second = Broker::on(setup, clock, Arc::clone(&first.provider), folder).await;
    let tokens = [
        token("ana", "j-1", NOW - 10),
        token("ana", "j-2", NOW - 10),
        token("bob", "j-3", NOW - 10),
        token("bob", "j-4", NOW + 1),
    ];
    for token in &tokens {
        assert_eq!(shown(&first, token).await, StatusCode::ACCEPTED);
        assert_eq!(shown(&second, token).await, StatusCode::ACCEPTED);
    }
    revoke(&first, "globex", what.clone()).await;
    first.advance(Duration::from_secs(1)).await;
    second.door.upkeep().await;
    for token in &tokens {
        assert_eq!(shown(&second, token).await, StatusCode::ACCEPTED);
    }
    revoke(&first, "acme", what).await;
    first.advance(Duration::from_secs(1)).await;
    second.door.upkeep().await;
    for broker in [&first, &second] {
        let mut found = [false; 4];
        for (token, found) in tokens.iter().zip(&mut found) {
            *found = shown(broker, token).await == StatusCode::ACCEPTED;
        }
        assert_eq!(found, expected);
    }
}

/// A process that begins later knows what was revoked before.
#[tokio::test]
async fn a14_a_restart_forgets_no_revocation() {
    let broker = trusting(&at_hand()).await;
    let token = token("ana", "j-1", NOW);
    let what = Revocation::Token {
        issuer: ISSUER.into(),
        id: "j-1".into(),
    };
    revoke(&broker, "acme", what).await;
    let issuer = format!("[[tenants.trusted_issuers]]\nid = \"it\"\n{}", at_hand());
    let setup = Setup {
        configuration: configuration(&issuer, BEARER),
        ..Setup::default()
    };
    let broker = broker.restart(setup).await;
    assert_eq!(shown(&broker, &token).await, StatusCode::UNAUTHORIZED);
}

/// Who cannot hear of revocations lets nobody in.
#[tokio::test]
async fn a41_without_news_of_revocations_no_token_is_let_in() {
    let broker = trusting(&at_hand()).await;
    let token = token("ana", "j-1", NOW);
    assert_eq!(shown(&broker, &token).await, StatusCode::ACCEPTED);
    broker.clock.advance(Duration::from_secs(4));
    assert_eq!(shown(&broker, &token).await, StatusCode::ACCEPTED);
    broker.clock.advance(Duration::from_secs(1));
    assert_eq!(
        shown(&broker, &token).await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    broker.door.upkeep().await;
    assert_eq!(shown(&broker, &token).await, StatusCode::ACCEPTED);
}
