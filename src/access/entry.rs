//! Whether somebody who has just signed in may open what they wanted: asked before a ticket is given, so
//! that they see a page that says no, and not another login.

use http::Method;
use url::Url;

use crate::domain::host::Host;
use crate::domain::identity::Person;
use crate::domain::path::CanonicalPath;
use crate::domain::policy::{Refusal, Ruling, Source, Target};
use crate::domain::tenant::{ProtectedApp, Tenant};
use crate::domain::upstream_provider::UpstreamProvider;

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
    let Some((app, ruling)) = ruling(tenant, target) else {
        return Ok(());
    };
    let judged = match ruling {
        Ruling::Public { .. } => Ok(()),
        Ruling::SignedIn { requirements, .. } => requirements.admit(person.as_subject()),
        Ruling::Refused(refusal) => Err(refusal),
    };
    judged.map_err(|refusal| EntryRefused { app, refusal })
}

/// The providers with whose people `target` can be opened, in the order of the configuration: those that its rule
/// names, else all of them.
#[must_use]
pub fn providers_for<'a>(tenant: &'a Tenant, target: &Url) -> Vec<&'a UpstreamProvider> {
    let named = match ruling(tenant, target) {
        Some((_, Ruling::SignedIn { requirements, .. })) => requirements.providers.as_slice(),
        _ => &[],
    };
    let all = tenant.providers.iter();
    all.filter(|provider| named.is_empty() || named.contains(&provider.id))
        .collect()
}

/// What the rules of the app at `target` say about a GET of it.
fn ruling<'a>(tenant: &'a Tenant, target: &Url) -> Option<(&'a ProtectedApp, Ruling<'a>)> {
    let app = Host::of(target).and_then(|host| tenant.app_of(&host))?;
    // A path with two meanings is refused by the check; here it is judged as unknown.
    let path = CanonicalPath::parse(target.path()).ok();
    let asked = Target {
        path: path.as_ref(),
        method: Some(&Method::GET),
        preflight: false,
        source: Source::NotAsked,
    };
    Some((app, app.policy.ruling(asked)))
}
