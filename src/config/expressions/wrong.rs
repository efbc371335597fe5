//! What is wrong with an expression, in words, and where it stands.

use std::ops::Range;

use super::DEEPEST;

/// What is wrong with an expression, and where in it, in bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) at: Range<usize>,
    pub(super) message: String,
    pub(super) help: String,
}

/// The parser's message without the list of everything that it knows.
pub(super) fn syntax(message: &str) -> String {
    if message.contains("Recursion limit") {
        return format!("the expression nests deeper than {DEEPEST} levels");
    }
    let plain = message.strip_prefix("Syntax error: ").unwrap_or(message);
    let plain = plain.split(" expecting ").next().unwrap_or(plain);
    let plain = plain.replace("mismatched input '<EOF>'", "it ends too early");
    let plain: String = plain
        .chars()
        .take(120)
        .filter(|c| !c.is_control())
        .collect();
    format!("this is not an expression: {plain}")
}

/// The byte at a line and column, both counted from 1.
pub(super) fn byte_at(source: &str, (line, column): (isize, isize)) -> usize {
    let line = usize::try_from(line - 1).unwrap_or_default();
    let column = usize::try_from(column - 1).unwrap_or_default();
    let before: usize = source.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = source.get(before..).unwrap_or_default();
    let within = rest.char_indices().nth(column);
    before + within.map_or(rest.len(), |(at, _)| at)
}

/// The beginning of a character, at this byte or before it.
pub(super) fn boundary(source: &str, at: usize) -> usize {
    let at = at.min(source.len());
    (0..=at)
        .rev()
        .find(|at| source.is_char_boundary(*at))
        .unwrap_or_default()
}
