//! The store fails: nobody is let in who would not be, nothing is lost, and it goes on when it is mended.

use std::time::Duration;

use http::StatusCode;

use crate::support::broker::Broker;
use crate::support::nodes::{ACME, BOARD, Node, WIKI, app_cookie, check};
use crate::support::tampering::Database;

/// Longer than a check may take, by the clock on the wall.
const TOO_LONG: Duration = Duration::from_millis(2500);

async fn in_time<T>(answer: impl Future<Output = T>) -> T {
    tokio::time::timeout(TOO_LONG, answer)
        .await
        .expect("an answer within 2 s")
}

#[tokio::test]
async fn a41_a_check_that_needs_the_store_is_never_a_yes_without_it() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    broker.sign_in(&mut browser, BOARD, "/").await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    // A node that has nothing in memory.
    let node = Node::beside(&broker).await;
    let mut database = Database::of(&broker).await;
    database.break_it().await;
    for _ in 0..2 {
        let status = in_time(node.check(WIKI, "/", &cookie)).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }
    // A cookie that nobody knows: whether it is a session cannot be told.
    let status = in_time(node.check(WIKI, "/", "__Host-dwa=AAAAAAAAAAAAAAAAAAAAAA")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    // What needs no store is answered as ever.
    assert_eq!(node.check(WIKI, "/", "").await, StatusCode::UNAUTHORIZED);
    assert_eq!(node.check(BOARD, "/public", "").await, StatusCode::ACCEPTED);
    database.mend().await;
    assert_eq!(node.check(WIKI, "/", &cookie).await, StatusCode::ACCEPTED);
    assert_eq!(
        check(&broker, WIKI, "/", &cookie).await,
        StatusCode::ACCEPTED
    );
}

#[tokio::test]
async fn a41_without_news_for_five_seconds_nothing_in_memory_is_believed() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    assert_eq!(
        check(&broker, WIKI, "/", &cookie).await,
        StatusCode::ACCEPTED
    );
    let mut database = Database::of(&broker).await;
    database.break_it().await;
    for (second, expected) in [(1, 202), (2, 202), (3, 202), (4, 202), (5, 503), (6, 503)] {
        broker.advance(Duration::from_secs(1)).await;
        let status = in_time(check(&broker, WIKI, "/", &cookie)).await;
        assert_eq!(status, expected, "after {second} s");
    }
    assert_eq!(
        check(&broker, BOARD, "/public", "").await,
        StatusCode::ACCEPTED
    );
    assert_eq!(
        check(&broker, WIKI, "/", "").await,
        StatusCode::UNAUTHORIZED
    );
    database.mend().await;
    broker.advance(Duration::from_secs(1)).await;
    assert_eq!(
        check(&broker, WIKI, "/", &cookie).await,
        StatusCode::ACCEPTED
    );
}

/// Somebody else holds the right to write: what must be written fails in time, what is only read does not.
#[tokio::test]
async fn a41_a_database_that_is_locked_costs_nobody_their_session() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let cookie = app_cookie(&broker, &browser, WIKI);
    let mut database = Database::of(&broker).await;
    database.lock().await;
    assert_eq!(
        check(&broker, WIKI, "/", &cookie).await,
        StatusCode::ACCEPTED
    );
    // A sign-in cannot begin, a sign-out cannot end.
    let (mut stranger, mut leaving) = (broker.browser(), browser.tab());
    let sign_in = broker.sign_in_url(BOARD, "/");
    let sign_out = broker.url(WIKI, "/oauth2/sign_out");
    let (begun, ended) = tokio::join!(
        in_time(stranger.open(&sign_in)),
        in_time(leaving.open(&sign_out)),
    );
    for page in [&begun, &ended] {
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{}", page.url);
        assert!(page.set_cookies().is_empty(), "{}", page.url);
        assert!(page.location().is_none(), "{}", page.url);
        assert!(
            page.text().contains("not possible right now"),
            "{}",
            page.text()
        );
    }
    database.unlock().await;
    database.close().await;
    // Nobody was told that they are signed out, and they are not.
    assert_eq!(
        check(&broker, WIKI, "/", &cookie).await,
        StatusCode::ACCEPTED
    );
    broker.sign_in(&mut stranger, BOARD, "/").await;
    let page = broker.check(&stranger, "GET", BOARD, "/").await;
    assert_eq!(page.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a41_no_page_is_a_yes_while_the_store_fails() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let mut database = Database::of(&broker).await;
    database.break_it().await;
    for (host, path) in [
        (ACME, "/login"),
        (ACME, "/sessions"),
        (ACME, "/logout"),
        (ACME, "/login?continue=AAAAAAAAAAAAAAAAAAAAAA"),
        (ACME, "/logout?continue=AAAAAAAAAAAAAAAAAAAAAA"),
        (ACME, "/signed-out?state=AAAAAAAAAAAAAAAAAAAAAA"),
        (WIKI, "/oauth2/sign_in?rd=/"),
        (WIKI, "/oauth2/sign_out"),
    ] {
        let mut tab = browser.tab();
        let page = in_time(tab.open(&broker.url(host, path))).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
        assert!(page.set_cookies().is_empty(), "{path}");
        assert!(!page.html().contains("lost_"), "{path}");
        assert!(!page.html().contains("SQL"), "{path}");
    }
    database.mend().await;
    let page = browser.visit(&broker.url(ACME, "/sessions")).await;
    assert_eq!(page.status, StatusCode::OK);
}
