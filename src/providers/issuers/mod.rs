//! Trusted issuers: whose bearer tokens are accepted, and what is known of them.
//!
//! A profile (`issuers/*.toml`) is to a trusted issuer what a preset is to a provider: data, in the words that
//! `profile` reads. [`Profiles::resolve`] makes [`IssuerRules`] of one and of what the operator wrote. Invariant:
//! what a profile and an operator leave unsaid admits nothing; nothing is fetched here, so an issuer that is down
//! is no reason not to start.

mod outside;
mod profile;
mod registry;
mod resolution;
mod rules;
#[cfg(test)]
mod tests;

pub use outside::{Outside, Unavailable};
pub use registry::Profiles;
pub use rules::{Asking, IssuerRules, KeySource, OpaqueRules, ScopeForm};
