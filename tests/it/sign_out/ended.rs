//! What is signed out stays signed out.

use http::StatusCode;
use rstest::rstest;

use crate::support::broker::Broker;
use crate::support::browser::{Browser, Page};
use crate::support::nodes::{
    ACME, APP_COOKIE, BOARD, GLOBEX_WIKI, Node, SOLO, WIKI, acme_cookie, app_cookie, check,
};
use crate::support::raw;

/// Where somebody signs out.
#[derive(Clone, Copy, Debug)]
enum Way {
    AnApp,
    AnotherApp,
    TheTenantsPage,
}

async fn sign_out(broker: &Broker, browser: &mut Browser, way: Way) -> Page {
    match way {
        Way::AnApp => browser.visit(&broker.url(WIKI, "/oauth2/sign_out")).await,
        Way::AnotherApp => browser.visit(&broker.url(BOARD, "/oauth2/sign_out")).await,
        Way::TheTenantsPage => {
            let page = browser.visit(&broker.url(ACME, "/logout")).await;
            browser.submit(&page.form("/logout"), &[]).await
        }
    }
}

/// Every cookie from before, at once, at a second node and after a restart.
#[rstest]
#[case(Way::AnApp)]
#[case(Way::AnotherApp)]
#[case(Way::TheTenantsPage)]
#[tokio::test]
async fn a27_old_cookies_are_dead_everywhere(#[case] way: Way) {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    broker.sign_in(&mut browser, BOARD, "/").await;
    let apps = [
        (WIKI, app_cookie(&broker, &browser, WIKI)),
        (BOARD, app_cookie(&broker, &browser, BOARD)),
    ];
    let tenant = acme_cookie(&broker, &browser);
    let node = Node::beside(&broker).await;
    for (host, cookie) in &apps {
        assert_eq!(
            check(&broker, host, "/", cookie).await,
            StatusCode::ACCEPTED
        );
        assert_eq!(node.check(host, "/", cookie).await, StatusCode::ACCEPTED);
    }
    let page = sign_out(&broker, &mut browser, way).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    assert!(
        page.text().contains("You are signed out"),
        "{}",
        page.text()
    );
    // The browser holds none of them.
    assert!(
        browser
            .cookie(&broker.url(ACME, "/"), "__Host-dws-acme")
            .is_none()
    );
    for (host, cookie) in &apps {
        assert_eq!(
            check(&broker, host, "/", cookie).await,
            StatusCode::UNAUTHORIZED,
            "{host}"
        );
    }
    let authority = format!("{ACME}:{}", broker.address.port());
    let headers = [("host", &*authority), ("cookie", &tenant)];
    let answer = raw::get(broker.address, "/sessions", &headers).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    node.broker.door.upkeep().await;
    for (host, cookie) in &apps {
        assert_eq!(
            node.check(host, "/", cookie).await,
            StatusCode::UNAUTHORIZED,
            "{host}"
        );
    }
    let node = Node::after(broker).await;
    for (host, cookie) in &apps {
        assert_eq!(
            node.check(host, "/", cookie).await,
            StatusCode::UNAUTHORIZED,
            "{host}"
        );
    }
    let answer = raw::get(node.broker.address, "/sessions", &headers).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
}

/// Where login and app share a host, both cookies go.
#[tokio::test]
async fn a27_login_and_app_on_one_host_are_left_together() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, SOLO, "/").await;
    let cookie = app_cookie(&broker, &browser, SOLO);
    let page = browser.visit(&broker.url(SOLO, "/oauth2/logout")).await;
    browser.submit(&page.form("/oauth2/logout"), &[]).await;
    assert_eq!(
        check(&broker, SOLO, "/", &cookie).await,
        StatusCode::UNAUTHORIZED
    );
    let url = broker.url(SOLO, "/");
    assert!(browser.cookie(&url, APP_COOKIE).is_none());
    assert!(browser.cookie(&url, "__Host-dws-solo").is_none());
}

/// One tenant's sign-out is not another's.
#[tokio::test]
async fn another_tenants_session_lives_on() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    broker.sign_in(&mut browser, GLOBEX_WIKI, "/").await;
    sign_out(&broker, &mut browser, Way::AnApp).await;
    let page = broker.check(&browser, "GET", GLOBEX_WIKI, "/").await;
    assert_eq!(page.status, StatusCode::ACCEPTED);
}

/// Requests that overlap the sign-out, and are answered after it, bring nothing back.
#[tokio::test]
async fn t25_a_request_that_overlaps_the_sign_out_revives_nothing() {
    let broker = Broker::start().await;
    for _ in 0..10 {
        let mut browser = broker.browser();
        broker.sign_in(&mut browser, WIKI, "/").await;
        let app = app_cookie(&broker, &browser, WIKI);
        let tenant = acme_cookie(&broker, &browser);
        let authority = format!("{ACME}:{}", broker.address.port());
        // What every page does with a session: read it, note the use.
        let headers = [("host", &*authority), ("cookie", &*tenant)];
        let sign_out_url = broker.url(WIKI, "/oauth2/sign_out");
        let mut leaving = browser.tab();
        let asking = async {
            for _ in 0..4 {
                tokio::join!(
                    raw::get(broker.address, "/sessions", &headers),
                    raw::get(broker.address, "/login", &headers),
                    check(&broker, WIKI, "/", &app),
                    check(&broker, WIKI, "/", &app),
                );
            }
            broker.door.housekeeping().await;
        };
        let ((), left) = tokio::join!(asking, leaving.visit(&sign_out_url));
        assert_eq!(left.status, StatusCode::OK, "{}", left.text());
        broker.door.housekeeping().await;
        assert_eq!(
            check(&broker, WIKI, "/", &app).await,
            StatusCode::UNAUTHORIZED
        );
        let page = raw::get(broker.address, "/sessions", &headers).await;
        assert_eq!(page.status(), StatusCode::SEE_OTHER);
    }
    let node = Node::beside(&broker).await;
    let mut database = crate::support::tampering::Database::of(&node.broker).await;
    assert_eq!(database.rows("session WHERE ended_at IS NULL").await, 0);
}

/// A ticket that is under way when the session ends opens nothing.
#[tokio::test]
async fn t25_a_sign_in_that_overlaps_the_sign_out_opens_nothing() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let mut tab = browser.tab();
    let asked = tab.open(&broker.sign_in_url(BOARD, "/")).await;
    let ticket = tab.step(&asked).await;
    sign_out(&broker, &mut browser, Way::AnApp).await;
    let page = tab.step(&ticket).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(
        browser
            .cookie(&broker.url(BOARD, "/"), APP_COOKIE)
            .is_none()
    );
}
