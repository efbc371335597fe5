//! Signed in, but not allowed.

use serde::Serialize;

use super::parts::{Account, Contact, Incident};
use crate::domain::policy::Refusal;

/// Signed in, but not allowed to open this app. Never a dead end: another account, somebody to ask.
#[derive(Clone, Debug, Serialize)]
pub struct RefusedPage {
    /// Who is signed in.
    pub account: Account,
    /// Through which provider.
    pub provider: String,
    /// What people call the app.
    pub app: String,
    /// The app's host.
    pub host: String,
    /// What about the account does not fit. The class only: the lists are not told.
    pub class: RefusedClass,
    /// Where another account can be chosen.
    pub switch_account_href: String,
    /// Where the person can sign out.
    pub sign_out_href: Option<String>,
    /// Whom to ask for access.
    pub contact: Option<Contact>,
    /// For the administrator.
    pub incident: Incident,
}

/// What about an account does not fit, in as many words as people need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedClass {
    /// The domain of its e-mail address, or it has no verified one.
    Domain,
    /// Its e-mail address.
    Address,
    /// Its groups.
    Group,
    /// Its roles.
    Role,
    /// The provider it signed in through.
    Provider,
    /// Where they are: the network.
    Network,
    /// Nothing: nobody may open this.
    Nobody,
}

impl From<Refusal> for RefusedClass {
    /// What is the operator's to mend (no rule, a proxy that does not tell) is "nobody" to people; the
    /// code on the page tells them apart.
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::EmailDomain => Self::Domain,
            Refusal::Email | Refusal::User => Self::Address,
            Refusal::Group => Self::Group,
            Refusal::Role => Self::Role,
            Refusal::Provider => Self::Provider,
            Refusal::Network => Self::Network,
            // What only tokens have, no account has.
            Refusal::NoRule
            | Refusal::Nobody
            | Refusal::PathUnknown
            | Refusal::MethodUnknown
            | Refusal::Scheme
            | Refusal::Issuer
            | Refusal::Client
            | Refusal::Permission
            | Refusal::Scope
            | Refusal::SourceUnknown
            | Refusal::Condition
            | Refusal::ConditionFailed => Self::Nobody,
        }
    }
}
