//! One cookie for several app hosts below one name, where nothing is routed to the broker there.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use rstest::rstest;

use crate::support::audit;
use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::browser::Browser;
use crate::support::envoy::{Listener, question};
use crate::support::nodes::{ACME, ACME_COOKIE, APP_COOKIE, BOARD, GLOBEX_WIKI, WIKI, app_cookie};
use crate::support::raw::{self, values};
use crate::support::relay::{Asks, Relay, is_app};

const COOKIE: &str = "__Secure-dwd-acme";
const NOTES: &str = "notes.acme.localhost";

/// The wiki and the notes share a cookie, the board does not; `globex` has one of its own.
fn setup() -> Setup {
    let acme = r#"contact = "it@acme.example"
parent_cookie = { domain = "acme.localhost", hosts = ["wiki.acme.localhost:{port}", "notes.acme.localhost:{port}"] }
"#;
    let notes = r#"[[tenants.apps]]
id = "notes"
hosts = ["notes.acme.localhost:{port}"]
identity_headers = { X-Who = "email" }
allow = { groups = ["staff"], providers = ["main"] }

[[tenants.apps]]
id = "board"
"#;
    let globex = r#"name = "Globex"
base_url = "http://globex.localhost:{port}"
parent_cookie = { domain = "globex.localhost", hosts = ["wiki.globex.localhost:{port}"] }
"#;
    let configuration = CONFIGURATION
        .replace("contact = \"it@acme.example\"\n", acme)
        .replace("[[tenants.apps]]\nid = \"board\"\n", notes)
        .replace("name = \"Globex\"\n", globex);
    Setup {
        configuration,
        ..Setup::default()
    }
}

async fn broker() -> Broker {
    Broker::with(setup()).await
}

/// Asks as nginx does for `GET host path`, with this cookie line.
async fn ask(broker: &Broker, host: &str, path: &str, cookies: &str) -> Response<Bytes> {
    let url = broker.url(host, path);
    let headers = [
        ("host", "doorward"),
        ("x-original-url", &*url),
        ("x-original-method", "GET"),
        ("sec-fetch-mode", "navigate"),
        ("cookie", cookies),
    ];
    raw::get(broker.address, "/api/authz/auth-request", &headers).await
}

/// What this browser sends to a host.
fn cookies(broker: &Broker, browser: &Browser, host: &str) -> String {
    let value = browser.cookie(&broker.url(host, "/"), COOKIE);
    value.map_or_else(String::new, |value| format!("{COOKIE}={value}"))
}

/// A browser that went where the check sent it, and where it ended.
async fn signed_in(broker: &Broker) -> Browser {
    let mut browser = broker.browser();
    let answer = ask(broker, WIKI, "/page?x=1&y=2", "").await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let location = values(answer.headers(), "location").remove(0);
    assert!(
        location.starts_with(&broker.url(ACME, "/login?rd=")),
        "{location}"
    );
    let page = browser.visit(&location).await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/page?x=1&y=2"));
    browser
}

