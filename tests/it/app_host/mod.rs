//! Our paths on an app's own host: `/oauth2/sign_in`, `/oauth2/callback`, `/oauth2/userinfo`, `/oauth2/permissions`.
//! `/oauth2/sign_out` has a room of its own.

mod background;
mod circles;
mod entry;
mod permissions;
mod returns;
mod tickets;
