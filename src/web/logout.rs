//! Signing out: here, at every app of the tenant, and at the provider.
//!
//! An app's host and the tenant's host each hold a cookie, so a sign-out that begins at an app passes
//! through the tenant's host with a one-time id, and from there to the provider, which sends the person
//! back to `{base}/signed-out` (OIDC RP-Initiated Logout 1.0 §3).

use axum::extract::RawQuery;
use axum::response::Response;
use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::asked_address::wanted_return;
use super::cookies::{self, AnswerCookies};
use super::login::one_handle;
use super::reply::see_other;
use super::sessions::{Posted, Submitted};
use super::visit::Visit;
use crate::domain::handle::{Handle, SignOutKind};
use crate::domain::return_target::ReturnTarget;
use crate::storage::EndedSession;
use crate::views::{
    Account, Ended, ErrorPage, HiddenField, SignOutPage, SignedOutPage, StillSignedIn,
    StillSignedInBecause,
};

/// A sign-out that the person has still to come back from.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Leaving {
    /// Where they go in the end; none: our own page.
    return_to: Option<String>,
    /// Where they go next from the tenant's host: the provider, where it can sign people out.
    provider_address: Option<String>,
    /// What people call the provider.
    provider: Option<String>,
    /// What their browser must remember, where the provider brings no `state` back.
    remember: Option<String>,
    /// The app they left.
    app: Option<String>,
    /// Whose session was ended.
    user: Option<String>,
}

/// Where a person goes next on their way out.
struct Next {
    address: String,
    /// The sign-out that `{base}/signed-out` is to go on with, where nothing in the address says so.
    remember: Option<Handle<SignOutKind>>,
}

impl Next {
    const fn to(address: String) -> Self {
        Self {
            address,
            remember: None,
        }
    }
}

/// `GET {base}/logout`: asks, or passes somebody through who signs out from an app. With `rd`: where to go
/// afterwards.
pub(crate) async fn ask(visit: Visit, RawQuery(query): RawQuery) -> Response {
    if let Some(id) = one_handle(query.as_deref(), "continue") {
        return visit.pass_through(&id).await;
    }
    let wanted = wanted_return(query.as_deref());
    let return_to = match visit.return_to(wanted.as_deref()) {
        Ok(target) => target,
        Err(response) => return response,
    };
    let session = match visit.session().await {
        Ok(session) => session,
        Err(response) => return response,
    };
    let (Some(session), Some(handle)) = (session, visit.session_handle()) else {
        let mut response = match return_to {
            Some(target) => see_other(target.as_str()),
            None => visit.signed_out_page(Leaving::default()),
        };
        // What several hosts share may be there still, or have been planted.
        visit.forget_session(&mut response);
        return response;
    };
    let relying_party = &visit.door.parts.relying_party;
    let provider = match visit.tenant.provider(&session.person.provider) {
        Some(provider) if relying_party.offers_logout(&visit.tenant, provider).await => {
            Some(provider.name.to_string())
        }
        Some(_) | None => None,
    };
    let page = SignOutPage {
        account: Account::of(&session.person),
        provider,
        action: visit.tenant.base.address("/logout"),
        csrf: Submitted::token(&handle),
        fields: return_to
            .map(|target| HiddenField {
                name: "rd".to_owned(),
                value: target.as_str().to_owned(),
            })
            .into_iter()
            .collect(),
        stay_href: visit.tenant.base.address("/sessions"),
    };
    // The way leads over the provider, which may send people on to hosts that only it knows: browsers hold
    // every redirect after a form against `form-action`.
    let scheme = format!("{}:", visit.tenant.base.origin.scheme());
    visit.page_with_forms(StatusCode::OK, &page, &[&scheme])
}

/// `POST {base}/logout`: ends the session that this browser has here.
pub(crate) async fn confirm(visit: Visit, posted: Posted) -> Response {
    let (handle, form) = match visit.own_form(posted) {
        Ok(found) => found,
        Err(response) => return response,
    };
    let ended = match visit
        .door
        .parts
        .sessions
        .sign_out(&visit.tenant.id, &handle)
        .await
    {
        Ok(ended) => ended,
        Err(error) => return visit.store_failed(&error),
    };
    let return_to = match visit.return_to(form.return_to()) {
        Ok(target) => target,
        Err(response) => return response,
    };
    let next = match visit.leave_for_provider(ended, return_to, None).await {
        Ok(next) => next,
        Err(response) => return response,
    };
    let mut response = see_other(&next.address);
    visit.remember(next.remember, &mut response);
    visit.forget_session(&mut response);
    response
}

