//! Where every request arrives.
//!
//! A check is asked before each request to each app, and its path alone says what it is: it goes past the
//! router, which would cost as much as the check itself.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper::body::Incoming;
use tokio_rustls::TlsAcceptor;
use tower::Service as _;

use super::forward::Forwarder;
use super::tls::Tls;
use super::{Door, authz, check, router, traced};
use crate::telemetry::traces;

/// What answers requests.
#[derive(Debug)]
pub struct Front {
    router: Router,
    check: Option<Check>,
    /// None: requests are not forwarded to apps.
    forwarder: Option<Forwarder>,
    tls: Option<Tls>,
}

#[derive(Debug)]
struct Check {
    path: Box<str>,
    door: Arc<Door>,
}

impl Front {
    /// The broker; `with_operations`: `/healthz`, `/readyz` and `/metrics` too.
    #[must_use]
    pub fn new(door: &Arc<Door>, with_operations: bool) -> Self {
        Self {
            router: router::router(door, with_operations),
            check: Some(Check {
                path: check::path(door).into(),
                door: Arc::clone(door),
            }),
            forwarder: Forwarder::new(door),
            tls: Some(Tls::new(&door.parts.directory)),
        }
    }

    /// The operations routes alone, for a listener of their own.
    #[must_use]
    pub fn operations(door: &Arc<Door>) -> Self {
        Self {
            router: router::operations(door),
            check: None,
            forwarder: None,
            tls: None,
        }
    }

    /// What the next connection has to begin with; none: plain http.
    pub(super) fn tls(&self) -> Option<TlsAcceptor> {
        self.tls.as_ref()?.acceptor()
    }

    pub(super) async fn answer(
        self: Arc<Self>,
        peer: SocketAddr,
        mut request: hyper::Request<Incoming>,
    ) -> Result<Response, Infallible> {
        if let Some(forwarder) = &self.forwarder {
            // In a box for the same reason as below.
            match Box::pin(forwarder.take(peer, request)).await {
                Ok(response) => return Ok(response),
                Err(not_an_apps) => request = not_an_apps,
            }
        }
        if let Some(check) = &self.check {
            let path = request.uri().path();
            if *check.path == *path {
                let (headers, query) = (request.headers(), request.uri().query());
                if traces::on() {
                    return Ok(Box::pin(check::traced(&check.door, peer, headers, query)).await);
                }
                return Ok(check::answer(&check.door, peer, headers, query, &mut ()).await);
            }
            if path.starts_with(authz::PREFIX) {
                let request = request.map(Body::new);
                if traces::on() {
                    let span =
                        traced::span(&check.door, "check", Some(peer.ip()), request.headers());
                    let answer = authz::answer(&check.door, &self.router, peer, request);
                    return Ok(Box::pin(traced::inside(span, answer)).await);
                }
                let answer = authz::answer(&check.door, &self.router, peer, request);
                return Ok(Box::pin(answer).await);
            }
        }
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        // Its future is large, and would be moved with that of every check.
        Box::pin(self.router.clone().call(request)).await
    }
}
