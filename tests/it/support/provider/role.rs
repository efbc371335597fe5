//! Another provider's part, played from a file: its addresses, what it asks of a client, and its answers in the
//! shapes that it really sends. The values are made up.
//!
//! A role is strict: an authorization request with a parameter too many or too few, a client that
//! authenticates in another way, a call with another scheme or header is refused in the provider's own shape.
//!
//! ```json
//! {
//!   "settings": ["guild = \"81384788765712384\""],
//!   "authorization": {"at": "https://…", "request": {"scope": "…"}, "pkce": true, "answer": {"iss": "…"}},
//!   "metadata": {"at": "https://…", "answer": {"issuer": "…"}},
//!   "keys": "https://…",
//!   "token": {"at": "https://…", "authentication": "basic", "body": "form", "answer": {}, "id_token": {},
//!             "refusal": {"status": 400, "answer": {}, "reason": "…"}},
//!   "calls": [{"at": "https://…", "method": "GET", "body": null, "scheme": "Bearer", "headers": {}, "answer": {},
//!             "refusal": {"status": 401, "answer": {}, "reason": "…"}}],
//!   "refresh": {"request": {"scope": "…"}, "rotates": true, "id_token": true, "answer": {},
//!               "refusal": {"status": 400, "answer": {}, "reason": "…"}},
//!   "revocation": {"at": "https://…", "authentication": "basic", "token": "refresh_token", "request": "form",
//!                  "wanted": false},
//!   "logout": {"at": "https://…", "query": ["…"]},
//!   "person": {"issuer_key": "…", "subject_key": "…", "name": "…", "username": "…", "email": "…", "groups": "…"}
//! }
//! ```
//!
//! `refresh.request` is what asks for refresh tokens (without it they come unasked); a test that asks writes it over
//! the authorization request and sets `asked`; `false`: nobody can be looked at again there. `revocation.wanted`: the operator has to want it.

use axum::Json;
use axum::body::Body;
use axum::response::IntoResponse;
use http::{Method, Response, StatusCode, header};
use serde_json::{Map, Value};
use url::Url;

use super::fault::{Endpoint, Fault};
use super::oidc::{authenticated_client, client_method, redeem, refused, send_back};
use super::{CLIENT_ID, Grant, Person, Recorded, Shared, State, jwks, refresh};

/// What every authorization request says (RFC 6749 §4.1.1).
const STANDARD: [&str; 4] = ["client_id", "redirect_uri", "response_type", "state"];

/// Where `path` is in this role.
pub(super) fn endpoint(role: &Value, path: &str) -> Option<Endpoint> {
    let here = |address: &Value| {
        let address = address.as_str().and_then(|text| Url::parse(text).ok());
        address.is_some_and(|address| address.path() == path)
    };
    let calls = role["calls"].as_array();
    if calls.is_some_and(|calls| calls.iter().any(|call| here(&call["at"]))) {
        return Some(Endpoint::Call);
    }
    [
        (&role["authorization"]["at"], Endpoint::Authorize),
        (&role["metadata"]["at"], Endpoint::Discovery),
        (&role["token"]["at"], Endpoint::Token),
        (&role["keys"], Endpoint::Jwks),
        (&role["revocation"]["at"], Endpoint::Revoke),
        (&role["logout"]["at"], Endpoint::EndSession),
    ]
    .into_iter()
    .find_map(|(address, endpoint)| here(address).then_some(endpoint))
}

/// The answer to a request that is one of this role's.
pub(super) fn respond(shared: &Shared, role: &Value, request: &Recorded) -> Response<Body> {
    match request.endpoint {
        Endpoint::Discovery => Json(role["metadata"]["answer"].clone()).into_response(),
        Endpoint::Jwks => jwks::jwks(shared),
        Endpoint::Authorize if role["authorization"]["page"] == true => {
            sign_in_page(shared, role, request)
        }
        Endpoint::Authorize => authorize(shared, &role["authorization"], request),
        Endpoint::Token => token(shared, role, request),
        Endpoint::Call => call(shared, role, request),
        Endpoint::Revoke => revocation(shared, &role["revocation"], request),
        Endpoint::EndSession => logout(&role["logout"], request),
        _ => (StatusCode::NOT_FOUND, "nothing here").into_response(),
    }
}

fn texts(of: &Value) -> Vec<(&str, &str)> {
    let members = of.as_object().into_iter().flatten();
    members
        .map(|(name, value)| (name.as_str(), value.as_str().expect("a text")))
        .collect()
}