/// `GET {base}/signed-out?state=…`: back from the provider, or straight here where it has no logout. From a
/// provider that brings no `state` back, with a cookie in its place.
pub(crate) async fn done(visit: Visit, RawQuery(query): RawQuery) -> Response {
    let cookie = cookies::sign_out(&visit.tenant.id);
    let remembered = visit.cookies.handle(&cookie);
    let stated = one_handle(query.as_deref(), "state");
    let Some(id) = stated.as_ref().or(remembered.as_ref()) else {
        return visit.signed_out_page(Leaving::default());
    };
    let mut response = match visit.take_leaving(id).await {
        Ok(Some(Leaving {
            return_to: Some(target),
            ..
        })) => see_other(&target),
        Ok(leaving) => visit.signed_out_page(leaving.unwrap_or_default()),
        Err(response) => return response,
    };
    if stated.is_none() {
        let mut set = AnswerCookies::default();
        set.forget(&cookie);
        set.write(response.headers_mut());
    }
    response
}

impl Visit {
    /// From an app's host on: to the tenant's host, with a one-time id.
    pub(crate) async fn leave(
        &self,
        ended: EndedSession,
        return_to: Option<ReturnTarget>,
        app: String,
    ) -> Result<Response, Response> {
        let user = crate::sessions::person_of(&ended.session)
            .map(|person| person.user.to_string())
            .map_err(|error| self.store_failed(&error))?;
        let next = self
            .leave_for_provider(Some(ended), return_to, Some(app))
            .await?;
        let id = self.handle::<SignOutKind>();
        let leaving = Leaving {
            provider_address: Some(next.address),
            remember: next.remember.map(|id| id.reveal()),
            user: Some(user),
            ..Leaving::default()
        };
        self.keep_leaving(&id, &leaving).await?;
        let address = format!("/logout?continue={}", id.reveal());
        Ok(see_other(&self.tenant.base.address(&address)))
    }

    /// The address to go to next: the provider's, or `{base}/signed-out`.
    async fn leave_for_provider(
        &self,
        ended: Option<EndedSession>,
        return_to: Option<ReturnTarget>,
        app: Option<String>,
    ) -> Result<Next, Response> {
        // Only a session that was ended is worth a row: anybody can ask, as often as they like.
        if ended.is_none() {
            let home = || self.tenant.base.address("/signed-out");
            let target = return_to.map_or_else(home, |target| target.as_str().to_owned());
            return Ok(Next::to(target));
        }
        let state = self.handle::<SignOutKind>();
        let mut provider_place = None;
        let mut leaving = Leaving {
            return_to: return_to.map(|target| target.as_str().to_owned()),
            app,
            ..Leaving::default()
        };
        if let Some(ended) = &ended {
            let person = match crate::sessions::person_of(&ended.session) {
                Ok(person) => person,
                Err(error) => return Err(self.store_failed(&error)),
            };
            crate::telemetry::metrics::count_session(self.tenant.id.as_str(), "signed_out");
            tracing::info!(
                target: "audit", event = "signed_out", tenant = %self.tenant.id, user = %person.user,
                session = %ended.session.id, request_id = %self.stamp().id,
            );
            leaving.user = Some(person.user.to_string());
            leaving.provider = Some(self.provider_name(&person.provider));
            if let Some(provider) = self.tenant.provider(&person.provider) {
                let relying_party = &self.door.parts.relying_party;
                provider_place = relying_party
                    .logout_address(&self.tenant, provider, ended.id_token.as_ref(), &state)
                    .await;
            }
        }
        let there = provider_place.as_ref();
        leaving.provider_address = there.map(|place| place.address.to_string());
        self.keep_leaving(&state, &leaving).await?;
        Ok(if let Some(place) = provider_place {
            Next {
                address: place.address.into(),
                remember: (!place.returns_state).then_some(state),
            }
        } else {
            let address = format!("/signed-out?state={}", state.reveal());
            Next::to(self.tenant.base.address(&address))
        })
    }

