//! Tokens of ours, and the documents about them. No browser comes here: no cookie counts, and answers are JSON.
//!
//! Invariant: every answer but the documents is `no-store` (RFC 6749 §5.1), and names nothing of what was sent.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use serde_json::{Value, json};

use super::visit::{AppVisit, Visit, WellKnown};
use super::{reply, token_exchange};
use crate::access::{Counted, OverLimit};
use crate::domain::ids::ClientId;
use crate::domain::machine_client::Scope;
use crate::domain::signing_key::KEY_SET_MAX_AGE;
use crate::openid_provider::{AuthenticatedClient, TOKEN_EXCHANGE, TokenRefused, TokenRequest};
use crate::telemetry::metrics::count_token;

/// Where an app's host says what it is (RFC 9728 §3).
pub(super) const RESOURCE: &str = "/.well-known/oauth-protected-resource";

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
    let request = match visit.form(Counted::Token, body) {
        Ok(request) => request,
        Err(response) => return response,
    };
    let exchanges = !visit.tenant.token_exchanges.is_empty();
    if exchanges && request.parameter("grant_type") == Some(TOKEN_EXCHANGE) {
        return token_exchange::exchange(&visit, &request).await;
    }
    let client = match visit.client(&request).await {
        Ok(client) => client,
        Err(response) => return response,
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

/// `POST {base}/introspect` (RFC 7662 §2.1). What kind of token it is nobody has to tell us.
pub(crate) async fn introspect(visit: Visit, body: Result<Bytes, BytesRejection>) -> Response {
    let (client, request) = match visit.authenticated(Counted::Introspection, body).await {
        Ok(authenticated) => authenticated,
        Err(response) => return response,
    };
    let provider = &visit.door.parts.openid_provider;
    let told = match request.required("token") {
        Ok(token) => provider.introspect(&visit.tenant, client, token).await,
        Err(refused) => Err(refused),
    };
    match told {
        Ok(told) => axum::Json(told).into_response(),
        Err(refused) => visit.token_refused(Some(&client.client().id), &refused),
    }
}

/// `POST {base}/revoke` (RFC 7009 §2.1). A token that does not count any more is revoked already.
pub(crate) async fn revoke(visit: Visit, body: Result<Bytes, BytesRejection>) -> Response {
    let (client, request) = match visit.authenticated(Counted::Token, body).await {
        Ok(authenticated) => authenticated,
        Err(response) => return response,
    };
    let provider = &visit.door.parts.openid_provider;
    let done = match request.required("token") {
        Ok(token) => provider.revoke(&visit.tenant, client, token).await,
        Err(refused) => Err(refused),
    };
    let id = &client.client().id;
    match done {
        Ok(None) => StatusCode::OK.into_response(),
        Ok(Some(token)) => {
            count_token(visit.tenant.id.as_str(), id.as_str(), "revoked");
            tracing::info!(
                target: "audit", event = "token_revoked", tenant = %visit.tenant.id, client = %id,
                token = &*token, address = visit.address().map(tracing::field::display),
                request_id = %visit.stamp().id,
            );
            StatusCode::OK.into_response()
        }
        Err(refused) => visit.token_refused(Some(id), &refused),
    }
}

/// `GET /.well-known/oauth-protected-resource{path}` on an app's host (RFC 9728 §3): who issues tokens for it.
pub(crate) async fn protected_resource(at: AppVisit, uri: Uri) -> Response {
    let tenant = &at.visit.tenant;
    let app = tenant.apps.iter().find(|app| app.id == *at.app());
    let Some((app, resource)) = app.and_then(|app| Some((app, app.protected_resource.as_ref()?)))
    else {
        return at.visit.not_found();
    };
    let path = uri.path().strip_prefix(RESOURCE).unwrap_or_default();
    let scheme = tenant.base.origin.scheme();
    let mut said = json!({
        "resource": format!("{scheme}://{}{path}", at.host),
        "resource_name": app.name,
        "authorization_servers": [tenant.base.address("")],
        "bearer_methods_supported": ["header"],
    });
    if let Some(members) = said.as_object_mut().filter(|_| !resource.scopes.is_empty()) {
        let scopes = resource.scopes.iter().map(Scope::as_str).collect();
        members.insert("scopes_supported".to_owned(), scopes);
    }
    document(&said, "application/json")
}

impl Visit {
    /// The client that asks, and what it sends. Counted is every request, whoever it says it is from: names and
    /// their spellings share one limit.
    async fn authenticated(
        &self,
        what: Counted,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<(AuthenticatedClient<'_>, TokenRequest), Response> {
        let request = self.form(what, body)?;
        let client = self.client(&request).await?;
        Ok((client, request))
    }

    /// What is sent. Every request counts.
    fn form(
        &self,
        what: Counted,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<TokenRequest, Response> {
        self.within_machines_limit(what)?;
        body.map_err(|_| TokenRefused::Unread)
            .and_then(|body| TokenRequest::parse(&self.headers, &body))
            .map_err(|refused| self.token_refused(None, &refused))
    }

    /// Who asks.
    pub(super) async fn client(
        &self,
        request: &TokenRequest,
    ) -> Result<AuthenticatedClient<'_>, Response> {
        let provider = &self.door.parts.openid_provider;
        let judged = match request.credentials(&self.headers) {
            Ok(credentials) => provider.authenticate(&self.tenant, &credentials).await,
            Err(refused) => Err(refused),
        };
        judged.map_err(|refused| self.token_refused(None, &refused))
    }

    /// Counts a request of a machine.
    ///
    /// # Errors
    /// The answer to one of too many.
    pub(super) fn within_machines_limit(&self, what: Counted) -> Result<(), Response> {
        let limiter = &self.door.limiter;
        let counted = limiter.count(what, Some(&self.tenant.id), self.address());
        counted.map_err(too_many)
    }

    /// Status, audit line and answer of what was refused. `client`: who it is, where that is proved.
    pub(super) fn token_refused(
        &self,
        client: Option<&ClientId>,
        refused: &TokenRefused,
    ) -> Response {
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

pub(super) fn too_many(over: OverLimit) -> Response {
    let status = StatusCode::TOO_MANY_REQUESTS;
    let mut response = error(status, "temporarily_unavailable", "too many requests");
    reply::retry_after(&mut response, over);
    response
}

/// RFC 6749 §5.2.
pub(super) fn error(status: StatusCode, error: &str, description: &str) -> Response {
    let body = json!({ "error": error, "error_description": description });
    (status, axum::Json(body)).into_response()
}

pub(super) fn unavailable(description: &str) -> Response {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let mut response = error(status, "temporarily_unavailable", description);
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}
