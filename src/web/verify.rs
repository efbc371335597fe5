//! `POST {base}/verify`: a service has judged what a caller of its own has shown, by the code of the check.
//!
//! Invariants: whoever asks has proved who they are before anything is looked at; they learn about apps that the
//! configuration gives them, and whether there are others they do not. No cookie counts, neither theirs nor one
//! that they pass on. What cannot be judged now is neither good nor bad.

use std::net::{IpAddr, SocketAddr};

use axum::body::Bytes;
use axum::extract::ConnectInfo;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::permissions::{is_json, known, method, reason};
use super::tokens::{error, too_many, unavailable};
use super::visit::Visit;
use crate::access::{
    CheckRequest, CheckTarget, Counted, CredentialFault, Denied, Dialect, Found, Place, Question,
    Verdict, Whoever,
};
use crate::domain::host::Host;
use crate::domain::ids::AppId;
use crate::domain::machine_client::MachineClient;
use crate::domain::policy::{Refusal, Source};
use crate::jose;
use crate::openid_provider::{OF_THE_CLIENT, TokenRequest};
use crate::telemetry::metrics::count_verification;
use crate::tenants::{AppAt, Directory};

/// What may stand in a question, beside who asks.
const MEMBERS: [&str; 9] = [
    "app",
    "token",
    "scheme",
    "authorization",
    "scopes",
    "method",
    "path",
    "host",
    "address",
];

/// Most scopes that may be asked for.
const MOST_SCOPES: usize = 100;

/// Longest text in a question but what the caller has shown, in bytes.
const LONGEST: usize = 2048;

/// What is asked, read and not believed.
#[derive(Debug)]
struct Asked<'a> {
    app: Option<AppId>,
    /// What the caller has shown, as it would stand in a request: in the header for keys, or in `Authorization`.
    shown: (Shown, HeaderValue),
    scopes: Vec<&'a str>,
    question: Question,
    host: Option<Host>,
    address: Option<IpAddr>,
}

/// Where what a caller has shown would stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Authorization,
    Key,
}

/// What came of it.
enum Judged {
    Active(Whoever),
    /// In a word, and why in full for the log.
    Inactive(Value, Box<str>),
}

/// `POST {base}/verify`.
pub(crate) async fn verify(
    visit: Visit,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if let Err(response) = visit.within_machines_limit(Counted::Introspection) {
        return response;
    }
    let members = body.as_ref().ok().filter(|_| is_json(&headers));
    let members = members.and_then(|body| jose::object(body));
    let request = TokenRequest::of_members(members.as_ref());
    let client = match visit.client(&request).await {
        Ok(client) => client.client(),
        Err(response) => return response,
    };
    if body.is_err() {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "the body cannot be read");
    }
    if !is_json(&headers) {
        let why = "application/json without a content coding is expected";
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, why);
    }
    let asked = members.as_ref().ok_or("the body is no JSON object");
    match asked.and_then(Asked::read) {
        Ok(asked) => visit.verified(client, &asked, peer.ip()).await,
        Err(why) => refused(StatusCode::BAD_REQUEST, why),
    }
}

impl Visit {
    async fn verified(&self, client: &MachineClient, asked: &Asked<'_>, peer: IpAddr) -> Response {
        let tenant = &self.tenant.id;
        let directory = self.door.gate.directory.snapshot();
        let (at, host) = match place(&directory, self, client, asked) {
            Ok(place) => place,
            Err(response) => return response,
        };
        let (outcome, response) = match self
            .judge(&directory, (at, host.as_ref()), asked, peer)
            .await
        {
            Ok(Judged::Active(whoever)) => {
                let mut told = whoever.subject().map(|it| known(&it)).unwrap_or_default();
                told.insert("active".to_owned(), true.into());
                ("active", axum::Json(told).into_response())
            }
            Ok(Judged::Inactive(word, why)) => {
                tracing::info!(
                    target: "audit", event = "verification_refused", tenant = %tenant, app = %at.app.id,
                    client = %client.id, word = word.as_str(), reason = %why,
                    request_id = %self.stamp().id,
                );
                let told = json!({ "active": false, "reason": word });
                ("inactive", axum::Json(told).into_response())
            }
            Err(response) => ("unjudged", response),
        };
        count_verification(tenant.as_str(), outcome);
        response
    }

