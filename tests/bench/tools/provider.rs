//! A provider that lets everybody in, each time another one of a hundred people. RS256, as most sign.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Form, Query, State};
use axum::response::Redirect;
use axum::routing::{get, post};
use axum::{Json, Router};
use doorward::jose::{Signer, SigningAlgorithm};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// People who sign in, one after the other.
const PEOPLE: usize = 100;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    listen: SocketAddr,
}

struct Provider {
    issuer: String,
    signer: Signer,
    codes: Mutex<Codes>,
}

#[derive(Debug, Default)]
struct Codes {
    given: usize,
    waiting: HashMap<String, (usize, Authorization)>,
}

#[derive(Debug, Deserialize)]
struct Authorization {
    client_id: String,
    redirect_uri: String,
    state: String,
    nonce: String,
}

#[derive(Debug, Deserialize)]
struct Exchange {
    code: String,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let provider = Arc::new(Provider {
        issuer: format!("http://{}", arguments.listen),
        signer: Signer::generate(SigningAlgorithm::Rs256)?,
        codes: Mutex::default(),
    });
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(metadata))
        .route("/keys", get(keys))
        .route("/authorize", get(authorize))
        .route("/token", post(token))
        .with_state(provider);
    axum::serve(TcpListener::bind(arguments.listen).await?, router).await?;
    Ok(())
}

async fn metadata(State(provider): State<Arc<Provider>>) -> Json<Value> {
    let issuer = &provider.issuer;
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

async fn keys(State(provider): State<Arc<Provider>>) -> Json<Value> {
    Json(json!({ "keys": [provider.signer.public_jwk()] }))
}

async fn authorize(
    State(provider): State<Arc<Provider>>,
    Query(request): Query<Authorization>,
) -> Result<Redirect, StatusCode> {
    let mut back = url::Url::parse(&request.redirect_uri).map_err(|_| StatusCode::BAD_REQUEST)?;
    let mut codes = provider
        .codes
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    codes.given += 1;
    let code = format!("code-{}", codes.given);
    back.query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", &request.state)
        .append_pair("iss", &provider.issuer);
    let person = codes.given % PEOPLE;
    codes.waiting.insert(code, (person, request));
    Ok(Redirect::to(back.as_str()))
}

async fn token(
    State(provider): State<Arc<Provider>>,
    Form(exchange): Form<Exchange>,
) -> Result<Json<Value>, StatusCode> {
    let (person, request) = provider
        .codes
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .waiting
        .remove(&exchange.code)
        .ok_or(StatusCode::BAD_REQUEST)?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?
        .as_secs();
    let claims = json!({
        "iss": provider.issuer,
        "aud": request.client_id,
        "nonce": request.nonce,
        "iat": now,
        "exp": now + 300,
        "sub": format!("a9b8c7d6-0000-4000-8000-{person:012}"),
        "name": format!("Person Number {person}"),
        "preferred_username": format!("person.{person}"),
        "email": format!("person.{person}@example.com"),
        "email_verified": true,
        "groups": ["staff", "engineering", "platform-team", "oncall-primary", "wiki-editors"],
    });
    let id_token = provider
        .signer
        .sign(&claims, "JWT")
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Json(json!({
        "access_token": format!("token-{}", exchange.code),
        "token_type": "Bearer",
        "expires_in": 300,
        "id_token": id_token,
    })))
}
