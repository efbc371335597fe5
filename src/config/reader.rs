//! Walking a parsed file table by table, so that one fault does not hide the next.
//!
//! Invariant: a key is known because somebody asked for it. What nobody asked for is reported when its
//! table is done, so that a misspelt switch is never silently ignored.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostics::{Fault, Position, nearest, quoted, suggestion};
use super::source::Source;

/// A file being read, and what was found wrong with it so far.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    pub(crate) source: &'a Source<'a>,
    faults: RefCell<Vec<Fault>>,
}

impl<'a> Document<'a> {
    pub(crate) const fn new(source: &'a Source<'a>) -> Self {
        Self {
            source,
            faults: RefCell::new(Vec::new()),
        }
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
}

/// One table.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    pub(crate) document: &'a Document<'a>,
    name: String,
    table: &'a DeTable<'a>,
    span: Range<usize>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    fn new(
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
        }
    }

    /// The value of `key`, if it is there.
    pub(crate) fn get(&self, key: &'static str) -> Option<Item<'a>> {
        self.asked.borrow_mut().push(key);
        let (key, value) = self.table.get_key_value(key)?;
        Some(self.item(key, value))
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

    /// What nobody has asked for so far, in the order of the file.
    pub(crate) fn rest(&self) -> Vec<Item<'a>> {
        let asked = self.asked.borrow();
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
                "providers" | "apps" if asked.contains(&"tenants") => {
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

    /// Where the table begins.
    pub(crate) fn position(&self) -> Position {
        self.document.source.position(self.span.clone())
    }

    pub(crate) fn fault_with_help(&self, message: impl Into<String>, help: impl Into<String>) {
        self.document
            .report(Fault::at(self.position(), message.into()).with_help(help.into()));
    }
}

/// One value, with its key.
#[derive(Clone, Debug)]
pub(crate) struct Item<'a> {
    document: &'a Document<'a>,
    pub(crate) name: &'a str,
    key_span: Range<usize>,
    value: &'a DeValue<'a>,
    span: Range<usize>,
}

impl<'a> Item<'a> {
    /// Where the value is.
    pub(crate) fn position(&self) -> Position {
        self.document.source.position(self.span.clone())
    }

    /// Where the key is.
    pub(crate) fn key_position(&self) -> Position {
        self.document.source.position(self.key_span.clone())
    }

    pub(crate) fn fault(&self, message: impl Into<String>) {
        self.document
            .report(Fault::at(self.position(), message.into()));
    }

    pub(crate) fn fault_with_help(&self, message: impl Into<String>, help: impl Into<String>) {
        self.document
            .report(Fault::at(self.position(), message.into()).with_help(help.into()));
    }

    pub(crate) fn report(&self, fault: Fault) {
        self.document.report(fault);
    }

    /// A fault of the key, not of its value.
    pub(crate) fn fault_at_key(&self, message: impl Into<String>, help: impl Into<String>) {
        self.report(Fault::at(self.key_position(), message.into()).with_help(help.into()));
    }

    /// The key for a message.
    pub(crate) fn quoted_name(&self) -> String {
        quoted(self.name)
    }

    /// The value, if it is a table; nothing is reported.
    pub(crate) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    fn wrong_type(&self, expected: &str) {
        self.fault(format!(
            "`{}` is {expected}, but this is {} {}",
            self.name,
            if self.value.type_str().starts_with(['a', 'i']) {
                "an"
            } else {
                "a"
            },
            self.value.type_str()
        ));
    }

    /// The value for a message: quoted, unless it may be secret.
    pub(crate) fn shown(&self) -> String {
        if self.document.source.hides(&self.span) {
            return "the value".into();
        }
        self.value
            .as_str()
            .map_or_else(|| quoted(self.document.source.slice(&self.span)), quoted)
    }

    pub(crate) fn as_text(&self) -> Option<&'a str> {
        self.value.as_str()
    }

    /// A string that is not empty.
    pub(crate) fn text(&self) -> Option<&'a str> {
        match self.value.as_str() {
            None => self.wrong_type("text in quotes"),
            Some("") => self.fault_with_help(
                format!("`{}` is empty", self.name),
                "leave it out if it has no value",
            ),
            Some(text) => return Some(text),
        }
        None
    }

    /// What people read: one line of at most `limit` characters.
    pub(crate) fn line(&self, limit: usize) -> Option<Box<str>> {
        let text = self.text()?;
        if text.chars().any(char::is_control) || text.trim() != text {
            self.fault(format!(
                "`{}` is one line without control characters or space around it",
                self.name
            ));
            None
        } else if text.chars().count() > limit {
            self.fault(format!("`{}` has more than {limit} characters", self.name));
            None
        } else {
            Some(text.into())
        }
    }

    pub(crate) fn flag(&self) -> Option<bool> {
        let flag = self.value.as_bool();
        if flag.is_none() {
            self.wrong_type("`true` or `false`");
        }
        flag
    }

    pub(crate) fn integer(&self) -> Option<i64> {
        let number = self
            .value
            .as_integer()
            .and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok());
        if number.is_none() {
            self.wrong_type("a whole number");
        }
        number
    }

    /// Text that is a `T`.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(&self) -> Option<T> {
        match self.text()?.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault_with_help(
                    format!("{} cannot be used for `{}`", self.shown(), self.name),
                    error.to_string(),
                );
                None
            }
        }
    }

    /// One of `words`.
    pub(crate) fn choice<T: Copy>(&self, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            let near = nearest(text, known.iter().copied())
                .map_or(String::new(), |near| format!(" (did you mean \"{near}\"?)"));
            let list: Vec<_> = known.iter().map(|word| format!("\"{word}\"")).collect();
            self.fault_with_help(
                format!("{} is not a value of `{}`", self.shown(), self.name),
                format!("use one of {}{near}", list.join(", ")),
            );
        }
        found.map(|(_, value)| *value)
    }

    /// A duration such as `15m`, within limits.
    pub(crate) fn duration(&self, least: Duration, most: Duration) -> Option<Duration> {
        let help = "write it with a unit: \"30s\", \"15m\", \"8h\", \"7d\"";
        if self.value.is_integer() {
            self.fault_with_help(format!("`{}` has no unit", self.name), help);
            return None;
        }
        let Ok(duration) = humantime::parse_duration(self.text()?) else {
            self.fault_with_help(format!("{} is not a duration", self.shown()), help);
            return None;
        };
        if (least..=most).contains(&duration) {
            return Some(duration);
        }
        self.fault_with_help(
            format!(
                "`{}` is {}, which is too {}",
                self.name,
                humantime::format_duration(duration),
                if duration < least { "short" } else { "long" }
            ),
            format!(
                "use at least {} and at most {}",
                humantime::format_duration(least),
                humantime::format_duration(most)
            ),
        );
        None
    }

    /// The table that this value is.
    pub(crate) fn section(&self, name: impl Into<String>) -> Option<Section<'a>> {
        let Some(table) = self.value.as_table() else {
            self.wrong_type("a table");
            return None;
        };
        // The span of `[section]` is its header; that of an implicit table can be empty.
        let span = if self.span.is_empty() {
            self.key_span.clone()
        } else {
            self.span.clone()
        };
        Some(Section::new(self.document, name.into(), table, span))
    }

    /// The tables of `[[name]]`.
    pub(crate) fn sections(&self, name: &str) -> Vec<Section<'a>> {
        if self.value.is_table() {
            self.fault_with_help(
                format!("`{}` is a list of tables", self.name),
                format!("write its header with double brackets: [[{name}]]"),
            );
            return Vec::new();
        }
        self.items()
            .unwrap_or_default()
            .iter()
            .filter_map(|item| item.section(format!("[[{name}]]")))
            .collect()
    }

    /// The values of a list.
    pub(crate) fn items(&self) -> Option<Vec<Item<'a>>> {
        let items = self.as_items();
        if items.is_none() {
            self.wrong_type("a list in brackets");
        }
        items
    }

    /// The values, if it is a list; nothing is reported.
    pub(crate) fn as_items(&self) -> Option<Vec<Item<'a>>> {
        let values = self.value.as_array()?.iter();
        let items = values.map(|value| Item {
            value: value.get_ref(),
            span: value.span(),
            ..self.clone()
        });
        Some(items.collect())
    }

    /// The values of a list that each are what `read` makes of them; faults are reported for each. An empty
    /// list is a fault: it reads as "nobody" to one and "no limit" to another.
    pub(crate) fn list<T>(&self, read: impl Fn(&Self) -> Option<T>) -> Option<Vec<T>> {
        let items = self.items()?;
        if items.is_empty() {
            self.fault_with_help(
                format!("`{}` is an empty list", self.name),
                "leave it out, or name at least one",
            );
            return None;
        }
        let values: Vec<_> = items.iter().map(read).collect();
        values.into_iter().collect()
    }
}
