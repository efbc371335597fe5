//! The session behind what stays open after its check: a WebSocket.
//!
//! Invariant: watching is no use of a session, so an open connection keeps nobody signed in. A store that does
//! not answer closes nothing: nobody new is let in by that.

use std::sync::Arc;

use super::check::Gate;
use super::verdict::{Allowed, Prepared, Told};
use crate::domain::handle::{AppSessionKind, Digest, Handle};
use crate::domain::host::Host;
use crate::domain::ids::TenantId;
use crate::sessions::AppEntry;

/// What has to stay alive.
#[derive(Debug)]
pub struct SessionWatch {
    tenant: TenantId,
    host: Host,
    handle: Digest<AppSessionKind>,
    entry: Arc<AppEntry<Prepared>>,
}

impl Allowed {
    /// What to watch while something stays open that was allowed for the session of `handle`, at `host`.
    #[must_use]
    pub fn session_watch(
        &self,
        tenant: &TenantId,
        host: &Host,
        handle: Option<&Handle<AppSessionKind>>,
    ) -> Option<SessionWatch> {
        let Told::Person(entry, _) = &self.told else {
            return None;
        };
        Some(SessionWatch {
            tenant: tenant.clone(),
            host: host.clone(),
            handle: handle?.digest(),
            entry: Arc::clone(entry),
        })
    }
}

impl Gate {
    /// Whether the session is still there. From memory, unless there is news of it.
    pub async fn still_signed_in(&self, watch: &mut SessionWatch) -> bool {
        if self.sessions.is_settled(&watch.entry) {
            return true;
        }
        let (tenant, host) = (&watch.tenant, &watch.host);
        match self.sessions.check(tenant, host, &watch.handle).await {
            Ok(Some(entry)) if entry.app() == watch.entry.app() => {
                watch.entry = entry;
                true
            }
            Ok(_) => false,
            Err(error) => {
                tracing::debug!(%error, "whether a session is over cannot be told now");
                true
            }
        }
    }
}
