//! Answers: pages with every header that a page of ours must have, and redirects.

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::door::Door;
use crate::access::OverLimit;
use crate::ports::{Clock, SecureRandom};
use crate::views::{Chrome, LAST_RESORT, Page, RequestStamp, content_security_policy};

/// The status that sends somebody elsewhere who asked with `method`: whatever it was, the next is GET
/// (RFC 9110 §15.4.3, §15.4.4).
pub(super) fn elsewhere(method: Option<&Method>) -> StatusCode {
    match method {
        Some(&Method::GET | &Method::HEAD) => StatusCode::FOUND,
        _ => StatusCode::SEE_OTHER,
    }
}

/// Names one request in pages, answers and log lines.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    /// A new one.
    pub(crate) fn new(random: &Arc<dyn SecureRandom>) -> Self {
        Self(URL_SAFE_NO_PAD.encode(random.array::<9>()).into())
    }

    /// The one that was given to this request.
    pub(crate) fn of(parts: &Parts) -> Self {
        parts.extensions.get().cloned().unwrap_or(Self("-".into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One page to be answered.
#[derive(Debug)]
pub(crate) struct Reply {
    id: RequestId,
    nonce: String,
}

impl Reply {
    /// For a request whose tenant is known.
    pub(crate) fn new(id: RequestId, random: &Arc<dyn SecureRandom>) -> Self {
        Self {
            id,
            nonce: URL_SAFE_NO_PAD.encode(random.array::<16>()),
        }
    }

    /// For a request of which nothing is known but its id, which is random and serves as the nonce too.
    pub(crate) fn of(parts: &Parts) -> Self {
        let id = RequestId::of(parts);
        Self {
            nonce: id.to_string(),
            id,
        }
    }

    pub(crate) fn id(&self) -> &RequestId {
        &self.id
    }

    /// Allows the page's own style (CSP Level 3 §2.3.1).
    pub(crate) fn nonce(&self) -> &str {
        &self.nonce
    }

    pub(crate) fn stamp(&self, clock: &Arc<dyn Clock>) -> RequestStamp<'_> {
        RequestStamp {
            id: self.id.as_str(),
            at: clock.now(),
        }
    }

    /// Renders `page`. `form_origins`: where its forms may lead in the end.
    pub(crate) fn page(
        &self,
        door: &Door,
        status: StatusCode,
        page: &impl Page,
        chrome: &Chrome,
        form_origins: &[&str],
    ) -> Response {
        let (status, body) = match door.parts.views.render(page, chrome) {
            Ok(body) => (status, body),
            Err(error) => {
                tracing::error!(request_id = %self.id, %error, "a page cannot be rendered");
                (StatusCode::INTERNAL_SERVER_ERROR, LAST_RESORT.to_owned())
            }
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        if let Ok(policy) =
            HeaderValue::from_str(&content_security_policy(&self.nonce, form_origins))
        {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response
    }
}

/// 303: whatever the method was, the next is GET (RFC 9110 §15.4.4).
pub(crate) fn see_other(address: &str) -> Response {
    let mut response = Response::new(Body::empty());
    match HeaderValue::from_str(address) {
        Ok(value) => {
            *response.status_mut() = StatusCode::SEE_OTHER;
            response.headers_mut().insert(header::LOCATION, value);
        }
        Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    response
}

/// A bare status with one line of text.
pub(crate) fn bare(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

/// Says when to ask again.
pub(crate) fn retry_after(response: &mut Response, over: OverLimit) {
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(over.seconds()));
}

/// Marks an answer that others may hold in a frame: which, its own policy says (CSP Level 3 §6.4.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Framed;

/// Headers of every answer that is not a check.
const EVERYWHERE: [(HeaderName, &str); 7] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // With `no-referrer` browsers send `Origin: null` with our own forms.
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Adds what every answer has, where the handler has not said otherwise.
pub(crate) fn secure(headers: &mut HeaderMap) {
    for (name, value) in EVERYWHERE {
        headers
            .entry(name)
            .or_insert_with(|| HeaderValue::from_static(value));
    }
}

/// Two years of https only, for this host alone (RFC 6797 §6.1).
pub(crate) fn require_https(headers: &mut HeaderMap) {
    headers.insert(
        header::STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static("max-age=63072000"),
    );
}
