//! The integration suite: one binary, whose folders mirror the routes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so and ends"
)]

mod api;
mod app_host;
mod architecture;
mod authz;
mod bearer;
mod check;
mod documents;
mod ended_sessions;
mod limits;
mod login;
mod operations;
mod pages;
mod parsers;
mod refresh;
mod sessions;
mod sign_out;
mod support;
mod tokens;
mod trusted_issuers;
mod upstream;
