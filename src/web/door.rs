//! Everything that handlers use, put together once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::looks::Looks;
use crate::access::{Assertions, Credentials, Gate, Limiter, Shared};
use crate::config::Limits;
use crate::domain::ids::{TenantId, TrustedIssuerId};
use crate::jose::IssuerMetadata;
use crate::jose::Revocations;
use crate::openid_provider::OpenIdProvider;
use crate::outbound::DocumentCache;
use crate::ports::{Clock, SecureRandom};
use crate::providers::issuers::Outside;
use crate::relying_party::RelyingParty;
use crate::sessions::{AppSessions, Sessions};
use crate::signing::Signing;
use crate::storage::sealing::SealingKeys;
use crate::storage::{Store, WaitingCaps};
use crate::telemetry::metrics::{issuer_keys, sessions_in_memory};
use crate::tenants::LiveDirectory;
use crate::views::Views;

/// What [`Door`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// Tenants, apps, addresses.
    pub directory: Arc<LiveDirectory>,
    /// Logins.
    pub relying_party: RelyingParty,
    /// Metadata of trusted issuers.
    pub issuer_metadata: Arc<DocumentCache<IssuerMetadata>>,
    /// Tokens that are no longer taken.
    pub revocations: Arc<Revocations>,
    /// Sessions.
    pub sessions: Arc<Sessions>,
    /// Our own keys.
    pub signing: Arc<Signing>,
    /// Tokens of our own.
    pub openid_provider: OpenIdProvider,
    /// Sign-ins and sign-outs under way.
    pub store: Arc<dyn Store>,
    /// Pages.
    pub views: Views,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn SecureRandom>,
    /// What is sealed in the store is sealed with these.
    pub sealing_keys: SealingKeys,
    /// How many sign-ins may wait.
    pub waiting: WaitingCaps,
    /// How often something may be asked for.
    pub limits: Limits,
    /// What `/metrics` shows.
    pub metrics: Option<metrics_exporter_prometheus::PrometheusHandle>,
}

/// App sessions that are answered from memory: some 2 KB each.
const APP_SESSIONS_IN_MEMORY: u64 = 250_000;

/// The whole broker, as handlers see it.
#[derive(Debug)]
pub struct Door {
    /// What it is made of.
    pub parts: Parts,
    pub(crate) gate: Gate,
    pub(crate) limiter: Arc<Limiter>,
    pub(super) looks: Arc<Looks>,
    prefix: Box<str>,
    /// Issuers whose keys `/metrics` has told of.
    issuers_told: Mutex<BTreeSet<(TenantId, TrustedIssuerId)>>,
}

