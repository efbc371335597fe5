//! Into an app, into the next one, and not into the one that is not for everybody.

use std::fmt::Write as _;

use http::{Method, StatusCode};

use crate::support::broker::Broker;
use crate::support::nodes::{ACME, BOARD, SOLO, WIKI, app_cookie};
use crate::support::provider::Endpoint;
use crate::support::{audit, raw};

/// Every step of a first sign-in, with ports and secrets out of the way.
#[tokio::test]
async fn the_whole_way_in() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let page = broker.sign_in(&mut browser, WIKI, "/page?x=1").await;
    let mut told = String::new();
    for hop in &page.chain {
        let mut cookies: Vec<String> = Vec::new();
        for line in raw::values(&hop.headers, "set-cookie") {
            cookies.push(shown(&line, &broker));
        }
        let location = shown(hop.headers["location"].to_str().expect("text"), &broker);
        let url = shown(hop.url.as_str(), &broker);
        let _ = writeln!(told, "{url}\n  {} {location}", hop.status.as_u16());
        for cookie in cookies {
            let _ = writeln!(told, "  sets {cookie}");
        }
    }
    insta::assert_snapshot!(told);
}

/// `text` with what differs from run to run replaced by what it is.
fn shown(text: &str, broker: &Broker) -> String {
    let mut text = text.replace(&format!(":{}", broker.address.port()), "");
    text = text.replace(&format!("%3A{}", broker.address.port()), "");
    text = text.replace(broker.provider.base(), "http://provider");
    let base: String =
        url::form_urlencoded::byte_serialize(broker.provider.base().as_bytes()).collect();
    text = text.replace(&base, "http%3A%2F%2Fprovider");
    // Handles, digests and times: runs of base64url of their lengths, and the tags of cookies.
    let mut shown = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() || c == '-' || c == '_' {
            word.push(c);
            continue;
        }
        let masked = match word.len() {
            43 => "<digest>".to_owned(),
            22 => "<handle>".to_owned(),
            10 if word.bytes().all(|byte| byte.is_ascii_digit()) => "<time>".to_owned(),
            8 if word != "/callback" && c == '.' => "<tag>".to_owned(),
            19 if word.starts_with("__Host-dw") => format!("{}<tag>", &word[..11]),
            _ => word.clone(),
        };
        shown += &masked;
        word.clear();
        if c != '\n' {
            shown.push(c);
        }
    }
    shown
}

#[tokio::test]
async fn the_second_app_needs_no_second_login() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    assert_eq!(broker.provider.count(Endpoint::Authorize), 1);
    let page = broker.sign_in(&mut browser, BOARD, "/list").await;
    assert_eq!(page.url.as_str(), broker.url(BOARD, "/list"));
    assert_eq!(broker.provider.count(Endpoint::Authorize), 1);
    let page = broker.check(&browser, "GET", BOARD, "/list").await;
    assert_eq!(page.status, StatusCode::ACCEPTED);
    // It is the same person at both.
    let wiki = broker.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(
        wiki.header("x-auth-request-user"),
        page.header("x-auth-request-user")
    );
}

/// One tenant's session opens nothing at another's: there is a login of its own, and a person of its own.
#[tokio::test]
async fn another_tenants_app_needs_its_own_login() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let wiki = broker.check(&browser, "GET", WIKI, "/").await;
    broker.sign_in(&mut browser, SOLO, "/").await;
    assert_eq!(broker.provider.count(Endpoint::Authorize), 2);
    let solo = broker.check(&browser, "GET", SOLO, "/").await;
    assert_eq!(solo.status, StatusCode::ACCEPTED);
    assert_ne!(
        wiki.header("x-auth-request-user"),
        solo.header("x-auth-request-user")
    );
}

