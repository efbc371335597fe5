//! `[tenants.providers.claims]`: what an operator changes about what a provider says of a person.

use std::collections::BTreeMap;

use super::expressions;
use super::item::Item;
use super::reader::Section;
use super::table::{Key, Shape, Table};
use crate::domain::claim_changes::{ClaimChanges, Expressions, ListChange, NamePattern};
use crate::domain::claims::ClaimPath;

/// Longest name of a group or role, in characters.
const LONGEST_NAME: usize = 1000;

pub(super) static TABLE: Table = Table::new(
    "[tenants.providers.claims]",
    "Where facts about a person are instead, and what becomes of groups and roles.",
    &[
        Key::new(
            "name",
            Shape::Line(LONGEST_NAME),
            "The claim with the display name.",
        )
        .or("the preset's"),
        Key::new(
            "preferred_username",
            Shape::Line(LONGEST_NAME),
            "The claim with the name at the provider.",
        )
        .or("the preset's"),
        Key::new(
            "picture",
            Shape::Line(LONGEST_NAME),
            "The claim with the https address of a picture.",
        )
        .or("the preset's"),
        Key::new(
            "locale",
            Shape::Line(LONGEST_NAME),
            "The claim with the language.",
        )
        .or("the preset's"),
        Key::table("groups", &GROUPS),
        Key::table("roles", &ROLES),
        Key::table("expressions", &EXPRESSIONS),
    ],
);

static EXPRESSIONS: Table = Table::new(
    "[tenants.providers.claims.expressions]",
    "Facts that no other setting can make, as expressions in CEL about `claims` and `identity`. They come last.",
    &[
        Key::new("name", Shape::Text, "Display name: a text or null."),
        Key::new(
            "preferred_username",
            Shape::Text,
            "Name at the provider: a text or null.",
        ),
        Key::new(
            "email",
            Shape::Text,
            "One of `identity.emails`, or null for none: an expression makes no address count.",
        ),
        Key::new("groups", Shape::Text, "A list of texts, or null for none."),
        Key::new("roles", Shape::Text, "A list of texts, or null for none."),
        Key::new(
            "picture",
            Shape::Text,
            "The https address of a picture, or null.",
        ),
        Key::new("locale", Shape::Text, "Language, or null."),
    ],
);

static GROUPS: Table = Table::new(
    "[tenants.providers.claims.groups]",
    "Where groups are instead, and what becomes of their names, in the order of these settings.",
    LIST_KEYS,
);

static ROLES: Table = Table::new(
    "[tenants.providers.claims.roles]",
    "The same for roles.",
    LIST_KEYS,
);

const LIST_KEYS: &[Key] = &[
    Key::new(
        "from",
        Shape::List(&Shape::Line(LONGEST_NAME)),
        "The claims with the names; several are joined.",
    )
    .or("the preset's"),
    Key::new(
        "keep",
        Shape::List(&Shape::Line(LONGEST_NAME)),
        "Only names that are one of these; `*` stands for any text.",
    )
    .or("all"),
    Key::new(
        "leave_out",
        Shape::List(&Shape::Line(LONGEST_NAME)),
        "Names that are left out; `*` stands for any text.",
    )
    .or("none"),
    Key::new(
        "strip_prefix",
        Shape::Line(LONGEST_NAME),
        "Taken off. Names that do not begin so are left out.",
    ),
    Key::new(
        "lower_case",
        Shape::Flag,
        "Capital letters become small ones.",
    )
    .or("false"),
    Key::new(
        "rename",
        Shape::Entries(&Shape::Line(LONGEST_NAME)),
        "Other names for some: what the provider says, and what it becomes.",
    ),
    Key::new(
        "add_prefix",
        Shape::Line(LONGEST_NAME),
        "Put before each name.",
    ),
];

