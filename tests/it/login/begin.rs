//! The way to the provider: what is asked there, and what is remembered here.

use std::collections::HashSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rstest::rstest;

use super::*;
use crate::support::provider::{CLIENT_ID, Endpoint, Trouble};

#[tokio::test]
async fn the_authorization_request_says_what_it_must() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let request = up_to_provider(&broker, &mut browser, WIKI).await;
    assert_eq!(request.path(), "/authorize");
    let says = |name: &str| parameter(&request, name).unwrap_or_default();
    assert_eq!(says("response_type"), "code");
    assert_eq!(says("client_id"), CLIENT_ID);
    assert_eq!(says("scope"), "openid profile email groups");
    assert_eq!(says("code_challenge_method"), "S256");
    assert_eq!(
        says("redirect_uri"),
        broker.url("acme.localhost", "/login/main/callback")
    );
    // 16 bytes for the state, 32 for nonce and verifier (RFC 7636 §4.1, and 128 bits at the least).
    assert_eq!(bytes(&says("state")), 16);
    assert_eq!(bytes(&says("nonce")), 32);
    assert_eq!(bytes(&says("code_challenge")), 32);
    assert_eq!(says("prompt"), "", "nobody asked for another account");
    for secret in ["client_secret", "code_verifier"] {
        assert_eq!(says(secret), "");
    }
}

fn bytes(text: &str) -> usize {
    URL_SAFE_NO_PAD.decode(text).map_or(0, |bytes| bytes.len())
}

#[tokio::test]
async fn verifier_and_redirect_uri_are_those_of_the_request() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let request = up_to_provider(&broker, &mut browser, WIKI).await;
    browser.visit(request.as_str()).await;
    let exchange = broker.provider.last(Endpoint::Token).expect("an exchange");
    let verifier = exchange.form("code_verifier").expect("a verifier");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    assert_eq!(
        parameter(&request, "code_challenge"),
        Some(URL_SAFE_NO_PAD.encode(digest))
    );
    assert_eq!(
        exchange.form("redirect_uri"),
        parameter(&request, "redirect_uri").as_deref()
    );
    assert_eq!(exchange.form("grant_type"), Some("authorization_code"));
    assert_eq!(exchange.form("client_secret"), None, "it is in the header");
    assert!(exchange.header("authorization").is_some());
}

#[tokio::test]
async fn a44_nothing_is_ever_given_out_twice() {
    let broker = Broker::start().await;
    let mut seen = HashSet::new();
    for _ in 0..20 {
        let mut browser = broker.browser();
        let request = up_to_provider(&broker, &mut browser, WIKI).await;
        let cookie = cookie_header(&browser, &request);
        for name in ["state", "nonce", "code_challenge"] {
            assert!(seen.insert(parameter(&request, name).expect("a value")));
        }
        let [attempt] = &*cookies(&browser, "__Host-dwl-") else {
            panic!("one attempt, not {cookie}");
        };
        let value = browser.cookie(&broker.url("acme.localhost", "/"), attempt);
        let value = value.expect("a cookie");
        let (_, handle) = value.split_once('.').expect("time and handle");
        assert_eq!(bytes(handle), 16, "128 bits");
        assert!(seen.insert(handle.to_owned()));
    }
}

#[tokio::test]
async fn the_attempt_cookie_has_every_attribute_and_ends_with_the_attempt() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let page = browser
        .open(&broker.url("acme.localhost", "/login/main"))
        .await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_eq!(page.header("cache-control"), "no-store");
    let lines = page.set_cookies();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for attribute in [
        "HttpOnly",
        "Secure",
        "SameSite=Lax",
        "Path=/",
        "Max-Age=900",
    ] {
        assert!(lines[0].contains(attribute), "{lines:?}");
    }
    assert!(!lines[0].contains("Domain"));
    assert!(browser.jar().rejected.is_empty());
}

/// No `iss` can tell two providers apart that do not send it; their redirect URIs do.
#[tokio::test]
async fn t01_each_provider_has_a_redirect_uri_of_its_own() {
    let (broker, _second) = with_second_provider(OIDC, Setup::default()).await;
    let mut uris = HashSet::new();
    for path in [
        "acme.localhost /login/main",
        "acme.localhost /login/second",
        "login.localhost /t/globex/login/main",
    ] {
        let (host, path) = path.split_once(' ').expect("host and path");
        let page = broker.browser().open(&broker.url(host, path)).await;
        let request = page.location().expect("a redirect");
        let uri = parameter(&request, "redirect_uri").expect("a redirect URI");
        assert_eq!(uri, broker.url(host, &format!("{path}/callback")));
        uris.insert(uri);
    }
    assert_eq!(uris.len(), 3);
}

#[tokio::test]
async fn the_person_chooses_among_several_providers() {
    let (broker, _second) = with_second_provider(OIDC, Setup::default()).await;
    let mut browser = broker.browser();
    let page = broker.sign_in(&mut browser, WIKI, "/deep?x=1").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    assert!(page.text().contains("Acme ID") && page.text().contains("Second ID"));
    assert!(
        cookies(&browser, "__Host-dwl-").is_empty(),
        "nothing is begun yet"
    );
    let page = browser.click(&page.link("Second ID")).await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/deep?x=1"));
    let check = broker.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn another_account_is_asked_for_at_the_provider_too() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let address = broker.url("acme.localhost", "/login/main?another=1");
    let page = browser.open(&address).await;
    let request = page.location().expect("a redirect");
    assert_eq!(parameter(&request, "prompt").as_deref(), Some("login"));
}

