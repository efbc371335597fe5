//! From a request to its answer: recorded, held if it must be, routed, and then spoilt.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Collected};
use hyper::body::Incoming;
use serde_json::Value;

use super::body::{Step, scripted};
use super::fault::{Endpoint, Trouble};
use super::server::HungUp;
use super::{Recorded, Shared, github, jwks, oidc, refresh, role};

/// Records the request, does what the troubles of its endpoint ask, and answers.
pub(super) async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Body>, HungUp> {
    let (head, body) = request.into_parts();
    let body = http_body_util::Limited::new(body, 1 << 20)
        .collect()
        .await
        .map_err(|_| HungUp)?
        .to_bytes();
    let pairs = |bytes: &[u8]| url::form_urlencoded::parse(bytes).into_owned().collect();
    let played = shared.lock().role.clone();
    let here = |role: &Value| role::endpoint(role, head.uri.path());
    let part = played.as_ref().and_then(here);
    let request = Recorded {
        endpoint: part.unwrap_or_else(|| endpoint(head.uri.path())),
        method: head.method,
        path: head.uri.path().to_owned(),
        query: pairs(head.uri.query().unwrap_or_default().as_bytes()),
        form: if is_form(&head.headers) {
            pairs(&body)
        } else if part == Some(Endpoint::Token) {
            members(&body)
        } else {
            Vec::new()
        },
        headers: head.headers,
        body,
    };
    let at = request.endpoint;
    let troubles = shared.arrived(&request);
    if troubles.contains(&Trouble::HangUp) {
        return Err(HungUp);
    }
    if troubles.contains(&Trouble::Held) {
        let mine = |trouble: &Trouble| *trouble == Trouble::Held;
        Shared::pass(Arc::clone(&shared), at, mine).await;
    }
    let detour = request.query("detour").is_some();
    let mut answer = match played.filter(|_| part.is_some()) {
        Some(role) => role::respond(&shared, &role, &request),
        None => respond(&shared, &request),
    };
    for trouble in troubles {
        let skipped = detour && trouble == Trouble::RedirectToItself;
        if !skipped {
            answer = suffer(&shared, &request, trouble, answer).await;
        }
    }
    Ok(answer)
}

/// The members of a JSON object, for providers that want one in place of a form.
fn members(body: &[u8]) -> Vec<(String, String)> {
    let members: BTreeMap<String, String> = serde_json::from_slice(body).unwrap_or_default();
    members.into_iter().collect()
}

fn is_form(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        value
            .as_bytes()
            .starts_with(b"application/x-www-form-urlencoded")
    })
}

fn endpoint(path: &str) -> Endpoint {
    // Issuers with a path keep their metadata below it.
    if path.ends_with("/.well-known/openid-configuration") {
        return Endpoint::Discovery;
    }
    // Where GitHub Enterprise Server keeps its API.
    match path.strip_prefix("/api/v3").unwrap_or(path) {
        "/authorize" => Endpoint::Authorize,
        "/token" => Endpoint::Token,
        "/jwks" => Endpoint::Jwks,
        "/userinfo" => Endpoint::Userinfo,
        "/revoke" => Endpoint::Revoke,
        path if path.starts_with("/applications/") => Endpoint::Revoke,
        // The second as Auth0 names it where its metadata do not.
        "/end_session" | "/oidc/logout" => Endpoint::EndSession,
        "/oauth2/v2.0/logout" => Endpoint::EntraLogout,
        "/logout" => Endpoint::CognitoLogout,
        "/login/oauth/authorize" => Endpoint::GithubAuthorize,
        "/login/oauth/access_token" => Endpoint::GithubToken,
        "/user" => Endpoint::GithubUser,
        "/user/emails" => Endpoint::GithubEmails,
        "/user/orgs" => Endpoint::GithubOrganizations,
        "/user/memberships/orgs" => Endpoint::GithubMemberships,
        "/user/teams" => Endpoint::GithubTeams,
        "/attacker/jwks" | "/attacker/x5u" => Endpoint::AttackerKeys,
        _ => Endpoint::Elsewhere,
    }
}

