//! Sessions: begun, found, used, ended.
//!
//! A tenant's session is what a login gives; an app session is the same session at one app host, and ends
//! with it. [`Sessions`] are the use-cases of the pages. [`AppSessions`] answer the check on every request
//! from memory. Both share [`LiveSessions`], which knows what this process has in memory, when it was used,
//! and what has been ended elsewhere.
//!
//! Invariants: a login always gives a new handle; what has ended is never answered again, whatever the clock
//! or a late request does; trouble with the store is an error, never a yes. Deliberately absent: timers (the
//! server and the tests call [`Sessions::poll_ended`], [`Sessions::flush_uses`], [`Sessions::sweep`]) and cookies (`web` sets and reads them).

mod app_sessions;
mod due;
mod lifecycle;
mod live;
mod record;
mod rounds;
mod tenant_store;
#[cfg(test)]
mod tests;
mod tickets;
mod upkeep;
mod upstream;
mod upstream_end;

pub use app_sessions::{AppEntry, AppSessions, Recalled};
pub use lifecycle::{CurrentSession, Established, ListedSession, NotEstablished, Origin, Sessions};
pub use live::{LiveSession, LiveSessions};
pub use record::{Browser, stored_person as person_of};
pub use rounds::LOOP;
pub use tenant_store::TenantSessionStore;
pub use tickets::{Asked, Begun, Entered};
pub use upstream::{Granted, LEASE};
