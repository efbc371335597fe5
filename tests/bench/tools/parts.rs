//! What the parts of a login cost by themselves, in CPU time of this process: the libraries that a broker has
//! to call, with nothing around them.

use std::path::PathBuf;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where a database may be made.
    folder: PathBuf,
    /// Something that answers GET.
    url: String,
    #[arg(long, default_value_t = 1_000)]
    count: u32,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let count = arguments.count;
    let verification = verification(count)?;
    let full = commits(&arguments, SqliteSynchronous::Full).await?;
    let normal = commits(&arguments, SqliteSynchronous::Normal).await?;
    let request = requests(&arguments).await?;
    crate::tell(&json!({
        "verification_ms": verification,
        "durable_commit_ms": full,
        "relaxed_commit_ms": normal,
        "request_ms": request,
    }))?;
    Ok(())
}

/// RS256, 2048 bits, a parsed key, the length of an ID token.
fn verification(count: u32) -> anyhow::Result<f64> {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
    let message = [b'a'; 800];
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        &message,
        &mut signature,
    )?;
    let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key())?;
    let began = cpu_ms()?;
    for _ in 0..count {
        key.verify_sig(&message, &signature)?;
    }
    Ok((cpu_ms()? - began) / f64::from(count))
}

/// One row, one transaction.
async fn commits(arguments: &Arguments, synchronous: SqliteSynchronous) -> anyhow::Result<f64> {
    let options = SqliteConnectOptions::new()
        .filename(arguments.folder.join("parts.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS part (id BLOB PRIMARY KEY, data TEXT NOT NULL)")
        .execute(&pool)
        .await?;
    let data = "a".repeat(600);
    let began = cpu_ms()?;
    for _ in 0..arguments.count {
        let mut id = [0; 16];
        aws_lc_rs::rand::fill(&mut id)?;
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("INSERT INTO part VALUES (?, ?)")
            .bind(id.as_slice())
            .bind(&data)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
    }
    let took = cpu_ms()? - began;
    pool.close().await;
    Ok(took / f64::from(arguments.count))
}

/// A request over a connection that stays open.
async fn requests(arguments: &Arguments) -> anyhow::Result<f64> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder().build()?;
    client.get(&arguments.url).send().await?.bytes().await?;
    let began = cpu_ms()?;
    for _ in 0..arguments.count {
        client.get(&arguments.url).send().await?.bytes().await?;
    }
    Ok((cpu_ms()? - began) / f64::from(arguments.count))
}

/// On a core, of all threads, since the process began. Threads that have ended do not count: there are none.
pub(crate) fn cpu_ms() -> anyhow::Result<f64> {
    let mut milliseconds = 0.0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        let nanoseconds: f64 = text.split(' ').next().unwrap_or_default().parse()?;
        milliseconds += nanoseconds / 1e6;
    }
    Ok(milliseconds)
}
