//! What a handler is told of a caller, and who never gets to it.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use doorward::api::{Attestation, Bearer, BearerLayer, TrustedIssuers, require_scopes};
use http::{Request, StatusCode};
use rstest::rstest;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Issuer, ask, ask_with, send, whoami};

const BARE: &str = r#"Bearer realm="orders""#;
const INVALID_TOKEN: &str = r#"Bearer realm="orders", error="invalid_token""#;
const INVALID_REQUEST: &str = r#"Bearer realm="orders", error="invalid_request""#;

#[derive(Deserialize)]
struct Claims {
    sub: String,
    level: u8,
    #[serde(default)]
    groups: Vec<String>,
}

async fn claims(caller: Bearer<Claims>) -> String {
    let Claims { sub, level, groups } = &caller.claims;
    format!("{sub} {level} {groups:?}")
}

async fn perhaps(caller: Option<Bearer<Claims>>) -> String {
    caller.map_or_else(|| "nobody".into(), |caller| caller.claims.sub)
}

fn app(issuers: &TrustedIssuers) -> Router {
    let demanding = Router::new()
        .route("/claims", get(claims))
        .layer(BearerLayer::new(issuers.clone()));
    Router::new()
        .route("/perhaps", get(perhaps))
        .route("/must", get(claims))
        .route(
            "/scoped",
            get(perhaps).layer(require_scopes(["orders:read"])),
        )
        .layer(BearerLayer::new(issuers.clone()).optional())
        .merge(demanding)
}

async fn at(app: &Router, path: &str, authorization: Option<&str>) -> Answer {
    let mut request = Request::get(path);
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    send(app, request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn claims_come_in_the_handlers_own_type() {
    let issuer = Issuer::new();
    let app = app(&issuer.trusted());
    let token = issuer.token(&json!({"level": 3, "groups": ["a", "b"], "more": {"x": 1}}));
    for path in ["/claims", "/must"] {
        let answer = at(&app, path, Some(&format!("Bearer {token}"))).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.body, r#"ada 3 ["a", "b"]"#);
    }
}

#[rstest]
#[case::missing(json!({}))]
#[case::text(json!({"level": "3"}))]
#[case::too_large(json!({"level": 300}))]
#[case::groups(json!({"level": 3, "groups": "a"}))]
#[case::null(json!({"level": null}))]
#[tokio::test]
async fn claims_of_another_shape_are_an_invalid_token(#[case] others: Value) {
    let issuer = Issuer::new();
    let app = app(&issuer.trusted());
    let token = format!("Bearer {}", issuer.token(&others));
    for path in ["/claims", "/must", "/perhaps"] {
        let answer = at(&app, path, Some(&token)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(answer.challenge(), INVALID_TOKEN, "{path}");
    }
}

#[tokio::test]
async fn whoever_brings_nothing_is_nobody_where_that_will_do() {
    let issuer = Issuer::new();
    let app = app(&issuer.trusted());
    for authorization in [None, Some("Basic YTpi")] {
        let answer = at(&app, "/perhaps", authorization).await;
        assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "nobody"));
        for path in ["/must", "/claims", "/scoped"] {
            let answer = at(&app, path, authorization).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(answer.challenge(), BARE, "{path}");
        }
    }
    let token = format!("Bearer {}", issuer.token(&json!({"level": 1})));
    assert_eq!(at(&app, "/perhaps", Some(&token)).await.body, "ada");
}

#[tokio::test]
async fn a_bad_token_is_never_nobody() {
    let issuer = Issuer::new();
    let app = app(&issuer.trusted());
    let now = 1_800_000_000;
    let expired = issuer.token(&json!({"level": 1, "exp": now - 100}));
    let foreign = issuer.token(&json!({"level": 1, "aud": "invoices"}));
    for value in ["x", "a b", "", &expired, &foreign, "e30.e30.e30"] {
        let answer = at(&app, "/perhaps", Some(&format!("Bearer {value}"))).await;
        let status = answer.status;
        assert!(
            status.is_client_error(),
            "{value}: {status} {}",
            answer.body
        );
    }
}

#[rstest]
#[case::nothing(&[], 401, BARE)]
#[case::another_scheme(&["Basic YTpi"], 401, BARE)]
#[case::no_scheme(&["abc"], 401, BARE)]
#[case::scheme_alone(&["Bearer"], 400, INVALID_REQUEST)]
#[case::two_headers(&["Bearer a", "Bearer a"], 400, INVALID_REQUEST)]
#[case::two_schemes(&["Basic YTpi", "Bearer a"], 400, INVALID_REQUEST)]
#[case::no_token(&["Bearer a b"], 401, INVALID_TOKEN)]
#[case::no_jws(&["Bearer abc"], 401, INVALID_TOKEN)]
#[case::empty_segments(&["Bearer .."], 401, INVALID_TOKEN)]
#[tokio::test]
async fn refusals_are_told_as_rfc_6750_has_it(
    #[case] authorization: &[&str],
    #[case] status: u16,
    #[case] challenge: &str,
) {
    let issuer = Issuer::new();
    let answer = ask(&whoami(issuer.trusted()), authorization).await;
    assert_eq!(answer.status.as_u16(), status);
    assert_eq!(answer.challenge(), challenge);
    assert_eq!(answer.body, "");
    assert_eq!(answer.headers["cache-control"], "no-store");
}

#[rstest]
#[case::lower_case("bearer  ")]
#[case::upper_case("BEARER ")]
#[case::spaces("  Bearer   ")]
#[tokio::test]
async fn a_scheme_is_known_however_it_is_written(#[case] scheme: &str) {
    let issuer = Issuer::new();
    let value = format!("{scheme}{}  ", issuer.token(&json!({})));
    let answer = ask(&whoami(issuer.trusted()), &[&value]).await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "ada"));
}

