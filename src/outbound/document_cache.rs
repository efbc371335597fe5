//! Documents of providers (metadata, key sets), kept while they are good and longer when nothing better can
//! be had.
//!
//! Invariants: at most one fetch of an address is under way, and it goes on when those who wait for it do
//! not; a value that was once fetched is never replaced by a failure; two ways of reaching an address share
//! nothing; nobody can cause more than one forced fetch in a cool-down, whose clock runs for each tenant and
//! [`Budget`] by itself. What is deliberately absent: timers. [`DocumentCache::tick`] is called about once a
//! second by the server's upkeep, and all time comes from the clock that was passed in.

mod counts;
mod standing;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use tokio::sync::watch;
use url::Url;

pub use self::counts::FetchCounts;
pub use self::standing::Standing;
use super::client::HttpClient;
use super::error::OutboundError;
use super::freshness::lifetime;
use crate::domain::ids::TenantId;
use crate::ports::Clock;

/// Addresses kept at most.
const ENTRIES: u64 = 10_000;
/// A document that nobody asked for in this time is not kept fresh any more.
const UNUSED: Duration = Duration::from_hours(24);
/// The wait after a first failure; it doubles with each further one,
const FIRST_BACK_OFF: Duration = Duration::from_secs(2);
/// up to this;
const LONGEST_BACK_OFF: Duration = Duration::from_mins(1);
/// up to this while there is no document at all, for then people stand before a closed door and try again.
const LONGEST_WITHOUT_DOCUMENT: Duration = Duration::from_secs(10);

/// Reads a body; the error says what is wrong with it, to an operator.
pub type Parse<T> = Box<dyn Fn(&[u8]) -> Result<T, String> + Send + Sync>;

/// What is fetched, and how it is read.
pub struct DocumentRules<T> {
    /// `Accept`.
    pub accept: HeaderValue,
    /// Bytes of the body at most.
    pub max_body: usize,
    /// How a body is read.
    pub parse: Parse<T>,
}

/// Why a document could not be had. For logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchFault {
    /// No answer.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// An answer that is not 200. Redirects are not followed.
    #[error("the answer has status {0}{hint}", hint = redirect_hint(*.0))]
    Status(StatusCode),
    /// It is not what it should be.
    #[error("the document cannot be used: {0}")]
    Unreadable(Box<str>),
    /// The fetch ended without an outcome.
    #[error("the fetch was interrupted")]
    Interrupted,
}

fn redirect_hint(status: StatusCode) -> &'static str {
    if status.is_redirection() {
        " (redirects are not followed: configure the final address)"
    } else {
        ""
    }
}

/// Hears of each fetch, for metrics.
pub trait FetchObserver: Send + Sync + 'static {
    /// A fetch ended.
    fn fetched(&self, address: &Url, outcome: Result<(), &FetchFault>, took: Duration);
}

/// Whose doubt makes a fetch. Bearers come from anywhere; an ID token was handed to us by the token
/// endpoint, so a flood of bearers must not keep a person from signing in after a key rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Budget {
    /// An ID token that came from the token endpoint.
    TokenEndpoint,
    /// A token that a request brought along.
    Bearer,
    /// A logout token, which anybody can post: neither people who sign in nor bearers wait for it.
    LogoutToken,
}

/// Who forces a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spending {
    /// For whom. Tenants that name the same address share the document, not the right to fetch it.
    pub tenant: TenantId,
    /// On which account.
    pub budget: Budget,
    /// How long no other fetch is forced on this account: 30 s, or what the provider asks for.
    pub cool_down: Duration,
}

/// What became of a forced fetch.
#[derive(Debug)]
pub enum Refetch<T> {
    /// It was made, and ended: the document as it is now, or why there is no newer one.
    Fetched(Result<Arc<T>, FetchFault>),
    /// One was under way already, and ended. It may have begun before the change that is looked for.
    Joined(Result<Arc<T>, FetchFault>),
    /// Too soon after the last. One will be made at the end of the cool-down.
    CoolingDown,
}

