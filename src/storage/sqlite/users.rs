//! People, and others who call: one row for each, and one for each way of knowing them.

use async_trait::async_trait;
use sqlx::SqliteConnection;
use time::OffsetDateTime;

use super::super::StorageError;
use super::super::traits::{KnownSubject, Users};
use super::rows::{bytes, stamp};
use super::{Durability, SqliteStore, in_time};
use crate::domain::ids::UserId;

#[async_trait]
impl Users for SqliteStore {
    async fn find_or_make_user(
        &self,
        subject: &KnownSubject<'_>,
        new_user: UserId,
        now: OffsetDateTime,
    ) -> Result<UserId, StorageError> {
        in_time(async {
            let mut connection = self.readers.acquire().await?;
            let found = find_user(&mut connection, subject).await?;
            drop(connection);
            if found.is_some() || self.read_only {
                return Ok(found.unwrap_or(new_user));
            }
            let mut writing = self.write(Durability::Durable).await?;
            // Somebody else may have made it since.
            let user = match find_user(&mut writing, subject).await? {
                Some(user) => user,
                None => insert_user(&mut writing, subject, new_user, now).await?,
            };
            writing.commit().await?;
            Ok(user)
        })
        .await
    }
}

pub(super) async fn find_user(
    connection: &mut SqliteConnection,
    subject: &KnownSubject<'_>,
) -> Result<Option<UserId>, StorageError> {
    sqlx::query("SELECT user FROM identity WHERE tenant = ? AND issuer_key = ? AND subject_key = ?")
        .bind(subject.tenant.as_str())
        .bind(subject.issuer_key)
        .bind(subject.subject_key)
        .fetch_optional(connection)
        .await?
        .map(|row| bytes(&row, "user").map(UserId::from_bytes))
        .transpose()
}

pub(super) async fn insert_user(
    connection: &mut SqliteConnection,
    subject: &KnownSubject<'_>,
    user: UserId,
    now: OffsetDateTime,
) -> Result<UserId, StorageError> {
    let now = stamp(now);
    sqlx::query("INSERT INTO user (tenant, id, created_at) VALUES (?, ?, ?)")
        .bind(subject.tenant.as_str())
        .bind(user.as_bytes().as_slice())
        .bind(now)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO identity (tenant, issuer_key, subject_key, issuer, subject, user, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(subject.tenant.as_str())
    .bind(subject.issuer_key)
    .bind(subject.subject_key)
    .bind(subject.issuer)
    .bind(subject.subject)
    .bind(user.as_bytes().as_slice())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(user)
}
