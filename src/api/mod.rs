//! Bearer tokens in a service of your own: for people who write an API.
//!
//! An API is called with access tokens that somebody else issued: Entra, Auth0, Cognito, Google, Keycloak, a
//! pipeline, a cluster. This module says whose tokens are good, and for whom. It fetches keys and keeps them fresh,
//! answers as RFC 6750 has it, and remembers what it has verified. `docs/bearer.md` has a recipe for each cloud.
//!
//! # Whose tokens
//!
//! [`TrustedIssuers`] are made once, when the program starts. An issuer and an audience suffice where the issuer
//! follows the standards; where it does otherwise, [`IssuerRules`] say so.
//!
//! ```
//! use doorward::api::TrustedIssuers;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let issuers = TrustedIssuers::builder()
//!     .discover("https://login.example.com/realms/acme", &["orders"])
//!     .realm("orders")
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! # In axum
//!
//! With the feature `axum`: a layer judges the request, and handlers ask for what it found.
//!
#![cfg_attr(feature = "axum", doc = "```")]
#![cfg_attr(not(feature = "axum"), doc = "```ignore")]
//! use axum::Router;
//! use axum::routing::get;
//! use doorward::api::{Bearer, BearerLayer, TrustedIssuers, require_scopes};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Claims {
//!     sub: String,
//! }
//!
//! async fn orders(caller: Bearer<Claims>) -> String {
//!     format!("the orders of {}", caller.claims.sub)
//! }
//!
//! fn router(issuers: TrustedIssuers) -> Router {
//!     Router::new()
//!         .route("/orders", get(orders).layer(require_scopes(["orders:read"])))
//!         .layer(BearerLayer::new(issuers))
//! }
//! ```
//!
//! # What callers are told
//!
//! | What came | Answer |
//! |---|---|
//! | no token, or another scheme | 401, `Bearer realm="…"` |
//! | two `Authorization` headers, a token in the address as well, `Bearer` alone | 400, `error="invalid_request"` |
//! | a token that is no good, whatever the reason | 401, `error="invalid_token"` |
//! | a good token that lacks a scope | 403, `error="insufficient_scope"`, `scope="…"` |
//! | a token whose issuer's keys cannot be had | 503, `Retry-After` |
//!
//! Why a token was refused stands in the log, at the level `debug`, without the token. A handshake of a WebSocket is
//! a request like any other, and browsers cannot send a header with it: let such clients ask for a short-lived
//! session first.
//!
//! # Elsewhere
//!
//! Without the feature, [`TrustedIssuers::authenticate`] takes headers and address of any server that speaks the
//! `http` crate's types, and [`Rejection::response`] is the answer.
//!
//! Invariants: what cannot be judged is not let in; no two issuers share rules; a route that asks for a caller and
//! has no layer answers 500. What is deliberately absent: sessions, introspection of opaque tokens, who may do what
//! beyond scopes.

mod builder;
mod caller;
mod credentials;
mod issuer_rules;
mod metadata;
mod rejection;
mod scopes;
mod trusted_issuers;
mod upkeep;

#[cfg(feature = "axum")]
mod attestation;
#[cfg(feature = "axum")]
mod extract;
#[cfg(feature = "axum")]
mod layer;

pub use builder::{TrustedIssuersBuilder, TrustedIssuersFault};
pub use caller::Caller;
pub use issuer_rules::IssuerRules;
pub use rejection::{Refusal, Rejection};
pub use scopes::{RequiredScopes, ScopeClaims};
pub use trusted_issuers::TrustedIssuers;

#[cfg(feature = "axum")]
pub use attestation::{Attestation, AttestationLayer, AttestationService};
#[cfg(feature = "axum")]
pub use extract::Bearer;
#[cfg(feature = "axum")]
pub use layer::{
    BearerLayer, BearerService, ScopesLayer, ScopesService, require_any_scope, require_scopes,
};

/// The blocks of the page compile.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../../docs/bearer.md")]
mod page {}
