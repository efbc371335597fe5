//! Our paths on an app's own host: where a sign-in is asked for, where its ticket comes back, where it ends.

use axum::extract::RawQuery;
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::asked_address::{LoginQuery, shown, wanted_return};
use super::cookies::{self, AnswerCookies, Attempt, lifetime, tag};
use super::reply::{bare, see_other};
use super::visit::AppVisit;
use crate::access::Counted;
use crate::domain::caller::Schemes;
use crate::domain::handle::{BindingKind, TicketKind};
use crate::domain::host::Host;
use crate::domain::identity::Person;
use crate::domain::login_offer::is_navigation;
use crate::domain::policy::Refusal;
use crate::domain::return_target::{InvalidReturnTarget, ReturnTarget};
use crate::telemetry::metrics::count_ticket;
use crate::views::{Account, ErrorPage, Incident, RefusedPage};

/// `GET {prefix}/sign_in` and `/start`: remembers where the person wants to go, and sends them to the
/// tenant's login with one opaque id.
pub(crate) async fn sign_in(at: AppVisit, RawQuery(query): RawQuery) -> Response {
    // A background call must not begin a login that nobody completes.
    if !is_navigation(Some(&at.asked_method()), &at.visit.headers) {
        return super::challenges::sign_in_required(
            at.visit.tenant.id.as_str(),
            at.visit.door.prefix(),
            Schemes::SESSION,
        );
    }
    if let Err(response) = at.visit.within_limit(Counted::Login, &at.home()) {
        return response;
    }
    let wanted = wanted(&at, query.as_deref());
    let target = match at.return_target(wanted.as_deref().unwrap_or("/")) {
        Ok(target) => target,
        Err(error) => return at.refuse_target(wanted.as_deref(), error),
    };
    let visit = &at.visit;
    let parts = &visit.door.parts;
    let asked = parts
        .sessions
        .ask_sign_in(
            &visit.tenant.id,
            at.app(),
            &at.host,
            target.as_str().to_owned(),
            visit.network(),
            parts.waiting,
        )
        .await;
    let asked = match asked {
        Ok(Ok(asked)) => asked,
        Ok(Err(_)) => return visit.too_many(at.home().as_str()),
        Err(error) => return visit.store_failed(&error),
    };
    let address = LoginQuery::passed_on(query.as_deref(), &asked.id);
    let mut response = see_other(&visit.tenant.base.address(&address));
    if !at.is_tenants_own() {
        let mut set = AnswerCookies::default();
        set.set_attempt(
            Attempt::Binding,
            &tag(&asked.id.digest()),
            &asked.binding,
            parts.clock.now(),
            &visit.cookies,
        );
        set.write(response.headers_mut());
    }
    response
}

/// `GET {prefix}/callback?ticket=…`: redeems a ticket, nothing else.
pub(crate) async fn callback(at: AppVisit, RawQuery(query): RawQuery) -> Response {
    // Any page of the web can embed this address, and would use up the limit of the people who look at it.
    if !is_navigation(None, &at.visit.headers) {
        return bare(StatusCode::UNAUTHORIZED, "open this address in a browser\n");
    }
    if let Err(response) = at.visit.within_limit(Counted::Ticket, &at.home()) {
        return response;
    }
    let Some((tag, ticket)) = query.as_deref().and_then(only_ticket) else {
        return at.refuse_ticket("there is no ticket, or more than one", false);
    };
    let binding = at
        .visit
        .cookies
        .attempt::<BindingKind>(Attempt::Binding, &tag);
    let Some(binding) = binding else {
        return at.refuse_ticket("its binding cookie is missing", at.visit.cookies.is_empty());
    };
    let entered = at
        .visit
        .door
        .parts
        .sessions
        .redeem(&at.visit.tenant.id, at.app(), &at.host, &ticket, &binding)
        .await;
    let entered = match entered {
        Ok(Some(entered)) => entered,
        Ok(None) => {
            let reason = "it is unknown here, used up or too old, or its session is over";
            return at.refuse_ticket(reason, false);
        }
        Err(error) => return at.visit.store_failed(&error),
    };
    count_ticket(at.visit.tenant.id.as_str(), at.app().as_str(), "redeemed");
    tracing::info!(
        target: "audit", event = "app_entered", tenant = %at.visit.tenant.id, app = %at.app(),
        user = %entered.person.user, session = %entered.session, request_id = %at.visit.stamp().id,
    );
    let circle = at.visit.in_a_circle(&entered.sign_in, entered.rounds);
    let mut response = match circle.await {
        Some(page) => page,
        None => see_other(&entered.sign_in.target),
    };
    let mut set = AnswerCookies::default();
    set.set(
        cookies::APP_SESSION,
        &entered.handle,
        lifetime(&at.visit.tenant),
    );
    set.forget_attempt(Attempt::Binding, &tag);
    set.write(response.headers_mut());
    response
}

