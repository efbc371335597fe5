//! `[[profile_requests]]`: what is asked about a person, with the access token.

use http::{HeaderName, HeaderValue};

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
    pub(super) paginated: bool,
    pub(super) incomplete_header: Option<HeaderName>,
}

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
            item.choice(&[("Bearer", "Bearer"), ("OAuth", "OAuth"), ("token", "token")])
        });
    let headers: Option<Vec<_>> = section
        .get("headers")
        .and_then(|item| item.free_section("`headers`"))
        .map(|section| section.entries())
        .unwrap_or_default()
        .iter()
        .map(|item| Some((header_name(item, item.name)?, item.parsed()?)))
        .collect();
    let paginated = section.get("paginated");
    let paginated = paginated.map_or(Some(false), |item| item.flag());
    let incomplete_header = section
        .get("incomplete_header")
        .and_then(|item| header_name(&item, item.text()?));
    section.finish();
    Some(Request {
        name: name?,
        url: url?,
        authorization_scheme: authorization_scheme?.into(),
        headers: headers?,
        paginated: paginated?,
        incomplete_header,
    })
}

fn header_name(item: &Item<'_>, name: &str) -> Option<HeaderName> {
    let parsed = name.parse().ok();
    if parsed.is_none() {
        item.fault(format!("{} is not the name of a header", quoted(name)));
    }
    parsed
}
