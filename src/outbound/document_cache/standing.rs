//! How documents stand, for operators. Looking at one is no use of it.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::DocumentCache;
use crate::outbound::client::HttpClient;

/// How a document stands, for operators.
#[derive(Clone, Debug)]
pub struct Standing<T> {
    /// The last good one.
    pub document: Option<Arc<T>>,
    /// How long ago that was fetched.
    pub age: Option<Duration>,
    /// How long ago the first of the fetches failed that all have since; none: the last one went well, or none has
    /// ended.
    pub failing: Option<Duration>,
}

impl<T: Send + Sync + 'static> DocumentCache<T> {
    /// How the document at `address` stands, without asking for it. None: nobody has yet.
    #[must_use]
    pub fn standing(&self, address: &Url, client: &HttpClient) -> Option<Standing<T>> {
        let key = (client.reach_id(), address.as_str().into());
        let entry = self.shared.entries.get(&key)?;
        let now = self.shared.clock.monotonic();
        let state = entry.lock();
        let since = |then: Duration| now.saturating_sub(then);
        let document = state.document.as_ref();
        Some(Standing {
            document: document.map(|document| Arc::clone(&document.value)),
            age: document.map(|document| since(document.fetched_at)),
            failing: state
                .failures
                .as_ref()
                .map(|failures| since(failures.since)),
        })
    }
}