/// `GET {prefix}/sign_out?rd=…`: ends the session everywhere, then goes on to the provider by way of the
/// tenant's host, which has a cookie of its own to remove.
pub(crate) async fn sign_out(at: AppVisit, RawQuery(query): RawQuery) -> Response {
    let visit = &at.visit;
    // An image, a frame or a script of another site, or of a sibling host, must not sign anybody out.
    let site = visit.headers.get("sec-fetch-site");
    if site.is_some_and(|site| site != "same-origin" && site != "none")
        && !is_navigation(Some(&Method::GET), &visit.headers)
    {
        return bare(StatusCode::FORBIDDEN, "sign out by opening this address\n");
    }
    let wanted = wanted_return(query.as_deref());
    // An address that is not ours to return to is no reason to keep anybody signed in.
    let return_to = wanted.as_deref().and_then(|wanted| {
        at.return_target(wanted)
            .inspect_err(|error| at.audit_target(Some(wanted), *error))
            .ok()
    });
    let ended = match visit.cookies.handle(cookies::APP_SESSION) {
        Some(handle) => {
            let sessions = &visit.door.parts.sessions;
            sessions
                .sign_out_of_app(&visit.tenant.id, &at.host, &handle)
                .await
        }
        None => Ok(None),
    };
    let ended = match ended {
        Ok(ended) => ended,
        Err(error) => return visit.store_failed(&error),
    };
    let mut response = if let Some(ended) = ended {
        match visit.leave(ended, return_to, at.app_name()).await {
            Ok(response) | Err(response) => response,
        }
    } else {
        // Nothing to end here; the tenant's page knows whether there is something there.
        let query = return_to.map(|target| {
            let mut query = url::form_urlencoded::Serializer::new("?".to_owned());
            query.append_pair("rd", target.as_str()).finish()
        });
        let path = format!("/logout{}", query.unwrap_or_default());
        see_other(&visit.tenant.base.address(&path))
    };
    let mut set = AnswerCookies::default();
    set.forget(cookies::APP_SESSION);
    set.write(response.headers_mut());
    response
}

/// `GET {prefix}/userinfo`: who is signed in, as oauth2-proxy tells it.
pub(crate) async fn userinfo(at: AppVisit) -> Response {
    let Some(handle) = cookies::app_session(&at.visit.headers) else {
        return bare(StatusCode::UNAUTHORIZED, "not signed in\n");
    };
    let found = at
        .visit
        .door
        .gate
        .sessions
        .check(&at.visit.tenant.id, &at.host, &handle.digest())
        .await;
    match found {
        Ok(Some(session)) if session.app() == at.app() => {
            let person = session.person();
            axum::Json(known(person)).into_response()
        }
        Ok(_) => bare(StatusCode::UNAUTHORIZED, "not signed in\n"),
        Err(error) => at.visit.store_failed(&error),
    }
}

/// What oauth2-proxy tells, and beside it what OpenID Connect has names for; picture and language are there only
/// where an app asks for them.
fn known(person: &Person) -> Value {
    let mut known = json!({
        "user": person.user.to_string(),
        "email": person.email,
        "groups": person.groups,
        "preferredUsername": person.preferred_username,
        "name": person.name,
        "roles": person.roles,
    });
    if let (Some(known), Some(details)) = (known.as_object_mut(), &person.details) {
        let told = [("picture", &details.picture), ("locale", &details.locale)];
        let told = told.into_iter().filter_map(|(name, value)| {
            let value = value.as_deref()?;
            Some((name.to_owned(), value.into()))
        });
        known.extend(told);
    }
    known
}

impl AppVisit {
    /// This host, as an origin. Apps share their tenant's scheme.
    pub(super) fn origin(&self) -> Option<Url> {
        let scheme = self.visit.tenant.base.origin.scheme();
        Url::parse(&format!("{scheme}://{}/", self.host)).ok()
    }

    /// Where another account can be chosen to open `target` with, on this host.
    pub(super) fn another_account(&self, target: &str) -> String {
        let prefix = self.visit.door.prefix().trim_start_matches('/');
        format!("{}{prefix}/sign_in?{}", self.home(), another(target))
    }

    /// Where "start again" leads: the app itself.
    pub(super) fn home(&self) -> String {
        self.origin().map_or_else(|| "/".to_owned(), String::from)
    }

