//! Apple in its own shape: a secret that is signed for each request, an answer by POST, flags in text, neither
//! userinfo nor sign-out. All values are made up.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _};
use serde_json::{Value, json};

use super::*;
use crate::refresh::{TEN_MINUTES, settled, used_after};
use crate::support::broker::CONFIGURATION;
use crate::support::provider::{
    AuthorizeFault, CLIENT_ID, DiscoveryFault, Endpoint, RefreshTokens, RegisteredKey, TokenFault,
};

const PRESET: &str = include_str!("../../../providers/apple.toml");

const SETTINGS: &str = "[[tenants.providers]]\nid = \"main\"\nname = \"Acme ID\"\npreset = \"apple\"\n\
    client_id = \"{client_id}\"\nteam_id = \"DEF123GHIJ\"\nkey_id = \"ABC123DEFG\"\n\
    private_key = { file = \"AuthKey_ABC123DEFG.p8\" }\n";

/// A broker whose one tenant has Apple as its provider.
async fn start() -> Broker {
    start_with("", CONFIGURATION).await
}

/// The same where people are looked at again, and are signed in long enough for it.
async fn start_with_refresh(more: &str) -> Broker {
    let lines = format!("refresh = true\nrecheck_after = \"10m\"\n{more}");
    let long = CONFIGURATION
        .replacen("idle = \"1h\"", "idle = \"2d\"", 1)
        .replacen("absolute = \"10h\"", "absolute = \"7d\"", 1);
    start_with(&lines, &long).await
}

async fn start_with(lines: &str, configuration: &str) -> Broker {
    let clock = clock();
    let provider = TestProvider::start(Arc::clone(&clock));
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let public = DecodingKey::from_ec_der(pair.der_bytes());
    provider.configure(|settings| {
        settings.client_authentication = vec!["client_secret_post"];
        let registered = RegisteredKey {
            named: Some(("kid", "ABC123DEFG".to_owned())),
            issuer: "DEF123GHIJ".to_owned(),
            audience: settings.issuer.clone(),
            as_secret: true,
            ..RegisteredKey::new(Algorithm::ES256, public)
        };
        settings.client_keys.insert(CLIENT_ID.into(), registered);
        settings.session.clear();
    });
    for name in [
        "userinfo_endpoint",
        "end_session_endpoint",
        "authorization_response_iss_parameter_supported",
    ] {
        provider.set(DiscoveryFault::Without(name));
    }
    provider.set(AuthorizeFault::NoIssuer);
    provider.person("ada", |person| {
        person.subject = "000000.0123456789abcdef0123456789abcdef.0000".into();
        person.email = Some("x1y2z3@privaterelay.appleid.com".into());
        person.email_verified = Some("true".into());
        person.groups = Vec::new();
        for (name, value) in [
            ("is_private_email", json!("true")),
            ("nonce_supported", json!(true)),
        ] {
            person.more.insert(name.into(), value);
        }
    });
    let folder = folder();
    let presets = folder.path().join("presets");
    std::fs::create_dir(&presets).expect("a folder");
    let preset = PRESET.replace("https://appleid.apple.com", provider.base());
    std::fs::write(presets.join("apple.toml"), preset).expect("written");
    let key = folder.path().join("AuthKey_ABC123DEFG.p8");
    std::fs::write(key, pair.serialize_pem()).expect("written");
    let (before, rest) = configuration
        .split_once("[[tenants.providers]]")
        .expect("a provider");
    let (_, apps) = rest.split_once("[[tenants.apps]]").expect("an app");
    let (apps, _) = apps
        .split_once("[[tenants]]\nid = \"globex\"")
        .expect("another tenant");
    let before = before.replacen("[server]", "[server]\nproviders_folder = \"presets\"", 1);
    let setup = Setup {
        configuration: format!("{before}{SETTINGS}{lines}\n[[tenants.apps]]{apps}"),
        ..Setup::default()
    };
    Broker::on(setup, clock, provider, folder).await
}

/// Signs in as Apple has it: by a form, with a name beside the answer that nobody has signed.
async fn signs_in(broker: &Broker, browser: &mut Browser) -> Page {
    let page = browser.visit(&broker.sign_in_url(WIKI, "/")).await;
    let form = page.form("/login/main/callback");
    let user = r#"{"name":{"firstName":"Mallory"},"email":"root@example.com"}"#;
    let page = browser.submit(&form, &[("user", user)]).await;
    assert_eq!(page.url.as_str(), broker.url(WIKI, "/"), "{}", page.text());
    let check = broker.check(browser, "GET", WIKI, "/").await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    check
}

#[tokio::test]
async fn a_person_signs_in_and_out() {
    let broker = start().await;
    let mut browser = broker.browser();
    let check = signs_in(&broker, &mut browser).await;
    let email = check.header("x-auth-request-email");
    assert_eq!(email, "x1y2z3@privaterelay.appleid.com");
    let asked = broker
        .provider
        .last(Endpoint::Authorize)
        .expect("a request");
    assert_eq!(asked.query("response_mode"), Some("form_post"));
    assert_eq!(asked.query("scope"), Some("openid email"));
    assert_eq!(broker.provider.count(Endpoint::Userinfo), 0);
    signs_out(&broker, &mut browser).await;
    assert_eq!(broker.provider.count(Endpoint::EndSession), 0);
}

