//! Logins that did not work: which status, page and audit line each reason has.
//!
//! Invariant: people are told what to do, operators why, and neither what a provider wrote.

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use super::asked_address::LoginQuery;
use super::reply;
use super::visit::Visit;
use crate::access::{Counted, OverLimit};
use crate::domain::ids::UserId;
use crate::domain::login_attempt::CallbackRefused;
use crate::domain::upstream_provider::UpstreamProvider;
use crate::relying_party::{BeginFailed, Failure, InvalidCallback, LoginFailed, UpstreamTrouble};
use crate::telemetry::metrics::count_login;
use crate::views::{ErrorPage, OtherProvider, mark_of};

impl Visit {
    /// There is no such sign-in any more.
    pub(super) fn expired(&self) -> Response {
        let page = ErrorPage::login_expired(self.stamp(), &self.tenant.base.address("/login"));
        self.page(StatusCode::BAD_REQUEST, &page)
    }

    /// More sign-ins wait from this network than anybody needs.
    pub(crate) fn too_many(&self, try_again: &str) -> Response {
        tracing::warn!(
            target: "audit", event = "too_many_sign_ins", tenant = %self.tenant.id,
            network = %self.network(), request_id = %self.stamp().id,
        );
        let page = ErrorPage::too_many_sign_ins(self.stamp(), 1, try_again);
        let mut response = self.page(StatusCode::TOO_MANY_REQUESTS, &page);
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
        response
    }

    /// The limits say that it is too much; see [`Limiter`](crate::access::Limiter), which has audited it.
    pub(crate) fn over_limit(&self, over: OverLimit, try_again: &str) -> Response {
        let minutes = over.seconds().div_ceil(60);
        let page = ErrorPage::too_many_sign_ins(self.stamp(), minutes, try_again);
        let mut response = self.page(StatusCode::TOO_MANY_REQUESTS, &page);
        reply::retry_after(&mut response, over);
        response
    }

    /// Counts a request of this address, and answers it if it is one too many.
    pub(crate) fn within_limit(&self, what: Counted, try_again: &str) -> Result<(), Response> {
        self.door
            .limiter
            .count(what, Some(&self.tenant.id), self.address())
            .map_err(|over| self.over_limit(over, try_again))
    }

    /// Counts a request of a person, and answers it if it is one too many.
    pub(crate) fn within_users_limit(
        &self,
        what: Counted,
        user: UserId,
        try_again: &str,
    ) -> Result<(), Response> {
        self.door
            .limiter
            .count_user(what, &self.tenant.id, user)
            .map_err(|over| self.over_limit(over, try_again))
    }

    fn others(&self, than: &UpstreamProvider, query: &LoginQuery) -> Vec<OtherProvider> {
        self.tenant
            .providers
            .iter()
            .filter(|provider| provider.id != than.id)
            .map(|provider| OtherProvider {
                name: provider.name.to_string(),
                mark: mark_of(&provider.name),
                href: self.login_address(&provider.id, query),
            })
            .collect()
    }

    /// No login was begun.
    pub(super) fn begin_failed(
        &self,
        provider: &UpstreamProvider,
        query: &LoginQuery,
        failed: &BeginFailed,
    ) -> Response {
        let again = self.login_address(&provider.id, query);
        let outcome = match failed {
            BeginFailed::Storage(error) => return self.store_failed(error),
            BeginFailed::TooMany(_) => return self.too_many(&again),
            BeginFailed::Upstream(_) => "upstream",
        };
        count_login(self.tenant.id.as_str(), provider.id.as_str(), outcome);
        tracing::error!(
            target: "audit", event = "login_not_begun", tenant = %self.tenant.id,
            provider = %provider.id, request_id = %self.stamp().id, reason = %failed,
        );
        let page = ErrorPage::provider_unreachable(
            self.stamp(),
            &provider.name,
            &again,
            self.others(provider, query),
        );
        self.page(StatusCode::BAD_GATEWAY, &page)
    }

