//! The request as the app gets it.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{CONNECTION, COOKIE, HOST, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, Version};
use hyper::body::Incoming;

use super::body::Progress;
use super::{Destination, body_to_app, headers_to_app};
use crate::access::Allowed;
use crate::access::client_address::client_address;
use crate::config::Server;
use crate::domain::app_upstream::UpstreamHost;
use crate::outbound::AppBody;
use crate::web::cookies;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// `request` as it goes on, and how far its body has come. Path and query stay as they were judged.
pub(super) fn request(
    destination: Destination<'_>,
    request: Request<Incoming>,
    allowed: &Allowed,
    websocket: bool,
) -> (Request<AppBody>, Arc<Progress>) {
    let (mut parts, body) = request.into_parts();
    // What the app is told stands on what came, so it is read before that is taken out.
    let chain = forwarded_for(
        &parts.headers,
        destination.peer.ip(),
        destination.directory.server(),
    );
    let person = client_address(
        &parts.headers,
        destination.peer.ip(),
        destination.directory.server(),
    );
    let cookie = cookies::without_ours(&parts.headers);
    headers_to_app(&mut parts.headers, destination);
    let headers = &mut parts.headers;
    headers.remove(COOKIE);
    if !cookie.is_empty() {
        headers.insert(COOKIE, cookie);
    }
    for (name, value) in allowed.headers() {
        headers.insert(name.clone(), value.clone());
    }
    let tenant = destination.at.tenant;
    let set = |headers: &mut HeaderMap, name: HeaderName, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    set(headers, X_FORWARDED_FOR, &chain);
    set(headers, X_FORWARDED_HOST, destination.host_text);
    set(headers, X_FORWARDED_PROTO, tenant.base.origin.scheme());
    if let Some(person) = person {
        set(headers, X_REAL_IP, &person.to_string());
    }
    let upstream = destination.upstream;
    let host = match upstream.host {
        UpstreamHost::Original => destination.host_text,
        UpstreamHost::Upstream => upstream.authority.as_str(),
    };
    set(headers, HOST, host);
    if websocket {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    let (body, progress) = body_to_app(body, upstream);
    (
        Request::from_parts(addressed(parts, destination), body),
        progress,
    )
}

/// To the app's own address. Nothing of the connection that it came on goes with it.
fn addressed(mut parts: Parts, destination: Destination<'_>) -> Parts {
    let upstream = destination.upstream;
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(upstream.scheme.clone());
    uri.authority = Some(upstream.authority.clone());
    uri.path_and_query = parts.uri.path_and_query().cloned();
    // Scheme, authority and path are each one already.
    parts.uri = Uri::from_parts(uri).unwrap_or_default();
    parts.version = Version::HTTP_11;
    parts.extensions = http::Extensions::new();
    parts
}

/// The neighbours on the way here: those that a trusted proxy told of, and the one that we see.
fn forwarded_for(headers: &HeaderMap, peer: IpAddr, server: &Server) -> String {
    let mut chain = String::new();
    if server.trusted_proxy(peer).is_some() {
        for value in headers.get_all(&X_FORWARDED_FOR) {
            let Ok(text) = value.to_str() else { continue };
            if !text.trim().is_empty() {
                chain.push_str(text.trim());
                chain.push_str(", ");
            }
        }
    }
    chain.push_str(&peer.to_canonical().to_string());
    chain
}
