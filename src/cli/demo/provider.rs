//! The demo's provider: a small OpenID Provider that knows three people. Its answers are by the book
//! (OIDC Core 1.0 §3.1, RFC 6749 §4.1, RFC 7636, RFC 9207), so that the broker is not spared anything.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;
use url::Url;

use super::apps::html;
use super::people::{DemoPerson, PEOPLE, TENANTS, person};
use crate::jose::{Signer, SigningAlgorithm};
use crate::ports::{Clock as _, SecureRandom, SystemClock};
use crate::views::{Chrome, DemoSignInPage, DemoUser, HiddenField, Views, mark_of};

/// Seconds that a code may wait.
const CODE_LIFETIME: i64 = 60;

/// The provider.
#[derive(Debug)]
pub(super) struct DemoProvider {
    issuer: String,
    secret: String,
    signer: Signer,
    views: Arc<Views>,
    random: Arc<dyn SecureRandom>,
    clock: SystemClock,
    codes: Mutex<HashMap<String, Code>>,
    access_tokens: Mutex<HashMap<String, &'static DemoPerson>>,
}

#[derive(Debug)]
struct Code {
    person: &'static DemoPerson,
    request: Authorization,
    issued_at: i64,
}

/// An authorization request.
#[derive(Clone, Debug, Deserialize)]
struct Authorization {
    client_id: String,
    redirect_uri: String,
    state: String,
    nonce: String,
    code_challenge: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

#[derive(Debug, Deserialize)]
struct TokenRequest {
    code: String,
    redirect_uri: String,
    code_verifier: String,
}

#[derive(Debug, Deserialize)]
struct EndSession {
    post_logout_redirect_uri: Url,
    state: Option<String>,
}

type Provider = State<Arc<DemoProvider>>;

impl DemoProvider {
    pub(super) fn new(
        issuer: String,
        secret: String,
        views: Arc<Views>,
        random: Arc<dyn SecureRandom>,
    ) -> anyhow::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            issuer,
            secret,
            signer: Signer::generate(SigningAlgorithm::Es256).context("no signing key")?,
            views,
            random,
            clock: SystemClock::new(),
            codes: Mutex::default(),
            access_tokens: Mutex::default(),
        }))
    }

    pub(super) fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys))
            .route("/authorize", get(ask).post(sign_in))
            .route("/token", axum::routing::post(token))
            .route("/userinfo", get(userinfo))
            .route("/logout", get(logout))
            .with_state(self)
    }

    fn now(&self) -> i64 {
        self.clock.now().unix_timestamp()
    }

    fn secret_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.random.array::<16>())
    }

    fn claims(person: &DemoPerson) -> Value {
        json!({
            "sub": format!("demo-{}", person.login),
            "name": person.name,
            "preferred_username": person.login,
            "email": format!("{}@{}.example", person.login, person.tenant),
            "email_verified": true,
            "groups": person.groups,
        })
    }
}

