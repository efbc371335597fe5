//! The app's answer as the browser gets it.

use axum::body::Body;
use axum::response::Response;
use http::header::{CONNECTION, SET_COOKIE, UPGRADE};
use http::{HeaderMap, HeaderValue, Version};
use hyper::body::Incoming;

use super::{Destination, body_to_browser};
use crate::access::Allowed;
use crate::domain::app_upstream::{remove_hop_by_hop, switches_to_websocket};
use crate::web::cookies;

/// The answer, without what was between the app and us; with the security headers that the app has not sent
/// for itself.
pub(super) fn of(
    destination: Destination<'_>,
    response: http::Response<Incoming>,
    allowed: &Allowed,
) -> Response {
    let (mut parts, body) = response.into_parts();
    parts.version = Version::HTTP_11;
    parts.extensions = http::Extensions::new();
    clean(&mut parts.headers);
    if let Some(security) = &allowed.security_headers {
        for (name, value) in security.iter() {
            parts.headers.entry(name).or_insert_with(|| value.clone());
        }
    }
    Response::from_parts(parts, body_to_browser(body, destination.upstream))
}

/// Whether the app agrees to what it was asked for.
pub(super) fn agrees(headers: &HeaderMap) -> bool {
    switches_to_websocket(headers)
}

/// 101: from now on bytes go both ways.
pub(super) fn switching(response: http::Response<Incoming>) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.version = Version::HTTP_11;
    parts.extensions = http::Extensions::new();
    clean(&mut parts.headers);
    let headers = &mut parts.headers;
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    Response::from_parts(parts, Body::empty())
}

fn clean(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
    let set: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().cloned().collect();
    if set.iter().any(cookies::sets_ours) {
        // An app has no business with our cookies on its host: it could sign people in as somebody else.
        headers.remove(SET_COOKIE);
        for value in set.into_iter().filter(|value| !cookies::sets_ours(value)) {
            headers.append(SET_COOKIE, value);
        }
    }
}
