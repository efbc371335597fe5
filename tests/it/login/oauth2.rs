//! The generic OAuth 2 preset: one address tells who the access token's owner is.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::support::provider::{AuthorizeFault, Endpoint, UserinfoFault};

const OAUTH2: &str = "preset = \"oauth2\"\n\
    authorization_endpoint = \"{second}/authorize\"\n\
    token_endpoint = \"{second}/token\"\n\
    userinfo_endpoint = \"{second}/userinfo\"\n\
    email_verified_claim = \"email_verified\"\n\
    scopes = [\"profile\", \"email\"]";
const TITLE: &str = "The answer of Second ID cannot be trusted";

#[tokio::test]
async fn a_person_signs_in() {
    let (broker, second) = with_second_provider(OAUTH2, Setup::default()).await;
    let mut browser = broker.browser();
    let login = broker.url("acme.localhost", "/login/second");
    let page = browser.open(&login).await;
    let request = page.location().expect("a redirect");
    assert_eq!(
        parameter(&request, "scope").as_deref(),
        Some("profile email")
    );
    assert_eq!(
        parameter(&request, "nonce"),
        None,
        "there is no ID token to hold it"
    );
    assert_eq!(
        parameter(&request, "code_challenge_method").as_deref(),
        Some("S256")
    );
    browser.visit(request.as_str()).await;
    let check = assert_signs_in(&broker, &mut browser).await;
    assert_eq!(check.header("x-auth-request-email"), "ada@example.com");
    assert_eq!(check.header("x-auth-request-groups"), "staff");
    assert_eq!(second.count(Endpoint::Discovery), 0);
    assert_eq!(second.count(Endpoint::Jwks), 0);
    let exchange = second.last(Endpoint::Token).expect("an exchange");
    assert!(exchange.form("code_verifier").is_some());
}

#[rstest]
#[case::no_subject(UserinfoFault::NoSubject)]
#[case::empty_subject(UserinfoFault::With("sub", json!("")))]
#[case::subject_of_another_shape(UserinfoFault::With("sub", json!(["ada"])))]
#[tokio::test]
async fn a_person_without_a_name_is_nobody(#[case] fault: UserinfoFault) {
    let (broker, second) = with_second_provider(OAUTH2, Setup::default()).await;
    second.set(fault);
    let mut browser = broker.browser();
    let page = browser
        .visit(&broker.url("acme.localhost", "/login/second"))
        .await;
    assert_refused(&broker, &browser, &page, (400, TITLE), "`subject`").await;
}

#[tokio::test]
async fn an_address_without_a_flag_is_none() {
    let settings = OAUTH2.replace("email_verified_claim = \"email_verified\"\n", "");
    let (broker, _second) = with_second_provider(&settings, Setup::default()).await;
    let mut browser = broker.browser();
    browser
        .visit(&broker.url("acme.localhost", "/login/second"))
        .await;
    let check = assert_signs_in(&broker, &mut browser).await;
    assert_eq!(check.header("x-auth-request-email"), "");
}

/// Without a configured issuer there is nothing to compare; with one it must fit.
#[tokio::test]
async fn t01_the_issuer_is_checked_where_it_is_known() {
    let settings = format!("{OAUTH2}\nresponse_issuer = \"{{second}}\"");
    let (broker, second) = with_second_provider(&settings, Setup::default()).await;
    let login = broker.url("acme.localhost", "/login/second");
    let page = broker.browser().visit(&login).await;
    assert_eq!(page.url.path(), "/sessions", "{}", page.text());
    second.set(AuthorizeFault::OtherIssuer);
    let mut browser = broker.browser();
    let page = browser.visit(&login).await;
    assert_refused(&broker, &browser, &page, (400, EXPIRED), "another issuer").await;
    assert_eq!(second.count(Endpoint::Token), 1);
}
