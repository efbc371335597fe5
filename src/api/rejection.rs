//! What somebody is told whose request is not let through (RFC 6750 §3).
//!
//! Invariant: never why a token was refused. That is for the log.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

use super::scopes::RequiredScopes;
use crate::jose::{BearerAnswer, TokenRefused};

/// When to try again while an issuer's keys cannot be had, in seconds: as often as they are asked for.
const RETRY_SECONDS: &str = "10";

/// In which words refusals are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// As RFC 6750 has it.
    Bearer {
        /// `realm` (RFC 9110 §11.5).
        realm: Box<str>,
        /// `resource_metadata` (RFC 9728 §5.1).
        resource_metadata: Option<Box<str>>,
    },
    /// As attestation services have it: an empty JSON object, and no reason.
    Attestation,
}

/// Why a request is not let through, in the words of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No token: 401 with a bare challenge (RFC 6750 §3.1).
    Missing,
    /// Two tokens, or a token in two places: 400 `invalid_request`.
    InvalidRequest,
    /// The token is not good, whatever the reason: 401 `invalid_token`.
    InvalidToken,
    /// The token is good, and allows something else: 403 `insufficient_scope`.
    InsufficientScope,
    /// The issuer's keys cannot be had, so nothing is known of the token: 503 with `Retry-After`.
    Unavailable,
    /// No layer judged the request, which is a mistake in the program: 500.
    NotGuarded,
}

/// A request that is not let through. An answer in axum; elsewhere [`Rejection::response`] makes one.
///
/// ```
/// use bytes::Bytes;
/// use doorward::api::{Refusal, TrustedIssuers};
/// # use doorward::api::IssuerRules;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let issuers = TrustedIssuers::builder()
/// #     .discover("https://login.example.com/realms/acme", &["orders"])
/// #     .realm("orders")
/// #     .build()?;
/// let rejection = issuers.no_token();
/// assert_eq!(rejection.refusal(), Refusal::Missing);
///
/// let response = rejection.response::<Bytes>();
/// assert_eq!(response.status(), 401);
/// assert_eq!(response.headers()["www-authenticate"], r#"Bearer realm="orders""#);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    refusal: Refusal,
    scope: Option<Box<str>>,
    manner: Option<Arc<Manner>>,
}

impl Rejection {
    pub(super) fn new(refusal: Refusal, manner: &Arc<Manner>) -> Self {
        Self {
            refusal,
            scope: None,
            manner: Some(Arc::clone(manner)),
        }
    }

    pub(super) fn of_token(refused: &TokenRefused, manner: &Arc<Manner>) -> Self {
        let refusal = match refused.answer() {
            BearerAnswer::InvalidToken => Refusal::InvalidToken,
            BearerAnswer::Unavailable => Refusal::Unavailable,
        };
        Self::new(refusal, manner)
    }

    pub(super) fn insufficient(required: &RequiredScopes, manner: &Arc<Manner>) -> Self {
        Self {
            scope: Some(required.to_string().into()),
            ..Self::new(Refusal::InsufficientScope, manner)
        }
    }

    /// For routes that no layer stands before.
    #[cfg(feature = "axum")]
    pub(super) fn not_guarded(asked: &'static str, layer: &'static str) -> Self {
        tracing::error!(
            "`{asked}` is asked for on a route without `{layer}`: the request is refused"
        );
        Self {
            refusal: Refusal::NotGuarded,
            scope: None,
            manner: None,
        }
    }

    /// Why, as far as the caller learns it.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        self.refusal
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        let is_attestation = self.manner.as_deref() == Some(&Manner::Attestation);
        match self.refusal {
            Refusal::InvalidRequest if is_attestation => StatusCode::UNAUTHORIZED,
            Refusal::InvalidRequest => StatusCode::BAD_REQUEST,
            Refusal::Missing | Refusal::InvalidToken => StatusCode::UNAUTHORIZED,
            Refusal::InsufficientScope => StatusCode::FORBIDDEN,
            Refusal::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::NotGuarded => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The whole answer, for any kind of body.
    #[must_use]
    pub fn response<B: From<Bytes>>(&self) -> Response<B> {
        let is_attestation = self.manner.as_deref() == Some(&Manner::Attestation);
        let body = if is_attestation { "{}" } else { "" };
        let mut response = Response::new(Bytes::from_static(body.as_bytes()).into());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if is_attestation {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if self.refusal == Refusal::Unavailable {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
        }
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }

    /// `WWW-Authenticate` (RFC 6750 §3).
    fn challenge(&self) -> Option<HeaderValue> {
        let Some(Manner::Bearer {
            realm,
            resource_metadata,
        }) = self.manner.as_deref()
        else {
            return None;
        };
        let error = match self.refusal {
            Refusal::Missing => None,
            Refusal::InvalidRequest => Some("invalid_request"),
            Refusal::InvalidToken => Some("invalid_token"),
            Refusal::InsufficientScope => Some("insufficient_scope"),
            Refusal::Unavailable | Refusal::NotGuarded => return None,
        };
        let mut challenge = format!("Bearer realm=\"{realm}\"");
        let scope = self.scope.as_deref().filter(|scope| !scope.is_empty());
        for (name, value) in [
            ("error", error),
            ("scope", scope),
            ("resource_metadata", resource_metadata.as_deref()),
        ] {
            if let Some(value) = value {
                // Writing to a text cannot fail.
                let _ = write!(challenge, ", {name}=\"{value}\"");
            }
        }
        HeaderValue::try_from(challenge).ok()
    }
}

/// Whether `text` can stand in quotes as it is (RFC 9110 §5.6.4).
pub(super) fn is_quotable(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b' ' | 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}
