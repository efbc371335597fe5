//! The messages of `envoy.service.auth.v3`, as far as they matter here; what else is sent is passed over.
//!
//! Names and numbers are those of Envoy's `external_auth.proto`, `attribute_context.proto` and `base.proto`.
//! Departures that read and write the same bytes: maps are lists of entries, and text that becomes the value of
//! a header is bytes, so that neither is copied. Absent on purpose: generated code.

use bytes::Bytes;

/// The one method there is.
pub(super) const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// May this request pass?
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CheckRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) attributes: Option<AttributeContext>,
}

/// What Envoy knows about it.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct AttributeContext {
    #[prost(message, optional, tag = "4")]
    pub(super) request: Option<Request>,
}

/// The request that is held back.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Request {
    /// None: it is not about HTTP.
    #[prost(message, optional, tag = "2")]
    pub(super) http: Option<HttpRequest>,
}

/// Its start line and headers.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HttpRequest {
    #[prost(string, tag = "2")]
    pub(super) method: String,
    /// By name; several of one name are joined by commas.
    #[prost(message, repeated, tag = "3")]
    pub(super) headers: Vec<HeaderEntry>,
    /// With the query.
    #[prost(string, tag = "4")]
    pub(super) path: String,
    #[prost(string, tag = "5")]
    pub(super) host: String,
    #[prost(string, tag = "6")]
    pub(super) scheme: String,
    /// In place of `headers`, where `encode_raw_headers` is on.
    #[prost(message, optional, tag = "13")]
    pub(super) header_map: Option<HeaderMap>,
}

/// An entry of a map.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HeaderEntry {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) value: Bytes,
}

/// Headers in order, each by itself.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HeaderMap {
    #[prost(message, repeated, tag = "1")]
    pub(super) headers: Vec<HeaderValue>,
}

/// A header.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HeaderValue {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) value: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) raw_value: Bytes,
}

/// The answer.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CheckResponse {
    /// 0 lets the request pass.
    #[prost(message, optional, tag = "1")]
    pub(super) status: Option<Status>,
    #[prost(oneof = "HttpResponse", tags = "2, 3")]
    pub(super) http_response: Option<HttpResponse>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Status {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
}

/// What becomes of the request.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum HttpResponse {
    #[prost(message, tag = "2")]
    Denied(DeniedHttpResponse),
    #[prost(message, tag = "3")]
    Ok(OkHttpResponse),
}

/// It is answered with this.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct DeniedHttpResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) status: Option<HttpStatus>,
    #[prost(message, repeated, tag = "2")]
    pub(super) headers: Vec<HeaderValueOption>,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) body: Bytes,
}

/// It goes on, changed so.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct OkHttpResponse {
    #[prost(message, repeated, tag = "2")]
    pub(super) headers: Vec<HeaderValueOption>,
    /// Done last.
    #[prost(bytes = "bytes", repeated, tag = "5")]
    pub(super) headers_to_remove: Vec<Bytes>,
}

/// An HTTP status.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HttpStatus {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
}

/// A header, and what it does to one of its name.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HeaderValueOption {
    #[prost(message, optional, tag = "1")]
    pub(super) header: Option<HeaderValue>,
    #[prost(int32, tag = "3")]
    pub(super) append_action: i32,
    #[prost(bool, tag = "4")]
    pub(super) keep_empty_value: bool,
}

/// In place of every header of its name.
const OVERWRITE_IF_EXISTS_OR_ADD: i32 = 2;

impl HeaderValueOption {
    /// `name: value`, in place of what was there.
    pub(super) fn overwriting(name: &http::HeaderName, value: &http::HeaderValue) -> Self {
        Self {
            header: Some(HeaderValue {
                key: Bytes::copy_from_slice(name.as_str().as_bytes()),
                value: text(value.as_bytes()),
                raw_value: Bytes::new(),
            }),
            append_action: OVERWRITE_IF_EXISTS_OR_ADD,
            keep_empty_value: true,
        }
    }
}

/// A `string` is UTF-8, or the whole message is none. Cookies of an app need not be.
fn text(value: &[u8]) -> Bytes {
    match String::from_utf8_lossy(value) {
        std::borrow::Cow::Borrowed(_) => Bytes::copy_from_slice(value),
        std::borrow::Cow::Owned(mended) => mended.into(),
    }
}
