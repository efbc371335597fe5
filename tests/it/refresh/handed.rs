//! A provider's tokens for an app: where both say so, as long as they live, and nowhere else.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::support::app::App;
use crate::support::command::doorward;
use crate::support::envoy::{Listener, question};
use crate::support::nodes::{ACME, APP_COOKIE, GLOBEX_WIKI, app_cookie};
use crate::support::provider::{CLIENT_SECRET, TokenFault};
use crate::support::raw::values;

const HEADERS: &str = "identity_headers = { X-Auth-Request-User = \"user\", X-Forwarded-Access-Token = \"access_token\", X-Id-Token = \"id_token\", Authorization = \"id_token\" }";
const ACCESS: &str = "x-forwarded-access-token";

/// The wiki of acme takes tokens, and acme's provider gives them.
fn handing() -> Setup {
    let provider = "refresh = true\ntokens_for_apps = [\"wiki\"]";
    let configuration = configuration()
        .replacen("refresh = true", provider, 1)
        .replacen("hide_cookies = true", HEADERS, 1);
    assert!(configuration.contains(provider) && configuration.contains(HEADERS));
    Setup {
        configuration,
        ..Setup::default()
    }
}

async fn given() -> (Broker, Browser) {
    let broker = Broker::with(handing()).await;
    let browser = signs_in(&broker).await;
    (broker, browser)
}

async fn wiki(broker: &Broker, browser: &Browser) -> Page {
    let page = broker.check(browser, "GET", WIKI, "/").await;
    assert_eq!(page.status, StatusCode::ACCEPTED);
    page
}

/// Every token's header is there once, and empty.
fn assert_empty(page: &Page) {
    for name in [ACCESS, "x-id-token", "authorization"] {
        assert_eq!(values(&page.headers, name), [""], "{name}");
    }
}

fn left_out() -> Vec<audit::Line> {
    let mut lines = audit::here();
    lines.retain(|line| line.event() == "token_left_out");
    lines
}

#[tokio::test]
async fn an_app_is_given_tokens_and_its_neighbours_are_not() {
    let (broker, mut browser) = given().await;
    let page = wiki(&broker, &browser).await;
    assert!(page.header(ACCESS).starts_with("access-token-"));
    let id_token = page.header("x-id-token");
    assert!(id_token.starts_with("eyJ"), "{id_token}");
    assert_eq!(page.header("authorization"), format!("Bearer {id_token}"));
    assert_eq!(page.header("x-auth-request-user").len(), 32);
    let board = broker.check(&browser, "GET", BOARD, "/").await;
    assert_eq!(board.status, StatusCode::ACCEPTED);
    broker.sign_in(&mut browser, GLOBEX_WIKI, "/").await;
    let globex = broker.check(&browser, "GET", GLOBEX_WIKI, "/").await;
    assert_eq!(globex.status, StatusCode::ACCEPTED);
    for other in [board, globex] {
        let told = format!("{:?}", other.headers);
        assert!(
            !told.contains("access-token") && !told.contains("eyJ"),
            "{told}"
        );
    }
}

/// The app takes tokens, but only the other provider gives it any.
#[tokio::test]
async fn another_providers_tokens_are_not_given() {
    let Setup { configuration, .. } = handing();
    let other = "tokens_for_apps = [\"wiki\"]\n";
    let second = "[[tenants.providers]]\nid = \"second\"\npreset = \"oidc\"\nissuer = \"{issuer}\"\nclient_id = \"{client_id}\"\nclient_secret = { env = \"CLIENT_SECRET\" }\nrefresh = true\ntokens_for_apps = [\"wiki\"]\n\n[[tenants.apps]]";
    let configuration = configuration
        .replacen(other, "", 1)
        .replacen("[[tenants.apps]]", second, 1)
        .replacen(
            "allow = { signed_in = true }",
            "allow = { providers = [\"main\"] }",
            1,
        );
    let broker = Broker::with(Setup {
        configuration,
        ..Setup::default()
    })
    .await;
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    assert_empty(&wiki(&broker, &browser).await);
    assert_eq!(rows_of_tokens(&broker).await, 1, "they are kept");
}

