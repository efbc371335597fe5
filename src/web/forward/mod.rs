//! Doorward as the proxy in front of apps, for those who have none of their own.
//!
//! A request to the host of an app that has an `upstream` is judged as every check is, and then forwarded.
//! Invariants: what is judged is what is forwarded, byte for byte, and a path with two meanings is never; the
//! app learns about the person, their address and the request from us alone
//! ([`app_upstream`](crate::domain::app_upstream)); our cookies do not reach it; our own paths, below the
//! prefix, are never forwarded, and the check is not there for browsers. Deliberately absent: choosing among
//! several addresses, caching, changing bodies or paths.

mod answer;
mod body;
mod outgoing;
mod refusal;
mod tunnel;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use self::body::{Progress, Watched};
use self::refusal::Asked;
pub(crate) use self::refusal::status;
use super::Door;
use super::visit::host_text;
use super::{check, cookies, tokens};
use crate::access::{Allowed, CheckRequest, CheckTarget, Dialect, Found, Verdict};
use crate::domain::app_upstream::{AppUpstream, asks_for_websocket, check_framing};
use crate::domain::handle::{AppSessionKind, Handle};
use crate::domain::host::Host;
use crate::domain::path::CanonicalPath;
use crate::outbound::{AppBody, AppClients, AppFault};
use crate::telemetry::metrics::count_forwarded;
use crate::tenants::{AppAt, Directory};

/// Forwards what may pass.
#[derive(Debug)]
pub(super) struct Forwarder {
    door: Arc<Door>,
    clients: AppClients,
    prefix: CanonicalPath,
    /// Where apps say what they are, those that do.
    resource: CanonicalPath,
    check: CanonicalPath,
}

/// The app that a request is for.
#[derive(Clone, Copy, Debug)]
struct Destination<'a> {
    directory: &'a Directory,
    at: AppAt<'a>,
    upstream: &'a AppUpstream,
    host: &'a Host,
    /// As the request wrote it.
    host_text: &'a str,
    peer: SocketAddr,
}

/// Why an app gave no answer.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    App(#[from] AppFault),
    #[error("no answer within {0:?}")]
    Late(std::time::Duration),
    #[error("it answered with a switch of protocols that nobody asked for")]
    Switched,
}

impl Forwarder {
    /// None where forwarding is off.
    pub(super) fn new(door: &Arc<Door>) -> Option<Self> {
        let path = |path: &str| CanonicalPath::parse(path).ok();
        Some(Self {
            prefix: path(door.prefix())?,
            resource: path(tokens::RESOURCE)?,
            check: path(&check::path(door))?,
            clients: AppClients::new(),
            door: Arc::clone(door),
        })
        .filter(|_| door.parts.directory.snapshot().server().forward_to_apps)
    }

    /// Answers a request to an app that has an upstream; gives back any other.
    pub(super) async fn take(
        &self,
        peer: SocketAddr,
        request: Request<Incoming>,
    ) -> Result<Response, Request<Incoming>> {
        let directory = self.door.parts.directory.snapshot();
        let text = host_text(request.headers(), request.uri()).map(ToOwned::to_owned);
        let host = text.as_deref().and_then(|text| Host::parse(text, 443).ok());
        let found = host.as_ref().and_then(|host| {
            let at = directory.app_at(host)?;
            Some(Destination {
                directory: &directory,
                upstream: at.app.upstream.as_ref()?,
                at,
                host,
                host_text: text.as_deref()?,
                peer,
            })
        });
        let Some(destination) = found else {
            return Err(request);
        };
        let asked = Asked::new(&self.door, destination, &request);
        // What means one of our paths is ours, however it is written; what can mean two things is judged
        // below, and refused.
        let path = CanonicalPath::parse(request.uri().path());
        if path.as_ref().is_ok_and(|path| path.is_under(&self.check)) {
            return Ok(asked.hidden().await);
        }
        let says_what_it_is = destination.at.app.protected_resource.is_some();
        if path.is_ok_and(|path| {
            path.is_under(&self.prefix) || (says_what_it_is && path.is_under(&self.resource))
        }) {
            return Err(request);
        }
        Ok(self.judge(destination, asked, request).await)
    }

    async fn judge(
        &self,
        destination: Destination<'_>,
        asked: Asked<'_>,
        request: Request<Incoming>,
    ) -> Response {
        let at = destination.at;
        let path = request.uri().path_and_query();
        let path = path.map_or(request.uri().path(), |it| it.as_str());
        let target = target(at, destination.host_text, path, request.method());
        let question = question(request.headers(), destination.peer.ip());
        let found = Found {
            directory: destination.directory,
            at,
            host: destination.host,
        };
        let verdict = self
            .door
            .gate
            .check_app(&question, &target, found, &mut ())
            .await;
        let app_session = question.app_session;
        match verdict {
            Verdict::Allowed(allowed) if check_framing(request.headers()).is_err() => {
                drop(allowed);
                asked.malformed()
            }
            Verdict::Allowed(allowed) => {
                self.forward(destination, asked, request, &allowed, app_session)
                    .await
            }
            verdict => asked.refuse(verdict, app_session).await,
        }
    }

