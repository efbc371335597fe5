//! The process ends while people sign in.

use super::*;

#[tokio::test]
async fn a_login_under_way_survives_a_restart() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let callback = up_to_callback(&broker, &mut browser, WIKI).await;
    let broker = broker.restart(Setup::default()).await;
    let page = browser.visit(callback.as_str()).await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/"), "{}", page.text());
    let check = broker.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a25_an_answer_used_before_a_restart_is_used_after_it() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let callback = up_to_callback(&broker, &mut browser, WIKI).await;
    let kept = cookie_header(&browser, &callback);
    browser.open(callback.as_str()).await;
    let broker = broker.restart(Setup::default()).await;
    let mut again = broker.browser().always("cookie", &kept);
    let page = again.open(callback.as_str()).await;
    assert_page(&page, 400, EXPIRED);
    assert!(!has_session(&again));
}

/// Nothing of the providers is kept on disk, and none is asked before somebody signs in.
#[tokio::test]
async fn a_restart_does_not_need_the_provider() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    assert_signs_in(&broker, &mut browser).await;
    broker.provider.down().await;
    let broker = broker.restart(Setup::default()).await;
    let check = broker.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    let second = broker.sign_in(&mut browser, BOARD, "/").await;
    assert_eq!(second.url.as_str(), broker.url(BOARD, "/"));
    let mut other = broker.browser();
    let page = broker.sign_in(&mut other, WIKI, "/").await;
    assert_page(&page, 502, UNREACHABLE);
    broker.provider.up().await;
}
