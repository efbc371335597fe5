//! The OpenID Connect endpoints.

use axum::Json;
use axum::body::Body;
use axum::response::{Html, IntoResponse};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};
use url::Url;

use super::assertion;
use super::fault::{AuthorizeFault, DiscoveryFault, Fault, TokenFault, UserinfoFault};
use super::{Grant, Recorded, Shared, State};

/// `/.well-known/openid-configuration` (OIDC Discovery 1.0 §3).
pub(super) fn discovery(shared: &Shared) -> Response<Body> {
    let state = shared.lock();
    let settings = &state.settings;
    let base = &shared.base;
    let issuer = &settings.issuer;
    let mut metadata = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"),
        "jwks_uri": format!("{base}/jwks"),
        "userinfo_endpoint": format!("{base}/userinfo"),
        "end_session_endpoint": format!("{base}/end_session"),
        "scopes_supported": ["openid", "profile", "email", "groups"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [settings.algorithm.name()],
        "token_endpoint_auth_methods_supported": settings.client_authentication,
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": ["sub", "name", "preferred_username", "email", "email_verified", "groups"],
        "authorization_response_iss_parameter_supported": settings.promises_issuer,
    });
    for fault in &state.faults {
        let Fault::Discovery(fault) = fault else {
            continue;
        };
        let (name, value) = match fault {
            DiscoveryFault::OtherIssuer => ("issuer", "https://evil.example".into()),
            DiscoveryFault::IssuerWithSlash => ("issuer", format!("{issuer}/").into()),
            DiscoveryFault::With(name, value) => (*name, value.clone()),
            DiscoveryFault::Without(name) => {
                metadata
                    .as_object_mut()
                    .and_then(|metadata| metadata.remove(*name));
                continue;
            }
        };
        metadata[name] = value;
    }
    Json(metadata).into_response()
}

/// `/authorize` (OIDC Core 1.0 §3.1.2): whoever comes is signed in and agrees.
pub(super) fn authorize(shared: &Shared, request: &Recorded) -> Response<Body> {
    let mut state = shared.lock();
    let (Some(client_id), Some(redirect_uri)) =
        (request.query("client_id"), request.query("redirect_uri"))
    else {
        return refused("client_id and redirect_uri are required");
    };
    if !state.settings.clients.contains_key(client_id) {
        return refused("nobody registered this client_id");
    }
    let registered = &state.settings.redirect_uris;
    let known = registered.is_empty() || registered.iter().any(|uri| uri == redirect_uri);
    let (true, Ok(target)) = (known, Url::parse(redirect_uri)) else {
        return refused("this redirect_uri is not registered");
    };
    // Nobody is signed in here between two requests (OIDC Core 1.0 §3.1.2.6).
    let nobody_may_be_asked = request.query("prompt") == Some("none");
    let mut answer = match challenge(&state, request) {
        Ok(_) if nobody_may_be_asked => vec![("error".to_owned(), "login_required".to_owned())],
        Ok(challenge) => {
            let person = state.somebody(request, "login_hint");
            let grant = Grant {
                client_id: client_id.to_owned(),
                redirect_uri: Some(redirect_uri.to_owned()),
                scope: request.query("scope").unwrap_or_default().to_owned(),
                nonce: request.query("nonce").map(str::to_owned),
                challenge,
                person,
                at: shared.now(&state),
            };
            let code = state.unique("code");
            state.codes.insert(code.clone(), grant);
            vec![("code".to_owned(), code)]
        }
        Err(error) => vec![("error".to_owned(), error.to_owned())],
    };
    if let Some(value) = request.query("state") {
        answer.push(("state".into(), value.into()));
    }
    answer.push(("iss".into(), state.settings.issuer.clone()));
    let mut form_post = request.query("response_mode") == Some("form_post");
    for fault in &state.faults {
        if let Fault::Authorize(fault) = fault {
            form_post |= *fault == AuthorizeFault::FormPost;
            spoil(&mut answer, fault);
        }
    }
    send_back(target, &answer, form_post)
}

/// The PKCE challenge of the request (RFC 7636 §4.3), or the `error` to answer.
fn challenge(state: &State, request: &Recorded) -> Result<Option<String>, &'static str> {
    if request.query("response_type") != Some("code") {
        return Err("unsupported_response_type");
    }
    let challenge = request.query("code_challenge");
    let s256 = request.query("code_challenge_method") == Some("S256");
    match challenge {
        Some(_) if !s256 => Err("invalid_request"),
        Some(value) if value.len() != 43 => Err("invalid_request"),
        None if state.settings.requires_pkce => Err("invalid_request"),
        challenge => Ok(challenge.map(str::to_owned)),
    }
}

