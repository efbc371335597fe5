//! Who is not let in any more.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::login::{signs_in_at_second, with_second_provider};
use crate::support::provider::{GithubFault, TestProvider, TokenFault};

/// The account was closed, or the grant withdrawn: all app sessions end.
#[tokio::test]
async fn a14_a_grant_that_is_over_ends_the_session_everywhere() {
    let (broker, browser) = signed_in().await;
    broker.provider.withdraw();
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.status, StatusCode::UNAUTHORIZED);
    let board = broker.check(&browser, "GET", BOARD, "/").await;
    assert_eq!(board.status, StatusCode::UNAUTHORIZED);
    let ended = ended();
    assert_eq!(ended.len(), 1, "{ended:#?}");
    assert_eq!(ended[0].field("tenant"), "acme");
    assert_eq!(ended[0].field("provider"), "main");
    assert!(ended[0].field("reason").contains("invalid_grant"));
}

/// What is our own fault, or the provider's, ends nothing.
#[rstest]
#[case::invalid_client(TokenFault::InvalidClient)]
#[case::no_token(TokenFault::NoAccessToken)]
#[case::another_error(TokenFault::With("error", "temporarily_unavailable".into()))]
#[tokio::test]
async fn another_answer_of_the_token_endpoint_ends_nothing(#[case] fault: TokenFault) {
    let (broker, browser) = signed_in().await;
    broker
        .provider
        .configure(|settings| settings.refresh.rotates = false);
    broker.provider.set(fault);
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    assert!(ended().is_empty());
    broker.provider.behave();
    broker
        .provider
        .person("ada", |ada| ada.groups = vec!["new".into()]);
    let check = used_after(&broker, &browser, Duration::from_secs(30)).await;
    assert_eq!(check.header("x-auth-request-groups"), "new");
}

fn organization(auth0: &TestProvider, id: &str) {
    let id = json!(id);
    auth0.person("ada", |ada| drop(ada.more.insert("org_id".into(), id)));
}

/// What a preset requires is judged again.
#[tokio::test]
async fn somebody_of_another_organization_now_is_signed_out() {
    let settings = "preset = \"auth0\"\ndomain = \"{second_host}\"\norganizations = [\"org_a\"]\nrefresh = true\nrecheck_after = \"10m\"";
    let (broker, auth0) = with_second_provider(settings, Setup::default()).await;
    auth0.configure(|settings| settings.issuer.push('/'));
    organization(&auth0, "org_a");
    let mut browser = broker.browser();
    signs_in_at_second(&broker, &mut browser).await;
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.status, StatusCode::ACCEPTED);
    organization(&auth0, "org_b");
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.status, StatusCode::UNAUTHORIZED);
    let ended = ended();
    assert_eq!(ended.len(), 1, "{ended:#?}");
    assert!(ended[0].field("reason").contains("`org_b`"));
}

const GITHUB: &str =
    "preset = \"github\"\nhost = \"{second_host}\"\nrefresh = true\nrecheck_after = \"10m\"";

/// GitHub's tokens do not expire, and tell again.
#[tokio::test]
async fn githubs_teams_are_looked_at_with_the_same_token() {
    let (broker, github) = with_second_provider(GITHUB, Setup::default()).await;
    let mut browser = broker.browser();
    signs_in_at_second(&broker, &mut browser).await;
    assert!(
        !audit::here()
            .iter()
            .any(|line| line.event() == "no_refresh_token")
    );
    github.person("ada", |ada| ada.github.teams.clear());
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.header("x-auth-request-groups"), "acme");
    assert_eq!(github.count(Endpoint::GithubToken), 1);
}

/// Groups that are not all told are not "none".
#[tokio::test]
async fn a_list_that_is_not_whole_any_more_signs_out() {
    let (broker, github) = with_second_provider(GITHUB, Setup::default()).await;
    let mut browser = broker.browser();
    signs_in_at_second(&broker, &mut browser).await;
    github.set(GithubFault::PartialSingleSignOn);
    let check = used_after(&broker, &browser, TEN_MINUTES).await;
    assert_eq!(check.status, StatusCode::UNAUTHORIZED);
    assert!(ended()[0].field("reason").contains("is not whole"));
}