#[tokio::test]
async fn what_a_refresh_brings_is_given_within_a_second() {
    let (broker, browser) = given().await;
    let first = wiki(&broker, &browser).await;
    let second = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(refreshes(&broker), 1);
    for name in [ACCESS, "x-id-token"] {
        assert_ne!(first.header(name), second.header(name), "{name}");
        assert!(!second.header(name).is_empty(), "{name}");
    }
    let changed = audit::here();
    assert!(!changed.iter().any(|line| line.event() == "person_changed"));
}

/// The tokens die at their second, also where nobody can fetch new ones.
#[tokio::test]
async fn what_has_expired_is_not_given() {
    let broker = Broker::with(handing()).await;
    broker
        .provider
        .configure(|settings| settings.access_token_lifetime = 500);
    let browser = signs_in(&broker).await;
    broker.provider.down().await;
    broker.advance(Duration::from_secs(499)).await;
    let late = wiki(&broker, &browser).await;
    assert!(late.header(ACCESS).starts_with("access-token-"));
    broker.advance(Duration::from_secs(1)).await;
    let gone = wiki(&broker, &browser).await;
    assert_eq!(values(&gone.headers, ACCESS), [""]);
    broker
        .advance(Duration::from_hours(1) - Duration::from_secs(501))
        .await;
    assert_empty(&wiki(&broker, &browser).await);
    settled(&broker).await;
    broker.provider.up().await;
    let back = used_after(&broker, &browser, Duration::from_mins(15)).await;
    assert!(back.header(ACCESS).starts_with("access-token-"));
    assert!(back.header("x-id-token").starts_with("eyJ"));
}

/// Each has its own end.
#[tokio::test]
async fn an_id_token_that_has_expired_is_not_given() {
    let (broker, browser) = given().await;
    broker.advance(Duration::from_secs(299)).await;
    let late = wiki(&broker, &browser).await;
    assert!(late.header("authorization").starts_with("Bearer eyJ"));
    broker.advance(Duration::from_secs(1)).await;
    let gone = wiki(&broker, &browser).await;
    assert_eq!(values(&gone.headers, "authorization"), [""]);
    assert_eq!(values(&gone.headers, "x-id-token"), [""]);
    assert!(gone.header(ACCESS).starts_with("access-token-"));
}

#[tokio::test]
async fn a_setting_that_is_taken_back_takes_the_tokens_back() {
    let (broker, browser) = given().await;
    let kept = wiki(&broker, &browser).await;
    assert!(!kept.header(ACCESS).is_empty());
    broker.edit(|text| {
        text.replacen("tokens_for_apps = [\"wiki\"]\n", "", 1)
            .replacen(HEADERS, "", 1)
    });
    broker.reload().await.expect("a right file");
    let page = wiki(&broker, &browser).await;
    let told = format!("{:?}", page.headers);
    assert!(
        !told.contains("access-token") && !told.contains("eyJ"),
        "{told}"
    );
}

#[tokio::test]
async fn a_sign_out_ends_it() {
    let (broker, mut browser) = given().await;
    let cookie = browser
        .cookie(&broker.url(WIKI, "/"), APP_COOKIE)
        .expect("a cookie");
    browser.visit(&broker.url(WIKI, "/oauth2/sign_out")).await;
    let stolen = [("cookie", &*format!("{APP_COOKIE}={cookie}"))];
    let page = broker
        .check_with(&broker.browser(), "GET", WIKI, "/", &stolen)
        .await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(values(&page.headers, ACCESS).is_empty());
}

#[tokio::test]
async fn a04_a_forged_token_is_replaced() {
    let (broker, browser) = given().await;
    let forged = [
        (ACCESS, "planted"),
        ("authorization", "Bearer planted"),
        ("x-id-token", "planted"),
    ];
    let page = broker.check_with(&browser, "GET", WIKI, "/", &forged).await;
    let told = format!("{:?}", page.headers);
    assert!(!told.contains("planted"), "{told}");
    assert_eq!(values(&page.headers, ACCESS).len(), 1);
    assert!(page.header(ACCESS).starts_with("access-token-"));
}

