//! `POST {base}/token` where a token is shown to be changed into one of ours (RFC 8693).

use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::visit::Visit;
use crate::domain::ids::ClientId;
use crate::domain::token_exchange::TokenOrigin;
use crate::openid_provider::{
    ExchangeAt, ExchangedToken, TOKEN_EXCHANGE, TokenRefused, TokenRequest,
};
use crate::telemetry::metrics::count_token;

/// Answers a request for [`TOKEN_EXCHANGE`].
pub(super) async fn exchange(visit: &Visit, request: &TokenRequest) -> Response {
    debug_assert_eq!(request.parameter("grant_type"), Some(TOKEN_EXCHANGE));
    let client = if request.names_client(&visit.headers) {
        match visit.client(request).await {
            Ok(client) => Some(client),
            Err(response) => return response,
        }
    } else {
        None
    };
    let directory = visit.door.parts.directory.snapshot();
    let id = &visit.tenant.id;
    let credentials = &visit.door.gate.credentials;
    let exchanged = match directory.tenant(id).zip(directory.tokens_of(id)) {
        Some((tenant, tokens)) => {
            let at = ExchangeAt {
                tenant,
                tokens,
                is_revoked: &|tenant, token| credentials.is_revoked(tenant, token),
            };
            let provider = &visit.door.parts.openid_provider;
            provider.exchange(at, client, request).await
        }
        // It was taken out of the configuration a moment ago.
        None => Err(TokenRefused::GrantType),
    };
    match exchanged {
        Ok(exchanged) => visit.exchanged(&exchanged),
        Err(refused) => {
            let client: Option<&ClientId> = client.as_ref().map(|it| &it.client().id);
            visit.token_refused(client, &refused)
        }
    }
}

impl Visit {
    /// Audit line and answer (RFC 8693 §2.2.1).
    fn exchanged(&self, exchanged: &ExchangedToken) -> Response {
        let issued = &exchanged.issued;
        let of = match &exchanged.origin {
            TokenOrigin::Own => "self",
            TokenOrigin::Trusted(name) => name.as_str(),
        };
        let rule = exchanged.rule.as_str();
        count_token(self.tenant.id.as_str(), &exchanged.client, "exchanged");
        tracing::info!(
            target: "audit", event = "token_exchanged", tenant = %self.tenant.id, rule, issuer = of,
            client = exchanged.client, subject = exchanged.subject, actor = exchanged.actor,
            shown = exchanged.shown, audience = &*issued.audience, scope = issued.scope, token = issued.id,
            address = self.address().map(tracing::field::display), request_id = %self.stamp().id,
        );
        axum::Json(json!({
            "access_token": issued.token,
            "issued_token_type": exchanged.kind,
            "token_type": "Bearer",
            "expires_in": issued.life.whole_seconds(),
            "scope": issued.scope,
        }))
        .into_response()
    }
}
