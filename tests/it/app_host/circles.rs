//! Somebody is signed in and sent back to sign in, again and again.

use std::time::Duration;

use http::StatusCode;

use crate::support::audit;
use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::browser::{Browser, Page};
use crate::support::nodes::{APP_COOKIE, BOARD, SOLO, WIKI};

/// How often somebody is let go round before it is called a circle.
const ROUNDS: usize = 4;

/// The app asks for a sign-in, and the browser comes back from it.
async fn round(broker: &Broker, browser: &mut Browser, host: &str) -> Page {
    let page = broker.sign_in(browser, host, "/read").await;
    broker.clock.advance(Duration::from_millis(20));
    page
}

/// Goes round until it is stopped; `between` is what goes wrong each time.
async fn until_stopped(
    broker: &Broker,
    browser: &mut Browser,
    host: &str,
    between: impl Fn(&Browser),
) -> Page {
    for number in 0..ROUNDS - 1 {
        let page = round(broker, browser, host).await;
        assert_eq!(page.url.path(), "/read", "{number}: {}", page.text());
        between(browser);
    }
    round(broker, browser, host).await
}

fn assert_stopped(page: &Page, cause: &str, says: &str) {
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", page.text());
    assert!(page.location().is_none());
    assert_eq!(page.url.path(), "/oauth2/callback");
    let text = page.text();
    assert!(
        text.contains("You keep being sent back to sign in"),
        "{text}"
    );
    assert!(text.contains(says), "{text}");
    assert!(text.contains(&format!("login_loop_{cause}")), "{text}");
    let lines = audit::of(page);
    let line = lines.iter().find(|line| line.event() == "login_loop");
    assert_eq!(line.expect("a line").field("cause"), cause);
}

#[tokio::test]
async fn a_browser_that_refuses_the_apps_cookie_is_told() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let refuse = |browser: &Browser| browser.jar().remove(APP_COOKIE);
    let page = until_stopped(&broker, &mut browser, WIKI, refuse).await;
    assert_stopped(&page, "cookie", "Allow cookies for this address");
    // "Try again" leads to the page that was wanted, and from there it is one round to this page.
    let again = page.link("Try again");
    assert_eq!(again.as_str(), broker.url(WIKI, "/read"));
    refuse(&browser);
    let page = round(&broker, &mut browser, WIKI).await;
    assert_stopped(&page, "cookie", "Allow cookies for this address");
    // Once it keeps the cookie it is in.
    let check = broker.check(&browser, "GET", WIKI, "/read").await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_proxy_that_asks_without_the_cookie_is_named() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let page = until_stopped(&broker, &mut browser, WIKI, |_| ()).await;
    assert_stopped(&page, "host", "Your browser does everything right");
    // Other apps are not touched, and a minute later it is somebody's wish.
    let page = round(&broker, &mut browser, BOARD).await;
    assert_eq!(page.url.path(), "/read");
    broker.advance(Duration::from_secs(61)).await;
    let page = round(&broker, &mut browser, WIKI).await;
    assert_eq!(page.url.path(), "/read");
}

#[tokio::test]
async fn a_session_that_is_over_at_once_is_the_clocks() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let url = broker.url(WIKI, "/");
    let spoil = |browser: &Browser| {
        let line = format!("{APP_COOKIE}=AAAAAAAAAAAAAAAAAAAAAA; Secure; Path=/; HttpOnly");
        browser.set_cookie(&url, &line);
    };
    let page = until_stopped(&broker, &mut browser, WIKI, spoil).await;
    assert_stopped(&page, "clock", "A clock may be wrong");
}

/// On https, where the proxy says that the browser speaks http.
#[tokio::test]
async fn plain_http_is_named() {
    let configuration = CONFIGURATION
        .replace("http://acme.localhost:{port}", "https://login.acme.example")
        .replace("wiki.acme.localhost:{port}", "wiki.acme.example")
        .replace("board.acme.localhost:{port}", "board.acme.example");
    let broker = Broker::with(Setup {
        configuration,
        ..Setup::default()
    })
    .await;
    let start = "https://wiki.acme.example/oauth2/sign_in?rd=/read";
    let browser = || {
        let browser = broker.browser().always("x-forwarded-proto", "http");
        browser.reach("login.acme.example", broker.address);
        browser.reach("wiki.acme.example", broker.address);
        browser
    };
    let mut ada = browser();
    for _ in 0..ROUNDS - 1 {
        assert_eq!(ada.visit(start).await.url.path(), "/read");
        ada.jar().remove(APP_COOKIE);
        broker.clock.advance(Duration::from_millis(20));
    }
    assert_stopped(
        &ada.visit(start).await,
        "scheme",
        "opened wiki.acme.example with http",
    );
    // One that keeps nothing at all is told at its first return.
    let mut bob = browser();
    let mut page = bob.open(start).await;
    bob.jar().clear();
    while page.location().is_some() {
        page = bob.step(&page).await;
        if page.url.path() == "/login/main/callback" || page.url.path() == "/oauth2/callback" {
            break;
        }
        bob.jar().clear();
    }
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(
        page.text().contains("This address needs https"),
        "{}",
        page.text()
    );
    assert!(page.location().is_none());
}

#[tokio::test]
async fn login_and_app_on_one_host_go_round_too() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    for _ in 0..ROUNDS - 1 {
        let page = round(&broker, &mut browser, SOLO).await;
        assert_eq!(page.url.path(), "/read", "{}", page.text());
    }
    let page = round(&broker, &mut browser, SOLO).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.text().contains("login_loop_host"), "{}", page.text());
    assert!(page.location().is_none());
}

/// All of them ask before the first has entered, and then come back one after the other.
#[tokio::test]
async fn twenty_tabs_at_one_address_are_no_circle() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, BOARD, "/read").await;
    let start = broker.sign_in_url(WIKI, "/read");
    let mut tabs = Vec::new();
    for _ in 0..20 {
        let mut tab = browser.tab();
        let page = tab.open(&start).await;
        broker.clock.advance(Duration::from_millis(20));
        tabs.push((tab, page));
    }
    for (mut tab, mut page) in tabs {
        while page.url.path() != "/read" && page.location().is_some() {
            page = tab.step(&page).await;
        }
        assert_eq!(page.url.path(), "/read", "{}", page.text());
        broker.clock.advance(Duration::from_millis(20));
    }
}
