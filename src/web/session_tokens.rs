//! `{prefix}/session_token`: a page of an app asks for an access token about whoever looks at it.
//!
//! Invariant: only a page of the app's own origin, or of one that the configuration names, is answered with a token:
//! a browser says which page asks, and a request that does not say so gets none, whatever cookie it brings. Like
//! every page of ours it is 404 where a check would pass the answer on.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;
use time::OffsetDateTime;

use super::cookies;
use super::reply;
use super::tokens::error;
use super::visit::AppVisit;
use crate::access::Counted;
use crate::access::entry::{TokenNotAdmitted, may_have_token};
use crate::domain::identity::Person;
use crate::domain::policy::Source;
use crate::domain::tenant::{ProtectedApp, SessionTokens};
use crate::openid_provider::{IssuedToken, TokenRefused, TokenRequest};
use crate::telemetry::metrics::count_token;

/// Where it is, below the prefix. Not `/token`, which is the tenant's where its pages are on an app's host.
pub(super) const PATH: &str = "/session_token";

/// How long a browser may keep what a preflight said, in seconds.
const PREFLIGHT_AGE: &str = "600";

/// Which page asks.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asking {
    /// One of the app's own.
    Own,
    /// One of an origin that the configuration names.
    Named(HeaderValue),
}

/// Why no token is given.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("no page of the app, and of none of its `origins`, asks")]
    Foreign,
    #[error("nobody is signed in")]
    NobodySignedIn,
    #[error(transparent)]
    NotAdmitted(#[from] TokenNotAdmitted),
    #[error(transparent)]
    Token(#[from] TokenRefused),
}

/// `OPTIONS {prefix}/session_token`: what a page of another origin may ask for (Fetch §3.2.2).
pub(crate) async fn preflight(at: AppVisit) -> Response {
    let Some((_, settings)) = at.session_tokens() else {
        return at.visit.not_found();
    };
    let named = origin_of(&at.visit.headers)
        .filter(|origin| settings.origins.iter().any(|it| **origin == **it));
    let wanted = only(&at.visit.headers, &header::ACCESS_CONTROL_REQUEST_METHOD);
    let (Some(origin), Some(b"POST")) = (named, wanted.map(HeaderValue::as_bytes)) else {
        return reply::bare(StatusCode::FORBIDDEN, "this page may not ask here\n");
    };
    let mut response = StatusCode::NO_CONTENT.into_response();
    share(response.headers_mut(), Some(origin));
    let said = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type"),
        (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE),
    ];
    for (name, value) in said {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

/// `POST {prefix}/session_token`.
pub(crate) async fn token(at: AppVisit, body: Result<Bytes, BytesRejection>) -> Response {
    let Some((app, settings)) = at.session_tokens() else {
        return at.visit.not_found();
    };
    let visit = &at.visit;
    let counted = visit
        .door
        .limiter
        .count(Counted::Token, Some(&visit.tenant.id), visit.address());
    if let Err(over) = counted {
        let status = StatusCode::TOO_MANY_REQUESTS;
        let mut response = error(status, "temporarily_unavailable", "too many requests");
        reply::retry_after(&mut response, over);
        return response;
    }
    let asking = asking(&visit.headers, at.own_origin().as_deref(), settings);
    let Some(asking) = asking else {
        return at.no_token(app, None, &Refused::Foreign);
    };
    let mut response = match at.signed_in().await {
        Ok(Some((person, ends_at))) => match at.issue((app, settings), &person, ends_at, body) {
            Ok(issued) => at.issued(app, &person, &issued),
            Err(refused) => at.no_token(app, Some(&person), &refused),
        },
        Ok(None) => at.no_token(app, None, &Refused::NobodySignedIn),
        Err(unavailable) => at.no_token(app, None, &unavailable.into()),
    };
    if let Asking::Named(origin) = asking {
        share(response.headers_mut(), Some(&origin));
    } else {
        share(response.headers_mut(), None);
    }
    response
}

/// Which page asks, if it is one that may. `Sec-Fetch-Site` (Fetch Metadata §2.4) is not there in older browsers;
/// `Origin` is in all of them, and what stands twice says nothing.
fn asking(headers: &HeaderMap, own: Option<&str>, settings: &SessionTokens) -> Option<Asking> {
    let origin = origin_of(headers)?;
    let is_own = own.is_some_and(|own| *origin == *own);
    let asking = if is_own {
        Asking::Own
    } else {
        let named = settings.origins.iter().any(|it| *origin == **it);
        named.then(|| Asking::Named(origin.clone()))?
    };
    let sites: &[&[u8]] = if is_own {
        &[b"same-origin"]
    } else {
        &[b"same-site", b"cross-site"]
    };
    let fits = |name: &'static str, allowed: &[&[u8]]| {
        let name = HeaderName::from_static(name);
        !headers.contains_key(&name)
            || only(headers, &name).is_some_and(|value| allowed.contains(&value.as_bytes()))
    };
    // A form is no script: nobody could read what it is answered, but the person who looks at it.
    let fits = fits("sec-fetch-site", sites)
        && fits("sec-fetch-mode", &[b"cors", b"same-origin"])
        && fits("sec-fetch-dest", &[b"empty"]);
    fits.then_some(asking)
}

fn origin_of(headers: &HeaderMap) -> Option<&HeaderValue> {
    only(headers, &header::ORIGIN)
}

/// A header that stands there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

/// Lets the page read the answer (Fetch §3.2.3); others are told that it is not for them.
fn share(headers: &mut HeaderMap, origin: Option<&HeaderValue>) {
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
    }
}

