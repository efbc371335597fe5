//! From a name to addresses that may be dialled.
//!
//! Invariant: the connector gets its addresses from [`GuardedNames`] and from nowhere else, so a name that
//! resolves differently a moment later (DNS rebinding) gains nothing. Without a guard only the operator's
//! own proxy is resolved.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use super::address_guard::{AddressGuard, is_localhost};
use super::error::Unresolved;

/// Addresses of a name, when they are there.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Turns names into addresses.
pub trait NameResolver: Send + Sync + 'static {
    /// All addresses of `name`. An error where it has none.
    fn resolve(&self, name: &str) -> Resolving;
}

/// The machine's own resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNames;

impl NameResolver for SystemNames {
    fn resolve(&self, name: &str) -> Resolving {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|socket| socket.ip()).collect())
        })
    }
}

/// A resolver that passes on what the guard lets pass.
#[derive(Clone)]
pub(super) struct GuardedNames {
    pub(super) names: Arc<dyn NameResolver>,
    pub(super) guard: Option<Arc<AddressGuard>>,
}

impl reqwest::dns::Resolve for GuardedNames {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let this = self.clone();
        Box::pin(async move {
            let sockets = this.addresses(name.as_str()).await?;
            Ok(Box::new(sockets.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

impl GuardedNames {
    /// The addresses of `name` that may be dialled. Port 0: the connector puts in the port of the URL.
    pub(super) async fn addresses(
        &self,
        name: &str,
    ) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
        let addresses = match &self.guard {
            Some(guard) if is_localhost(name) => guard.check_all(guard.localhost())?,
            Some(guard) => guard.check_all(self.ask(name).await?)?,
            None => self.ask(name).await?,
        };
        let sockets = addresses
            .into_iter()
            .map(|address| SocketAddr::new(address, 0));
        Ok(sockets.collect())
    }

    async fn ask(&self, name: &str) -> Result<Vec<IpAddr>, Unresolved> {
        self.names.resolve(name).await.map_err(Unresolved)
    }
}
