//! Many people at once, and one person many times.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::*;
use crate::support::provider::{Endpoint, Trouble};

const PEOPLE: usize = 500;
/// So many are between callback and token at any moment.
const CROWD: usize = 60;
/// So many get their tokens in one instant. On one thread, more would keep the store waiting for the
/// arithmetic of a debug build.
const WAVE: usize = 10;

/// All have begun before anybody comes back, and they come back in a crowd.
#[tokio::test]
async fn a31_five_hundred_logins_at_once_swap_nobody() {
    let broker = Broker::with(Setup {
        provider_deadline: Duration::from_secs(300),
        ..Setup::default()
    })
    .await;
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
    broker
        .provider
        .configure(|settings| settings.code_lifetime = 3600);
    broker.provider.trouble(Endpoint::Token, Trouble::Held);
    let crowd = Arc::new(Semaphore::new(CROWD));
    let mut logins = JoinSet::new();
    for (number, mut browser, callback) in begun {
        let crowd = Arc::clone(&crowd);
        logins.spawn(async move {
            let place = crowd.acquire_owned().await;
            let page = browser.visit(callback.as_str()).await;
            drop(place);
            (number, browser, page)
        });
    }
    let mut users = HashSet::new();
    while users.len() < PEOPLE {
        let waiting = CROWD.min(PEOPLE - users.len());
        broker
            .provider
            .until_waiting(Endpoint::Token, waiting)
            .await;
        for _ in 0..WAVE {
            broker.provider.release_one(Endpoint::Token);
        }
        for _ in 0..WAVE {
            let login = logins.join_next().await.expect("a login");
            let (number, browser, page) = login.expect("a page");
            assert_eq!(page.url.as_str(), broker.url(WIKI, "/"), "{}", page.text());
            let check = broker.check(&browser, "GET", WIKI, "/").await;
            assert_eq!(check.status, StatusCode::ACCEPTED);
            assert_eq!(
                check.header("x-auth-request-email"),
                format!("user-{number}@example.com")
            );
            assert!(users.insert(check.header("x-auth-request-user").to_owned()));
        }
    }
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
        broker.clock.advance(Duration::from_secs(1));
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