    /// The page for `person`, who is signed in and may not open the address `target` of this app. Where the
    /// host shares the tenant's cookie, nothing of ours may be routed here: its links lead to the tenant's host.
    pub(super) fn refused(&self, person: &Person, target: &str, refusal: Refusal) -> Response {
        let visit = &self.visit;
        let base = &visit.tenant.base;
        let (switch_account, sign_out) = if visit.tenant.parent_cookie_at(&self.host).is_some() {
            let query = another(target);
            (
                base.address(&format!("/login?{query}")),
                base.address("/logout"),
            )
        } else {
            let prefix = visit.door.prefix().trim_start_matches('/');
            (
                self.another_account(target),
                format!("{}{prefix}/sign_out", self.home()),
            )
        };
        let stamp = visit.stamp();
        let page = RefusedPage {
            account: Account::of(person),
            provider: visit.provider_name(&person.provider),
            app: self.app_name(),
            host: self.host.to_string(),
            class: refusal.into(),
            switch_account_href: switch_account,
            sign_out_href: Some(sign_out),
            contact: visit.contact(),
            incident: Incident::new(stamp.id, stamp.at, "refused_by_policy"),
        };
        visit.page(StatusCode::FORBIDDEN, &page)
    }

    fn return_target(&self, wanted: &str) -> Result<ReturnTarget, InvalidReturnTarget> {
        let here = self.origin().ok_or(InvalidReturnTarget::Malformed)?;
        ReturnTarget::parse(wanted, &here, |host: &Host| {
            *host == self.host || self.visit.tenant.may_return_to(host)
        })
    }

    /// The method that the person's request had, where a proxy passes that request on to us; else our own.
    fn asked_method(&self) -> Method {
        self.visit
            .headers
            .get("x-original-method")
            .and_then(|value| Method::from_bytes(value.as_bytes()).ok())
            .unwrap_or(Method::GET)
    }

    fn audit_target(&self, wanted: Option<&str>, error: InvalidReturnTarget) {
        tracing::warn!(
            target: "audit", event = "return_target_refused", tenant = %self.visit.tenant.id,
            app = %self.app(), wanted = wanted.map(shown).map(tracing::field::debug), reason = %error,
        );
    }

    fn refuse_target(&self, wanted: Option<&str>, error: InvalidReturnTarget) -> Response {
        self.audit_target(wanted, error);
        let page = ErrorPage::target_refused(self.visit.stamp(), &self.home());
        self.visit.page(StatusCode::BAD_REQUEST, &page)
    }

    fn refuse_ticket(&self, reason: &str, without_cookies: bool) -> Response {
        let stamp = self.visit.stamp();
        count_ticket(
            self.visit.tenant.id.as_str(),
            self.app().as_str(),
            "refused",
        );
        tracing::warn!(
            target: "audit", event = "ticket_refused", tenant = %self.visit.tenant.id, app = %self.app(),
            request_id = %stamp.id, reason,
        );
        let page = if without_cookies {
            self.visit
                .cookies_refused(&self.host.to_string(), &self.home())
        } else {
            ErrorPage::ticket_invalid(stamp, &self.home())
        };
        self.visit.page(StatusCode::BAD_REQUEST, &page)
    }

    /// Whether the tenant's pages are on this host: then its login sets the app's cookie itself.
    fn is_tenants_own(&self) -> bool {
        let base = &self.visit.tenant.base;
        base.on_app_host && base.host == self.host
    }
}

/// What asks for another account to open `target` with.
fn another(target: &str) -> String {
    url::form_urlencoded::Serializer::new("another=1".to_owned())
        .append_pair("rd", target)
        .finish()
}

/// Where the person wants to go: `rd`, else the header that proxies send.
fn wanted(at: &AppVisit, query: Option<&str>) -> Option<String> {
    wanted_return(query).or_else(|| {
        let header = at.visit.headers.get("x-auth-request-redirect")?;
        header
            .to_str()
            .ok()
            .filter(|text| !text.is_empty())
            .map(ToOwned::to_owned)
    })
}

/// `ticket`, once: the tag of its sign-in, and the ticket itself.
fn only_ticket(query: &str) -> Option<(String, crate::domain::handle::Handle<TicketKind>)> {
    let mut found =
        url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "ticket");
    let (Some((_, value)), None) = (found.next(), found.next()) else {
        return None;
    };
    let (tag, ticket) = value.split_once('.')?;
    Some((tag.to_owned(), ticket.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::none("")]
    #[case::no_tag("ticket=AAAAAAAAAAAAAAAAAAAAAA")]
    #[case::twice("ticket=a.AAAAAAAAAAAAAAAAAAAAAA&ticket=a.AAAAAAAAAAAAAAAAAAAAAA")]
    #[case::malformed("ticket=a.b")]
    fn t24_a_malformed_ticket_is_none(#[case] query: &str) {
        assert!(only_ticket(query).is_none());
    }
}
