//! What is remembered: login attempts, people, sessions, tickets.
//!
//! [`traits`] say what must be atomic; one contract suite (`contract`) runs against every store. Invariants:
//! what must not be lost (a session begun or ended) is durable when the call returns; what is taken out is
//! taken out once; every row carries its tenant and no query leaves it out; secrets are sealed before they
//! are written ([`sealing`]); trouble is an error, never "not there". Nothing here reads a clock: the caller
//! passes the time.

mod api_keys;
#[cfg(test)]
pub(crate) mod contract;
mod issued_tokens;
pub mod sealing;
mod signing_keys;
pub mod sqlite;
mod token_revocations;
pub mod traits;
mod upstream_tokens;

pub use api_keys::*;
pub use issued_tokens::*;
pub use signing_keys::*;
pub use token_revocations::*;
pub use traits::*;
pub use upstream_tokens::*;

/// The store did not do what was asked. The cause is for logs only.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// It cannot be reached, is full, or answered with an error.
    #[error("the store failed: {0}")]
    Unavailable(String),
    /// A row does not read as what it should be: altered, or sealed with a key that is gone.
    #[error("a stored value cannot be read: {0}")]
    Unreadable(String),
}
