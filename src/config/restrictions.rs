//! `[tenants.providers.restrictions]`: whom a tenant lets in from one provider.

use std::time::Duration;

use super::callers;
use super::diagnostics::Position;
use super::expressions;
use super::item::{Item, Located, located};
use super::reader::Section;
use super::table::{Key, Shape, Table};
use crate::domain::restrictions::Restrictions;

/// Between these lies how old a sign-in at the provider may be.
const AGES: (Duration, Duration) = (Duration::from_mins(1), Duration::from_hours(24 * 365));

pub(super) static TABLE: Table = Table::new(
    "[tenants.providers.restrictions]",
    "Whom the tenant lets in from this provider. All that is set must be met.",
    &[
        Key::new(
            "email_domains",
            Shape::List(&Shape::Text),
            "Domains of a verified address; not those below them.",
        ),
        Key::new(
            "groups",
            Shape::List(&Shape::Line(1000)),
            "In one of these, with their case, as the rules of apps see them.",
        ),
        Key::new(
            "all_groups",
            Shape::List(&Shape::Line(1000)),
            "In all of these.",
        ),
        Key::new(
            "roles",
            Shape::List(&Shape::Line(1000)),
            "With one of these, as the rules of apps see them.",
        ),
        Key::new(
            "all_roles",
            Shape::List(&Shape::Line(1000)),
            "With all of these.",
        ),
        Key::new(
            "guests",
            Shape::Flag,
            "`false`: no guests, where the preset can tell them from members.",
        )
        .or("true"),
        Key::new(
            "acr_values",
            Shape::List(&Shape::Line(255)),
            "`acr` of the ID token is one of these. They are asked for, where the preset knows how.",
        ),
        Key::new(
            "amr",
            Shape::List(&Shape::Line(255)),
            "`amr` of the ID token has all of these.",
        ),
        Key::new(
            "max_authentication_age",
            Shape::Duration(AGES.0, AGES.1),
            "How old the sign-in at the provider may be. It is asked for (`max_age`), and `auth_time` of the ID token must say it.",
        ),
        Key::new(
            "condition",
            Shape::Text,
            "An expression in CEL about `claims` and `identity` that must be true.",
        ),
    ],
);

/// The section, with the places of what only a preset can judge.
#[derive(Clone, Debug, Default)]
pub struct RestrictionSettings {
    /// All but `guests`, which needs to know what tells a guest.
    pub restrictions: Restrictions,
    /// Where `guests = false` stands.
    pub no_guests: Option<Position>,
    /// Settings about the ID token.
    pub of_id_token: Vec<Located<&'static str>>,
}

/// Reads the section. `None`: something in it is wrong, and was told.
pub(super) fn read(item: &Item<'_>) -> Option<RestrictionSettings> {
    let section = item.section(&TABLE)?;
    let names = |key, longest| many(&section, key, |item| item.line(longest));
    let email_domains = many(&section, "email_domains", callers::email_domain);
    let (groups, all_groups) = (names("groups", 1000), names("all_groups", 1000));
    let (roles, all_roles) = (names("roles", 1000), names("all_roles", 1000));
    let guests = section.get("guests");
    let admitted = guests.as_ref().map_or(Some(true), Item::flag);
    let (acr_values, amr) = (acr_values(&section), names("amr", 255));
    let age = section
        .get("max_authentication_age")
        .map_or(Some(None), |item| item.duration(AGES.0, AGES.1).map(Some));
    let condition = section
        .get("condition")
        .map_or(Some(None), |item| expressions::read(&item).map(Some));
    section.finish();
    if section.entries().is_empty() {
        item.fault_with_help(
            "these restrictions restrict nothing",
            "leave the section out, or say whom you let in",
        );
        return None;
    }
    let of_id_token = ["acr_values", "amr", "max_authentication_age"];
    let of_id_token = of_id_token.into_iter().filter_map(|name| {
        let item = section.get(name)?;
        located(&item, Some(name))
    });
    let no_guests = guests.filter(|_| admitted == Some(false));
    admitted?;
    Some(RestrictionSettings {
        restrictions: Restrictions {
            email_domains: email_domains?,
            groups: groups?,
            all_groups: all_groups?,
            roles: roles?,
            all_roles: all_roles?,
            members: None,
            acr_values: acr_values?,
            amr: amr?,
            max_authentication_age: age?,
            condition: condition?,
        },
        no_guests: no_guests.map(|item| item.position()),
        of_id_token: of_id_token.collect(),
    })
}

/// They are sent as one parameter with spaces between them (OIDC Core 1.0 §3.1.2.1).
fn acr_values(section: &Section<'_>) -> Option<Vec<Box<str>>> {
    many(section, "acr_values", |item| {
        let value = item.line(255)?;
        if value.contains(' ') {
            item.fault_with_help(
                format!("{} is more than one value", item.shown()),
                "write each in quotes of its own",
            );
            return None;
        }
        Some(value)
    })
}

fn many<T>(
    section: &Section<'_>,
    key: &'static str,
    read: impl Fn(&Item<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    section
        .get(key)
        .map_or(Some(Vec::new()), |item| item.list(read))
}
