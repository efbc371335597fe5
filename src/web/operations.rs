//! Health and metrics.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};

use super::door::Door;
use super::reply::bare;

/// How long the store may take to answer before we count as not ready.
const STORE_DEADLINE: Duration = Duration::from_secs(2);

/// `GET /healthz`: the process answers.
pub(crate) async fn healthz() -> Response {
    bare(StatusCode::OK, "ok\n")
}

/// `GET /readyz`: the store answers and what is in memory may be trusted. Providers are no part of it: one
/// that is down must not take everybody else's door down.
pub(crate) async fn readyz(State(door): State<Arc<Door>>) -> Response {
    let probe = tokio::time::timeout(STORE_DEADLINE, door.parts.store.probe()).await;
    match probe {
        Ok(Ok(())) if door.parts.sessions.trusted() => bare(StatusCode::OK, "ready\n"),
        Ok(Ok(())) => bare(
            StatusCode::SERVICE_UNAVAILABLE,
            "not ready: sessions ended elsewhere have not been looked for in 5 seconds\n",
        ),
        Ok(Err(error)) => {
            tracing::error!(%error, "not ready");
            bare(
                StatusCode::SERVICE_UNAVAILABLE,
                "not ready: the store fails\n",
            )
        }
        Err(_) => bare(
            StatusCode::SERVICE_UNAVAILABLE,
            "not ready: the store does not answer\n",
        ),
    }
}

/// `GET /metrics`, in Prometheus' text format.
pub(crate) async fn metrics(State(door): State<Arc<Door>>) -> Response {
    match &door.parts.metrics {
        Some(handle) => (
            [(
                header::CONTENT_TYPE,
                "text/plain; version=0.0.4; charset=utf-8",
            )],
            handle.render(),
        )
            .into_response(),
        None => bare(StatusCode::NOT_FOUND, "metrics are not collected\n"),
    }
}

/// `GET /robots.txt`: nothing here is for search engines.
pub(crate) async fn robots() -> Response {
    bare(StatusCode::OK, "User-agent: *\nDisallow: /\n")
}
