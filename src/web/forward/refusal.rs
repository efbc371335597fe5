//! What is answered in place of the app: the way to the sign-in, pages that say no, and, to whoever is not
//! looking at a page, a bare status.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts as _};
use axum::response::Response;
use http::header::{HOST, LOCATION, RETRY_AFTER};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use hyper::body::Incoming;

use super::{Destination, Failure};
use crate::access::{AmbiguousTarget, Verdict};
use crate::domain::handle::{AppSessionKind, Handle};
use crate::domain::identity::Person;
use crate::domain::login_offer::is_navigation;
use crate::domain::policy::Refusal;
use crate::outbound::AppFault;
use crate::views::{Account, ErrorPage, Incident, RefusedPage};
use crate::web::reply::{self, RequestId, bare};
use crate::web::visit::AppVisit;
use crate::web::{Door, challenges};

/// A request that may have to be answered by us.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    door: &'a Arc<Door>,
    destination: Destination<'a>,
    method: Method,
    uri: Uri,
    /// Whether a person is looking.
    navigation: bool,
}

/// What is answered in the app's place.
pub(crate) fn status(verdict: &Verdict, method: &Method) -> StatusCode {
    match verdict {
        Verdict::SignInOffered(_) => reply::elsewhere(Some(method)),
        Verdict::SignInRequired { .. } => StatusCode::UNAUTHORIZED,
        Verdict::Unaccepted(unaccepted) => challenges::status(unaccepted.fault),
        Verdict::Refused(_) | Verdict::ScopeMissing(_) => StatusCode::FORBIDDEN,
        Verdict::Ambiguous(_) => StatusCode::BAD_REQUEST,
        Verdict::OverLimit(_) => StatusCode::TOO_MANY_REQUESTS,
        Verdict::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        // The app was found before it was judged, our own paths were not judged, and "allowed" is not refused.
        Verdict::UnknownHost | Verdict::OwnPath(_) | Verdict::Allowed(_) => StatusCode::NOT_FOUND,
    }
}

impl<'a> Asked<'a> {
    pub(super) fn new(
        door: &'a Arc<Door>,
        destination: Destination<'a>,
        request: &Request<Incoming>,
    ) -> Self {
        Self {
            door,
            destination,
            method: request.method().clone(),
            uri: request.uri().clone(),
            navigation: is_navigation(Some(request.method()), request.headers()),
        }
    }

    /// What no browser may see.
    pub(super) async fn hidden(&self) -> Response {
        let page = |at: &AppVisit| at.visit.not_found();
        self.answer(StatusCode::NOT_FOUND, "not found\n", page)
            .await
    }

    /// Its framing cannot be passed on. Such a request is no browser's.
    pub(super) fn malformed(&self) -> Response {
        let text = "the request's `Transfer-Encoding` is not `chunked` alone\n";
        self.done(&self.id(), bare(StatusCode::BAD_REQUEST, text))
    }

    /// Anything but "allowed".
    pub(super) async fn refuse(
        &self,
        verdict: Verdict,
        app_session: Option<Handle<AppSessionKind>>,
    ) -> Response {
        let status = status(&verdict, &self.method);
        match verdict {
            Verdict::SignInOffered(_) => self.done(&self.id(), self.to_sign_in(status)),
            Verdict::SignInRequired { tenant, accepts } => {
                let prefix = self.door.prefix();
                let response = challenges::sign_in_required(tenant.as_str(), prefix, accepts);
                self.done(&self.id(), response)
            }
            Verdict::Unaccepted(unaccepted) => {
                let mut response = bare(status, "what the request shows is not accepted\n");
                challenges::unaccepted(&mut response, &unaccepted, self.door.prefix());
                self.done(&self.id(), response)
            }
            Verdict::ScopeMissing(missing) => {
                let mut response = bare(status, "the token may not be used for this\n");
                challenges::scope_missing(&mut response, &missing);
                self.done(&self.id(), response)
            }
            Verdict::Refused(refusal) => self.refused(refusal, app_session).await,
            Verdict::Ambiguous(AmbiguousTarget::PlainHttp) => {
                let page = |at: &AppVisit| {
                    let page = ErrorPage::needs_https(at.visit.stamp(), &self.address(at));
                    at.visit.page(StatusCode::BAD_REQUEST, &page)
                };
                let text = "this address needs https\n";
                self.answer(StatusCode::BAD_REQUEST, text, page).await
            }
            Verdict::Ambiguous(_) => {
                let page = |at: &AppVisit| {
                    let page = ErrorPage::address_ambiguous(at.visit.stamp(), &at.home());
                    at.visit.page(status, &page)
                };
                let text = "the address can be read in more than one way\n";
                self.answer(status, text, page).await
            }
            Verdict::Unavailable(error) => {
                let page = |at: &AppVisit| at.visit.store_failed(&error);
                let text = "nobody can be let in at the moment\n";
                let mut response = self.answer(status, text, page).await;
                response
                    .headers_mut()
                    .insert(RETRY_AFTER, HeaderValue::from_static("5"));
                response
            }
            Verdict::OverLimit(over) => {
                let page = |at: &AppVisit| at.visit.over_limit(over, &at.home());
                let text = "too many requests that may not pass\n";
                let mut response = self.answer(status, text, page).await;
                reply::retry_after(&mut response, over);
                response
            }
            // See `status`.
            Verdict::UnknownHost | Verdict::OwnPath(_) | Verdict::Allowed(_) => self.hidden().await,
        }
    }

