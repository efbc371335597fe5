//! What is wrong with a file, said so that it can be mended: where, what, and what would be right.
//!
//! Invariant: a [`Position`] carries the one line it points at, with every secret already masked, so that
//! the text of the file need not be kept and nothing that is printed can hold one.

use std::fmt::{self, Write as _};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Whether colour escapes are written (ECMA-48 SGR).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// For files, pipes and `NO_COLOR`.
    #[default]
    Plain,
    /// For terminals.
    Colour,
}

/// Whether a fault stops the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can be used, and is probably not what was meant.
    Warning,
}

/// A place in a file, with the line that stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub(super) file: Arc<Path>,
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) span: Range<usize>,
    pub(super) excerpt: Box<str>,
    pub(super) caret: Range<u32>,
}

impl Position {
    /// As the operator named it.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Counted from 1.
    #[must_use]
    pub const fn line(&self) -> u32 {
        self.line
    }

    /// In characters, counted from 1.
    #[must_use]
    pub const fn column(&self) -> u32 {
        self.column
    }

    /// In bytes of the file.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}:{}:{}",
            self.file.display(),
            self.line,
            self.column
        )
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    severity: Severity,
    message: Box<str>,
    help: Option<Box<str>>,
    position: Option<Position>,
}

impl Fault {
    /// Something wrong at `position`.
    #[must_use]
    pub fn at(position: Position, message: impl Into<Box<str>>) -> Self {
        Self {
            position: Some(position),
            ..Self::nowhere(message)
        }
    }

    /// Something wrong that no line can be blamed for: a file that cannot be read.
    #[must_use]
    pub fn nowhere(message: impl Into<Box<str>>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            help: None,
            position: None,
        }
    }

    /// Says what would be right.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<Box<str>>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Makes it a warning.
    #[must_use]
    pub const fn as_warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Whether it stops the start.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.severity
    }

    /// What is wrong, in one line.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What would be right.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Where.
    #[must_use]
    pub const fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// The fault as compilers print one: several lines, the last ending in a line break.
    #[must_use]
    pub fn render(&self, style: Style) -> String {
        let mut out = String::new();
        // Writing to a `String` cannot fail.
        let _ = self.write(&mut out, style);
        out
    }

    fn write(&self, out: &mut String, style: Style) -> fmt::Result {
        let (word, loud) = match self.severity {
            Severity::Error => ("error", "\u{1b}[1;31m"),
            Severity::Warning => ("warning", "\u{1b}[1;33m"),
        };
        let (loud, bold, frame, end) = match style {
            Style::Plain => ("", "", "", ""),
            Style::Colour => (loud, "\u{1b}[1m", "\u{1b}[1;34m", "\u{1b}[0m"),
        };
        writeln!(out, "{loud}{word}{end}{bold}: {}{end}", self.message)?;
        let mut gutter = 1;
        if let Some(position) = &self.position {
            gutter = position.line.to_string().len();
            let indent = position.caret.start as usize;
            let carets = position.caret.len().max(1);
            writeln!(out, "{:gutter$}{frame}-->{end} {position}", "")?;
            writeln!(out, "{:gutter$} {frame}|{end}", "")?;
            writeln!(out, "{frame}{} |{end} {}", position.line, position.excerpt)?;
            writeln!(
                out,
                "{:gutter$} {frame}|{end} {:indent$}{loud}{}{end}",
                "",
                "",
                "^".repeat(carets)
            )?;
        }
        if let Some(help) = &self.help {
            writeln!(out, "{:gutter$} {frame}={end} {bold}help{end}: {help}", "")?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(Style::Plain))
    }
}

/// Everything that is wrong, in the order of the file. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// The list, if there is anything in it.
    #[must_use]
    pub fn new(mut list: Vec<Fault>) -> Option<Self> {
        let file = |fault: &Fault| fault.position.as_ref().map(|at| Arc::clone(&at.file));
        list.sort_by_cached_key(|fault| {
            let start = fault.position.as_ref().map(|at| at.span.start);
            (file(fault), start)
        });
        // What stands in two readings of one line is told once.
        list.dedup();
        (!list.is_empty()).then_some(Self(list))
    }

    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// All of them, with an empty line between.
    #[must_use]
    pub fn render(&self, style: Style) -> String {
        let each: Vec<_> = self.0.iter().map(|fault| fault.render(style)).collect();
        each.join("\n")
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl IntoIterator for Faults {
    type Item = Fault;
    type IntoIter = std::vec::IntoIter<Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(Style::Plain))
    }
}

impl std::error::Error for Faults {}

/// The one of `known` that `word` was probably meant to be.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|candidate| {
            let plain = candidate.to_lowercase().replace('-', "_");
            (strsim::damerau_levenshtein(&word, &plain), candidate)
        })
        .filter(|(distance, candidate)| *distance <= (candidate.len().max(3) / 3).min(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "did you mean `x`?", or what there is to choose from.
#[must_use]
pub fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(near) = nearest(word, known.clone()) {
        return format!("did you mean `{near}`?");
    }
    let all: Vec<_> = known.into_iter().map(|name| format!("`{name}`")).collect();
    if all.is_empty() {
        "there is nothing to choose from here".into()
    } else {
        format!("known here: {}", all.join(", "))
    }
}

/// Text from a file as it may be printed: control characters escaped (they can move a terminal's cursor),
/// cut to 80 characters.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    shown = shown.replace("\\\"", "\"").replace("\\'", "'");
    if text.chars().count() > 80 {
        shown.push('…');
    }
    let mut out = String::with_capacity(shown.len() + 2);
    let _ = write!(out, "`{shown}`");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault() -> Fault {
        let position = Position {
            file: Path::new("doorward.toml").into(),
            line: 12,
            column: 5,
            span: 100..104,
            excerpt: "idle = 5".into(),
            caret: 7..8,
        };
        Fault::at(position, "`5` is not a duration").with_help("write \"5m\"")
    }

    #[test]
    fn a_fault_reads_as_compilers_print_one() {
        assert_eq!(
            fault().render(Style::Plain),
            "error: `5` is not a duration\n  --> doorward.toml:12:5\n   |\n12 | idle = 5\n   |        ^\n   = help: write \"5m\"\n"
        );
    }

    #[test]
    fn colour_is_the_callers_choice() {
        assert!(!fault().render(Style::Plain).contains('\u{1b}'));
        assert!(fault().render(Style::Colour).contains("\u{1b}[1;31merror"));
    }

    #[test]
    fn what_is_quoted_cannot_move_the_cursor() {
        assert_eq!(quoted("a\u{1b}[2J\"b"), "`a\\u{1b}[2J\"b`");
        assert_eq!(quoted(&"x".repeat(90)).chars().count(), 83);
    }

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["client_secret", "client_id", "id"];
        assert_eq!(nearest("client_secrt", known), Some("client_secret"));
        assert_eq!(nearest("client-id", known), Some("client_id"));
        assert_eq!(nearest("paths", known), None);
    }
}
