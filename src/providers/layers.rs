//! Reading a preset with a variant laid over it, and the names that stand in braces.
//!
//! What is wrong is reported to the document and read as absent: a preset with any fault is never used.

use super::template::Template;
use crate::config::reader::{Item, Section};
use crate::config::{quoted, suggestion};

/// A preset with one of its variants over it.
pub(super) struct Layers<'s, 'a> {
    pub(super) root: &'s Section<'a>,
    pub(super) over: Option<&'s Section<'a>>,
}

impl<'a> Layers<'_, 'a> {
    pub(super) fn get(&self, key: &'static str) -> Option<Item<'a>> {
        let below = self.root.get(key);
        self.over.and_then(|section| section.get(key)).or(below)
    }

    pub(super) fn require(&self, key: &'static str) -> Option<Item<'a>> {
        let over = self.over.and_then(|section| section.get(key));
        // That the preset itself lacks it was told before.
        if self.over.is_some() {
            return over.or_else(|| self.root.get(key));
        }
        self.root.require(key, &format!("add `{key}`"))
    }

    pub(super) fn flag(&self, key: &'static str, default: bool) -> Option<bool> {
        self.get(key).map_or(Some(default), |item| item.flag())
    }

    /// The entries of a table, those of the variant in place of those below.
    pub(super) fn entries(&self, key: &'static str) -> Vec<Item<'a>> {
        let below = self.root.get(key);
        let over = self.over.and_then(|section| section.get(key));
        let mut all: Vec<Item<'a>> = Vec::new();
        for item in [over, below].into_iter().flatten() {
            let Some(section) = item.free_section(format!("[{key}]")) else {
                continue;
            };
            for entry in section.entries() {
                if !all.iter().any(|other| other.name == entry.name) {
                    all.push(entry);
                }
            }
        }
        all
    }
}

/// Reads templates, knowing which names there are.
pub(super) struct Names<'n>(pub(super) Vec<&'n str>);

impl Names<'_> {
    pub(super) fn template(&self, item: &Item<'_>) -> Option<Template> {
        let template: Template = item.parsed()?;
        for name in template.names() {
            let base = name.strip_suffix(".origin").unwrap_or(name);
            if !self.0.contains(&base) {
                item.fault_with_help(
                    format!("there is no parameter or variable {}", quoted(name)),
                    suggestion(base, self.0.iter().copied()),
                );
                return None;
            }
        }
        Some(template)
    }

    pub(super) fn optional(&self, item: Option<Item<'_>>) -> Option<Template> {
        item.and_then(|item| self.template(&item))
    }
}
