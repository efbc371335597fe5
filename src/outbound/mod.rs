//! The one HTTP client, and the cache of documents fetched with it.
//!
//! Every request of our own goes through [`HttpClient`]. Invariants, on every request: a
//! deadline over all of it, a cap on the body, certificates verified, TLS 1.2 or later, no redirect
//! followed, and only addresses that [`AddressGuard`] lets pass. What is deliberately absent: retries,
//! cookies, `Referer`, decompression, proxies from the environment. Callers say what they want fetched and
//! judge the status; what a provider's answer means is theirs.
//!
//! Apps that requests are forwarded to are another matter, and have a client of their own (`AppClients`).

mod address_guard;
#[cfg(feature = "server")]
mod app_client;
mod client;
mod document_cache;
mod error;
mod freshness;
mod names;
#[cfg(test)]
pub(crate) mod test_server;
mod tls;

pub use address_guard::{AddressGuard, Refusal};
#[cfg(feature = "server")]
pub use app_client::{AppBody, AppClients, AppFault};
pub use client::{HttpClient, HttpClients, OutboundSettings, ReachFault};
pub use document_cache::{
    Budget, DocumentCache, DocumentRules, FetchCounts, FetchFault, FetchObserver, Parse, Refetch,
    Spending, Standing,
};
pub use error::{OutboundError, OutboundFault};
pub use names::{NameResolver, Resolving, SystemNames};
pub use tls::CaFileFault;
