//! `[logging]`: what is logged, and how.

use tracing_subscriber::EnvFilter;

use super::reader::{Item, Section};
use super::table::{Key, Shape, Table};

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct Logging {
    /// For people or for machines.
    pub format: LogFormat,
    /// What is logged, in the syntax of tracing's `EnvFilter`: `info`, `info,doorward::access=debug`.
    pub level: Box<str>,
}

/// For people or for machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One line for people.
    #[default]
    Pretty,
    /// One JSON object a line.
    Json,
}

pub(super) static TABLE: Table = Table::new(
    "[logging]",
    "What is logged, and how.",
    &[
        Key::new(
            "format",
            Shape::Words(&["pretty", "json"]),
            "For people or for machines.",
        )
        .or("pretty")
        .fixed(),
        Key::new(
            "level",
            Shape::Text,
            "off, error, warn, info, debug or trace; also for a module: info,doorward::access=debug.",
        )
        .or("info")
        .fixed(),
    ],
);

pub(super) fn read(root: &Section<'_>) -> Logging {
    let mut logging = Logging {
        format: LogFormat::default(),
        level: "info".into(),
    };
    let Some(section) = root.get("logging").and_then(|item| item.section(&TABLE)) else {
        return logging;
    };
    if let Some(format) = section
        .get("format")
        .and_then(|item| item.choice(&[("pretty", LogFormat::Pretty), ("json", LogFormat::Json)]))
    {
        logging.format = format;
    }
    if let Some(level) = section.get("level").and_then(|item| level(&item)) {
        logging.level = level;
    }
    section.finish();
    logging
}

fn level(item: &Item<'_>) -> Option<Box<str>> {
    let text = item.text()?;
    // A bare word is read as the name of a module, which would silently log nothing of what was meant.
    let bare_words_are_levels = text
        .split(',')
        .filter(|part| !part.contains(['=', '[']) && !part.contains("::"))
        .all(|word| {
            matches!(
                word.trim(),
                "off" | "error" | "warn" | "info" | "debug" | "trace"
            )
        });
    if bare_words_are_levels && EnvFilter::try_new(text).is_ok() {
        Some(text.into())
    } else {
        item.fault_with_help(
            format!("{} is not a log level", item.shown()),
            "use off, error, warn, info, debug or trace, also for a module: \"info,doorward::access=debug\"",
        );
        None
    }
}
