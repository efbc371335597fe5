//! Every route.
//!
//! A tenant's pages are mounted three times: at the root (a host of its own), under `/t/{tenant}` (a shared
//! host) and under the app prefix (a single host for login and app). Which tenant it is, `Visit` finds
//! out from host and path.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};

use http::{StatusCode, header};

use super::reply::{self, RequestId};
use super::{
    Door, app_host, check, choose, login, logout, operations, permissions, posted_answer,
    session_tokens, sessions, tokens, traced, upstream_logout, verify, visit,
};
use crate::openid_provider::Endpoints;
use crate::telemetry::traces;

/// Largest form we take, in bytes.
const LARGEST_FORM: usize = 16 * 1024;

/// The broker's routes; `with_operations`: `/healthz`, `/readyz` and `/metrics` too.
pub fn router(door: &Arc<Door>, with_operations: bool) -> Router {
    let prefix = door.prefix();
    let mut pages = Router::new()
        .merge(tenant_routes(""))
        .merge(tenant_routes("/t/{tenant}"))
        .merge(tenant_routes(prefix))
        .merge(app_host_routes(prefix))
        .route(tokens::RESOURCE, get(tokens::protected_resource))
        .route(
            &format!("{}/{{*path}}", tokens::RESOURCE),
            get(tokens::protected_resource),
        )
        .route("/robots.txt", get(operations::robots))
        .route(
            &format!("{}/{{*base}}", Endpoints::METADATA),
            get(tokens::metadata_in_front),
        )
        .fallback(visit::not_found);
    if with_operations {
        pages = pages.merge(operations_routes());
    }
    let pages = pages
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .layer(from_fn_with_state(Arc::clone(door), in_time))
        .layer(from_fn(secure))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(
            after_panic,
        ))
        .layer(from_fn_with_state(Arc::clone(door), identify));
    Router::new()
        // The check goes past all layers.
        .route(&check::path(door), any(check::oauth2_auth))
        .merge(pages)
        .with_state(Arc::clone(door))
}

/// The operations routes alone, for a listener of their own.
pub fn operations(door: &Arc<Door>) -> Router {
    operations_routes()
        .layer(from_fn(secure))
        .with_state(Arc::clone(door))
}

/// A tenant's pages below `base`. The paths stand whole: which tenant it is is read from them.
fn tenant_routes(base: &str) -> Router<Arc<Door>> {
    let at = |path: &str| format!("{base}{path}");
    Router::new()
        .route(&at("/login"), get(choose::choose).post(choose::by_email))
        .route(&at("/login/{provider}"), get(login::begin))
        .route(
            &at("/login/{provider}/callback"),
            get(login::callback).post(posted_answer::post),
        )
        .route(
            &at("/login/{provider}/backchannel-logout"),
            post(upstream_logout::back_channel),
        )
        .route(
            &at("/login/{provider}/frontchannel-logout"),
            get(upstream_logout::front_channel),
        )
        .route(&at("/sessions"), get(sessions::show))
        .route(&at("/sessions/end"), post(sessions::end))
        .route(&at("/sessions/end-others"), post(sessions::end_others))
        .route(&at("/logout"), get(logout::ask).post(logout::confirm))
        .route(&at("/signed-out"), get(logout::done))
        .route(&at(Endpoints::TOKEN), post(tokens::token))
        .route(&at(Endpoints::INTROSPECTION), post(tokens::introspect))
        .route(&at(Endpoints::REVOCATION), post(tokens::revoke))
        .route(&at(Endpoints::VERIFICATION), post(verify::verify))
        .route(&at(Endpoints::KEY_SET), get(tokens::key_set))
        .route(&at(Endpoints::METADATA), get(tokens::metadata))
}

/// Our own paths on app hosts.
fn app_host_routes(prefix: &str) -> Router<Arc<Door>> {
    let at = |path: &str| format!("{prefix}{path}");
    Router::new()
        .route(&at("/start"), get(app_host::sign_in))
        .route(&at("/sign_in"), get(app_host::sign_in))
        .route(&at("/sign_out"), get(app_host::sign_out))
        .route(&at("/callback"), get(app_host::callback))
        .route(&at("/userinfo"), get(app_host::userinfo))
        .route(
            &at(session_tokens::PATH),
            post(session_tokens::token).options(session_tokens::preflight),
        )
        .route(
            &at("/permissions"),
            get(permissions::list).post(permissions::list_posted),
        )
}

fn operations_routes() -> Router<Arc<Door>> {
    Router::new()
        .route("/healthz", get(operations::healthz))
        .route("/ping", get(operations::healthz))
        .route("/readyz", get(operations::readyz))
        .route("/ready", get(operations::readyz))
        .route("/metrics", get(operations::metrics))
}

/// Names the request, logs its answer, measures it.
async fn identify(State(door): State<Arc<Door>>, mut request: Request, next: Next) -> Response {
    let id = RequestId::new(&door.parts.random);
    let began = door.parts.clock.monotonic();
    let method = request.method().clone();
    // The path only: queries hold codes, states and tickets.
    let path = request.uri().path().to_owned();
    request.extensions_mut().insert(id.clone());
    let mut response = if traces::on() {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map(|ConnectInfo(peer)| peer.ip());
        let span = traced::span(&door, route(&path), peer, request.headers());
        span.record("doorward.request_id", id.as_str());
        span.record("http.request.method", method.as_str());
        traced::inside(span, next.run(request)).await
    } else {
        next.run(request).await
    };
    let seconds = door
        .parts
        .clock
        .monotonic()
        .saturating_sub(began)
        .as_secs_f64();
    let status = response.status();
    crate::telemetry::metrics::page_seconds(route(&path), class(status)).record(seconds);
    tracing::info!(request_id = %id, %method, path = ?path, status = status.as_u16(), seconds, "answered");
    if let Ok(value) = http::HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}

/// Answers 503 after `request_timeout`.
async fn in_time(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let limit = door.parts.directory.current().server().request_timeout;
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let framed = response.extensions().get::<reply::Framed>().is_some();
    reply::secure(response.headers_mut());
    if framed {
        // What may hold it stands in its policy; this header has no word for another site.
        response.headers_mut().remove(header::X_FRAME_OPTIONS);
    }
    response
}

fn after_panic(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    let mut response = Response::new(axum::body::Body::from(crate::views::LAST_RESORT));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("text/html; charset=utf-8"),
    );
    reply::secure(response.headers_mut());
    response
}

/// The kind of route, for a label: never the path itself.
fn route(path: &str) -> &'static str {
    match path.rsplit('/').next() {
        Some("callback") => "callback",
        Some("login") => "login",
        Some("sign_in" | "start") => "sign_in",
        Some("sign_out" | "logout" | "signed-out") => "sign_out",
        Some("backchannel-logout" | "frontchannel-logout") => "upstream_logout",
        Some("sessions" | "end" | "end-others") => "sessions",
        Some("userinfo" | "permissions") => "userinfo",
        Some("token" | "introspect" | "revoke" | "verify" | "session_token") => "token",
        _ => "other",
    }
}

const fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}
