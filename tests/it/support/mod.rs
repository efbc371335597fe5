//! What the tests stand on: a provider that misbehaves on request, and a browser.
#![allow(dead_code, reason = "a kit: not every tool is in use at every moment")]

pub(crate) mod app;
pub(crate) mod asking;
pub(crate) mod audit;
pub(crate) mod broker;
pub(crate) mod browser;
pub(crate) mod certificates;
pub(crate) mod command;
pub(crate) mod envoy;
pub(crate) mod http;
pub(crate) mod nodes;
pub(crate) mod provider;
pub(crate) mod raw;
pub(crate) mod relay;
pub(crate) mod tampering;
