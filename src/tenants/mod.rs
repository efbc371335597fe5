//! Which tenant and app an address belongs to.
//!
//! The [`Directory`] is an immutable snapshot of all tenants, made at once or not at all;
//! [`LiveDirectory`] is the current one, swapped whole. Invariants: a host belongs to one app of one tenant,
//! an address to one tenant; a swap is seen by the next request, and a request sees one snapshot from
//! beginning to end. Deliberately absent: anything that changes while people sign in.

mod app_tokens;
mod checks;
mod directory;
mod hosts;
mod machine_clients;
#[cfg(test)]
mod tests;
mod token_exchanges;
mod tokens_for_apps;

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

pub use app_tokens::{AppTokens, Attestation, TenantTokens};
pub use directory::{AppAt, Directory, Location};

/// The current directory.
#[derive(Debug)]
pub struct LiveDirectory(ArcSwap<Directory>);

impl LiveDirectory {
    /// Begins with `directory`.
    #[must_use]
    pub fn new(directory: Directory) -> Self {
        Self(ArcSwap::from_pointee(directory))
    }

    /// The directory at this moment, without waiting and without counting references. For one request; use
    /// [`snapshot`](Self::snapshot) for what is kept across an `await`.
    #[must_use]
    pub fn current(&self) -> Guard<Arc<Directory>> {
        self.0.load()
    }

    /// The directory at this moment, to keep.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Directory> {
        self.0.load_full()
    }

    /// Puts `directory` in its place; requests under way keep the one they began with. Gives the old one.
    pub fn swap(&self, directory: Directory) -> Arc<Directory> {
        self.0.swap(Arc::new(directory))
    }
}
