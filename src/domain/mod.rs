//! Pure types and rules. Nothing here knows HTTP, storage, a clock or randomness: what a rule needs is
//! passed in, so that each can be read, and tested, alone.
//!
//! Invariant: a value that exists is valid. Types are made at the edge by parsing and cannot be built
//! otherwise.

pub mod api_key;
pub mod app_upstream;
pub mod caller;
pub mod claim_changes;
pub mod claims;
pub mod client_authentication;
pub mod colour;
pub mod condition;
pub mod email;
pub mod email_rule;
pub mod expression;
pub mod handle;
pub mod host;
pub mod identity;
pub mod identity_header;
pub mod ids;
pub mod issuer_template;
pub mod local_user;
pub mod login_attempt;
pub mod login_hint;
pub mod login_offer;
pub mod logout;
pub mod machine_client;
pub mod news;
pub mod path;
pub mod policy;
pub mod profile_request;
pub mod profile_values;
pub mod restrictions;
pub mod return_target;
pub mod revocation;
pub mod session;
pub mod signing_key;
pub mod tenant;
pub mod token_exchange;
pub mod upstream_logout;
pub mod upstream_provider;
pub mod upstream_tokens;
