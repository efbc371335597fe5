//! Many people at once, and one person many times.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::*;
use crate::support::provider::{Endpoint, Trouble};

const PEOPLE: usize = 500;

/// All have begun before anybody comes back, and all come back at once.
#[tokio::test]
async fn a31_five_hundred_logins_at_once_swap_nobody() {
    let broker = Broker::start().await;
    let mut begun = Vec::new();
    for number in 0..PEOPLE {
        let mut browser = broker.browser();
        let who = format!("person=user-{number}; Path=/");
        browser.set_cookie(broker.provider.base(), &who);
        let callback = up_to_callback(&broker, &mut browser, WIKI).await;
        begun.push((number, browser, callback));
    }
    // Not in the order in which they began.
    begun.sort_by_key(|(number, ..)| number * 211 % PEOPLE);
    // At the token endpoint the first crowd waits for each other.
    broker.provider.trouble(Endpoint::Token, Trouble::Held);
    let crowd = Arc::new(Semaphore::new(100));
    let mut done = JoinSet::new();
    for (number, mut browser, callback) in begun {
        let crowd = Arc::clone(&crowd);
        done.spawn(async move {
            let _place = crowd.acquire_owned().await;
            let page = browser.visit(callback.as_str()).await;
            (number, browser, page)
        });
    }
    broker.provider.until_waiting(Endpoint::Token, 100).await;
    broker.provider.release(Endpoint::Token);
    let mut users = std::collections::HashSet::new();
    while let Some(done) = done.join_next().await {
        let (number, browser, page) = done.expect("a login");
        assert_eq!(page.url.as_str(), broker.url(WIKI, "/"), "{}", page.text());
        let check = broker.check(&browser, "GET", WIKI, "/").await;
        assert_eq!(check.status, StatusCode::ACCEPTED);
        assert_eq!(
            check.header("x-auth-request-email"),
            format!("user-{number}@example.com")
        );
        assert!(users.insert(check.header("x-auth-request-user").to_owned()));
    }
    assert_eq!(users.len(), PEOPLE);
    assert_eq!(broker.provider.replayed_codes(), 0);
}

/// A browser that opens all its tabs at once, with no cookie yet.
#[tokio::test]
async fn twenty_tabs_opened_in_one_instant_all_succeed() {
    let broker = Broker::start().await;
    let browser = broker.browser();
    let mut tabs = JoinSet::new();
    for number in 0..20 {
        let mut tab = browser.tab();
        let start = broker.sign_in_url(WIKI, &format!("/tab/{number}"));
        tabs.spawn(async move {
            let callback = up_to(&mut tab, &start, is_callback).await;
            (number, tab, callback)
        });
    }
    let tabs = tabs.join_all().await;
    assert_eq!(cookies(&browser, "__Host-dwl-").len(), 20);
    let mut back = JoinSet::new();
    for (number, mut tab, callback) in tabs {
        let browser = browser.clone();
        back.spawn(async move {
            let page = tab.visit(callback.as_str()).await;
            assert!(cookies(&browser, "__Host-dw").len() <= 24 + 24 + 2);
            (number, page)
        });
    }
    while let Some(tab) = back.join_next().await {
        let (number, page) = tab.expect("a tab");
        let target = broker.url(WIKI, &format!("/tab/{number}"));
        assert_eq!(page.url.as_str(), target, "{}", page.text());
    }
    let check = broker.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    // Nothing piles up: a session here, one there, and neither attempt nor binding is left.
    assert_eq!(cookies(&browser, "__Host-dwl-").len(), 0);
    assert_eq!(cookies(&browser, "__Host-dwt-").len(), 0);
    assert_eq!(cookies(&browser, "__Host-dw").len(), 2);
}

#[tokio::test]
async fn a_browser_keeps_twenty_four_attempts_and_the_newest_work() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let mut callbacks = Vec::new();
    for _ in 0..30 {
        callbacks.push(up_to_callback(&broker, &mut browser, WIKI).await);
        broker.clock.advance(std::time::Duration::from_secs(1));
        assert!(cookies(&browser, "__Host-dwl-").len() <= 24);
        assert!(cookies(&browser, "__Host-dwt-").len() <= 24);
    }
    assert_eq!(cookies(&browser, "__Host-dwl-").len(), 24);
    let page = browser.open(callbacks[0].as_str()).await;
    assert_page(&page, 400, EXPIRED);
    let page = browser.visit(callbacks[29].as_str()).await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/"));
    let page = browser.visit(callbacks[10].as_str()).await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/"), "{}", page.text());
}
