//! When a session is over, by the clock.

use std::time::Duration;

use http::StatusCode;

use crate::support::broker::Broker;
use crate::support::nodes::{ACME, BOARD, Node, WIKI, acme_cookie, app_cookie, check};
use crate::support::raw;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

async fn signed_in() -> (Broker, String) {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    (broker, cookie)
}

#[tokio::test]
async fn a_session_that_lies_idle_for_an_hour_is_over() {
    let (broker, cookie) = signed_in().await;
    broker.advance(59 * MINUTE).await;
    assert_eq!(
        check(&broker, WIKI, "/", &cookie).await,
        StatusCode::ACCEPTED
    );
    // That was a use: the hour begins anew.
    broker.advance(59 * MINUTE).await;
    assert_eq!(
        check(&broker, WIKI, "/", &cookie).await,
        StatusCode::ACCEPTED
    );
    broker.advance(HOUR).await;
    assert_eq!(
        check(&broker, WIKI, "/", &cookie).await,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_session_in_use_is_over_after_ten_hours() {
    let (broker, cookie) = signed_in().await;
    for _ in 0..19 {
        broker.advance(30 * MINUTE).await;
        assert_eq!(
            check(&broker, WIKI, "/", &cookie).await,
            StatusCode::ACCEPTED
        );
    }
    broker.advance(29 * MINUTE).await;
    assert_eq!(
        check(&broker, WIKI, "/", &cookie).await,
        StatusCode::ACCEPTED
    );
    broker.advance(MINUTE).await;
    assert_eq!(
        check(&broker, WIKI, "/", &cookie).await,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn using_one_app_keeps_the_other_and_the_tenants_session_alive() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    broker.sign_in(&mut browser, BOARD, "/").await;
    let wiki = app_cookie(&broker, &browser, WIKI);
    let board = app_cookie(&broker, &browser, BOARD);
    for _ in 0..4 {
        broker.advance(40 * MINUTE).await;
        assert_eq!(check(&broker, WIKI, "/", &wiki).await, StatusCode::ACCEPTED);
    }
    assert_eq!(
        check(&broker, BOARD, "/", &board).await,
        StatusCode::ACCEPTED
    );
    let sessions = browser.visit(&broker.url(ACME, "/sessions")).await;
    assert_eq!(sessions.status, StatusCode::OK);
    // And none alone: when they end, they end together.
    broker.advance(HOUR).await;
    assert_eq!(
        check(&broker, BOARD, "/", &board).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        check(&broker, WIKI, "/", &wiki).await,
        StatusCode::UNAUTHORIZED
    );
}

/// A use at one node counts at the other, once it has been written down.
#[tokio::test]
async fn a_use_at_another_node_keeps_a_session_alive() {
    let (broker, cookie) = signed_in().await;
    let node = Node::beside(&broker).await;
    assert_eq!(node.check(WIKI, "/", &cookie).await, StatusCode::ACCEPTED);
    broker.advance(40 * MINUTE).await;
    node.broker.door.upkeep().await;
    assert_eq!(
        check(&broker, WIKI, "/", &cookie).await,
        StatusCode::ACCEPTED
    );
    broker.door.housekeeping().await;
    broker.advance(40 * MINUTE).await;
    node.broker.door.upkeep().await;
    assert_eq!(node.check(WIKI, "/", &cookie).await, StatusCode::ACCEPTED);
}

/// What was found over stays over, whatever the clock says later, here, at another node and after a restart.
#[tokio::test]
async fn t16_a_clock_that_steps_back_revives_no_idle_session() {
    let (broker, cookie) = signed_in().await;
    let node = Node::beside(&broker).await;
    assert_eq!(node.check(WIKI, "/", &cookie).await, StatusCode::ACCEPTED);
    let began = time::macros::datetime!(2027-01-15 08:00 UTC);
    broker.clock.step_to(began + 2 * HOUR);
    assert_eq!(
        check(&broker, WIKI, "/", &cookie).await,
        StatusCode::UNAUTHORIZED
    );
    broker.clock.step_to(began);
    assert_eq!(
        check(&broker, WIKI, "/", &cookie).await,
        StatusCode::UNAUTHORIZED
    );
    node.broker.door.upkeep().await;
    assert_eq!(
        node.check(WIKI, "/", &cookie).await,
        StatusCode::UNAUTHORIZED
    );
    let node = Node::after(broker).await;
    assert_eq!(
        node.check(WIKI, "/", &cookie).await,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn t16_a_clock_that_steps_back_revives_no_expired_session() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let app = app_cookie(&broker, &browser, WIKI);
    let tenant = acme_cookie(&broker, &browser);
    let began = time::macros::datetime!(2027-01-15 08:00 UTC);
    broker.clock.step_to(began + 11 * HOUR);
    // Found over by a page, not by the check.
    let authority = format!("{ACME}:{}", broker.address.port());
    let headers = [("host", &*authority), ("cookie", &tenant)];
    for step in [11 * HOUR, Duration::ZERO] {
        broker.clock.step_to(began + step);
        let page = raw::get(broker.address, "/sessions", &headers).await;
        assert_eq!(page.status(), StatusCode::SEE_OTHER);
    }
    assert_eq!(
        check(&broker, WIKI, "/", &app).await,
        StatusCode::UNAUTHORIZED
    );
}

/// A clock that was set an hour wrong, and right again before anybody asked, signs nobody out.
#[tokio::test]
async fn t16_a_step_that_nobody_saw_ends_nothing() {
    let (broker, cookie) = signed_in().await;
    let began = time::macros::datetime!(2027-01-15 08:00 UTC);
    broker.clock.step_to(began + 2 * HOUR);
    broker.door.upkeep().await;
    broker.clock.step_to(began);
    assert_eq!(
        check(&broker, WIKI, "/", &cookie).await,
        StatusCode::ACCEPTED
    );
}
