//! Who a request shows: by what stands in it itself, else by its session.
//!
//! Invariant: the first scheme that is shown decides, and what is shown and not good is nobody else's. The rules are
//! not asked here.

use std::sync::Arc;

use super::check::{Found, Gate, Witness};
use super::credentials::{KnownCaller, Shown};
use super::dialect::CheckRequest;
use super::target::CheckTarget;
use super::verdict::{Prepared, Verdict};
use crate::domain::caller::{Scheme, Subject};
use crate::domain::handle::{AppSessionKind, Digest, Handle};
use crate::domain::tenant::ParentCookie;
use crate::sessions::AppEntry;
use crate::storage::StorageError;

/// Whose session it is, and what it is remembered by.
pub type Recognized = (Digest<AppSessionKind>, Arc<AppEntry<Prepared>>);

/// Who a request shows.
#[derive(Debug)]
pub enum Whoever {
    /// Nobody, by any scheme that the app accepts.
    Nobody,
    /// Somebody who is known by what the request itself shows.
    Caller(Arc<KnownCaller>),
    /// Somebody who is signed in.
    Person(Digest<AppSessionKind>, Arc<AppEntry<Prepared>>),
}

impl Whoever {
    /// What rules look at; none: it is nobody.
    #[must_use]
    pub fn subject(&self) -> Option<Subject<'_>> {
        match self {
            Self::Nobody => None,
            Self::Caller(known) => Some(known.caller().as_subject()),
            Self::Person(_, entry) => Some(entry.person().as_subject()),
        }
    }
}

impl Gate {
    /// Who the request shows at this app, whatever the rules say to them. With what was seen a moment ago nothing
    /// here waits.
    ///
    /// # Errors
    /// What is shown is not good, or it cannot be told.
    pub(super) async fn whoever<W: Witness>(
        &self,
        request: &CheckRequest<'_>,
        target: &CheckTarget<'_>,
        found: Found<'_>,
        witness: &mut W,
    ) -> Result<Whoever, Verdict> {
        let accepts = found.at.app.accepts;
        if accepts.beyond_session() {
            let known = match self.credentials.shown(request, target, found) {
                Shown::Nothing => None,
                Shown::Known(known) => Some(known),
                // In a box, so that a check that does not come here need not carry room for it.
                Shown::Unjudged(scheme) => {
                    Some(Box::pin(self.credentials.judge(scheme, request, target, found)).await?)
                }
            };
            if let Some(known) = known {
                witness.identified(known.caller());
                return Ok(Whoever::Caller(known));
            }
        }
        if !accepts.accepts(Scheme::Session) {
            return Ok(Whoever::Nobody);
        }
        let session = self.session(request, found).await;
        let Some((handle, entry)) = session.map_err(Verdict::Unavailable)? else {
            return Ok(Whoever::Nobody);
        };
        witness.recognized(entry.person());
        Ok(Whoever::Person(handle, entry))
    }

    /// That the request shows what each request to the app must show.
    ///
    /// # Errors
    /// It does not, or that cannot be told.
    pub(super) async fn attested(
        &self,
        request: &CheckRequest<'_>,
        found: Found<'_>,
    ) -> Result<(), Verdict> {
        let tokens = found.at.tokens;
        match tokens.and_then(|tokens| tokens.attestation.as_ref()) {
            None => Ok(()),
            Some(demanded) => Box::pin(self.credentials.attested(demanded, request, found)).await,
        }
    }

    /// Whose session the request shows at this app, whatever the rules say to them. The app's own cookie goes
    /// first.
    ///
    /// # Errors
    /// The store's.
    pub async fn session(
        &self,
        request: &CheckRequest<'_>,
        found: Found<'_>,
    ) -> Result<Option<Recognized>, StorageError> {
        let Found { at, host, .. } = found;
        let own = match request.app_session.as_ref().map(Handle::digest) {
            None => None,
            Some(handle) => {
                let entry = self.sessions.check(&at.tenant.id, host, &handle).await?;
                entry
                    .filter(|entry| *entry.app() == at.app.id)
                    .map(|entry| (handle, entry))
            }
        };
        let shown = if own.is_none()
            && let Some(parent) = at.tenant.parent_cookie_at(host)
        {
            // In a box, so that a check that does not come here need not carry room for it.
            Box::pin(self.parent_session(request, parent, found)).await?
        } else {
            own
        };
        // Whoever vouched for the person may have been taken out of the configuration since.
        Ok(shown.filter(|(_, entry)| {
            let provider = &entry.person().provider;
            at.tenant.provider(provider).is_some()
        }))
    }

    /// Who is signed in by the cookie that this host shares with others.
    async fn parent_session(
        &self,
        request: &CheckRequest<'_>,
        parent: &ParentCookie,
        Found { at, host, .. }: Found<'_>,
    ) -> Result<Option<Recognized>, StorageError> {
        let Some(handle) = (request.parent_session)(request.headers, &at.tenant.id) else {
            return Ok(None);
        };
        let here = (host, &at.app.id);
        let found = self
            .sessions
            .check_parent(&at.tenant.id, &parent.domain, here, &handle)
            .await?;
        Ok(found.filter(|(_, entry)| *entry.app() == at.app.id))
    }
}
