//! The provider is in trouble: nobody is signed out for that, and nothing is lost.

use rstest::rstest;

use super::revocation::signs_in_at_main;
use super::*;
use crate::login::{signs_in_at_second, with_second_provider};
use crate::support::provider::{TestProvider, Trouble};

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

/// Acme's people are at one provider or another, and are looked at again at both.
async fn with_two_providers(setup: Setup) -> (Broker, TestProvider) {
    let settings = "preset = \"oidc\"\nissuer = \"{second}\"\nrefresh = true\n\
                    recheck_after = \"10m\"";
    with_second_provider(settings, setup).await
}

/// Who cannot be reached is asked for one person, and then left alone for a while: for nobody of theirs anything is
/// asked or written. Another provider's people do not wait.
#[tokio::test]
async fn a41_a_provider_that_is_down_rests() {
    let (broker, second) = with_two_providers(setup()).await;
    let one = signs_in_at_main(&broker).await;
    let other = signs_in_at_main(&broker).await;
    let mut elsewhere = broker.browser();
    signs_in_at_second(&broker, &mut elsewhere).await;
    broker
        .provider
        .configure(|settings| settings.refresh.rotates = false);
    broker
        .provider
        .trouble(Endpoint::Token, Trouble::Status(503));
    used_after(&broker, &one, TEN_MINUTES).await;
    assert_eq!(refreshes(&broker), 1);
    let claims = || async {
        let mut database = Database::of(&broker).await;
        let claims = database
            .number("SELECT sum(generation) FROM upstream_tokens")
            .await;
        database.close().await;
        claims
    };
    let before = claims().await;
    let check = used_after(&broker, &other, Duration::from_secs(1)).await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    assert_eq!(refreshes(&broker), 1, "it rests");
    assert_eq!(claims().await, before);
    used_after(&broker, &elsewhere, Duration::ZERO).await;
    let asked = second.last(Endpoint::Token).expect("a request");
    assert_eq!(asked.form("grant_type"), Some("refresh_token"));
    broker.provider.behave();
    used_after(&broker, &other, Duration::from_secs(13)).await;
    assert_eq!(refreshes(&broker), 1, "it still rests");
    used_after(&broker, &other, Duration::from_secs(2)).await;
    assert_eq!(
        refreshes(&broker),
        2,
        "its person is asked about afterwards"
    );
    assert!(ended().is_empty());
}

/// However many people a provider that hangs has, there is a place for those of another one.
#[tokio::test]
async fn a41_a_slow_provider_holds_up_its_own_people_only() {
    let (broker, second) = with_two_providers(setup()).await;
    let mut people = Vec::new();
    for _ in 0..40 {
        people.push(signs_in_at_main(&broker).await);
    }
    let mut elsewhere = broker.browser();
    signs_in_at_second(&broker, &mut elsewhere).await;
    broker.provider.trouble(Endpoint::Token, Trouble::Held);
    broker.advance(TEN_MINUTES).await;
    for browser in &people {
        broker.check(browser, "GET", WIKI, "/").await;
    }
    broker.door.upkeep().await;
    broker.provider.until_waiting(Endpoint::Token, 16).await;
    let asked = second.count(Endpoint::Token);
    broker.check(&elsewhere, "GET", WIKI, "/").await;
    broker.door.upkeep().await;
    second.until_asked(Endpoint::Token, asked + 1).await;
    assert_eq!(broker.provider.waiting(Endpoint::Token), 16);
    broker.provider.behave();
    settled(&broker).await;
    assert_eq!(refreshes(&broker), 40, "all of them had their turn");
    assert!(ended().is_empty());
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
