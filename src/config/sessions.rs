//! `[sessions]`: how long sessions live, here and for one tenant.

use std::time::Duration;

use super::reader::Item;
use super::table::{Key, Shape, Table};
use crate::domain::session::SessionLifetimes;

/// A working day, and a week.
pub(super) const DEFAULT: SessionLifetimes = SessionLifetimes {
    idle: Duration::from_secs(8 * 3600),
    absolute: Duration::from_secs(7 * 24 * 3600),
};

/// Uses are written down once a minute: what is shorter could not be kept to.
const LEAST: Duration = Duration::from_secs(60);

/// Browsers keep no cookie longer than 400 days (RFC 6265bis §5.5).
const MOST: Duration = Duration::from_secs(400 * 24 * 3600);

pub(super) static TABLE: Table = Table::new(
    "[sessions]",
    "How long sessions live.",
    &[
        Key::new(
            "idle",
            Shape::Duration(LEAST, MOST),
            "A session that is not used for so long ends. At most `absolute`.",
        )
        .or("8h"),
        Key::new(
            "absolute",
            Shape::Duration(LEAST, MOST),
            "A session ends so long after the sign-in, used or not.",
        )
        .or("7d"),
    ],
);

pub(super) fn read(item: Option<&Item<'_>>, default: SessionLifetimes) -> SessionLifetimes {
    let Some(section) = item.and_then(|item| item.section(&TABLE)) else {
        return default;
    };
    let idle = section.get("idle");
    let absolute = section.get("absolute");
    section.finish();
    let read = |item: &Option<Item<'_>>| item.as_ref().and_then(|item| item.duration(LEAST, MOST));
    let lifetimes = SessionLifetimes {
        idle: read(&idle).unwrap_or(default.idle),
        absolute: read(&absolute).unwrap_or(default.absolute),
    };
    if lifetimes.idle > lifetimes.absolute
        && let Some(item) = idle.or(absolute)
    {
        item.fault_with_help(
            format!(
                "sessions end after {} in any case, so that {} of idleness never count",
                humantime::format_duration(lifetimes.absolute),
                humantime::format_duration(lifetimes.idle)
            ),
            "`idle` is at most as long as `absolute`",
        );
    }
    lifetimes
}
