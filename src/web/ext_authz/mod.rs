//! Envoy's `ext_authz` over gRPC, on a listener of its own.
//!
//! The question and the answer are those of `/api/authz/ext-authz/`, in other words. Invariant: identity headers
//! overwrite what the client sent, and what of it could be taken for one of them is removed; an answer of ours
//! never lets a request pass that the HTTP endpoint would have stopped.

mod listener;
mod messages;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

use super::authz::{self, Endpoint};
use super::{Door, router, traced};
use crate::access::{StartLine, WholeTarget};
use crate::domain::app_upstream::reads_as;
use crate::domain::identity_header::HeaderSet;
use crate::domain::tenant::SecurityHeaders;
use crate::telemetry::traces;
use messages::{
    CHECK, CheckRequest, CheckResponse, DeniedHttpResponse, HeaderValueOption, HttpRequest,
    HttpResponse, HttpStatus, OkHttpResponse,
};

pub use listener::serve;

/// Largest question, in bytes: a head of 64 KiB, and the beginning of a body where Envoy sends it along.
const LARGEST: usize = 256 * 1024;

/// Largest page that is handed on, in bytes.
const LARGEST_PAGE: usize = 1024 * 1024;

/// What answers questions.
#[derive(Debug)]
pub struct ExtAuthz {
    door: Arc<Door>,
    /// For our own paths.
    router: Router,
}

impl ExtAuthz {
    /// Answers for `door`.
    #[must_use]
    pub fn new(door: &Arc<Door>) -> Self {
        Self {
            door: Arc::clone(door),
            router: router::router(door, false),
        }
    }

    /// Answers one HTTP/2 request, which is a question if all is well.
    async fn answer(
        self: Arc<Self>,
        peer: SocketAddr,
        request: hyper::Request<Incoming>,
    ) -> Result<http::Response<tonic::body::Body>, Infallible> {
        if let Some(refusal) = no_question(&request) {
            return Ok(refusal);
        }
        let deadline = self.door.parts.directory.current().server().request_timeout;
        let codec = ProstCodec::<CheckResponse, CheckRequest>::default();
        let mut grpc = tonic::server::Grpc::new(codec).max_decoding_message_size(LARGEST);
        let service = tower::service_fn(move |question: tonic::Request<CheckRequest>| {
            let this = Arc::clone(&self);
            async move {
                let answer = this.check(peer, question.into_inner()).await?;
                Ok(tonic::Response::new(answer))
            }
        });
        let answered = tokio::time::timeout(deadline, grpc.unary(service, request)).await;
        Ok(answered.unwrap_or_else(|_| Status::deadline_exceeded("it took too long").into_http()))
    }

    async fn check(
        &self,
        peer: SocketAddr,
        question: CheckRequest,
    ) -> Result<CheckResponse, Status> {
        let http = question
            .attributes
            .and_then(|attributes| attributes.request)
            .and_then(|request| request.http)
            .ok_or_else(|| Status::invalid_argument("`attributes.request.http` is missing"))?;
        let headers = headers_of(&http)?;
        let line = StartLine {
            method: &http.method,
            scheme: told(&http.scheme),
            host: told(&http.host),
            path_and_query: &http.path,
            path_is_open: false,
        };
        let target = WholeTarget::StartLine(line);
        let answer = authz::decide(
            &self.door,
            &self.router,
            peer,
            Endpoint::ExtAuthz,
            target,
            &headers,
        );
        let answer = if traces::on() {
            let span = traced::span(&self.door, "check", Some(peer.ip()), &headers);
            Box::pin(traced::inside(span, answer)).await
        } else {
            answer.await
        };
        if answer.status() == StatusCode::OK {
            let (head, _) = answer.into_parts();
            let security = head.extensions.get::<SecurityHeaders>();
            let security = security.map_or(&[][..], |headers| headers);
            Ok(passed(head.headers, security, &headers))
        } else {
            stopped(answer).await
        }
    }
}