/// Reads the section. `None`: something in it is wrong, and was told.
pub(super) fn read(item: &Item<'_>) -> Option<ClaimChanges> {
    let section = item.section(&TABLE)?;
    let one = |key| optional(section.get(key), |item| path(&item));
    let (name, preferred_username) = (one("name"), one("preferred_username"));
    let (picture, locale) = (one("picture"), one("locale"));
    let list = |key, table| optional(section.get(key), |item| list(&item.section(table)?));
    let (groups, roles) = (list("groups", &GROUPS), list("roles", &ROLES));
    let written = section.get("expressions").map_or_else(
        || Some(Expressions::default()),
        |item| written(&item.section(&EXPRESSIONS)?),
    );
    section.finish();
    Some(ClaimChanges {
        name: name.ok()?,
        preferred_username: preferred_username.ok()?,
        picture: picture.ok()?,
        locale: locale.ok()?,
        groups: groups.ok()?,
        roles: roles.ok()?,
        expressions: written?,
    })
}

fn written(section: &Section<'_>) -> Option<Expressions> {
    let one = |key| optional(section.get(key), |item| expressions::read(&item));
    let (name, preferred_username, email) = (one("name"), one("preferred_username"), one("email"));
    let (groups, roles) = (one("groups"), one("roles"));
    let (picture, locale) = (one("picture"), one("locale"));
    section.finish();
    Some(Expressions {
        name: name.ok()?,
        preferred_username: preferred_username.ok()?,
        email: email.ok()?,
        groups: groups.ok()?,
        roles: roles.ok()?,
        picture: picture.ok()?,
        locale: locale.ok()?,
    })
}

fn list(section: &Section<'_>) -> Option<ListChange> {
    let from = many(section.get("from"), path);
    let keep = many(section.get("keep"), pattern);
    let leave_out = many(section.get("leave_out"), pattern);
    let strip_prefix = optional(section.get("strip_prefix"), |item| item.line(LONGEST_NAME));
    let lower_case = section
        .get("lower_case")
        .map_or(Some(false), |it| it.flag());
    let rename = section
        .get("rename")
        .map_or(Some(BTreeMap::new()), |item| rename(&item));
    let add_prefix = optional(section.get("add_prefix"), |item| item.line(LONGEST_NAME));
    section.finish();
    Some(ListChange {
        from: from?,
        keep: keep?,
        leave_out: leave_out?,
        strip_prefix: strip_prefix.ok()?,
        lower_case: lower_case?,
        rename: rename?,
        add_prefix: add_prefix.ok()?,
    })
}

/// Something is wrong with a value, which was told.
struct Told;

fn optional<'a, T>(
    item: Option<Item<'a>>,
    read: impl FnOnce(Item<'a>) -> Option<T>,
) -> Result<Option<T>, Told> {
    item.map(|item| read(item).ok_or(Told)).transpose()
}

fn many<T>(item: Option<Item<'_>>, read: impl Fn(&Item<'_>) -> Option<T>) -> Option<Vec<T>> {
    item.map_or(Some(Vec::new()), |item| item.list(read))
}

/// The name of a claim, or a JSON pointer (RFC 6901) to a part of one.
fn path(item: &Item<'_>) -> Option<ClaimPath> {
    let text = item.line(LONGEST_NAME)?;
    if *text == *"/" {
        item.fault_with_help(
            format!("{} names no claim", item.shown()),
            "write the name of a claim, or a path into it: \"/realm_access/roles\"",
        );
        return None;
    }
    Some(ClaimPath::new(&text))
}

fn pattern(item: &Item<'_>) -> Option<NamePattern> {
    item.line(LONGEST_NAME).map(|text| NamePattern::new(&text))
}

fn rename(item: &Item<'_>) -> Option<BTreeMap<Box<str>, Box<str>>> {
    let section = item.free_section("`rename`")?;
    let entries = section.entries();
    if entries.is_empty() {
        item.fault_with_help("`rename` renames nothing", "leave it out");
        return None;
    }
    let pairs = entries
        .iter()
        .map(|entry| Some((entry.name.into(), entry.line(LONGEST_NAME)?)));
    // Each is read, so that all faults are told.
    let pairs: Vec<Option<_>> = pairs.collect();
    pairs.into_iter().collect()
}
