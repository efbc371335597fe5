//! What is remembered about tokens that we issue.

use async_trait::async_trait;
use sqlx::Row as _;
use time::OffsetDateTime;

use super::super::{IssuedTokens, RevokedToken, StorageError};
use super::rows::{parsed, stamp, time_at};
use super::{Durability, SqliteStore, in_time};
use crate::domain::handle::{ClientAssertionKind, Digest};
use crate::domain::ids::TenantId;

/// Nobody who trusts us may take a token for longer than so after its end.
const LARGEST_SKEW: time::Duration = time::Duration::minutes(5);

#[async_trait]
impl IssuedTokens for SqliteStore {
    async fn use_assertion(
        &self,
        tenant: &TenantId,
        assertion: Digest<ClientAssertionKind>,
        valid_until: OffsetDateTime,
    ) -> Result<bool, StorageError> {
        in_time(async {
            let mut writing = self.write(Durability::Durable).await?;
            let done = sqlx::query(
                "INSERT INTO client_assertion (tenant, assertion, valid_until) VALUES (?, ?, ?)
                 ON CONFLICT DO NOTHING",
            )
            .bind(tenant.as_str())
            .bind(assertion.as_bytes().as_slice())
            .bind(stamp(valid_until))
            .execute(&mut *writing)
            .await?;
            writing.commit().await?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }

    async fn revoke_token(&self, revoked: &RevokedToken) -> Result<(), StorageError> {
        in_time(async {
            let mut writing = self.write(Durability::Durable).await?;
            let done = sqlx::query(
                "INSERT INTO revoked_token (tenant, issuer, token, valid_until) VALUES (?, ?, ?, ?)
                 ON CONFLICT DO NOTHING",
            )
            .bind(revoked.tenant.as_str())
            .bind(&*revoked.issuer)
            .bind(&*revoked.id)
            .bind(stamp(revoked.valid_until))
            .execute(&mut *writing)
            .await?;
            // Apps that take our tokens as those of a trusted issuer hear of it like of any other.
            if done.rows_affected() == 1 {
                sqlx::query(
                    "INSERT INTO token_revocation (tenant, kind, issuer, name, needed_until)
                     VALUES (?, 'token', ?, ?, ?)",
                )
                .bind(revoked.tenant.as_str())
                .bind(&*revoked.issuer)
                .bind(&*revoked.id)
                .bind(stamp(revoked.valid_until.saturating_add(LARGEST_SKEW)))
                .execute(&mut *writing)
                .await?;
            }
            writing.commit().await
        })
        .await
    }

    async fn revoked_since(&self, sequence: i64) -> Result<(i64, Vec<RevokedToken>), StorageError> {
        in_time(async {
            let rows = sqlx::query(
                "SELECT sequence, tenant, issuer, token, valid_until FROM revoked_token
                 WHERE sequence > ? ORDER BY sequence LIMIT 1000",
            )
            .bind(sequence)
            .fetch_all(&self.readers)
            .await?;
            let mut last = sequence;
            let mut revoked = Vec::with_capacity(rows.len());
            for row in &rows {
                last = row.try_get("sequence")?;
                let issuer: String = row.try_get("issuer")?;
                let id: String = row.try_get("token")?;
                revoked.push(RevokedToken {
                    tenant: parsed(row, "tenant")?,
                    issuer: issuer.into(),
                    id: id.into(),
                    valid_until: time_at(row, "valid_until")?,
                });
            }
            Ok((last, revoked))
        })
        .await
    }
}