impl Door {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let limiter = Arc::new(Limiter::new(&parts.limits, &parts.clock));
        let gate = Gate {
            directory: Arc::clone(&parts.directory),
            sessions: AppSessions::new(&parts.sessions, APP_SESSIONS_IN_MEMORY),
            credentials: Credentials::new(
                Shared {
                    store: Arc::clone(&parts.store),
                    clock: Arc::clone(&parts.clock),
                    random: Arc::clone(&parts.random),
                    limiter: Arc::clone(&limiter),
                },
                &Outside {
                    http: parts.relying_party.http.clone(),
                    key_sets: Arc::clone(&parts.relying_party.key_sets),
                    metadata: Arc::clone(&parts.issuer_metadata),
                },
                &parts.revocations,
            ),
            assertions: Assertions {
                signing: Arc::clone(&parts.signing),
                clock: Arc::clone(&parts.clock),
                random: Arc::clone(&parts.random),
            },
            limiter: Arc::clone(&limiter),
        };
        let prefix = parts.directory.current().server().prefix.clone();
        Arc::new(Self {
            parts,
            gate,
            limiter,
            looks: Arc::default(),
            prefix,
            issuers_told: Mutex::default(),
        })
    }

    /// What our paths on app hosts begin with. It does not change while we run.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What has to be done now and then: look for sessions ended elsewhere, refresh documents, look at people
    /// again. Called each second by the server, and by tests when they let time pass.
    pub async fn upkeep(self: &Arc<Self>) {
        // Side by side: a store that is slow must not be slow twice.
        let (ended, keys, credentials, revoked) = tokio::join!(
            self.parts.sessions.poll_ended(),
            self.parts.signing.poll(),
            self.gate.credentials.poll(),
            self.gate.credentials.poll_revocations(),
        );
        if let Err(error) = ended {
            tracing::error!(%error, "no news of ended sessions: after 5 s nobody is let in from memory");
        }
        if let Err(error) = keys {
            tracing::error!(%error, "no news of signing keys: after 5 s no tokens are issued");
        }
        if let Err(error) = credentials {
            tracing::error!(%error, "no news of API keys: after 5 s none is let in");
        }
        if let Err(error) = revoked {
            tracing::error!(%error, "no news of revoked tokens: after 5 s no bearer is let in");
        }
        self.parts.relying_party.documents.tick();
        self.parts.relying_party.key_sets.tick();
        self.parts.issuer_metadata.tick();
        self.look_at_people();
        self.revoke_ended();
        let app_sessions = u32::try_from(self.gate.sessions.count()).unwrap_or(u32::MAX);
        let sessions = u32::try_from(self.parts.sessions.live().count()).unwrap_or(u32::MAX);
        sessions_in_memory(sessions, app_sessions);
    }

    /// Has the metrics tell how the keys of trusted issuers stand now, and nothing of issuers that are gone.
    pub(super) fn show_issuer_keys(&self) {
        let directory = self.parts.directory.snapshot();
        let told = self.issuers_told.lock();
        let mut told = told.unwrap_or_else(PoisonError::into_inner);
        let mut gone = std::mem::take(&mut *told);
        for keys in self.gate.credentials.issuer_keys(&directory) {
            let failing = keys.failing.unwrap_or_default().as_secs_f64();
            let age = keys.age.as_ref().map(Duration::as_secs_f64);
            issuer_keys(
                keys.tenant.as_str(),
                keys.issuer.as_str(),
                age,
                Some(failing),
            );
            let name = (keys.tenant, keys.issuer);
            gone.remove(&name);
            told.insert(name);
        }
        for (tenant, issuer) in gone {
            issuer_keys(tenant.as_str(), issuer.as_str(), None, None);
        }
    }

    /// Makes signing keys for tenants that have none, and replaces those whose time has come. RSA keys take a
    /// second each.
    pub async fn turn_signing_keys(&self) {
        let directory = self.parts.directory.snapshot();
        let tenants = directory.tenants().iter();
        let rules: Vec<_> = tenants
            .map(|tenant| (tenant.id.clone(), tenant.signing))
            .collect();
        self.parts.signing.turn(&rules).await;
    }

    /// What has to be done each minute: write down uses, forget what is over, make keys that will be needed.
    pub async fn housekeeping(&self) {
        self.turn_signing_keys().await;
        if let Err(error) = self.parts.sessions.sweep().await {
            tracing::error!(%error, "what is over cannot be deleted; it will be tried again");
        }
        if let Err(error) = self.gate.credentials.flush_uses().await {
            tracing::error!(%error, "uses of API keys cannot be written; it will be tried again");
        }
        self.gate.sessions.let_go();
    }

    /// Ends what is under way, and writes down what is only in memory. The last thing before the process ends.
    pub async fn drain(&self) {
        self.stop_looking().await;
        if let Err(error) = self.parts.sessions.flush_uses().await {
            tracing::error!(%error, "last uses could not be written: sessions may end earlier");
        }
        if let Err(error) = self.gate.credentials.flush_uses().await {
            tracing::error!(%error, "uses of API keys could not be written: they are lost");
        }
        self.parts.store.close().await;
    }
}
