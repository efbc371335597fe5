//! The tenant's login: go to a provider, come back.

use axum::extract::{Path, RawQuery};
use axum::response::Response;
use http::{Method, StatusCode};
use tracing::Instrument as _;

use super::asked_address::{LoginQuery, shown, wanted_return};
use super::challenges::sign_in_required;
use super::cookies::{self, AnswerCookies, Attempt, lifetime, tag};
use super::reply::{bare, see_other};
use super::visit::Visit;
use crate::access::Counted;
use crate::domain::caller::Schemes;
use crate::domain::handle::{Digest, Handle, Kind, SignInKind};
use crate::domain::host::Host;
use crate::domain::ids::ProviderId;
use crate::domain::login_attempt::Continuation;
use crate::domain::login_offer::is_navigation;
use crate::domain::return_target::{InvalidReturnTarget, ReturnTarget};
use crate::domain::upstream_provider::UpstreamProvider;
use crate::relying_party::{Completed, Failure, LoginRequest};
use crate::sessions::{Granted, NotEstablished};
use crate::storage::SignIn;
use crate::telemetry::metrics::{count_login, count_session};
use crate::telemetry::traces;
use crate::views::{Contact, ErrorPage};

/// `GET {base}/login/{provider}`: begins a login there.
pub(crate) async fn begin(
    visit: Visit,
    Path(path): Path<ProviderPath>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = match visit.asked(query.as_deref()).await {
        Ok((query, _)) => query,
        Err(response) => return response,
    };
    match path.provider.parse() {
        Ok(provider) => visit.begin(&provider, &query).await,
        Err(_) => visit.not_found(),
    }
}

/// `GET {base}/login/{provider}/callback`, the redirect URI of one provider.
pub(crate) async fn callback(
    visit: Visit,
    Path(path): Path<ProviderPath>,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(provider) = visit.provider_at(&path) else {
        return visit.not_found();
    };
    // Any page of the web can embed this address, and would use up the limit of the people who look at it.
    if !is_navigation(None, &visit.headers) {
        return bare(StatusCode::UNAUTHORIZED, "open this address in a browser\n");
    }
    // Before the attempt is taken: whoever comes again later finds it.
    let again = visit.tenant.base.address("/login");
    if let Err(response) = visit.within_limit(Counted::Callback, &again) {
        return response;
    }
    let parameters = match visit.answer(provider, query.as_deref()).await {
        Ok(parameters) => parameters,
        Err(response) => return response,
    };
    let attempt = tag(&parameters.state().digest());
    let cookie = visit.cookies.attempt(Attempt::Login, &attempt);
    let relying_party = &visit.door.parts.relying_party;
    let completed = relying_party
        .complete_login(&visit.tenant, provider, parameters, cookie.as_ref())
        .instrument(visit.step("login.complete", provider))
        .await;
    let mut response = match completed {
        Ok(completed) => visit.sign_in(provider, completed).await,
        Err(failure) => visit.login_failed(provider, failure).await,
    };
    if cookie.is_some() {
        let mut set = AnswerCookies::default();
        set.forget_attempt(Attempt::Login, &attempt);
        set.write(response.headers_mut());
    }
    response
}

/// `{provider}` of a path, beside `{tenant}` on a shared host.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct ProviderPath {
    provider: String,
}

/// A sign-in that an app host waits for.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) sign_in: SignIn,
    pub(super) id: Digest<SignInKind>,
}

/// The one handle under `name` in a query.
pub(super) fn one_handle<K: Kind>(query: Option<&str>, name: &str) -> Option<Handle<K>> {
    let mut found =
        url::form_urlencoded::parse(query?.as_bytes()).filter(|(other, _)| other == name);
    match (found.next(), found.next()) {
        (Some((_, value)), None) => value.parse().ok(),
        _ => None,
    }
}

impl Visit {
    /// The provider that a callback is of.
    pub(super) fn provider_at(&self, path: &ProviderPath) -> Option<&UpstreamProvider> {
        self.tenant.provider(&path.provider.parse().ok()?)
    }