async fn metadata(State(provider): Provider) -> Json<Value> {
    let issuer = &provider.issuer;
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "end_session_endpoint": format!("{issuer}/logout"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

async fn keys(State(provider): Provider) -> Json<Value> {
    Json(json!({ "keys": [provider.signer.public_jwk()] }))
}

/// The redirect URIs that were registered: one for each organization.
fn is_registered(request: &Authorization) -> bool {
    let known = TENANTS.iter().any(|tenant| tenant.id == request.client_id);
    Url::parse(&request.redirect_uri).is_ok_and(|uri| {
        known
            && uri.host_str() == Some(&format!("{}.localhost", request.client_id))
            && uri.path() == "/login/demo/callback"
    })
}

async fn ask(State(provider): Provider, Query(request): Query<Authorization>) -> Response {
    if !is_registered(&request) {
        return (
            StatusCode::BAD_REQUEST,
            "this redirect URI is not registered\n",
        )
            .into_response();
    }
    page(&provider, &request, None)
}

fn page(provider: &DemoProvider, request: &Authorization, failed: Option<String>) -> Response {
    let field = |name: &str, value: &str| HiddenField {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let client = Url::parse(&request.redirect_uri)
        .ok()
        .and_then(|uri| uri.host_str().map(ToOwned::to_owned))
        .unwrap_or_default();
    let page = DemoSignInPage {
        provider: "Demo ID".to_owned(),
        client,
        users: PEOPLE
            .iter()
            .map(|person| DemoUser {
                login: person.login.to_owned(),
                name: person.name.to_owned(),
                about: person.about.to_owned(),
                mark: mark_of(person.name),
            })
            .collect(),
        action: format!("{}/authorize", provider.issuer),
        fields: vec![
            field("client_id", &request.client_id),
            field("redirect_uri", &request.redirect_uri),
            field("state", &request.state),
            field("nonce", &request.nonce),
            field("code_challenge", &request.code_challenge),
        ],
        failed_username: failed,
    };
    html(
        &provider.views,
        &page,
        &Chrome::bare(&provider.secret_text()),
    )
}

async fn sign_in(State(provider): Provider, Form(request): Form<Authorization>) -> Response {
    if !is_registered(&request) {
        return (
            StatusCode::BAD_REQUEST,
            "this redirect URI is not registered\n",
        )
            .into_response();
    }
    // A click names the person; a form has to know the password.
    let found = person(&request.user).or_else(|| {
        let known = person(&request.username)?;
        let fits = known.password.as_bytes().ct_eq(request.password.as_bytes());
        bool::from(fits).then_some(known)
    });
    let Some(found) = found else {
        return page(&provider, &request, Some(request.username.clone()));
    };
    let code = provider.secret_text();
    let Ok(mut back) = Url::parse(&request.redirect_uri) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    back.query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", &request.state)
        .append_pair("iss", &provider.issuer);
    let waiting = Code {
        person: found,
        request,
        issued_at: provider.now(),
    };
    lock(&provider.codes).insert(code, waiting);
    crate::web::see_other(back.as_str())
}

async fn token(
    State(provider): Provider,
    headers: HeaderMap,
    Form(request): Form<TokenRequest>,
) -> Response {
    let refuse =
        |status: StatusCode, error: &str| (status, Json(json!({ "error": error }))).into_response();
    let Some(code) = lock(&provider.codes).remove(&request.code) else {
        return refuse(StatusCode::BAD_REQUEST, "invalid_grant");
    };
    let credentials = STANDARD.encode(format!(
        "{}:{}",
        encoded(&code.request.client_id),
        encoded(&provider.secret)
    ));
    let presented = headers
        .get(header::AUTHORIZATION)
        .map(http::HeaderValue::as_bytes)
        .unwrap_or_default();
    if !bool::from(presented.ct_eq(format!("Basic {credentials}").as_bytes())) {
        return refuse(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let digest =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, request.code_verifier.as_bytes());
    let fits = URL_SAFE_NO_PAD.encode(digest) == code.request.code_challenge
        && request.redirect_uri == code.request.redirect_uri
        && provider.now() - code.issued_at <= CODE_LIFETIME;
    if !fits {
        return refuse(StatusCode::BAD_REQUEST, "invalid_grant");
    }
    let mut claims = DemoProvider::claims(code.person);
    let now = provider.now();
    if let Some(members) = claims.as_object_mut() {
        members.insert("iss".to_owned(), provider.issuer.clone().into());
        members.insert("aud".to_owned(), code.request.client_id.into());
        members.insert("nonce".to_owned(), code.request.nonce.into());
        members.insert("iat".to_owned(), now.into());
        members.insert("exp".to_owned(), (now + 300).into());
    }
    let Ok(id_token) = provider.signer.sign(&claims, "JWT") else {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "server_error");
    };
    let access_token = provider.secret_text();
    lock(&provider.access_tokens).insert(access_token.clone(), code.person);
    Json(json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": 300,
        "id_token": id_token,
    }))
    .into_response()
}

async fn userinfo(State(provider): Provider, headers: HeaderMap) -> Response {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .unwrap_or_default();
    match lock(&provider.access_tokens).get(token) {
        Some(person) => Json(DemoProvider::claims(person)).into_response(),
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

/// Nobody stays signed in here: there is no session to end, only a way back.
async fn logout(Query(request): Query<EndSession>) -> Response {
    let mut back = request.post_logout_redirect_uri;
    let ours = TENANTS
        .iter()
        .any(|tenant| back.host_str() == Some(&format!("{}.localhost", tenant.id)));
    if !ours {
        return (StatusCode::BAD_REQUEST, "this address is not registered\n").into_response();
    }
    if let Some(state) = request.state {
        back.query_pairs_mut().append_pair("state", &state);
    }
    crate::web::see_other(back.as_str())
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
