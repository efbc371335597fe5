//! Pages of the demo: an app, and a provider that lets anybody in. Marked as such, so that nobody takes
//! them for real ones.

use serde::Serialize;

use super::parts::{Account, HiddenField};

/// What a demo app shows to somebody who is signed in.
#[derive(Clone, Debug, Serialize)]
pub struct DemoAppPage {
    /// What people call the app.
    pub app: String,
    /// Its host.
    pub host: String,
    /// As whom the app knows the person.
    pub account: Account,
    /// The identity headers that the app received.
    pub headers: Vec<DemoHeader>,
    /// The other demo apps.
    pub others: Vec<DemoAppLink>,
    /// Where the person can see and end their sessions.
    pub sessions_href: Option<String>,
    /// Where the person can sign out.
    pub sign_out_href: String,
}

/// One header that a demo app received.
#[derive(Clone, Debug, Serialize)]
pub struct DemoHeader {
    /// Its name.
    pub name: String,
    /// Its value; empty where there is none.
    pub value: String,
}

/// Another demo app.
#[derive(Clone, Debug, Serialize)]
pub struct DemoAppLink {
    /// What people call it.
    pub name: String,
    /// Its host.
    pub host: String,
    /// Its address.
    pub href: String,
}

/// Sign-in page of the demo provider: a click on a user, or user and password.
#[derive(Clone, Debug, Serialize)]
pub struct DemoSignInPage {
    /// What people call the provider.
    pub provider: String,
    /// Host of the client that asks.
    pub client: String,
    /// Whom one can sign in as with one click.
    pub users: Vec<DemoUser>,
    /// Where both forms are posted: `user` (from a click), or `username` and `password`.
    pub action: String,
    /// Further fields of both forms.
    pub fields: Vec<HiddenField>,
    /// The name typed last, when user or password did not fit; `Some` shows the fault.
    pub failed_username: Option<String>,
}

/// A user of the demo provider.
#[derive(Clone, Debug, Serialize)]
pub struct DemoUser {
    /// Value of the field `user`.
    pub login: String,
    /// Display name.
    pub name: String,
    /// What is special about this user: "may open both apps", "is refused by Wiki".
    pub about: String,
    /// Letter of the badge; see [`mark_of`](super::mark_of).
    pub mark: String,
}