/// What is sent is over in minutes: nobody could use it later, and no one has to remember to renew it.
#[tokio::test]
async fn the_secret_is_made_anew() {
    let broker = start().await;
    let secret = || {
        let exchange = broker.provider.last(Endpoint::Token).expect("an exchange");
        assert_eq!(exchange.form("client_assertion"), None);
        assert_eq!(exchange.header("authorization"), None);
        let secret = exchange.form("client_secret").expect("a secret");
        let claims = secret.split('.').nth(1).expect("claims");
        let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let claims = base64::Engine::decode(&engine, claims).expect("base64url");
        let claims: Value = serde_json::from_slice(&claims).expect("JSON");
        (secret.to_owned(), claims)
    };
    signs_in(&broker, &mut broker.browser()).await;
    let (first, claims) = secret();
    let base = broker.provider.base();
    let expected = json!({
        "iss": "DEF123GHIJ", "sub": CLIENT_ID, "aud": base,
        "iat": 1_800_000_000, "exp": 1_800_000_300,
    });
    assert_eq!(claims, expected);
    broker.advance(Duration::from_secs(3 * 3600)).await;
    signs_in(&broker, &mut broker.browser()).await;
    assert_ne!(secret().0, first);
}

#[tokio::test]
async fn an_unverified_address_does_not_count() {
    let broker = start().await;
    broker.provider.person("ada", |person| {
        person.email_verified = Some("false".into());
    });
    let check = signs_in(&broker, &mut broker.browser()).await;
    assert_eq!(check.header("x-auth-request-email"), "");
}

#[tokio::test]
async fn somebody_who_cancels_is_told_so() {
    let broker = start().await;
    let error = AuthorizeFault::Error("user_cancelled_authorize", "");
    broker.provider.set(error);
    let mut browser = broker.browser();
    let page = browser.visit(&broker.sign_in_url(WIKI, "/")).await;
    let page = browser
        .submit(&page.form("/login/main/callback"), &[])
        .await;
    let expected = (400, "Acme ID did not sign you in");
    assert_refused(&broker, &browser, &page, expected, "user_cancelled").await;
    assert!(page.text().contains("you cancelled"), "{}", page.text());
}

/// A refresh token comes unasked and stays the same, is used once a day at most, and with the grant it is revoked at
/// the sign-out where the operator wants it. Each request has a secret of its own.
#[tokio::test]
async fn people_are_looked_at_daily_and_tokens_revoked() {
    let broker = start_with_refresh("revoke_tokens = true\n").await;
    broker.provider.configure(|settings| {
        settings.refresh = RefreshTokens {
            scope: "openid",
            rotates: false,
            ..RefreshTokens::default()
        };
    });
    let mut browser = broker.browser();
    signs_in(&broker, &mut browser).await;
    let authorize = broker.provider.last(Endpoint::Authorize).expect("one");
    assert_eq!(
        authorize.query("scope"),
        Some("openid email"),
        "nothing asks"
    );
    used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(broker.provider.count(Endpoint::Token), 1, "not so often");
    broker.provider.person("ada", |person| {
        person.email = Some("new@privaterelay.appleid.com".into());
    });
    let check = used_after(&broker, &browser, Duration::from_hours(24)).await;
    assert_eq!(broker.provider.count(Endpoint::Token), 2);
    let refresh = broker.provider.last(Endpoint::Token).expect("a refresh");
    assert_eq!(refresh.form("grant_type"), Some("refresh_token"));
    assert!(
        refresh
            .form("client_secret")
            .is_some_and(|it| it.starts_with("eyJ"))
    );
    let email = check.header("x-auth-request-email");
    assert_eq!(email, "new@privaterelay.appleid.com");
    signs_out(&broker, &mut browser).await;
    settled(&broker).await;
    let revoke = broker.provider.last(Endpoint::Revoke).expect("a request");
    assert_eq!(revoke.form("token"), refresh.form("refresh_token"));
    assert_eq!(revoke.form("token_type_hint"), Some("refresh_token"));
    assert_eq!(revoke.form("client_id"), Some(CLIENT_ID));
    assert!(
        revoke
            .form("client_secret")
            .is_some_and(|it| it.starts_with("eyJ"))
    );
    assert_eq!(broker.provider.live_refresh_tokens(), 0);
}

#[tokio::test]
async fn a_withdrawn_consent_ends_the_session() {
    let broker = start_with_refresh("").await;
    broker
        .provider
        .configure(|settings| settings.refresh.scope = "openid");
    let mut browser = broker.browser();
    signs_in(&broker, &mut browser).await;
    let day = Duration::from_hours(24);
    let check = used_after(&broker, &browser, day).await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    broker.provider.set(TokenFault::InvalidGrant);
    let check = used_after(&broker, &browser, day).await;
    assert_eq!(check.status, StatusCode::UNAUTHORIZED);
    settled(&broker).await;
    assert_eq!(
        broker.provider.count(Endpoint::Revoke),
        0,
        "nobody wants it"
    );
}
