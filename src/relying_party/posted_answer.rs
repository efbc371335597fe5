//! The answer of a provider that posts it (OAuth 2.0 Form Post Response Mode §2).
//!
//! The POST comes from the provider's site, so it brings none of our cookies. It is kept beside the attempt
//! that it claims to answer, under a handle with which the browser comes again, by GET and with its cookie.
//! Invariant: being kept proves nothing. Whose browser it is, is judged when the attempt is taken out, with
//! which the answer goes.

use time::Duration;

use super::{CallbackParameters, RelyingParty};
use crate::domain::handle::{AnswerKind, Handle};
use crate::domain::login_attempt::LIFETIME_MINUTES;
use crate::domain::tenant::Tenant;
use crate::domain::upstream_provider::UpstreamProvider;
use crate::storage::{PostedAnswer, StorageError};

/// How long a browser may take to come again, in seconds.
const LIFETIME_SECONDS: i64 = 60;

impl RelyingParty {
    /// Keeps what was posted to the callback of `provider`, if an attempt waits for it there and has had no
    /// answer yet. `None`: it does not.
    ///
    /// # Errors
    /// The store fails.
    pub async fn keep_answer(
        &self,
        tenant: &Tenant,
        provider: &UpstreamProvider,
        parameters: &CallbackParameters,
    ) -> Result<Option<Handle<AnswerKind>>, StorageError> {
        let handle = Handle::<AnswerKind>::from_bytes(self.random.array());
        let now = self.clock.now();
        let answer = PostedAnswer {
            tenant: tenant.id.clone(),
            provider: provider.id.clone(),
            state: parameters.state().digest(),
            handle: handle.digest(),
            answer: parameters.to_query(),
            posted_at: now,
        };
        let began_after = now - Duration::minutes(LIFETIME_MINUTES);
        let kept = self.store.keep_answer(&answer, began_after).await?;
        Ok(kept.then_some(handle))
    }

    /// What was posted a moment ago to the callback of `provider`. It stays until its attempt is taken out.
    ///
    /// # Errors
    /// The store fails.
    pub async fn kept_answer(
        &self,
        tenant: &Tenant,
        provider: &UpstreamProvider,
        handle: &Handle<AnswerKind>,
    ) -> Result<Option<CallbackParameters>, StorageError> {
        let posted_after = self.clock.now() - Duration::seconds(LIFETIME_SECONDS);
        let found = self
            .store
            .find_answer(&tenant.id, &provider.id, handle.digest(), posted_after)
            .await?;
        Ok(found.and_then(|answer| CallbackParameters::from_query(&answer)))
    }
}
