//! Requests as spans. Nothing here runs where no collector listens.

use std::net::IpAddr;

use axum::response::Response;
use http::HeaderMap;
use tracing::{Instrument as _, Span};

use super::door::Door;
use crate::access::Witness;
use crate::domain::host::Host;
use crate::telemetry::traces;
use crate::tenants::AppAt;

/// A span for a request of `peer`, whose trace is continued if it is a trusted proxy.
pub(super) fn span(
    door: &Door,
    what: &'static str,
    peer: Option<IpAddr>,
    headers: &HeaderMap,
) -> Span {
    let directory = door.parts.directory.snapshot();
    let server = directory.server();
    let trusted = peer.is_some_and(|peer| server.trusted_proxy(peer).is_some());
    traces::request(what, trusted.then_some(headers))
}

/// Runs what answers a request inside `span`, and notes how it was answered.
pub(super) async fn inside(span: Span, answer: impl Future<Output = Response>) -> Response {
    let response = answer.instrument(span.clone()).await;
    traces::answered(&span, response.status());
    response
}

/// Notes in the span of a check which app it was about.
#[derive(Debug)]
pub(super) struct Labels(pub(super) Option<Span>);

impl Labels {
    /// For the span that is entered, if anybody listens.
    pub(super) fn here() -> Self {
        Self(traces::on().then(Span::current))
    }
}

impl Witness for Labels {
    fn found(&mut self, at: AppAt<'_>, _: &Host) {
        if let Some(span) = &self.0 {
            span.record("doorward.tenant", at.tenant.id.as_str());
            span.record("doorward.app", at.app.id.as_str());
        }
    }
}
