//! `{prefix}/permissions`: what whoever asks may do at this app, by the word of the check.
//!
//! Invariant: an answer is about the caller of this very request, and of nobody else. Nothing in it lets anything
//! pass: the check decides again.

use std::net::SocketAddr;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, RawQuery};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use serde_json::{Map, Value, json};

use super::check;
use super::visit::AppVisit;
use crate::access::{Answer, CheckTarget, Denied, Found, Question, Verdict};
use crate::domain::caller::Subject;
use crate::domain::ids::{ProviderId, TrustedIssuerId};
use crate::jose;

/// Most questions in one request.
const MOST: usize = 100;

/// Longest path, in bytes.
const LONGEST: usize = 2048;

/// `GET {prefix}/permissions?path=…&method=…`: each `path` is a question, and the `method` behind it (else GET) is
/// its method.
pub(crate) async fn list(
    at: AppVisit,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Response {
    match of_query(query.as_deref().unwrap_or_default()) {
        Ok(questions) => answer(&at, peer, &uri, &questions).await,
        Err(why) => malformed(StatusCode::BAD_REQUEST, why),
    }
}

/// `POST {prefix}/permissions`, `{"questions": [{"path": "/a", "method": "GET"}]}`: the same for long lists.
pub(crate) async fn list_posted(
    at: AppVisit,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Ok(body) = body else {
        return malformed(StatusCode::PAYLOAD_TOO_LARGE, "the body cannot be read");
    };
    if !is_json(&headers) {
        return malformed(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "application/json without a content coding is expected",
        );
    }
    match of_body(&body) {
        Ok(questions) => answer(&at, peer, &uri, &questions).await,
        Err(why) => malformed(StatusCode::BAD_REQUEST, why),
    }
}

async fn answer(at: &AppVisit, peer: SocketAddr, uri: &Uri, questions: &[Question]) -> Response {
    let door = &at.visit.door;
    let directory = door.gate.directory.snapshot();
    let Some(app) = directory.app_at(&at.host) else {
        return at.visit.not_found();
    };
    let found = Found {
        directory: &directory,
        at: app,
        host: &at.host,
    };
    let own = CheckTarget {
        path_and_query: uri.path_and_query().map(http::uri::PathAndQuery::as_str),
        ..CheckTarget::default()
    };
    let request = check::question(&at.visit.headers, None, peer.ip());
    let asked = door
        .gate
        .ask_about_oneself(&request, &own, found, questions);
    match asked.await {
        Ok((whoever, answers)) => {
            let mut told = whoever.subject().map(|it| known(&it)).unwrap_or_default();
            let answers = questions.iter().zip(&answers);
            let answers = answers.map(|(question, answer)| told_of(question, *answer));
            told.insert("answers".to_owned(), answers.collect());
            axum::Json(told).into_response()
        }
        Err(verdict) => {
            let status = match &verdict {
                Verdict::OverLimit(_) => StatusCode::TOO_MANY_REQUESTS,
                verdict => check::status(verdict),
            };
            let mut response = check::empty(status);
            check::refuse(&mut response, verdict, door);
            response
        }
    }
}

/// Who somebody is, as services are told.
pub(super) fn known(subject: &Subject<'_>) -> Map<String, Value> {
    let known = json!({
        "user": subject.user.to_string(),
        "scheme": subject.scheme,
        "subject": subject.subject,
        "issuer": subject.issuer.map(TrustedIssuerId::as_str),
        "provider": subject.provider.map(ProviderId::as_str),
        "client": subject.client,
        "email": subject.email,
        "name": subject.name,
        "preferredUsername": subject.preferred_username,
        "groups": subject.groups,
        "roles": subject.roles,
        "scopes": subject.scopes,
        "permissions": subject.permissions,
    });
    match known {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn told_of(question: &Question, answer: Answer) -> Value {
    let (path, method) = (&question.path, question.method.as_ref().map(Method::as_str));
    match answer {
        Ok(()) => json!({ "path": path, "method": method, "allowed": true }),
        Err(denied) => {
            json!({ "path": path, "method": method, "allowed": false, "reason": reason(denied) })
        }
    }
}

/// The class of a refusal: lists are not told.
pub(super) fn reason(denied: Denied) -> Value {
    match denied {
        Denied::Ambiguous => "ambiguous".into(),
        Denied::Refused(refusal) => serde_json::to_value(refusal).unwrap_or_default(),
    }
}

fn of_query(query: &str) -> Result<Vec<Question>, &'static str> {
    let mut questions: Vec<Question> = Vec::new();
    let mut may_have_method = false;
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "path" => {
                questions.push(question(Some(&value), None)?);
                may_have_method = true;
            }
            "method" => {
                let last = questions.last_mut().filter(|_| may_have_method);
                let last = last.ok_or("a `method` stands behind its `path`, once")?;
                last.method = Some(method(&value)?);
                may_have_method = false;
            }
            // A key may stand there, and whatever callers add.
            _ => {}
        }
    }
    bounded(questions)
}

