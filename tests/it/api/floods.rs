//! A thousand requests while an issuer is slow, dead, talks nonsense, or changes its keys.
//!
//! Each request has a token of its own, so that none is remembered and each needs a key.

use std::ops::RangeInclusive;
use std::time::Duration;

use axum::Router;
use doorward::api::TrustedIssuers;
use doorward::outbound::OutboundSettings;
use rstest::rstest;
use serde_json::json;
use tokio::task::JoinSet;

use super::{Issuer, ask_with, whoami};
use crate::support::provider::{Algorithm, Endpoint, Fault, IdTokenFault, Trouble};

const BATCHES: u32 = 20;
const IN_PARALLEL: u32 = 50;

fn issuer() -> (Issuer, Router) {
    let issuer = Issuer::new();
    issuer
        .provider
        .configure(|settings| settings.algorithm = Algorithm::Es256);
    let builder = TrustedIssuers::builder()
        .clock(issuer.clock.clone())
        .outbound(OutboundSettings {
            development: true,
            deadline: Duration::from_millis(300),
            ..OutboundSettings::default()
        });
    let issuers = builder.trust(issuer.rules()).build().expect("issuers");
    let app = whoami(issuers);
    (issuer, app)
}

/// The statuses of requests that come at once.
async fn at_once(issuer: &Issuer, app: &Router, batch: u32) -> Vec<u16> {
    let mut asking = JoinSet::new();
    for number in 0..IN_PARALLEL {
        let token = issuer.token(&json!({ "jti": format!("{batch}-{number}") }));
        let app = app.clone();
        asking.spawn(async move { ask_with(&app, &token).await.status.as_u16() });
    }
    asking.join_all().await
}

/// A thousand requests, with `pause` on the clock after each fifty.
async fn a_thousand(issuer: &Issuer, app: &Router, pause: Duration) -> Vec<u16> {
    let mut statuses = Vec::new();
    for batch in 0..BATCHES {
        statuses.extend(at_once(issuer, app, batch).await);
        issuer.clock.advance(pause);
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
    let (issuer, app) = issuer();
    assert_eq!(at_once(&issuer, &app, 1_000).await, [200; 50]);
    assert_eq!(issuer.provider.count(Endpoint::Jwks), 1);
    issuer.provider.trouble(Endpoint::Jwks, trouble.clone());

    let statuses = a_thousand(&issuer, &app, Duration::from_mins(5)).await;
    assert_all(&statuses, 200);
    // One for each five minutes at most, from where they are to be fetched anew.
    let fetched = issuer.provider.count(Endpoint::Jwks) - 1;
    assert!((2..=13).contains(&fetched), "{fetched} fetches");
    assert!(issuer.provider.count(Endpoint::Discovery) <= 3);

    issuer.provider.unset(Fault::At(Endpoint::Jwks, trouble));
    // Whatever was under way then: what is asked for from now on is answered.
    issuer.provider.rotate();
    issuer.clock.advance(Duration::from_mins(1));
    assert_eq!(at_once(&issuer, &app, 2_000).await, [200; 50]);
}

#[rstest]
#[case::dead(Trouble::HangUp)]
#[case::slow(Trouble::Held)]
#[case::huge(Trouble::Huge(300 * 1024))]
#[tokio::test]
async fn an_issuer_that_was_never_up_is_asked_seldom_and_calls_nobody_bad(
    #[case] trouble: Trouble,
) {
    let (issuer, app) = issuer();
    issuer.provider.trouble(Endpoint::Jwks, trouble.clone());
    let statuses = a_thousand(&issuer, &app, Duration::from_secs(1)).await;
    assert_all(&statuses, 503);
    let fetched = issuer.provider.count(Endpoint::Jwks);
    assert!((2..=6).contains(&fetched), "{fetched} fetches in 20 s");
    issuer.provider.unset(Fault::At(Endpoint::Jwks, trouble));
    issuer.clock.advance(Duration::from_secs(10));
    assert_eq!(at_once(&issuer, &app, 2_000).await, [200; 50]);
}

#[tokio::test]
async fn a_rotation_costs_one_fetch_and_nobody_a_refusal() {
    rotate(|rotations| 1 + rotations..=1 + rotations).await;
}

/// Whoever looked at the old keys while others fetched the new ones has one more fetched after the cool-down.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rotation_costs_nobody_a_refusal_on_many_threads_either() {
    rotate(|rotations| 1 + rotations..=1 + 2 * rotations).await;
}

/// Twenty rotations, each met by fifty tokens of the new key at once. `fetches` are allowed so far.
async fn rotate(fetches: impl Fn(usize) -> RangeInclusive<usize>) {
    let (issuer, app) = issuer();
    for (rotations, batch) in (0..BATCHES).enumerate() {
        assert_eq!(at_once(&issuer, &app, batch).await, [200; 50]);
        let asked = issuer.provider.count(Endpoint::Jwks);
        assert!(
            fetches(rotations).contains(&asked),
            "{asked} at {rotations}"
        );
        issuer.provider.rotate();
        issuer.clock.advance(Duration::from_secs(30));
    }
}

#[tokio::test]
async fn t05_kid_flood_before_an_api() {
    let (issuer, app) = issuer();
    assert_eq!(at_once(&issuer, &app, 1_000).await, [200; 50]);
    issuer.provider.set(IdTokenFault::UnknownKid);
    let statuses = a_thousand(&issuer, &app, Duration::from_secs(1)).await;
    assert_all(&statuses, 401);
    // At once, and none in the 20 s that this took.
    assert_eq!(issuer.provider.count(Endpoint::Jwks), 2);
    issuer.provider.unset(IdTokenFault::UnknownKid);
    assert_eq!(at_once(&issuer, &app, 2_000).await, [200; 50]);
}