fn spoil(answer: &mut Vec<(String, String)>, fault: &AuthorizeFault) {
    use AuthorizeFault as F;
    let mut put = |name: &str, value: Option<&str>| {
        answer.retain(|(key, _)| key != name);
        answer.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    };
    match fault {
        F::OtherIssuer => put("iss", Some("https://evil.example")),
        F::IssuerWithSlash => {
            let (_, issuer) = answer
                .iter_mut()
                .find(|(key, _)| key == "iss")
                .expect("iss");
            issuer.push('/');
        }
        F::NoIssuer => put("iss", None),
        F::CodeAndError => put("error", Some("access_denied")),
        F::DuplicateState => answer.push(("state".into(), "another-state".into())),
        F::DuplicateCode => answer.push(("code".into(), "another-code".into())),
        F::NoState => put("state", None),
        F::OtherState => put("state", Some("a-state-of-another-browser")),
        F::NoCode => put("code", None),
        F::EmptyCode => put("code", Some("")),
        F::OtherCode => put("code", Some("never-given-out")),
        F::LongCode(length) => put("code", Some(&"c".repeat(*length))),
        F::Error(error, description) => {
            put("code", None);
            put("error", Some(error));
            put("error_description", Some(description));
        }
        F::ErrorWithoutState => {
            put("code", None);
            put("state", None);
            put("error", Some("server_error"));
        }
        F::FormPost => {}
    }
}

pub(super) fn send_back(
    mut target: Url,
    answer: &[(String, String)],
    form_post: bool,
) -> Response<Body> {
    if form_post {
        let mut page = format!(
            "<!doctype html><title>One moment</title><form method=\"post\" action=\"{}\">",
            escape(target.as_str())
        );
        for (name, value) in answer {
            let (name, value) = (escape(name), escape(value));
            let field = [
                "<input type=\"hidden\" name=\"",
                &name,
                "\" value=\"",
                &value,
                "\">",
            ];
            page.extend(field);
        }
        return Html(page + "<button>Continue</button></form>").into_response();
    }
    target.query_pairs_mut().extend_pairs(answer);
    let headers = [(header::LOCATION, String::from(target))];
    (StatusCode::FOUND, headers).into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

pub(super) fn refused(why: &'static str) -> Response<Body> {
    (StatusCode::BAD_REQUEST, why).into_response()
}

/// `/token` (RFC 6749 §4.1.3).
pub(super) fn token(shared: &Shared, request: &Recorded) -> Response<Body> {
    let mut state = shared.lock();
    let faults = state.faults.clone();
    let fails = |fault: TokenFault| faults.contains(&Fault::Token(fault));
    if fails(TokenFault::ErrorUnder200) {
        return Json(json!({"error": "invalid_grant"})).into_response();
    }
    if fails(TokenFault::InvalidGrant) {
        return oauth_error(
            StatusCode::BAD_REQUEST,
            "invalid_grant",
            "as the test asked",
        );
    }
    if fails(TokenFault::InvalidClient) {
        return invalid_client("as the test asked");
    }
    let client_id = match authenticated_client(shared, &mut state, request) {
        Ok(client_id) => client_id,
        Err(why) => return invalid_client(why),
    };
    if request.form("grant_type") != Some("authorization_code") {
        let why = "only authorization_code";
        return oauth_error(StatusCode::BAD_REQUEST, "unsupported_grant_type", why);
    }
    let grant = match redeem(shared, &mut state, &client_id, request) {
        Ok(grant) => grant,
        Err(why) => return oauth_error(StatusCode::BAD_REQUEST, "invalid_grant", why),
    };
    let access_token = state.unique("access-token");
    state
        .access_tokens
        .insert(access_token.clone(), grant.clone());
    let mut answer = Map::new();
    answer.insert("access_token".into(), access_token.into());
    answer.insert("token_type".into(), "Bearer".into());
    answer.insert("expires_in".into(), 3600.into());
    answer.insert("scope".into(), grant.scope.clone().into());
    if grant.scope.split(' ').any(|scope| scope == "openid") {
        let claims = id_token_claims(shared, &state, &grant);
        let token = shared.forge(&state, &grant.client_id, claims);
        answer.insert("id_token".into(), token.into());
    }
    let mut form = false;
    for fault in &state.faults {
        let Fault::Token(fault) = fault else { continue };
        match fault {
            TokenFault::StringExpiresIn => drop(answer.insert("expires_in".into(), "3600".into())),
            TokenFault::NoIdToken => drop(answer.remove("id_token")),
            TokenFault::NoAccessToken => drop(answer.remove("access_token")),
            TokenFault::NoTokenType => drop(answer.remove("token_type")),
            TokenFault::TokenType(other) => {
                answer.insert("token_type".into(), (*other).into());
            }
            TokenFault::With(name, value) => drop(answer.insert((*name).into(), value.clone())),
            TokenFault::Without(name) => drop(answer.remove(*name)),
            TokenFault::FormEncoded => form = true,
            TokenFault::InvalidGrant | TokenFault::InvalidClient | TokenFault::ErrorUnder200 => {}
        }
    }
    if form {
        form_encoded(&answer)
    } else {
        no_store(Json(answer).into_response())
    }
}

/// The members as `application/x-www-form-urlencoded`.
pub(super) fn form_encoded(answer: &Map<String, Value>) -> Response<Body> {
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in answer {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        text.append_pair(name, &value);
    }
    let kind = "application/x-www-form-urlencoded; charset=utf-8";
    no_store(([(header::CONTENT_TYPE, kind)], text.finish()).into_response())
}

fn no_store(mut response: Response<Body>) -> Response<Body> {
    let value = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    response
}

fn oauth_error(status: StatusCode, error: &str, why: &str) -> Response<Body> {
    let body = json!({"error": error, "error_description": why});
    no_store((status, Json(body)).into_response())
}

fn invalid_client(why: &str) -> Response<Body> {
    let mut response = oauth_error(StatusCode::UNAUTHORIZED, "invalid_client", why);
    response.headers_mut().insert(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static("Basic realm=\"test provider\""),
    );
    response
}

/// How a client presents its secret.
pub(super) fn client_method(request: &Recorded) -> &'static str {
    let basic = request.header("authorization").is_some();
    if basic { "basic" } else { "post" }
}

