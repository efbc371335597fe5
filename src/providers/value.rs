//! Values that depend on what the operator chose: what a variable is made of.

use super::layers::Names;
use super::parameters::Parameter;
use super::template::{Template, Values};
use crate::config::reader::Item;
use crate::config::{quoted, suggestion};

/// What a variable stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(Template),
    /// A text for each value of a parameter; what is not among them has none.
    By {
        parameter: Box<str>,
        texts: Vec<(Box<str>, Template)>,
    },
    /// The first of these for which nothing is missing.
    First(Vec<Self>),
}

impl Value {
    /// `"…"`, `{ by = "cloud", global = "…", china = "…" }`, or a list of such.
    pub(super) fn read(item: &Item<'_>, names: &Names<'_>, known: &[Parameter]) -> Option<Self> {
        if item.as_items().is_some() {
            return item
                .list(|item| Self::read(item, names, known))
                .map(Self::First);
        }
        if !item.is_table() {
            return names.template(item).map(Self::Text);
        }
        let section = item.free_section(format!("`{}`", item.name))?;
        let by = section.require("by", "add by = \"…\": the parameter whose value chooses")?;
        let parameter = by.text()?;
        let Some(chooses) = known.iter().find(|it| *it.name == *parameter) else {
            let own = known.iter().map(|it| &*it.name);
            by.fault_with_help(
                format!("there is no parameter {}", quoted(parameter)),
                suggestion(parameter, own),
            );
            return None;
        };
        names.uses(parameter);
        let entries = section.entries();
        let texts = entries.iter().filter(|entry| entry.name != "by");
        let texts = texts.map(|entry| {
            let words = chooses.one_of.iter().map(|word| &**word);
            if !words.clone().any(|word| word == entry.name) {
                entry.fault_at_key(
                    format!("{} is no value of `{parameter}`", entry.quoted_name()),
                    suggestion(entry.name, words),
                );
            }
            Some((entry.name.into(), names.template(entry)?))
        });
        Some(Self::By {
            parameter: parameter.into(),
            texts: texts.collect::<Option<_>>()?,
        })
    }

    /// The text; none where something it depends on was left out.
    pub(super) fn fill(&self, values: &Values) -> Option<String> {
        match self {
            Self::Text(template) => template.fill(values),
            Self::By { parameter, texts } => {
                let chosen = values.get(parameter)?;
                let mut texts = texts.iter();
                texts
                    .find(|(value, _)| value == chosen)
                    .and_then(|(_, text)| text.fill(values))
            }
            Self::First(all) => all.iter().find_map(|value| value.fill(values)),
        }
    }
}
