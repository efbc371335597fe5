//! Auth0 in its own shape: an issuer with a slash, organizations, claims named by addresses, a sign-out that
//! is there although the metadata do not say so. All values are made up.

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::support::provider::{
    AuthorizeFault, CLIENT_ID, CLIENT_SECRET, DiscoveryFault, Endpoint, IdTokenFault as F,
    TokenFault, Trouble,
};

const ROLES: &str = "https://acme.example/roles.v1";

/// A broker with Auth0 as `acme`'s second provider.
async fn start(more: &str) -> (Broker, TestProvider) {
    let settings = format!("preset = \"auth0\"\ndomain = \"{{second_host}}\"\n{more}");
    let (broker, auth0) = with_second_provider(&settings, Setup::default()).await;
    auth0.configure(|settings| {
        settings.issuer.push('/');
        settings.client_authentication = vec!["client_secret_post"];
    });
    let algorithms = json!(["HS256", "RS256", "PS256"]);
    for fault in [
        DiscoveryFault::Without("end_session_endpoint"),
        DiscoveryFault::Without("authorization_response_iss_parameter_supported"),
        DiscoveryFault::With("id_token_signing_alg_values_supported", algorithms),
    ] {
        auth0.set(fault);
    }
    auth0.set(AuthorizeFault::NoIssuer);
    auth0.person("ada", |person| {
        person.subject = "auth0|64aa00000000000000000001".into();
        person.groups = Vec::new();
        for (name, value) in [
            ("nickname", json!("ada")),
            ("updated_at", json!("2026-12-30T15:13:40.474Z")),
            ("picture", json!("https://s.gravatar.example/avatar/0")),
        ] {
            person.more.insert(name.into(), value);
        }
    });
    (broker, auth0)
}

fn also(auth0: &TestProvider, name: &str, value: Value) {
    auth0.person("ada", |person| drop(person.more.insert(name.into(), value)));
}

#[tokio::test]
async fn a_person_signs_in_and_out() {
    let (broker, auth0) = start(&format!("groups_claim = \"{ROLES}\"")).await;
    also(&auth0, ROLES, json!(["editors"]));
    let mut browser = broker.browser();
    let check = signs_in_at_second(&broker, &mut browser).await;
    assert_eq!(check.header("x-auth-request-email"), "ada@example.com");
    assert_eq!(check.header("x-auth-request-groups"), "editors");
    assert_eq!(check.header("x-auth-request-preferred-username"), "ada");
    let exchange = auth0.last(Endpoint::Token).expect("an exchange");
    assert_eq!(exchange.form("client_secret"), Some(CLIENT_SECRET));
    let request = auth0.last(Endpoint::Authorize).expect("a request");
    assert_eq!(request.query("organization"), None);
    // The sign-out is there although nobody said so.
    signs_out(&broker, &mut browser).await;
    let out = auth0.last(Endpoint::EndSession).expect("a sign-out there");
    assert_eq!(out.path, "/oidc/logout");
    assert_eq!(out.query("client_id"), Some(CLIENT_ID));
    assert!(out.query("id_token_hint").is_some());
    assert!(out.query("state").is_some());
    let back = broker.url("acme.localhost", "/signed-out");
    assert_eq!(out.query("post_logout_redirect_uri"), Some(&*back));
}

#[tokio::test]
async fn the_sign_out_of_the_metadata_goes_first() {
    let (broker, auth0) = start("").await;
    auth0.unset(DiscoveryFault::Without("end_session_endpoint"));
    let mut browser = broker.browser();
    signs_in_at_second(&broker, &mut browser).await;
    signs_out(&broker, &mut browser).await;
    let out = auth0.last(Endpoint::EndSession).expect("a sign-out there");
    assert_eq!(out.path, "/end_session");
}

#[tokio::test]
async fn t02_an_issuer_without_its_slash_is_another_one() {
    let (broker, auth0) = start("").await;
    auth0.set(F::Claim("iss", auth0.base().into()));
    refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), "Invalid issuer").await;
    // In the metadata too.
    let (broker, auth0) = start("").await;
    auth0.set(DiscoveryFault::With("issuer", auth0.base().into()));
    let page = broker
        .browser()
        .visit(&broker.url("acme.localhost", "/login/second"))
        .await;
    assert_page(&page, 502, "Second ID cannot be reached");
}

#[rstest]
#[case::none(None, "absent")]
#[case::other(Some(json!("org_0000000000000002")), "`org_0000000000000002`")]
#[case::longer(Some(json!("org_00000000000000010")), "`org_00000000000000010`")]
#[case::several(Some(json!(["org_0000000000000001"])), "absent")]
#[tokio::test]
async fn an_account_of_another_organization_is_not_let_in(
    #[case] organization: Option<Value>,
    #[case] found: &str,
) {
    let (broker, auth0) = start("organizations = [\"org_0000000000000001\"]").await;
    if let Some(organization) = organization {
        also(&auth0, "org_id", organization);
    }
    let reason = format!("its `/org_id` is {found}");
    refused_at_second(&broker, (403, ACCOUNT), &reason).await;
    let request = auth0.last(Endpoint::Authorize).expect("a request");
    assert_eq!(request.query("organization"), Some("org_0000000000000001"));
    also(&auth0, "org_id", json!("org_0000000000000001"));
    signs_in_at_second(&broker, &mut broker.browser()).await;
}

/// A used code is refused under a status of Auth0's own.
#[tokio::test]
async fn a_refused_code_is_told_by_its_error_not_by_its_status() {
    let (broker, auth0) = start("").await;
    auth0.set(TokenFault::InvalidGrant);
    auth0.trouble(Endpoint::Token, Trouble::AnswerWithStatus(403));
    refused_at_second(&broker, (400, SECOND_NOT_TRUSTED), "`invalid_grant`").await;
}
