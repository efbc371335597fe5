//! From the app over the tenant's host and the provider to where the person wants to be.

use http::StatusCode;
use rstest::rstest;

use crate::support::broker::Broker;
use crate::support::nodes::{ACME, APP_COOKIE, BOARD, SHARED, WIKI};
use crate::support::provider::{CLIENT_ID, DiscoveryFault, Endpoint};
use crate::support::tampering::Database;
use crate::support::{audit, raw};

fn query(page_url: &url::Url, name: &str) -> Option<String> {
    let mut pairs = page_url.query_pairs();
    pairs
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn a_sign_out_passes_tenant_and_provider_and_comes_back() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let target = broker.url(WIKI, "/bye?x=1");
    let rd: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
    let url = broker.url(WIKI, &format!("/oauth2/sign_out?rd={rd}"));
    let page = browser.visit(&url).await;
    assert_eq!(page.url.as_str(), target);
    let steps: Vec<(u16, String)> = page
        .chain
        .iter()
        .map(|hop| (hop.status.as_u16(), hop.url.path().to_owned()))
        .collect();
    let expected = [
        (303, "/oauth2/sign_out"),
        (303, "/logout"),
        (302, "/end_session"),
        (303, "/signed-out"),
    ];
    let expected: Vec<(u16, String)> = expected
        .iter()
        .map(|(status, path)| (*status, (*path).to_owned()))
        .collect();
    assert_eq!(steps, expected);
    // The app's cookie goes on its host, the tenant's on its own.
    let gone = |hop: usize| raw::values(&page.chain[hop].headers, "set-cookie");
    assert_eq!(
        gone(0),
        ["__Host-dwa=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0"]
    );
    assert_eq!(
        gone(1),
        ["__Host-dws-acme=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0"]
    );
    // OIDC RP-Initiated Logout 1.0 §2
    let asked = broker
        .provider
        .last(Endpoint::EndSession)
        .expect("a sign-out there");
    assert_eq!(asked.query("client_id"), Some(CLIENT_ID));
    let back = broker.url(ACME, "/signed-out");
    assert_eq!(asked.query("post_logout_redirect_uri"), Some(&*back));
    assert_eq!(
        asked
            .query("id_token_hint")
            .map(|token| token.matches('.').count()),
        Some(2)
    );
    // Nothing of the token is seen by anybody but the provider.
    for hop in [0, 1, 3] {
        assert!(query(&page.chain[hop].url, "id_token_hint").is_none());
    }
    let event = audit::of_answer(&page.chain[0].headers);
    assert_eq!(event.len(), 1, "{event:?}");
    assert_eq!(event[0].event(), "signed_out");
}

#[tokio::test]
async fn without_a_target_a_page_says_what_has_ended() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let page = browser.visit(&broker.url(WIKI, "/oauth2/sign_out")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.url.path(), "/signed-out");
    for said in [
        "Signed out of Wiki",
        "every app of Acme",
        "Signed out of Acme ID",
    ] {
        assert!(page.text().contains(said), "{said}: {}", page.text());
    }
    // Opened again, it says no more than is true then.
    let again = browser.visit(page.url.as_str()).await;
    assert!(
        again.text().contains("You are not signed in"),
        "{}",
        again.text()
    );
    let arrived = browser.click(&page.link("Sign in again")).await;
    assert_eq!(arrived.url.path(), "/sessions");
}

#[derive(Clone, Copy, Debug)]
enum Trouble {
    Down,
    NoEndSession,
}

/// A provider that cannot sign anybody out keeps nobody signed in here, and the page says what is left.
#[rstest]
#[case(Trouble::Down)]
#[case(Trouble::NoEndSession)]
#[tokio::test]
async fn without_the_provider_the_sign_out_is_ours_alone(#[case] trouble: Trouble) {
    let broker = Broker::start().await;
    if matches!(trouble, Trouble::NoEndSession) {
        broker
            .provider
            .set(DiscoveryFault::Without("end_session_endpoint"));
    }
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let cookie = crate::support::nodes::app_cookie(&broker, &browser, WIKI);
    let node = if matches!(trouble, Trouble::Down) {
        broker.provider.down().await;
        // One that does not know the provider's addresses yet.
        Some(crate::support::nodes::Node::beside(&broker).await)
    } else {
        None
    };
    let address = node
        .as_ref()
        .map_or(broker.address, |node| node.broker.address);
    browser.reach(WIKI, address);
    browser.reach(ACME, address);
    let page = browser.visit(&broker.url(WIKI, "/oauth2/sign_out")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    assert!(
        page.text().contains("You are signed out"),
        "{}",
        page.text()
    );
    assert!(
        page.text()
            .contains("You may still be signed in at Acme ID"),
        "{}",
        page.text()
    );
    assert_eq!(broker.provider.count(Endpoint::EndSession), 0);
    broker.door.upkeep().await;
    let status = crate::support::nodes::check(&broker, WIKI, "/", &cookie).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

/// At the tenant's own page a sign-out is asked for, not done.
#[tokio::test]
async fn the_tenants_page_asks_first() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let rd: String =
        url::form_urlencoded::byte_serialize(broker.url(BOARD, "/bye").as_bytes()).collect();
    let page = browser
        .visit(&broker.url(ACME, &format!("/logout?rd={rd}")))
        .await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("Sign out of Acme?"), "{}", page.text());
    assert!(page.text().contains("Ada Example"), "{}", page.text());
    assert!(page.set_cookies().is_empty());
    let checked = broker.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(checked.status, StatusCode::ACCEPTED);
    let stay = page.link("Stay signed in");
    assert_eq!(stay.as_str(), broker.url(ACME, "/sessions"));
    // And the browser lets the form lead over the provider to the app.
    assert!(
        page.header("content-security-policy")
            .contains("form-action 'self' http:"),
        "{}",
        page.header("content-security-policy")
    );
    let left = browser.submit(&page.form("/logout"), &[]).await;
    assert_eq!(left.url.as_str(), broker.url(BOARD, "/bye"));
    assert_eq!(broker.provider.count(Endpoint::EndSession), 1);
}

