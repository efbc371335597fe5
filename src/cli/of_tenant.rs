//! What the commands about a tenant's own things share: whose they are, the store, how to print.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::ValueEnum;

use super::{ConfigFile, Failure, load};
use crate::config::{Config, quoted, suggestion};
use crate::domain::ids::TenantId;
use crate::domain::tenant::Tenant;
use crate::ports::SystemRandom;
use crate::storage::Store;
use crate::storage::sealing::SealingKeys;
use crate::storage::sqlite::SqliteStore;
use crate::tenants::Directory;

/// Whose things they are.
#[derive(Debug, clap::Args)]
pub(super) struct OfTenant {
    /// The tenant, by its `id`.
    tenant: String,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// The configuration that knows the tenant.
pub(super) struct Known {
    config: Config,
    pub(super) directory: Directory,
    pub(super) tenant: Arc<Tenant>,
}

/// What a command does to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Reads,
    Writes,
}

impl OfTenant {
    /// # Errors
    /// The faults of the configuration, and a tenant that it does not have.
    pub(super) fn load(&self) -> Result<Known, Failure> {
        let (config, directory) = load(&self.file.config)?;
        let known = directory.tenants().iter().map(|tenant| tenant.id.as_str());
        let id: Option<TenantId> = self.tenant.parse().ok();
        let Some(tenant) = id.and_then(|id| directory.tenant(&id)) else {
            let help = suggestion(&self.tenant, known);
            let message = anyhow!("there is no tenant {}: {help}", quoted(&self.tenant));
            return Err(Failure::CommandLine(message));
        };
        let tenant = Arc::clone(tenant);
        Ok(Known {
            config,
            directory,
            tenant,
        })
    }
}

impl Known {
    /// The store that the server uses, as it is: whoever is older or newer than the server changes nothing.
    ///
    /// # Errors
    /// Keys that cannot be used; a store that is not there or at another version.
    pub(super) async fn open(&self, access: Access) -> Result<Arc<dyn Store>, Failure> {
        let storage = &self.config.storage;
        let sealing = SealingKeys::new(&storage.sealing_keys)
            .context("`storage.sealing_keys` cannot be used")?;
        let random = Arc::new(SystemRandom);
        let looked = SqliteStore::look_into(&storage.sqlite, sealing.clone(), random.clone()).await;
        let looked = looked.context("the store cannot be opened")?;
        if access == Access::Reads {
            return Ok(Arc::new(looked));
        }
        let opened = SqliteStore::open(&storage.sqlite, sealing, random).await;
        Ok(Arc::new(opened.context("the store cannot be opened")?))
    }
}
