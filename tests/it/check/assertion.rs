//! The signed assertion, verified as an app does it: with the tenant's key set and nothing else.

use std::sync::Arc;
use std::time::Duration;

use doorward::domain::ids::Issuer;
use doorward::jose::{
    KeySet, KeySets, SignatureAlgorithm, TokenKind, TokenRefused, TokenVerifier, TrustedIssuer,
    TrustedKeys, TypRule, UnverifiedToken,
};
use doorward::outbound::FetchCounts;
use doorward::ports::Clock as _;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::audit;
use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::browser::{Browser, Page};
use crate::support::nodes::{BOARD, WIKI};
use crate::support::raw::values;

const HEADERS: &str = "identity_headers = { X-User = \"user\", X-Assertion = \"assertion\" }";
const ASSERTION: &str = "x-assertion";

/// Wiki and board of acme ask for assertions.
async fn start() -> Broker {
    let configuration = CONFIGURATION
        .replacen("hide_cookies = true", HEADERS, 1)
        .replacen(
            "name = \"Board\"",
            &format!("name = \"Board\"\n{HEADERS}"),
            1,
        );
    let setup = Setup {
        configuration,
        ..Setup::default()
    };
    Broker::with(setup).await
}

async fn signed_in() -> (Broker, Browser) {
    let broker = start().await;
    broker.provider.sign_in_as("ada");
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    broker.sign_in(&mut browser, BOARD, "/").await;
    (broker, browser)
}

async fn told(broker: &Broker, browser: &Browser, host: &str) -> Page {
    let page = broker.check(browser, "GET", host, "/").await;
    assert_eq!(page.status, StatusCode::ACCEPTED);
    page
}

async fn assertion(broker: &Broker, browser: &Browser, host: &str) -> String {
    told(broker, browser, host)
        .await
        .header(ASSERTION)
        .to_owned()
}

fn issuer(broker: &Broker) -> String {
    format!("http://acme.localhost:{}", broker.address.port())
}

/// As an app would write it.
fn rules(broker: &Broker, app: &str, typ: TypRule) -> TrustedIssuer {
    let acme = "acme".parse().expect("a name");
    let key_set = broker.door.parts.signing.key_set(&acme).expect("keys");
    let keys = TrustedKeys::Inline {
        algorithm: SignatureAlgorithm::Es256,
        keys: KeySet::parse(key_set.to_string().as_bytes()).expect("a key set"),
    };
    TrustedIssuer {
        kind: TokenKind::Attestation,
        typ,
        ..TrustedIssuer::of_access_tokens(Issuer::new(&issuer(broker)), keys, &[app])
    }
}

async fn verify(
    broker: &Broker,
    token: &str,
    rules: &TrustedIssuer,
) -> Result<Value, TokenRefused> {
    let clock = broker.clock.clone();
    let key_sets = KeySets::new(clock.clone(), Arc::new(FetchCounts::default()));
    let verifier = TokenVerifier::new(Arc::new(key_sets), clock);
    let token = verifier
        .verify(UnverifiedToken::read(token)?, rules)
        .await?;
    Ok(token.claims().clone())
}

fn of_assertions() -> TypRule {
    TypRule::OneOf(vec!["assertion+jwt".into()])
}

#[tokio::test]
async fn an_app_verifies_who_calls_with_the_tenants_keys_alone() {
    let (broker, browser) = signed_in().await;
    let page = told(&broker, &browser, WIKI).await;
    let rules = rules(&broker, "wiki", of_assertions());
    let claims = verify(&broker, page.header(ASSERTION), &rules)
        .await
        .expect("good");
    let now = broker.clock.now().unix_timestamp();
    assert_eq!(claims["iss"], json!(issuer(&broker)));
    assert_eq!(claims["aud"], json!("wiki"));
    assert_eq!(claims["sub"], json!(page.header("x-user")));
    assert_eq!(claims["iat"], json!(now));
    assert_eq!(claims["exp"], json!(now + 600));
    assert_eq!(claims["email"], json!("ada@example.com"));
    assert_eq!(claims["groups"], json!(["staff"]));
    assert_eq!(claims["roles"], json!([]));
    assert_eq!(claims["scheme"], json!("session"));
    assert_eq!(claims["provider"], json!("main"));
    assert_eq!(claims.get("scope"), None);
    assert_eq!(claims["jti"].as_str().map(str::len), Some(32));
}

