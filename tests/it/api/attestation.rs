//! Attestations in a header of their own.

use aws_lc_rs::{digest, hmac};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use doorward::api::{Attestation, AttestationLayer, IssuerRules};
use doorward::jose::{HmacAlgorithm, SharedSecrets};
use http::header::AUTHORIZATION;
use http::{HeaderName, Request};
use rstest::rstest;
use serde_json::{Value, json};

use super::{Answer, Issuer, send};

const SECRET: &[u8; 32] = b"the account's secret, of 32 byte";
const NOW: i64 = 1_800_000_000;

fn signed_with(secret: &[u8], claims: &Value) -> String {
    let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let message = format!(
        "{}.{}",
        encode(r#"{"alg":"HS256","typ":"JWT"}"#),
        encode(&claims.to_string())
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signature = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

fn digest_of(value: &str) -> String {
    BASE64_STANDARD.encode(digest::digest(&digest::SHA256, value.as_bytes()))
}

fn app(bound: bool) -> Router {
    let issuer = Issuer::new();
    let secrets = SharedSecrets::new(HmacAlgorithm::Hs256).with(SECRET, None);
    let issuers = issuer
        .builder()
        .trust(IssuerRules::attestations(
            &["acme.approov.io"],
            secrets.expect("a secret"),
        ))
        .build()
        .expect("issuers");
    let mut layer = AttestationLayer::new(issuers, HeaderName::from_static("approov-token"));
    if bound {
        layer = layer.bound_to("pay", AUTHORIZATION);
    }
    let did = |attestation: Attestation| async move {
        attestation.token().claims()["did"]
            .as_str()
            .unwrap_or("-")
            .to_owned()
    };
    Router::new().route("/", get(did)).layer(layer)
}

async fn ask(app: &Router, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(app, request.body(Body::empty()).expect("a request")).await
}

fn assert_refused(answer: &Answer) {
    assert_eq!(answer.status.as_u16(), 401);
    assert_eq!(answer.body, "{}");
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.challenge(), "");
}

#[rstest]
#[case::whole(json!({"exp": NOW + 300, "did": "d"}))]
#[case::fractional(json!({"exp": 1_800_000_300.5, "did": "d"}))]
#[case::named(json!({"exp": NOW + 300, "did": "d", "iss": "acme.approov.io"}))]
#[case::with_an_audience(json!({"exp": NOW + 300, "did": "d", "aud": ""}))]
#[tokio::test]
async fn a_genuine_app_is_let_through(#[case] claims: Value) {
    let token = signed_with(SECRET, &claims);
    let answer = ask(&app(false), &[("approov-token", &token)]).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, "d"));
}

#[rstest]
#[case::no_expiry(json!({"did": "d"}))]
#[case::expired(json!({"exp": NOW - 61}))]
#[case::expiry_as_text(json!({"exp": "never"}))]
#[case::another_issuer(json!({"exp": NOW + 300, "iss": "other.approov.io"}))]
#[case::an_issuer_that_is_no_text(json!({"exp": NOW + 300, "iss": 1}))]
#[tokio::test]
async fn whatever_is_wrong_the_answer_is_one(#[case] claims: Value) {
    let token = signed_with(SECRET, &claims);
    assert_refused(&ask(&app(false), &[("approov-token", &token)]).await);
}

/// The published sample takes a signed token without an end.
#[tokio::test]
async fn weak_an_attestation_ends() {
    let app = app(false);
    for (claims, good) in [
        (json!({"did": "d", "exp": NOW + 300}), true),
        (json!({"did": "d"}), false),
        (json!({"did": "d", "exp": null}), false),
    ] {
        let token = signed_with(SECRET, &claims);
        let answer = ask(&app, &[("approov-token", &token)]).await;
        assert_eq!(answer.status.as_u16(), if good { 200 } else { 401 });
    }
}

#[tokio::test]
async fn anything_but_one_token_is_refused() {
    let app = app(false);
    let token = signed_with(SECRET, &json!({"exp": NOW + 300}));
    let foreign = signed_with(&[1; 32], &json!({"exp": NOW + 300}));
    let header = "approov-token";
    let with_scheme = format!("Bearer {token}");
    for headers in [
        &[] as &[(&str, &str)],
        &[(header, "")],
        &[(header, &foreign)],
        &[(header, &with_scheme)],
        &[(header, &token), (header, &token)],
        &[("authorization", &with_scheme)],
    ] {
        assert_refused(&ask(&app, headers).await);
    }
}

#[tokio::test]
async fn a_bound_attestation_counts_with_its_header_only() {
    let app = app(true);
    let value = "Bearer the-persons-own-token";
    let token = signed_with(
        SECRET,
        &json!({"exp": NOW + 300, "did": "d", "pay": digest_of(value)}),
    );
    let header = ("approov-token", token.as_str());
    // Twice, so that it is not only refused before it is remembered.
    for _ in 0..2 {
        let answer = ask(&app, &[header, ("authorization", value)]).await;
        assert_eq!(answer.status.as_u16(), 200);
        for others in [
            &[] as &[(&str, &str)],
            &[("authorization", "Bearer another-token")],
            &[("authorization", "the-persons-own-token")],
            &[("authorization", value), ("authorization", value)],
        ] {
            let mut headers = vec![header];
            headers.extend(others);
            assert_refused(&ask(&app, &headers).await);
        }
    }
    let unbound = signed_with(SECRET, &json!({"exp": NOW + 300, "did": "d"}));
    assert_refused(
        &ask(
            &app,
            &[("approov-token", &unbound), ("authorization", value)],
        )
        .await,
    );
}