/// The cache.
pub struct DocumentCache<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    entries: moka::sync::Cache<(u64, Box<str>), Arc<Entry<T>>>,
    rules: DocumentRules<T>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn FetchObserver>,
}

struct Entry<T> {
    address: Url,
    state: Mutex<State<T>>,
    /// Changes whenever a fetch has ended.
    landed: watch::Sender<()>,
}

struct State<T> {
    document: Option<Document<T>>,
    failures: Option<Failures>,
    fetching: bool,
    accounts: HashMap<(TenantId, Budget), Account>,
    client: HttpClient,
    used_at: Duration,
}

struct Document<T> {
    value: Arc<T>,
    fetched_at: Duration,
    refresh_at: Duration,
    stale_at: Duration,
}

/// Failures since the last success.
struct Failures {
    count: u32,
    since: Duration,
    retry_at: Duration,
    last: FetchFault,
}

/// One account's last forced fetch, and the one it still has to make.
struct Account {
    fetched_at: Duration,
    cool_until: Duration,
    due: bool,
}

impl<T: Send + Sync + 'static> DocumentCache<T> {
    /// An empty cache.
    #[must_use]
    pub fn new(
        rules: DocumentRules<T>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn FetchObserver>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                entries: moka::sync::Cache::new(ENTRIES),
                rules,
                clock,
                observer,
            }),
        }
    }

    /// The document at `address`. Waits for a fetch only when there is none to give, or when it has gone
    /// stale while the provider was well; what fails to be fetched again is given as it was. Must be called
    /// within a Tokio runtime.
    ///
    /// # Errors
    /// When it was never fetched: why. Until a back-off is over, without trying again.
    pub async fn get(&self, address: &Url, client: &HttpClient) -> Result<Arc<T>, FetchFault> {
        let entry = self.entry(address, client);
        let mut landed = {
            let mut state = entry.lock();
            let now = self.shared.clock.monotonic();
            state.used(now, client);
            let may_fetch = state.may_fetch(now);
            if let Some(document) = &state.document
                && (now < document.stale_at || state.failures.is_some())
            {
                let value = Arc::clone(&document.value);
                if now >= document.refresh_at && may_fetch {
                    self.shared.start(&entry, &mut state);
                }
                return Ok(value);
            }
            if may_fetch {
                self.shared.start(&entry, &mut state);
            } else if !state.fetching {
                return state.outcome();
            }
            entry.landed.subscribe()
        };
        // The sender lives in the entry, which is held here.
        let _ = landed.changed().await;
        entry.lock().outcome()
    }

    /// Fetches the document again because it lacks something, at most once in a cool-down for each tenant
    /// and budget. Ordinary fetches do not count against it: a key may be rotated a second after one. Must
    /// be called within a Tokio runtime.
    pub async fn refetch(
        &self,
        address: &Url,
        client: &HttpClient,
        spending: &Spending,
    ) -> Refetch<T> {
        let entry = self.entry(address, client);
        let (joined, mut landed) = {
            let mut state = entry.lock();
            let now = self.shared.clock.monotonic();
            state.used(now, client);
            let joined = state.fetching;
            if !joined {
                if !state.spend(now, spending) {
                    return Refetch::CoolingDown;
                }
                self.shared.start(&entry, &mut state);
            }
            (joined, entry.landed.subscribe())
        };
        let _ = landed.changed().await;
        let outcome = entry.lock().newest();
        if joined {
            Refetch::Joined(outcome)
        } else {
            Refetch::Fetched(outcome)
        }
    }

    /// Starts what is due: forced fetches whose cool-down is over, and refreshes of documents in use, before
    /// they go stale. How many were started; they run by themselves. Must be called within a Tokio runtime.
    #[expect(
        clippy::must_use_candidate,
        reason = "the number is for tests and curiosity"
    )]
    pub fn tick(&self) -> usize {
        let now = self.shared.clock.monotonic();
        let mut started = 0;
        for (_, entry) in &self.shared.entries {
            let mut state = entry.lock();
            if state.fetching {
                continue;
            }
            // Both are asked: a forced fetch that is due must be ticked off even when a refresh is due too.
            let forced = state.take_due(now);
            if forced || state.wants_refresh(now) {
                self.shared.start(&entry, &mut state);
                started += 1;
            }
        }
        self.shared.entries.run_pending_tasks();
        started
    }

    /// Waits until no fetch is under way. For tests, and for a drain.
    pub async fn settled(&self) {
        let entries: Vec<_> = self.shared.entries.iter().map(|(_, entry)| entry).collect();
        for entry in entries {
            let mut landed = entry.landed.subscribe();
            while entry.lock().fetching {
                let _ = landed.changed().await;
            }
        }
    }

    fn entry(&self, address: &Url, client: &HttpClient) -> Arc<Entry<T>> {
        let key = (client.reach_id(), address.as_str().into());
        self.shared.entries.get_with(key, || {
            Arc::new(Entry {
                address: address.clone(),
                state: Mutex::new(State {
                    document: None,
                    failures: None,
                    fetching: false,
                    accounts: HashMap::new(),
                    client: client.clone(),
                    used_at: Duration::ZERO,
                }),
                landed: watch::Sender::new(()),
            })
        })
    }
}

