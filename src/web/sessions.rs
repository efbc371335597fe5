//! My sessions: who I am, where I am signed in, and an end to it.

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, RawQuery};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{StatusCode, header};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

use super::reply::see_other;
use super::visit::Visit;
use crate::domain::email::EmailAddress;
use crate::domain::handle::{FormKind, Handle, SessionKind};
use crate::domain::ids::SessionId;
use crate::sessions::{CurrentSession, ListedSession};
use crate::telemetry::metrics::count_session;
use crate::views::{Account, ErrorPage, Moment, SessionEntry, SessionsPage};

/// What came where a form of ours was expected.
pub(crate) type Posted = Result<Form<Submitted>, FormRejection>;

/// A form of one of our pages.
#[derive(Debug, Deserialize)]
pub(crate) struct Submitted {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    session: String,
    #[serde(default)]
    rd: String,
}

impl Submitted {
    /// Where to go after signing out.
    pub(crate) fn return_to(&self) -> Option<&str> {
        Some(self.rd.as_str()).filter(|rd| !rd.is_empty())
    }

    /// The token of a session's forms: a digest of its handle, which only its browser has.
    pub(crate) fn token(handle: &Handle<SessionKind>) -> String {
        let token = Handle::<FormKind>::from_bytes(handle.expose()).digest();
        URL_SAFE_NO_PAD.encode(token.as_bytes())
    }
}

/// What a form of this page has just done, told by the query of the redirect that follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Ended(SessionId),
    EndedOthers,
}

impl Done {
    fn parse(query: Option<&str>) -> Option<Self> {
        match query?.strip_prefix("ended=")? {
            "others" => Some(Self::EndedOthers),
            id => id.parse().ok().map(Self::Ended),
        }
    }

    fn address(self, visit: &Visit) -> String {
        let what = match self {
            Self::Ended(id) => id.to_string(),
            Self::EndedOthers => "others".to_owned(),
        };
        let address = format!("/sessions?ended={what}");
        visit.tenant.base.address(&address)
    }

    /// Its words, where the list bears them out: anybody can make a link with such a query.
    fn words(self, current: SessionId, list: &[ListedSession]) -> Option<String> {
        match self {
            Self::Ended(id) if list.iter().all(|entry| entry.id != id) => {
                Some("The session has ended.".to_owned())
            }
            Self::EndedOthers if list.iter().all(|entry| entry.id == current) => {
                Some("All other sessions have ended.".to_owned())
            }
            Self::Ended(_) | Self::EndedOthers => None,
        }
    }
}

/// `GET {base}/sessions`
pub(crate) async fn show(visit: Visit, RawQuery(query): RawQuery) -> Response {
    let (session, handle) = match visit.signed_in().await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let parts = &visit.door.parts;
    let list = match parts
        .sessions
        .list(&visit.tenant.id, session.person.user)
        .await
    {
        Ok(list) => list,
        Err(error) => return visit.store_failed(&error),
    };
    let person = &session.person;
    let notice = Done::parse(query.as_deref()).and_then(|done| done.words(session.id, &list));
    let page = SessionsPage {
        account: Account::of(person),
        email: person.email.as_ref().map(EmailAddress::to_string),
        provider: visit.provider_name(&person.provider),
        groups: person.groups.iter().map(ToString::to_string).collect(),
        sessions: list
            .into_iter()
            .map(|entry| SessionEntry {
                id: entry.id.to_string(),
                current: entry.id == session.id,
                browser: entry.browser.user_agent.to_string(),
                address: entry.browser.address.map(|address| address.to_string()),
                provider: visit.provider_name(&entry.person.provider),
                signed_in_at: Moment::of(entry.times.began_at),
                last_used_at: Moment::of(entry.times.used_at),
            })
            .collect(),
        notice,
        end_action: visit.tenant.base.address("/sessions/end"),
        end_others_action: visit.tenant.base.address("/sessions/end-others"),
        sign_out_href: visit.tenant.base.address("/logout"),
        csrf: Submitted::token(&handle),
    };
    visit.page(StatusCode::OK, &page)
}

/// `POST {base}/sessions/end`: ends one of my sessions.
pub(crate) async fn end(visit: Visit, posted: Posted) -> Response {
    let (session, form) = match visit.own_form_of_session(posted).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let Ok(id) = form.session.parse() else {
        return visit.not_found();
    };
    if id == session.id {
        return see_other(&visit.tenant.base.address("/logout"));
    }
    let sessions = &visit.door.parts.sessions;
    match sessions
        .end_one(&visit.tenant.id, session.person.user, id)
        .await
    {
        Ok(ended) => {
            visit.note_ended(&session, ended.then_some(id));
            see_other(&Done::Ended(id).address(&visit))
        }
        Err(error) => visit.store_failed(&error),
    }
}

