//! The embedded store: one SQLite file, no server.
//!
//! SQLite has one writer at a time, so writers wait for each other here, in line, and never see "busy" from
//! one another. Two connections write: `durable` waits until the disk has it (`synchronous = FULL`),
//! `relaxed` does not; what it wrote survives the process but perhaps not a power cut. A `durable` commit
//! carries what `relaxed` wrote before it. Readers have connections of their own and wait for nobody (WAL).
//! Invariant: every call ends within [`PATIENCE`], done whole or not at all.

mod api_keys;
mod app_sessions;
mod attempts;
mod issued_tokens;
mod rows;
mod sessions;
mod sign_ins;
mod signing_keys;
#[cfg(test)]
pub(crate) mod tests;
mod token_revocations;
mod upkeep;
mod upstream_logouts;
mod upstream_tokens;
mod users;
mod waiting;

use std::cmp::Ordering;
use std::fmt;
use std::future::Future;
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{
    ConnectOptions as _, Connection as _, SqlSafeStr as _, Sqlite, SqliteConnection, Transaction,
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::StorageError;
use super::sealing::SealingKeys;
use crate::ports::SecureRandom;

/// How long a caller waits for the store at most, in seconds: a check must fail, closed, while the proxy
/// still waits for it.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// How long SQLite waits for another process that writes. Less than [`PATIENCE`], so that the error says so.
const BUSY: Duration = Duration::from_millis(1500);

const READERS: u32 = 2;

/// The migrations, oldest first: version, what it brings, SQL.
const MIGRATIONS: [(i64, &str, &str); 8] = [
    (
        1,
        "people, logins, sessions",
        include_str!("../migrations/sqlite/0001_people_logins_sessions.sql"),
    ),
    (
        2,
        "posted answers",
        include_str!("../migrations/sqlite/0002_posted_answers.sql"),
    ),
    (
        3,
        "upstream tokens",
        include_str!("../migrations/sqlite/0003_upstream_tokens.sql"),
    ),
    (
        4,
        "upstream logouts",
        include_str!("../migrations/sqlite/0004_upstream_logouts.sql"),
    ),
    (
        5,
        "signing keys",
        include_str!("../migrations/sqlite/0005_signing_keys.sql"),
    ),
    (
        6,
        "issued tokens",
        include_str!("../migrations/sqlite/0006_issued_tokens.sql"),
    ),
    (
        7,
        "API keys",
        include_str!("../migrations/sqlite/0007_api_keys.sql"),
    ),
    (
        8,
        "token revocations",
        include_str!("../migrations/sqlite/0008_token_revocations.sql"),
    ),
];

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be made or read.
    #[error("cannot open the database {}: {cause}. Its folder must exist and be writable by this user", path.display())]
    File {
        /// Where it should be.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// SQLite cannot work with it: not a database, locked, full.
    #[error("cannot open the database {}: {cause}", path.display())]
    Database {
        /// Where it is.
        path: PathBuf,
        /// What SQLite said.
        cause: String,
    },
    /// A newer program has changed it.
    #[error("the database {} is at version {found}, this program knows versions up to {known}. Start the newer program again, or restore the backup made before it", path.display())]
    Newer {
        /// Where it is.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest one known here.
        known: i64,
    },
}

/// A store in one SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    durable: SqlitePool,
    relaxed: SqlitePool,
    readers: SqlitePool,
    writers: Arc<Mutex<()>>,
    keys: SealingKeys,
    random: Arc<dyn SecureRandom>,
    /// Others write; this one looks.
    read_only: bool,
}

/// Whether a commit waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    Durable,
    Relaxed,
}

/// A transaction that holds the right to write. Dropped without [`Writing::commit`], it changes nothing.
struct Writing {
    transaction: Transaction<'static, Sqlite>,
    _turn: OwnedMutexGuard<()>,
}

