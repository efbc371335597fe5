//! A person's request to one of our pages: which tenant it is for, and who they are so far.
//!
//! Invariant: the tenant comes from `Host` and path alone. Forwarded headers cannot move a request to
//! another tenant, and addresses that we send people to are built from the configuration, never from the
//! request.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode, Uri, header};

use super::cookies::{self, RequestCookies};
use super::door::Door;
use super::reply::{self, Reply, RequestId};
use crate::access::client_address::{client_address, network};
use crate::config::Server;
use crate::domain::handle::{Handle, SessionKind};
use crate::domain::host::Host;
use crate::domain::ids::AppId;
use crate::domain::tenant::Tenant;
use crate::sessions::{Browser, CurrentSession};
use crate::storage::Network;
use crate::views::{Chrome, ErrorPage, Page, RequestStamp};

/// A request to a tenant's page.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) door: Arc<Door>,
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) cookies: RequestCookies,
    pub(crate) headers: HeaderMap,
    request_id: RequestId,
    address: Option<IpAddr>,
    over_http: bool,
}

/// A request to one of our paths on an app's host.
#[derive(Debug)]
pub(crate) struct AppVisit {
    pub(crate) visit: Visit,
    pub(crate) host: Host,
    app: AppId,
}

impl FromRequestParts<Arc<Door>> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, door: &Arc<Door>) -> Result<Self, Response> {
        let host = host_of(parts);
        let directory = door.parts.directory.current();
        let location = host
            .and_then(|host| directory.locate(&host, parts.uri.path()))
            .ok_or_else(|| misdirected(parts, door))?;
        let visit = Self::new(parts, door, Arc::clone(location.tenant), directory.server());
        // Pages are mounted at the root too: there, the other mounts are no addresses of this tenant.
        let prefix = door.prefix();
        let elsewhere = |mount: &str| {
            let rest = location.rest.strip_prefix(mount);
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        if location.tenant.base.path.is_empty() && (elsewhere("/t") || elsewhere(prefix)) {
            return Err(visit.not_found());
        }
        Ok(visit)
    }
}

/// A request for a document about a tenant, whose own path stands behind the document's (RFC 8615 §3, RFC 8414 §3).
#[derive(Debug)]
pub(crate) struct WellKnown(pub(crate) Visit);

impl FromRequestParts<Arc<Door>> for WellKnown {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, door: &Arc<Door>) -> Result<Self, Response> {
        let host = host_of(parts).ok_or_else(|| misdirected(parts, door))?;
        let directory = door.parts.directory.current();
        // `/.well-known/{name}` and what comes behind it.
        let path = parts.uri.path();
        let base = path
            .match_indices('/')
            .nth(2)
            .map_or("", |(at, _)| path.get(at..).unwrap_or_default());
        let location = directory
            .locate(&host, base)
            .filter(|location| location.rest.is_empty())
            .ok_or_else(|| misdirected(parts, door))?;
        let visit = Visit::new(parts, door, Arc::clone(location.tenant), directory.server());
        Ok(Self(visit))
    }
}

impl FromRequestParts<Arc<Door>> for AppVisit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, door: &Arc<Door>) -> Result<Self, Response> {
        let host = host_of(parts).ok_or_else(|| misdirected(parts, door))?;
        let directory = door.parts.directory.current();
        let at = directory
            .app_at(&host)
            .ok_or_else(|| misdirected(parts, door))?;
        let app = at.app.id.clone();
        let visit = Visit::new(parts, door, Arc::clone(at.tenant), directory.server());
        Ok(Self { visit, host, app })
    }
}

/// The host that the request names (RFC 9110 §7.2, RFC 9113 §8.3.1). A name can be served on both schemes'
/// own ports, so that both are dropped.
fn host_of(parts: &Parts) -> Option<Host> {
    Host::parse(host_text(&parts.headers, &parts.uri)?, 443).ok()
}

/// The same as it was written.
pub(super) fn host_text<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let mut named = headers.get_all(header::HOST).iter();
    match (uri.authority(), named.next(), named.next()) {
        (_, _, Some(_)) | (None, None, _) => None,
        (Some(authority), ..) => Some(authority.as_str()),
        (None, Some(host), None) => host.to_str().ok(),
    }
}

fn misdirected(parts: &Parts, door: &Arc<Door>) -> Response {
    let reply = Reply::of(parts);
    tracing::warn!(
        target: "audit", event = "unknown_host", host = host_text(&parts.headers, &parts.uri),
        request_id = %reply.id(), "no tenant or app has this host"
    );
    let page = ErrorPage::unknown_host(reply.stamp(&door.parts.clock));
    let chrome = Chrome::bare(reply.nonce());
    reply.page(door, StatusCode::MISDIRECTED_REQUEST, &page, &chrome, &[])
}

impl AppVisit {
    /// The app that this host belongs to.
    pub(crate) const fn app(&self) -> &AppId {
        &self.app
    }

