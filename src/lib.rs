//! Doorward: one door between identity providers and the apps behind them.
//!
//! A request flows through the modules in this order; `ARCHITECTURE.md` walks one login through them:
//! `config` and `tenants` say which tenant and app an address belongs to, `relying_party` takes a login
//! from redirect to verified identity (`providers` and `jose` know the provider, `outbound` reaches it),
//! `sessions` begins, finds and ends what follows, `signing` has our own keys, `access` decides whether a request may pass, `views`
//! are the pages, and `web` puts handlers in front of it all. [`domain`] holds the rules, [`ports`] time
//! and randomness, `storage` what is remembered.
//!
//! Without the feature `server` only [`domain`], [`ports`], [`outbound`], [`jose`] and [`api`] are here: bearer
//! tokens for other services, with layers and extractors for axum behind the feature `axum`.

pub mod api;
pub mod domain;
pub mod jose;
pub mod outbound;
pub mod ports;

#[cfg(feature = "server")]
pub mod access;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod providers;
#[cfg(feature = "server")]
pub mod relying_party;
#[cfg(feature = "server")]
pub mod sessions;
#[cfg(feature = "server")]
pub mod signing;
#[cfg(feature = "server")]
pub mod storage;
#[cfg(feature = "server")]
pub mod telemetry;
#[cfg(feature = "server")]
pub mod tenants;
#[cfg(feature = "server")]
pub mod views;
#[cfg(feature = "server")]
pub mod web;