impl AppVisit {
    /// The app, if its pages get tokens.
    fn session_tokens(&self) -> Option<(&ProtectedApp, &SessionTokens)> {
        let mut apps = self.visit.tenant.apps.iter();
        let app = apps.find(|app| app.id == *self.app())?;
        Some((app, app.session_tokens.as_ref()?))
    }

    /// This host as browsers write it in `Origin`.
    fn own_origin(&self) -> Option<String> {
        let origin = self.origin()?;
        Some(origin.origin().ascii_serialization())
    }

    /// Who is signed in at the app, and when their session ends in any case.
    async fn signed_in(&self) -> Result<Option<(Person, OffsetDateTime)>, TokenRefused> {
        let Some(handle) = cookies::app_session(&self.visit.headers) else {
            return Ok(None);
        };
        let tenant = &self.visit.tenant;
        let sessions = &self.visit.door.gate.sessions;
        let found = sessions
            .check(&tenant.id, &self.host, &handle.digest())
            .await?;
        let found = found.filter(|session| {
            session.app() == self.app() && tenant.provider(&session.person().provider).is_some()
        });
        Ok(found.map(|session| (session.person().clone(), session.ends_at())))
    }

    fn issue(
        &self,
        (app, settings): (&ProtectedApp, &SessionTokens),
        person: &Person,
        ends_at: OffsetDateTime,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<IssuedToken, Refused> {
        let visit = &self.visit;
        let source = visit.address().map_or(Source::Unknown, Source::Address);
        may_have_token(app, &settings.path, (&self.host, source), person)?;
        let body = body.map_err(|_| TokenRefused::Unread)?;
        let request = TokenRequest::parse(&visit.headers, &body)?;
        let provider = &visit.door.parts.openid_provider;
        let issued = provider.session_token(
            &visit.tenant,
            (&app.id, settings),
            (person.user, ends_at),
            &request,
        );
        Ok(issued?)
    }

    fn issued(&self, app: &ProtectedApp, person: &Person, issued: &IssuedToken) -> Response {
        let visit = &self.visit;
        count_token(visit.tenant.id.as_str(), app.id.as_str(), "issued");
        tracing::info!(
            target: "audit", event = "session_token_issued", tenant = %visit.tenant.id, app = %app.id,
            user = %person.user, audience = &*issued.audience, scope = issued.scope, token = issued.id,
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

    fn no_token(&self, app: &ProtectedApp, person: Option<&Person>, refused: &Refused) -> Response {
        let visit = &self.visit;
        let (status, said, description) = match refused {
            Refused::Foreign => (403, "access_denied", "this page may not ask here"),
            Refused::NobodySignedIn => (401, "login_required", "nobody is signed in"),
            Refused::NotAdmitted(_) => (403, "access_denied", "this person may not open the app"),
            Refused::Token(refused) => {
                let answer = refused.answer();
                (answer.status, answer.error, answer.description)
            }
        };
        count_token(visit.tenant.id.as_str(), app.id.as_str(), "refused");
        tracing::warn!(
            target: "audit", event = "session_token_refused", tenant = %visit.tenant.id, app = %app.id,
            user = person.map(|person| tracing::field::display(person.user)), error = said, reason = %refused,
            address = visit.address().map(tracing::field::display), request_id = %visit.stamp().id,
        );
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        error(status, said, description)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::path::CanonicalPath;
    use rstest::rstest;

    const OWN: &str = "https://wiki.example";

    fn settings() -> SessionTokens {
        SessionTokens {
            audiences: vec!["x".into()],
            scopes: Vec::new(),
            origins: vec!["https://pages.example".into()],
            path: CanonicalPath::parse("/").expect("a path"),
            lifetime: time::Duration::minutes(5),
        }
    }

    /// What browsers send, and what forgers can make them send.
    #[rstest]
    #[case::own_page(&[("origin", OWN), ("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")], true)]
    #[case::older_browser(&[("origin", OWN)], true)]
    #[case::named(&[("origin", "https://pages.example"), ("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors")], true)]
    #[case::named_of_another_site(&[("origin", "https://pages.example"), ("sec-fetch-site", "cross-site")], true)]
    #[case::nothing_is_said(&[], false)]
    #[case::no_origin(&[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")], false)]
    #[case::cross_site_form(&[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], false)]
    #[case::sibling(&[("origin", "https://blog.example"), ("sec-fetch-site", "same-site")], false)]
    #[case::sub_domain(&[("origin", "https://x.wiki.example"), ("sec-fetch-site", "same-site")], false)]
    #[case::another_port(&[("origin", "https://wiki.example:8443"), ("sec-fetch-site", "same-site")], false)]
    #[case::plain_http(&[("origin", "http://wiki.example"), ("sec-fetch-site", "cross-site")], false)]
    #[case::prefix(&[("origin", "https://wiki.example.evil.example")], false)]
    #[case::with_a_slash(&[("origin", "https://wiki.example/")], false)]
    #[case::null(&[("origin", "null"), ("sec-fetch-site", "same-origin")], false)]
    #[case::two_origins(&[("origin", OWN), ("origin", "https://evil.example")], false)]
    #[case::two_in_one(&[("origin", "https://wiki.example https://evil.example")], false)]
    #[case::the_same_twice(&[("origin", OWN), ("origin", OWN)], false)]
    #[case::the_site_says_otherwise(&[("origin", OWN), ("sec-fetch-site", "cross-site")], false)]
    #[case::the_site_says_sibling(&[("origin", OWN), ("sec-fetch-site", "same-site")], false)]
    #[case::named_says_that_it_is_ours(&[("origin", "https://pages.example"), ("sec-fetch-site", "same-origin")], false)]
    #[case::two_sites(&[("origin", OWN), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], false)]
    #[case::typed_in(&[("origin", OWN), ("sec-fetch-site", "none")], false)]
    #[case::own_form(&[("origin", OWN), ("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")], false)]
    #[case::without_reading(&[("origin", OWN), ("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "no-cors")], false)]
    #[case::a_frame(&[("origin", OWN), ("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "iframe")], false)]
    fn t20_only_pages_that_may_are_answered(
        #[case] sent: &[(&'static str, &str)],
        #[case] may: bool,
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            let value = HeaderValue::from_str(value).expect("a value");
            headers.append(HeaderName::from_static(name), value);
        }
        assert_eq!(asking(&headers, Some(OWN), &settings()).is_some(), may);
    }
}
