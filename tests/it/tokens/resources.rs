//! Protected-resource metadata (RFC 9728) at the hosts of apps.

use rstest::rstest;
use serde_json::json as value;

use super::{get, json};
use crate::support::broker::{Broker, CONFIGURATION, Setup};
use crate::support::nodes::{ACME, BOARD, SHARED, WIKI};

const NAME: &str = "/.well-known/oauth-protected-resource";

/// The wiki of acme says what it is.
async fn start() -> Broker {
    let wiki = "id = \"wiki\"\nname = \"Wiki\"\n";
    let resource = "protected_resource = { scopes = [\"pages.read\", \"pages.write\"] }\n";
    Broker::with(Setup {
        configuration: CONFIGURATION.replacen(wiki, &format!("{wiki}{resource}"), 1),
        ..Setup::default()
    })
    .await
}

#[rstest]
#[case::the_host("", "")]
#[case::a_path("/mcp", "/mcp")]
#[case::a_longer_path("/a/b%20c", "/a/b%20c")]
#[tokio::test]
async fn an_app_says_who_issues_tokens_for_it(#[case] path: &str, #[case] expected: &str) {
    let broker = start().await;
    let answer = get(&broker, WIKI, &format!("{NAME}{path}")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["cache-control"], "public, max-age=900");
    assert_eq!(
        json(&answer),
        value!({
            "resource": broker.url(WIKI, expected),
            "resource_name": "Wiki",
            "authorization_servers": [broker.url(ACME, "")],
            "scopes_supported": ["pages.read", "pages.write"],
            "bearer_methods_supported": ["header"],
        })
    );
    let issuer = "/.well-known/oauth-authorization-server";
    let issuer = json(&get(&broker, ACME, issuer).await);
    assert_eq!(issuer["issuer"], json(&answer)["authorization_servers"][0]);
}

#[rstest]
#[case::an_app_that_says_nothing(BOARD, NAME)]
#[case::sign_in_host(ACME, NAME)]
#[case::shared_host(SHARED, NAME)]
#[case::nobodys_host("nobody.localhost", NAME)]
#[case::longer_name(WIKI, "/.well-known/oauth-protected-resources")]
#[tokio::test]
async fn a33_no_other_host_is_a_resource(#[case] host: &str, #[case] path: &str) {
    let broker = start().await;
    let answer = get(&broker, host, path).await;
    assert!(
        matches!(answer.status().as_u16(), 404 | 421),
        "{}",
        answer.status()
    );
}
