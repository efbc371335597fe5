//! One look at a time, whoever notices, and nothing outlives its session.

use super::*;
use crate::support::nodes::{Node, app_cookie, check, check_at};
use crate::support::provider::Trouble;

#[tokio::test]
async fn a13_fifty_checks_at_once_are_one_refresh() {
    let (broker, browser) = signed_in().await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    broker.provider.trouble(Endpoint::Token, Trouble::Held);
    broker.advance(TEN_MINUTES).await;
    for _ in 0..2 {
        let checks: Vec<_> = (0..25)
            .map(|_| {
                let (address, cookie) = (broker.address, cookie.clone());
                let port = address.port();
                tokio::spawn(async move { check_at(address, port, WIKI, "/", &cookie).await })
            })
            .collect();
        for check in checks {
            let status = check.await.expect("an answer");
            assert_eq!(status, StatusCode::ACCEPTED, "nobody waits for it");
        }
        broker.door.upkeep().await;
        broker.provider.until_waiting(Endpoint::Token, 1).await;
    }
    broker.provider.release(Endpoint::Token);
    settled(&broker).await;
    assert_eq!(refreshes(&broker), 1);
    assert_eq!(broker.provider.reused_refresh_tokens(), 0);
}

#[tokio::test]
async fn a13_two_processes_over_one_database_use_a_refresh_token_once() {
    let (first, browser) = signed_in().await;
    let second = Node::beside_with(&first, &configuration()).await;
    let cookie = app_cookie(&first, &browser, WIKI);
    assert_eq!(second.check(WIKI, "/", &cookie).await, StatusCode::ACCEPTED);
    first.provider.trouble(Endpoint::Token, Trouble::Held);
    first
        .provider
        .person("ada", |ada| ada.groups = vec!["admins".into()]);
    first.clock.advance(TEN_MINUTES);
    let (one, two) = (&first, &second.broker);
    for node in [one, two] {
        node.door.upkeep().await;
    }
    assert_eq!(check(one, WIKI, "/", &cookie).await, StatusCode::ACCEPTED);
    assert_eq!(second.check(WIKI, "/", &cookie).await, StatusCode::ACCEPTED);
    one.door.upkeep().await;
    one.provider.until_waiting(Endpoint::Token, 1).await;
    two.door.upkeep().await;
    // The second has asked, and been told to wait.
    two.door.looked_at_people().await;
    assert_eq!(second.check(WIKI, "/", &cookie).await, StatusCode::ACCEPTED);
    two.door.upkeep().await;
    two.door.looked_at_people().await;
    one.provider.release(Endpoint::Token);
    for node in [one, two] {
        settled(node).await;
    }
    assert_eq!(refreshes(&first), 1);
    // Whoever was changed by the one is changed at the other.
    let board = app_cookie(&first, &browser, BOARD);
    let admin = second.check(BOARD, "/admin", &board).await;
    assert_eq!(admin, StatusCode::ACCEPTED);
    first.clock.advance(TEN_MINUTES);
    for node in [two, one] {
        node.door.upkeep().await;
    }
    second.check(WIKI, "/", &cookie).await;
    check(one, WIKI, "/", &cookie).await;
    for node in [two, one] {
        settled(node).await;
    }
    assert_eq!(refreshes(&first), 2);
    assert_eq!(first.provider.reused_refresh_tokens(), 0);
}

/// A look that is under way when somebody signs out changes nothing any more.
#[tokio::test]
async fn t25_a_refresh_that_overlaps_a_sign_out_revives_nothing() {
    let (broker, mut browser) = signed_in().await;
    let kept = app_cookie(&broker, &browser, WIKI);
    broker.provider.trouble(Endpoint::Token, Trouble::Held);
    broker
        .provider
        .person("ada", |ada| ada.groups = vec!["new".into()]);
    broker.advance(TEN_MINUTES).await;
    broker.check(&browser, "GET", WIKI, "/").await;
    broker.door.upkeep().await;
    broker.provider.until_waiting(Endpoint::Token, 1).await;
    browser.visit(&broker.url(WIKI, "/oauth2/sign_out")).await;
    assert_eq!(
        check(&broker, WIKI, "/", &kept).await,
        StatusCode::UNAUTHORIZED
    );
    broker.provider.release(Endpoint::Token);
    settled(&broker).await;
    assert_eq!(refreshes(&broker), 1);
    assert_eq!(
        check(&broker, WIKI, "/", &kept).await,
        StatusCode::UNAUTHORIZED
    );
    let after = broker.restart(setup()).await;
    assert_eq!(
        check(&after, WIKI, "/", &kept).await,
        StatusCode::UNAUTHORIZED
    );
}

/// What is under way when the process ends is brought to its end, so that a new refresh token is not lost.
#[tokio::test]
async fn a_refresh_under_way_is_drained() {
    let (broker, browser) = signed_in().await;
    broker.provider.trouble(Endpoint::Token, Trouble::Held);
    broker.advance(TEN_MINUTES).await;
    broker.check(&browser, "GET", WIKI, "/").await;
    broker.door.upkeep().await;
    broker.provider.until_waiting(Endpoint::Token, 1).await;
    let provider = std::sync::Arc::clone(&broker.provider);
    let release = tokio::spawn(async move { provider.release(Endpoint::Token) });
    let broker = broker.restart(setup()).await;
    release.await.expect("released");
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    assert_eq!(refreshes(&broker), 2);
    assert_eq!(broker.provider.reused_refresh_tokens(), 0);
}
