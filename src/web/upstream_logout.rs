//! A provider tells us that somebody has signed out there.
//!
//! The back channel is a request of the provider's own: nothing of a browser counts there, and what counts is
//! its signature. The front channel is a page that the provider has browsers load in a frame, mostly without
//! our cookies (they are `SameSite=Lax`): who knows the provider's `sid`, which nobody can guess, may end the
//! session that came from it, and nothing more. Invariant: what cannot be judged or written is never answered
//! as done; a provider that hears 503 comes again.

use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::json;
use url::Url;

use super::login::ProviderPath;
use super::posted_answer::is_form;
use super::reply::{self, Framed, bare};
use super::visit::Visit;
use crate::access::Counted;
use crate::domain::handle::{Digest, UpstreamSessionKind};
use crate::domain::ids::SessionId;
use crate::domain::upstream_logout::{EndedUpstream, NoticeRefused, UpstreamNames};
use crate::domain::upstream_provider::{OpenIdConnect, Protocol, UpstreamProvider};
use crate::relying_party::{LogoutTokenFailed, LogoutTokenRefused};
use crate::telemetry::metrics::count_session;

const BACK: &str = "back";
const FRONT: &str = "front";

/// `POST {base}/login/{provider}/backchannel-logout` (OIDC Back-Channel Logout 1.0 §2.5).
pub(crate) async fn back_channel(
    visit: Visit,
    Path(path): Path<ProviderPath>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let provider = visit.provider_at(&path);
    let Some(provider) = provider.filter(|it| it.logout_notices.back_channel) else {
        return visit.not_found();
    };
    let token = match logout_token(&visit.headers, body) {
        Ok(token) => token,
        Err(refusal) => return refusal,
    };
    let parts = &visit.door.parts;
    let notice = parts
        .relying_party
        .logout_notice(&visit.tenant, provider, &token)
        .await;
    let notice = match notice {
        Ok(notice) => notice,
        Err(LogoutTokenFailed::Refused(refused)) => {
            return visit.notice_refused(provider, &refused, in_our_words(&refused));
        }
        Err(LogoutTokenFailed::Upstream(trouble)) => {
            return visit.notice_not_judged(provider, &trouble);
        }
    };
    let ended = parts
        .sessions
        .end_by_logout_token(&visit.tenant.id, &provider.id, &notice)
        .await;
    match ended {
        Ok(Ok(ended)) => {
            visit.ended_upstream(provider, BACK, &ended);
            StatusCode::OK.into_response()
        }
        Ok(Err(refused @ NoticeRefused::TooMany)) => visit.notice_not_judged(provider, &refused),
        Ok(Err(refused @ NoticeRefused::Replayed)) => {
            visit.notice_refused(provider, &refused, "this logout token was used before")
        }
        Ok(Err(refused @ NoticeRefused::Contradiction)) => {
            visit.notice_refused(provider, &refused, "sub and sid do not belong together")
        }
        Err(error) => visit.notice_not_judged(provider, &error),
    }
}

/// `GET {base}/login/{provider}/frontchannel-logout` (OIDC Front-Channel Logout 1.0 §2).
pub(crate) async fn front_channel(
    visit: Visit,
    method: Method,
    Path(path): Path<ProviderPath>,
    RawQuery(query): RawQuery,
) -> Response {
    let provider = visit.provider_at(&path);
    let provider = provider.filter(|it| it.logout_notices.front_channel);
    let Some((provider, Protocol::OpenIdConnect(openid))) = provider.map(|it| (it, &it.protocol))
    else {
        return visit.not_found();
    };
    if method != Method::GET {
        let methods = [(header::ALLOW, "GET")];
        let refusal = bare(StatusCode::METHOD_NOT_ALLOWED, "only GET ends a session\n");
        return (methods, refusal).into_response();
    }
    // Counted is what ends nothing: a flood of that keeps nobody's sign-out away.
    let again = visit.tenant.base.address("/login");
    let over = || visit.within_limit(Counted::UpstreamLogout, &again).err();
    let session = match named_session(provider, openid, query.as_deref()) {
        Ok(session) => session,
        Err(reason) => {
            return over().unwrap_or_else(|| bare(StatusCode::BAD_REQUEST, reason));
        }
    };
    let own = match visit.own_session_of(provider).await {
        Ok(own) => own,
        Err(response) => return response,
    };
    let sessions = &visit.door.parts.sessions;
    match sessions
        .end_by_front_channel(&visit.tenant.id, session, own)
        .await
    {
        Ok(Ok(ended)) => {
            if ended.is_empty()
                && let Some(over) = over()
            {
                return over;
            }
            visit.ended_upstream(provider, FRONT, &ended);
            visit.framed_page(provider, openid).await
        }
        Ok(Err(refused)) => {
            if let Some(over) = over() {
                return over;
            }
            visit.audit_notice_refused(provider, FRONT, &refused);
            bare(
                StatusCode::BAD_REQUEST,
                "sid is not that of this browser's session\n",
            )
        }
        Err(error) => visit.store_failed(&error),
    }
}

