//! What is special to SQLite: files, restarts, full disks, other processes.

use std::path::Path;
use std::sync::Arc;

use sqlx::{Connection as _, Executor as _};

use super::super::contract::{
    CAPS, START, attempt, begin, begin_with_tokens, handle, new_session, storage_contract, tenant,
};
use super::super::{Sessions as _, Store, Upkeep as _};
use super::*;
use crate::domain::handle::{Handle, SessionKind};
use crate::ports::{Clock as _, SeededRandom, SystemClock};

fn keys() -> SealingKeys {
    SealingKeys::new(&[crate::config::SealingKey::from_bytes([7; 32])]).expect("a key")
}

async fn open(path: &Path, pages: Option<u32>) -> SqliteStore {
    SqliteStore::open_with(path, keys(), Arc::new(SeededRandom::new(1)), pages)
        .await
        .expect("opened")
}

async fn fresh() -> (Arc<dyn Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder.path().join("doorward.db"), None).await;
    (Arc::new(store), folder)
}

storage_contract!(fresh);

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let (store, folder) = fresh().await;
    let user = begin(&*store, 1).await;
    begin(&*store, 2).await;
    let ended = store.end_by_handle(&tenant("acme"), handle(2), START).await;
    assert!(ended.expect("written").is_some());
    // Not closed: as if the process had been killed.
    let again = open(&folder.path().join("doorward.db"), None).await;
    let found = again.find_session(&tenant("acme"), handle(1)).await;
    assert_eq!(found.expect("read").map(|session| session.user), Some(user));
    let found = again.find_session(&tenant("acme"), handle(2)).await;
    assert!(found.expect("read").is_none());
    assert_eq!(again.ended_since(0).await.expect("read").1.len(), 1);
}

#[tokio::test]
async fn a36_no_secret_is_in_the_files() {
    let (store, folder) = fresh().await;
    let begun = store.begin_attempt(&attempt(1), "".into(), CAPS).await;
    begun.expect("written").expect("room");
    begin_with_tokens(&*store, 1).await;
    let secret = Handle::<SessionKind>::from_bytes([1; 16]);
    let everything: Vec<u8> = ["doorward.db", "doorward.db-wal"]
        .iter()
        .flat_map(|name| std::fs::read(folder.path().join(name)).expect("a file"))
        .collect();
    let holds = |needle: &[u8]| {
        everything
            .windows(needle.len())
            .any(|window| window == needle)
    };
    assert!(
        holds(secret.digest().as_bytes()),
        "the files are the right ones"
    );
    assert!(!holds(b"canary"));
    assert!(!holds(secret.reveal().as_bytes()));
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let (store, folder) = fresh().await;
    begin(&*store, 1).await;
    for entry in std::fs::read_dir(folder.path()).expect("a folder") {
        let entry = entry.expect("a file");
        let mode = entry.metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", entry.path().display());
    }
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_nothing_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("doorward.db");
    open(&path, None).await.close().await;
    let pages = std::fs::metadata(&path).expect("there").len() / 4096;
    let store = open(&path, Some(u32::try_from(pages).expect("small") + 2)).await;
    let mut begun = 0;
    let identity = super::super::contract::identity("acme", "issuer", "ada");
    let error = loop {
        let data = |_| "x".repeat(1000);
        match store
            .begin_session(&identity, &new_session(begun), &data)
            .await
        {
            Ok(_) => begun += 1,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(&error, StorageError::Unavailable(why) if why.contains("full")),
        "{error}"
    );
    assert!(begun > 0, "some fitted");
    let find = async |store: &SqliteStore, number| {
        store
            .find_session(&tenant("acme"), handle(number))
            .await
            .expect("reading goes on")
            .is_some()
    };
    for number in 0..begun {
        assert!(find(&store, number).await);
    }
    assert!(
        !find(&store, begun).await,
        "the one that failed is not half there"
    );
    // Ending needs room for the news only; it works, or says that it did not.
    let ended = store.end_by_handle(&tenant("acme"), handle(0), START).await;
    assert_eq!(ended.is_ok(), !find(&store, 0).await);
    // The connection is good again once there is room.
    store.close().await;
    let store = open(&path, Some(u32::try_from(pages).expect("small") + 3)).await;
    let mut fails = 0;
    let mut works = 0;
    for number in 100..130 {
        let data = |_| "x".repeat(1000);
        let begun = store
            .begin_session(&identity, &new_session(number), &data)
            .await;
        if begun.is_ok() {
            works += 1;
        } else {
            fails += 1;
            let now = new_session(0).times.ends_at + time::Duration::HOUR;
            store.sweep(now).await.expect("sweeping makes room");
        }
    }
    assert!(fails > 0 && works > fails, "{works} worked, {fails} failed");
}

/// Another process that writes for as long as the result is kept.
pub(crate) async fn hold_write_lock(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path);
    let mut other = SqliteConnection::connect_with(&options)
        .await
        .expect("connected");
    other.execute("BEGIN IMMEDIATE").await.expect("locked");
    other
}

