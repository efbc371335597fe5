//! Revoked tokens.

use async_trait::async_trait;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::super::{StorageError, StoredRevocation, TokenRevocations};
use super::rows::{optional_time_at, parsed, stamp, time_at, unreadable};
use super::{Durability, SqliteStore, in_time};
use crate::domain::revocation::Revocation;

#[async_trait]
impl TokenRevocations for SqliteStore {
    async fn revoke_tokens(&self, revocation: &StoredRevocation) -> Result<(), StorageError> {
        let (kind, issuer, name, issued_until) = match &revocation.what {
            Revocation::Token { issuer, id } => ("token", issuer, &**id, None),
            Revocation::Subject {
                issuer,
                subject,
                issued_until,
            } => ("subject", issuer, &**subject, Some(*issued_until)),
            Revocation::Issuer {
                issuer,
                issued_until,
            } => ("issuer", issuer, "", Some(*issued_until)),
        };
        in_time(async {
            let mut writing = self.write(Durability::Durable).await?;
            sqlx::query(
                "INSERT INTO token_revocation (tenant, kind, issuer, name, issued_until, needed_until)
                 VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(revocation.tenant.as_str())
            .bind(kind)
            .bind(&**issuer)
            .bind(name)
            .bind(issued_until.map(stamp))
            .bind(stamp(revocation.needed_until))
            .execute(&mut *writing)
            .await?;
            writing.commit().await
        })
        .await
    }

    async fn token_revocations_since(
        &self,
        sequence: i64,
    ) -> Result<(i64, Vec<StoredRevocation>), StorageError> {
        in_time(async {
            let rows = sqlx::query(
                "SELECT sequence, tenant, kind, issuer, name, issued_until, needed_until
                 FROM token_revocation WHERE sequence > ? ORDER BY sequence LIMIT 1000",
            )
            .bind(sequence)
            .fetch_all(&self.readers)
            .await?;
            let last = match rows.last() {
                None => sequence,
                Some(row) => row.try_get("sequence")?,
            };
            let all: Result<Vec<_>, _> = rows.iter().map(stored).collect();
            Ok((last, all?))
        })
        .await
    }
}

fn stored(row: &SqliteRow) -> Result<StoredRevocation, StorageError> {
    let text = |name| -> Result<Box<str>, StorageError> {
        let text: &str = row.try_get(name)?;
        Ok(text.into())
    };
    let issuer = text("issuer")?;
    let issued_until = optional_time_at(row, "issued_until")?;
    let what = match (row.try_get("kind")?, issued_until) {
        ("token", _) => Revocation::Token {
            issuer,
            id: text("name")?,
        },
        ("subject", Some(issued_until)) => Revocation::Subject {
            issuer,
            subject: text("name")?,
            issued_until,
        },
        ("issuer", Some(issued_until)) => Revocation::Issuer {
            issuer,
            issued_until,
        },
        _ => return Err(unreadable("kind", &"it is none of a revocation")),
    };
    Ok(StoredRevocation {
        tenant: parsed(row, "tenant")?,
        what,
        needed_until: time_at(row, "needed_until")?,
    })
}