fn authorize(shared: &Shared, role: &Value, request: &Recorded) -> Response<Body> {
    let mut state = shared.lock();
    let wanted = texts(&role["request"]);
    let pkce = role["pkce"] == true;
    let mut names: Vec<&str> = STANDARD.to_vec();
    names.extend(wanted.iter().map(|(name, _)| *name));
    if pkce {
        names.extend(["code_challenge", "code_challenge_method"]);
    }
    if role["nonce"] == true {
        names.push("nonce");
    }
    names.sort_unstable();
    let mut found: Vec<&str> = request.query.iter().map(|(name, _)| &**name).collect();
    found.sort_unstable();
    let right = wanted
        .iter()
        .all(|(name, value)| request.query(name) == Some(value));
    assert_eq!(found, names, "of the authorization request");
    assert!(right, "{:?} instead of {wanted:?}", request.query);
    let (Some(client_id), Some(redirect_uri)) =
        (request.query("client_id"), request.query("redirect_uri"))
    else {
        return refused("client_id and redirect_uri are required");
    };
    let (true, Ok(target)) = (
        state.settings.clients.contains_key(client_id),
        Url::parse(redirect_uri),
    ) else {
        return refused("nobody registered this client");
    };
    let grant = Grant {
        client_id: client_id.to_owned(),
        redirect_uri: Some(redirect_uri.to_owned()),
        scope: request.query("scope").unwrap_or_default().to_owned(),
        nonce: request.query("nonce").map(str::to_owned),
        challenge: request.query("code_challenge").map(str::to_owned),
        person: Person::named("ada"),
        at: shared.now(&state),
    };
    let code = state.unique("code");
    state.codes.insert(code.clone(), grant);
    let mut answer = vec![("code".to_owned(), code)];
    if let Some(value) = request.query("state") {
        answer.push(("state".into(), value.into()));
    }
    for (name, value) in texts(&role["answer"]) {
        answer.push((name.into(), value.into()));
    }
    send_back(target, &answer, false)
}

/// A page of the operator's, which has the browser post an ID token of the provider's. It refuses as people do who
/// give up.
fn sign_in_page(shared: &Shared, role: &Value, request: &Recorded) -> Response<Body> {
    let state = shared.lock();
    let mut found: Vec<&str> = request.query.iter().map(|(name, _)| &**name).collect();
    found.sort_unstable();
    assert_eq!(found, ["redirect_uri", "state"], "of the sign-in page");
    let back = request.query("redirect_uri").unwrap_or_default();
    let said = role["token"]["id_token"].as_object().expect("claims");
    let grant = Grant {
        client_id: CLIENT_ID.to_owned(),
        redirect_uri: None,
        scope: String::new(),
        nonce: None,
        challenge: None,
        person: Person::named("ada"),
        at: shared.now(&state),
    };
    let answer = if refuses(&state, request) {
        ("error".to_owned(), "access_denied".to_owned())
    } else {
        let claims = id_token(shared, &state, role, &grant, said);
        ("id_token".into(), shared.forge(&state, CLIENT_ID, claims))
    };
    let state = request.query("state").unwrap_or_default();
    let answer = [answer, ("state".into(), state.into())];
    send_back(Url::parse(back).expect("an address"), &answer, true)
}

fn token(shared: &Shared, role: &Value, request: &Recorded) -> Response<Body> {
    let mut state = shared.lock();
    let token = &role["token"];
    let again = request.form("grant_type") == Some("refresh_token");
    let written = request.header("content-type").unwrap_or_default();
    let right = match token["body"].as_str() {
        Some("json") => written == "application/json",
        _ => written.starts_with("application/x-www-form-urlencoded"),
    };
    let refuses = refuses(&state, request);
    let granted = authenticated_client(shared, &mut state, request)
        .ok()
        .filter(|_| right && !refuses && request.method == Method::POST)
        .filter(|_| token["authentication"] == client_method(request))
        .and_then(|client_id| granted(shared, &mut state, role, &client_id, request));
    let Some((refresh_token, grant)) = granted else {
        let asked = if again { &role["refresh"] } else { token };
        return refusal(&asked["refusal"]);
    };
    let access_token = state.unique("access-token");
    let mut answer = token["answer"].as_object().expect("an answer").clone();
    answer.insert("access_token".into(), access_token.clone().into());
    if let Some(more) = role["refresh"]["answer"].as_object() {
        answer.extend(more.clone());
        answer.remove("refresh_token");
        answer.extend(refresh_token.map(|token| ("refresh_token".into(), token.into())));
    }
    let with_id_token = !again || role["refresh"]["id_token"] != false;
    if let Some(said) = token["id_token"].as_object().filter(|_| with_id_token) {
        let claims = id_token(shared, &state, role, &grant, said);
        let id_token = shared.forge(&state, &grant.client_id, claims);
        answer.insert("id_token".into(), id_token.into());
    }
    state.access_tokens.insert(access_token, grant);
    Json(answer).into_response()
}

/// What a code or a refresh token is good for, and the refresh token that comes with it.
fn granted(
    shared: &Shared,
    state: &mut State,
    role: &Value,
    client_id: &str,
    request: &Recorded,
) -> Option<(Option<String>, Grant)> {
    let refresh = &role["refresh"];
    match request.form("grant_type")? {
        "authorization_code" => {
            let grant = redeem(shared, state, client_id, request).ok()?;
            let comes = refresh["request"].is_null() || refresh["asked"] == true;
            let comes = refresh.is_object() && comes;
            Some((comes.then(|| refresh::begin(state, &grant)), grant))
        }
        "refresh_token" if refresh.is_object() => {
            assert_form(
                request,
                &role["token"]["authentication"],
                &["grant_type", "refresh_token"],
            );
            state.settings.refresh.rotates = refresh["rotates"] == true;
            refresh::again(state, client_id, request).ok()
        }
        _ => None,
    }
}

