//! Mix-ups, borrowed issuers, and addresses that nobody should be sent to.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::support::broker::CONFIGURATION;
use crate::support::provider::{DiscoveryFault, Endpoint, Trouble};

#[tokio::test]
async fn t01_an_answer_at_the_address_of_another_provider_exchanges_nothing() {
    let (broker, second) = with_second_provider(OIDC, Setup::default()).await;
    let mut browser = broker.browser();
    let login = broker.url("acme.localhost", "/login/main");
    let mut callback = up_to(&mut browser, &login, is_callback).await;
    let kept = cookie_header(&browser, &callback);
    callback.set_path("/login/second/callback");
    let page = browser.open(callback.as_str()).await;
    let reason = "at the address of another provider";
    assert_refused(&broker, &browser, &page, (400, EXPIRED), reason).await;
    assert_eq!(broker.provider.count(Endpoint::Token), 0);
    assert_eq!(second.count(Endpoint::Token), 0);
    // A mix-up ends the attempt: the code may be in the wrong hands.
    callback.set_path("/login/main/callback");
    let mut again = broker.browser().always("cookie", &kept);
    let page = again.open(callback.as_str()).await;
    assert_page(&page, 400, EXPIRED);
    assert_eq!(broker.provider.count(Endpoint::Token), 0);
}

/// An honest provider's answer, relayed by one that pretends to be it (RFC 9207 §1).
#[tokio::test]
async fn t01_an_answer_of_another_issuer_exchanges_nothing() {
    let (broker, second) = with_second_provider(OIDC, Setup::default()).await;
    let mut browser = broker.browser();
    let login = broker.url("acme.localhost", "/login/second");
    let callback = up_to(&mut browser, &login, is_callback).await;
    let relayed = with_parameter(&callback, "iss", Some(broker.provider.base()));
    let page = browser.open(relayed.as_str()).await;
    assert_refused(&broker, &browser, &page, (400, EXPIRED), "another issuer").await;
    assert_eq!(broker.provider.count(Endpoint::Token), 0);
    assert_eq!(second.count(Endpoint::Token), 0);
}

#[tokio::test]
async fn t01_an_answer_at_another_tenant_exchanges_nothing() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let callback = up_to_callback(&broker, &mut browser, WIKI).await;
    let [name] = &*cookies(&browser, "__Host-dwl-") else {
        panic!("one attempt");
    };
    // As if both tenants shared a host: the cookie gets there as well.
    let value = browser.cookie(callback.as_str(), name).expect("a cookie");
    let there = broker.url("login.localhost", "/t/globex/login/main/callback");
    browser.set_cookie(&there, &format!("{name}={value}; Path=/; Secure"));
    let wrong = format!("{there}?{}", callback.query().expect("a query"));
    let page = browser.open(&wrong).await;
    let (status, title) = (400, EXPIRED);
    assert_page(&page, status, title);
    let line = audit::only(&page);
    assert_eq!(line.field("tenant"), "globex");
    assert!(line.field("reason").contains("address of another provider"));
    assert!(!has_session(&browser));
    assert_eq!(broker.provider.count(Endpoint::Token), 0);
    // "Start again" does not lead from one tenant into another's apps.
    assert_eq!(
        page.link("Start again").as_str(),
        broker.url("login.localhost", "/t/globex/login")
    );
}

