//! Routes and handlers. Read [`router`] first: it lists every route.
//!
//! A handler extracts, calls one use-case and answers. Invariant: no protocol and no storage here, and
//! internal text never reaches a client; a request id does.

mod app_host;
mod asked_address;
pub(crate) mod authz;
pub(crate) mod challenges;
pub(crate) mod check;
mod choose;
mod circles;
pub mod connections;
pub(crate) mod cookies;
mod door;
mod enter;
pub mod ext_authz;
pub(crate) mod forward;
pub mod front;
mod login;
mod login_failed;
mod logout;
mod looks;
mod operations;
mod permissions;
mod posted_answer;
mod reply;
pub mod router;
pub mod serve;
mod session_tokens;
mod sessions;
mod silence;
mod tls;
mod token_exchange;
mod tokens;
mod traced;
mod upstream_logout;
mod upstream_tokens;
mod verify;
mod visit;

pub use door::{Door, Parts};
pub(crate) use reply::see_other;