/// Who asks, by the one method used (RFC 6749 §2.3).
pub(super) fn authenticated_client(
    shared: &Shared,
    state: &mut State,
    request: &Recorded,
) -> Result<String, &'static str> {
    if request.form("client_assertion").is_some() {
        let (id, method) = assertion::client(shared, state, request)?;
        if !state.settings.client_authentication.contains(&method) {
            return Err("this client must authenticate in another way");
        }
        return Ok(id);
    }
    let basic = request
        .header("authorization")
        .map(|value| basic_credentials(value).ok_or("Authorization cannot be read"))
        .transpose()?;
    let post = request.form("client_secret").map(str::to_owned);
    let (id, secret, method) = match (basic, post) {
        (Some(_), Some(_)) => return Err("two methods at once"),
        (Some((id, secret)), None) => (id, Some(secret), "client_secret_basic"),
        (None, secret) => {
            let id = request.form("client_id").ok_or("no client_id")?;
            let method = secret.as_ref().map_or("none", |_| "client_secret_post");
            (id.to_owned(), secret, method)
        }
    };
    let expected = state
        .settings
        .clients
        .get(&id)
        .ok_or("nobody registered this client_id")?;
    match assertion::as_secret(shared, state, &id, secret.as_deref().unwrap_or_default()) {
        Some(judged) => judged?,
        None if state.settings.client_keys.contains_key(&id) => {
            return Err("this client must sign");
        }
        None if *expected != secret => return Err("the secret is wrong"),
        None => {}
    }
    let methods = &state.settings.client_authentication;
    if expected.is_some() && !methods.contains(&method) {
        return Err("this client must authenticate in another way");
    }
    Ok(id)
}

/// Both parts are form-encoded before they are joined (RFC 6749 §2.3.1).
fn basic_credentials(value: &str) -> Option<(String, String)> {
    let decoded = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |part: &str| {
        let spaced = part.replace('+', " ");
        let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8();
        decoded.ok().map(String::from)
    };
    Some((decode(id)?, decode(secret)?))
}

/// The grant of the code, which is used up whatever is wrong with the request.
pub(super) fn redeem(
    shared: &Shared,
    state: &mut State,
    client_id: &str,
    request: &Recorded,
) -> Result<Grant, &'static str> {
    let code = request.form("code").ok_or("no code")?;
    let now = shared.now(state);
    let Some(grant) = state.codes.remove(code) else {
        state.replayed_codes += 1;
        return Err("the code is unknown or was used before");
    };
    if now > grant.at + state.settings.code_lifetime {
        return Err("the code is too old");
    }
    if grant.client_id != client_id {
        return Err("the code was given to another client");
    }
    if grant.redirect_uri.as_deref() != request.form("redirect_uri") {
        return Err("redirect_uri is not the one of the authorization request");
    }
    if let Some(challenge) = &grant.challenge {
        let verifier = request.form("code_verifier").ok_or("no code_verifier")?;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if !(43..=128).contains(&verifier.len())
            || !verifier.bytes().all(unreserved)
            || URL_SAFE_NO_PAD.encode(digest) != *challenge
        {
            return Err("code_verifier does not match");
        }
    }
    Ok(grant)
}

