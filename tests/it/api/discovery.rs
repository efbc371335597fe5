//! Keys that an issuer's metadata name, and issuers that misbehave.

use std::time::Duration;

use doorward::api::{IssuerRules, TrustedIssuers};
use doorward::jose::{KeySet, SignatureAlgorithm};
use rstest::rstest;
use serde_json::json;

use super::{AUDIENCE, Issuer, ask_with, whoami};
use crate::support::provider::{Algorithm, DiscoveryFault, Endpoint, IdTokenFault, Trouble};

#[tokio::test]
async fn keys_are_found_once_and_nothing_is_asked_before_a_token_comes() {
    let issuer = Issuer::new();
    let app = whoami(issuer.trusted());
    assert_eq!(issuer.provider.requests().len(), 0);
    for number in 0..3 {
        let answer = ask_with(&app, &issuer.token(&json!({"jti": number.to_string()}))).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (200, "ada"));
    }
    assert_eq!(issuer.provider.count(Endpoint::Discovery), 1);
    assert_eq!(issuer.provider.count(Endpoint::Jwks), 1);
}

#[tokio::test]
async fn tokens_of_others_and_nonsense_make_no_request() {
    let (issuer, other) = (Issuer::new(), Issuer::new());
    let app = whoami(issuer.trusted());
    for token in ["x", "a.b.c", &other.token(&json!({}))] {
        assert_eq!(ask_with(&app, token).await.status.as_u16(), 401);
    }
    for each in [&issuer, &other] {
        assert_eq!(each.provider.requests().len(), 0);
    }
}

#[rstest]
#[case::another_issuer(DiscoveryFault::OtherIssuer)]
#[case::another_spelling(DiscoveryFault::IssuerWithSlash)]
#[case::no_issuer(DiscoveryFault::Without("issuer"))]
#[case::no_keys(DiscoveryFault::Without("jwks_uri"))]
#[case::keys_in_a_file(DiscoveryFault::With("jwks_uri", "file:///etc/passwd".into()))]
#[case::several_algorithms(DiscoveryFault::With("id_token_signing_alg_values_supported", json!(["ES256", "PS256"])))]
#[tokio::test]
async fn metadata_that_cannot_be_used_judge_nobody(#[case] fault: DiscoveryFault) {
    let issuer = Issuer::new();
    issuer.provider.set(fault.clone());
    let app = whoami(issuer.trusted());
    let token = issuer.token(&json!({}));
    for _ in 0..3 {
        let answer = ask_with(&app, &token).await;
        assert_eq!(answer.status.as_u16(), 503);
        assert_eq!(answer.headers["retry-after"], "10");
        assert_eq!(answer.challenge(), "");
    }
    assert!(issuer.provider.count(Endpoint::Discovery) <= 2);
    // Once they are mended, no longer than the time that asking again takes.
    issuer.provider.unset(fault);
    issuer.clock.advance(Duration::from_secs(31));
    assert_eq!(ask_with(&app, &token).await.status.as_u16(), 200);
}

#[rstest]
#[case::discovery(Endpoint::Discovery)]
#[case::keys(Endpoint::Jwks)]
#[tokio::test]
async fn an_issuer_that_is_down_is_no_bad_token(#[case] endpoint: Endpoint) {
    let issuer = Issuer::new();
    issuer.provider.trouble(endpoint, Trouble::HangUp);
    let app = whoami(issuer.trusted());
    let token = issuer.token(&json!({}));
    let answer = ask_with(&app, &token).await;
    assert_eq!(answer.status.as_u16(), 503);
    assert_eq!(answer.headers["retry-after"], "10");
    issuer.provider.unset(crate::support::provider::Fault::At(
        endpoint,
        Trouble::HangUp,
    ));
    issuer.clock.advance(Duration::from_secs(10));
    assert_eq!(ask_with(&app, &token).await.status.as_u16(), 200);
}

#[rstest]
#[case::pinned(None)]
#[case::said(Some(SignatureAlgorithm::Es256))]
#[tokio::test]
async fn the_algorithm_is_the_metadatas_or_what_was_said(#[case] said: Option<SignatureAlgorithm>) {
    let issuer = Issuer::new();
    issuer
        .provider
        .configure(|settings| settings.algorithm = Algorithm::Es256);
    let mut rules = issuer.rules();
    if let Some(said) = said {
        rules = rules.algorithm(said);
    }
    let app = whoami(issuer.builder().trust(rules).build().expect("issuers"));
    assert_eq!(
        ask_with(&app, &issuer.token(&json!({})))
            .await
            .status
            .as_u16(),
        200
    );
    // Both keys are published; the other is not taken.
    issuer
        .provider
        .set(IdTokenFault::SignedWithTheOtherAlgorithm);
    assert_eq!(
        ask_with(&app, &issuer.token(&json!({})))
            .await
            .status
            .as_u16(),
        401
    );
}

/// As the builder is meant to be read.
#[tokio::test]
async fn keys_come_from_where_the_rules_say() {
    let issuer = Issuer::new();
    let name = issuer.name();
    let keys = issuer.provider.key_set().to_string();
    let keys = KeySet::parse(keys.as_bytes()).expect("keys");
    let algorithm = SignatureAlgorithm::Rs256;
    for rules in [
        IssuerRules::keys_at(name, &issuer.provider.url("/jwks"), algorithm, &[AUDIENCE]),
        IssuerRules::key_set(name, keys, algorithm, &[AUDIENCE]),
        IssuerRules::discovered(name, &[AUDIENCE])
            .metadata_at(&issuer.provider.url("/.well-known/openid-configuration")),
    ] {
        let app = whoami(issuer.builder().trust(rules).build().expect("issuers"));
        assert_eq!(
            ask_with(&app, &issuer.token(&json!({})))
                .await
                .status
                .as_u16(),
            200
        );
        let foreign = issuer.token(&json!({"aud": "invoices"}));
        assert_eq!(ask_with(&app, &foreign).await.status.as_u16(), 401);
    }
}

#[tokio::test]
async fn loopback_is_for_development() {
    let issuer = Issuer::new();
    let fault = TrustedIssuers::builder().trust(issuer.rules()).build();
    assert!(fault.is_err(), "{fault:?}");
}

/// The task beside the layer: keys are there before anybody has to wait for them.
#[tokio::test]
async fn keys_are_fetched_again_ahead_of_their_end() {
    let issuer = Issuer::new();
    let issuers = issuer.trusted();
    let app = whoami(issuers.clone());
    assert_eq!(
        ask_with(&app, &issuer.token(&json!({})))
            .await
            .status
            .as_u16(),
        200
    );
    // The key set may be kept for an hour.
    issuer.clock.advance(Duration::from_secs(55 * 60));
    issuer.provider.until_asked(Endpoint::Jwks, 2).await;
    drop((app, issuers));
}