#[tokio::test]
async fn a41_another_process_that_writes_for_long_is_an_error_within_two_seconds() {
    let (store, folder) = fresh().await;
    begin(&*store, 1).await;
    let lock = hold_write_lock(&folder.path().join("doorward.db")).await;
    let clock = SystemClock::new();
    let ended = store.end_by_handle(&tenant("acme"), handle(1), START).await;
    assert!(matches!(ended, Err(StorageError::Unavailable(_))));
    let waited = clock.monotonic();
    assert!(waited < PATIENCE + Duration::from_millis(500), "{waited:?}");
    let found = store.find_session(&tenant("acme"), handle(1)).await;
    assert!(found.expect("readers wait for nobody").is_some());
    lock.close().await.expect("unlocked");
    let ended = store.end_by_handle(&tenant("acme"), handle(1), START).await;
    assert!(ended.expect("it works again").is_some());
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_left_alone() {
    let (store, folder) = fresh().await;
    store.close().await;
    let path = folder.path().join("doorward.db");
    let options = SqliteConnectOptions::new().filename(&path);
    let mut other = sqlx::SqliteConnection::connect_with(&options)
        .await
        .expect("connected");
    other
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (99, 'of the future', TRUE, x'00', 0)",
        )
        .await
        .expect("written");
    other.close().await.expect("closed");
    let error = SqliteStore::open(&path, keys(), Arc::new(SeededRandom::new(1)))
        .await
        .expect_err("refused");
    let OpenError::Newer { found, known, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!((*found, *known), (99, newest_known()));
}

#[tokio::test]
async fn what_cannot_be_opened_says_where_and_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let nowhere = folder.path().join("missing").join("doorward.db");
    let random: Arc<dyn SecureRandom> = Arc::new(SeededRandom::new(1));
    let error = SqliteStore::open(&nowhere, keys(), Arc::clone(&random))
        .await
        .expect_err("refused");
    assert!(matches!(error, OpenError::File { .. }), "{error}");
    assert!(error.to_string().contains("missing/doorward.db"), "{error}");
    let text = folder.path().join("text");
    std::fs::write(
        &text,
        "this is not a database, and long enough to have a header".repeat(99),
    )
    .expect("written");
    let error = SqliteStore::open(&text, keys(), random)
        .await
        .expect_err("refused");
    assert!(matches!(error, OpenError::Database { .. }), "{error}");
}

/// A command before the first start of the server makes no database that the server's user could not open.
#[tokio::test]
async fn what_is_not_there_yet_is_the_servers_to_make() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("doorward.db");
    let error = SqliteStore::look_into(&path, keys(), Arc::new(SeededRandom::new(1)))
        .await
        .expect_err("refused");
    assert!(
        error.to_string().contains("start `doorward serve` once"),
        "{error}"
    );
    assert!(!path.exists());
}
