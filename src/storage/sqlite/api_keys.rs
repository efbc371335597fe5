//! API keys.

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use time::OffsetDateTime;

use super::super::{ApiKeys, KeyChange, KeyChanged, KeyNotMade, KeyUses, NewApiKey, StorageError};
use super::rows::{bytes, optional_time_at, parsed, stamp, time_at, unreadable};
use super::{Durability, SqliteStore, in_time};
use crate::domain::api_key::{ApiKeyGrant, KnownApiKey};
use crate::domain::handle::{ApiKeyKind, Digest};
use crate::domain::ids::{ApiKeyId, AppId, TenantId, UserId};

#[async_trait]
impl ApiKeys for SqliteStore {
    async fn api_key_changes(&self, after: i64) -> Result<(i64, Vec<KeyChanged>), StorageError> {
        in_time(async {
            let rows = sqlx::query(
                "SELECT number, tenant, key, name, what FROM api_key_change WHERE number > ? ORDER BY number",
            )
            .bind(after)
            .fetch_all(&self.readers)
            .await?;
            let mut newest = after;
            let mut changes = Vec::with_capacity(rows.len());
            for row in &rows {
                newest = row.try_get("number")?;
                changes.push(KeyChanged {
                    tenant: parsed(row, "tenant")?,
                    id: ApiKeyId::from_bytes(bytes(row, "key")?),
                    name: row.try_get::<String, _>("name")?.into(),
                    what: row.try_get::<String, _>("what")?.into(),
                });
            }
            Ok((newest, changes))
        })
        .await
    }

    async fn newest_api_key_change(&self) -> Result<i64, StorageError> {
        in_time(async {
            let newest = sqlx::query_scalar("SELECT coalesce(max(number), 0) FROM api_key_change")
                .fetch_one(&self.readers)
                .await?;
            Ok(newest)
        })
        .await
    }

    async fn make_api_key(&self, key: &NewApiKey) -> Result<Result<(), KeyNotMade>, StorageError> {
        in_time(async {
            let (tenant, grant) = (key.tenant.as_str(), &key.grant);
            let mut writing = self.write(Durability::Durable).await?;
            let taken: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM api_key WHERE tenant = ? AND name = ? AND revoked_at IS NULL",
            )
            .bind(tenant)
            .bind(&*grant.name)
            .fetch_one(&mut *writing)
            .await?;
            if taken > 0 {
                return Ok(Err(KeyNotMade::NameTaken));
            }
            if let Some(owner) = grant.owner {
                let known: i64 =
                    sqlx::query_scalar("SELECT count(*) FROM user WHERE tenant = ? AND id = ?")
                        .bind(tenant)
                        .bind(owner.as_bytes().as_slice())
                        .fetch_one(&mut *writing)
                        .await?;
                if known == 0 {
                    return Ok(Err(KeyNotMade::NoSuchOwner));
                }
            }
            let apps: Vec<&str> = grant.apps.iter().map(AppId::as_str).collect();
            sqlx::query(
                "INSERT INTO api_key (tenant, id, name, digest, owner, apps, groups, roles, scopes, created_at,
                     expires_at)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(tenant)
            .bind(key.id.as_bytes().as_slice())
            .bind(&*grant.name)
            .bind(key.digest.as_bytes().as_slice())
            .bind(grant.owner.as_ref().map(|owner| owner.as_bytes().as_slice()))
            .bind(json(&apps)?)
            .bind(json(&grant.groups)?)
            .bind(json(&grant.roles)?)
            .bind(json(&grant.scopes)?)
            .bind(stamp(key.created_at))
            .bind(key.expires_at.map(stamp))
            .execute(&mut *writing)
            .await?;
            let of = (&key.tenant, key.id, &*grant.name);
            announce(&mut writing, of, "created", key.created_at).await?;
            writing.commit().await?;
            Ok(Ok(()))
        })
        .await
    }

    async fn find_api_key(
        &self,
        tenant: &TenantId,
        digest: Digest<ApiKeyKind>,
    ) -> Result<Option<KnownApiKey>, StorageError> {
        in_time(async {
            sqlx::query(
                "SELECT tenant, id, name, owner, apps, groups, roles, scopes, created_at, expires_at, revoked_at,
                     last_used_at, used
                 FROM api_key WHERE digest = ? AND tenant = ?",
            )
            .bind(digest.as_bytes().as_slice())
            .bind(tenant.as_str())
            .fetch_optional(&self.readers)
            .await?
            .map(|row| known(&row))
            .transpose()
        })
        .await
    }

    async fn api_keys_of(&self, tenant: &TenantId) -> Result<Vec<KnownApiKey>, StorageError> {
        in_time(async {
            sqlx::query(
                "SELECT tenant, id, name, owner, apps, groups, roles, scopes, created_at, expires_at, revoked_at,
                     last_used_at, used
                 FROM api_key WHERE tenant = ? ORDER BY created_at, id",
            )
            .bind(tenant.as_str())
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(known)
            .collect()
        })
        .await
    }

    async fn change_api_key(
        &self,
        tenant: &TenantId,
        id: ApiKeyId,
        change: KeyChange,
        now: OffsetDateTime,
    ) -> Result<bool, StorageError> {
        in_time(async {
            let (statement, what, at) = match change {
                KeyChange::Renew(until) => (
                    "UPDATE api_key SET expires_at = ? WHERE tenant = ? AND id = ? AND revoked_at IS NULL
                     RETURNING name",
                    "renewed",
                    until,
                ),
                KeyChange::Revoke => (
                    "UPDATE api_key SET revoked_at = ? WHERE tenant = ? AND id = ? AND revoked_at IS NULL
                     RETURNING name",
                    "revoked",
                    Some(now),
                ),
            };
            let mut writing = self.write(Durability::Durable).await?;
            let name: Option<String> = sqlx::query_scalar(statement)
                .bind(at.map(stamp))
                .bind(tenant.as_str())
                .bind(id.as_bytes().as_slice())
                .fetch_optional(&mut *writing)
                .await?;
            let Some(name) = name else { return Ok(false) };
            announce(&mut writing, (tenant, id, &name), what, now).await?;
            writing.commit().await?;
            Ok(true)
        })
        .await
    }

    async fn count_key_uses(&self, uses: &[KeyUses]) -> Result<(), StorageError> {
        in_time(async {
            let mut writing = self.write(Durability::Relaxed).await?;
            for of_key in uses {
                sqlx::query(
                    "UPDATE api_key SET used = used + ?1,
                         last_used_at = max(coalesce(last_used_at, ?2), ?2)
                     WHERE tenant = ?3 AND id = ?4",
                )
                .bind(i64::try_from(of_key.times).unwrap_or(i64::MAX))
                .bind(stamp(of_key.last))
                .bind(of_key.tenant.as_str())
                .bind(of_key.id.as_bytes().as_slice())
                .execute(&mut *writing)
                .await?;
            }
            writing.commit().await
        })
        .await
    }
}