/// What is no question of Envoy's.
fn no_question(request: &hyper::Request<Incoming>) -> Option<http::Response<tonic::body::Body>> {
    let bare = |status| {
        let mut response = http::Response::new(tonic::body::Body::empty());
        *response.status_mut() = status;
        Some(response)
    };
    let is_grpc = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok()?.strip_prefix("application/grpc"))
        .is_some_and(|rest| matches!(rest, "" | "+proto") || rest.starts_with(';'));
    if request.method() != Method::POST {
        bare(StatusCode::METHOD_NOT_ALLOWED)
    } else if !is_grpc {
        bare(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    } else if request.uri().path() != CHECK {
        Some(Status::unimplemented("only envoy.service.auth.v3 is spoken here").into_http())
    } else {
        None
    }
}

/// Text that is not there is empty.
fn told(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// The headers of the request that is held back. What begins with a colon repeats its start line.
fn headers_of(http: &HttpRequest) -> Result<HeaderMap, Status> {
    let entries = http.headers.iter().map(|entry| (&entry.key, &entry.value));
    let raw = http.header_map.iter().flat_map(|map| &map.headers);
    let raw = raw.map(|header| {
        let value = if header.raw_value.is_empty() {
            &header.value
        } else {
            &header.raw_value
        };
        (&header.key, value)
    });
    let mut headers = HeaderMap::with_capacity(http.headers.len());
    for (key, value) in entries.chain(raw) {
        if key.starts_with(b":") {
            continue;
        }
        let header = HeaderName::from_bytes(key)
            .ok()
            .zip(HeaderValue::from_maybe_shared(value.clone()).ok());
        let kept = header.and_then(|(name, value)| headers.try_append(name, value).ok());
        if kept.is_none() {
            return Err(Status::invalid_argument(
                "a header is none, or there are too many",
            ));
        }
    }
    Ok(headers)
}

/// The request goes on, with what the app is told; browsers are told the rest with the app's answer.
fn passed(
    mut told: HeaderMap,
    security: &[(HeaderName, HeaderValue)],
    request: &HeaderMap,
) -> CheckResponse {
    for (name, _) in security {
        told.remove(name);
    }
    let told = &told;
    let mut headers = Vec::with_capacity(told.len());
    let mut headers_to_remove = Vec::new();
    for (name, value) in told {
        if name == header::COOKIE && value.is_empty() {
            headers_to_remove.push(Bytes::from_static(b"cookie"));
        } else if name != header::CACHE_CONTROL {
            headers.push(HeaderValueOption::overwriting(name, value));
        }
    }
    for name in request.keys() {
        if !told.contains_key(name) && could_be_taken_for_ours(name.as_str(), told) {
            headers_to_remove.push(Bytes::copy_from_slice(name.as_str().as_bytes()));
        }
    }
    CheckResponse {
        status: Some(messages::Status { code: 0 }),
        http_response: Some(HttpResponse::Ok(OkHttpResponse {
            headers,
            headers_to_remove,
            response_headers_to_add: security
                .iter()
                .map(|(name, value)| HeaderValueOption::if_absent(name, value))
                .collect(),
        })),
    }
}

/// Whether an app could read a header of this name as one of ours: many keep letters and digits only, and some
/// still look for the names of the login that stood here before.
fn could_be_taken_for_ours(name: &str, told: &HeaderMap) -> bool {
    let mut defaults = HeaderSet::ALL.iter().flat_map(|set| set.defaults());
    told.keys().any(|ours| reads_as(ours.as_str(), name))
        || defaults.any(|(ours, _)| reads_as(ours, name))
}

/// The request is answered in the app's place.
async fn stopped(answer: Response) -> Result<CheckResponse, Status> {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, LARGEST_PAGE)
        .collect()
        .await
        .map_err(|_| Status::internal("a page could not be rendered"))?
        .to_bytes();
    let code = match head.status {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        _ => Code::PermissionDenied,
    };
    let headers = head.headers.iter();
    Ok(CheckResponse {
        status: Some(messages::Status { code: code as i32 }),
        http_response: Some(HttpResponse::Denied(DeniedHttpResponse {
            status: Some(HttpStatus {
                code: head.status.as_u16().into(),
            }),
            headers: headers
                .map(|(name, value)| HeaderValueOption::overwriting(name, value))
                .collect(),
            body,
        })),
    })
}