/// Each app has its own, and an access token it is not, whatever its audience.
#[tokio::test]
async fn a11_an_assertion_is_for_one_app_and_no_access_token() {
    let (broker, browser) = signed_in().await;
    let wiki = assertion(&broker, &browser, WIKI).await;
    let board = assertion(&broker, &browser, BOARD).await;
    let of_wiki = rules(&broker, "wiki", of_assertions());
    assert!(matches!(
        verify(&broker, &board, &of_wiki).await,
        Err(TokenRefused::Audience(_))
    ));
    let mut access = rules(&broker, "wiki", TypRule::AccessToken);
    access.kind = TokenKind::Access;
    assert!(matches!(
        verify(&broker, &wiki, &access).await,
        Err(TokenRefused::Type(_))
    ));
    // Two sessions of one person are told apart.
    let claims = verify(&broker, &wiki, &of_wiki).await.expect("good");
    let mut other = broker.browser();
    broker.sign_in(&mut other, WIKI, "/").await;
    let theirs = assertion(&broker, &other, WIKI).await;
    let theirs = verify(&broker, &theirs, &of_wiki).await.expect("good");
    assert_eq!(theirs["sub"], claims["sub"]);
    assert_ne!(theirs["sid"], claims["sid"]);
    assert_ne!(theirs["jti"], claims["jti"]);
}

/// It is signed once for a while, and whatever is handed out is good for five minutes more.
#[tokio::test]
async fn an_assertion_is_signed_once_and_in_time_again() {
    let (broker, browser) = signed_in().await;
    let first = assertion(&broker, &browser, WIKI).await;
    broker.advance(Duration::from_secs(299)).await;
    assert_eq!(assertion(&broker, &browser, WIKI).await, first);
    let rules = rules(&broker, "wiki", of_assertions());
    broker.advance(Duration::from_secs(1)).await;
    let second = assertion(&broker, &browser, WIKI).await;
    assert_ne!(second, first);
    broker.advance(Duration::from_secs(299)).await;
    verify(&broker, &first, &rules).await.expect("still good");
    verify(&broker, &second, &rules).await.expect("good");
}

/// Nobody brings along what only we may say.
#[tokio::test]
async fn nothing_is_asserted_of_nobody_and_what_a_client_asserts_is_overwritten() {
    let (broker, browser) = signed_in().await;
    let forged = [(ASSERTION, "eyJhbGciOiJub25lIn0.e30.")];
    let stranger = broker.browser();
    let public = broker
        .check_with(&stranger, "GET", BOARD, "/public", &forged)
        .await;
    assert_eq!(public.status, StatusCode::ACCEPTED);
    assert_eq!(values(&public.headers, ASSERTION), [""]);
    let ours = broker.check_with(&browser, "GET", WIKI, "/", &forged).await;
    assert_eq!(values(&ours.headers, ASSERTION).len(), 1);
    assert!(
        ours.header(ASSERTION).starts_with("eyJhbGciOiJFUzI1NiIs"),
        "{}",
        ours.header(ASSERTION)
    );
    let refused = broker.check(&browser, "GET", BOARD, "/admin").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.headers.get(ASSERTION), None);
}

/// No server takes a header without end. What is left out is not told as "none".
#[tokio::test]
async fn groups_that_no_header_can_carry_are_left_out_and_not_told_as_none() {
    let broker = start().await;
    broker.provider.person("ada", |ada| {
        ada.groups = (0..250)
            .map(|number| format!("a-group-with-a-long-name-{number}"))
            .collect();
    });
    broker.provider.sign_in_as("ada");
    let mut browser = broker.browser();
    broker.sign_in(&mut browser, WIKI, "/").await;
    let token = assertion(&broker, &browser, WIKI).await;
    assert!(token.len() < 8 * 1024);
    let rules = rules(&broker, "wiki", of_assertions());
    let claims = verify(&broker, &token, &rules).await.expect("good");
    assert_eq!((claims.get("groups"), claims.get("roles")), (None, None));
    assert_eq!(claims["email"], json!("ada@example.com"));
    let lines = audit::here();
    assert!(
        lines
            .iter()
            .any(|line| line.event() == "assertion_shortened")
    );
}