#[rstest]
#[case::provider("acme.localhost", "/login/nobody", 404)]
#[case::provider_of_another_spelling("acme.localhost", "/login/MAIN", 404)]
#[case::callback_of_nobody("acme.localhost", "/login/nobody/callback?code=c&state=s", 404)]
#[case::tenant("login.localhost", "/t/nobody/login", 421)]
#[case::tenant_of_its_own_host("login.localhost", "/t/acme/login", 421)]
#[case::host("nobody.localhost", "/login", 421)]
#[case::path_of_another("acme.localhost", "/t/globex/login", 404)]
#[case::continuation("acme.localhost", "/login?continue=AAAAAAAAAAAAAAAAAAAAAA", 400)]
#[case::garbage_continuation("acme.localhost", "/login/main?continue=%00%ff", 400)]
#[tokio::test]
async fn what_is_not_there_begins_nothing(
    #[case] host: &str,
    #[case] path: &str,
    #[case] status: u16,
) {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let page = browser.open(&broker.url(host, path)).await;
    assert_eq!(page.status.as_u16(), status, "{}", page.text());
    assert!(page.html().contains("<title>"), "{}", page.html());
    assert!(page.set_cookies().is_empty(), "{:?}", page.set_cookies());
    assert_eq!(broker.provider.count(Endpoint::Token), 0);
    assert_eq!(broker.provider.count(Endpoint::Discovery), 0);
}

/// A sign-in that one tenant's app waits for is none of another tenant's business.
#[tokio::test]
async fn t01_a_continuation_of_another_tenant_is_unknown() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let page = browser.open(&broker.sign_in_url(WIKI, "/")).await;
    let login = page.location().expect("a redirect");
    let continuation = parameter(&login, "continue").expect("a continuation");
    let address = broker.url(
        "login.localhost",
        &format!("/t/globex/login/main?continue={continuation}"),
    );
    let page = browser.open(&address).await;
    assert_page(&page, 400, EXPIRED);
    assert!(page.set_cookies().is_empty());
}

/// The session's own way on: no app waits.
#[tokio::test]
async fn a_login_without_an_app_leads_to_the_sessions() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let page = browser.visit(&broker.url("acme.localhost", "/login")).await;
    assert_eq!(page.url.path(), "/sessions");
    assert!(page.text().contains("Ada Example"), "{}", page.text());
}

/// An image on any page of the web must not push out the login that waits.
#[rstest]
#[case::image("no-cors", "image")]
#[case::frame("navigate", "iframe")]
#[case::script("cors", "empty")]
#[tokio::test]
async fn t30_what_is_no_navigation_begins_no_login(#[case] mode: &str, #[case] dest: &str) {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let callback = up_to_callback(&broker, &mut browser, WIKI).await;
    let headers = [("sec-fetch-mode", mode), ("sec-fetch-dest", dest)];
    for path in ["/login/main", "/login"] {
        for _ in 0..30 {
            let address = broker.url("acme.localhost", path);
            let headers = headers.map(|(name, value)| (name, value.to_owned()));
            let tab = headers
                .iter()
                .fold(browser.tab(), |tab, (name, value)| tab.always(name, value));
            let mut tab = tab;
            let page = tab.open(&address).await;
            assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{path}");
            assert!(page.set_cookies().is_empty());
        }
    }
    let page = browser.visit(callback.as_str()).await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/"));
}

#[tokio::test]
async fn a_provider_that_is_down_at_the_start_may_come_up_later() {
    let clock = clock();
    let provider = TestProvider::start(Arc::clone(&clock));
    provider.down().await;
    let folder = folder();
    let broker = Broker::on(Setup::default(), clock, provider, folder).await;
    let mut browser = broker.browser();
    let page = broker.sign_in(&mut browser, WIKI, "/").await;
    assert_page(&page, 502, UNREACHABLE);
    let line = audit::only(&page);
    assert_eq!(line.event(), "login_not_begun");
    assert_eq!(line.field("level"), "ERROR");
    assert!(cookies(&browser, "__Host-dwl-").is_empty());

    broker.provider.up().await;
    // That it failed is remembered for a moment, so that a crowd does not wait for it.
    broker.advance(Duration::from_secs(60)).await;
    let page = browser.click(&page.link("Try again")).await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/"));
}

#[tokio::test]
async fn another_provider_is_offered_where_one_is_down() {
    let (broker, _second) = with_second_provider(OIDC, Setup::default()).await;
    broker
        .provider
        .trouble(Endpoint::Discovery, Trouble::Status(503));
    let mut browser = broker.browser();
    let page = broker.sign_in(&mut browser, WIKI, "/").await;
    let page = browser.click(&page.link("Acme ID")).await;
    assert_page(&page, 502, UNREACHABLE);
    let page = browser.click(&page.link("Continue with Second ID")).await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/"));
}
