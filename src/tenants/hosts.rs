//! Finding the one pattern that a host belongs to, whether there are three or thirty thousand.

use std::collections::HashMap;

use crate::domain::host::{Host, HostPattern};

/// An app by its place: the tenant's index and the app's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) tenant: u32,
    pub(super) app: u32,
}

/// App hosts. Exact names are found by one look-up; patterns by one for each label.
#[derive(Debug, Default)]
pub(super) struct AppHosts {
    by_text: HashMap<Box<str>, Slot>,
    by_host: HashMap<Host, Slot>,
    patterns: HashMap<Box<str>, Vec<(HostPattern, Slot)>>,
}

impl AppHosts {
    pub(super) fn insert(&mut self, pattern: &HostPattern, slot: Slot) {
        if let Some(host) = pattern.exact() {
            self.by_text.insert(host.to_string().into(), slot);
            self.by_host.insert(host, slot);
        } else {
            self.patterns
                .entry(pattern.name().into())
                .or_default()
                .push((pattern.clone(), slot));
        }
    }

    /// The app of a host; an exact name wins.
    pub(super) fn find(&self, host: &Host) -> Option<Slot> {
        if let Some(slot) = self.by_host.get(host) {
            return Some(*slot);
        }
        if self.patterns.is_empty() {
            return None;
        }
        and_parents(host.name()).find_map(|name| {
            let patterns = self.patterns.get(name)?;
            let fits = |(pattern, _): &&(HostPattern, Slot)| pattern.matches(host);
            patterns.iter().find(fits).map(|(_, slot)| *slot)
        })
    }

    /// The app whose exact host is written just so.
    pub(super) fn find_text(&self, text: &str) -> Option<Slot> {
        self.by_text.get(text).copied()
    }
}

/// `a.b.c`, `b.c`, `c`.
pub(super) fn and_parents(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| {
        name.split_once('.').map(|(_, parent)| parent)
    })
}
