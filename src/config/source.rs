//! The text of a file while it is read: lines, columns, and what of it must never be shown.
//!
//! Invariant: what is masked is decided once, before the first fault is written down, and by the name of
//! the setting, not by how its value looks. A word that is no setting of ours is masked too: it may be
//! `client_secret`, misspelt.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostics::{Fault, Position};
use super::table::{Word, word};

const MASK: &str = "…";

/// Longest line that is shown whole, in characters.
const WIDTH: usize = 140;

/// A file's text.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    file: Arc<Path>,
    text: &'a str,
    line_starts: Vec<usize>,
    masked: Vec<Range<usize>>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(file: &Path, text: &'a str) -> Self {
        let after_break = |(at, byte): (usize, u8)| (byte == b'\n').then_some(at + 1);
        let line_starts = std::iter::once(0)
            .chain(text.bytes().enumerate().filter_map(after_break))
            .collect();
        Self {
            file: file.into(),
            text,
            line_starts,
            masked: Vec::new(),
        }
    }

    /// Masks the values of `table` that may be secret: those of settings that are, those of words that are
    /// no setting, and addresses with a password.
    pub(crate) fn mask(&mut self, table: &DeTable<'_>) {
        mask_table(table, &mut self.masked);
        self.masked.sort_by_key(|range| range.start);
    }

    /// Whether the value at `span` may not be shown.
    pub(crate) fn hides(&self, span: &Range<usize>) -> bool {
        self.masked
            .iter()
            .any(|mask| mask.start < span.end && span.start < mask.end)
    }

    /// What was written at `span`.
    pub(crate) fn slice(&self, span: &Range<usize>) -> &'a str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    pub(crate) fn position(&self, span: Range<usize>) -> Position {
        let start = span.start.min(self.text.len());
        let index = self
            .line_starts
            .partition_point(|line| *line <= start)
            .saturating_sub(1);
        let line_start = self.line_starts.get(index).copied().unwrap_or(0);
        let line_end = self
            .line_starts
            .get(index + 1)
            .map_or(self.text.len(), |next| next - 1)
            .max(line_start);
        let column = self
            .text
            .get(line_start..start)
            .map_or(0, |before| before.chars().count());
        let (excerpt, caret) = self.excerpt(line_start..line_end, &span);
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Position {
            file: Arc::clone(&self.file),
            line: number(index + 1),
            column: number(column + 1),
            span,
            excerpt: excerpt.into(),
            caret: number(caret.start)..number(caret.end),
        }
    }

    /// The line with masks, and where `span` is in it, in characters.
    fn excerpt(&self, line: Range<usize>, span: &Range<usize>) -> (String, Range<usize>) {
        let text = self.slice(&line).trim_end_matches('\r');
        let mut shown: Vec<char> = Vec::with_capacity(text.len());
        let mut caret: Option<Range<usize>> = None;
        let mut hidden: Option<&Range<usize>> = None;
        for (offset, c) in text.char_indices() {
            let at = line.start + offset;
            let mask = self.masked.iter().find(|mask| mask.contains(&at));
            let before = shown.len();
            match mask {
                Some(mask) if hidden == Some(mask) => {}
                Some(_) => shown.extend(MASK.chars()),
                None if c.is_control() => shown.push(' '),
                None => shown.push(c),
            }
            hidden = mask;
            if span.contains(&at) {
                let from = caret.as_ref().map_or(before, |range| range.start);
                caret = Some(from..shown.len());
            }
        }
        let caret = caret.unwrap_or(shown.len()..shown.len() + 1);
        clip(&shown, caret)
    }

    /// A fault of the grammar. Nothing is known of the values then, so only a line that is plainly harmless
    /// is shown whole.
    pub(crate) fn syntax_fault(&self, error: &toml::de::Error) -> Fault {
        let span = error.span().unwrap_or(0..0);
        let mut position = self.position(span);
        let line = std::mem::take(&mut position.excerpt);
        let cut = if line.trim_start().starts_with(['[', '#']) && !looks_secret(&line) {
            None
        } else {
            match line.split_once('=') {
                Some((key, _)) if is_key(key) && !looks_secret(&line) && !line.contains('@') => {
                    None
                }
                Some((key, _)) if is_key(key) => Some(key.chars().count() + 1),
                _ => Some(0),
            }
        };
        position.excerpt = match cut {
            None => line,
            Some(kept) => {
                let head: String = line.chars().take(kept).collect();
                let start = (position.caret.start as usize).min(kept + 1);
                let start = u32::try_from(start).unwrap_or(0);
                position.caret = start..start + 1;
                format!("{head} …").into()
            }
        };
        if error.message() == "duplicate key" {
            return self.duplicate(position);
        }
        Fault::at(position, format!("this is not TOML: {}", error.message()))
    }

    /// A table or a key that stands at `position`, and stood in the file before. Only what the excerpt shows is
    /// repeated.
    fn duplicate(&self, position: Position) -> Fault {
        let lines = || self.text.lines().take(position.line as usize - 1);
        let number = |index: usize| format!("the first one is at line {}", index + 1);
        let shown = without_comment(&position.excerpt);
        if shown.starts_with('[') {
            let list = format!("[{shown}]");
            let before = lines().position(|line| without_comment(line) == shown);
            let message = format!("the table {shown} is there already");
            let help = match before {
                Some(index) => format!(
                    "{}: put the settings of both under one header",
                    number(index)
                ),
                None if lines().any(|line| without_comment(line) == list) => {
                    format!("write {list} for one more of them")
                }
                None => "it may be written as a key of the table above it: put its settings there"
                    .into(),
            };
            return Fault::at(position, message).with_help(help);
        }
        let key = |line: &str| line.split_once('=').map(|(key, _)| key.trim().to_owned());
        // In a table of one line the key is not the line's own.
        let before = position.caret.start as usize;
        let mut indent = position.excerpt.chars().take(before);
        let is_first = indent.all(char::is_whitespace);
        let Some(name) = key(shown).filter(|name| is_first && is_key(name)) else {
            return Fault::at(position, "this key is there twice in one table")
                .with_help("keep one of the two");
        };
        // Only this table's lines: others have keys of the same name.
        let mut before = None;
        for (index, line) in lines().enumerate() {
            if line.trim_start().starts_with('[') {
                before = None;
            } else if before.is_none() && key(line).as_ref() == Some(&name) {
                before = Some(index);
            }
        }
        let first = before.map_or_else(String::new, |index| format!("{}: ", number(index)));
        Fault::at(position, format!("`{name}` is there already"))
            .with_help(format!("{first}keep one of the two"))
    }
}