/// `POST {base}/sessions/end-others`: ends all my sessions but this one.
pub(crate) async fn end_others(visit: Visit, posted: Posted) -> Response {
    let session = match visit.own_form_of_session(posted).await {
        Ok((session, _)) => session,
        Err(response) => return response,
    };
    let sessions = &visit.door.parts.sessions;
    match sessions
        .end_others(&visit.tenant.id, session.person.user, session.id)
        .await
    {
        Ok(ended) => {
            visit.note_ended(&session, ended);
            see_other(&Done::EndedOthers.address(&visit))
        }
        Err(error) => visit.store_failed(&error),
    }
}

impl Visit {
    /// Who is signed in, or the way to sign in.
    async fn signed_in(&self) -> Result<(CurrentSession, Handle<SessionKind>), Response> {
        match (self.session().await?, self.session_handle()) {
            (Some(session), Some(handle)) => Ok((session, handle)),
            _ => Err(see_other(&self.tenant.base.address("/login"))),
        }
    }

    /// Counts and audits sessions that a person has ended from another one of theirs.
    fn note_ended(&self, by: &CurrentSession, ended: impl IntoIterator<Item = SessionId>) {
        for session in ended {
            count_session(self.tenant.id.as_str(), "ended");
            tracing::info!(
                target: "audit", event = "session_ended", tenant = %self.tenant.id, user = %by.person.user,
                session = %session, by = %by.id, request_id = %self.stamp().id,
            );
        }
    }

    /// Where the session is over, a page and not a redirect: browsers hold `form-action` against the
    /// redirect to a provider, and people would see nothing happen.
    async fn own_form_of_session(
        &self,
        posted: Posted,
    ) -> Result<(CurrentSession, Submitted), Response> {
        let (_, form) = self.own_form(posted)?;
        let session = self.session().await?;
        session
            .map(|session| (session, form))
            .ok_or_else(|| self.form_refused(StatusCode::FORBIDDEN))
    }

    /// A form that one of our own pages sent, of this session (by `Origin` or Fetch metadata, and by its
    /// token), and the session's handle.
    ///
    /// # Errors
    /// The page that says that the form cannot be used.
    pub(crate) fn own_form(
        &self,
        posted: Posted,
    ) -> Result<(Handle<SessionKind>, Submitted), Response> {
        let form = self.readable(posted)?;
        let own = self.tenant.base.origin.origin().ascii_serialization();
        let text = |name: header::HeaderName| {
            self.headers
                .get(name)
                .map(|value| value.as_bytes().to_vec())
        };
        let from_here = match (
            text(header::ORIGIN),
            text(header::HeaderName::from_static("sec-fetch-site")),
        ) {
            (Some(origin), _) => origin == own.as_bytes(),
            (None, Some(site)) => site == b"same-origin",
            (None, None) => false,
        };
        let handle = self.session_handle();
        let token = handle.as_ref().map(Submitted::token).unwrap_or_default();
        let fits = !token.is_empty() && bool::from(token.as_bytes().ct_eq(form.csrf.as_bytes()));
        match handle {
            Some(handle) if from_here && fits => Ok((handle, form)),
            _ => {
                tracing::warn!(
                    target: "audit", event = "form_refused", tenant = %self.tenant.id,
                    request_id = %self.stamp().id, from_here, "a form did not come from our own page"
                );
                Err(self.form_refused(StatusCode::FORBIDDEN))
            }
        }
    }

    /// Browsers pack no forms, and what cannot be read is told in our words, not in a library's.
    fn readable(&self, posted: Posted) -> Result<Submitted, Response> {
        match posted {
            Ok(Form(form)) if !self.headers.contains_key(header::CONTENT_ENCODING) => Ok(form),
            Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(self.form_refused(StatusCode::PAYLOAD_TOO_LARGE))
            }
            _ => Err(self.form_refused(StatusCode::BAD_REQUEST)),
        }
    }

    fn form_refused(&self, status: StatusCode) -> Response {
        let back = self.tenant.base.address("/sessions");
        self.page(status, &ErrorPage::form_expired(self.stamp(), &back))
    }
}
