//! `[tenants.apps.session_tokens]`: tokens that an app's pages get for the session of whoever looks at them.

use std::time::Duration;

use super::addresses;
use super::reader::{Item, Section};
use super::table::{Key, Shape, Table};
use crate::domain::machine_client::Scope;
use crate::domain::path::CanonicalPath;
use crate::domain::tenant::SessionTokens;

const LIVES: (Duration, Duration) = (Duration::from_mins(1), Duration::from_hours(1));

const USUAL_LIFE: time::Duration = time::Duration::minutes(5);

pub(super) static TABLE: Table = Table::new(
    "[tenants.apps.session_tokens]",
    "Access tokens that pages of the app get for the session of whoever looks at them, to ask APIs elsewhere with.",
    &[
        Key::new(
            "audiences",
            Shape::List(&Shape::Line(200)),
            "Whom they can be for. A page names one (`audience`, or `resource`), unless there is only one.",
        )
        .required(),
        Key::new(
            "scopes",
            Shape::List(&Shape::Line(128)),
            "What they may allow; all of it where a page asks for nothing.",
        ),
        Key::new(
            "origins",
            Shape::List(&Shape::Address),
            "Further origins whose pages may ask, beside the app's own.",
        ),
        Key::new(
            "path",
            Shape::Text,
            "Whoever may open this path of the app may have one. A path that is public admits nobody.",
        )
        .or("/"),
        Key::new(
            "lifetime",
            Shape::Duration(LIVES.0, LIVES.1),
            "How long one is good for at most; never longer than the session.",
        )
        .or("5m"),
    ],
);

/// Reads the section. `None`: something in it is wrong, and was told.
pub(super) fn read(item: &Item<'_>, development: bool) -> Option<SessionTokens> {
    let section = item.section(&TABLE)?;
    let help = "add audiences = [\"https://api.example.com\"]: whom the tokens are for";
    let audiences = section.require("audiences", help);
    let audiences = audiences.and_then(|item| item.list(|item| item.line(200)));
    let scopes = section.get("scopes");
    let scopes = scopes.map_or(Some(Vec::new()), |item| item.list(Item::parsed::<Scope>));
    let origins = section.get("origins").map_or(Some(Vec::new()), |item| {
        item.list(|item| origin(item, development))
    });
    let path = path(&section);
    let lifetime = section.get("lifetime").map_or(Some(USUAL_LIFE), |item| {
        item.duration(LIVES.0, LIVES.1)?.try_into().ok()
    });
    section.finish();
    Some(SessionTokens {
        audiences: audiences?,
        scopes: scopes?,
        origins: origins?,
        path: path?,
        lifetime: lifetime?,
    })
}

/// An origin as browsers write it (RFC 6454 §6.2).
fn origin(item: &Item<'_>, development: bool) -> Option<Box<str>> {
    let (url, path) = addresses::plain_url(item, development)?;
    if !path.is_empty() {
        item.fault_with_help(
            format!("{} is not an origin", item.shown()),
            "write scheme and host alone: \"https://pages.example.com\"",
        );
        return None;
    }
    Some(url.origin().ascii_serialization().into())
}

fn path(section: &Section<'_>) -> Option<CanonicalPath> {
    let Some(item) = section.get("path") else {
        return CanonicalPath::parse("/").ok();
    };
    let path = CanonicalPath::parse(item.text()?);
    if path.is_err() {
        item.fault_with_help(
            format!("{} is not a path with one meaning", item.shown()),
            "write it as browsers ask for it: \"/app\"",
        );
    }
    path.ok()
}
