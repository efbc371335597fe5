//! From a session at the tenant into an app: may this person in, and how the app gets its cookie.

use axum::response::Response;
use http::StatusCode;

use super::cookies::{self, AnswerCookies, lifetime, tag};
use super::login::Waiting;
use super::reply::see_other;
use super::visit::Visit;
use crate::access::Counted;
use crate::access::entry::{EntryRefused, may_enter};
use crate::domain::handle::{Digest, SignInKind};
use crate::domain::identity::Person;
use crate::domain::ids::SessionId;
use crate::domain::tenant::ParentCookie;
use crate::storage::SignIn;
use crate::views::{Account, Incident, RefusedPage};

impl Visit {
    /// Sends a signed-in person on: to the app that waits, if its rules let them, else to their sessions.
    pub(super) async fn enter(
        &self,
        session: SessionId,
        person: &Person,
        waiting: Option<Waiting>,
    ) -> Response {
        let Some(Waiting { sign_in, id }) = waiting else {
            return see_other(&self.tenant.base.address("/sessions"));
        };
        let Ok(target) = url::Url::parse(&sign_in.target) else {
            return self.expired();
        };
        if let Err(refused) = may_enter(&self.tenant, &target, person) {
            return self.refused(person, &sign_in, refused);
        }
        let again = self.start_again(&sign_in, false);
        if let Err(response) = self.within_users_limit(Counted::Ticket, person.user, &again) {
            return response;
        }
        let sessions = &self.door.parts.sessions;
        let ticket = match sessions.issue_ticket(&self.tenant.id, id, session).await {
            Ok(Some((ticket, _))) => ticket,
            // Answered before: the app knows the person, or asks again.
            Ok(None) => return see_other(&sign_in.target),
            Err(error) => return self.store_failed(&error),
        };
        // Answered, so that nobody answers it again; and where nobody has to bring a ticket, the cookie is set here.
        if let Some(parent) = self.tenant.parent_cookie_at(&sign_in.host) {
            return self
                .begin_parent_session(session, (&sign_in, id), parent)
                .await;
        }
        let base = &self.tenant.base;
        if base.on_app_host && base.host == sign_in.host {
            return self.begin_app_session(session, (&sign_in, id)).await;
        }
        let scheme = base.origin.scheme();
        let (host, prefix) = (&sign_in.host, self.door.prefix());
        let ticket = format!("{}.{}", tag(&id), ticket.reveal());
        see_other(&format!(
            "{scheme}://{host}{prefix}/callback?ticket={ticket}"
        ))
    }

    /// The app's host shares the tenant's cookie: there is nobody to redeem a ticket.
    async fn begin_parent_session(
        &self,
        session: SessionId,
        (sign_in, id): (&SignIn, Digest<SignInKind>),
        parent: &ParentCookie,
    ) -> Response {
        let sessions = &self.door.parts.sessions;
        let (tenant, domain) = (&self.tenant, &parent.domain);
        let begun = sessions.begin_parent_session(&tenant.id, (sign_in, id), domain, session);
        match begun.await {
            Ok(Some(begun)) => {
                let mut response = match self.in_a_circle(sign_in, begun.rounds).await {
                    Some(page) => page,
                    None => see_other(&sign_in.target),
                };
                let mut set = AnswerCookies::default();
                set.set_parent(&tenant.id, domain, &begun.handle, lifetime(tenant));
                set.write(response.headers_mut());
                response
            }
            Ok(None) => self.expired(),
            Err(error) => self.store_failed(&error),
        }
    }

    /// Login and app share one host: the login sets the app's cookie itself.
    async fn begin_app_session(
        &self,
        session: SessionId,
        (sign_in, id): (&SignIn, Digest<SignInKind>),
    ) -> Response {
        let sessions = &self.door.parts.sessions;
        match sessions
            .begin_app_session(&self.tenant.id, (sign_in, id), session)
            .await
        {
            Ok(Some(begun)) => {
                let mut response = match self.in_a_circle(sign_in, begun.rounds).await {
                    Some(page) => page,
                    None => see_other(&sign_in.target),
                };
                let mut set = AnswerCookies::default();
                set.set(cookies::APP_SESSION, &begun.handle, lifetime(&self.tenant));
                set.write(response.headers_mut());
                response
            }
            Ok(None) => self.expired(),
            Err(error) => self.store_failed(&error),
        }
    }

    fn refused(&self, person: &Person, sign_in: &SignIn, refused: EntryRefused<'_>) -> Response {
        let stamp = self.stamp();
        tracing::info!(
            target: "audit", event = "entry_refused", tenant = %self.tenant.id, app = %refused.app.id,
            user = %person.user, request_id = %stamp.id, reason = %refused.refusal,
        );
        let page = RefusedPage {
            account: Account::of(person),
            provider: self.provider_name(&person.provider),
            app: refused.app.name.to_string(),
            host: sign_in.host.to_string(),
            class: refused.refusal.into(),
            switch_account_href: self.start_again(sign_in, true),
            sign_out_href: Some(self.tenant.base.address("/logout")),
            contact: self.contact(),
            incident: Incident::new(stamp.id, stamp.at, "refused_by_policy"),
        };
        self.page(StatusCode::FORBIDDEN, &page)
    }
}
