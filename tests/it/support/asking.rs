//! The question of a proxy, as it is put at each of the endpoints below `/api/authz/`.

use bytes::Bytes;
use http::{Method, Response};

use super::broker::Broker;
use super::raw;
use Endpoint::{AuthRequest, ExtAuthz, ForwardAuth};

/// Where it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    ForwardAuth,
    AuthRequest,
    ExtAuthz,
}

pub(crate) const ALL: [Endpoint; 3] = [ForwardAuth, AuthRequest, ExtAuthz];

/// What a proxy is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) method: &'a str,
    pub(crate) scheme: &'a str,
    pub(crate) host: &'a str,
    pub(crate) path: &'a str,
}

impl<'a> Target<'a> {
    pub(crate) fn get(host: &'a str, path: &'a str) -> Self {
        Self {
            method: "GET",
            scheme: "http",
            host,
            path,
        }
    }
}

/// Asks as the proxies of this endpoint do. An empty part of the target is not told. `more` is the client's.
pub(crate) async fn ask(
    broker: &Broker,
    endpoint: Endpoint,
    target: Target<'_>,
    more: &[(&str, &str)],
) -> Response<Bytes> {
    let Target {
        method,
        scheme,
        host,
        path,
    } = target;
    let authority = format!("{host}:{}", broker.address.port());
    let authority = if host.is_empty() { "" } else { &authority };
    let url = format!("{scheme}://{authority}{path}");
    let told: Vec<(&str, &str)> = match endpoint {
        ForwardAuth => vec![
            ("host", "doorward:4180"),
            ("x-forwarded-proto", scheme),
            ("x-forwarded-host", authority),
            ("x-forwarded-uri", path),
            ("x-forwarded-method", method),
        ],
        AuthRequest => vec![
            ("host", "doorward:4180"),
            ("x-original-url", &url),
            ("x-original-method", method),
        ],
        ExtAuthz => vec![("host", authority), ("x-forwarded-proto", scheme)],
    };
    let told = told.into_iter().filter(|(_, value)| !value.is_empty());
    let headers: Vec<_> = told.chain(more.iter().copied()).collect();
    let (asked, method) = match endpoint {
        ForwardAuth => ("/api/authz/forward-auth".to_owned(), Method::GET),
        AuthRequest => ("/api/authz/auth-request".to_owned(), Method::GET),
        ExtAuthz => (
            format!("/api/authz/ext-authz/{path}"),
            method.parse().expect("a method"),
        ),
    };
    raw::send(broker.address, method, &asked, &headers, Bytes::new()).await
}
