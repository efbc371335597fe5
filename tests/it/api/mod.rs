//! The library in a service: an axum router behind its layers, and an issuer on loopback.

mod attestation;
mod discovery;
mod extractors;
mod floods;
mod handshakes;
mod recipes;
mod scopes;
mod weak;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::routing::get;
use doorward::api::{Bearer, BearerLayer, IssuerRules, TrustedIssuers, TrustedIssuersBuilder};
use doorward::ports::ManualClock;
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use time::macros::datetime;
use tower::ServiceExt as _;

use crate::support::provider::{IdTokenFault, TestProvider};

/// Whom tokens must be for.
const AUDIENCE: &str = "orders";

/// An answer, read whole.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    /// The challenges; empty where there is none.
    fn challenge(&self) -> &str {
        let mut all = self.headers.get_all("www-authenticate").iter();
        let challenge = all.next().map_or("", |value| value.to_str().expect("text"));
        assert!(all.next().is_none(), "one challenge for the one scheme");
        challenge
    }
}

/// An issuer, and what an API needs to trust it.
struct Issuer {
    provider: TestProvider,
    clock: Arc<ManualClock>,
}

impl Issuer {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(datetime!(2027-01-15 08:00 UTC)));
        let provider = TestProvider::start(Arc::clone(&clock));
        provider.set(IdTokenFault::Type("at+jwt"));
        Self { provider, clock }
    }

    fn name(&self) -> &str {
        self.provider.base()
    }

    fn rules(&self) -> IssuerRules {
        IssuerRules::discovered(self.name(), &[AUDIENCE])
    }

    fn builder(&self) -> TrustedIssuersBuilder {
        TrustedIssuers::builder()
            .allow_loopback()
            .clock(self.clock.clone())
            .realm("orders")
    }

    fn trusted(&self) -> TrustedIssuers {
        let builder = self.builder().trust(self.rules());
        builder.build().expect("issuers")
    }

    /// For us, with further claims.
    fn token(&self, claims: &Value) -> String {
        let mut all = json!({ "aud": AUDIENCE, "sub": "ada" });
        let members = all.as_object_mut().expect("an object");
        members.extend(claims.as_object().expect("an object").clone());
        self.provider.token(all)
    }
}

/// Answers with the caller's subject.
fn whoami(issuers: TrustedIssuers) -> Router {
    let subject = |caller: Bearer| async move { caller.subject().unwrap_or_default().to_owned() };
    Router::new()
        .route("/", get(subject))
        .layer(BearerLayer::new(issuers))
}

/// Asks for `/`.
async fn ask(app: &Router, authorization: &[&str]) -> Answer {
    let mut request = Request::get("/");
    for value in authorization {
        request = request.header("authorization", *value);
    }
    send(app, request.body(Body::empty()).expect("a request")).await
}

async fn ask_with(app: &Router, token: &str) -> Answer {
    ask(app, &[&format!("Bearer {token}")]).await
}

async fn send(app: &Router, request: Request<Body>) -> Answer {
    let response = app.clone().oneshot(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 1024 * 1024).await.expect("a body");
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.into()).expect("text"),
    }
}