fn clip(shown: &[char], caret: Range<usize>) -> (String, Range<usize>) {
    if shown.len() <= WIDTH {
        return (shown.iter().collect(), caret);
    }
    let from = caret.start.saturating_sub(WIDTH / 3);
    let window = shown.iter().skip(from).take(WIDTH);
    let (lead, shift) = if from == 0 { ("", 0) } else { ("…", 1) };
    let excerpt: String = lead.chars().chain(window.copied()).collect();
    let place = |at: usize| (at - from).min(WIDTH) + shift;
    (excerpt, place(caret.start)..place(caret.end))
}

/// A header of a table, or whatever else has no `#` in it.
fn without_comment(line: &str) -> &str {
    line.split_once('#')
        .map_or(line, |(before, _)| before)
        .trim()
}

fn is_key(text: &str) -> bool {
    let text = text.trim();
    (1..=40).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

fn looks_secret(text: &str) -> bool {
    let text = text.to_lowercase();
    ["secr", "pass", "token", "key", "credential", "auth"]
        .iter()
        .any(|word| text.contains(word))
}

fn mask_table(table: &DeTable<'_>, masked: &mut Vec<Range<usize>>) {
    for (key, value) in table {
        match word(key.get_ref()) {
            Some(Word::Secret) => mask_secret(value, masked),
            Some(Word::Entries) => {}
            Some(Word::Known) => mask_value(value, masked),
            None => masked.push(value.span()),
        }
    }
}

fn mask_value(value: &Spanned<DeValue<'_>>, masked: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Table(table) => mask_table(table, masked),
        DeValue::Array(values) => {
            for value in values {
                mask_value(value, masked);
            }
        }
        DeValue::String(text) if text.contains("//") && text.contains('@') => {
            masked.push(value.span());
        }
        _ => {}
    }
}

/// A reference may be shown, anything else may not. A name that no variable would have is probably the
/// secret itself.
fn mask_secret(value: &Spanned<DeValue<'_>>, masked: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Table(table) => {
            for (key, value) in table {
                let reference = match (&**key.get_ref(), value.get_ref()) {
                    ("env", DeValue::String(name)) => is_variable_name(name),
                    ("file", DeValue::String(path)) => path.contains(['/', '.']),
                    _ => false,
                };
                if !reference {
                    masked.push(value.span());
                }
            }
        }
        DeValue::Array(values) => {
            for value in values {
                mask_secret(value, masked);
            }
        }
        _ => masked.push(value.span()),
    }
}

/// `[A-Z_][A-Z0-9_]*`: what people call variables.
pub(super) fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}