fn of_body(body: &[u8]) -> Result<Vec<Question>, &'static str> {
    const SHAPE: &str = "write {\"questions\": [{\"path\": \"/a\", \"method\": \"GET\"}]}";
    let members = jose::object(body).ok_or("the body is no JSON object that can be read")?;
    let all = members.get("questions").and_then(Value::as_array);
    let all = all.filter(|_| members.len() == 1).ok_or(SHAPE)?;
    let one = |value: &Value| {
        let members = value.as_object().ok_or(SHAPE)?;
        let text = |name: &str| members.get(name).map(|it| it.as_str().ok_or(SHAPE));
        let (path, method) = (text("path").transpose()?, text("method").transpose()?);
        let known = usize::from(path.is_some()) + usize::from(method.is_some());
        if members.len() != known {
            return Err(SHAPE);
        }
        question(path, method)
    };
    if all.len() > MOST {
        return Err(TOO_MANY);
    }
    bounded(all.iter().map(one).collect::<Result<_, _>>()?)
}

const TOO_MANY: &str = "there are more than 100 questions";

fn bounded(questions: Vec<Question>) -> Result<Vec<Question>, &'static str> {
    if questions.len() > MOST {
        return Err(TOO_MANY);
    }
    Ok(questions)
}

/// Whoever says no method means GET.
fn question(path: Option<&str>, named: Option<&str>) -> Result<Question, &'static str> {
    let path = path.ok_or("a question has no `path`")?;
    if path.len() > LONGEST {
        return Err("a `path` is longer than 2048 bytes");
    }
    Ok(Question {
        path: Some(path.into()),
        method: Some(named.map_or(Ok(Method::GET), method)?),
    })
}

/// A method as it is sent (RFC 9110 §9.1).
pub(super) fn method(text: &str) -> Result<Method, &'static str> {
    let fits = (1..=32).contains(&text.len());
    let method = Method::from_bytes(text.as_bytes()).ok();
    method.filter(|_| fits).ok_or("a `method` is none")
}

/// Whether the body says that it is JSON, in no coding in which it could be of any size.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let coding = headers.get(header::CONTENT_ENCODING);
    kind.eq_ignore_ascii_case("application/json") && coding.is_none_or(|it| it == "identity")
}

fn malformed(status: StatusCode, why: &'static str) -> Response {
    let body = json!({ "error": "invalid_request", "error_description": why });
    (status, axum::Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn shown(questions: &[Question]) -> Vec<String> {
        let shown = |it: &Question| {
            let method = it.method.as_ref().map_or("", Method::as_str);
            format!("{method} {}", it.path.as_deref().unwrap_or_default())
        };
        questions.iter().map(shown).collect()
    }

    #[rstest]
    #[case::none("", &[])]
    #[case::one("path=/a", &["GET /a"])]
    #[case::with_a_method("path=/a&method=POST", &["POST /a"])]
    #[case::several("path=/a&path=/b&method=PUT&path=%2Fc%3Fd", &["GET /a", "PUT /b", "GET /c?d"])]
    #[case::others("api-key=x&path=/a&y", &["GET /a"])]
    fn a_query_is_a_list_of_questions(#[case] query: &str, #[case] expected: &[&str]) {
        assert_eq!(shown(&of_query(query).expect("right")), expected);
    }

    #[rstest]
    #[case::method_first("method=GET&path=/a")]
    #[case::two_methods("path=/a&method=GET&method=POST")]
    #[case::no_method("path=/a&method=")]
    #[case::bad_method("path=/a&method=G%20ET")]
    fn a_query_that_can_mean_two_things_is_refused(#[case] query: &str) {
        assert!(of_query(query).is_err());
    }

    #[rstest]
    #[case::usual(r#"{"questions":[{"path":"/a"},{"path":"/b","method":"PUT"}]}"#, Some(&["GET /a", "PUT /b"][..]))]
    #[case::empty(r#"{"questions":[]}"#, Some(&[][..]))]
    #[case::no_object("[]", None)]
    #[case::no_json("path=/a", None)]
    #[case::no_list(r#"{"questions":{"path":"/a"}}"#, None)]
    #[case::doubled(r#"{"questions":[],"questions":[]}"#, None)]
    #[case::more(r#"{"questions":[],"user":"ada"}"#, None)]
    #[case::no_path(r#"{"questions":[{"method":"GET"}]}"#, None)]
    #[case::path_is_null(r#"{"questions":[{"path":null}]}"#, None)]
    #[case::path_is_a_list(r#"{"questions":[{"path":["/a"]}]}"#, None)]
    #[case::more_in_one(r#"{"questions":[{"path":"/a","user":"ada"}]}"#, None)]
    fn a_body_is_a_list_of_questions(#[case] body: &str, #[case] expected: Option<&[&str]>) {
        let read = of_body(body.as_bytes()).ok();
        assert_eq!(
            read.as_deref().map(shown),
            expected.map(|all| all.iter().map(ToString::to_string).collect())
        );
    }

    #[test]
    fn t23_questions_are_bounded() {
        let many = |count: usize| "path=/a&".repeat(count);
        assert_eq!(of_query(&many(MOST)).expect("right").len(), MOST);
        assert_eq!(of_query(&many(MOST + 1)), Err(TOO_MANY));
        let body = |count: usize| {
            let all = vec![json!({"path": "/a"}); count];
            json!({ "questions": all }).to_string()
        };
        assert_eq!(of_body(body(MOST).as_bytes()).expect("right").len(), MOST);
        assert_eq!(of_body(body(MOST + 1).as_bytes()), Err(TOO_MANY));
        let long = format!("path=/{}", "a".repeat(LONGEST));
        assert!(of_query(&long).is_err());
        let deep = format!("{{\"questions\":{}1{}}}", "[".repeat(60), "]".repeat(60));
        assert!(of_body(deep.as_bytes()).is_err());
    }
}