#[tokio::test]
async fn t01_a_session_of_one_tenant_is_none_at_another() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    assert_signs_in(&broker, &mut browser).await;
    let value = |url: String, name: &str| browser.cookie(&url, name).expect("a session");
    let session = value(broker.url("acme.localhost", "/"), "__Host-dws-acme");
    let app = value(broker.url(WIKI, "/"), "__Host-dwa");

    let globex = broker.url("login.localhost", "/t/globex/sessions");
    for name in ["__Host-dws-globex", "__Host-dws-acme"] {
        let mut tossed = broker
            .browser()
            .always("cookie", &format!("{name}={session}"));
        let page = tossed.open(&globex).await;
        assert_eq!(
            page.status,
            StatusCode::SEE_OTHER,
            "{name}: {}",
            page.text()
        );
    }
    // And an app's session is none at another tenant's app, nor at another app of the same tenant.
    for host in [GLOBEX_WIKI, BOARD] {
        let tossed = broker
            .browser()
            .always("cookie", &format!("__Host-dwa={app}"));
        let check = broker.check(&tossed, "GET", host, "/").await;
        assert_eq!(check.status, StatusCode::UNAUTHORIZED, "{host}");
    }
    // One kind is not another either.
    let tossed = broker
        .browser()
        .always("cookie", &format!("__Host-dwa={session}"));
    let check = broker.check(&tossed, "GET", WIKI, "/").await;
    assert_eq!(check.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn t02_two_tenants_of_one_issuer_have_people_of_their_own() {
    let broker = Broker::start().await;
    let mut browser = broker.browser();
    let acme = assert_signs_in_at(&broker, &mut browser, WIKI).await;
    let globex = assert_signs_in_at(&broker, &mut browser, GLOBEX_WIKI).await;
    let user = |page: &Page| page.header("x-auth-request-user").to_owned();
    assert_eq!(user(&acme).len(), 32);
    assert_ne!(user(&acme), user(&globex));
}

/// Each tenant's own client, though the issuer is one.
#[tokio::test]
async fn t02_two_tenants_of_one_issuer_have_clients_of_their_own() {
    let (acme, globex) = CONFIGURATION.split_once("id = \"globex\"").expect("globex");
    let globex = globex.replacen("{client_id}", "globex-client", 1);
    let broker = Broker::with(Setup {
        configuration: format!("{acme}id = \"globex\"{globex}"),
        ..Setup::default()
    })
    .await;
    broker.provider.configure(|settings| {
        let secret = settings.clients.values().next().cloned().flatten();
        settings.clients.insert("globex-client".into(), secret);
    });
    let mut browser = broker.browser();
    assert_signs_in_at(&broker, &mut browser, WIKI).await;
    assert_signs_in_at(&broker, &mut browser, GLOBEX_WIKI).await;
    // A token for acme's client is none for globex, though issuer and key are right.
    let audience = json!(crate::support::provider::CLIENT_ID);
    broker
        .provider
        .set(crate::support::provider::IdTokenFault::Claim(
            "aud", audience,
        ));
    let mut other = broker.browser();
    let callback = up_to_callback(&broker, &mut other, GLOBEX_WIKI).await;
    let page = other.open(callback.as_str()).await;
    assert_page(&page, 400, "The answer of Globex ID cannot be trusted");
    assert!(!has_session(&other));
}

#[rstest]
#[case::other(DiscoveryFault::With("issuer", json!("http://evil.localhost")), "http://evil.localhost")]
#[case::slash(DiscoveryFault::IssuerWithSlash, "/`, not `")]
#[case::missing(DiscoveryFault::Without("issuer"), "issuer")]
#[case::no_keys(DiscoveryFault::Without("jwks_uri"), "jwks_uri")]
#[case::several_algorithms(
    DiscoveryFault::With("id_token_signing_alg_values_supported", json!(["ES256", "PS256"])),
    "`id_token_algorithm`"
)]
#[case::symmetric_only(
    DiscoveryFault::With("id_token_signing_alg_values_supported", json!(["HS256", "none"])),
    "`id_token_algorithm`"
)]
#[tokio::test]
async fn t02_metadata_that_cannot_be_used_send_nobody_away(
    #[case] fault: DiscoveryFault,
    #[case] reason: &str,
) {
    let broker = Broker::start().await;
    broker.provider.set(fault);
    let mut browser = broker.browser();
    let page = broker.sign_in(&mut browser, WIKI, "/").await;
    assert_page(&page, 502, UNREACHABLE);
    let line = audit::only(&page);
    assert_eq!(line.event(), "login_not_begun");
    assert!(
        line.field("reason").contains(reason),
        "{}",
        line.field("reason")
    );
    assert!(!page.text().contains("evil"), "{}", page.text());
    assert_eq!(broker.provider.count(Endpoint::Authorize), 0);
    assert!(cookies(&browser, "__Host-dwl-").is_empty());
}

/// What a tenant may write as its provider, and what stands on this machine or next to it.
#[rstest]
#[case::loopback("https://127.0.0.1:{tls}")]
#[case::loopback_by_name("https://localhost:{tls}")]
#[case::loopback_in_decimal("https://2130706433:{tls}")]
#[case::loopback_in_hex("https://0x7f.1:{tls}")]
#[case::mapped("https://[::ffff:127.0.0.1]:{tls}")]
#[case::six("https://[::1]:{tls}")]
#[case::private("https://10.0.0.1")]
#[case::carrier("https://100.64.0.1")]
#[case::local_link("https://169.254.1.1")]
#[case::metadata("https://169.254.169.254")]
#[case::metadata_by_name("https://metadata.google.internal")]
#[case::unique_local("https://[fd00::1]")]
#[case::this_network("https://0.0.0.0:{tls}")]
#[tokio::test]
async fn a32_an_internal_address_is_refused_with_one_page(#[case] issuer: &str) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let issuer = issuer.replace("{tls}", &port.to_string());
    let broker = Broker::with(Setup {
        configuration: production(&issuer),
        provider_deadline: Duration::from_secs(2),
        ..Setup::default()
    })
    .await;
    let mut browser = broker.browser();
    browser.reach("acme.example.com", broker.address);
    let page = browser.open("https://acme.example.com/login/main").await;
    assert_page(&page, 502, UNREACHABLE);
    let reason = audit::only(&page).field("reason");
    assert!(
        reason.contains("refused")
            || reason.contains("only allowed")
            || reason.contains("metadata"),
        "{reason}"
    );
    // Whoever looks at the page learns nothing of what is behind.
    let id = page.header("x-request-id").to_owned();
    assert_eq!(page.text().replace(&id, ""), UNIFORM);
    let connected = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
    assert!(connected.is_err(), "somebody connected to {issuer}");
}

