//! `/api/authz/…`: the check in Authelia's dialect, one endpoint for each kind of proxy.
//!
//! Each endpoint reads what is asked for from one place, and has its own way to offer a login. Where the proxy
//! passes the answer on as it is (`forward-auth`, `ext-authz`), nobody else could answer our own paths on the
//! app's host: that is done here. Invariant: such an answer is never 2xx, which would let the request through.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts as _, Request};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use tower::Service as _;

use super::challenges;
use super::check;
use super::cookies;
use super::door::Door;
use super::reply::{self, RequestId, bare};
use super::traced::Labels;
use super::visit::AppVisit;
use crate::access::{
    Asked, CheckRequest, CheckTarget, Dialect, Found, StartLine, Verdict, WholeTarget,
};
use crate::domain::login_offer::is_navigation;
use crate::domain::policy::Refusal;

/// What all of them begin with.
pub(crate) const PREFIX: &str = "/api/authz/";

/// One of the endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// Traefik, Caddy, `HAProxy`: the person gets our answer.
    ForwardAuth,
    /// nginx: it knows 2xx, 401 and 403, and looks for `Location` in a 401.
    AuthRequest,
    /// Envoy, over HTTP: the path begins behind ours.
    ExtAuthz,
}

impl Endpoint {
    /// The endpoint at `path`, and what stands behind its name.
    pub(crate) fn at(path: &str) -> Option<(Self, &str)> {
        let name = path.strip_prefix(PREFIX)?;
        if let Some(behind) = name.strip_prefix("ext-authz/") {
            return Some((Self::ExtAuthz, behind));
        }
        match name {
            "forward-auth" => Some((Self::ForwardAuth, "")),
            "auth-request" => Some((Self::AuthRequest, "")),
            _ => None,
        }
    }
}

/// Answers a request below [`PREFIX`]. `router` answers our own paths, and what is no endpoint.
pub(super) async fn answer(
    door: &Arc<Door>,
    router: &Router,
    peer: SocketAddr,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let Some((endpoint, behind)) = Endpoint::at(parts.uri.path()) else {
        return own_page(router, peer, Request::from_parts(parts, Body::empty())).await;
    };
    let target = endpoint.target(&parts, behind);
    decide(door, router, peer, endpoint, target, &parts.headers).await
}

/// 200 with identity headers, 302, 303, 400, 401, 403, 429 or 503; anything but 2xx at our own paths.
pub(super) async fn decide(
    door: &Arc<Door>,
    router: &Router,
    peer: SocketAddr,
    endpoint: Endpoint,
    target: WholeTarget<'_>,
    headers: &HeaderMap,
) -> Response {
    let question = endpoint.question(target, headers, peer.ip());
    let verdict = door.gate.check(&question, &mut Labels::here()).await;
    if let Verdict::OwnPath(asked) = verdict {
        return relay(router, peer, headers.clone(), *asked).await;
    }
    if let Verdict::Refused(refusal) = verdict
        && endpoint.is_relayed()
        && let Some(page) = Box::pin(refused_page(door, peer, &question, target, refusal)).await
    {
        return page;
    }
    let mut response = check::empty(endpoint.status(&verdict));
    match verdict {
        Verdict::Allowed(allowed) => check::tell(&mut response, &allowed, headers),
        Verdict::SignInOffered(asked) => {
            let address = sign_in_address(&asked, door.prefix());
            if let Some(address) = address.and_then(|it| HeaderValue::from_str(&it).ok()) {
                response.headers_mut().insert(header::LOCATION, address);
            } else {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
            }
        }
        Verdict::SignInRequired { tenant, accepts } => {
            challenges::challenge(&mut response, tenant.as_str(), door.prefix(), accepts);
        }
        Verdict::Unaccepted(unaccepted) => {
            challenges::unaccepted(&mut response, &unaccepted, door.prefix());
        }
        Verdict::ScopeMissing(missing) => challenges::scope_missing(&mut response, &missing),
        Verdict::OverLimit(over) => reply::retry_after(&mut response, over),
        _ => {}
    }
    response
}

impl Endpoint {
    fn target<'a>(self, parts: &'a Parts, behind: &'a str) -> WholeTarget<'a> {
        match self {
            Self::ForwardAuth => WholeTarget::XForwarded,
            Self::AuthRequest => WholeTarget::XOriginal,
            Self::ExtAuthz => WholeTarget::StartLine(start_line(&parts.method, &parts.uri, behind)),
        }
    }

    /// Whether the person gets our answer as it is.
    fn is_relayed(self) -> bool {
        self != Self::AuthRequest
    }