impl SqliteStore {
    /// Opens the database at `path`, makes it if there is none (readable by its owner only), and brings it to
    /// this program's version.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(
        path: &Path,
        keys: SealingKeys,
        random: Arc<dyn SecureRandom>,
    ) -> Result<Self, OpenError> {
        Self::open_with(path, keys, random, None).await
    }

    /// With a limit of `pages` of 4 KiB to the file: a disk that is full.
    async fn open_with(
        path: &Path,
        keys: SealingKeys,
        random: Arc<dyn SecureRandom>,
        pages: Option<u32>,
    ) -> Result<Self, OpenError> {
        make_private_file(path).map_err(|cause| OpenError::File {
            path: path.into(),
            cause,
        })?;
        let mut options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(BUSY)
            .statement_cache_capacity(32)
            .foreign_keys(true)
            .pragma("temp_store", "MEMORY")
            .disable_statement_logging();
        if let Some(pages) = pages {
            options = options.pragma("max_page_count", pages.to_string());
        }
        let durable = pool(1).connect_lazy_with(
            options
                .clone()
                // Stays with the file; the other connections find it there.
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .pragma("cache_size", "-1024")
                .pragma("journal_size_limit", "16777216"),
        );
        migrate(&durable, path).await?;
        let relaxed = pool(1).connect_lazy_with(
            options
                .clone()
                .synchronous(SqliteSynchronous::Normal)
                .pragma("cache_size", "-1024")
                .pragma("journal_size_limit", "16777216"),
        );
        let readers = pool(READERS).connect_lazy_with(
            options
                .pragma("cache_size", "-1024")
                .pragma("query_only", "ON"),
        );
        Ok(Self {
            path: path.into(),
            durable,
            relaxed,
            readers,
            writers: Arc::default(),
            keys,
            random,
            read_only: false,
        })
    }

    /// Looks into the database at `path`, beside the processes that use it: makes no file, migrates and writes
    /// nothing. What would write is an error, except that a session found to be over stays as it is.
    ///
    /// # Errors
    /// [`OpenError`], also where it is not at this program's version.
    pub async fn look_into(
        path: &Path,
        keys: SealingKeys,
        random: Arc<dyn SecureRandom>,
    ) -> Result<Self, OpenError> {
        std::fs::File::open(path).map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => OpenError::Database {
                path: path.into(),
                cause: "it is not there yet: start `doorward serve` once, which makes it"
                    .to_owned(),
            },
            _ => OpenError::File {
                path: path.into(),
                cause,
            },
        })?;
        let store = Self::unopened(path, keys, random);
        let found: i64 = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
            .fetch_one(&store.readers)
            .await
            .map_err(|error| OpenError::Database {
                path: path.into(),
                cause: error.to_string(),
            })?;
        let known = newest_known();
        match found.cmp(&known) {
            Ordering::Equal => Ok(store),
            Ordering::Less => Err(OpenError::Database {
                path: path.into(),
                cause: format!(
                    "it is at version {found}, and {known} is needed: start `doorward serve` once"
                ),
            }),
            Ordering::Greater => Err(OpenError::Newer {
                path: path.into(),
                found,
                known,
            }),
        }
    }

    /// The same, for whoever will not ask it: the file need not be there.
    #[must_use]
    pub fn unopened(path: &Path, keys: SealingKeys, random: Arc<dyn SecureRandom>) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(BUSY)
            .read_only(true)
            .disable_statement_logging();
        let readers = pool(1).connect_lazy_with(options);
        Self {
            path: path.into(),
            durable: readers.clone(),
            relaxed: readers.clone(),
            readers,
            writers: Arc::default(),
            keys,
            random,
            read_only: true,
        }
    }

    /// Waits for the turn to write and begins. `BEGIN IMMEDIATE` takes the lock before anything is read, so
    /// that what is read still holds when it is written.
    async fn write(&self, durability: Durability) -> Result<Writing, StorageError> {
        let turn = Arc::clone(&self.writers).lock_owned().await;
        let pool = match durability {
            Durability::Durable => &self.durable,
            Durability::Relaxed => &self.relaxed,
        };
        Ok(Writing {
            transaction: pool.begin_with("BEGIN IMMEDIATE").await?,
            _turn: turn,
        })
    }
}

impl Writing {
    async fn commit(self) -> Result<(), StorageError> {
        Ok(self.transaction.commit().await?)
    }
}

impl Deref for Writing {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.transaction
    }
}

impl DerefMut for Writing {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SqliteStore({})", self.path.display())
    }
}

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::Decode(_) => Self::Unreadable(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

/// Ends `work` after [`PATIENCE`]. What it had begun is rolled back.
async fn in_time<T>(
    work: impl Future<Output = Result<T, StorageError>> + Send,
) -> Result<T, StorageError> {
    tokio::time::timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            Err(StorageError::Unavailable(format!(
                "no answer within {seconds} s"
            )))
        })
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_release(|connection, _| {
            Box::pin(async move {
                // When the disk is full, SQLite rolls back for itself and sqlx goes on believing in the
                // transaction: such a connection would refuse every later one.
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
}

async fn migrate(pool: &SqlitePool, path: &Path) -> Result<(), OpenError> {
    let migrations = MIGRATIONS.map(|(version, description, sql)| {
        Migration::new(
            version,
            description.into(),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(migrations.into())
        .run(pool)
        .await
        .map_err(|error| match error {
            MigrateError::VersionMissing(found) => OpenError::Newer {
                path: path.into(),
                found,
                known: newest_known(),
            },
            error => OpenError::Database {
                path: path.into(),
                cause: error.to_string(),
            },
        })
}

fn newest_known() -> i64 {
    let versions = MIGRATIONS.iter().map(|migration| migration.0);
    versions.max().unwrap_or_default()
}

/// SQLite gives its companion files (`-wal`, `-shm`) the rights of the database.
fn make_private_file(path: &Path) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let file = std::fs::OpenOptions::new()
                .read(true)
                .write(true)
                .open(path)?;
            #[cfg(unix)]
            if std::os::unix::fs::PermissionsExt::mode(&file.metadata()?.permissions()) & 0o077 != 0
            {
                tracing::warn!(path = %path.display(), "others may read the database: `chmod 600` it");
            }
            drop(file);
            Ok(())
        }
        made => made.map(drop),
    }
}