    fn remember(&self, id: Option<Handle<SignOutKind>>, response: &mut Response) {
        if let Some(id) = id {
            let mut set = AnswerCookies::default();
            set.set(&cookies::sign_out(&self.tenant.id), &id, cookies::SHORT);
            set.write(response.headers_mut());
        }
    }

    /// The tenant's own cookie goes, and so does the session behind it, if it is the same person's: an
    /// address that somebody else was sent to must not sign them out.
    async fn pass_through(&self, id: &Handle<SignOutKind>) -> Response {
        let leaving = match self.take_leaving(id).await {
            Ok(leaving) => leaving.unwrap_or_default(),
            Err(response) => return response,
        };
        let Some(next) = leaving.provider_address else {
            return self.signed_out_page(Leaving::default());
        };
        let mut response = see_other(&next);
        self.remember(
            leaving.remember.and_then(|id| id.parse().ok()),
            &mut response,
        );
        let session = match self.session().await {
            Ok(session) => session,
            Err(response) => return response,
        };
        match (session, self.session_handle()) {
            (Some(session), _) if leaving.user != Some(session.person.user.to_string()) => {}
            (Some(_), Some(handle)) => {
                let sessions = &self.door.parts.sessions;
                if let Err(error) = sessions.sign_out(&self.tenant.id, &handle).await {
                    return self.store_failed(&error);
                }
                self.forget_session(&mut response);
            }
            _ => self.forget_session(&mut response),
        }
        response
    }

    fn forget_session(&self, response: &mut Response) {
        let mut set = AnswerCookies::default();
        set.forget_session(&self.tenant);
        if self.tenant.base.on_app_host {
            set.forget(cookies::APP_SESSION);
        }
        set.write(response.headers_mut());
    }

    /// Where the person wants to go afterwards, if it is a place of this tenant's.
    fn return_to(&self, wanted: Option<&str>) -> Result<Option<ReturnTarget>, Response> {
        let Some(wanted) = wanted else {
            return Ok(None);
        };
        let base = &self.tenant.base;
        let target =
            ReturnTarget::parse(wanted, &base.origin, |host| self.tenant.may_return_to(host));
        target.map(Some).map_err(|error| {
            tracing::warn!(
                target: "audit", event = "return_target_refused", tenant = %self.tenant.id, reason = %error,
            );
            let page = ErrorPage::target_refused(self.stamp(), &base.address("/sessions"));
            self.page(StatusCode::BAD_REQUEST, &page)
        })
    }

    async fn keep_leaving(
        &self,
        id: &Handle<SignOutKind>,
        leaving: &Leaving,
    ) -> Result<(), Response> {
        let parts = &self.door.parts;
        let text = serde_json::to_string(leaving).unwrap_or_default();
        parts
            .store
            .begin_sign_out(
                &self.tenant.id,
                id.digest(),
                &text.into(),
                parts.clock.now(),
            )
            .await
            .map_err(|error| self.store_failed(&error))
    }

    async fn take_leaving(&self, id: &Handle<SignOutKind>) -> Result<Option<Leaving>, Response> {
        let parts = &self.door.parts;
        let found = parts
            .store
            .finish_sign_out(&self.tenant.id, id.digest(), parts.clock.now())
            .await
            .map_err(|error| self.store_failed(&error))?;
        Ok(found.and_then(|text| serde_json::from_str(text.expose_secret()).ok()))
    }

    fn signed_out_page(&self, leaving: Leaving) -> Response {
        let mut ended = Vec::new();
        if leaving.user.is_some() {
            ended.extend(leaving.app.map(Ended::App));
            ended.push(Ended::AllApps);
        }
        let still_signed_in = match (leaving.provider, leaving.provider_address) {
            (Some(provider), Some(_)) => {
                ended.push(Ended::Provider(provider));
                None
            }
            (Some(provider), None) => Some(StillSignedIn {
                host: provider.clone(),
                provider,
                because: StillSignedInBecause::NotOffered,
                href: None,
            }),
            (None, _) => None,
        };
        let page = SignedOutPage {
            ended,
            still_signed_in,
            sign_in_href: Some(self.tenant.base.address("/login")),
        };
        self.page(StatusCode::OK, &page)
    }
}
