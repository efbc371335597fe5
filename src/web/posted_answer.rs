//! A provider that answers by POST: what arrives is put by, and the browser sent to fetch it.
//!
//! Any page of the web can have a browser post here. So nothing is believed and nothing begun: what does not
//! name an attempt that waits is refused, and what does is kept for the GET, which brings the cookie.

use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};

use super::login::ProviderPath;
use super::reply::{bare, see_other};
use super::visit::Visit;
use crate::access::Counted;
use crate::domain::handle::AnswerKind;
use crate::domain::login_offer::is_navigation;
use crate::domain::upstream_provider::{ResponseMode, UpstreamProvider};
use crate::relying_party::{CallbackParameters, Failure, InvalidCallback, LoginFailed};

/// The parameter that holds the handle.
const ANSWER: &str = "answer";

/// `POST {base}/login/{provider}/callback`.
pub(crate) async fn post(
    visit: Visit,
    Path(path): Path<ProviderPath>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Some(provider) = visit.provider_at(&path) else {
        return visit.not_found();
    };
    if provider.response_mode != ResponseMode::FormPost {
        let methods = [(header::ALLOW, "GET, HEAD")];
        let response = bare(
            StatusCode::METHOD_NOT_ALLOWED,
            "this provider answers by redirect\n",
        );
        return (methods, response).into_response();
    }
    // Any page of the web can embed this address, and would use up the limit of the people who look at it.
    if !is_navigation(None, &visit.headers) {
        return bare(StatusCode::UNAUTHORIZED, "open this address in a browser\n");
    }
    let again = visit.tenant.base.address("/login");
    if let Err(response) = visit.within_limit(Counted::Callback, &again) {
        return response;
    }
    if !is_form(&visit.headers) {
        return bare(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a form is expected\n");
    }
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return bare(rejection.status(), "the form cannot be read\n"),
    };
    let Ok(body) = std::str::from_utf8(&body) else {
        return bare(StatusCode::BAD_REQUEST, "the form cannot be read\n");
    };
    let parameters = match CallbackParameters::parse_posted(body, provider) {
        Ok(parameters) => parameters,
        Err(invalid) => return visit.callback_invalid(provider, invalid),
    };
    let relying_party = &visit.door.parts.relying_party;
    let kept = relying_party
        .keep_answer(&visit.tenant, provider, &parameters)
        .await;
    match kept {
        Ok(Some(handle)) => {
            let path = format!(
                "/login/{}/callback?{ANSWER}={}",
                provider.id,
                handle.reveal()
            );
            see_other(&visit.tenant.base.address(&path))
        }
        Ok(None) => visit.login_failed(provider, no_login_waits()).await,
        Err(error) => visit.store_failed(&error),
    }
}

/// With a parameter such as `charset`, which says nothing about a form (RFC 1866 §8.2.1).
fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

const fn no_login_waits() -> Failure {
    Failure {
        reason: LoginFailed::Unknown,
        continuation: None,
    }
}

impl Visit {
    /// The provider's answer, in the way in which this provider gives it, and in no other.
    pub(super) async fn answer(
        &self,
        provider: &UpstreamProvider,
        query: Option<&str>,
    ) -> Result<CallbackParameters, Response> {
        if provider.response_mode == ResponseMode::Query {
            return CallbackParameters::parse(query.unwrap_or_default())
                .map_err(|invalid| self.callback_invalid(provider, invalid));
        }
        let Some(handle) = super::login::one_handle::<AnswerKind>(query, ANSWER) else {
            return Err(self.callback_invalid(provider, InvalidCallback::NotPosted));
        };
        let relying_party = &self.door.parts.relying_party;
        match relying_party
            .kept_answer(&self.tenant, provider, &handle)
            .await
        {
            Ok(Some(parameters)) => Ok(parameters),
            Ok(None) => Err(self.login_failed(provider, no_login_waits()).await),
            Err(error) => Err(self.store_failed(&error)),
        }
    }
}
