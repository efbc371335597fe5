//! Puts the broker together from its configuration.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use crate::config::Config;
use crate::jose::KeySets;
use crate::outbound::{FetchFault, FetchObserver, HttpClients, OutboundSettings};
use crate::ports::{Clock, SecureRandom, SystemClock, SystemRandom};
use crate::relying_party::RelyingParty;
use crate::relying_party::begin_login::WAITING;
use crate::sessions::Sessions;
use crate::storage::sealing::SealingKeys;
use crate::storage::sqlite::SqliteStore;
use crate::storage::{Store, WaitingCaps};
use crate::telemetry::metrics::count_fetch;
use crate::tenants::{Directory, LiveDirectory};
use crate::views::Views;
use crate::web::{Door, Parts};

/// How long a provider may take to answer one request.
const PROVIDER_DEADLINE: Duration = Duration::from_secs(5);

/// Tells the metrics of each fetch of a discovery document or key set.
#[derive(Clone, Copy, Debug)]
struct CountFetches;

impl FetchObserver for CountFetches {
    fn fetched(&self, address: &url::Url, outcome: Result<(), &FetchFault>, took: Duration) {
        if let Err(fault) = outcome {
            let host = address.host_str().unwrap_or_default();
            tracing::warn!(host, %fault, "a provider's document could not be fetched");
        }
        count_fetch(outcome.is_ok(), took);
    }
}

/// What the broker stands on; a test brings its own.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn SecureRandom>,
    /// How long a provider may take to answer one request.
    pub provider_deadline: Duration,
    /// How many attempts and sign-ins may wait.
    pub waiting: WaitingCaps,
}

impl Default for Ground {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock::new()),
            random: Arc::new(SystemRandom),
            provider_deadline: PROVIDER_DEADLINE,
            waiting: WAITING,
        }
    }
}

/// Opens the store and makes the door. No provider is asked: one that is down is no reason not to start.
///
/// # Errors
/// A store that cannot be opened, or templates that do not fit.
pub async fn door(
    config: &Config,
    directory: Directory,
    ground: Ground,
) -> anyhow::Result<Arc<Door>> {
    let Ground {
        clock,
        random,
        provider_deadline,
        waiting,
    } = ground;
    let keys = SealingKeys::new(&config.storage.sealing_keys)
        .context("`storage.sealing_keys` cannot be used")?;
    let store = SqliteStore::open(&config.storage.sqlite, keys, Arc::clone(&random))
        .await
        .context("the store cannot be opened")?;
    let store: Arc<dyn Store> = Arc::new(store);
    let http = HttpClients::new(OutboundSettings {
        development: config.server.development,
        deadline: provider_deadline,
        ..OutboundSettings::default()
    });
    let counts = Arc::new(CountFetches);
    let relying_party = RelyingParty {
        documents: crate::providers::metadata_cache(Arc::clone(&clock), counts.clone()),
        key_sets: KeySets::new(Arc::clone(&clock), counts),
        http,
        store: Arc::clone(&store),
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
        waiting,
    };
    let sessions = Sessions::new(Arc::clone(&store), Arc::clone(&clock), Arc::clone(&random));
    let door = Door::new(Parts {
        directory: Arc::new(LiveDirectory::new(directory)),
        relying_party,
        sessions: Arc::new(sessions),
        store,
        views: Views::new(None).context("the pages cannot be used")?,
        clock,
        random,
        server: Arc::new(config.server.clone()),
        waiting,
        limits: config.limits,
        metrics: crate::telemetry::metrics::start(),
    });
    door.upkeep().await;
    Ok(door)
}