fn respond(shared: &Shared, request: &Recorded) -> Response<Body> {
    match request.endpoint {
        Endpoint::Discovery => oidc::discovery(shared),
        Endpoint::Authorize => oidc::authorize(shared, request),
        Endpoint::Token => oidc::token(shared, request),
        Endpoint::Jwks => jwks::jwks(shared),
        Endpoint::Userinfo => oidc::userinfo(shared, request),
        Endpoint::EndSession => oidc::end_session(request),
        Endpoint::EntraLogout => oidc::plain_logout(request, "post_logout_redirect_uri"),
        Endpoint::CognitoLogout => oidc::plain_logout(request, "logout_uri"),
        Endpoint::Revoke => refresh::revoke(shared, request),
        Endpoint::AttackerKeys => jwks::attacker_keys(shared),
        Endpoint::GithubAuthorize => github::authorize(shared, request),
        Endpoint::GithubToken => github::token(shared, request),
        Endpoint::GithubUser
        | Endpoint::GithubEmails
        | Endpoint::GithubOrganizations
        | Endpoint::GithubMemberships
        | Endpoint::GithubTeams => github::api(shared, request),
        Endpoint::Call | Endpoint::Elsewhere => {
            (StatusCode::NOT_FOUND, "nothing here").into_response()
        }
    }
}

/// Turns a true answer into what the trouble makes of it.
async fn suffer(
    shared: &Arc<Shared>,
    request: &Recorded,
    trouble: Trouble,
    answer: Response<Body>,
) -> Response<Body> {
    let (mut head, body) = answer.into_parts();
    let bytes = body
        .collect()
        .await
        .map_or_else(|_| Bytes::new(), Collected::to_bytes);
    let whole = bytes.len() as u64;
    let half = bytes.len() / 2;
    let redirect = |to: String| {
        let headers = [(header::LOCATION, to)];
        (StatusCode::TEMPORARY_REDIRECT, headers).into_response()
    };
    head.headers.remove(header::CONTENT_LENGTH);
    let body = match trouble {
        Trouble::Held | Trouble::HangUp => Body::from(bytes),
        Trouble::Stalled => {
            let mine = |trouble: &Trouble| *trouble == Trouble::Stalled;
            let wait = Shared::pass(Arc::clone(shared), request.endpoint, mine);
            let steps = vec![
                Step::Send(bytes.slice(..half)),
                Step::Wait(Box::pin(wait)),
                Step::Send(bytes.slice(half..)),
            ];
            scripted(steps, Some(whole))
        }
        Trouble::Huge(more) => scripted(
            vec![Step::Send(bytes), Step::Spaces(more)],
            Some(whole + more as u64),
        ),
        Trouble::HugeInChunks(more) => scripted(vec![Step::Send(bytes), Step::Spaces(more)], None),
        Trouble::CutOff => scripted(
            vec![Step::Send(bytes.slice(..half)), Step::Break],
            Some(whole),
        ),
        Trouble::Html(status) => {
            let page = "<!doctype html><title>Sorry</title><h1>We will be back soon</h1>";
            return (status_code(status), axum::response::Html(page)).into_response();
        }
        Trouble::Status(status) => return status_code(status).into_response(),
        Trouble::AnswerWithStatus(status) => {
            head.status = status_code(status);
            Body::from(bytes)
        }
        Trouble::RedirectTo(to) => return redirect(to),
        Trouble::RedirectToItself => {
            return redirect(format!("{}{}?detour=1", shared.base, request.path));
        }
        Trouble::ContentType(media_type) => {
            let value = HeaderValue::from_static(media_type);
            head.headers.insert(header::CONTENT_TYPE, value);
            Body::from(bytes)
        }
        Trouble::ContentEncoding(coding) => {
            let value = HeaderValue::from_static(coding);
            head.headers.insert(header::CONTENT_ENCODING, value);
            Body::from(bytes)
        }
        Trouble::Text(text) => {
            head.status = StatusCode::OK;
            Body::from(text)
        }
    };
    Response::from_parts(head, body)
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).expect("a status")
}