/// The one `logout_token` of a form. Other parameters mean nothing (§2.5).
fn logout_token(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<String, Response> {
    if !is_form(headers) {
        return Err(invalid(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "a form is expected",
        ));
    }
    let body = body.map_err(|rejection| invalid(rejection.status(), "the form cannot be read"))?;
    let mut tokens = url::form_urlencoded::parse(&body).filter(|(name, _)| name == "logout_token");
    match (tokens.next(), tokens.next()) {
        (Some((_, token)), None) => Ok(token.into_owned()),
        _ => Err(invalid(
            StatusCode::BAD_REQUEST,
            "one parameter logout_token is expected",
        )),
    }
}

/// The provider's session that a query names, if it names any.
fn named_session(
    provider: &UpstreamProvider,
    openid: &OpenIdConnect,
    query: Option<&str>,
) -> Result<Option<Digest<UpstreamSessionKind>>, &'static str> {
    let Some((issuer, sid)) = issuer_and_sid(query)? else {
        return Ok(None);
    };
    if !openid.is_issuer(&issuer) {
        return Err("iss is not this provider's\n");
    }
    let names = UpstreamNames {
        provider: &provider.id,
        issuer: openid.naming_issuer(&issuer, &provider.issuer_key),
    };
    Ok(Some(names.session(&sid)))
}

/// `iss` and `sid`: both or none, each once (OIDC Front-Channel Logout 1.0 §2).
fn issuer_and_sid(query: Option<&str>) -> Result<Option<(String, String)>, &'static str> {
    let (mut iss, mut sid) = (None, None);
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let place = match &*name {
            "iss" => &mut iss,
            "sid" => &mut sid,
            _ => continue,
        };
        if value.is_empty() || place.replace(value.into_owned()).is_some() {
            return Err("iss and sid stand once, and are not empty\n");
        }
    }
    match (iss, sid) {
        (Some(iss), Some(sid)) => Ok(Some((iss, sid))),
        (None, None) => Ok(None),
        _ => Err("iss and sid come together\n"),
    }
}

/// As RFC 6749 §5.2 has it, which §2.8 asks for.
fn error(status: StatusCode, error: &str, description: &str) -> Response {
    let body = json!({ "error": error, "error_description": description });
    (status, axum::Json(body)).into_response()
}

fn invalid(status: StatusCode, description: &str) -> Response {
    error(status, "invalid_request", description)
}

/// What a provider's operator is told: which claim, never what stood in it.
const fn in_our_words(refused: &LogoutTokenRefused) -> &'static str {
    match refused {
        LogoutTokenRefused::Header(_) => "the header of the logout token is not accepted",
        LogoutTokenRefused::Type => "typ is not that of a logout token",
        LogoutTokenRefused::Key(_) | LogoutTokenRefused::KeyIssuer => {
            "no key of the provider fits the logout token"
        }
        LogoutTokenRefused::Signature => "the signature of the logout token does not fit",
        LogoutTokenRefused::Malformed => "the logout token cannot be read",
        LogoutTokenRefused::Issuer => "iss is not this provider's",
        LogoutTokenRefused::Audience => "aud does not name this client",
        LogoutTokenRefused::Time(_) => "iat, exp or nbf is missing or out of range",
        LogoutTokenRefused::TokenId => "jti is missing",
        LogoutTokenRefused::Event => "events does not name a back-channel logout",
        LogoutTokenRefused::Nobody => "sub or sid is expected",
        LogoutTokenRefused::Nonce => "a logout token has no nonce",
    }
}