/// That a form says this, who the client is, and nothing else.
fn assert_form(request: &Recorded, authentication: &Value, names: &[&str]) {
    let mut names = names.to_vec();
    if authentication == "post" {
        names.extend(["client_id", "client_secret"]);
    }
    names.sort_unstable();
    let mut found: Vec<&str> = request.form.iter().map(|(name, _)| &**name).collect();
    found.sort_unstable();
    assert_eq!(found, names, "of the form for {}", request.path);
}

/// RFC 7009, or GitHub's way.
fn revocation(shared: &Shared, role: &Value, request: &Recorded) -> Response<Body> {
    assert_eq!(role["authentication"], client_method(request));
    if role["request"] == "delete" {
        assert_eq!(request.method, Method::DELETE);
        assert_eq!(request.header("content-type"), Some("application/json"));
    } else {
        assert_eq!(request.method, Method::POST);
        assert_form(
            request,
            &role["authentication"],
            &["token", "token_type_hint"],
        );
        assert_eq!(request.form("token_type_hint"), role["token"].as_str());
    }
    refresh::revoke(shared, request)
}

/// What the role says, and what every ID token does (OIDC Core 1.0 §2).
fn id_token(
    shared: &Shared,
    state: &State,
    role: &Value,
    grant: &Grant,
    said: &Map<String, Value>,
) -> Map<String, Value> {
    let now = shared.now(state);
    let mut claims = Map::new();
    claims.insert("iss".into(), role["metadata"]["answer"]["issuer"].clone());
    claims.insert("aud".into(), grant.client_id.clone().into());
    claims.insert("iat".into(), now.into());
    claims.insert("exp".into(), (now + 300).into());
    if let Some(nonce) = &grant.nonce {
        claims.insert("nonce".into(), nonce.clone().into());
    }
    claims.extend(said.clone());
    claims
}

fn call(shared: &Shared, role: &Value, request: &Recorded) -> Response<Body> {
    let state = shared.lock();
    let asked = |call: &&Value| {
        let at = call["at"].as_str().and_then(|at| Url::parse(at).ok());
        at.is_some_and(|at| {
            let query: Vec<_> = at.query_pairs().into_owned().collect();
            at.path() == request.path && query == request.query
        })
    };
    let calls = role["calls"].as_array().expect("calls");
    let Some(call) = calls.iter().find(asked) else {
        return (StatusCode::NOT_FOUND, "nothing under this query").into_response();
    };
    let scheme = call["scheme"].as_str().unwrap_or("Bearer");
    let known = request
        .header("authorization")
        .and_then(|value| value.strip_prefix(scheme)?.strip_prefix(' '))
        .is_some_and(|token| state.access_tokens.contains_key(token));
    let mut headers = texts(&call["headers"]).into_iter();
    let complete = headers.all(|(name, value)| request.header(name) == Some(value));
    let method = call["method"].as_str().unwrap_or("GET");
    let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let posted = request.method.as_str() == method && body == call["body"];
    if !known || !complete || !posted || refuses(&state, request) {
        return refusal(&call["refusal"]);
    }
    Json(call["answer"].clone()).into_response()
}

/// Whether the test asked for a refusal here.
fn refuses(state: &State, request: &Recorded) -> bool {
    let mut faults = state.faults.iter();
    faults.any(|fault| matches!(fault, Fault::RoleRefuses(path) if *path == request.path))
}

fn refusal(refusal: &Value) -> Response<Body> {
    let status = refusal["status"].as_u64().and_then(|it| it.try_into().ok());
    let status = StatusCode::from_u16(status.expect("a status")).expect("a status");
    (status, Json(refusal["answer"].clone())).into_response()
}

/// A sign-out with exactly these parameters; `state` comes back where it is one of them.
fn logout(role: &Value, request: &Recorded) -> Response<Body> {
    let wanted = role["query"].as_array().expect("a list");
    let found: Vec<Value> = request
        .query
        .iter()
        .map(|(it, _)| it.clone().into())
        .collect();
    assert_eq!(found, *wanted, "of the sign-out");
    let back = [
        "post_logout_redirect_uri",
        "logout_redirect_uri",
        "logout_uri",
        "returnTo",
    ];
    let back = back.iter().find_map(|name| request.query(name));
    let mut target = Url::parse(back.expect("an address")).expect("an address");
    if let Some(state) = request.query("state") {
        target.query_pairs_mut().append_pair("state", state);
    }
    (
        StatusCode::FOUND,
        [(header::LOCATION, String::from(target))],
    )
        .into_response()
}