impl<T> fmt::Debug for DocumentCache<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DocumentCache")
            .finish_non_exhaustive()
    }
}

impl<T: Send + Sync + 'static> Shared<T> {
    fn start(self: &Arc<Self>, entry: &Arc<Entry<T>>, state: &mut State<T>) {
        state.fetching = true;
        let client = state.client.with_max_body(self.rules.max_body);
        let landing = Landing {
            shared: Arc::clone(self),
            entry: Arc::clone(entry),
            began_at: self.clock.monotonic(),
            outcome: Err(FetchFault::Interrupted),
        };
        tokio::spawn(async move {
            let outcome = landing.shared.fetch(&landing.entry.address, &client).await;
            landing.end(outcome);
        });
    }

    async fn fetch(
        &self,
        address: &Url,
        client: &HttpClient,
    ) -> Result<(T, HeaderMap), FetchFault> {
        let unreadable = |reason: String| FetchFault::Unreadable(reason.into());
        let request = Request::get(address.as_str())
            .header(ACCEPT, self.rules.accept.clone())
            .body(Vec::new())
            .map_err(|error| unreadable(error.to_string()))?;
        let (parts, body) = client.send(request).await?.into_parts();
        if parts.status != StatusCode::OK {
            return Err(FetchFault::Status(parts.status));
        }
        let value = (self.rules.parse)(&body).map_err(unreadable)?;
        Ok((value, parts.headers))
    }
}

/// A fetch under way. Its end is noted when it is dropped, so also when reading the document panicked or
/// the runtime stops.
struct Landing<T: Send + Sync + 'static> {
    shared: Arc<Shared<T>>,
    entry: Arc<Entry<T>>,
    began_at: Duration,
    outcome: Result<(T, HeaderMap), FetchFault>,
}

impl<T: Send + Sync + 'static> Landing<T> {
    fn end(mut self, outcome: Result<(T, HeaderMap), FetchFault>) {
        self.outcome = outcome;
    }
}

impl<T: Send + Sync + 'static> Drop for Landing<T> {
    fn drop(&mut self) {
        let now = self.shared.clock.monotonic();
        let address = &self.entry.address;
        let outcome = std::mem::replace(&mut self.outcome, Err(FetchFault::Interrupted));
        self.shared.observer.fetched(
            address,
            outcome.as_ref().map(|_| ()),
            now.saturating_sub(self.began_at),
        );
        let origin = address.origin().ascii_serialization();
        let path = address.path();
        let mut state = self.entry.lock();
        state.fetching = false;
        match outcome {
            Ok((value, headers)) => {
                let lifetime = lifetime(&headers);
                state.document = Some(Document {
                    value: Arc::new(value),
                    fetched_at: now,
                    refresh_at: now + lifetime.mul_f64(0.8),
                    stale_at: now + lifetime,
                });
                if state.failures.take().is_some() {
                    tracing::info!(origin, path, "a document can be fetched again");
                }
            }
            Err(fault) => {
                let kept = state.document.is_some();
                tracing::warn!(origin, path, %fault, kept, "a document could not be fetched");
                let earlier = state.failures.as_ref();
                let (count, since) =
                    earlier.map_or((0, now), |failures| (failures.count, failures.since));
                state.failures = Some(Failures {
                    since,
                    count: count.saturating_add(1),
                    retry_at: now + back_off(count, kept),
                    last: fault,
                });
            }
        }
        drop(state);
        self.entry.landed.send_replace(());
    }
}