impl Visit {
    /// This browser's session, if it came from `provider`. Where a page of another site has brought it here, its
    /// cookie says nothing: any page could do so, and sign people out.
    async fn own_session_of(
        &self,
        provider: &UpstreamProvider,
    ) -> Result<Option<SessionId>, Response> {
        // As the provider's own page loads it, where a browser says how: no image, no script, no link.
        let is = |name: &str, wanted: [&str; 2]| {
            let said = self.headers.get(name);
            said.is_none_or(|said| wanted.iter().any(|wanted| said == wanted))
        };
        let framed = is("sec-fetch-dest", ["iframe", "frame"]);
        if !framed || !is("sec-fetch-site", ["same-origin", "same-site"]) {
            return Ok(None);
        }
        let session = self.session().await?;
        let own = session.filter(|session| session.person.provider == provider.id);
        Ok(own.map(|session| session.id))
    }

    fn ended_upstream(
        &self,
        provider: &UpstreamProvider,
        channel: &'static str,
        ended: &[EndedUpstream],
    ) {
        if ended.is_empty() && channel == BACK {
            tracing::info!(
                target: "audit", event = "upstream_logout_found_nothing", tenant = %self.tenant.id,
                provider = %provider.id, channel, request_id = %self.stamp().id,
            );
        }
        for EndedUpstream { session, user } in ended {
            count_session(self.tenant.id.as_str(), "ended_upstream");
            tracing::info!(
                target: "audit", event = "session_ended_upstream", tenant = %self.tenant.id,
                provider = %provider.id, user = %user, session = %session, channel,
                request_id = %self.stamp().id,
            );
        }
    }

    /// A flood of what is refused is counted, and is one line a minute then.
    fn notice_refused(
        &self,
        provider: &UpstreamProvider,
        reason: &dyn std::error::Error,
        description: &'static str,
    ) -> Response {
        let limiter = &self.door.limiter;
        let counted = limiter.count(
            Counted::UpstreamLogout,
            Some(&self.tenant.id),
            self.address(),
        );
        if let Err(over) = counted {
            let status = StatusCode::TOO_MANY_REQUESTS;
            let mut response = error(status, "temporarily_unavailable", "too many requests");
            reply::retry_after(&mut response, over);
            return response;
        }
        self.audit_notice_refused(provider, BACK, reason);
        invalid(StatusCode::BAD_REQUEST, description)
    }

    fn audit_notice_refused(
        &self,
        provider: &UpstreamProvider,
        channel: &'static str,
        reason: &dyn std::error::Error,
    ) {
        tracing::warn!(
            target: "audit", event = "upstream_logout_refused", tenant = %self.tenant.id,
            provider = %provider.id, channel, address = self.address().map(tracing::field::display),
            request_id = %self.stamp().id, reason = %reason,
        );
    }

    /// The store, or the provider's keys: nothing has ended, and the same token may come again.
    fn notice_not_judged(
        &self,
        provider: &UpstreamProvider,
        trouble: &dyn std::error::Error,
    ) -> Response {
        // Anybody can have this said, with a key that nobody knows: it is counted, and so is what is logged of it.
        let limiter = &self.door.limiter;
        let (what, tenant) = (Counted::UpstreamLogout, Some(&self.tenant.id));
        if limiter.count(what, tenant, self.address()).is_ok() {
            tracing::error!(
                tenant = %self.tenant.id, provider = %provider.id, request_id = %self.stamp().id,
                error = %trouble, "a logout token cannot be judged now"
            );
        }
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let description = "this cannot be judged now: send it again";
        let mut response = error(status, "temporarily_unavailable", description);
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
        response
    }

    /// Empty, and fit for a frame of the provider's pages and of no others.
    async fn framed_page(&self, provider: &UpstreamProvider, openid: &OpenIdConnect) -> Response {
        let mut origins = Vec::new();
        let mut add = |address: &Url| {
            let origin = address.origin();
            if origin.is_tuple() {
                let origin = origin.ascii_serialization();
                if !origins.contains(&origin) {
                    origins.push(origin);
                }
            }
        };
        if let Ok(issuer) = Url::parse(openid.issuer.as_str()) {
            add(&issuer);
        }
        let pages = self
            .door
            .parts
            .relying_party
            .pages_of(provider, openid)
            .await;
        pages.iter().for_each(&mut add);
        let policy = format!(
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors {}",
            origins.join(" ")
        );
        let page = "<!doctype html><html lang=\"en\"><title>Signed out</title></html>\n";
        let mut response = Response::new(Body::from(page));
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        let policy = HeaderValue::from_str(&policy);
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            policy.unwrap_or(HeaderValue::from_static("frame-ancestors 'none'")),
        );
        if self.tenant.base.is_secure() {
            reply::require_https(headers);
        }
        response.extensions_mut().insert(Framed);
        response
    }
}
