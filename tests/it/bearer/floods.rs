//! A thousand requests to the check while an issuer is slow, dead, talks nonsense, or changes its keys.
//!
//! Each request has a token of its own, so that none is remembered and each needs a key.

use std::sync::Arc;
use std::time::Duration;

use rstest::rstest;
use tokio::task::JoinSet;

use super::*;
use crate::support::provider::{Endpoint as At, Fault, IdTokenFault, Trouble};

const BATCHES: u32 = 20;
const IN_PARALLEL: u32 = 50;

async fn start() -> Arc<Broker> {
    let issuer = "[[tenants.trusted_issuers]]\nid = \"it\"\nissuer = \"{issuer}\"\naudiences = [\"api://orders\"]";
    let broker = Broker::with(Setup {
        configuration: configuration(issuer, BEARER),
        provider_deadline: Duration::from_millis(300),
        ..Setup::default()
    });
    Arc::new(broker.await)
}

/// The statuses of requests that come at once.
async fn at_once(broker: &Arc<Broker>, batch: u32) -> Vec<u16> {
    let mut asking = JoinSet::new();
    for number in 0..IN_PARALLEL {
        let jti = format!("{batch}-{number}");
        let claims = json!({ "aud": "api://orders", "sub": "ana", "jti": jti });
        let token = broker.provider.token(claims);
        let broker = Arc::clone(broker);
        asking.spawn(async move { shown(&broker, &token).await.as_u16() });
    }
    asking.join_all().await
}

/// A thousand requests, with `pause` on the clock after each fifty.
async fn a_thousand(broker: &Arc<Broker>, pause: Duration) -> Vec<u16> {
    let mut statuses = Vec::new();
    for batch in 0..BATCHES {
        statuses.extend(at_once(broker, batch).await);
        broker.advance(pause).await;
    }
    statuses
}

fn assert_all(statuses: &[u16], expected: u16) {
    assert_eq!(statuses.len(), 1_000);
    let others = statuses.iter().filter(|status| **status != expected);
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&u16>::new());
}

/// The keys are good for an hour; the thousand requests take more than an hour and a half.
#[rstest]
#[case::slow(Trouble::Held)]
#[case::slow_in_the_middle(Trouble::Stalled)]
#[case::dead(Trouble::HangUp)]
#[case::unwell(Trouble::Status(503))]
#[case::a_page(Trouble::Html(200))]
#[case::huge(Trouble::Huge(300 * 1024))]
#[case::huge_in_chunks(Trouble::HugeInChunks(300 * 1024))]
#[case::cut_off(Trouble::CutOff)]
#[case::empty(Trouble::Text(r#"{"keys":[]}"#.into()))]
#[case::elsewhere(Trouble::RedirectToItself)]
#[tokio::test]
async fn once_there_are_keys_no_good_token_is_refused(#[case] trouble: Trouble) {
    let broker = start().await;
    assert_eq!(at_once(&broker, 1_000).await, [202; 50]);
    assert_eq!(broker.provider.count(At::Jwks), 1);
    broker.provider.trouble(At::Jwks, trouble.clone());

    let statuses = a_thousand(&broker, Duration::from_mins(5)).await;
    assert_all(&statuses, 202);
    // One for each five minutes at most, from where they are to be fetched anew.
    let fetched = broker.provider.count(At::Jwks) - 1;
    assert!((2..=13).contains(&fetched), "{fetched} fetches");
    assert!(broker.provider.count(At::Discovery) <= 3);

    broker.provider.unset(Fault::At(At::Jwks, trouble));
    // Whatever was under way then: what is asked for from now on is answered.
    broker.provider.rotate();
    broker.advance(Duration::from_mins(1)).await;
    assert_eq!(at_once(&broker, 2_000).await, [202; 50]);
}

/// 503 is trouble of ours, in which nobody is let in and nobody called bad.
#[rstest]
#[case::dead(Trouble::HangUp)]
#[case::slow(Trouble::Held)]
#[case::huge(Trouble::Huge(300 * 1024))]
#[tokio::test]
async fn an_issuer_that_was_never_up_is_asked_seldom(#[case] trouble: Trouble) {
    let broker = start().await;
    broker.provider.trouble(At::Jwks, trouble.clone());
    let statuses = a_thousand(&broker, Duration::from_secs(1)).await;
    assert_all(&statuses, 503);
    let fetched = broker.provider.count(At::Jwks);
    assert!((2..=6).contains(&fetched), "{fetched} fetches in 20 s");
    broker.provider.unset(Fault::At(At::Jwks, trouble));
    broker.advance(Duration::from_secs(10)).await;
    assert_eq!(at_once(&broker, 2_000).await, [202; 50]);
}

/// Twenty rotations, each met by fifty tokens of the new key at once.
#[tokio::test]
async fn a_rotation_costs_one_fetch_and_nobody_a_refusal() {
    let broker = start().await;
    for (rotations, batch) in (0..BATCHES).enumerate() {
        assert_eq!(at_once(&broker, batch).await, [202; 50]);
        let fetched = broker.provider.count(At::Jwks);
        // Whoever looked at the old keys while others fetched the new ones has one more fetched after the cool-down.
        let allowed = 1 + rotations..=1 + 2 * rotations;
        assert!(allowed.contains(&fetched), "{fetched} at {rotations}");
        broker.provider.rotate();
        broker.advance(Duration::from_secs(30)).await;
    }
}

#[tokio::test]
async fn t05_kid_flood_at_the_check() {
    let broker = start().await;
    assert_eq!(at_once(&broker, 1_000).await, [202; 50]);
    broker.provider.set(IdTokenFault::UnknownKid);
    let statuses = a_thousand(&broker, Duration::from_secs(1)).await;
    assert_all(&statuses, 401);
    // At once, and none in the 20 s that this took.
    assert_eq!(broker.provider.count(At::Jwks), 2);
    broker.provider.unset(IdTokenFault::UnknownKid);
    assert_eq!(at_once(&broker, 2_000).await, [202; 50]);
}
