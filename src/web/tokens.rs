//! Tokens of ours, and the documents about them. No browser comes here: no cookie counts, and answers are JSON.
//!
//! Invariant: every answer but the documents is `no-store` (RFC 6749 §5.1), and names nothing of what was sent.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::reply;
use super::visit::{Visit, WellKnown};
use crate::access::Counted;
use crate::domain::ids::ClientId;
use crate::domain::signing_key::KEY_SET_MAX_AGE;
use crate::openid_provider::{AuthenticatedClient, TokenRefused, TokenRequest};
use crate::telemetry::metrics::count_token;

/// `GET {base}/jwks.json` (RFC 7517 §5).
pub(crate) async fn key_set(visit: Visit) -> Response {
    match visit.door.parts.openid_provider.key_set(&visit.tenant) {
        Ok(set) => document(&set, "application/jwk-set+json"),
        Err(error) => {
            tracing::error!(tenant = %visit.tenant.id, %error, "no key set is shown");
            unavailable("the keys cannot be shown now: ask again")
        }
    }
}

/// `GET {base}/.well-known/oauth-authorization-server`: where many look for it.
pub(crate) async fn metadata(visit: Visit) -> Response {
    let provider = &visit.door.parts.openid_provider;
    document(&provider.metadata(&visit.tenant), "application/json")
}

/// `GET /.well-known/oauth-authorization-server{path of base}`, where RFC 8414 §3 has it.
pub(crate) async fn metadata_in_front(WellKnown(visit): WellKnown) -> Response {
    metadata(visit).await
}

/// `POST {base}/token` (RFC 6749 §3.2).
pub(crate) async fn token(visit: Visit, body: Result<Bytes, BytesRejection>) -> Response {
    if let Err(over) = visit.within_token_limit() {
        return over;
    }
    let request = match visit.token_request(body) {
        Ok(request) => request,
        Err(refused) => return visit.token_refused(None, &refused),
    };
    let client = match visit.client_of(&request).await {
        Ok(client) => client,
        Err(refused) => return visit.token_refused(None, &refused),
    };
    let provider = &visit.door.parts.openid_provider;
    let id = &client.client().id;
    match provider.grant(&visit.tenant, client, &request) {
        Ok(issued) => {
            count_token(visit.tenant.id.as_str(), id.as_str(), "issued");
            tracing::info!(
                target: "audit", event = "token_issued", tenant = %visit.tenant.id, client = %id,
                audience = &*issued.audience, scope = issued.scope, token = issued.id,
                address = visit.address().map(tracing::field::display), request_id = %visit.stamp().id,
            );
            axum::Json(json!({
                "access_token": issued.token,
                "token_type": "Bearer",
                "expires_in": issued.life.whole_seconds(),
                "scope": issued.scope,
            }))
            .into_response()
        }
        Err(refused) => visit.token_refused(Some(id), &refused),
    }
}

impl Visit {
    /// Counted is every request, whoever it says it is from: names and their spellings share one limit.
    fn within_token_limit(&self) -> Result<(), Response> {
        let counted =
            self.door
                .limiter
                .count(Counted::Token, Some(&self.tenant.id), self.address());
        counted.map_err(|over| {
            let status = StatusCode::TOO_MANY_REQUESTS;
            let mut response = error(status, "temporarily_unavailable", "too many requests");
            reply::retry_after(&mut response, over);
            response
        })
    }

    fn token_request(
        &self,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<TokenRequest, TokenRefused> {
        let body = body.map_err(|_| TokenRefused::Unread)?;
        TokenRequest::parse(&self.headers, &body)
    }

    async fn client_of(
        &self,
        request: &TokenRequest,
    ) -> Result<AuthenticatedClient<'_>, TokenRefused> {
        let credentials = request.credentials(&self.headers)?;
        let provider = &self.door.parts.openid_provider;
        provider.authenticate(&self.tenant, &credentials).await
    }

    /// Status, audit line and answer of what was refused. `client`: who it is, where that is proved.
    fn token_refused(&self, client: Option<&ClientId>, refused: &TokenRefused) -> Response {
        let answer = refused.answer();
        let client = client.map(ClientId::as_str);
        count_token(
            self.tenant.id.as_str(),
            client.unwrap_or_default(),
            "refused",
        );
        tracing::warn!(
            target: "audit", event = "token_refused", tenant = %self.tenant.id, client,
            error = answer.error, reason = %refused,
            address = self.address().map(tracing::field::display), request_id = %self.stamp().id,
        );
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_REQUEST);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return unavailable(answer.description);
        }
        let mut response = error(status, answer.error, answer.description);
        if status == StatusCode::UNAUTHORIZED {
            // RFC 6749 §5.2, RFC 7617 §2.1.
            let challenge = HeaderValue::from_static("Basic realm=\"token\", charset=\"UTF-8\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// What others may keep as long as they may keep a key set. Pages of other sites may read it: nothing in it is
/// secret.
fn document(value: &Value, kind: &'static str) -> Response {
    let age = format!("public, max-age={}", KEY_SET_MAX_AGE.whole_seconds());
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_str(&age).unwrap_or(HeaderValue::from_static("no-store")),
        ),
        (
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("*"),
        ),
    ];
    (headers, value.to_string()).into_response()
}

/// RFC 6749 §5.2.
fn error(status: StatusCode, error: &str, description: &str) -> Response {
    let body = json!({ "error": error, "error_description": description });
    (status, axum::Json(body)).into_response()
}

fn unavailable(description: &str) -> Response {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let mut response = error(status, "temporarily_unavailable", description);
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}
