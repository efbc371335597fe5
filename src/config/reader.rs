//! Walking a parsed file table by table, so that one fault does not hide the next.
//!
//! Invariant: a key is known because somebody asked for it. What nobody asked for is reported when its
//! table is done, so that a misspelt switch is never silently ignored. Where a [`Table`] declares what there
//! is, debug builds stop when it and the questions differ; the files of presets are read without one.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostics::{Fault, Position, quoted, suggestion};
use super::fixed::FixedSettings;
pub(crate) use super::item::Item;
use super::source::Source;
use super::table::{Shape, Table};

/// A file being read, and what was found wrong with it so far.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    pub(crate) source: &'a Source<'a>,
    faults: RefCell<Vec<Fault>>,
    fixed: RefCell<FixedSettings>,
}

impl<'a> Document<'a> {
    pub(crate) fn new(source: &'a Source<'a>) -> Self {
        Self {
            source,
            faults: RefCell::default(),
            fixed: RefCell::default(),
        }
    }

    /// What was written for settings that cannot change, so far.
    pub(super) fn fixed(&self) -> FixedSettings {
        self.fixed.borrow().clone()
    }

    pub(crate) fn report(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    pub(crate) fn into_faults(self) -> Vec<Fault> {
        self.faults.into_inner()
    }

    /// The whole file as one table.
    pub(crate) fn root(&'a self, table: &'a Spanned<DeTable<'a>>) -> Section<'a> {
        Section::new(self, "this file".into(), table.get_ref(), 0..0)
    }

    /// The same, declared.
    pub(crate) fn declared_root(
        &'a self,
        table: &'a Spanned<DeTable<'a>>,
        declared: &'static Table,
    ) -> Section<'a> {
        self.root(table).declared(declared)
    }
}

/// One table.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    pub(crate) document: &'a Document<'a>,
    name: String,
    table: &'a DeTable<'a>,
    span: Range<usize>,
    asked: RefCell<Vec<&'static str>>,
    declared: Option<&'static Table>,
    /// What the values look like where the keys are the operator's.
    pub(super) entry_shape: Option<Shape>,
}

impl<'a> Section<'a> {
    pub(super) fn new(
        document: &'a Document<'a>,
        name: String,
        table: &'a DeTable<'a>,
        span: Range<usize>,
    ) -> Self {
        Self {
            document,
            name,
            table,
            span,
            asked: RefCell::default(),
            declared: None,
            entry_shape: None,
        }
    }

    pub(super) const fn declared(mut self, table: &'static Table) -> Self {
        self.declared = Some(table);
        self
    }

    /// The value of `key`, if it is there.
    pub(crate) fn get(&self, key: &'static str) -> Option<Item<'a>> {
        debug_assert!(
            self.declared.is_none_or(|table| table.key(key).is_some()),
            "`{key}` is asked for and not declared: add it to the keys of {}",
            self.name
        );
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(&key) {
            asked.push(key);
        }
        drop(asked);
        let (key, value) = self.table.get_key_value(key)?;
        let item = self.item(key, value);
        if let Some(table) = self.declared
            && let Some(key) = table.key(item.name).filter(|key| key.fixed)
        {
            let written = item.written();
            if Some(written) != key.default {
                let mut fixed = self.document.fixed.borrow_mut();
                fixed.note(table.name, key.name, written, item.position());
            }
        }
        Some(item)
    }

    fn item(
        &self,
        key: &'a Spanned<std::borrow::Cow<'a, str>>,
        value: &'a Spanned<DeValue<'a>>,
    ) -> Item<'a> {
        Item {
            document: self.document,
            name: key.get_ref(),
            key_span: key.span(),
            value: value.get_ref(),
            span: value.span(),
            shape: self
                .declared
                .and_then(|table| table.key(key.get_ref()))
                .map_or(self.entry_shape, |key| Some(key.shape)),
        }
    }

    /// The value of `key`; that it is missing is a fault, with `help`.
    pub(crate) fn require(&self, key: &'static str, help: &str) -> Option<Item<'a>> {
        let item = self.get(key);
        if item.is_none() {
            self.fault_with_help(format!("`{key}` is missing in {}", self.name), help);
        }
        item
    }

    /// Everything in it, in the order of the file. Nothing counts as unknown then.
    pub(crate) fn entries(&self) -> Vec<Item<'a>> {
        let mut entries: Vec<_> = self
            .table
            .iter()
            .map(|(key, value)| self.item(key, value))
            .collect();
        entries.sort_by_key(|item| item.key_span.start);
        entries
    }

    /// What nobody has asked for, in the order of the file. Everything that is declared was.
    pub(crate) fn rest(&self) -> Vec<Item<'a>> {
        let asked = self.asked.borrow();
        if let Some(table) = self.declared {
            for key in table.keys() {
                debug_assert!(
                    asked.contains(&key.name),
                    "`{}` is declared in {} and nobody asks for it",
                    key.name,
                    self.name
                );
            }
            #[cfg(test)]
            READ.with_borrow_mut(|read| read.insert(table.name));
        }
        self.entries()
            .into_iter()
            .filter(|item| !asked.contains(&item.name))
            .collect()
    }

    /// Reports what nobody asked for.
    pub(crate) fn finish(&self) {
        for item in self.rest() {
            let asked = self.asked.borrow();
            let help = match item.name {
                "providers" | "apps" | "trusted_issuers" if asked.contains(&"tenants") => {
                    format!("it belongs to a tenant: [[tenants.{}]]", item.name)
                }
                name => suggestion(name, asked.iter().copied()),
            };
            let message = format!("{} is not a setting of {}", quoted(item.name), self.name);
            let position = self.document.source.position(item.key_span.clone());
            self.document
                .report(Fault::at(position, message).with_help(help));
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// In place of an `id` that could not be read: tells this table from any other.
    pub(super) fn stand_in(&self) -> String {
        format!("line-{}", self.position().line())
    }

    /// Where the table begins.
    pub(crate) fn position(&self) -> Position {
        self.document.source.position(self.span.clone())
    }

    pub(crate) fn fault_with_help(&self, message: impl Into<String>, help: impl Into<String>) {
        self.document
            .report(Fault::at(self.position(), message.into()).with_help(help.into()));
    }
}

#[cfg(test)]
thread_local! {
    /// The declared tables that were read to their end.
    pub(super) static READ: RefCell<std::collections::BTreeSet<&'static str>> = RefCell::default();
}
