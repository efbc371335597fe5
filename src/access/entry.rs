//! Whether somebody who has just signed in may open what they wanted: asked before a ticket is given, so
//! that they see a page that says no, and not another login.

use http::Method;
use url::Url;

use crate::domain::host::Host;
use crate::domain::identity::Person;
use crate::domain::path::CanonicalPath;
use crate::domain::policy::{Refusal, Ruling, Target};
use crate::domain::tenant::{ProtectedApp, Tenant};

/// A person may not open an app, or this part of it.
#[derive(Clone, Copy, Debug)]
pub struct EntryRefused<'a> {
    /// The app.
    pub app: &'a ProtectedApp,
    /// Why.
    pub refusal: Refusal,
}

/// Judges `target` as a GET by `person`. An address that belongs to no app is not ours to judge.
///
/// # Errors
/// [`EntryRefused`].
pub fn may_enter<'a>(
    tenant: &'a Tenant,
    target: &Url,
    person: &Person,
) -> Result<(), EntryRefused<'a>> {
    let Some(app) = Host::of(target).and_then(|host| tenant.app_of(&host)) else {
        return Ok(());
    };
    // A path with two meanings is refused by the check; here it is judged as unknown.
    let path = CanonicalPath::parse(target.path()).ok();
    let asked = Target {
        path: path.as_ref(),
        method: Some(&Method::GET),
        preflight: false,
    };
    let judged = match app.policy.ruling(asked) {
        Ruling::Public { .. } => Ok(()),
        Ruling::SignedIn { requirements, .. } => requirements.admit(person.as_subject()),
        Ruling::Refused(refusal) => Err(refusal),
    };
    judged.map_err(|refusal| EntryRefused { app, refusal })
}
