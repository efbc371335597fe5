//! `[[required_claims]]`: what must be said of a person before anything else counts.

use super::claims::{ClaimsReader, Place};
use super::layers::{Layers, Names};
use super::template::Template;
use crate::config::reader::{Item, Section};

#[derive(Clone, Debug)]
pub(super) struct RequiredClaim {
    pub(super) place: Place,
    pub(super) rule: Rule,
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
    let place = section
        .require("claim", "add claim = \"…\": where it is")
        .and_then(|item| reader.place(&item));
    let (is, one_of) = (section.get("is"), section.get("one_of"));
    let none_of = section.get("none_of");
    let required = section.get("required");
    let required = required.map_or(Some(false), |item| item.flag());
    let separate = section.get("separate_people");
    let separate = separate.map_or(Some(false), |item| item.flag());
    let rule = match (is, one_of, none_of) {
        (Some(is), None, None) => names.template(&is).map(Rule::Is),
        (None, Some(list), None) => one_of_list(&list, names, required?, separate?),
        (None, None, Some(list)) => list.list(|item| item.line(200)).map(Rule::NoneOf),
        _ => {
            section.fault_with_help(
                "a required claim has exactly one of `is`, `one_of` and `none_of`",
                "`is`: this text; `one_of`: a list of the operator's; `none_of`: [\"…\"]",
            );
            None
        }
    };
    Some(RequiredClaim {
        place: place?,
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
