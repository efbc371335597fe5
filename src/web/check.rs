//! `{prefix}/auth`: the check in oauth2-proxy's dialect.
//!
//! This is the one route that every request to every app goes through: no layer stands before it, and
//! nothing is copied that need not be.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::challenges;
use super::cookies;
use super::door::Door;
use super::reply;
use super::traced::{self, Labels};
use crate::access::{Allowed, CheckRequest, Dialect, Verdict, Witness};

/// Where it is.
pub(super) fn path(door: &Door) -> String {
    format!("{}/auth", door.prefix())
}

/// [`answer`], for the router.
pub(crate) async fn oauth2_auth(
    State(door): State<Arc<Door>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let query = request.uri().query();
    answer(&door, peer, request.headers(), query, &mut ()).await
}

/// [`answer`] in a span.
pub(super) async fn traced(
    door: &Door,
    peer: SocketAddr,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Response {
    let span = traced::span(door, "check", Some(peer.ip()), headers);
    let mut labels = Labels(Some(span.clone()));
    traced::inside(span, answer(door, peer, headers, query, &mut labels)).await
}

/// Answers 202 (or 200) with identity headers, 401, 403 or 503. The body is empty.
pub(super) async fn answer(
    door: &Door,
    peer: SocketAddr,
    headers: &HeaderMap,
    query: Option<&str>,
    witness: &mut impl Witness,
) -> Response {
    let verdict = door
        .gate
        .check(&question(headers, query, peer.ip()), witness)
        .await;
    let mut response = empty(status(&verdict));
    if let Verdict::Allowed(allowed) = &verdict {
        tell(&mut response, allowed, headers);
    } else {
        refuse(&mut response, verdict, door);
    }
    response
}

/// Adds what whoever may not pass is told.
pub(super) fn refuse(response: &mut Response, verdict: Verdict, door: &Door) {
    match verdict {
        Verdict::SignInRequired { tenant, accepts } => {
            challenges::challenge(response, tenant.as_str(), door.prefix(), accepts);
        }
        Verdict::Unaccepted(unaccepted) => {
            challenges::unaccepted(response, &unaccepted, door.prefix());
        }
        Verdict::ScopeMissing(missing) => challenges::scope_missing(response, &missing),
        Verdict::OverLimit(over) => reply::retry_after(response, over),
        _ => {}
    }
}

/// The question as it is put here; `query` is that of the check's own address.
pub(crate) fn question<'a>(
    headers: &'a HeaderMap,
    query: Option<&'a str>,
    peer: IpAddr,
) -> CheckRequest<'a> {
    CheckRequest {
        headers,
        dialect: Dialect::OAuth2Proxy { limits: query },
        peer,
        app_session: cookies::app_session(headers),
        parent_session: cookies::parent_session,
    }
}

/// What the proxy is answered here.
pub(crate) fn status(verdict: &Verdict) -> StatusCode {
    match verdict {
        Verdict::Allowed(allowed) => allowed.status,
        Verdict::SignInOffered(_) | Verdict::SignInRequired { .. } => StatusCode::UNAUTHORIZED,
        Verdict::Unaccepted(unaccepted) => challenges::status(unaccepted.fault),
        // nginx shows any other refusal than 403 as a fault of its own.
        Verdict::Refused(_)
        | Verdict::ScopeMissing(_)
        | Verdict::Ambiguous(_)
        | Verdict::UnknownHost
        | Verdict::OwnPath(_)
        | Verdict::OverLimit(_) => StatusCode::FORBIDDEN,
        Verdict::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// An answer of a check, which nobody may keep.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Adds what the app is told.
pub(super) fn tell(response: &mut Response, allowed: &Allowed, request: &HeaderMap) {
    let headers = response.headers_mut();
    headers.reserve(allowed.headers().len() + 2);
    for (name, value) in allowed.headers() {
        headers.insert(name.clone(), value.clone());
    }
    if allowed.hide_cookies {
        headers.insert(header::COOKIE, cookies::without_ours(request));
    }
    // Under their own names: the only ones that Envoy can put into the app's answer.
    if let Some(security) = &allowed.security_headers {
        for (name, value) in security.iter() {
            headers.insert(name.clone(), value.clone());
        }
        // Over gRPC they go another way than what the app is told.
        response.extensions_mut().insert(Arc::clone(security));
    }
}
