//! `/oauth2/auth`: may this request pass?

mod assertion;
mod credentials;
mod expiry;
mod identity;
mod policy;
mod store;
mod targets;