    async fn judge(
        &self,
        directory: &Directory,
        (at, host): (AppAt<'_>, Option<&Host>),
        asked: &Asked<'_>,
        peer: IpAddr,
    ) -> Result<Judged, Response> {
        let nowhere;
        let found = Found {
            directory,
            at,
            // Only sessions are kept by it, and none is shown.
            host: if let Some(host) = host {
                host
            } else {
                nowhere = self.tenant.base.host.clone();
                &nowhere
            },
        };
        let headers = asked.headers(&at.tenant.api_key_header);
        let request = CheckRequest {
            headers: &headers,
            dialect: Dialect::OAuth2Proxy { limits: None },
            peer: asked.address.unwrap_or(peer),
            app_session: None,
            parent_session: |_, _| None,
        };
        let place = Place {
            found,
            host,
            source: asked.address.map_or(Source::Unknown, Source::Address),
        };
        let questions = std::slice::from_ref(&asked.question);
        let nothing = CheckTarget::default();
        let answered = self.door.gate.ask(&request, &nothing, place, questions);
        let (whoever, answers) = match answered.await {
            Ok(answered) => answered,
            Err(verdict) => return inactive(verdict),
        };
        let missing = whoever.subject().and_then(|subject| {
            let mut wanted = asked.scopes.iter();
            wanted.find(|scope| !subject.scopes.iter().any(|has| **has == ***scope))
        });
        let denied = answers.into_iter().find_map(Result::err);
        Ok(match (denied, missing) {
            (None, None) => Judged::Active(whoever),
            (denied, _) => {
                let denied = denied.unwrap_or(Denied::Refused(Refusal::Scope));
                let why = match denied {
                    Denied::Refused(refusal) => refusal.to_string(),
                    Denied::Ambiguous => "the path has no single meaning".to_owned(),
                };
                Judged::Inactive(reason(denied), why.into())
            }
        })
    }
}

/// The app, and the host if it is known: the one that is named, or the only one that there can be.
fn place<'d>(
    directory: &'d Directory,
    visit: &Visit,
    client: &MachineClient,
    asked: &Asked<'_>,
) -> Result<(AppAt<'d>, Option<Host>), Response> {
    let named = match (&asked.app, client.verifies.as_slice()) {
        (Some(app), all) => all.iter().find(|it| *it == app),
        (None, [only]) => Some(only),
        (None, []) => None,
        (None, _) => {
            let why = "this client may verify for several apps: name one in `app`";
            return Err(refused(StatusCode::BAD_REQUEST, why));
        }
    };
    let at = named.and_then(|app| directory.app_named(&visit.tenant.id, app));
    let Some(at) = at else {
        tracing::warn!(
            target: "audit", event = "verification_refused", tenant = %visit.tenant.id, client = %client.id,
            reason = "it may not verify for this app (`verifies`)", request_id = %visit.stamp().id,
        );
        let why = "this client may not verify for that app";
        return Err(error(StatusCode::FORBIDDEN, "access_denied", why));
    };
    let host = match (&asked.host, at.app.hosts.as_slice()) {
        (Some(host), _) => {
            let here = directory.app_at(host);
            if !here.is_some_and(|it| it.tenant.id == at.tenant.id && it.index == at.index) {
                let why = "`host` is none of this app's";
                return Err(refused(StatusCode::BAD_REQUEST, why));
            }
            Some(host.clone())
        }
        (None, [only]) => only.exact(),
        (None, _) => None,
    };
    Ok((at, host))
}

