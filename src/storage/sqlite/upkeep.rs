//! What is over goes, in small steps: whoever signs in meanwhile waits for one step at most.

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

use super::super::StorageError;
use super::super::traits::Upkeep;
use super::rows::{bytes, parsed, stamp};
use super::sessions::announce;
use super::{Durability, SqliteStore, in_time};
use crate::domain::ids::SessionId;

/// Rows in one transaction.
const STEP: u64 = 500;

/// Statements that delete at most [`STEP`] rows older than a time, and that age. SQLite is built without
/// `DELETE … LIMIT`.
const BY_AGE: [(&str, Duration); 10] = [
    (
        "DELETE FROM login_attempt WHERE state IN
             (SELECT state FROM login_attempt WHERE began_at < ? LIMIT 500)",
        Duration::HOUR,
    ),
    (
        "DELETE FROM sign_in WHERE id IN (SELECT id FROM sign_in WHERE began_at < ? LIMIT 500)",
        Duration::HOUR,
    ),
    (
        "DELETE FROM sign_out WHERE id IN (SELECT id FROM sign_out WHERE began_at < ? LIMIT 500)",
        Duration::HOUR,
    ),
    (
        "DELETE FROM session WHERE id IN (SELECT id FROM session WHERE ended_at < ? LIMIT 500)",
        Duration::minutes(10),
    ),
    (
        "DELETE FROM ended_session WHERE sequence IN
             (SELECT sequence FROM ended_session WHERE ended_at < ? LIMIT 500)",
        Duration::minutes(10),
    ),
    // Longer than they are good for: a clock can step back.
    (
        "DELETE FROM logout_token WHERE (tenant, token) IN
             (SELECT tenant, token FROM logout_token WHERE valid_until < ? LIMIT 500)",
        Duration::minutes(10),
    ),
    (
        "DELETE FROM client_assertion WHERE (tenant, assertion) IN
             (SELECT tenant, assertion FROM client_assertion WHERE valid_until < ? LIMIT 500)",
        Duration::minutes(10),
    ),
    (
        "DELETE FROM revoked_token WHERE sequence IN
             (SELECT sequence FROM revoked_token WHERE valid_until < ? LIMIT 500)",
        Duration::minutes(10),
    ),
    // No login takes longer.
    (
        "DELETE FROM upstream_logout WHERE (tenant, name) IN
             (SELECT tenant, name FROM upstream_logout WHERE ended_at < ? LIMIT 500)",
        Duration::minutes(20),
    ),
    // Longer than they are needed: a clock can step back.
    (
        "DELETE FROM token_revocation WHERE sequence IN
             (SELECT sequence FROM token_revocation WHERE needed_until < ? LIMIT 500)",
        Duration::DAY,
    ),
];

/// A process writes last uses once a minute: what looks overdue here may have been used since.
const GRACE: Duration = Duration::MINUTE;

#[async_trait]
impl Upkeep for SqliteStore {
    async fn probe(&self) -> Result<(), StorageError> {
        in_time(async {
            let mut writing = self.write(Durability::Relaxed).await?;
            sqlx::query("UPDATE probe SET number = number + 1")
                .execute(&mut *writing)
                .await?;
            writing.commit().await
        })
        .await
    }

    async fn sweep(&self, now: OffsetDateTime) -> Result<u64, StorageError> {
        let mut gone = 0;
        // What fails here must not keep the rest: it is told at the end, and tried again by the next sweep.
        let overdue = loop {
            match in_time(self.sweep_overdue(now)).await {
                Ok(step) => {
                    gone += step;
                    if step < STEP {
                        break Ok(());
                    }
                }
                Err(error) => break Err(error),
            }
        };
        for (statement, age) in BY_AGE {
            loop {
                let step = in_time(self.sweep_by_age(statement, now - age)).await?;
                gone += step;
                if step < STEP {
                    break;
                }
            }
        }
        overdue.map(|()| gone)
    }

    async fn close(&self) {
        let _turn = self.writers.lock().await;
        self.readers.close().await;
        self.relaxed.close().await;
        self.durable.close().await;
    }
}

impl SqliteStore {
    async fn sweep_by_age(
        &self,
        statement: &'static str,
        before: OffsetDateTime,
    ) -> Result<u64, StorageError> {
        let mut writing = self.write(Durability::Relaxed).await?;
        let done = sqlx::query(statement)
            .bind(stamp(before))
            .execute(&mut *writing)
            .await?;
        writing.commit().await?;
        Ok(done.rows_affected())
    }

    /// Processes that have such a session in memory are told, in the same transaction.
    async fn sweep_overdue(&self, now: OffsetDateTime) -> Result<u64, StorageError> {
        let mut writing = self.write(Durability::Relaxed).await?;
        let overdue = sqlx::query(
            "DELETE FROM session WHERE id IN
                 (SELECT id FROM session WHERE min(ends_at, used_at + idle) < ? LIMIT 500)
             RETURNING id, tenant",
        )
        .bind(stamp(now - GRACE))
        .fetch_all(&mut *writing)
        .await?;
        for row in &overdue {
            let id = SessionId::from_bytes(bytes(row, "id")?);
            announce(&mut writing, &parsed(row, "tenant")?, id, now).await?;
        }
        writing.commit().await?;
        Ok(overdue.len() as u64)
    }
}
