//! Settings that cannot change while the broker runs.
//!
//! A key says so itself, where it is declared ([`Key::fixed`](super::table::Key::fixed)); what was written
//! for it is kept, so that a reload can tell.

use std::collections::BTreeMap;

use super::diagnostics::{Fault, Faults, Position};
use super::{Config, quoted};

/// What was written for each of them, by table and key. One that was left out has its default.
#[derive(Clone, Debug, Default)]
pub struct FixedSettings(BTreeMap<(&'static str, &'static str), Written>);

#[derive(Clone, Debug)]
struct Written {
    value: Box<str>,
    at: Position,
}

impl FixedSettings {
    pub(super) fn note(
        &mut self,
        table: &'static str,
        key: &'static str,
        value: &str,
        at: Position,
    ) {
        let value = value.into();
        self.0.insert((table, key), Written { value, at });
    }

    /// Where `config` differs.
    #[must_use]
    pub fn differ(&self, config: &Config) -> Option<Faults> {
        let (old, new) = (&self.0, &config.fixed.0);
        let names = old
            .keys()
            .chain(new.keys().filter(|name| !old.contains_key(*name)));
        let faults = names.filter_map(|name| {
            let (before, now) = (old.get(name), new.get(name));
            if before.map(|it| &it.value) == now.map(|it| &it.value) {
                return None;
            }
            let (table, key) = name;
            let message = format!("`{key}` of {table} cannot change without a restart");
            let fault = match now {
                Some(written) => Fault::at(written.at.clone(), message),
                None => Fault::nowhere(message),
            };
            let back = match before {
                Some(written) => format!("put back {}", quoted(&written.value)),
                None => "leave it out again".into(),
            };
            Some(fault.with_help(format!(
                "restart Doorward to use the whole file as it is now, or {back}"
            )))
        });
        Faults::new(faults.collect())
    }
}