    /// The query, and the sign-in that it continues.
    pub(super) async fn asked(
        &self,
        raw: Option<&str>,
    ) -> Result<(LoginQuery, Option<Waiting>), Response> {
        // Any page of the web can embed this address: what nobody looks at must not begin an attempt, for
        // each pushes out an older one.
        if !is_navigation(None, &self.headers) {
            return Err(bare(
                StatusCode::UNAUTHORIZED,
                "open this address in a browser\n",
            ));
        }
        let Ok(query) = LoginQuery::parse(raw) else {
            return Err(self.expired());
        };
        let Some(id) = &query.sign_in else {
            return match wanted_return(raw).filter(|_| self.tenant.parent_cookie.is_some()) {
                Some(wanted) => self.ask_here(query, &wanted).await,
                None => Ok((query, None)),
            };
        };
        match self.find_sign_in(id.digest()).await? {
            None => Err(self.expired()),
            found => Ok((query, found)),
        }
    }

    /// A check sent the person here with their target, because their app's host shares the tenant's cookie.
    async fn ask_here(
        &self,
        mut query: LoginQuery,
        wanted: &str,
    ) -> Result<(LoginQuery, Option<Waiting>), Response> {
        let tenant = &self.tenant;
        self.within_limit(Counted::Login, &tenant.base.address("/login"))?;
        let shares = |host: &Host| tenant.parent_cookie_at(host).is_some();
        let target = ReturnTarget::parse(wanted, &tenant.base.origin, shares);
        let found = target.and_then(|target| {
            let app = tenant.app_of(target.host());
            app.map(|app| (&app.id, target))
                .ok_or(InvalidReturnTarget::Host)
        });
        let (app, target) = found.map_err(|error| {
            let stamp = self.stamp();
            tracing::warn!(
                target: "audit", event = "return_target_refused", tenant = %tenant.id,
                wanted = ?shown(wanted), reason = %error, request_id = %stamp.id,
            );
            let page = ErrorPage::target_refused(stamp, &tenant.base.address("/login"));
            self.page(StatusCode::BAD_REQUEST, &page)
        })?;
        let parts = &self.door.parts;
        let (text, network) = (target.as_str().to_owned(), self.network());
        let asked = parts
            .sessions
            .ask_sign_in(&tenant.id, app, target.host(), text, network, parts.waiting)
            .await
            .map_err(|error| self.store_failed(&error))?;
        let asked = asked.map_err(|_| self.too_many(&tenant.base.address("/login")))?;
        let waiting = self.find_sign_in(asked.id.digest()).await?;
        query.sign_in = Some(asked.id);
        Ok((query, waiting))
    }

    pub(super) async fn begin(&self, provider: &ProviderId, query: &LoginQuery) -> Response {
        let Some(provider) = self.tenant.provider(provider) else {
            return self.not_found();
        };
        // A script can complete no login; one that began some would drive out those that wait.
        if !is_navigation(Some(&Method::GET), &self.headers) {
            let prefix = self.door.prefix();
            return sign_in_required(self.tenant.id.as_str(), prefix, Schemes::SESSION);
        }
        let again = self.login_address(&provider.id, query);
        if let Err(response) = self.within_limit(Counted::Login, &again) {
            return response;
        }
        let continuation = query
            .sign_in
            .as_ref()
            .map_or(Continuation::Sessions, |id| Continuation::App(id.digest()));
        let request = LoginRequest {
            continuation,
            switch_account: query.another,
            hints: query.hints.clone(),
            network: self.network(),
        };
        let parts = &self.door.parts;
        let begun = match parts
            .relying_party
            .begin_login(&self.tenant, provider, request)
            .instrument(self.step("login.begin", provider))
            .await
        {
            Ok(begun) => begun,
            Err(failed) => return self.begin_failed(provider, query, &failed),
        };
        let mut response = see_other(begun.authorization_request.as_str());
        let mut set = AnswerCookies::default();
        set.set_attempt(
            Attempt::Login,
            &tag(&begun.state.digest()),
            &begun.cookie,
            parts.clock.now(),
            &self.cookies,
        );
        set.write(response.headers_mut());
        response
    }