    /// What people call it.
    pub(crate) fn app_name(&self) -> String {
        let mut apps = self.visit.tenant.apps.iter();
        apps.find(|app| app.id == self.app)
            .map_or_else(|| self.app.to_string(), |app| app.name.to_string())
    }
}

impl Visit {
    fn new(parts: &Parts, door: &Arc<Door>, tenant: Arc<Tenant>, server: &Server) -> Self {
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|ConnectInfo(peer)| peer.ip());
        let address = peer.and_then(|peer| client_address(&parts.headers, peer, server));
        let over_http = tenant.base.is_secure()
            && peer.is_some_and(|peer| server.trusted_proxy(peer).is_some())
            && parts
                .headers
                .get("x-forwarded-proto")
                .is_some_and(|told| told == "http");
        Self {
            door: Arc::clone(door),
            tenant,
            cookies: RequestCookies::of(&parts.headers),
            headers: parts.headers.clone(),
            request_id: RequestId::of(parts),
            address,
            over_http,
        }
    }

    /// The session that this browser has at the tenant, if it is alive.
    ///
    /// # Errors
    /// The page that says that the store fails.
    pub(crate) async fn session(&self) -> Result<Option<CurrentSession>, Response> {
        let Some(handle) = self.session_handle() else {
            return Ok(None);
        };
        self.door
            .parts
            .sessions
            .current(&self.tenant.id, &handle)
            .await
            .map_err(|error| self.store_failed(&error))
    }

    /// The handle that this browser presents, dead or alive.
    pub(crate) fn session_handle(&self) -> Option<Handle<SessionKind>> {
        self.cookies.handle(&cookies::session(&self.tenant.id))
    }

    /// A new handle.
    pub(crate) fn handle<K: crate::domain::handle::Kind>(&self) -> Handle<K> {
        Handle::from_bytes(self.door.parts.random.array())
    }

    /// Where the person is, for the sessions page and the caps on waiting requests.
    pub(crate) const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Whether a trusted proxy says that the person's browser speaks plain http, to a tenant of https: it
    /// keeps none of our cookies then.
    pub(crate) const fn came_over_http(&self) -> bool {
        self.over_http
    }

    /// What waiting requests are counted by.
    pub(crate) fn network(&self) -> Network {
        network(self.address)
    }

    /// What the sessions page will say of this browser.
    pub(crate) fn browser(&self) -> Browser {
        let user_agent = self
            .headers
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok());
        Browser {
            user_agent: crate::views::browser_in_words(user_agent).into(),
            address: self.address.map(|address| address.to_string().into()),
        }
    }

    /// What pages and log lines call this request.
    pub(crate) fn stamp(&self) -> RequestStamp<'_> {
        RequestStamp {
            id: self.request_id.as_str(),
            at: self.door.parts.clock.now(),
        }
    }

    /// Answers with a page.
    pub(crate) fn page(&self, status: StatusCode, page: &impl Page) -> Response {
        self.page_with_forms(status, page, &[])
    }

    /// Answers with a page whose forms may lead to `origins` in the end (CSP `form-action`).
    pub(crate) fn page_with_forms(
        &self,
        status: StatusCode,
        page: &impl Page,
        origins: &[&str],
    ) -> Response {
        let reply = Reply::new(self.request_id.clone(), &self.door.parts.random);
        let chrome = Chrome::of(&self.tenant, reply.nonce());
        let mut response = reply.page(&self.door, status, page, &chrome, origins);
        if self.tenant.base.is_secure() {
            reply::require_https(response.headers_mut());
        }
        response
    }

    /// The store failed: nothing has been lost, and nobody is let in.
    pub(crate) fn store_failed(&self, error: &crate::storage::StorageError) -> Response {
        tracing::error!(tenant = %self.tenant.id, request_id = %self.request_id, %error, "the store failed");
        let page =
            ErrorPage::store_trouble(self.stamp(), Some(&self.tenant.base.address("/login")));
        self.page(StatusCode::SERVICE_UNAVAILABLE, &page)
    }

    /// There is no such page here.
    pub(crate) fn not_found(&self) -> Response {
        let page = ErrorPage::not_found(self.stamp(), Some(&self.tenant.base.address("/login")));
        self.page(StatusCode::NOT_FOUND, &page)
    }
}

/// There is no such page, and perhaps no such tenant.
pub(crate) async fn not_found(
    axum::extract::State(door): axum::extract::State<Arc<Door>>,
    request: axum::extract::Request,
) -> Response {
    let (mut parts, _) = request.into_parts();
    let directory = door.parts.directory.current();
    if host_of(&parts).is_some_and(|host| directory.app_at(&host).is_some()) {
        return match AppVisit::from_request_parts(&mut parts, &door).await {
            Ok(at) => at.visit.not_found(),
            Err(response) => response.into_response(),
        };
    }
    match Visit::from_request_parts(&mut parts, &door).await {
        Ok(visit) => visit.not_found(),
        Err(response) => response.into_response(),
    }
}
