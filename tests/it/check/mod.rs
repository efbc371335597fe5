//! `/oauth2/auth`: may this request pass?

mod api_keys;
mod assertion;
mod basic;
mod conditions;
mod credentials;
mod expiry;
mod identity;
mod policy;
mod store;
mod targets;
