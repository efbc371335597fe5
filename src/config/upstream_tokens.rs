//! What is kept of a provider's tokens, as the operator wrote it.

use std::time::Duration;

use super::item::{Located, located};
use super::reader::Section;

/// Shortest time between two looks at a person.
pub(super) const SHORTEST_RECHECK: Duration = Duration::from_mins(1);

/// Longest time between two looks at a person.
pub(super) const LONGEST_RECHECK: Duration = Duration::from_hours(24);

/// What an operator wrote about keeping tokens. Whether it fits is judged with the preset.
#[derive(Clone, Debug, Default)]
pub struct TokenSettings {
    /// Whether people are looked at again while they are signed in.
    pub refresh: Option<Located<bool>>,
    /// After how long at the latest.
    pub recheck_after: Option<Located<Duration>>,
    /// Whether tokens are revoked when their session ends.
    pub revoke_tokens: Option<Located<bool>>,
}

impl TokenSettings {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let flag = |name| {
            section
                .get(name)
                .and_then(|item| located(&item, item.flag()))
        };
        Self {
            refresh: flag("refresh"),
            revoke_tokens: flag("revoke_tokens"),
            recheck_after: section
                .get("recheck_after")
                .and_then(|item| located(&item, item.duration(SHORTEST_RECHECK, LONGEST_RECHECK))),
        }
    }
}
