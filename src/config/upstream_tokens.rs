//! What is kept of a provider's tokens, as the operator wrote it.

use std::time::Duration;

use super::diagnostics::suggestion;
use super::item::{Located, located};
use super::reader::Section;
use crate::domain::ids::AppId;

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
    /// The apps that may be given tokens.
    pub tokens_for_apps: Vec<Located<AppId>>,
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
            tokens_for_apps: section
                .get("tokens_for_apps")
                .and_then(|item| item.list(|item| located(item, item.parsed())))
                .unwrap_or_default(),
        }
    }
}

/// Apps that are named and are none of the tenant's; `apps` are its own, as they were written.
pub(super) fn report_unknown_apps(provider: &Section<'_>, apps: &[&str]) {
    let named = provider.get("tokens_for_apps");
    for item in named.and_then(|item| item.as_items()).iter().flatten() {
        if let Some(text) = item.as_text().filter(|text| !apps.contains(text)) {
            item.fault_with_help(
                format!("this tenant has no app {}", item.shown()),
                suggestion(text, apps.iter().copied()),
            );
        }
    }
}