    /// Begins a session for somebody whose login is done, and sends them on.
    async fn sign_in(&self, provider: &UpstreamProvider, completed: Completed) -> Response {
        let again = self.tenant.base.address("/login");
        let limiter = &self.door.limiter;
        if let Err(over) = limiter.count_identity(Counted::Callback, &completed.identity) {
            return self.over_limit(over, &again);
        }
        let sessions = &self.door.parts.sessions;
        let refresh = provider.tokens.refresh.clone();
        let granted = Granted {
            id_token: completed.id_token,
            tokens: completed.tokens.zip(refresh),
        };
        let established = sessions
            .establish(
                &self.tenant,
                completed.identity,
                granted,
                self.browser(),
                self.session_handle(),
            )
            .await;
        let established = match established {
            Ok(established) => established,
            Err(NotEstablished::Storage(error)) => return self.store_failed(&error),
            Err(NotEstablished::SignedOutMeanwhile(refused)) => {
                let failure = Failure {
                    reason: refused.into(),
                    continuation: Some(completed.continuation),
                };
                return self.login_failed(provider, failure).await;
            }
        };
        count_login(self.tenant.id.as_str(), provider.id.as_str(), "completed");
        count_session(self.tenant.id.as_str(), "begun");
        tracing::info!(
            target: "audit", event = "signed_in", tenant = %self.tenant.id, provider = %provider.id,
            user = %established.person.user, session = %established.session, origin = ?established.origin,
            address = self.address().map(tracing::field::display), request_id = %self.stamp().id,
        );
        let waiting = match self.waiting(completed.continuation).await {
            Ok(waiting) => waiting,
            Err(response) => return response,
        };
        let person = &established.person;
        let mut response = self.enter(established.session, person, waiting).await;
        let name = cookies::session(&self.tenant.id);
        let mut set = AnswerCookies::default();
        set.set(&name, &established.handle, lifetime(&self.tenant));
        if self.tenant.providers.len() > 1 {
            set.remember_last_used(&self.tenant.id, &provider.id);
        }
        set.write(response.headers_mut());
        response
    }

    /// The sign-in that a login continues. One that is gone meanwhile is no reason to fail: the person is
    /// signed in.
    pub(super) async fn waiting(
        &self,
        continuation: Continuation,
    ) -> Result<Option<Waiting>, Response> {
        match continuation {
            Continuation::App(id) => self.find_sign_in(id).await,
            Continuation::Sessions => Ok(None),
        }
    }

    async fn find_sign_in(&self, id: Digest<SignInKind>) -> Result<Option<Waiting>, Response> {
        self.door
            .parts
            .store
            .find_sign_in(&self.tenant.id, id)
            .await
            .map(|found| found.map(|sign_in| Waiting { sign_in, id }))
            .map_err(|error| self.store_failed(&error))
    }

    /// The way back into the same app: its own sign-in, with the same target.
    pub(super) fn start_again(&self, sign_in: &SignIn, another: bool) -> String {
        let base = &self.tenant.base;
        let scheme = base.origin.scheme();
        let prefix = self.door.prefix();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if another {
            query.append_pair("another", "1");
        }
        query.append_pair("rd", &sign_in.target);
        let query = query.finish();
        if self.tenant.parent_cookie_at(&sign_in.host).is_some() {
            return base.address(&format!("/login?{query}"));
        }
        format!("{scheme}://{}{prefix}/sign_in?{query}", sign_in.host)
    }

    fn step(&self, what: &'static str, provider: &UpstreamProvider) -> tracing::Span {
        traces::step(what, self.tenant.id.as_str(), provider.id.as_str())
    }

    /// What people call a provider; its id where it is no longer configured.
    pub(crate) fn provider_name(&self, id: &ProviderId) -> String {
        self.tenant
            .provider(id)
            .map_or_else(|| id.to_string(), |provider| provider.name.to_string())
    }

    /// Whom to ask.
    pub(crate) fn contact(&self) -> Option<Contact> {
        self.tenant.contact.as_deref().map(Contact::from)
    }

    /// Where a login at `provider` is begun that goes on as `query` says.
    pub(super) fn login_address(&self, provider: &ProviderId, query: &LoginQuery) -> String {
        let query = query.to_query(query.another);
        self.tenant
            .base
            .address(&format!("/login/{provider}{query}"))
    }
}