/// What a true ID token says (OIDC Core 1.0 §2).
fn id_token_claims(shared: &Shared, state: &State, grant: &Grant) -> Map<String, Value> {
    let settings = &state.settings;
    let now = shared.now(state);
    let mut claims = grant.person.claims(&grant.scope);
    let hides = |fault: UserinfoFault| state.faults.contains(&Fault::Userinfo(fault));
    if hides(UserinfoFault::EverythingOnlyHere) {
        claims.retain(|name, _| name == "sub");
    }
    if hides(UserinfoFault::EmailOnlyHere) {
        claims.retain(|name, _| name != "email" && name != "email_verified");
    }
    claims.insert("iss".into(), settings.issuer.clone().into());
    claims.insert("aud".into(), grant.client_id.clone().into());
    claims.insert("iat".into(), now.into());
    claims.insert("exp".into(), (now + settings.id_token_lifetime).into());
    claims.insert("auth_time".into(), grant.at.into());
    if let Some(nonce) = &grant.nonce {
        claims.insert("nonce".into(), nonce.clone().into());
    }
    if !settings.session.is_empty() {
        claims.insert("sid".into(), settings.session.clone().into());
    }
    claims
}

/// `/userinfo` (OIDC Core 1.0 §5.3).
pub(super) fn userinfo(shared: &Shared, request: &Recorded) -> Response<Body> {
    let state = shared.lock();
    let Some(grant) = bearer(&state, request) else {
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")];
        return (StatusCode::UNAUTHORIZED, challenge).into_response();
    };
    let mut claims = grant.person.claims(&grant.scope);
    let mut signed = false;
    for fault in &state.faults {
        let Fault::Userinfo(fault) = fault else {
            continue;
        };
        match fault {
            UserinfoFault::OtherSubject => {
                claims.insert("sub".into(), "somebody-else".into());
            }
            UserinfoFault::NoSubject => drop(claims.remove("sub")),
            UserinfoFault::NoEmailHere => {
                claims.retain(|name, _| name != "email" && name != "email_verified");
            }
            UserinfoFault::Without(name) => drop(claims.remove(*name)),
            UserinfoFault::With(name, value) => {
                claims.insert((*name).into(), value.clone());
            }
            UserinfoFault::Jwt => signed = true,
            UserinfoFault::EmailOnlyHere | UserinfoFault::EverythingOnlyHere => {}
        }
    }
    if signed {
        claims.insert("iss".into(), state.settings.issuer.clone().into());
        claims.insert("aud".into(), grant.client_id.clone().into());
        let token = shared.forge(&state, &grant.client_id, claims);
        return ([(header::CONTENT_TYPE, "application/jwt")], token).into_response();
    }
    Json(claims).into_response()
}

/// The grant of the access token in `Authorization` (RFC 6750 §2.1; GitHub also says `token`).
pub(super) fn bearer<'a>(state: &'a State, request: &Recorded) -> Option<&'a Grant> {
    let value = request.header("authorization")?;
    let (scheme, token) = value.split_once(' ')?;
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
    state.access_tokens.get(token).filter(|_| known)
}

/// `/end_session` (OIDC RP-Initiated Logout 1.0 §2).
pub(super) fn end_session(request: &Recorded) -> Response<Body> {
    let parameter = |name| request.query(name).or_else(|| request.form(name));
    let target = parameter("post_logout_redirect_uri").and_then(|uri| Url::parse(uri).ok());
    let known = parameter("id_token_hint").is_some() || parameter("client_id").is_some();
    match target {
        Some(mut target) if known => {
            if let Some(state) = parameter("state") {
                target.query_pairs_mut().append_pair("state", state);
            }
            let headers = [(header::LOCATION, String::from(target))];
            (StatusCode::FOUND, headers).into_response()
        }
        _ => Html("<!doctype html><title>Signed out</title><h1>Signed out</h1>").into_response(),
    }
}

/// A sign-out that knows one parameter and brings nothing back (Entra; Cognito, where the address must be
/// registered exactly as it stands).
pub(super) fn plain_logout(request: &Recorded, name: &str) -> Response<Body> {
    let Some(target) = request.query(name) else {
        return refused("nowhere to return to");
    };
    let headers = [(header::LOCATION, target.to_owned())];
    (StatusCode::FOUND, headers).into_response()
}
