//! Sign-ins that lead nowhere: stopped, with the likely cause.

use axum::response::Response;
use http::StatusCode;

use super::cookies;
use super::visit::Visit;
use crate::domain::handle::AppSessionKind;
use crate::sessions::LOOP;
use crate::storage::SignIn;
use crate::telemetry::metrics::count_login_loop;
use crate::views::{ErrorPage, LoopCause};

impl Visit {
    /// The page that ends a circle, for somebody who has just entered `sign_in`'s app after so many `rounds`.
    /// The request is one that brings the cookie, if the browser has it.
    pub(super) async fn in_a_circle(&self, sign_in: &SignIn, rounds: usize) -> Option<Response> {
        if rounds < LOOP {
            return None;
        }
        let cause = match self.loop_cause(sign_in).await {
            Ok(cause) => cause,
            Err(response) => return Some(response),
        };
        let (tenant, app) = (&self.tenant.id, &sign_in.app);
        count_login_loop(tenant.as_str(), app.as_str(), cause.word());
        let stamp = self.stamp();
        tracing::warn!(
            target: "audit", event = "login_loop", %tenant, %app, host = %sign_in.host,
            cause = cause.word(), request_id = %stamp.id, "{}", cause.remedy()
        );
        let page = ErrorPage::login_loop(stamp, &sign_in.host.to_string(), cause, &sign_in.target)
            .with_contact(self.contact());
        Some(self.page(StatusCode::BAD_REQUEST, &page))
    }

    /// The browser was given the app's cookie a moment ago: what became of it.
    async fn loop_cause(&self, sign_in: &SignIn) -> Result<LoopCause, Response> {
        let (tenant, sessions) = (&self.tenant.id, &self.door.gate.sessions);
        let found = match self.tenant.parent_cookie_at(&sign_in.host) {
            Some(parent) => match cookies::parent_session(&self.headers, tenant) {
                None => return Ok(self.without_cookie()),
                Some(handle) => {
                    let here = (&sign_in.host, &sign_in.app);
                    let found = sessions.check_parent(tenant, &parent.domain, here, &handle);
                    found.await.map(|found| found.is_some())
                }
            },
            None => match self.cookies.handle::<AppSessionKind>(cookies::APP_SESSION) {
                None => return Ok(self.without_cookie()),
                Some(handle) => {
                    let handle = handle.digest();
                    let found = sessions.check(tenant, &sign_in.host, &handle);
                    found.await.map(|found| found.is_some())
                }
            },
        };
        match found {
            // It is good here, so the proxy asked about something else.
            Ok(true) => Ok(LoopCause::Host),
            Ok(false) => Ok(LoopCause::Clock),
            Err(error) => Err(self.store_failed(&error)),
        }
    }

    fn without_cookie(&self) -> LoopCause {
        if self.came_over_http() {
            LoopCause::Scheme
        } else {
            LoopCause::Cookie
        }
    }

    /// The browser came back without a cookie that it was given a moment ago.
    pub(super) fn cookies_refused(&self, host: &str, try_again: &str) -> ErrorPage {
        if self.came_over_http() {
            ErrorPage::cookies_need_https(self.stamp(), host, try_again)
        } else {
            let secure = self.tenant.base.is_secure();
            ErrorPage::cookies_refused(self.stamp(), host, secure, try_again)
        }
    }
}
