//! Puts the broker together from its configuration.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::runtime::Handle;

use crate::config::Config;
use crate::domain::upstream_provider::Reach;
use crate::jose::IssuerMetadata;
use crate::jose::{KeySets, Revocations};
use crate::openid_provider::OpenIdProvider;
use crate::outbound::{FetchFault, FetchObserver, HttpClient, HttpClients, OutboundSettings};
use crate::ports::{Clock, SecureRandom, SystemClock, SystemRandom};
use crate::providers::issuers::Outside;
use crate::relying_party::RelyingParty;
use crate::relying_party::begin_login::WAITING;
use crate::sessions::Sessions;
use crate::signing::Signing;
use crate::storage::sealing::SealingKeys;
use crate::storage::sqlite::SqliteStore;
use crate::storage::{Store, WaitingCaps};
use crate::telemetry::metrics::count_fetch;
use crate::telemetry::traces::{Traces, Transport};
use crate::tenants::{Directory, LiveDirectory};
use crate::views::Views;
use crate::web::{Door, Parts};

/// How long a provider may take to answer one request.
const PROVIDER_DEADLINE: Duration = Duration::from_secs(5);

/// How many revocations of tokens are kept.
const MOST_REVOCATIONS: usize = 100_000;

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

/// How long a collector may take to take a batch.
const COLLECTOR_DEADLINE: Duration = Duration::from_secs(10);

/// Networks where collectors are.
const PRIVATE: [&str; 5] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
];

/// The way to the collector of traces.
#[derive(Debug)]
struct Collector {
    client: HttpClient,
    authorization: Option<SecretString>,
    runtime: Handle,
}

#[async_trait::async_trait]
impl Transport for Collector {
    async fn send(
        &self,
        mut request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, String> {
        if let Some(secret) = &self.authorization {
            let value = http::HeaderValue::from_str(secret.expose_secret());
            let mut value = value.map_err(|_| "`authorization` is no header value")?;
            value.set_sensitive(true);
            request
                .headers_mut()
                .insert(http::header::AUTHORIZATION, value);
        }
        let client = self.client.clone();
        // Whoever sends traces has a thread of its own, and our client needs a runtime.
        let sent = self
            .runtime
            .spawn(async move { client.send(request).await });
        match sent.await {
            Ok(sent) => sent.map_err(|error| error.to_string()),
            Err(ended) => Err(ended.to_string()),
        }
    }
}

/// Begins to collect traces, if the configuration says where they go.
///
/// # Errors
/// A collector that cannot be used.
pub fn traces(config: &Config, runtime: &Handle) -> anyhow::Result<Option<Traces>> {
    let Some(settings) = &config.tracing else {
        return Ok(None);
    };
    // The operator's own: it may be beside us, or in a network that no provider would be in.
    let http = HttpClients::new(OutboundSettings {
        development: true,
        deadline: COLLECTOR_DEADLINE,
        ..OutboundSettings::default()
    });
    let reach = Reach {
        allow_networks: PRIVATE.iter().filter_map(|net| net.parse().ok()).collect(),
        ..Reach::default()
    };
    let collector = Collector {
        client: http.for_reach(&reach)?,
        authorization: settings.authorization.clone(),
        runtime: runtime.clone(),
    };
    Ok(Some(Traces::start(settings, Arc::new(collector))))
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
    let store = SqliteStore::open(&config.storage.sqlite, keys.clone(), Arc::clone(&random))
        .await
        .context("the store cannot be opened")?;
    let store: Arc<dyn Store> = Arc::new(store);
    let http = HttpClients::new(OutboundSettings {
        development: config.server.development,
        deadline: provider_deadline,
        ..OutboundSettings::default()
    });
    let counts = Arc::new(CountFetches);
    let issuer_metadata = Arc::new(IssuerMetadata::cache(Arc::clone(&clock), counts.clone()));
    let revocations = Revocations::new(Arc::clone(&clock), MOST_REVOCATIONS);
    let relying_party = RelyingParty {
        documents: crate::providers::metadata_cache(Arc::clone(&clock), counts.clone()),
        key_sets: Arc::new(KeySets::new(Arc::clone(&clock), counts)),
        http,
        store: Arc::clone(&store),
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
        waiting,
    };
    let sessions = Sessions::new(Arc::clone(&store), Arc::clone(&clock), Arc::clone(&random));
    let signing = Arc::new(Signing::new(Arc::clone(&store), Arc::clone(&clock)));
    let openid_provider = OpenIdProvider::new(
        Arc::clone(&signing),
        Arc::clone(&store),
        (Arc::clone(&clock), Arc::clone(&random)),
        Outside {
            http: relying_party.http.clone(),
            key_sets: Arc::clone(&relying_party.key_sets),
            metadata: Arc::clone(&issuer_metadata),
        },
    );
    let door = Door::new(Parts {
        directory: Arc::new(LiveDirectory::new(directory)),
        relying_party,
        issuer_metadata,
        revocations: Arc::new(revocations),
        sessions: Arc::new(sessions),
        signing,
        openid_provider,
        store,
        views: Views::new(None).context("the pages cannot be used")?,
        clock,
        random,
        sealing_keys: keys,
        waiting,
        limits: config.limits,
        metrics: crate::telemetry::metrics::start(),
    });
    door.upkeep().await;
    door.turn_signing_keys().await;
    Ok(door)
}

/// The way to trusted issuers for a command that asks one question; nothing was revoked.
pub(super) fn outside(config: &Config, clock: &Arc<dyn Clock>) -> (Outside, Arc<Revocations>) {
    let counts = Arc::new(CountFetches);
    let http = HttpClients::new(OutboundSettings {
        development: config.server.development,
        deadline: PROVIDER_DEADLINE,
        ..OutboundSettings::default()
    });
    let metadata = IssuerMetadata::cache(Arc::clone(clock), counts.clone());
    let outside = Outside {
        http,
        key_sets: Arc::new(KeySets::new(Arc::clone(clock), counts)),
        metadata: Arc::new(metadata),
    };
    let revocations = Revocations::new(Arc::clone(clock), MOST_REVOCATIONS);
    (outside, Arc::new(revocations))
}