#[tokio::test]
async fn who_is_not_signed_in_goes_on_at_once() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let rd: String =
        url::form_urlencoded::byte_serialize(broker.url(BOARD, "/bye").as_bytes()).collect();
    for (host, path) in [(ACME, "/logout"), (WIKI, "/oauth2/sign_out")] {
        let page = browser
            .visit(&broker.url(host, &format!("{path}?rd={rd}")))
            .await;
        assert_eq!(page.url.as_str(), broker.url(BOARD, "/bye"));
        let page = browser.visit(&broker.url(host, path)).await;
        assert!(
            page.text().contains("You are not signed in"),
            "{}",
            page.text()
        );
    }
    assert_eq!(broker.provider.count(Endpoint::EndSession), 0);
}

/// Another site's image, script or frame signs nobody out; a link does.
#[rstest]
#[case::image(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")], 403)]
#[case::script(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")], 403)]
#[case::frame(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")], 403)]
#[case::link(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")], 303)]
#[case::own_script(&[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")], 303)]
#[tokio::test]
async fn another_sites_image_signs_nobody_out(
    #[case] headers: &[(&str, &str)],
    #[case] expected: u16,
) {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let cookie = crate::support::nodes::app_cookie(&broker, &browser, WIKI);
    let authority = format!("{WIKI}:{}", broker.address.port());
    let mut all = vec![("host", &*authority), ("cookie", &*cookie)];
    all.extend(headers);
    let answer = raw::get(broker.address, "/oauth2/sign_out", &all).await;
    assert_eq!(answer.status(), expected);
    let status = crate::support::nodes::check(&broker, WIKI, "/", &cookie).await;
    assert_eq!(status, if expected == 403 { 202 } else { 401 });
}

/// The one-time id that leads over the tenant's host is of one use, one tenant and one person.
#[tokio::test]
async fn a11_the_way_out_is_of_one_use_and_one_person() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let page = browser.open(&broker.url(WIKI, "/oauth2/sign_out")).await;
    let onward = page.location().expect("a way on");
    assert_eq!(onward.host_str(), Some(ACME));
    let query = onward.query().expect("an id");
    // At another tenant it is nothing, and that does not use it up.
    let mut tab = browser.tab();
    let other = tab
        .open(&broker.url(SHARED, &format!("/t/globex/logout?{query}")))
        .await;
    assert!(other.location().is_none(), "{:?}", other.location());
    // Somebody else who is sent there stays signed in.
    broker.provider.sign_in_as("bob");
    let mut bob = broker.browser();
    broker.sign_in(&mut bob, WIKI, "/").await;
    bob.open(onward.as_str()).await;
    let checked = broker.check(&bob, "GET", WIKI, "/").await;
    assert_eq!(checked.status, StatusCode::ACCEPTED);
    // Used now.
    let again = browser.open(onward.as_str()).await;
    assert!(again.location().is_none());
    assert_eq!(Database::of(&broker).await.rows("sign_out").await, 1);
    assert!(browser.cookie(&broker.url(WIKI, "/"), APP_COOKIE).is_none());
}

/// An hour later nobody is sent anywhere by an address of before.
#[tokio::test]
async fn a_way_out_does_not_wait_for_ever() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let page = browser
        .open(&broker.url(WIKI, "/oauth2/sign_out?rd=/bye"))
        .await;
    broker.advance(std::time::Duration::from_secs(3600)).await;
    let late = browser.step(&page).await;
    assert!(late.location().is_none(), "{:?}", late.location());
    assert_eq!(late.status, StatusCode::OK);
}
