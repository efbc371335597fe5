//! `[[profile_requests]]`: what is asked about a person, with the access token.

use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::layers::{Layers, Names};
use super::template::Template;
use crate::config::quoted;
use crate::config::reader::{Item, Section};
use crate::domain::profile_request::Asked;

#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) name: Box<str>,
    pub(super) url: Template,
    pub(super) method: Method,
    /// JSON, of a request by POST.
    pub(super) body: Option<Box<str>>,
    /// The parameter without which it is not made.
    pub(super) requires: Option<Box<str>>,
    pub(super) asked: Asked,
    /// Parameters of the query with what the ID token says.
    pub(super) from_claims: Vec<(Box<str>, Template)>,
    pub(super) authorization_scheme: Box<str>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) pages: Pages,
    pub(super) success: Option<(Template, Box<str>)>,
    pub(super) not_admitted_status: Option<StatusCode>,
    pub(super) incomplete_header: Option<HeaderName>,
}

/// How a list goes on.
#[derive(Clone, Debug)]
pub(super) enum Pages {
    One,
    Link,
    Body {
        next: Template,
        list: Template,
    },
    Token {
        token: Template,
        parameter: Box<str>,
        list: Template,
    },
}

/// What can stand before an access token. The standard's own is `Bearer` (RFC 6750 §2.1).
const SCHEMES: [&str; 4] = ["Bearer", "bearer", "OAuth", "token"];

pub(super) fn read(layers: &Layers<'_, '_>, names: &Names<'_>) -> Option<Vec<Request>> {
    let Some(item) = layers.get("profile_requests") else {
        return Some(Vec::new());
    };
    let requests: Vec<_> = item
        .free_sections("profile_requests")
        .iter()
        .map(|section| request(section, names))
        .collect();
    requests.into_iter().collect()
}

fn request(section: &Section<'_>, names: &Names<'_>) -> Option<Request> {
    let name = section
        .require(
            "name",
            "add name = \"user\": what [claims] calls its answer",
        )
        .and_then(|item| item.line(50));
    let url = section
        .require("url", "add url = \"…\"")
        .and_then(|item| names.template(&item));
    let authorization_scheme = section
        .get("authorization_scheme")
        .map_or(Some("Bearer"), |item| {
            item.choice(&SCHEMES.map(|scheme| (scheme, scheme)))
        });
    let method = section.get("method");
    let posts = method.map_or(Some(false), |item| {
        item.choice(&[("GET", false), ("POST", true)])
    });
    let method = posts.map(|posts| if posts { Method::POST } else { Method::GET });
    let body = section
        .get("body")
        .map_or(Some(None), |item| body(&item).map(Some));
    if let (Some(Method::GET), Some(item), Some(Some(_))) = (&method, section.get("body"), &body) {
        item.fault_with_help("a request by GET has no body", "add method = \"POST\"");
    }
    let requires = section
        .get("requires")
        .map_or(Some(None), |item| names.parameter(&item).map(Some));
    let asked = section.get("asked").map_or(Some(Asked::Always), |item| {
        item.choice(&[("always", Asked::Always), ("on_overage", Asked::OnOverage)])
    });
    let from_claims = section
        .get("query_from_claims")
        .and_then(|item| item.free_section("`query_from_claims`"))
        .map(|section| section.entries())
        .unwrap_or_default();
    let from_claims = from_claims
        .iter()
        .map(|item| Some((item.name.into(), names.template(item)?)));
    let from_claims: Option<Vec<_>> = from_claims.collect();
    let headers: Option<Vec<_>> = section
        .get("headers")
        .and_then(|item| item.free_section("`headers`"))
        .map(|section| section.entries())
        .unwrap_or_default()
        .iter()
        .map(|item| Some((header_name(item, item.name)?, item.parsed()?)))
        .collect();
    let pages = pages(section, names);
    let success = section
        .get("success")
        .map_or(Some(None), |item| success(&item, names).map(Some));
    let not_admitted_status = section
        .get("not_admitted_status")
        .map_or(Some(None), |item| status(&item).map(Some));
    let incomplete_header = section
        .get("incomplete_header")
        .and_then(|item| header_name(&item, item.text()?));
    section.finish();
    Some(Request {
        name: name?,
        url: url?,
        method: method?,
        body: body?,
        requires: requires?,
        asked: asked?,
        from_claims: from_claims?,
        authorization_scheme: authorization_scheme?.into(),
        headers: headers?,
        pages: pages?,
        success: success?,
        not_admitted_status: not_admitted_status?,
        incomplete_header,
    })
}

/// A JSON document, as text.
fn body(item: &Item<'_>) -> Option<Box<str>> {
    let text = item.line(1000)?;
    if serde_json::from_str::<serde_json::Value>(&text).is_err() {
        item.fault_with_help("this is not JSON", "write body = '{\"member\": true}'");
        return None;
    }
    Some(text)
}

/// `paginated`, or `pages = { next = "…", list = "…" }`.
fn pages(section: &Section<'_>, names: &Names<'_>) -> Option<Pages> {
    let paginated = section.get("paginated");
    let paginated = paginated.map_or(Some(false), |item| item.flag())?;
    let Some(item) = section.get("pages") else {
        return Some(if paginated { Pages::Link } else { Pages::One });
    };
    if paginated {
        item.fault_with_help(
            "a list has one kind of pages",
            "leave out `paginated`, which is for pages by `Link`",
        );
    }
    let section = item.free_section("`pages`")?;
    let place = |key, help| {
        let item = section.require(key, help);
        item.and_then(|item| names.template(&item))
    };
    let list = place("list", "add list = \"…\": where the list is");
    let pages = if let Some(token) = section.get("token") {
        let parameter = section.require(
            "parameter",
            "add parameter = \"pageToken\": what says which page is wanted",
        );
        let parameter = parameter.and_then(|item| item.line(100));
        names
            .template(&token)
            .zip(parameter)
            .map(|(token, parameter)| (token, Some(parameter)))
    } else {
        let next = place("next", "add next = \"…\": where the next address is");
        next.map(|next| (next, None))
    };
    section.finish();
    let list = list?;
    Some(match pages? {
        (next, None) => Pages::Body { next, list },
        (token, Some(parameter)) => Pages::Token {
            token,
            parameter,
            list,
        },
    })
}

fn success(item: &Item<'_>, names: &Names<'_>) -> Option<(Template, Box<str>)> {
    let section = item.free_section("`success`")?;
    let member = section
        .require("member", "add member = \"…\"")
        .and_then(|item| names.template(&item));
    let value = section
        .require("is", "add is = \"…\"")
        .and_then(|item| item.line(200));
    section.finish();
    Some((member?, value?))
}

/// A status by which a provider refuses.
fn status(item: &Item<'_>) -> Option<StatusCode> {
    let number = item.integer()?;
    let status = u16::try_from(number)
        .ok()
        .and_then(|number| StatusCode::from_u16(number).ok())
        .filter(StatusCode::is_client_error);
    if status.is_none() {
        item.fault_with_help(
            "this is no status of a refusal",
            "use 404, or another of 400 to 499",
        );
    }
    status
}

fn header_name(item: &Item<'_>, name: &str) -> Option<HeaderName> {
    let parsed = name.parse().ok();
    if parsed.is_none() {
        item.fault(format!("{} is not the name of a header", quoted(name)));
    }
    parsed
}