    /// The callback answers nothing that was asked.
    pub(super) fn callback_invalid(
        &self,
        provider: &UpstreamProvider,
        invalid: InvalidCallback,
    ) -> Response {
        self.audit_refused(provider, &invalid);
        self.expired()
    }

    /// Status, page and audit line of a login that failed: decided here, once.
    pub(super) async fn login_failed(
        &self,
        provider: &UpstreamProvider,
        failure: Failure,
    ) -> Response {
        let waiting = match failure.continuation.clone() {
            Some(continuation) => self.waiting(continuation).await.ok().flatten(),
            None => None,
        };
        let start = |another: bool| match &waiting {
            Some(waiting) => self.start_again(&waiting.sign_in, another),
            None if another => self.tenant.base.address("/login?another=1"),
            None => self.tenant.base.address("/login"),
        };
        let again = start(false);
        let stamp = self.stamp();
        let (status, page) = match &failure.reason {
            LoginFailed::Storage(error) => return self.store_failed(error),
            LoginFailed::Refused(CallbackRefused::Provider(error)) => (
                StatusCode::BAD_REQUEST,
                ErrorPage::provider_refused(stamp, &provider.name, error.code(), &again),
            ),
            LoginFailed::Refused(CallbackRefused::ForeignBrowser) if self.cookies.is_empty() => (
                StatusCode::BAD_REQUEST,
                self.cookies_refused(&self.tenant.base.host.to_string(), &again),
            ),
            LoginFailed::Unknown | LoginFailed::Refused(_) | LoginFailed::SignedOutMeanwhile(_) => {
                (
                    StatusCode::BAD_REQUEST,
                    ErrorPage::login_expired(stamp, &again),
                )
            }
            LoginFailed::Upstream(trouble) if trouble.is_unreachable() => (
                StatusCode::BAD_GATEWAY,
                ErrorPage::provider_unreachable(stamp, &provider.name, &again, Vec::new()),
            ),
            LoginFailed::Upstream(trouble) if trouble.is_of_registration() => {
                let others = self.tenant.providers.len() > 1;
                let elsewhere = others.then_some(again.as_str());
                let page = ErrorPage::provider_not_set_up(stamp, &provider.name, elsewhere);
                (StatusCode::BAD_GATEWAY, page.with_contact(self.contact()))
            }
            LoginFailed::Upstream(UpstreamTrouble::NotLetIn(not_met))
                if not_met.is_about_the_sign_in() =>
            {
                let (name, tenant) = (&provider.name, &self.tenant.name);
                let page = ErrorPage::sign_in_too_weak(stamp, name, tenant, &start(true));
                (StatusCode::FORBIDDEN, page.with_contact(self.contact()))
            }
            LoginFailed::Upstream(
                UpstreamTrouble::AccountRefused { .. } | UpstreamTrouble::NotLetIn(_),
            ) => (
                StatusCode::FORBIDDEN,
                ErrorPage::account_refused(stamp, &provider.name, &self.tenant.name, &start(true))
                    .with_contact(self.contact()),
            ),
            LoginFailed::Upstream(
                UpstreamTrouble::Overage { .. } | UpstreamTrouble::Incomplete(_),
            ) => (
                StatusCode::FORBIDDEN,
                ErrorPage::groups_incomplete(stamp, &provider.name, &again)
                    .with_contact(self.contact()),
            ),
            LoginFailed::Upstream(_) => (
                StatusCode::BAD_REQUEST,
                ErrorPage::provider_answer_invalid(stamp, &provider.name, &again),
            ),
        };
        self.audit_refused(provider, &failure.reason);
        self.page(status, &page)
    }

    fn audit_refused(&self, provider: &UpstreamProvider, reason: &dyn std::error::Error) {
        count_login(self.tenant.id.as_str(), provider.id.as_str(), "refused");
        tracing::warn!(
            target: "audit", event = "login_refused", tenant = %self.tenant.id, provider = %provider.id,
            address = self.address().map(tracing::field::display), request_id = %self.stamp().id,
            reason = %reason,
        );
    }
}
