//! One value of a file: read as what it should be, or a fault that says what would be right.

use std::fmt::Display;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use toml::de::DeValue;

use super::diagnostics::{Fault, Position, nearest, quoted};
use super::reader::{Document, Section};
use super::table::{Shape, Table};

/// A value and where it was written.
#[derive(Clone, Debug)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub at: Position,
}

/// `15m`, `7d`: a number with a unit, or several.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}

/// One value, with its key.
#[derive(Clone, Debug)]
pub(crate) struct Item<'a> {
    pub(super) document: &'a Document<'a>,
    pub(crate) name: &'a str,
    pub(super) key_span: Range<usize>,
    pub(super) value: &'a DeValue<'a>,
    pub(super) span: Range<usize>,
    /// What was declared; nothing in the files of presets.
    pub(super) shape: Option<Shape>,
}

impl<'a> Item<'a> {
    /// Stops, in debug builds, where a value is read as something else than it was declared to be.
    fn expect_shape(&self, fits: impl Fn(Shape) -> bool) {
        fn fits_one(shape: Shape, fits: &dyn Fn(Shape) -> bool) -> bool {
            match shape {
                Shape::Or(short, long) => fits_one(*short, fits) || fits_one(*long, fits),
                shape => fits(shape),
            }
        }
        debug_assert!(
            self.shape.is_none_or(|shape| fits_one(shape, &fits)),
            "`{}` is declared as {:?} and read as something else",
            self.name,
            self.shape
        );
    }

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

    /// A fault in a part of a text, given in bytes of it: shown where that part stands, if the text is written
    /// as it is.
    pub(super) fn fault_within(
        &self,
        part: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let text = self.as_text().unwrap_or_default();
        let written = self.document.source.slice(&self.span);
        let inner = written.trim_start_matches(['"', '\'']);
        // A line break after three quotes is none of the text's (TOML 1.0, "String").
        let inner = inner.trim_start_matches(['\r', '\n']);
        let verbatim = inner.starts_with(text) && !text.starts_with(['"', '\'', '\r', '\n']);
        if !verbatim {
            let character = text.get(..part.start).unwrap_or_default().chars().count() + 1;
            let message = format!("{} (at character {character})", message.into());
            self.fault_with_help(message, help);
            return;
        }
        let begin = self.span.start + (written.len() - inner.len());
        let span = begin + part.start..begin + part.end;
        let position = self.document.source.position(span);
        self.document
            .report(Fault::at(position, message.into()).with_help(help.into()));
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

    /// What was written as the one entry of a list, if it can be one and may be shown.
    fn as_entry(&self) -> &'a str {
        let source = self.document.source;
        let written = source.slice(&self.span);
        let plain = written.len() <= 80 && !written.contains(char::is_control);
        let (fits, example) = match self.shape.and_then(Shape::inner) {
            Some(Shape::Secret) => (self.is_table(), "{ env = \"NAME\" }"),
            _ => (self.as_text().is_some(), "\"…\""),
        };
        if fits && plain && !source.hides(&self.span) {
            written
        } else {
            example
        }
    }

    /// What was written, text without its quotes.
    pub(super) fn written(&self) -> &'a str {
        let source = self.document.source;
        self.as_text().unwrap_or_else(|| source.slice(&self.span))
    }

    pub(crate) fn as_text(&self) -> Option<&'a str> {
        self.value.as_str()
    }

    /// A string that is not empty.
    pub(crate) fn text(&self) -> Option<&'a str> {
        self.expect_shape(Shape::is_text);
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
        self.expect_shape(|shape| matches!(shape, Shape::Line(most) if most == limit));
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
        self.expect_shape(|shape| matches!(shape, Shape::Flag));
        let flag = self.value.as_bool();
        if flag.is_none() {
            self.wrong_type("`true` or `false`");
        }
        flag
    }

    pub(crate) fn integer(&self) -> Option<i64> {
        self.expect_shape(|shape| matches!(shape, Shape::Numbers(_) | Shape::Integer(..)));
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
        self.expect_shape(|shape| {
            matches!(shape, Shape::Words(all) if all.iter().eq(words.iter().map(|(word, _)| word)))
        });
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
        self.expect_shape(
            |shape| matches!(shape, Shape::Duration(from, to) if (from, to) == (least, most)),
        );
        let help = "write it with a unit: \"30s\", \"15m\", \"8h\", \"7d\"";
        if self.value.is_integer() {
            self.fault_with_help(format!("`{}` has no unit", self.name), help);
            return None;
        }
        let Some(duration) = duration(self.text()?) else {
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

    /// The declared table that this value is.
    pub(crate) fn section(&self, table: &'static Table) -> Option<Section<'a>> {
        self.expect_shape(
            |shape| matches!(shape, Shape::Table(declared) if declared.name == table.name),
        );
        Some(self.free_section(table.name)?.declared(table))
    }

    /// The table that this value is, where its keys are declared elsewhere: by a preset, or by the operator.
    pub(crate) fn free_section(&self, name: impl Into<String>) -> Option<Section<'a>> {
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
        let mut section = Section::new(self.document, name.into(), table, span);
        section.entry_shape = self.shape.and_then(Shape::inner);
        Some(section)
    }

    /// The reference that this value should be, named after its key.
    pub(super) fn reference(&self, table: &'static Table) -> Option<Section<'a>> {
        self.expect_shape(|shape| matches!(shape, Shape::Secret));
        let section = self.free_section(format!("`{}`", self.name))?;
        Some(section.declared(table))
    }

    /// The declared tables of `[[name]]`.
    pub(crate) fn sections(&self, table: &'static Table) -> Vec<Section<'a>> {
        self.expect_shape(
            |shape| matches!(shape, Shape::Tables(declared) if declared.name == table.name),
        );
        let name = table.name.trim_matches(['[', ']']);
        let sections = self.free_sections(name).into_iter();
        sections.map(|section| section.declared(table)).collect()
    }

    /// The tables of `[[name]]`, declared elsewhere.
    pub(crate) fn free_sections(&self, name: &str) -> Vec<Section<'a>> {
        if self.value.is_table() {
            self.fault_with_help(
                format!("`{}` is a list of tables", self.name),
                format!("write its header with double brackets: [[{name}]]"),
            );
            return Vec::new();
        }
        let Some(items) = self.as_items() else {
            self.fault_with_help(
                format!("`{}` is a list of tables, and this is none", self.name),
                format!("begin each with a header of its own: [[{name}]]"),
            );
            return Vec::new();
        };
        items
            .iter()
            .filter_map(|item| item.free_section(format!("[[{name}]]")))
            .collect()
    }

    /// The values of a list.
    pub(crate) fn items(&self) -> Option<Vec<Item<'a>>> {
        let items = self.as_items();
        if items.is_none() {
            let (name, kind) = (self.name, self.value.type_str());
            let article = if kind.starts_with(['a', 'i']) {
                "an"
            } else {
                "a"
            };
            self.fault_with_help(
                format!("`{name}` is a list in brackets, but this is {article} {kind}"),
                format!("write {name} = [{}]", self.as_entry()),
            );
        }
        items
    }

    /// The values, if it is a list; nothing is reported.
    pub(crate) fn as_items(&self) -> Option<Vec<Item<'a>>> {
        let values = self.value.as_array()?.iter();
        let items = values.map(|value| Item {
            value: value.get_ref(),
            span: value.span(),
            shape: self.shape.and_then(Shape::inner),
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

/// The value of an item, with its place.
pub(super) fn located<T>(item: &Item<'_>, value: Option<T>) -> Option<Located<T>> {
    Some(Located {
        value: value?,
        at: item.position(),
    })
}
