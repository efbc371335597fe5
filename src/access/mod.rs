//! Whether a request may pass, asked by a proxy.
//!
//! Read [`check`] first: target, app, ruling, session, in that order. Invariant: what cannot be answered
//! for certain is refused; a person's headers are ours or empty, never the client's.

mod asked;
pub mod assertion;
pub mod check;
pub(crate) mod client_address;
pub mod credentials;
mod dialect;
pub mod entry;
mod handed_tokens;
pub mod identity_headers;
pub mod limiter;
mod noted;
mod questions;
pub mod session_watch;
pub mod target;
pub mod verdict;
mod whoever;

pub use asked::Asked;
pub use assertion::Assertions;
pub use check::{Found, Gate, Witness};
pub use credentials::{CredentialFault, Credentials, IssuerKeys, KnownCaller, Shared, Unaccepted};
pub use dialect::{CheckRequest, Dialect};
pub use limiter::{By, Counted, Limiter, OverLimit};
pub use questions::{Answer, Denied, Place, Question};
pub use session_watch::SessionWatch;
pub use target::{AmbiguousTarget, CheckTarget, StartLine, WholeTarget};
pub use verdict::{Allowed, Prepared, ScopeMissing, Verdict};
pub use whoever::{Recognized, Whoever};
