//! Metadata (RFC 8414) and key sets.

use rstest::rstest;
use serde_json::json as value;

use super::{AT_ACME, AT_GLOBEX, AT_SOLO, get, json, start};
use crate::support::nodes::{ACME, SHARED, SOLO, WIKI};

/// Each tenant is found where RFC 8414 §3 has it, and below its own address.
#[rstest]
#[case::own_host(AT_ACME)]
#[case::shared_host(AT_GLOBEX)]
#[case::app_host(AT_SOLO)]
#[tokio::test]
async fn metadata_says_what_is_true(#[case] (host, base): (&str, &str)) {
    let broker = start().await;
    let issuer = broker.url(host, base);
    let methods = value!([
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt"
    ]);
    let algorithms = value!([
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"
    ]);
    let expected = value!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks.json"),
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint": format!("{issuer}/introspect"),
        "introspection_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint": format!("{issuer}/revoke"),
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
    });
    let name = "/.well-known/oauth-authorization-server";
    for path in [format!("{name}{base}"), format!("{base}{name}")] {
        let answer = get(&broker, host, &path).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(json(&answer), expected);
        assert_eq!(answer.headers()["content-type"], "application/json");
        assert_eq!(answer.headers()["cache-control"], "public, max-age=900");
    }
    let answer = get(&broker, host, &format!("{base}/jwks.json")).await;
    assert_eq!(answer.headers()["content-type"], "application/jwk-set+json");
    assert_eq!(answer.headers()["cache-control"], "public, max-age=900");
    let set = json(&answer);
    assert_eq!(set["keys"].as_array().map(Vec::len), Some(1));
    assert_eq!(set["keys"][0]["use"], "sig");
    assert_eq!(set["keys"][0]["alg"], "ES256");
    assert!(set["keys"][0].get("d").is_none());
}

/// Every tenant has keys of its own.
#[tokio::test]
async fn t27_no_two_tenants_share_a_key() {
    let broker = start().await;
    let mut kids = std::collections::HashSet::new();
    for (host, base) in [AT_ACME, AT_GLOBEX, AT_SOLO] {
        let set = json(&get(&broker, host, &format!("{base}/jwks.json")).await);
        assert!(kids.insert(set["keys"][0]["kid"].to_string()));
    }
}

#[rstest]
#[case::no_tenant(SHARED, "/.well-known/oauth-authorization-server/t/nobody")]
#[case::behind_a_tenant(SHARED, "/.well-known/oauth-authorization-server/t/globex/x")]
#[case::another_host(ACME, "/.well-known/oauth-authorization-server/t/globex")]
#[case::shared_host_itself(SHARED, "/.well-known/oauth-authorization-server")]
#[case::app_host(WIKI, "/.well-known/oauth-authorization-server")]
#[case::app_host_without_its_path(SOLO, "/.well-known/oauth-authorization-server")]
#[case::dots(SHARED, "/.well-known/oauth-authorization-server/t/x/../globex")]
#[tokio::test]
async fn a33_nothing_is_told_at_other_addresses(#[case] host: &str, #[case] path: &str) {
    let broker = start().await;
    let answer = get(&broker, host, path).await;
    assert!(
        matches!(answer.status().as_u16(), 404 | 421),
        "{}",
        answer.status()
    );
    assert_eq!(answer.headers()["cache-control"], "no-store");
}