/// The wait after a failure that `earlier` ones went before. `kept`: an older document is given meanwhile.
fn back_off(earlier: u32, kept: bool) -> Duration {
    let longest = if kept {
        LONGEST_BACK_OFF
    } else {
        LONGEST_WITHOUT_DOCUMENT
    };
    FIRST_BACK_OFF
        .saturating_mul(2_u32.saturating_pow(earlier))
        .min(longest)
}

impl<T> Entry<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn used(&mut self, now: Duration, client: &HttpClient) {
        self.used_at = now;
        self.client = client.clone();
    }

    fn may_fetch(&self, now: Duration) -> bool {
        let backed_off = self
            .failures
            .as_ref()
            .is_none_or(|failures| now >= failures.retry_at);
        !self.fetching && backed_off
    }

    fn wants_refresh(&self, now: Duration) -> bool {
        let ageing = self
            .document
            .as_ref()
            .is_some_and(|document| now >= document.refresh_at);
        ageing && now.saturating_sub(self.used_at) < UNUSED && self.may_fetch(now)
    }

    /// What the last fetch brought: the last good document is not that after a failure.
    fn newest(&self) -> Result<Arc<T>, FetchFault> {
        match &self.failures {
            Some(failures) => Err(failures.last.clone()),
            None => self.outcome(),
        }
    }

    fn outcome(&self) -> Result<Arc<T>, FetchFault> {
        match (&self.document, &self.failures) {
            (Some(document), _) => Ok(Arc::clone(&document.value)),
            (None, Some(failures)) => Err(failures.last.clone()),
            (None, None) => Err(FetchFault::Interrupted),
        }
    }

    /// Whether a forced fetch may begin now. If not, one is noted for the end of the cool-down, unless
    /// nothing was ever fetched: then the back-off alone decides, and the next reader fetches.
    fn spend(&mut self, now: Duration, spending: &Spending) -> bool {
        if self.document.is_none() {
            return self.may_fetch(now);
        }
        let account = self
            .accounts
            .entry((spending.tenant.clone(), spending.budget));
        match account {
            std::collections::hash_map::Entry::Vacant(vacant) => {
                vacant.insert(Account {
                    fetched_at: now,
                    cool_until: now + spending.cool_down,
                    due: false,
                });
                true
            }
            std::collections::hash_map::Entry::Occupied(mut occupied) => {
                let account = occupied.get_mut();
                account.cool_until = account.fetched_at + spending.cool_down;
                if now < account.cool_until {
                    account.due = true;
                    return false;
                }
                *account = Account {
                    fetched_at: now,
                    cool_until: now + spending.cool_down,
                    due: false,
                };
                true
            }
        }
    }

    /// Ticks off the forced fetches whose cool-down is over, and forgets accounts that have cooled down.
    /// Whether there was one. It counts as forced, so the cool-down begins anew.
    fn take_due(&mut self, now: Duration) -> bool {
        let mut found = false;
        self.accounts.retain(|_, account| {
            if now < account.cool_until {
                return true;
            }
            if account.due {
                let cool_down = account.cool_until.saturating_sub(account.fetched_at);
                *account = Account {
                    fetched_at: now,
                    cool_until: now + cool_down,
                    due: false,
                };
                found = true;
                return true;
            }
            false
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::upstream_provider::Reach;
    use crate::outbound::test_server::{Answer, TestServer, json, response};
    use crate::outbound::{HttpClients, OutboundSettings};
    use crate::ports::ManualClock;
    use rstest::rstest;
    use time::macros::datetime;
    use tokio::sync::Semaphore;

    const SECOND: Duration = Duration::from_secs(1);
    const COOL_DOWN: Duration = Duration::from_secs(30);

    /// A cache of texts in front of one server.
    struct Fixture {
        server: TestServer,
        clock: Arc<ManualClock>,
        counts: Arc<FetchCounts>,
        cache: Arc<DocumentCache<String>>,
        clients: HttpClients,
        client: HttpClient,
        address: Url,
    }

    impl Fixture {
        async fn new(answer: Answer) -> Self {
            let server = TestServer::start(answer).await;
            let clock = Arc::new(ManualClock::at(datetime!(2026-11-01 12:00 UTC)));
            let counts = Arc::new(FetchCounts::default());
            let rules = DocumentRules {
                accept: HeaderValue::from_static("application/json"),
                max_body: 1024,
                parse: Box::new(|body| {
                    assert_ne!(body, b"\"panic\"", "asked to");
                    serde_json::from_slice(body).map_err(|error| error.to_string())
                }),
            };
            let clients = HttpClients::new(OutboundSettings {
                development: true,
                ..OutboundSettings::default()
            });
            Self {
                cache: Arc::new(DocumentCache::new(rules, clock.clone(), counts.clone())),
                client: clients.for_reach(&Reach::default()).expect("a client"),
                address: server.url("/doc"),
                server,
                clock,
                counts,
                clients,
            }
        }

        async fn get(&self) -> Result<String, FetchFault> {
            let document = self.cache.get(&self.address, &self.client).await?;
            Ok(String::clone(&document))
        }

        async fn refetch(&self, tenant: &str, budget: Budget) -> Refetch<String> {
            let spending = Spending {
                tenant: tenant.parse().expect("a name"),
                budget,
                cool_down: COOL_DOWN,
            };
            self.cache
                .refetch(&self.address, &self.client, &spending)
                .await
        }

        /// Time passes second by second, with the server's upkeep.
        async fn pass(&self, seconds: u64) {
            for _ in 0..seconds {
                self.clock.advance(SECOND);
                self.cache.tick();
                self.cache.settled().await;
            }
        }
    }

    fn down() -> Answer {
        response("503 Service Unavailable", "text/plain", "down", "")
    }

    #[tokio::test]
    async fn a_fresh_document_is_fetched_once() {
        let fixture = Fixture::new(json("\"one\"", "cache-control: max-age=600\r\n")).await;
        for _ in 0..5 {
            assert_eq!(fixture.get().await.expect("a document"), "one");
        }
        assert_eq!(fixture.server.hits(), 1);
        assert!(
            fixture
                .server
                .last_head()
                .contains("accept: application/json\r\n")
        );
    }

    #[tokio::test]
    async fn a_hundred_callers_at_once_make_one_fetch() {
        let gate = Arc::new(Semaphore::new(0));
        let Answer::Bytes(bytes) = json("\"one\"", "") else {
            panic!("bytes")
        };
        let fixture = Arc::new(Fixture::new(Answer::Gated(gate.clone(), bytes)).await);
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let fixture = fixture.clone();
            callers.spawn(async move { fixture.get().await });
        }
        gate.add_permits(100);
        while let Some(outcome) = callers.join_next().await {
            assert_eq!(outcome.expect("no panic").expect("a document"), "one");
        }
        assert_eq!(fixture.server.hits(), 1);
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_leaves_the_fetch_to_the_others() {
        let gate = Arc::new(Semaphore::new(0));
        let Answer::Bytes(bytes) = json("\"one\"", "") else {
            panic!("bytes")
        };
        let fixture = Fixture::new(Answer::Gated(gate.clone(), bytes)).await;
        {
            let mut first = std::pin::pin!(fixture.get());
            let polled = std::future::poll_fn(|context| {
                std::task::Poll::Ready(first.as_mut().poll(context).is_pending())
            });
            assert!(polled.await, "it waits");
        }
        gate.add_permits(1);
        assert_eq!(fixture.get().await.expect("a document"), "one");
        assert_eq!(fixture.server.hits(), 1);
    }

    #[rstest]
    #[case::keycloak("cache-control: no-cache\r\n", 5 * 60)]
    #[case::half_an_hour("cache-control: max-age=1800\r\n", 30 * 60)]
    #[case::unsaid("", 60 * 60)]
    #[tokio::test]
    async fn a_document_in_use_is_refreshed_before_it_is_stale(
        #[case] headers: &str,
        #[case] lifetime: u64,
    ) {
        let fixture = Fixture::new(json("\"one\"", headers)).await;
        fixture.get().await.expect("a document");
        fixture.server.answer(json("\"two\"", headers));
        fixture.pass(lifetime * 4 / 5 - 1).await;
        assert_eq!(fixture.server.hits(), 1);
        assert_eq!(fixture.get().await.expect("a document"), "one");
        fixture.pass(1).await;
        assert_eq!(fixture.server.hits(), 2);
        assert_eq!(fixture.get().await.expect("a document"), "two");
    }

    #[tokio::test]
    async fn access_refreshes_in_the_background_without_upkeep() {
        let fixture = Fixture::new(json("\"one\"", "")).await;
        fixture.get().await.expect("a document");
        fixture.server.answer(json("\"two\"", ""));
        fixture.clock.advance(Duration::from_mins(50));
        assert_eq!(fixture.get().await.expect("at once"), "one");
        fixture.cache.settled().await;
        assert_eq!(fixture.get().await.expect("a document"), "two");
        assert_eq!(fixture.server.hits(), 2);
    }

    #[tokio::test]
    async fn a_stale_document_is_fetched_before_it_is_given() {
        let fixture = Fixture::new(json("\"one\"", "")).await;
        fixture.get().await.expect("a document");
        fixture.server.answer(json("\"two\"", ""));
        fixture.clock.advance(Duration::from_hours(2));
        assert_eq!(fixture.get().await.expect("a document"), "two");
    }

    #[tokio::test]
    async fn a_document_nobody_uses_is_left_alone() {
        let fixture = Fixture::new(json("\"one\"", "")).await;
        fixture.get().await.expect("a document");
        fixture.clock.advance(Duration::from_hours(25));
        assert_eq!(fixture.cache.tick(), 0);
        assert_eq!(fixture.server.hits(), 1);
    }

    #[tokio::test]
    async fn a_step_of_the_wall_clock_changes_nothing() {
        let fixture = Fixture::new(json("\"one\"", "")).await;
        fixture.get().await.expect("a document");
        fixture.clock.step_to(datetime!(2036-01-01 0:00 UTC));
        fixture.get().await.expect("a document");
        assert_eq!(fixture.cache.tick(), 0);
        assert_eq!(fixture.server.hits(), 1);
    }

    #[rstest]
    #[case::down(down())]
    #[case::html(response("200 OK", "text/html", "<html>Sign in</html>", ""))]
    #[case::redirect(response("302 Found", "text/html", "", "location: /elsewhere\r\n"))]
    #[case::hangup(Answer::Hangup)]
    #[case::huge(Answer::Flood)]
    #[case::no_content(response("204 No Content", "text/plain", "", ""))]
    #[case::truncated(Answer::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n\"on".to_vec()))]
    #[tokio::test]
    async fn t04_the_last_good_document_outlives_failures(#[case] failure: Answer) {
        let fixture = Fixture::new(json("\"one\"", "")).await;
        fixture.get().await.expect("a document");
        fixture.server.answer(failure);
        fixture.clock.advance(Duration::from_hours(2));
        assert_eq!(fixture.get().await.expect("the last good one"), "one");
        assert_eq!(fixture.counts.failed(), 1);
        for _ in 0..100 {
            assert_eq!(fixture.get().await.expect("the last good one"), "one");
        }
        assert_eq!(fixture.counts.failed(), 1, "it backs off");

        fixture.server.answer(json("\"two\"", ""));
        fixture.pass(10).await;
        assert_eq!(fixture.get().await.expect("the new one"), "two");
    }

    #[tokio::test]
    async fn t04_a_stale_document_is_given_at_once_while_the_provider_hangs() {
        let fixture = Fixture::new(json("\"one\"", "")).await;
        fixture.get().await.expect("a document");
        fixture.server.answer(down());
        fixture.clock.advance(Duration::from_hours(2));
        fixture.get().await.expect("the last good one");
        fixture.server.answer(Answer::Silence);
        fixture.clock.advance(FIRST_BACK_OFF);
        // A second try is made in the background, and never answered.
        assert_eq!(fixture.get().await.expect("at once"), "one");
        assert_eq!(fixture.get().await.expect("at once"), "one");
    }

    #[tokio::test]
    async fn failures_before_a_first_success_are_remembered_for_a_while() {
        let fixture = Fixture::new(down()).await;
        // Second by second for a minute: fetches at 0, 2, 6, 14, 24, 34, 44, 54.
        for _ in 0..60 {
            let refused = fixture.get().await.expect_err("down");
            assert_eq!(refused, FetchFault::Status(StatusCode::SERVICE_UNAVAILABLE));
            fixture.pass(1).await;
        }
        assert_eq!(fixture.server.hits(), 8);

        fixture.server.answer(json("\"one\"", ""));
        fixture.pass(10).await;
        assert_eq!(fixture.get().await.expect("it is back"), "one");
    }

    #[tokio::test]
    async fn a_reader_that_panics_leaves_no_lock_behind() {
        let fixture = Fixture::new(json("\"panic\"", "")).await;
        assert_eq!(fixture.get().await, Err(FetchFault::Interrupted));
        fixture.server.answer(json("\"one\"", ""));
        fixture.clock.advance(FIRST_BACK_OFF);
        assert_eq!(fixture.get().await.expect("a document"), "one");
    }

    #[tokio::test]
    async fn ways_of_reaching_share_nothing() {
        let fixture = Fixture::new(json("\"one\"", "")).await;
        fixture.get().await.expect("a document");
        let other = Reach {
            allow_networks: vec!["10.0.0.0/8".parse().expect("a network")],
            ..Reach::default()
        };
        let other = fixture.clients.for_reach(&other).expect("a client");
        fixture.server.answer(json("\"two\"", ""));
        let document = fixture.cache.get(&fixture.address, &other).await;
        assert_eq!(*document.expect("a document"), "two");
        assert_eq!(fixture.get().await.expect("a document"), "one");
    }

    #[tokio::test]
    async fn a_forced_fetch_right_after_an_ordinary_one_is_made() {
        let fixture = Fixture::new(json("\"one\"", "")).await;
        fixture.get().await.expect("a document");
        fixture.server.answer(json("\"two\"", ""));
        let refetch = fixture.refetch("acme", Budget::Bearer).await;
        assert!(
            matches!(&refetch, Refetch::Fetched(Ok(document)) if **document == "two"),
            "{refetch:?}"
        );
        assert_eq!(fixture.server.hits(), 2);
    }

    #[tokio::test]
    async fn t05_a_forced_fetch_in_the_cool_down_is_made_once_at_its_end() {
        let fixture = Fixture::new(json("\"one\"", "")).await;
        fixture.get().await.expect("a document");
        fixture.refetch("acme", Budget::Bearer).await;
        fixture.pass(29).await;
        for _ in 0..3 {
            let refetch = fixture.refetch("acme", Budget::Bearer).await;
            assert!(matches!(refetch, Refetch::CoolingDown), "{refetch:?}");
        }
        assert_eq!(fixture.server.hits(), 2);
        fixture.server.answer(json("\"two\"", ""));
        fixture.pass(1).await;
        assert_eq!(fixture.server.hits(), 3);
        assert_eq!(fixture.get().await.expect("a document"), "two");
        // It counts as forced itself.
        let refetch = fixture.refetch("acme", Budget::Bearer).await;
        assert!(matches!(refetch, Refetch::CoolingDown), "{refetch:?}");
    }

    #[tokio::test]
    async fn t05_nothing_is_made_at_the_end_of_a_cool_down_nobody_ran_into() {
        let fixture = Fixture::new(json("\"one\"", "")).await;
        fixture.get().await.expect("a document");
        fixture.refetch("acme", Budget::Bearer).await;
        fixture.pass(100).await;
        assert_eq!(fixture.server.hits(), 2);
    }

    #[rstest]
    #[case::bearers_do_not_spend_the_logins(("acme", Budget::Bearer), ("acme", Budget::TokenEndpoint))]
    #[case::logins_do_not_spend_the_bearers(("acme", Budget::TokenEndpoint), ("acme", Budget::Bearer))]
    #[case::nor_do_logout_tokens(("acme", Budget::LogoutToken), ("acme", Budget::TokenEndpoint))]
    #[case::nor_bearers_the_logout_tokens(("acme", Budget::Bearer), ("acme", Budget::LogoutToken))]
    #[case::nor_a_tenant_another_tenants(("evil", Budget::Bearer), ("acme", Budget::Bearer))]
    #[case::at_logins_neither(("evil", Budget::TokenEndpoint), ("acme", Budget::TokenEndpoint))]
    #[tokio::test]
    async fn t27_accounts_are_apart(
        #[case] spent: (&str, Budget),
        #[case] untouched: (&str, Budget),
    ) {
        let fixture = Fixture::new(json("\"one\"", "")).await;
        fixture.get().await.expect("a document");
        fixture.refetch(spent.0, spent.1).await;
        let refetch = fixture.refetch(spent.0, spent.1).await;
        assert!(matches!(refetch, Refetch::CoolingDown), "{refetch:?}");
        let refetch = fixture.refetch(untouched.0, untouched.1).await;
        assert!(matches!(refetch, Refetch::Fetched(Ok(_))), "{refetch:?}");
        assert_eq!(fixture.server.hits(), 3);
    }

    #[tokio::test]
    async fn t05_a_flood_of_forced_fetches_makes_one_in_a_cool_down_up_or_down() {
        for answer in [json("\"one\"", ""), down()] {
            let fixture = Fixture::new(json("\"one\"", "")).await;
            fixture.get().await.expect("a document");
            fixture.server.answer(answer);
            for _ in 0..300 {
                for _ in 0..10 {
                    fixture.refetch("acme", Budget::Bearer).await;
                }
                fixture.pass(1).await;
            }
            // One at once, one at the end of each of ten cool-downs, and the ordinary one.
            assert_eq!(fixture.server.hits(), 12);
            assert_eq!(fixture.get().await.expect("the last good one"), "one");
        }
    }

    #[tokio::test]
    async fn a_forced_fetch_joins_one_that_is_under_way_and_spends_nothing() {
        let gate = Arc::new(Semaphore::new(0));
        let fixture = Arc::new(Fixture::new(json("\"one\"", "")).await);
        fixture.get().await.expect("a document");
        let Answer::Bytes(bytes) = json("\"two\"", "") else {
            panic!("bytes")
        };
        fixture.server.answer(Answer::Gated(gate.clone(), bytes));
        fixture.clock.advance(Duration::from_mins(50));
        fixture.get().await.expect("refreshing in the background");
        let joining = tokio::spawn({
            let fixture = fixture.clone();
            async move { fixture.refetch("acme", Budget::Bearer).await }
        });
        tokio::task::yield_now().await;
        gate.add_permits(10);
        let joined = joining.await.expect("no panic");
        assert!(
            matches!(&joined, Refetch::Joined(Ok(document)) if **document == "two"),
            "{joined:?}"
        );
        assert_eq!(fixture.server.hits(), 2);
        let own = fixture.refetch("acme", Budget::Bearer).await;
        assert!(matches!(own, Refetch::Fetched(Ok(_))), "{own:?}");
    }
}
