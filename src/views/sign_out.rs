//! Before and after signing out.

use serde::Serialize;

use super::parts::{Account, HiddenField};

/// Asks before it signs out, so that a link or an image elsewhere cannot do it.
#[derive(Clone, Debug, Serialize)]
pub struct SignOutPage {
    /// Who is signed in.
    pub account: Account,
    /// Provider that one will be signed out of too; `None`: its session stays.
    pub provider: Option<String>,
    /// Where the form is posted.
    pub action: String,
    /// Value of the field [`CSRF_FIELD`](super::CSRF_FIELD).
    pub csrf: String,
    /// Further fields, such as where to return.
    pub fields: Vec<HiddenField>,
    /// Where "Stay signed in" leads.
    pub stay_href: String,
}

/// What ended, and what did not.
#[derive(Clone, Debug, Serialize)]
pub struct SignedOutPage {
    /// What ended; empty: nothing that is known here. A provider that brings no `state` back leaves it open.
    pub ended: Vec<Ended>,
    /// The provider's session, where it goes on.
    pub still_signed_in: Option<StillSignedIn>,
    /// Where to sign in again.
    pub sign_in_href: Option<String>,
}

/// Something that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum Ended {
    /// The session at one app, by its name.
    App(String),
    /// The session at every app of the tenant.
    AllApps,
    /// The session at the provider, by its name.
    Provider(String),
}

/// A session at a provider that goes on: whoever uses this browser next can sign in with it.
#[derive(Clone, Debug, Serialize)]
pub struct StillSignedIn {
    /// What people call the provider.
    pub provider: String,
    /// Its host.
    pub host: String,
    /// Why.
    pub because: StillSignedInBecause,
    /// Where one can sign out there by hand.
    pub href: Option<String>,
}

/// Why a session at a provider goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StillSignedInBecause {
    /// The provider has no way for us to end it (no `end_session_endpoint`).
    NotOffered,
    /// It was not asked to.
    NotAsked,
    /// It was asked, and did not confirm.
    NotConfirmed,
}
