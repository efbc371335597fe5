//! Health and metrics.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};

use super::door::Door;
use super::reply::bare;
use crate::access::IssuerKeys;

/// How long the store may take to answer before we count as not ready.
const STORE_DEADLINE: Duration = Duration::from_secs(2);

/// `GET /healthz`: the process answers.
pub(crate) async fn healthz() -> Response {
    bare(StatusCode::OK, "ok\n")
}

/// `GET /readyz`: the store answers and what is in memory may be trusted. Providers are no part of it: one
/// that is down must not take everybody else's door down.
/// With `?details` the answer goes on with how the keys of trusted issuers stand, which changes no status.
pub(crate) async fn readyz(State(door): State<Arc<Door>>, RawQuery(query): RawQuery) -> Response {
    let (status, said) = ready(&door).await;
    let mut response = bare(status, said);
    if query.as_deref() == Some("details") {
        let directory = door.parts.directory.snapshot();
        let keys = door.gate.credentials.issuer_keys(&directory);
        let text = keys
            .iter()
            .fold(said.to_owned(), |text, it| text + &in_words(it));
        *response.body_mut() = text.into();
    }
    response
}

/// `keys of acme/entra: 35 s old`
fn in_words(keys: &IssuerKeys) -> String {
    let IssuerKeys {
        tenant,
        issuer,
        age,
        failing,
    } = keys;
    let age = age.map(|age| format!("{} s old", age.as_secs()));
    let age = age.as_deref();
    match failing {
        None => format!(
            "keys of {tenant}/{issuer}: {}\n",
            age.unwrap_or("not asked for yet")
        ),
        Some(failing) => format!(
            "keys of {tenant}/{issuer}: cannot be fetched for {} s, the last good ones are {}\n",
            failing.as_secs(),
            age.unwrap_or("none")
        ),
    }
}

/// The status, and what to say with it.
async fn ready(door: &Door) -> (StatusCode, &'static str) {
    let probe = tokio::time::timeout(STORE_DEADLINE, door.parts.store.probe()).await;
    let why = match probe {
        Ok(Ok(())) if door.parts.sessions.trusted() => return (StatusCode::OK, "ready\n"),
        Ok(Ok(())) => "not ready: sessions ended elsewhere have not been looked for in 5 seconds\n",
        Ok(Err(error)) => {
            tracing::error!(%error, "not ready");
            "not ready: the store fails\n"
        }
        Err(_) => "not ready: the store does not answer\n",
    };
    (StatusCode::SERVICE_UNAVAILABLE, why)
}

/// `GET /metrics`, in Prometheus' text format.
pub(crate) async fn metrics(State(door): State<Arc<Door>>) -> Response {
    door.show_issuer_keys();
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