/// What a check would refuse, in a word; what it could not judge is no answer.
fn inactive(verdict: Verdict) -> Result<Judged, Response> {
    let (word, why): (&str, Box<str>) = match verdict {
        Verdict::Unaccepted(unaccepted) => {
            let word = match unaccepted.fault {
                CredentialFault::Unjudged => return Err(unavailable(LATER)),
                CredentialFault::Malformed => "malformed",
                CredentialFault::Invalid => "invalid",
                CredentialFault::Unattested => "unattested",
            };
            (word, unaccepted.reason)
        }
        Verdict::Unavailable(_) => return Err(unavailable(LATER)),
        Verdict::OverLimit(over) => return Err(too_many(over)),
        _ => ("not_accepted", "the app accepts no such scheme".into()),
    };
    Ok(Judged::Inactive(word.into(), why))
}

const LATER: &str = "this cannot be judged now: ask again";

fn refused(status: StatusCode, why: &str) -> Response {
    error(status, "invalid_request", why)
}

impl<'a> Asked<'a> {
    fn read(members: &'a Map<String, Value>) -> Result<Self, &'static str> {
        let known = |name: &str| MEMBERS.contains(&name) || OF_THE_CLIENT.contains(&name);
        if !members.keys().all(|name| known(name)) {
            return Err("there is a member that nobody knows");
        }
        let text = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.as_str())),
            Some(_) => Err("a member is not the text that it should be"),
        };
        let short = |name: &str| {
            let found = text(name)?;
            match found.filter(|text| text.len() > LONGEST) {
                Some(_) => Err("a member is too long"),
                None => Ok(found),
            }
        };
        let app = short("app")?.map(str::parse).transpose();
        let address = short("address")?.map(str::parse::<IpAddr>).transpose();
        let host = short("host")?
            .map(|host| Host::parse(host, 443))
            .transpose();
        Ok(Self {
            // No app has such a name: it is refused like any other that is not this client's.
            app: app.map_err(|_| "`app` is no name of an app")?,
            shown: shown(text("token")?, short("scheme")?, text("authorization")?)?,
            scopes: scopes(members.get("scopes"))?,
            question: Question {
                path: short("path")?.map(Into::into),
                method: short("method")?.map(method).transpose()?,
            },
            host: host.map_err(|_| "`host` is no host")?,
            address: address
                .map_err(|_| "`address` is no IP address")?
                .map(|address| address.to_canonical()),
        })
    }

    /// A request that shows this and nothing else.
    fn headers(&self, key: &HeaderName) -> HeaderMap {
        let (place, value) = &self.shown;
        let name = match place {
            Shown::Authorization => header::AUTHORIZATION,
            Shown::Key => key.clone(),
        };
        HeaderMap::from_iter([(name, value.clone())])
    }
}

/// `token`, a bearer's or with `scheme` a key, or `authorization` as the caller has sent it.
fn shown(
    token: Option<&str>,
    scheme: Option<&str>,
    authorization: Option<&str>,
) -> Result<(Shown, HeaderValue), &'static str> {
    let (place, text) = match (token, scheme, authorization) {
        (Some(token), None | Some("bearer"), None) => {
            (Shown::Authorization, format!("Bearer {token}"))
        }
        (Some(key), Some("api_key"), None) => (Shown::Key, key.to_owned()),
        (None, None, Some(whole)) => (Shown::Authorization, whole.to_owned()),
        (Some(_), Some(_), None) => return Err("`scheme` is \"bearer\" or \"api_key\""),
        _ => return Err("say `token`, or `authorization`, and one of them"),
    };
    let mut value =
        HeaderValue::try_from(text).map_err(|_| "what was shown could stand in no header")?;
    value.set_sensitive(true);
    Ok((place, value))
}

fn scopes(value: Option<&Value>) -> Result<Vec<&str>, &'static str> {
    const LIST: &str = "`scopes` is a list of at most 100 texts";
    let Some(value) = value else {
        return Ok(Vec::new());
    };
    let all = value.as_array().filter(|all| all.len() <= MOST_SCOPES);
    let all = all.ok_or(LIST)?.iter();
    all.map(|scope| scope.as_str().ok_or(LIST)).collect()
}