    /// The question as it is put here.
    pub(crate) fn question<'a>(
        self,
        target: WholeTarget<'a>,
        headers: &'a HeaderMap,
        peer: IpAddr,
    ) -> CheckRequest<'a> {
        CheckRequest {
            headers,
            dialect: Dialect::Authelia {
                target,
                relayed: self.is_relayed(),
            },
            peer,
            app_session: cookies::app_session(headers),
            parent_session: cookies::parent_session,
        }
    }

    /// What the proxy is answered here. [`Verdict::OwnPath`] has our own page as its answer, if that is not 2xx.
    pub(crate) fn status(self, verdict: &Verdict) -> StatusCode {
        match verdict {
            Verdict::Allowed(_) => StatusCode::OK,
            Verdict::SignInOffered(asked) if self.is_relayed() => {
                reply::elsewhere(asked.method.as_ref())
            }
            Verdict::SignInOffered(_) | Verdict::SignInRequired { .. } => StatusCode::UNAUTHORIZED,
            Verdict::Unaccepted(unaccepted) => challenges::status(unaccepted.fault),
            // nginx shows any other refusal than 403 as a fault of its own.
            Verdict::Ambiguous(_) if self.is_relayed() => StatusCode::BAD_REQUEST,
            Verdict::OverLimit(_) if self.is_relayed() => StatusCode::TOO_MANY_REQUESTS,
            Verdict::Ambiguous(_)
            | Verdict::Refused(_)
            | Verdict::ScopeMissing(_)
            | Verdict::UnknownHost
            | Verdict::OverLimit(_)
            | Verdict::OwnPath(_) => StatusCode::FORBIDDEN,
            Verdict::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Envoy puts its `path_prefix` in front of the path. With a slash at its end (`/api/authz/ext-authz/`) the path
/// begins with another one here. Without, `//public/x` would look like `/public/x`: such a path is good for
/// the way back, and no rule is decided by it.
fn start_line<'a>(method: &'a Method, uri: &'a Uri, behind: &'a str) -> StartLine<'a> {
    let whole = uri
        .path_and_query()
        .map_or("", http::uri::PathAndQuery::as_str);
    let is_open = !behind.starts_with('/');
    let cut = PREFIX.len() + "ext-authz/".len() - usize::from(is_open);
    StartLine {
        method: method.as_str(),
        scheme: None,
        host: uri.authority().map(http::uri::Authority::as_str),
        path_and_query: whole.get(cut..).unwrap_or_default(),
        path_is_open: is_open,
    }
}

/// Where a person signs in who asked for this: on the app's own host, which remembers the browser, or, where
/// that host shares the tenant's cookie, at the tenant's. `rd` is where they return to; `rm`, the method, is
/// there for those whose scripts look for it.
pub(crate) fn sign_in_address(asked: &Asked, prefix: &str) -> Option<String> {
    let base = &asked.tenant.base;
    let host = &asked.host;
    let path = asked.path_and_query.as_deref()?;
    let target = format!("{}://{host}{path}", asked.scheme?);
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("rd", &target);
    if let Some(method) = &asked.method {
        query.append_pair("rm", method.as_str());
    }
    let query = query.finish();
    Some(if asked.tenant.parent_cookie_at(host).is_some() {
        base.address(&format!("/login?{query}"))
    } else {
        let scheme = base.origin.scheme();
        format!("{scheme}://{host}{prefix}/sign_in?{query}")
    })
}

/// Somebody who looks at the answer is told why they may not pass, and can choose another account. `None`:
/// nobody looks, or nobody is signed in.
async fn refused_page(
    door: &Arc<Door>,
    peer: SocketAddr,
    question: &CheckRequest<'_>,
    target: WholeTarget<'_>,
    refusal: Refusal,
) -> Option<Response> {
    let headers = question.headers;
    let target = CheckTarget::read_whole(headers, target).ok()?;
    if !is_navigation(target.method.as_ref(), headers) {
        return None;
    }
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.headers = headers.clone();
    parts
        .headers
        .insert(header::HOST, HeaderValue::from_str(target.host).ok()?);
    parts.extensions.insert(ConnectInfo(peer));
    let id = RequestId::new(&door.parts.random);
    parts.extensions.insert(id.clone());
    let at = AppVisit::from_request_parts(&mut parts, door).await.ok()?;
    let directory = door.gate.directory.snapshot();
    let found = Found {
        directory: &directory,
        at: directory.app_at(&at.host)?,
        host: &at.host,
    };
    let (_, session) = door.gate.session(question, found).await.ok()??;
    let (scheme, path) = (target.scheme?, target.path_and_query?);
    let address = format!("{scheme}://{}{path}", at.host);
    let mut response = at.refused(session.person(), &address, refusal);
    // As the router's layers would.
    reply::secure(response.headers_mut());
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert("x-request-id", id);
    }
    Some(response)
}

/// Headers that are about the check, and not about what the person asked for.
const OF_THE_CHECK: [HeaderName; 9] = [
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-method"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-uri"),
    HeaderName::from_static("x-original-method"),
    HeaderName::from_static("x-original-uri"),
    HeaderName::from_static("x-original-url"),
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
];

/// Answers one of our own paths in place of the check. What would be 2xx has to be fetched from us directly.
async fn relay(
    router: &Router,
    peer: SocketAddr,
    mut headers: HeaderMap,
    asked: Asked,
) -> Response {
    for name in OF_THE_CHECK {
        headers.remove(name);
    }
    let host = HeaderValue::from_str(&asked.host.to_string());
    let uri = asked.path_and_query.as_deref().map(Uri::try_from);
    let (Ok(host), Some(Ok(uri))) = (host, uri) else {
        return bare(StatusCode::BAD_REQUEST, "this is no address\n");
    };
    headers.insert(header::HOST, host);
    let mut request = Request::new(Body::empty());
    *request.method_mut() = asked.method.unwrap_or(Method::GET);
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    let response = own_page(router, peer, request).await;
    if response.status().is_success() || response.status().is_informational() {
        tracing::warn!(
            target: "audit", event = "own_path_not_routed", tenant = %asked.tenant.id, host = %asked.host,
            "a page of Doorward's own was asked for in a check, which cannot answer it: have the proxy route \
             our prefix on this host to Doorward"
        );
        return bare(
            StatusCode::NOT_FOUND,
            "this address is not routed to Doorward\n",
        );
    }
    response
}

async fn own_page(router: &Router, peer: SocketAddr, mut request: Request) -> Response {
    request.extensions_mut().insert(ConnectInfo(peer));
    // Its future is large, and would be moved with that of every check.
    match Box::pin(router.clone().call(request)).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