#[tokio::test]
async fn who_may_not_open_it_is_told_so_and_can_use_another_account() {
    let broker = Broker::start().await;
    broker
        .provider
        .person("root", |root| root.groups = vec!["admins".into()]);
    let mut browser = broker.browser();
    let page = broker.sign_in(&mut browser, BOARD, "/admin?tab=2").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let text = page.text();
    assert!(text.contains("Your account cannot open Board"), "{text}");
    assert!(text.contains("Only members of certain groups"), "{text}");
    assert!(page.html().contains("mailto:it@acme.example"), "{text}");
    // The list itself is nobody's business.
    assert!(!page.html().contains("admins"), "{}", page.html());
    let callback = page.chain.last().expect("a callback");
    assert_eq!(callback.url.host_str(), Some("127.0.0.1"));
    assert!(
        audit::of(&page)
            .iter()
            .any(|line| line.event() == "entry_refused")
    );
    // Asked again, there is no second login but the same answer.
    let again = browser
        .tab()
        .visit(&broker.sign_in_url(BOARD, "/admin?tab=2"))
        .await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    assert_eq!(broker.provider.count(Endpoint::Authorize), 1);

    broker.provider.sign_in_as("root");
    let arrived = browser.click(&page.link("Use another account")).await;
    assert_eq!(arrived.url.as_str(), broker.url(BOARD, "/admin?tab=2"));
    let request = broker.provider.last(Endpoint::Authorize).expect("a login");
    assert_eq!(request.query("prompt"), Some("login"));
    let checked = broker.check(&browser, "GET", BOARD, "/admin").await;
    assert_eq!(checked.status, StatusCode::ACCEPTED);
    assert_eq!(checked.header("x-auth-request-preferred-username"), "root");
}

/// What nobody may open is refused before and after signing in, with the same page for those who are.
#[tokio::test]
async fn a_refused_person_reaches_the_rest_of_the_app() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, BOARD, "/admin").await;
    let page = broker.sign_in(&mut browser, BOARD, "/list").await;
    assert_eq!(page.url.as_str(), broker.url(BOARD, "/list"));
    assert_eq!(broker.provider.count(Endpoint::Authorize), 1);
}

#[tokio::test]
async fn userinfo_tells_who_is_signed_in() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let url = broker.url(WIKI, "/oauth2/userinfo");
    let before = browser.fetch(&url).await;
    assert_eq!(before.status, StatusCode::UNAUTHORIZED);
    assert_eq!(before.header("cache-control"), "no-store");
    broker.sign_in(&mut browser, WIKI, "/").await;
    let page = browser.fetch(&url).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.header("content-type"), "application/json");
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("cross-origin-resource-policy"), "same-origin");
    assert!(page.headers.get("access-control-allow-origin").is_none());
    let told: serde_json::Value = serde_json::from_slice(&page.body).expect("JSON");
    let user = told["user"].as_str().expect("a user").to_owned();
    assert_eq!(user.len(), 32);
    assert_eq!(
        told,
        serde_json::json!({
            "user": user,
            "email": "ada@example.com",
            "groups": ["staff"],
            "preferredUsername": "ada",
            "name": "Ada Example",
            "roles": [],
        })
    );
    // The session of one app is none at another.
    let cookie = app_cookie(&broker, &browser, WIKI);
    let authority = format!("{BOARD}:{}", broker.address.port());
    let headers = [("host", &*authority), ("cookie", &cookie)];
    let answer = raw::get(broker.address, "/oauth2/userinfo", &headers).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn our_paths_exist_on_app_hosts_only() {
    let broker = Broker::start().await;
    let browser = broker.browser();
    for (host, path, expected) in [
        (ACME, "/oauth2/sign_in", 421),
        (ACME, "/oauth2/userinfo", 421),
        (WIKI, "/login", 421),
        (WIKI, "/sessions", 421),
        (WIKI, "/oauth2/login", 421),
        (SOLO, "/login", 421),
        (SOLO, "/oauth2/login", 303),
    ] {
        let page = browser
            .request(Method::GET, &broker.url(host, path), &[])
            .await;
        assert_eq!(page.status, expected, "{host}{path}");
    }
}