/// Tells every process, in the transaction that does it.
async fn announce(
    connection: &mut SqliteConnection,
    (tenant, id, name): (&TenantId, ApiKeyId, &str),
    what: &str,
    now: OffsetDateTime,
) -> Result<(), StorageError> {
    sqlx::query(
        "INSERT INTO api_key_change (tenant, key, name, what, done_at) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(tenant.as_str())
    .bind(id.as_bytes().as_slice())
    .bind(name)
    .bind(what)
    .bind(stamp(now))
    .execute(connection)
    .await?;
    Ok(())
}

fn json(list: &(impl Serialize + ?Sized)) -> Result<String, StorageError> {
    serde_json::to_string(list).map_err(|error| unreadable("list", &error))
}

fn list<T: DeserializeOwned>(row: &SqliteRow, column: &str) -> Result<T, StorageError> {
    let text: &str = row.try_get(column)?;
    serde_json::from_str(text).map_err(|error| unreadable(column, &error))
}

fn known(row: &SqliteRow) -> Result<KnownApiKey, StorageError> {
    let apps: Vec<String> = list(row, "apps")?;
    let apps = apps.iter().map(|app| app.parse::<AppId>());
    let owner: Option<&[u8]> = row.try_get("owner")?;
    let used: i64 = row.try_get("used")?;
    Ok(KnownApiKey {
        tenant: parsed(row, "tenant")?,
        id: ApiKeyId::from_bytes(bytes(row, "id")?),
        grant: ApiKeyGrant {
            name: row.try_get::<String, _>("name")?.into(),
            owner: match owner {
                None => None,
                Some(_) => Some(UserId::from_bytes(bytes(row, "owner")?)),
            },
            apps: apps
                .collect::<Result<_, _>>()
                .map_err(|error| unreadable("apps", &error))?,
            groups: list(row, "groups")?,
            roles: list(row, "roles")?,
            scopes: list(row, "scopes")?,
        },
        created_at: time_at(row, "created_at")?,
        expires_at: optional_time_at(row, "expires_at")?,
        revoked_at: optional_time_at(row, "revoked_at")?,
        last_used_at: optional_time_at(row, "last_used_at")?,
        used: u64::try_from(used).unwrap_or_default(),
    })
}
