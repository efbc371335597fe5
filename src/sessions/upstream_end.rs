//! Sessions that end because their provider says so.

use super::lifecycle::Sessions;
use crate::domain::handle::{Digest, UpstreamSessionKind};
use crate::domain::ids::{ProviderId, SessionId, TenantId};
use crate::domain::upstream_logout::{EndedUpstream, LogoutNotice, NoticeRefused};
use crate::storage::StorageError;

impl Sessions {
    /// Ends what a logout token names: here at once, everywhere within a second.
    ///
    /// # Errors
    /// The store's: nothing has ended, and the same token can come again.
    pub async fn end_by_logout_token(
        &self,
        tenant: &TenantId,
        provider: &ProviderId,
        notice: &LogoutNotice,
    ) -> Result<Result<Vec<EndedUpstream>, NoticeRefused>, StorageError> {
        let now = self.live().clock().now();
        let store = self.live().store();
        let ended = store
            .end_by_logout_token(tenant, provider, notice, now)
            .await?;
        Ok(ended.inspect(|ended| self.over(ended)))
    }

    /// Ends what a page names that the provider had a browser load: its own session `named`, and `own`, the
    /// session of this browser that came from that provider.
    ///
    /// # Errors
    /// The store's: nothing has ended.
    pub async fn end_by_front_channel(
        &self,
        tenant: &TenantId,
        named: Option<Digest<UpstreamSessionKind>>,
        own: Option<SessionId>,
    ) -> Result<Result<Vec<EndedUpstream>, NoticeRefused>, StorageError> {
        let now = self.live().clock().now();
        let store = self.live().store();
        let ended = store.end_by_front_channel(tenant, named, own, now).await?;
        Ok(ended.inspect(|ended| self.over(ended)))
    }

    fn over(&self, ended: &[EndedUpstream]) {
        for ended in ended {
            self.live().end(ended.session);
        }
    }
}