/// What a person reads where a provider cannot be reached, whatever the reason.
const UNIFORM: &str = "Acme ID cannot be reached · Acme A Acme Acme ID cannot be reached \
    We could not get an answer from Acme ID. Try again in a few minutes. Try again \
    For your administrator Request  Time 15 January 2027, 08:00 UTC Code provider_unreachable";

fn production(issuer: &str) -> String {
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
public_url = "https://login.example.com"
trusted_proxies = [{{ networks = ["127.0.0.1/32"], target_headers = "x-original" }}]

[storage]
sqlite = "doorward.db"
sealing_keys = [{{ env = "SEALING_KEY" }}]

[[tenants]]
id = "acme"
name = "Acme"
base_url = "https://acme.example.com"

[[tenants.providers]]
id = "main"
preset = "oidc"
name = "Acme ID"
issuer = "{issuer}"
client_id = "{{client_id}}"
client_secret = {{ env = "CLIENT_SECRET" }}

[[tenants.apps]]
id = "wiki"
name = "Wiki"
hosts = ["wiki.example.com"]
allow = {{ signed_in = true }}
"#
    )
}

/// The provider is where it may be, and points elsewhere.
#[rstest]
#[case::token("token_endpoint", "http://10.0.0.1/token")]
#[case::token_on_metadata("token_endpoint", "http://169.254.169.254/token")]
#[case::keys("jwks_uri", "https://192.168.0.1/jwks")]
#[tokio::test]
async fn t03_an_internal_endpoint_of_a_public_provider_is_refused(
    #[case] member: &'static str,
    #[case] address: &str,
) {
    let broker = Broker::start().await;
    broker
        .provider
        .set(DiscoveryFault::With(member, json!(address)));
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    let reason = audit::only(&page).field("reason");
    assert!(
        ["is refused", "only https", "metadata service"]
            .iter()
            .any(|words| reason.contains(words)),
        "{reason}"
    );
    assert_refused(&broker, &browser, &page, (502, UNREACHABLE), "").await;
    assert!(!page.text().contains("10.0.0.1"), "{}", page.text());
}

#[tokio::test]
async fn t03_userinfo_at_an_internal_address_is_refused() {
    let broker = Broker::start().await;
    let address = json!("http://169.254.169.254/latest/meta-data/");
    broker
        .provider
        .set(DiscoveryFault::With("userinfo_endpoint", address));
    broker
        .provider
        .set(crate::support::provider::UserinfoFault::EmailOnlyHere);
    let mut browser = broker.browser();
    let page = answer_to_callback(&broker, &mut browser, WIKI).await;
    assert_refused(&broker, &browser, &page, (502, UNREACHABLE), "").await;
}

#[rstest]
#[case::discovery(Endpoint::Discovery)]
#[case::token(Endpoint::Token)]
#[case::keys(Endpoint::Jwks)]
#[case::userinfo(Endpoint::Userinfo)]
#[tokio::test]
async fn t03_no_redirect_is_followed(#[case] endpoint: Endpoint) {
    let broker = Broker::start().await;
    broker
        .provider
        .set(crate::support::provider::UserinfoFault::EmailOnlyHere);
    // Followed, it would give the true answer.
    broker.provider.trouble(endpoint, Trouble::RedirectToItself);
    let mut browser = broker.browser();
    let page = broker.sign_in(&mut browser, WIKI, "/").await;
    assert!(
        matches!(page.status.as_u16(), 400 | 502),
        "{} {}",
        page.status,
        page.text()
    );
    assert!(!has_session(&browser));
    assert_eq!(broker.provider.count(endpoint), 1);
    let line = audit::only(&page);
    assert!(
        line.field("reason").contains("307"),
        "{}",
        line.field("reason")
    );
    let elsewhere = broker.provider.base();
    assert!(!page.html().contains(elsewhere), "{}", page.text());
}