    /// The app did not answer. What it or the system said is for the log alone.
    pub(super) async fn failed(&self, failure: &Failure) -> Response {
        let at = self.destination.at;
        if matches!(failure, Failure::App(AppFault::RequestBody)) {
            let text = "the request's body did not arrive\n";
            return self.done(&self.id(), bare(StatusCode::REQUEST_TIMEOUT, text));
        }
        let late = match failure {
            Failure::Late(_) => true,
            Failure::App(fault) => fault.is_timeout(),
            Failure::Switched => false,
        };
        let (status, text) = if late {
            (
                StatusCode::GATEWAY_TIMEOUT,
                "the app did not answer in time\n",
            )
        } else {
            (StatusCode::BAD_GATEWAY, "the app does not answer\n")
        };
        let id = self.id();
        tracing::warn!(
            target: "audit", event = "app_unavailable", tenant = %at.tenant.id, app = %at.app.id,
            upstream = %self.destination.upstream.authority, request_id = %id, reason = %failure,
        );
        let page = |visit: &AppVisit| {
            let again = self.address(visit);
            let stamp = visit.visit.stamp();
            let page = ErrorPage::app_unavailable(stamp, &at.app.name, late, &again);
            visit
                .visit
                .page(status, &page.with_contact(visit.visit.contact()))
        };
        self.answer_as(id, status, text, page).await
    }

    /// Signed in or not, the rules say no.
    async fn refused(
        &self,
        refusal: Refusal,
        app_session: Option<Handle<AppSessionKind>>,
    ) -> Response {
        let at = self.destination.at;
        let found = match app_session.as_ref().map(Handle::digest) {
            Some(handle) if self.navigation => {
                let sessions = &self.door.gate.sessions;
                let host = self.destination.host;
                sessions
                    .check(&at.tenant.id, host, &handle)
                    .await
                    .ok()
                    .flatten()
            }
            _ => None,
        };
        let person = found
            .as_ref()
            .filter(|entry| *entry.app() == at.app.id)
            .map(|entry| entry.person());
        let page = |visit: &AppVisit| {
            if let Some(person) = person {
                return self.refused_page(visit, person, refusal);
            }
            let stamp = visit.visit.stamp();
            let page = ErrorPage::closed_to_all(stamp, &at.app.name, &visit.home());
            visit.visit.page(StatusCode::FORBIDDEN, &page)
        };
        let text = "you may not open this\n";
        self.answer(StatusCode::FORBIDDEN, text, page).await
    }

    fn refused_page(&self, at: &AppVisit, person: &Person, refusal: Refusal) -> Response {
        let visit = &at.visit;
        let stamp = visit.stamp();
        let page = RefusedPage {
            account: Account::of(person),
            provider: visit.provider_name(&person.provider),
            app: at.app_name(),
            host: at.host.to_string(),
            class: refusal.into(),
            switch_account_href: at.another_account(&self.address(at)),
            sign_out_href: Some(visit.tenant.base.address("/logout")),
            contact: visit.contact(),
            incident: Incident::new(stamp.id, stamp.at, "refused_by_policy"),
        };
        visit.page(StatusCode::FORBIDDEN, &page)
    }

    /// To our sign-in on this host, and back here afterwards.
    fn to_sign_in(&self, status: StatusCode) -> Response {
        let prefix = self.door.prefix();
        let target = self.uri.path_and_query().map_or("/", |it| it.as_str());
        let target: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        if let Ok(value) = HeaderValue::from_str(&format!("{prefix}/sign_in?rd={target}")) {
            response.headers_mut().insert(LOCATION, value);
        }
        response
    }

    /// Where a person is to come back to: here, if asking twice does no harm, else to the first page.
    fn address(&self, at: &AppVisit) -> String {
        let home = at.home();
        match (&self.method, self.uri.path_and_query()) {
            (&Method::GET | &Method::HEAD, Some(target)) => {
                format!("{}{target}", home.trim_end_matches('/'))
            }
            _ => home,
        }
    }

    async fn answer(
        &self,
        status: StatusCode,
        text: &'static str,
        page: impl FnOnce(&AppVisit) -> Response,
    ) -> Response {
        self.answer_as(self.id(), status, text, page).await
    }

    /// A page for people, a line for everybody else.
    async fn answer_as(
        &self,
        id: RequestId,
        status: StatusCode,
        text: &'static str,
        page: impl FnOnce(&AppVisit) -> Response,
    ) -> Response {
        if !self.navigation {
            return self.done(&id, bare(status, text));
        }
        let response = match self.visit(id.clone()).await {
            Ok(at) => page(&at),
            Err(response) => response,
        };
        self.done(&id, response)
    }

    /// The request as our pages see it: which tenant and app, nothing else of it.
    async fn visit(&self, id: RequestId) -> Result<AppVisit, Response> {
        let mut request = axum::extract::Request::new(Body::empty());
        *request.uri_mut() = self.uri.clone();
        if let Ok(host) = HeaderValue::from_str(self.destination.host_text) {
            request.headers_mut().insert(HOST, host);
        }
        request
            .extensions_mut()
            .insert(ConnectInfo(self.destination.peer));
        request.extensions_mut().insert(id);
        let (mut parts, _) = request.into_parts();
        AppVisit::from_request_parts(&mut parts, self.door).await
    }

    fn id(&self) -> RequestId {
        RequestId::new(&self.door.parts.random)
    }

    /// What every answer of ours has, and its line in the log.
    fn done(&self, id: &RequestId, mut response: Response) -> Response {
        let status = response.status().as_u16();
        let (method, path) = (&self.method, self.uri.path());
        tracing::info!(request_id = %id, %method, path = ?path, status, "answered in place of the app");
        let headers = response.headers_mut();
        reply::secure(headers);
        if let Ok(value) = HeaderValue::from_str(id.as_str()) {
            headers.insert("x-request-id", value);
        }
        response
    }
}
