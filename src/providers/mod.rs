//! Upstream providers: presets, and the metadata they publish.
//!
//! A preset is a file, not code: what is true of every account at a provider, in the words that are read
//! in `preset`. [`Presets::resolve`] makes an `UpstreamProvider` of a preset and what the operator wrote.
//! Invariant: a word that nobody knows is a fault, in a preset as in the configuration, so that a misspelt
//! switch is never silently ignored. Deliberately absent: anything about one provider's name.

mod assertions;
mod authorization;
mod claims;
mod client_authentication;
mod explanation;
mod hints;
pub mod issuers;
mod layers;
mod logout;
mod mapping;
mod metadata;
mod parameters;
mod preset;
mod protocol;
mod refresh;
mod registry;
mod requests;
mod required_claims;
mod resolution;
mod restrictions;
mod revocation;
mod template;
#[cfg(test)]
mod tests;
mod tokens;
mod value;

pub use explanation::Explanation;
pub use metadata::{MetadataFault, ProviderMetadata, metadata_cache};
pub use registry::Presets;