#[tokio::test]
async fn a_token_in_the_address_as_well_is_refused() {
    let issuer = Issuer::new();
    let app = whoami(issuer.trusted());
    let token = issuer.token(&json!({}));
    let request = |authorization: bool| {
        let mut request = Request::get(format!("/?access_token={token}"));
        if authorization {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.body(Body::empty()).expect("a request")
    };
    let both = send(&app, request(true)).await;
    assert_eq!(
        (both.status.as_u16(), both.challenge()),
        (400, INVALID_REQUEST)
    );
    let alone = send(&app, request(false)).await;
    assert_eq!((alone.status.as_u16(), alone.challenge()), (401, BARE));
}

#[tokio::test]
async fn challenges_say_where_the_resource_is_described() {
    let issuer = Issuer::new();
    let issuers = issuer
        .builder()
        .trust(issuer.rules())
        .resource_metadata("https://orders.example/.well-known/oauth-protected-resource")
        .build()
        .expect("issuers");
    let expected =
        r#"resource_metadata="https://orders.example/.well-known/oauth-protected-resource""#;
    let app = whoami(issuers);
    let missing = ask(&app, &[]).await;
    assert_eq!(missing.challenge(), format!("{BARE}, {expected}"));
    let invalid = ask_with(&app, "x").await;
    assert_eq!(invalid.challenge(), format!("{INVALID_TOKEN}, {expected}"));
}

/// A mistake in the program: it opens nothing.
#[tokio::test]
async fn a_route_without_its_layer_answers_nobody() {
    let issuer = Issuer::new();
    let token = issuer.token(&json!({"level": 1}));
    let app = Router::new()
        .route("/claims", get(claims))
        .route("/perhaps", get(perhaps))
        .route("/attested", get(|_: Attestation| async { "in" }))
        .route(
            "/scoped",
            get(|| async { "in" }).layer(require_scopes(["orders:read"])),
        )
        .route(
            "/the-wrong-way-round",
            get(|| async { "in" })
                .layer::<_, std::convert::Infallible>(BearerLayer::new(issuer.trusted()))
                .layer(require_scopes(["orders:read"])),
        );
    for path in [
        "/claims",
        "/perhaps",
        "/attested",
        "/scoped",
        "/the-wrong-way-round",
    ] {
        let answer = at(&app, path, Some(&format!("Bearer {token}"))).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert_eq!(answer.body, "", "{path}");
    }
}