    async fn forward(
        &self,
        destination: Destination<'_>,
        asked: Asked<'_>,
        mut request: Request<Incoming>,
        allowed: &Allowed,
        app_session: Option<Handle<AppSessionKind>>,
    ) -> Response {
        let at = destination.at;
        let count = |outcome| {
            count_forwarded(at.tenant.id.as_str(), at.app.id.as_str(), outcome);
        };
        let switch = asks_for_websocket(request.method(), request.headers())
            .then(|| hyper::upgrade::on(&mut request));
        let (request, progress) =
            outgoing::request(destination, request, allowed, switch.is_some());
        let sent = self.send(destination.upstream, request, progress).await;
        let (mut response, switched) = match sent {
            Ok(response) => {
                let switched = response.status() == http::StatusCode::SWITCHING_PROTOCOLS;
                (response, switched)
            }
            Err(failure) => {
                count(failure.outcome());
                return asked.failed(&failure).await;
            }
        };
        if !switched {
            count("answered");
            return answer::of(destination, response, allowed);
        }
        let Some(browser) = switch.filter(|_| answer::agrees(response.headers())) else {
            count(Failure::Switched.outcome());
            return asked.failed(&Failure::Switched).await;
        };
        count("websocket");
        let watch = allowed.session_watch(&at.tenant.id, destination.host, app_session.as_ref());
        tunnel::Tunnel {
            door: Arc::clone(&self.door),
            browser,
            app: hyper::upgrade::on(&mut response),
            idle_timeout: destination.upstream.idle_timeout,
            watch,
        }
        .dig();
        answer::switching(response)
    }

    /// Waits for the head of the answer: while the request's body is still on its way, as long as it moves.
    async fn send(
        &self,
        upstream: &AppUpstream,
        request: Request<AppBody>,
        progress: Arc<Progress>,
    ) -> Result<http::Response<Incoming>, Failure> {
        let sending = self.clients.send(upstream, request);
        tokio::pin!(sending);
        loop {
            let patience = if progress.is_whole() {
                upstream.response_timeout
            } else {
                upstream.idle_timeout
            };
            tokio::select! {
                answer = &mut sending => return Ok(answer?),
                () = progress.moved() => {}
                () = tokio::time::sleep(patience) => return Err(Failure::Late(patience)),
            }
        }
    }
}

/// The question whether a request may pass.
pub(crate) fn question(headers: &HeaderMap, peer: IpAddr) -> CheckRequest<'_> {
    CheckRequest {
        headers,
        dialect: Dialect::Forwarding,
        peer,
        app_session: cookies::app_session(headers),
        // Here the app's host is ours to answer for, so it has a cookie of its own.
        parent_session: |_, _| None,
    }
}

/// What is judged: the request's own path and method, as they will be forwarded.
pub(crate) fn target<'a>(
    at: AppAt<'a>,
    host: &'a str,
    path_and_query: &'a str,
    method: &Method,
) -> CheckTarget<'a> {
    CheckTarget {
        host,
        scheme: Some(at.tenant.base.origin.scheme()),
        path_and_query: Some(path_and_query),
        method: Some(method.clone()),
        path_is_open: false,
    }
}

impl Failure {
    /// For the label of a metric.
    const fn outcome(&self) -> &'static str {
        match self {
            Self::Late(_) | Self::App(AppFault::ConnectTimeout(_)) => "timeout",
            Self::App(AppFault::RequestBody) => "request_broken",
            Self::App(AppFault::Closed | AppFault::TooLarge | AppFault::Malformed(_))
            | Self::Switched => "broken_answer",
            Self::App(_) => "unreachable",
        }
    }
}

/// A body that ends when it is silent for too long.
fn body_to_app(body: Incoming, upstream: &AppUpstream) -> (AppBody, Arc<Progress>) {
    let body = Watched::new(body, upstream.idle_timeout);
    let progress = body.progress();
    (AppBody::new(body), progress)
}

/// The headers of what goes on, without those of the client that must not.
fn headers_to_app(headers: &mut HeaderMap, destination: Destination<'_>) {
    crate::domain::app_upstream::leave_out(headers, &destination.at.app.identity_headers);
}

fn body_to_browser(body: Incoming, upstream: &AppUpstream) -> Body {
    Body::new(Watched::new(body, upstream.idle_timeout).map_err(axum::Error::new))
}
