//! Amazon Cognito in its own shape: an issuer on one host and everything else on another, several kinds of
//! token under one key, a sign-out that is not OpenID Connect's. All values are made up.

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::support::provider::{
    AuthorizeFault, CLIENT_ID, DiscoveryFault, Endpoint, IdTokenFault as F, TokenFault,
};

const POOL: &str = "eu-central-1_AbCdEf123";

/// A broker with Cognito as `acme`'s second provider.
async fn start() -> (Broker, TestProvider) {
    let settings = format!(
        "preset = \"cognito\"\nregion = \"eu-central-1\"\nuser_pool_id = \"{POOL}\"\ndomain = \"{{second_host}}\""
    );
    let preset = (
        "cognito",
        "https://cognito-idp.{region}.amazonaws.com",
        "/{region}",
    );
    let (broker, cognito) = with_preset(Some(preset), &settings, Setup::default()).await;
    cognito.configure(|settings| {
        settings.issuer = format!("{}/eu-central-1/{POOL}", settings.issuer);
        settings.session = String::new();
    });
    for fault in [
        DiscoveryFault::Without("end_session_endpoint"),
        DiscoveryFault::Without("code_challenge_methods_supported"),
        DiscoveryFault::Without("authorization_response_iss_parameter_supported"),
    ] {
        cognito.set(fault);
    }
    cognito.set(AuthorizeFault::NoIssuer);
    cognito.set(TokenFault::Without("scope"));
    cognito.person("ada", |person| {
        person.subject = "0a1b2c3d-0000-4000-8000-0123456789ab".into();
        person.groups = Vec::new();
        for (name, value) in [
            ("token_use", json!("id")),
            ("cognito:username", json!("ada")),
            (
                "cognito:groups",
                json!(["admins", "eu-central-1_AbCdEf123_SAML"]),
            ),
            ("origin_jti", json!("o-1")),
            ("event_id", json!("e-1")),
            ("custom:level", json!("7")),
            ("updated_at", json!("1767107620")),
            ("phone_number_verified", json!("false")),
            (
                "identities",
                json!([{"providerName": "SAML", "primary": "true"}]),
            ),
        ] {
            person.more.insert(name.into(), value);
        }
    });
    (broker, cognito)
}

#[tokio::test]
async fn a_person_signs_in_and_out() {
    let (broker, cognito) = start().await;
    let mut browser = broker.browser();
    let check = signs_in_at_second(&broker, &mut browser).await;
    assert_eq!(check.header("x-auth-request-email"), "ada@example.com");
    assert_eq!(check.header("x-auth-request-preferred-username"), "ada");
    assert_eq!(
        check.header("x-auth-request-groups"),
        "admins,eu-central-1_AbCdEf123_SAML"
    );
    let asked = cognito.last(Endpoint::Discovery).expect("metadata");
    assert_eq!(
        asked.path,
        format!("/eu-central-1/{POOL}/.well-known/openid-configuration")
    );
    let exchange = cognito.last(Endpoint::Token).expect("an exchange");
    assert!(
        exchange
            .header("authorization")
            .is_some_and(|it| it.starts_with("Basic "))
    );
    assert_eq!(cognito.count(Endpoint::Userinfo), 0);
    // Out: its own parameters, and its own address to return to, exactly as it is registered.
    signs_out(&broker, &mut browser).await;
    let out = cognito
        .last(Endpoint::CognitoLogout)
        .expect("a sign-out there");
    let back = broker.url("acme.localhost", "/signed-out");
    assert_eq!(
        out.query,
        [
            ("client_id".to_owned(), CLIENT_ID.to_owned()),
            ("logout_uri".to_owned(), back)
        ]
    );
}

/// A plus sign is no space to it.
#[tokio::test]
async fn scopes_are_parted_by_spaces_that_everybody_reads() {
    let (broker, _cognito) = start().await;
    let login = broker.url("acme.localhost", "/login/second");
    let page = broker.browser().open(&login).await;
    let request = page.location().expect("a redirect");
    let query = request.query().expect("a query");
    assert!(query.contains("scope=openid%20profile%20email"), "{query}");
    assert!(!query.contains('+'), "{query}");
}

#[rstest]
#[case::access_token(F::Claim("token_use", json!("access")), "`/token_use`")]
#[case::no_kind(F::WithoutClaim("token_use"), "`/token_use`")]
#[case::kind_of_another_kind(F::Claim("token_use", json!(["id"])), "`/token_use`")]
#[case::token_without_audience(F::NoAudience, "Invalid audiences")]
#[case::token_of_another_client(F::OtherAudience, "Invalid audiences")]
#[case::another_pool(F::Claim("iss", json!("https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Other")), "Invalid issuer")]
#[tokio::test]
async fn a11_only_an_id_token_of_the_pool_signs_in(#[case] fault: F, #[case] reason: &str) {
    let (broker, cognito) = start().await;
    cognito.set(fault);
    refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), reason).await;
}

#[rstest]
#[case::truth(json!(true), true)]
#[case::text(json!("true"), true)]
#[case::false_text(json!("false"), false)]
#[case::capitals(json!("TRUE"), false)]
#[case::number(json!(1), false)]
#[case::list(json!([true]), false)]
#[tokio::test]
async fn t12_a_flag_in_text_says_what_it_says(#[case] flag: Value, #[case] counts: bool) {
    let (broker, cognito) = start().await;
    cognito.person("ada", |person| person.email_verified = Some(flag));
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    let expected = if counts { "ada@example.com" } else { "" };
    assert_eq!(check.header("x-auth-request-email"), expected);
}

#[tokio::test]
async fn who_is_in_no_group_signs_in_without() {
    let (broker, cognito) = start().await;
    cognito.set(F::WithoutClaim("cognito:groups"));
    let check = signs_in_at_second(&broker, &mut broker.browser()).await;
    assert_eq!(check.header("x-auth-request-groups"), "");
}
