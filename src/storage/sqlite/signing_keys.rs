//! Our own signing keys.

use async_trait::async_trait;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::super::sealing::Purpose;
use super::super::{NewSigningKey, PlanKeys, SigningKeys, StorageError, StoredSigningKey};
use super::rows::{optional_time_at, parsed, stamp, time_at, unreadable};
use super::{Durability, SqliteStore, Writing, in_time};
use crate::domain::ids::TenantId;
use crate::domain::signing_key::{KeyPlan, KeySchedule};

const COLUMNS: &str = "SELECT tenant, kid, algorithm, public_key, private_key, created_at, signs_from,
         signs_until, published_until FROM signing_key ORDER BY tenant, signs_from, created_at, kid";

const SCHEDULES: &str =
    "SELECT kid, algorithm, created_at, signs_from, signs_until, published_until
     FROM signing_key WHERE tenant = ? ORDER BY signs_from, created_at, kid";

#[async_trait]
impl SigningKeys for SqliteStore {
    async fn signing_key_change(&self) -> Result<i64, StorageError> {
        in_time(async {
            let number = sqlx::query_scalar("SELECT number FROM signing_key_change")
                .fetch_one(&self.readers)
                .await?;
            Ok(number)
        })
        .await
    }

    async fn signing_keys(&self) -> Result<Vec<StoredSigningKey>, StorageError> {
        in_time(async {
            let rows = sqlx::query(COLUMNS).fetch_all(&self.readers).await?;
            rows.iter().map(|row| self.signing_key(row)).collect()
        })
        .await
    }

    async fn turn_signing_keys(
        &self,
        tenant: &TenantId,
        plan: PlanKeys<'_>,
        new: Option<&NewSigningKey>,
        now: OffsetDateTime,
    ) -> Result<Option<KeyPlan>, StorageError> {
        in_time(async {
            let mut writing = self.write(Durability::Durable).await?;
            let rows = sqlx::query(SCHEDULES)
                .bind(tenant.as_str())
                .fetch_all(&mut *writing)
                .await?;
            let keys = rows.iter().map(schedule).collect::<Result<Vec<_>, _>>()?;
            let Some(plan) = plan(&keys) else {
                return Ok(None);
            };
            for kid in &plan.remove {
                remove(&mut writing, tenant, kid).await?;
            }
            for key in &plan.change {
                change(&mut writing, tenant, key).await?;
            }
            if let Some(signs_from) = plan.add {
                let Some(new) = new else { return Ok(None) };
                self.add(&mut writing, tenant, new, (now, signs_from))
                    .await?;
            }
            writing.commit().await?;
            Ok(Some(plan))
        })
        .await
    }
}

impl SqliteStore {
    fn signing_key(&self, row: &SqliteRow) -> Result<StoredSigningKey, StorageError> {
        let tenant: TenantId = parsed(row, "tenant")?;
        let sealed: &[u8] = row.try_get("private_key")?;
        Ok(StoredSigningKey {
            schedule: schedule(row)?,
            public: parsed(row, "public_key")?,
            private: self.keys.open(Purpose::SigningKey, &tenant, sealed),
            tenant,
        })
    }

    async fn add(
        &self,
        writing: &mut Writing,
        tenant: &TenantId,
        new: &NewSigningKey,
        (created_at, signs_from): (OffsetDateTime, OffsetDateTime),
    ) -> Result<(), StorageError> {
        let sealed = self
            .keys
            .seal(Purpose::SigningKey, tenant, &new.private, &*self.random);
        sqlx::query(
            "INSERT INTO signing_key
                 (tenant, kid, algorithm, public_key, private_key, created_at, signs_from)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(tenant.as_str())
        .bind(&*new.kid)
        .bind(new.algorithm.as_str())
        .bind(new.public.to_string())
        .bind(sealed)
        .bind(stamp(created_at))
        .bind(stamp(signs_from))
        .execute(&mut **writing)
        .await?;
        Ok(())
    }
}

fn schedule(row: &SqliteRow) -> Result<KeySchedule, StorageError> {
    let kid: String = row.try_get("kid")?;
    let algorithm: &str = row.try_get("algorithm")?;
    Ok(KeySchedule {
        kid: kid.into(),
        algorithm: algorithm
            .parse()
            .map_err(|error| unreadable("algorithm", &error))?,
        created_at: time_at(row, "created_at")?,
        signs_from: time_at(row, "signs_from")?,
        signs_until: optional_time_at(row, "signs_until")?,
        published_until: optional_time_at(row, "published_until")?,
    })
}

async fn remove(writing: &mut Writing, tenant: &TenantId, kid: &str) -> Result<(), StorageError> {
    sqlx::query("DELETE FROM signing_key WHERE tenant = ? AND kid = ?")
        .bind(tenant.as_str())
        .bind(kid)
        .execute(&mut **writing)
        .await?;
    Ok(())
}

async fn change(
    writing: &mut Writing,
    tenant: &TenantId,
    key: &KeySchedule,
) -> Result<(), StorageError> {
    sqlx::query(
        "UPDATE signing_key SET signs_from = ?, signs_until = ?, published_until = ?
         WHERE tenant = ? AND kid = ?",
    )
    .bind(stamp(key.signs_from))
    .bind(key.signs_until.map(stamp))
    .bind(key.published_until.map(stamp))
    .bind(tenant.as_str())
    .bind(&*key.kid)
    .execute(&mut **writing)
    .await?;
    Ok(())
}
