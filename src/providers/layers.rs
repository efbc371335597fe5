//! Reading a preset with a variant laid over it, and the names that stand in braces.
//!
//! What is wrong is reported to the document and read as absent: a preset with any fault is never used.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::parameters::Parameter;
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

/// What templates call the operator's `client_id`.
pub(super) const CLIENT_ID: &str = "client_id";

/// Reads templates, knowing which names there are.
#[derive(Debug, Default)]
pub(super) struct Names<'n> {
    /// Parameters, then variables too.
    pub(super) known: Vec<&'n str>,
    /// Those of the parameters that are lists.
    pub(super) lists: Vec<&'n str>,
    /// What has been named so far.
    used: RefCell<BTreeSet<Box<str>>>,
}

impl<'n> Names<'n> {
    pub(super) fn of(parameters: &'n [Parameter]) -> Self {
        let lists = parameters.iter().filter(|parameter| parameter.list);
        let known = parameters.iter().map(|it| &*it.name);
        Self {
            known: known.chain([CLIENT_ID]).collect(),
            lists: lists.map(|it| &*it.name).collect(),
            used: RefCell::default(),
        }
    }

    pub(super) fn template(&self, item: &Item<'_>) -> Option<Template> {
        let template: Template = item.parsed()?;
        for name in template.names() {
            let base = name.strip_suffix(".origin").unwrap_or(name);
            if !self.known.contains(&base) {
                item.fault_with_help(
                    format!("there is no parameter or variable {}", quoted(name)),
                    suggestion(base, self.known.iter().copied()),
                );
                return None;
            }
            self.used.borrow_mut().insert(base.into());
        }
        Some(template)
    }

    pub(super) fn optional(&self, item: Option<Item<'_>>) -> Option<Template> {
        item.and_then(|item| self.template(&item))
    }

    /// The name of a parameter.
    pub(super) fn parameter(&self, item: &Item<'_>) -> Option<Box<str>> {
        let name = item.text()?;
        if !self.known.contains(&name) {
            item.fault_with_help(
                format!("there is no parameter {}", quoted(name)),
                suggestion(name, self.known.iter().copied()),
            );
            return None;
        }
        self.uses(name);
        Some(name.into())
    }

    /// Something depends on this parameter.
    pub(super) fn uses(&self, name: &str) {
        self.used.borrow_mut().insert(name.into());
    }

    /// The name of a parameter that is a list.
    pub(super) fn list(&self, item: &Item<'_>) -> Option<Box<str>> {
        let name = item.text()?;
        if !self.lists.contains(&name) {
            item.fault_with_help(
                format!("there is no parameter {} that is a list", quoted(name)),
                suggestion(name, self.lists.iter().copied()),
            );
            return None;
        }
        self.used.borrow_mut().insert(name.into());
        Some(name.into())
    }

    /// What was named in all that was read, but for `withheld`.
    pub(super) fn into_used(self, withheld: &[Box<str>]) -> BTreeSet<Box<str>> {
        let mut used = self.used.into_inner();
        used.retain(|name| !withheld.contains(name));
        used
    }
}
