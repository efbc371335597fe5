//! Choose a provider.

use serde::Serialize;

use super::parts::Contact;

/// Choose a provider; or, with an empty list, learn that there is none.
#[derive(Clone, Debug, Serialize)]
pub struct SignInPage {
    /// Host of the app one is going to ("to continue to wiki.example.com"); `None`: the tenant's own
    /// pages.
    pub target_host: Option<String>,
    /// Why the person is asked to sign in, where it is not plain.
    pub notice: Option<SignInNotice>,
    /// Where somebody's e-mail address finds their provider; `None`: no provider is found by address.
    pub by_email: Option<ByEmail>,
    /// In the order of the configuration; the page puts the last used one first.
    pub providers: Vec<ProviderChoice>,
    /// Whom to ask when there is no provider.
    pub contact: Option<Contact>,
}

/// The form that finds a provider by an address.
#[derive(Clone, Debug, Serialize)]
pub struct ByEmail {
    /// Where it goes, by POST, as `email`.
    pub action: String,
    /// What was given and led to no provider.
    pub failed: Option<String>,
}

/// A provider that one may sign in with.
#[derive(Clone, Debug, Serialize)]
pub struct ProviderChoice {
    /// What people call it.
    pub name: String,
    /// Letter of its badge; see [`mark_of`](super::mark_of).
    pub mark: String,
    /// Where the login begins: an address of ours, already parsed.
    pub href: String,
    /// Host where the person will type their password: the issuer's or the authorization endpoint's.
    pub host: String,
    /// Whether this browser signed in with it last. At most one.
    pub last_used: bool,
}

/// Why the person is asked to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignInNotice {
    /// The session is over: too old, idle too long, or ended elsewhere.
    SessionEnded,
    /// As before, while a form was sent: what was typed is lost.
    FormLost,
    /// The person chose "Use another account".
    AnotherAccount,
}
