//! Scopes that routes demand.

use axum::Router;
use axum::routing::get;
use doorward::api::{
    Bearer, BearerLayer, Rejection, ScopeClaims, TrustedIssuers, require_any_scope, require_scopes,
};
use rstest::rstest;
use serde_json::{Value, json};

use super::{Issuer, ask_with};

/// The same demand as a layer and in a handler.
fn apps(issuers: &TrustedIssuers, all: bool) -> [Router; 2] {
    const SCOPES: [&str; 2] = ["orders:read", "prices:read"];
    let layer = if all {
        require_scopes(SCOPES)
    } else {
        require_any_scope(SCOPES)
    };
    let layered = get(|| async { "in" }).layer(layer);
    let asked = get(move |caller: Bearer| async move {
        if all {
            caller.require_all(SCOPES)?;
        } else {
            caller.require_any(SCOPES)?;
        }
        Ok::<_, Rejection>("in")
    });
    [layered, asked].map(|route| {
        Router::new()
            .route("/", route)
            .layer(BearerLayer::new(issuers.clone()))
    })
}

#[rstest]
#[case::both(json!({"scope": "prices:read x orders:read"}), true, true)]
#[case::both_in_a_list(json!({"scp": ["orders:read", "prices:read"]}), true, true)]
#[case::over_two_claims(json!({"scope": "orders:read", "scp": "prices:read"}), true, true)]
#[case::one(json!({"scope": "orders:read"}), false, true)]
#[case::none(json!({}), false, false)]
#[case::others(json!({"scope": "orders:write orders:rea prices:reads"}), false, false)]
#[case::in_a_claim_that_does_not_count(json!({"permissions": ["orders:read", "prices:read"]}), false, false)]
#[case::glued(json!({"scope": "orders:read,prices:read"}), false, false)]
#[tokio::test]
async fn a_scope_is_demanded(#[case] claims: Value, #[case] all: bool, #[case] any: bool) {
    let issuer = Issuer::new();
    let issuers = issuer.trusted();
    let token = issuer.token(&claims);
    for (demand_all, expected) in [(true, all), (false, any)] {
        for app in apps(&issuers, demand_all) {
            let answer = ask_with(&app, &token).await;
            let status = if expected { 200 } else { 403 };
            assert_eq!(answer.status.as_u16(), status, "all: {demand_all}");
            let challenge = r#"Bearer realm="orders", error="insufficient_scope", scope="orders:read prices:read""#;
            let challenge = if expected { "" } else { challenge };
            assert_eq!(answer.challenge(), challenge, "all: {demand_all}");
        }
    }
}

#[rstest]
#[case::permissions(&["permissions"], json!({"permissions": ["orders:read"]}))]
#[case::roles(&["/realm_access/roles"], json!({"realm_access": {"roles": ["orders:read"]}}))]
#[case::either(&["scp", "roles"], json!({"roles": ["orders:read"]}))]
#[tokio::test]
async fn each_issuer_writes_them_elsewhere(#[case] names: &[&str], #[case] claims: Value) {
    let (there, here) = (Issuer::new(), Issuer::new());
    let issuers = there
        .builder()
        .trust(there.rules().scopes(ScopeClaims::new(names)))
        .trust(here.rules())
        .build()
        .expect("issuers");
    let app = Router::new()
        .route(
            "/",
            get(|| async { "in" }).layer(require_scopes(["orders:read"])),
        )
        .layer(BearerLayer::new(issuers));
    let answer = ask_with(&app, &there.token(&claims)).await;
    assert_eq!(answer.status.as_u16(), 200);
    // The other issuer's rules are its own.
    let answer = ask_with(&app, &here.token(&claims)).await;
    assert_eq!(answer.status.as_u16(), 403);
}
