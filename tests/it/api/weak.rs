//! Faults that add-ons of other frameworks have had, each by what holds here instead.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use doorward::api::{BearerLayer, IssuerRules, ScopeClaims, TrustedIssuers, require_scopes};
use doorward::jose::ClaimDemand;
use rstest::rstest;
use serde_json::{Value, json};

use super::{AUDIENCE, Issuer, ask, ask_with, whoami};
use crate::support::audit;
use crate::support::provider::{Endpoint, IdTokenFault};

fn trusting(issuer: &Issuer, rules: IssuerRules) -> TrustedIssuers {
    issuer.builder().trust(rules).build().expect("issuers")
}

/// Behind a scope and a rule about guests, as Entra's users have them.
fn guarded(issuer: &Issuer) -> Router {
    let rules = issuer
        .rules()
        .demand(ClaimDemand::is("acct", 0))
        .scopes(ScopeClaims::new(&["scp", "roles"]));
    Router::new()
        .route(
            "/",
            get(|| async { "in" }).layer(require_scopes(["orders:read"])),
        )
        .layer(BearerLayer::new(trusting(issuer, rules)))
}

async fn status(app: &Router, token: &str) -> u16 {
    ask_with(app, token).await.status.as_u16()
}

/// There, tokens of a new key were refused for a day.
#[tokio::test]
async fn weak_a_new_key_is_taken_with_the_first_token_that_it_signed() {
    let issuer = Issuer::new();
    let app = whoami(issuer.trusted());
    assert_eq!(status(&app, &issuer.token(&json!({}))).await, 200);
    for rotations in 1..=3 {
        issuer.provider.rotate();
        assert_eq!(status(&app, &issuer.token(&json!({}))).await, 200);
        assert_eq!(issuer.provider.count(Endpoint::Jwks), 1 + rotations);
        issuer.clock.advance(Duration::from_secs(30));
    }
}

/// There, keys were fetched once, so a key that its issuer took back signed for ever.
#[tokio::test]
async fn weak_a_key_that_was_taken_back_ends() {
    let issuer = Issuer::new();
    let app = whoami(issuer.trusted());
    assert_eq!(status(&app, &issuer.token(&json!({}))).await, 200);
    issuer.provider.rotate();
    issuer.provider.set(IdTokenFault::SignedByRetiredKey);
    // The key set was good for an hour.
    issuer.clock.advance(Duration::from_hours(1));
    assert_eq!(status(&app, &issuer.token(&json!({}))).await, 401);
}

/// There, programs were refused wherever a scope was demanded, because theirs are called roles.
#[tokio::test]
async fn weak_programs_pass_by_their_roles() {
    let issuer = Issuer::new();
    let app = guarded(&issuer);
    let person = json!({"acct": 0, "scp": "orders:read"});
    let program = json!({"acct": 0, "roles": ["orders:read"]});
    for claims in [person, program] {
        assert_eq!(status(&app, &issuer.token(&claims)).await, 200);
    }
}

/// There, an audience was text, and a list of them was refused.
#[rstest]
#[case::text(json!(AUDIENCE), 200)]
#[case::list(json!([AUDIENCE]), 200)]
#[case::among_others(json!(["other", AUDIENCE]), 200)]
#[case::others(json!(["other", "orders2"]), 401)]
#[case::empty(json!([]), 401)]
#[case::not_only_texts(json!([AUDIENCE, 1]), 401)]
#[tokio::test]
async fn weak_a_list_of_audiences_is_read(#[case] audience: Value, #[case] expected: u16) {
    let issuer = Issuer::new();
    let app = whoami(issuer.trusted());
    let token = issuer.token(&json!({ "aud": audience }));
    assert_eq!(status(&app, &token).await, expected);
}

