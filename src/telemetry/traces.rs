//! Traces: what one request did, as spans that go to a collector (OpenTelemetry, OTLP over HTTP).
//!
//! A span is one of `tracing` with the target `otel`; log lines never show it, and where no collector is
//! configured nobody listens to it. Invariants: a trace is continued only for peers that the caller trusts; a
//! span names tenants, apps and providers of the configuration, methods and statuses, and never an address
//! with its query, a person or a secret.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use opentelemetry::KeyValue;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanExporter};
use prost::Message as _;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::config::Tracing;

/// The target of spans.
pub const TARGET: &str = "otel";

static ON: AtomicBool = AtomicBool::new(false);

/// Whether anybody listens.
#[must_use]
pub fn on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// The way to the collector.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends one batch.
    ///
    /// # Errors
    /// Why it did not arrive, for the log.
    async fn send(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, String>;
}

/// Puts spans into OTLP and sends them.
#[derive(Debug)]
struct Exporter {
    endpoint: Box<str>,
    transport: Arc<dyn Transport>,
    resource: ResourceAttributesWithSchema,
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let message = ExportTraceServiceRequest {
            resource_spans: group_spans_by_resource_and_scope(batch, &self.resource),
        };
        let request = http::Request::post(&*self.endpoint)
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(message.encode_to_vec());
        let sent = match request {
            Ok(request) => self.transport.send(request).await,
            Err(error) => Err(error.to_string()),
        };
        let error = match sent {
            Ok(response) if response.status().is_success() => return Ok(()),
            Ok(response) => format!("it answered {}", response.status()),
            Err(error) => error,
        };
        tracing::warn!(%error, "the collector did not take these traces: they are lost");
        Err(OTelSdkError::InternalFailure(error))
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}

/// A collector that listens.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Begins to collect. The collector is asked for the first time when there is something to tell it.
    #[must_use]
    pub fn start(settings: &Tracing, transport: Arc<dyn Transport>) -> Self {
        let exporter = Exporter {
            endpoint: settings.endpoint.as_str().into(),
            transport,
            resource: ResourceAttributesWithSchema::default(),
        };
        let part = f64::from(settings.sampled_percent) / 100.0;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(
                part,
            ))))
            .with_resource(
                Resource::builder_empty()
                    .with_service_name(settings.service_name.to_string())
                    .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
                    .build(),
            )
            .build();
        ON.store(true, Ordering::Relaxed);
        Self(provider)
    }

    pub(super) fn tracer(&self) -> SdkTracer {
        self.0.tracer("doorward")
    }

    /// Sends what is left. Waits for the collector, so call it where waiting is allowed.
    pub fn finish(&self) {
        ON.store(false, Ordering::Relaxed);
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last traces did not reach their collector");
        }
    }
}

/// A span for a request that came in. `headers`: of a peer whose word counts, else `None`; then the trace
/// begins here.
#[must_use]
pub fn request(what: &'static str, headers: Option<&HeaderMap>) -> Span {
    let span = tracing::info_span!(
        target: TARGET, "request", otel.name = what, otel.kind = "server",
        http.response.status_code = tracing::field::Empty, otel.status_code = tracing::field::Empty,
        doorward.tenant = tracing::field::Empty, doorward.app = tracing::field::Empty,
        doorward.request_id = tracing::field::Empty, http.request.method = tracing::field::Empty,
    );
    if let Some(headers) = headers {
        let parent = TraceContextPropagator::new().extract(&Headers(headers));
        // Only where nobody listens is there nobody to tell.
        let _ = span.set_parent(parent);
    }
    span
}

/// A span for a part of a login.
#[must_use]
pub fn step(what: &'static str, tenant: &str, provider: &str) -> Span {
    tracing::info_span!(
        target: TARGET, "step", otel.name = what, doorward.tenant = tenant, doorward.provider = provider,
    )
}

/// How it was answered.
pub fn answered(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// Length of a `traceparent` of version 00 (W3C Trace Context §3.2.2.1); later versions add to it.
const TRACEPARENT: usize = 55;

/// W3C Trace Context §3.2: a `traceparent` that stands twice, or is cut short, counts as none. The library reads
/// short numbers as if zeros stood in front of them.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let mut values = self.0.get_all(key).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value
                .to_str()
                .ok()
                .filter(|text| key != "traceparent" || text.len() >= TRACEPARENT),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
