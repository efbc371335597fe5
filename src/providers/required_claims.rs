//! `[[required_claims]]`: what must be said of a person before anything else counts.

use super::claims::{ClaimsReader, Place};
use super::layers::{Layers, Names};
use super::template::Template;
use crate::config::reader::{Item, Section};

#[derive(Clone, Debug)]
pub(super) struct RequiredClaim {
    /// The first of these that is there counts.
    pub(super) places: Vec<Place>,
    /// For a list of objects: the name within each; several are joined by `/`. One entry must fit.
    pub(super) members: Vec<Template>,
    /// Whether letter case says nothing.
    pub(super) ignore_case: bool,
    pub(super) rule: Rule,
}

impl RequiredClaim {
    /// Whether it is about this claim alone.
    pub(super) fn is_about(&self, claim: &Template) -> bool {
        matches!(self.places.as_slice(), [only] if only.path == *claim)
    }
}

#[derive(Clone, Debug)]
pub(super) enum Rule {
    Is(Template),
    /// The parameter that is the list; whether the operator must give it.
    OneOf {
        list: Box<str>,
        required: bool,
        /// Whether each value names its own people: with several of them a name alone says nobody.
        separate_people: bool,
    },
    NoneOf(Vec<Box<str>>),
    Absent,
}

pub(super) fn read(
    layers: &Layers<'_, '_>,
    names: &Names<'_>,
    reader: &ClaimsReader<'_>,
) -> Option<Vec<RequiredClaim>> {
    let Some(item) = layers.get("required_claims") else {
        return Some(Vec::new());
    };
    let claims: Vec<_> = item
        .free_sections("required_claims")
        .iter()
        .map(|section| {
            let claim = claim(section, names, reader);
            section.finish();
            claim
        })
        .collect();
    claims.into_iter().collect()
}

fn claim(
    section: &Section<'_>,
    names: &Names<'_>,
    reader: &ClaimsReader<'_>,
) -> Option<RequiredClaim> {
    let places = section
        .require("claim", "add claim = \"…\": where it is")
        .and_then(|item| match item.as_items() {
            Some(_) => item.list(|item| reader.place(item)),
            None => reader.place(&item).map(|place| vec![place]),
        });
    let members = section.get("members").map_or(Some(Vec::new()), |item| {
        item.list(|item| names.template(item))
    });
    let flag = |key| section.get(key).map_or(Some(false), |item| item.flag());
    let (ignore_case, absent) = (flag("ignore_case"), flag("absent"));
    let (is, one_of) = (section.get("is"), section.get("one_of"));
    let none_of = section.get("none_of");
    let required = section.get("required");
    let required = required.map_or(Some(false), |item| item.flag());
    let separate = section.get("separate_people");
    let separate = separate.map_or(Some(false), |item| item.flag());
    let rule = match (is, one_of, none_of, absent?) {
        (Some(is), None, None, false) => names.template(&is).map(Rule::Is),
        (None, Some(list), None, false) => one_of_list(&list, names, required?, separate?),
        (None, None, Some(list), false) => list.list(|item| item.line(200)).map(Rule::NoneOf),
        (None, None, None, true) => Some(Rule::Absent),
        _ => {
            section.fault_with_help(
                "a required claim has exactly one of `is`, `one_of`, `none_of` and `absent`",
                "`is`: this text; `one_of`: a list of the operator's; `none_of`: [\"…\"]; `absent`: true",
            );
            None
        }
    };
    Some(RequiredClaim {
        places: places?,
        members: members?,
        ignore_case: ignore_case?,
        rule: rule?,
    })
}

fn one_of_list(
    item: &Item<'_>,
    names: &Names<'_>,
    required: bool,
    separate_people: bool,
) -> Option<Rule> {
    let list = names.list(item)?;
    Some(Rule::OneOf {
        list,
        required,
        separate_people,
    })
}
