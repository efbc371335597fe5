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
    let Some((app, judged)) = with_ruling(tenant, target, |ruling, asked| match ruling {
        Ruling::Public { .. } => Ok(()),
        Ruling::SignedIn { requirements, .. } => requirements.admit(person.as_subject(), asked),
        Ruling::Refused(refusal) => Err(refusal),
    }) else {
        return Ok(());
    };
    judged.map_err(|refusal| EntryRefused { app, refusal })
}

/// Why somebody who is signed in gets no token for a page of an app.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum TokenNotAdmitted {
    /// The rule says no.
    #[error("a rule of the app refuses: {0:?}")]
    Refused(Refusal),
    /// What everybody may open says of nobody that they may have a token.
    #[error(
        "the path that decides is public, which admits nobody: name another in `session_tokens`"
    )]
    Public,
}

/// Whether `person` may have a token for pages of `app`: whether they may open `path`, from where they ask now.
///
/// # Errors
/// [`TokenNotAdmitted`].
pub fn may_have_token(
    app: &ProtectedApp,
    path: &CanonicalPath,
    (host, source): (&Host, Source),
    person: &Person,
) -> Result<(), TokenNotAdmitted> {
    let asked = Target {
        path: Some(path),
        method: Some(&Method::GET),
        host: Some(host),
        preflight: false,
        source,
    };
    match app.policy.ruling(asked) {
        Ruling::Public { .. } => Err(TokenNotAdmitted::Public),
        Ruling::Refused(refusal) => Err(TokenNotAdmitted::Refused(refusal)),
        Ruling::SignedIn { requirements, .. } => requirements
            .admit(person.as_subject(), asked)
            .map_err(TokenNotAdmitted::Refused),
    }
}

/// The providers with whose people `target` can be opened, in the order of the configuration: those that its rule
/// names, else all of them.
#[must_use]
pub fn providers_for<'a>(tenant: &'a Tenant, target: &Url) -> Vec<&'a UpstreamProvider> {
    let named = with_ruling(tenant, target, |ruling, _| match ruling {
        Ruling::SignedIn { requirements, .. } => requirements.providers.as_slice(),
        _ => &[],
    });
    let named = named.map_or(&[][..], |(_, named)| named);
    let all = tenant.providers.iter();
    all.filter(|provider| named.is_empty() || named.contains(&provider.id))
        .collect()
}

/// Has `judge` judge what the rules of the app at `target` say about a GET of it.
fn with_ruling<'a, T>(
    tenant: &'a Tenant,
    target: &Url,
    judge: impl FnOnce(Ruling<'a>, Target<'_>) -> T,
) -> Option<(&'a ProtectedApp, T)> {
    let host = Host::of(target)?;
    let app = tenant.app_of(&host)?;
    // A path with two meanings is refused by the check; here it is judged as unknown.
    let path = CanonicalPath::parse(target.path()).ok();
    let asked = Target {
        path: path.as_ref(),
        method: Some(&Method::GET),
        host: Some(&host),
        preflight: false,
        source: Source::NotAsked,
    };
    Some((app, judge(app.policy.ruling(asked), asked)))
}
