//! The provider is in trouble: nobody is signed out for that, and nothing is lost.

use rstest::rstest;

use super::*;
use crate::support::provider::Trouble;

#[rstest]
#[case::overloaded(Trouble::Status(429))]
#[case::broken(Trouble::Status(503))]
#[case::dead(Trouble::HangUp)]
#[case::sorry(Trouble::Html(200))]
#[case::half(Trouble::CutOff)]
#[tokio::test]
async fn a41_trouble_at_the_token_endpoint_ends_nothing(#[case] trouble: Trouble) {
    let (broker, browser) = signed_in().await;
    // The token may have been used before the answer was lost: only where it stays it can be used again.
    broker
        .provider
        .configure(|settings| settings.refresh.rotates = false);
    broker.provider.trouble(Endpoint::Token, trouble);
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    let tried = refreshes(&broker);
    used_after(&broker, &browser, Duration::from_secs(5)).await;
    assert_eq!(refreshes(&broker), tried, "it is given time");
    broker.provider.behave();
    broker
        .provider
        .person("ada", |ada| ada.groups = vec!["new".into()]);
    let check = used_after(&broker, &browser, Duration::from_secs(30)).await;
    assert_eq!(check.header("x-auth-request-groups"), "new");
    assert!(ended().is_empty());
}

#[tokio::test]
async fn a41_a_provider_that_is_down_is_asked_ever_more_seldom() {
    let (broker, browser) = signed_in().await;
    broker.provider.down().await;
    let mut check = used_after(&broker, &browser, TEN_MINUTES).await;
    for _ in 0..30 {
        assert_eq!(check.status, StatusCode::ACCEPTED);
        check = used_after(&broker, &browser, Duration::from_mins(1)).await;
    }
    let tries = audit::everything_here();
    let tries = tries
        .iter()
        .filter(|line| !line.field("failures").is_empty())
        .count();
    assert!((4..=9).contains(&tries), "{tries} in half an hour");
    broker.provider.up().await;
    broker
        .provider
        .person("ada", |ada| ada.groups = vec!["new".into()]);
    let check = used_after(&broker, &browser, Duration::from_mins(15)).await;
    assert_eq!(check.header("x-auth-request-groups"), "new");
    assert!(ended().is_empty());
}

/// A new refresh token is kept although what was to be asked with the new access token was not answered.
#[tokio::test]
async fn what_came_before_the_trouble_is_kept() {
    let broker = Broker::with(setup()).await;
    broker.provider.set(UserinfoFault::EverythingOnlyHere);
    let browser = signs_in(&broker).await;
    broker
        .provider
        .trouble(Endpoint::Userinfo, Trouble::Status(503));
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    assert_eq!(check.header("x-auth-request-email"), "ada@example.com");
    assert_eq!(refreshes(&broker), 1);
    broker.provider.behave();
    broker
        .provider
        .person("ada", |ada| ada.groups = vec!["new".into()]);
    let check = used_after(&broker, &browser, Duration::from_secs(30)).await;
    assert_eq!(check.header("x-auth-request-groups"), "new");
    assert_eq!(broker.provider.reused_refresh_tokens(), 0);
    assert!(ended().is_empty());
}

/// One that never answers holds nobody up, and is given up.
#[tokio::test]
async fn a_provider_that_hangs_is_given_up() {
    let broker = Broker::with(Setup {
        provider_deadline: Duration::from_millis(200),
        ..setup()
    })
    .await;
    let browser = signs_in(&broker).await;
    broker
        .provider
        .configure(|settings| settings.refresh.rotates = false);
    broker.provider.trouble(Endpoint::Token, Trouble::Held);
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    broker.provider.behave();
    broker
        .provider
        .person("ada", |ada| ada.groups = vec!["new".into()]);
    let check = used_after(&broker, &browser, Duration::from_secs(30)).await;
    assert_eq!(check.header("x-auth-request-groups"), "new");
}

/// Without the store nobody is asked; when it is back, they are.
#[tokio::test]
async fn a41_a_store_in_trouble_uses_no_refresh_token() {
    let (broker, browser) = signed_in().await;
    broker.advance(TEN_MINUTES).await;
    let mut database = Database::of(&broker).await;
    database.lock().await;
    broker.check(&browser, "GET", WIKI, "/").await;
    broker.door.upkeep().await;
    broker.door.looked_at_people().await;
    assert_eq!(refreshes(&broker), 0);
    database.unlock().await;
    database.close().await;
    let check = used_after(&broker, &browser, Duration::from_secs(30)).await;
    assert_eq!(
        (check.status, refreshes(&broker)),
        (StatusCode::ACCEPTED, 1)
    );
}