#[rstest]
#[case::long("a".repeat(8 * 1024 + 1), "longer than 8 KiB")]
#[case::space("canary with spaces".to_owned(), "no header takes")]
#[case::line_break("canary\r\nX-Admin: yes".to_owned(), "no header takes")]
#[tokio::test]
async fn t07_a_token_that_no_header_takes_is_left_out(
    #[case] token: String,
    #[case] expected: &str,
) {
    let broker = Broker::with(handing()).await;
    broker
        .provider
        .set(TokenFault::With("access_token", json!(token)));
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let page = wiki(&broker, &browser).await;
    assert_eq!(values(&page.headers, ACCESS), [""]);
    assert!(values(&page.headers, "x-admin").is_empty());
    assert!(
        page.header("x-id-token").starts_with("eyJ"),
        "the other one is fit"
    );
    let told = left_out();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0].field("token"), "access_token");
    assert!(told[0].field("reason").contains(expected));
    assert!(!format!("{told:?}").contains("canary"));
}

#[tokio::test]
async fn a36_handed_tokens_are_on_no_page_and_in_no_log_line() {
    let (broker, mut browser) = given().await;
    let page = used_after(&broker, &browser, TEN_MINUTES).await;
    let access_token = page.header(ACCESS).to_owned();
    let id_token = page.header("x-id-token").to_owned();
    let signature = id_token.rsplit_once('.').expect("a signature").1;
    let mut seen = format!("{:?}", audit::everything_here());
    for url in [
        broker.url(WIKI, "/oauth2/userinfo"),
        broker.url(ACME, "/sessions"),
        broker.url(ACME, "/metrics"),
        broker.url(BOARD, "/admin"),
    ] {
        seen.push_str(&browser.visit(&url).await.html());
    }
    let file = broker.file();
    let cookie = browser
        .cookie(&broker.url(WIKI, "/"), APP_COOKIE)
        .expect("a cookie");
    let url = broker.url(WIKI, "/");
    for output in ["text", "json"] {
        let arguments = [
            "explain",
            "--config",
            file.to_str().expect("a path"),
            "--url",
            &url,
            "--cookie",
            &cookie,
            "--output",
            output,
        ];
        let output = doorward(&arguments, CLIENT_SECRET).await;
        let said = String::from_utf8(output.stdout).expect("text");
        assert!(said.contains("x-forwarded-access-token"), "{said}");
        seen.push_str(&said);
        seen.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    assert!(access_token.starts_with("access-token-"));
    for secret in [&*access_token, &*id_token, signature] {
        assert!(!seen.contains(secret), "{secret}");
    }
}

/// Through forwarding and Envoy's gRPC as through the check: the app is given them, the browser sees nothing.
#[tokio::test]
async fn a36_handed_tokens_reach_the_app_alone() {
    let app = App::start().await;
    let Setup { configuration, .. } = handing();
    let wiki_hosts = "hosts = [\"wiki.acme.localhost:{port}\"]\n";
    let upstream = format!("{wiki_hosts}upstream = \"http://{}\"\n", app.address);
    let configuration = configuration
        .replacen(
            "development = true\n",
            "development = true\nforward_to_apps = true\n",
            1,
        )
        .replacen(wiki_hosts, &upstream, 1);
    let broker = Broker::with(Setup {
        configuration,
        ..Setup::default()
    })
    .await;
    let mut browser = broker.browser();
    let page = broker.sign_in(&mut browser, WIKI, "/").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.html());
    let forged = [(ACCESS, "planted"), ("authorization", "Bearer planted")];
    let answer = browser
        .request(http::Method::GET, &broker.url(WIKI, "/x"), &forged)
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    let seen = app.last();
    assert!(seen.only(ACCESS).starts_with("access-token-"));
    assert!(seen.only("authorization").starts_with("Bearer eyJ"));
    let listener = Listener::start(&broker).await;
    let mut envoy = listener.envoy().await;
    let mut sent = http::HeaderMap::new();
    for (name, value) in forged {
        sent.insert(name, value.parse().expect("a value"));
    }
    let cookie = app_cookie(&broker, &browser, WIKI);
    sent.insert("cookie", cookie.parse().expect("a value"));
    let host = format!("{WIKI}:{}", broker.address.port());
    let asked = question("GET", &host, "/", &sent);
    let told = envoy.check(&asked).await.expect("an answer");
    assert_eq!(told.http_status(), 200);
    let told = told.headers();
    assert_eq!(told[ACCESS], seen.only(ACCESS));
    assert_eq!(told["authorization"], seen.only("authorization"));
    let browsers = format!("{:?} {}", answer.headers, answer.html());
    let log = format!("{:?}", audit::everything_here());
    for secret in [seen.only(ACCESS), seen.only("x-id-token")] {
        assert!(!browsers.contains(secret) && !log.contains(secret));
    }
}
