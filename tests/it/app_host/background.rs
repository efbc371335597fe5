//! Requests that nobody is looking at begin no login.

use http::{Method, StatusCode};
use rstest::rstest;

use crate::support::broker::Broker;
use crate::support::nodes::{ACME, SOLO, WIKI};
use crate::support::tampering::Database;

/// An app's page polls while its person is at the provider with their second factor.
#[tokio::test]
async fn t30_background_calls_evict_no_waiting_login() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    broker
        .advance(std::time::Duration::from_secs(2 * 3600))
        .await;
    // The login waits.
    let mut tab = browser.tab();
    let asked = tab.open(&broker.sign_in_url(WIKI, "/work")).await;
    let at_provider = tab.step(&asked).await;
    let before = browser.jar().cookies(&at_provider.url).len();
    let mut database = Database::of(&broker).await;
    let rows = (
        database.rows("sign_in").await,
        database.rows("login_attempt").await,
    );
    // The page of the app asks on.
    let script = [
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-dest", "empty"),
        ("accept", "*/*"),
    ];
    for _ in 0..50 {
        let checked = broker
            .check_with(&browser, "GET", WIKI, "/api", &script)
            .await;
        assert_eq!(checked.status, StatusCode::UNAUTHORIZED);
        assert!(checked.set_cookies().is_empty());
        assert!(checked.location().is_none());
        for page in [
            browser.fetch(&broker.sign_in_url(WIKI, "/api")).await,
            browser.fetch(&broker.url(WIKI, "/oauth2/start")).await,
        ] {
            assert_eq!(page.status, StatusCode::UNAUTHORIZED);
            assert!(page.set_cookies().is_empty());
            assert!(page.header("www-authenticate").starts_with("Cookie "));
        }
    }
    assert_eq!(
        (
            database.rows("sign_in").await,
            database.rows("login_attempt").await
        ),
        rows
    );
    assert_eq!(browser.jar().cookies(&at_provider.url).len(), before);
    // And the second factor is found.
    let mut page = tab.step(&at_provider).await;
    while page.url.path() != "/oauth2/callback" {
        page = tab.step(&page).await;
    }
    assert_eq!(page.header("location"), broker.url(WIKI, "/work"));
    let checked = broker.check(&browser, "GET", WIKI, "/work").await;
    assert_eq!(checked.status, StatusCode::ACCEPTED);
}

#[rstest]
#[case::fetch(&[("sec-fetch-mode", "cors")])]
#[case::no_cors(&[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")])]
#[case::websocket(&[("sec-fetch-mode", "websocket")])]
#[case::upgrade(&[("upgrade", "websocket")])]
#[case::frame(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")])]
#[case::xhr(&[("x-requested-with", "XMLHttpRequest")])]
#[case::bearer(&[("authorization", "Bearer x")])]
#[tokio::test]
async fn t30_a_request_that_nobody_looks_at_begins_nothing(
    #[case] headers: &[(&'static str, &str)],
) {
    let broker = Broker::start().await;
    let browser = broker.browser();
    for host in [WIKI, SOLO] {
        let page = browser
            .request(Method::GET, &broker.sign_in_url(host, "/"), headers)
            .await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{host}");
        assert!(page.set_cookies().is_empty());
        let checked = broker.check_with(&browser, "GET", host, "/", headers).await;
        assert_eq!(checked.status, StatusCode::UNAUTHORIZED, "{host}");
    }
    assert_eq!(Database::of(&broker).await.rows("sign_in").await, 0);
}

/// Nor does one that goes to the tenant's pages directly.
#[tokio::test]
async fn t30_a_script_begins_no_login_at_the_tenants_host_either() {
    let broker = Broker::start().await;
    let browser = broker.browser();
    for path in ["/login", "/login/main"] {
        let page = browser.fetch(&broker.url(ACME, path)).await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(page.set_cookies().is_empty(), "{path}");
    }
    assert_eq!(Database::of(&broker).await.rows("login_attempt").await, 0);
}

/// nginx passes a background POST on as a GET, and says so.
#[tokio::test]
async fn t30_a_post_is_no_navigation_where_the_browser_does_not_say_so() {
    let broker = Broker::start().await;
    for (method, expected) in [("GET", 303), ("HEAD", 303), ("POST", 401), ("PUT", 401)] {
        let port = broker.address.port();
        let headers = [
            ("host", format!("{WIKI}:{port}")),
            ("accept", "text/html".to_owned()),
            ("x-original-method", method.to_owned()),
        ];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let answer =
            crate::support::raw::get(broker.address, "/oauth2/sign_in?rd=/", &headers).await;
        assert_eq!(answer.status(), expected, "{method}");
    }
}
