//! `[[profile_requests]]`: what is asked about a person, with the access token.

use http::{HeaderName, HeaderValue, StatusCode};

use super::layers::{Layers, Names};
use super::template::Template;
use crate::config::quoted;
use crate::config::reader::{Item, Section};

#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) name: Box<str>,
    pub(super) url: Template,
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
    Body { next: Template, list: Template },
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
        authorization_scheme: authorization_scheme?.into(),
        headers: headers?,
        pages: pages?,
        success: success?,
        not_admitted_status: not_admitted_status?,
        incomplete_header,
    })
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
    let next = place("next", "add next = \"…\": where the next address is");
    let list = place("list", "add list = \"…\": where the list is");
    section.finish();
    Some(Pages::Body {
        next: next?,
        list: list?,
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
