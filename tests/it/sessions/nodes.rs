//! What was ended at one node is over at the others, and after a restart.

use http::StatusCode;

use crate::support::broker::Broker;
use crate::support::nodes::{ACME, BOARD, Node, WIKI, app_cookie, check};
use crate::support::provider::Endpoint;

#[tokio::test]
async fn a_session_ended_on_the_page_is_over_at_every_node() {
    let broker = Broker::start().await;
    let mut lost = broker.browser();
    let mut kept = broker.browser();
    broker.sign_in(&mut lost, WIKI, "/").await;
    broker.sign_in(&mut lost, BOARD, "/").await;
    broker.sign_in(&mut kept, WIKI, "/").await;
    let wiki = app_cookie(&broker, &lost, WIKI);
    let board = app_cookie(&broker, &lost, BOARD);
    let own = app_cookie(&broker, &kept, WIKI);
    let node = Node::beside(&broker).await;
    for (host, cookie) in [(WIKI, &wiki), (BOARD, &board), (WIKI, &own)] {
        assert_eq!(node.check(host, "/", cookie).await, StatusCode::ACCEPTED);
    }
    let page = kept.visit(&broker.url(ACME, "/sessions")).await;
    kept.submit(&page.form("/sessions/end-others"), &[]).await;
    assert_eq!(
        check(&broker, WIKI, "/", &wiki).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        check(&broker, BOARD, "/", &board).await,
        StatusCode::UNAUTHORIZED
    );
    // One round of what each node does every second.
    node.broker.door.upkeep().await;
    assert_eq!(node.check(WIKI, "/", &wiki).await, StatusCode::UNAUTHORIZED);
    assert_eq!(
        node.check(BOARD, "/", &board).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(node.check(WIKI, "/", &own).await, StatusCode::ACCEPTED);
    let node = Node::after(broker).await;
    assert_eq!(node.check(WIKI, "/", &wiki).await, StatusCode::UNAUTHORIZED);
    assert_eq!(node.check(WIKI, "/", &own).await, StatusCode::ACCEPTED);
}

/// A restart signs nobody out, and asks no provider for anything.
#[tokio::test]
async fn sessions_survive_a_restart() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    let node = Node::after(broker).await;
    assert_eq!(node.check(WIKI, "/", &cookie).await, StatusCode::ACCEPTED);
    assert_eq!(node.broker.provider.count(Endpoint::Discovery), 0);
}

/// What was used until the stop counts: the idle hour begins there, not at the sign-in.
#[tokio::test]
async fn the_last_use_survives_a_restart() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    let minutes = |minutes: u64| std::time::Duration::from_secs(60 * minutes);
    broker.advance(minutes(50)).await;
    assert_eq!(
        check(&broker, WIKI, "/", &cookie).await,
        StatusCode::ACCEPTED
    );
    let node = Node::after(broker).await;
    node.broker.advance(minutes(50)).await;
    assert_eq!(node.check(WIKI, "/", &cookie).await, StatusCode::ACCEPTED);
    node.broker.advance(minutes(61)).await;
    assert_eq!(
        node.check(WIKI, "/", &cookie).await,
        StatusCode::UNAUTHORIZED
    );
}