#[tokio::test]
async fn one_sign_in_opens_each_listed_host_and_no_other() {
    let broker = broker().await;
    let browser = signed_in(&broker).await;
    let line = cookies(&broker, &browser, WIKI);
    let answer = ask(&broker, WIKI, "/", &format!("a=b; {line}")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(
        values(answer.headers(), "remote-email"),
        ["ada@example.com"]
    );
    // The app does not get it.
    assert_eq!(values(answer.headers(), "cookie"), ["a=b"]);
    // Each app is told in its own words, whichever was asked first.
    for _ in 0..2 {
        let answer = ask(&broker, NOTES, "/", &line).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(values(answer.headers(), "x-who"), ["ada@example.com"]);
        assert!(values(answer.headers(), "remote-email").is_empty());
        let answer = ask(&broker, WIKI, "/", &line).await;
        assert!(values(answer.headers(), "x-who").is_empty());
    }
    // Browsers send it to the board too. There it counts nothing, and people sign in as ever.
    assert_eq!(line, cookies(&broker, &browser, BOARD));
    let answer = ask(&broker, BOARD, "/", &line).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let location = values(answer.headers(), "location").remove(0);
    assert!(location.starts_with(&broker.url(BOARD, "/oauth2/sign_in?rd=")));
    // A public path stays one.
    let answer = ask(&broker, BOARD, "/public", &line).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn every_way_to_ask_accepts_it() {
    let broker = broker().await;
    let browser = signed_in(&broker).await;
    let page = broker.check(&browser, "GET", WIKI, "/").await;
    assert_eq!(page.status, StatusCode::ACCEPTED);
    assert_eq!(page.header("x-auth-request-email"), "ada@example.com");
    let listener = Listener::start(&broker).await;
    let mut headers = HeaderMap::new();
    let line = cookies(&broker, &browser, WIKI);
    headers.insert(
        header::COOKIE,
        HeaderValue::from_str(&line).expect("a value"),
    );
    let authority = format!("{WIKI}:{}", broker.address.port());
    let asked = question("GET", &authority, "/", &headers);
    let answer = listener
        .envoy()
        .await
        .check(&asked)
        .await
        .expect("an answer");
    assert_eq!(answer.http_status(), 200);
    assert_eq!(answer.ok.expect("it passes").headers_to_remove, ["cookie"]);
}

#[tokio::test]
async fn the_cookie_has_every_attribute() {
    let broker = broker().await;
    let mut browser = broker.browser();
    let location = values(ask(&broker, WIKI, "/", "").await.headers(), "location").remove(0);
    let page = browser.visit(&location).await;
    let lines: Vec<String> = page
        .chain
        .iter()
        .flat_map(|hop| values(&hop.headers, "set-cookie"))
        .filter(|line| line.starts_with(COOKIE))
        .collect();
    let [line] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    for attribute in [
        "; HttpOnly",
        "; SameSite=Lax",
        "; Secure",
        "; Path=/",
        "; Domain=acme.localhost",
        "; Max-Age=36000",
    ] {
        assert!(line.contains(attribute), "{line}");
    }
}

/// Where somebody is signed in already, the second host asks nothing.
#[tokio::test]
async fn a_live_session_is_enough() {
    let broker = broker().await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, BOARD, "/").await;
    assert_eq!(cookies(&broker, &browser, WIKI), "");
    let location = values(ask(&broker, NOTES, "/n", "").await.headers(), "location").remove(0);
    let page = browser.visit(&location).await;
    assert_eq!(page.url.as_str(), broker.url(NOTES, "/n"));
    assert_eq!(page.chain.len(), 1, "{:?}", page.chain);
    let line = cookies(&broker, &browser, NOTES);
    assert_eq!(ask(&broker, NOTES, "/n", &line).await.status(), 200);
}

/// The same handle under another name, and other handles under this name.
#[tokio::test]
async fn a11_it_is_taken_for_nothing_else() {
    let broker = broker().await;
    let mut browser = signed_in(&broker).await;
    broker.sign_in(&mut browser, BOARD, "/").await;
    let shared = browser.cookie(&broker.url(WIKI, "/"), COOKIE).expect("set");
    let app = app_cookie(&broker, &browser, BOARD);
    let own = browser
        .cookie(&broker.url(ACME, "/"), ACME_COOKIE)
        .expect("set");
    // As an app's own, at any host.
    for host in [WIKI, BOARD, NOTES] {
        let answer = ask(&broker, host, "/", &format!("{APP_COOKIE}={shared}")).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{host}");
    }
    // The tenant's pages, and our own paths on app hosts, do not know it.
    let authority = format!("{ACME}:{}", broker.address.port());
    for line in [
        format!("{COOKIE}={shared}"),
        format!("{ACME_COOKIE}={shared}"),
    ] {
        let headers = [
            ("host", &*authority),
            ("sec-fetch-mode", "navigate"),
            ("cookie", &*line),
        ];
        let answer = raw::get(broker.address, "/sessions", &headers).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{line}");
        let wiki = format!("{WIKI}:{}", broker.address.port());
        let headers = [("host", &*wiki), ("cookie", &*line)];
        let answer = raw::get(broker.address, "/oauth2/userinfo", &headers).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{line}");
    }
    // Other handles under its name.
    let app = app.split_once('=').expect("a value").1;
    for handle in [app, &own] {
        let answer = ask(&broker, WIKI, "/", &format!("{COOKIE}={handle}")).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    // Another tenant's name for it.
    for line in [
        format!("__Secure-dwd-globex={shared}"),
        format!("{COOKIE}={shared}"),
    ] {
        let answer = ask(&broker, GLOBEX_WIKI, "/", &line).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{line}");
    }
    for spelling in raw::misspelt(&shared) {
        let answer = ask(&broker, WIKI, "/", &format!("{COOKIE}={spelling}")).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{spelling}");
    }
}

/// A sub-domain can plant a second one. Then neither counts.
#[tokio::test]
async fn t08_a_planted_duplicate_counts_as_no_session() {
    let broker = broker().await;
    let browser = signed_in(&broker).await;
    let line = cookies(&broker, &browser, WIKI);
    for doubled in [
        format!("{line}; {line}"),
        format!("{COOKIE}=AAAAAAAAAAAAAAAAAAAAAA; {line}"),
        format!("{line}; {COOKIE}=x"),
    ] {
        let answer = ask(&broker, WIKI, "/", &doubled).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{doubled}");
    }
}

#[tokio::test]
async fn a27_signing_out_ends_it_everywhere() {
    let broker = broker().await;
    let mut browser = signed_in(&broker).await;
    let line = cookies(&broker, &browser, WIKI);
    assert_eq!(ask(&broker, NOTES, "/", &line).await.status(), 200);
    let page = browser.visit(&broker.url(ACME, "/logout")).await;
    browser.submit(&page.form("/logout"), &[]).await;
    for host in [WIKI, NOTES] {
        let answer = ask(&broker, host, "/", &line).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{host}");
    }
    assert_eq!(
        cookies(&broker, &browser, WIKI),
        "",
        "the browser has it no more"
    );
}

#[tokio::test]
async fn it_ends_with_its_session() {
    let broker = broker().await;
    let browser = signed_in(&broker).await;
    let line = cookies(&broker, &browser, WIKI);
    broker.advance(Duration::from_mins(59)).await;
    assert_eq!(ask(&broker, WIKI, "/", &line).await.status(), 200);
    broker.advance(Duration::from_mins(59)).await;
    assert_eq!(ask(&broker, NOTES, "/", &line).await.status(), 200);
    broker.advance(Duration::from_mins(61)).await;
    let answer = ask(&broker, WIKI, "/", &line).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn it_is_good_after_a_restart_and_nowhere_else() {
    let broker = broker().await;
    let browser = signed_in(&broker).await;
    let line = cookies(&broker, &browser, WIKI);
    let other = self::broker().await;
    assert_eq!(ask(&other, WIKI, "/", &line).await.status(), 401);
    let broker = broker.restart(setup()).await;
    for host in [WIKI, NOTES] {
        assert_eq!(ask(&broker, host, "/", &line).await.status(), 200, "{host}");
    }
}

#[tokio::test]
async fn a41_store_trouble_is_503() {
    let broker = broker().await;
    let browser = signed_in(&broker).await;
    let line = cookies(&broker, &browser, WIKI);
    broker.clock.advance(Duration::from_secs(10));
    assert_eq!(ask(&broker, WIKI, "/", &line).await.status(), 503);
}

/// `rd` at the login leads to the listed hosts and nowhere else.
#[rstest]
#[case::elsewhere("https://evil.example/")]
#[case::other_tenant("http://wiki.globex.localhost:{port}/")]
#[case::not_listed("http://board.acme.localhost:{port}/")]
#[case::the_tenants_own("http://acme.localhost:{port}/sessions")]
#[case::path("/sessions")]
#[case::no_scheme("//evil.example/")]
#[case::user("http://wiki.acme.localhost:{port}@evil.example/")]
#[case::look_alike("http://wiki.acme.localhost.evil.example/")]
#[case::script("javascript:alert(1)//wiki.acme.localhost")]
#[case::two_slashes("http://wiki.acme.localhost:{port}//evil.example")]
#[tokio::test]
async fn a07_a_target_elsewhere_is_refused(#[case] target: &str) {
    let broker = broker().await;
    let mut browser = signed_in(&broker).await;
    let target = target.replace("{port}", &broker.address.port().to_string());
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("rd", &target)
        .finish();
    let page = browser
        .open(&broker.url(ACME, &format!("/login?{query}")))
        .await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "{target}");
    assert!(page.location().is_none());
    assert!(page.set_cookies().is_empty());
    assert_eq!(audit::only(&page).event(), "return_target_refused");
}

/// Somebody who may not enter sees who they are, and a way to be somebody else.
#[tokio::test]
async fn who_may_not_enter_sees_a_page() {
    let broker = broker().await;
    broker
        .provider
        .person("ada", |ada| ada.groups = vec!["guests".into()]);
    let mut browser = signed_in(&broker).await;
    let line = cookies(&broker, &browser, WIKI);
    let answer = ask(&broker, NOTES, "/", &line).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let url = broker.url(NOTES, "/");
    let query: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
    let page = browser
        .visit(&broker.url(ACME, &format!("/login?rd={query}")))
        .await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let another = page.link("another account");
    assert_eq!(another.path(), "/login");
    assert_eq!(another.host_str(), Some(ACME));
    broker
        .provider
        .person("ada", |ada| ada.groups = vec!["staff".into()]);
    let page = browser.click(&another).await;
    assert_eq!(page.url.as_str(), url);
}

/// Where the check's answer is all that they get, it is that page. What it leads to needs nothing routed on
/// the app's host.
#[rstest]
#[case::forward_auth(Asks::ForwardAuth)]
#[case::ext_authz(Asks::ExtAuthz)]
#[case::grpc(Asks::Grpc)]
#[tokio::test]
async fn who_may_not_pass_reads_so_in_a_relayed_answer(#[case] asks: Asks) {
    let broker = broker().await;
    let relay = Relay::start(&broker, asks).await;
    let mut browser = relay.browser(&broker, &[WIKI, NOTES]);
    broker
        .provider
        .person("ada", |ada| ada.groups = vec!["guests".into()]);
    assert!(is_app(&browser.visit(&broker.url(WIKI, "/")).await));
    let url = broker.url(NOTES, "/n?x=1&y=2");
    let page = browser.visit(&url).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.html().contains("Your account cannot open notes"));
    for (name, path) in [("another account", "/login"), ("Sign out", "/logout")] {
        let link = page.link(name);
        assert_eq!(link.path(), path);
        assert_eq!(link.host_str(), Some(ACME));
    }
    broker
        .provider
        .person("ada", |ada| ada.groups = vec!["staff".into()]);
    let arrived = browser.click(&page.link("another account")).await;
    assert!(is_app(&arrived), "{} {}", arrived.status, arrived.text());
    assert_eq!(arrived.url.as_str(), url);
}

/// A script is sent nowhere, and begins nothing.
#[tokio::test]
async fn t30_a_background_call_begins_nothing() {
    let broker = broker().await;
    let url = broker.url(WIKI, "/api");
    let headers = [
        ("host", "doorward"),
        ("x-original-url", &*url),
        ("x-original-method", "GET"),
        ("sec-fetch-mode", "cors"),
    ];
    let answer = raw::get(broker.address, "/api/authz/auth-request", &headers).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(values(answer.headers(), "location").is_empty());
    let authority = format!("{ACME}:{}", broker.address.port());
    let headers = [("host", &*authority), ("sec-fetch-mode", "cors")];
    let target = "/login?rd=http%3A%2F%2Fwiki.acme.localhost%2F";
    let answer = raw::send(broker.address, Method::GET, target, &headers, Bytes::new()).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(values(answer.headers(), "set-cookie").is_empty());
}

/// An app's own cookie, where there is one, comes first; the shared one counts where that is dead.
#[tokio::test]
async fn both_cookies_live_together() {
    let broker = broker().await;
    let browser = signed_in(&broker).await;
    let line = cookies(&broker, &browser, WIKI);
    let both = format!("{APP_COOKIE}=AAAAAAAAAAAAAAAAAAAAAA; {line}");
    assert_eq!(ask(&broker, WIKI, "/", &both).await.status(), 200);
}

/// A link of the page to choose a provider can be opened again; that gives no second cookie.
#[tokio::test]
async fn a_sign_in_is_answered_once() {
    let second = r#"[[tenants.providers]]
id = "second"
preset = "oidc"
name = "Second ID"
issuer = "{issuer}"
client_id = "{client_id}"
client_secret = { env = "CLIENT_SECRET" }

[[tenants.apps]]
id = "wiki"
"#;
    let mut setup = setup();
    let app = "[[tenants.apps]]\nid = \"wiki\"\n";
    setup.configuration = setup.configuration.replacen(app, second, 1);
    let broker = Broker::with(setup).await;
    let mut browser = broker.browser();
    let location = values(ask(&broker, WIKI, "/page", "").await.headers(), "location").remove(0);
    let choice = browser.visit(&location).await;
    let link = choice.link("Acme ID");
    let page = browser.click(&link).await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/page"));
    let waiting = link.as_str().replace("/login/main", "/login");
    let page = browser.open(&waiting).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", page.text());
    assert!(page.set_cookies().is_empty(), "{:?}", page.set_cookies());
}

/// Whose browser does not keep the shared cookie is stopped as everywhere, and told why.
#[rstest]
#[case::refused(None, "cookie")]
#[case::spoilt(Some("AAAAAAAAAAAAAAAAAAAAAA"), "clock")]
#[tokio::test]
async fn who_goes_in_a_circle_is_told(#[case] kept: Option<&str>, #[case] cause: &str) {
    let broker = broker().await;
    let mut browser = broker.browser();
    let login = {
        let answer = ask(&broker, WIKI, "/page", "").await;
        values(answer.headers(), "location").remove(0)
    };
    for round in 1..4 {
        let page = browser.visit(&login).await;
        assert_eq!(page.url.path(), "/page", "{round}: {}", page.text());
        broker.clock.advance(Duration::from_millis(20));
        browser.jar().remove(COOKIE);
        if let Some(value) = kept {
            let line = format!("{COOKIE}={value}; Secure; Path=/; HttpOnly; Domain=acme.localhost");
            browser.set_cookie(&broker.url(ACME, "/"), &line);
        }
    }
    let page = browser.visit(&login).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", page.text());
    assert!(page.text().contains(&format!("login_loop_{cause}")));
    assert!(page.location().is_none());
    // Once it keeps the cookie it is in.
    let line = cookies(&broker, &browser, WIKI);
    assert_eq!(ask(&broker, WIKI, "/page", &line).await.status(), 200);
}

/// A browser that has lost the tenant's own cookie, or in which a stranger planted the shared one, is rid of it too.
#[tokio::test]
async fn signing_out_without_a_session_takes_the_shared_cookie() {
    let broker = broker().await;
    let mut browser = signed_in(&broker).await;
    browser.jar().remove(ACME_COOKIE);
    let page = browser.open(&broker.url(ACME, "/logout")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    assert_eq!(cookies(&broker, &browser, WIKI), "");
}