/// There, a stranger's token was told by its answer that it lacked a scope, or was a guest's.
#[rstest]
#[case::guest(json!({"acct": 1, "scp": "orders:read"}))]
#[case::no_scope(json!({"acct": 0}))]
#[case::all_well(json!({"acct": 0, "scp": "orders:read"}))]
#[tokio::test]
async fn weak_nothing_is_judged_before_the_signature(#[case] claims: Value) {
    let issuer = Issuer::new();
    let app = guarded(&issuer);
    for fault in [
        IdTokenFault::BadSignature,
        IdTokenFault::SignedByStranger,
        IdTokenFault::NoSignature,
        IdTokenFault::Unsigned("none"),
    ] {
        issuer.provider.set(fault.clone());
        let answer = ask_with(&app, &issuer.token(&claims)).await;
        assert_eq!(answer.status.as_u16(), 401, "{fault:?}");
        let challenge = r#"Bearer realm="orders", error="invalid_token""#;
        assert_eq!(answer.challenge(), challenge, "{fault:?}");
        issuer.provider.unset(fault);
    }
}

/// There, whole tokens stood in the log.
#[tokio::test]
async fn weak_no_token_stands_in_the_log() {
    audit::listen();
    let issuer = Issuer::new();
    let app = whoami(issuer.trusted());
    let canary = json!({"sub": "canary-of-a-person", "email": "canary@mail.example"});
    let good = issuer.token(&canary);
    issuer.provider.set(IdTokenFault::BadSignature);
    let forged = issuer.token(&canary);
    issuer.provider.unset(IdTokenFault::BadSignature);
    issuer.provider.set(IdTokenFault::ExpiredFor(100));
    let expired = issuer.token(&canary);
    let tokens = [good, forged, expired, "canary.of.a-token".into()];
    for token in &tokens {
        ask_with(&app, token).await;
        ask(&app, &[&format!("Bearer {token}"), "Basic canary"]).await;
    }
    let lines = audit::everything_here();
    let refused = |line: &&audit::Line| line.field("message") == "a bearer token is refused";
    assert_eq!(lines.iter().filter(refused).count(), 3, "they are written");
    for line in lines {
        let line = format!("{line:?}");
        assert!(!line.contains("canary"), "{line}");
        for segment in tokens.iter().flat_map(|token| token.split('.').skip(1)) {
            assert!(segment.len() < 20 || !line.contains(segment), "{line}");
        }
    }
}

/// What a token of Cognito's must say.
fn of_a_pool(issuer: &Issuer) -> Router {
    let rules = IssuerRules::discovered(issuer.name(), &["our-app-client"])
        .audience_in("client_id")
        .any_typ()
        .demand(ClaimDemand::is("token_use", "access"));
    whoami(trusting(issuer, rules))
}

/// There, the tokens of every app client of the pool passed.
#[rstest]
#[case::ours("our-app-client", 200)]
#[case::another("another-app-client", 401)]
#[case::one_that_begins_so("our-app-client-2", 401)]
#[tokio::test]
async fn weak_another_client_of_the_pool_is_refused(#[case] client: &str, #[case] expected: u16) {
    let issuer = Issuer::new();
    let claims = json!({"client_id": client, "token_use": "access"});
    let token = issuer.token(&claims);
    assert_eq!(status(&of_a_pool(&issuer), &token).await, expected);
}

/// There, what was missing was not looked at.
#[rstest]
#[case::whole(None, 200)]
#[case::expiry(Some("exp"), 401)]
#[case::client(Some("client_id"), 401)]
#[case::kind(Some("token_use"), 401)]
#[case::issuer(Some("iss"), 401)]
#[tokio::test]
async fn weak_what_is_missing_does_not_pass(
    #[case] missing: Option<&'static str>,
    #[case] expected: u16,
) {
    let issuer = Issuer::new();
    if let Some(missing) = missing {
        issuer.provider.set(IdTokenFault::WithoutClaim(missing));
    }
    let claims = json!({"client_id": "our-app-client", "token_use": "access"});
    let token = issuer.token(&claims);
    assert_eq!(status(&of_a_pool(&issuer), &token).await, expected);
}

#[rstest]
#[case::absent(IdTokenFault::NoAudience)]
#[case::empty(IdTokenFault::EmptyAudience)]
#[tokio::test]
async fn weak_no_audience_is_not_every_audience(#[case] fault: IdTokenFault) {
    let issuer = Issuer::new();
    issuer.provider.set(fault);
    let app = whoami(issuer.trusted());
    assert_eq!(status(&app, &issuer.token(&json!({}))).await, 401);
}
