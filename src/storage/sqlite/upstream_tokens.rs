//! The tokens that providers gave for sessions.

use async_trait::async_trait;
use secrecy::SecretString;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use time::OffsetDateTime;

use super::super::StorageError;
use super::super::sealing::Purpose;
use super::super::traits::NewSession;
use super::super::upstream_tokens::{
    Change, Claim, Claimed, Claiming, EndedTokens, LookedAt, Settled, TokensOf, UpstreamTokenStore,
};
use super::rows::{bytes, optional_time_at, parsed, stamp, time_at, unreadable};
use super::sessions::{announce, end};
use super::{Durability, SqliteStore, Writing, in_time};
use crate::domain::identity_header::IdentitySource;
use crate::domain::ids::{SessionId, TenantId};
use crate::domain::upstream_tokens::{TokensForApp, UpstreamTokens};

#[async_trait]
impl UpstreamTokenStore for SqliteStore {
    async fn find_whose_tokens(
        &self,
        session: SessionId,
    ) -> Result<Option<TokensOf>, StorageError> {
        in_time(async {
            let row = sqlx::query(
                "SELECT tenant, provider FROM upstream_tokens
                 WHERE session = ? AND ended_at IS NULL AND due_at IS NOT NULL",
            )
            .bind(session.as_bytes().as_slice())
            .fetch_optional(&self.readers)
            .await?;
            row.as_ref().map(tokens_of).transpose()
        })
        .await
    }

    async fn claim_refresh(
        &self,
        session: SessionId,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Claiming, StorageError> {
        in_time(async {
            let mut writing = self.write(Durability::Durable).await?;
            let found = sqlx::query(
                "SELECT t.tenant, t.provider, t.access_token, t.refresh_token, t.expires_at, t.granted_at,
                     t.due_at, t.failures, t.generation, t.leased_until,
                     coalesce(t.id_token, s.id_token) AS id_token, s.id_token AS first_id_token
                 FROM upstream_tokens AS t JOIN session AS s ON s.id = t.session AND s.tenant = t.tenant
                 WHERE t.session = ? AND s.ended_at IS NULL AND t.due_at IS NOT NULL",
            )
            .bind(session.as_bytes().as_slice())
            .fetch_optional(&mut *writing)
            .await?;
            let Some(row) = found else {
                return Ok(Claiming::Nothing);
            };
            let wait = optional_time_at(&row, "leased_until")?.max(optional_time_at(&row, "due_at")?);
            if let Some(wait) = wait.filter(|wait| *wait > now) {
                return Ok(Claiming::NotBefore(wait));
            }
            let tenant: TenantId = parsed(&row, "tenant")?;
            let generation = row.try_get::<i64, _>("generation")? + 1;
            let claimed = Claimed {
                provider: parsed(&row, "provider")?,
                tokens: self.tokens(&tenant, &row)?,
                first_id_token: self.opened(Purpose::IdToken, &tenant, &row, "first_id_token")?,
                granted_at: time_at(&row, "granted_at")?,
                failures: row.try_get("failures")?,
                claim: Claim {
                    tenant,
                    session,
                    generation,
                },
            };
            sqlx::query(
                "UPDATE upstream_tokens SET generation = ?, leased_until = ?
                 WHERE session = ? AND tenant = ?",
            )
            .bind(generation)
            .bind(stamp(until))
            .bind(session.as_bytes().as_slice())
            .bind(claimed.claim.tenant.as_str())
            .execute(&mut *writing)
            .await?;
            writing.commit().await?;
            Ok(Claiming::Ours(Box::new(claimed)))
        })
        .await
    }

    async fn keep_rotated(
        &self,
        claim: &Claim,
        refresh_token: &SecretString,
    ) -> Result<bool, StorageError> {
        in_time(async {
            let Some(mut writing) = self.with_claim(claim).await? else {
                return Ok(false);
            };
            let sealed = self.sealed(Purpose::RefreshToken, &claim.tenant, refresh_token);
            sqlx::query(
                "UPDATE upstream_tokens SET refresh_token = ? WHERE session = ? AND tenant = ?",
            )
            .bind(sealed)
            .bind(claim.session.as_bytes().as_slice())
            .bind(claim.tenant.as_str())
            .execute(&mut *writing)
            .await?;
            writing.commit().await?;
            Ok(true)
        })
        .await
    }

    async fn settle_refresh(
        &self,
        claim: &Claim,
        found: &LookedAt,
        change: Change<'_>,
    ) -> Result<Settled, StorageError> {
        in_time(async {
            let Some(mut writing) = self.with_claim(claim).await? else {
                return Ok(Settled::Lost);
            };
            let row = sqlx::query(
                "SELECT s.data FROM session AS s JOIN identity AS i ON i.tenant = s.tenant AND i.user = s.user
                 WHERE s.id = ? AND s.tenant = ? AND i.issuer_key = ? AND i.subject_key = ?",
            )
            .bind(claim.session.as_bytes().as_slice())
            .bind(claim.tenant.as_str())
            .bind(&*found.issuer_key)
            .bind(&*found.subject_key)
            .fetch_optional(&mut *writing)
            .await?;
            let Some(row) = row else {
                return Ok(Settled::AnotherPerson);
            };
            self.write_tokens(&mut writing, claim, found).await?;
            let changed = change(row.try_get("data")?)?;
            if let Some(data) = &changed {
                sqlx::query("UPDATE session SET data = ? WHERE id = ? AND tenant = ?")
                    .bind(data)
                    .bind(claim.session.as_bytes().as_slice())
                    .bind(claim.tenant.as_str())
                    .execute(&mut *writing)
                    .await?;
            }
            if changed.is_some() || found.for_apps {
                announce(&mut writing, &claim.tenant, claim.session, found.at).await?;
            }
            writing.commit().await?;
            Ok(if changed.is_some() {
                Settled::Changed
            } else {
                Settled::Unchanged
            })
        })
        .await
    }

    async fn postpone_refresh(
        &self,
        claim: &Claim,
        due_at: Option<OffsetDateTime>,
    ) -> Result<bool, StorageError> {
        in_time(async {
            let Some(mut writing) = self.with_claim(claim).await? else {
                return Ok(false);
            };
            sqlx::query(
                "UPDATE upstream_tokens SET due_at = ?, failures = failures + 1, leased_until = NULL
                 WHERE session = ? AND tenant = ?",
            )
            .bind(due_at.map(stamp))
            .bind(claim.session.as_bytes().as_slice())
            .bind(claim.tenant.as_str())
            .execute(&mut *writing)
            .await?;
            writing.commit().await?;
            Ok(true)
        })
        .await
    }

    async fn end_claimed(&self, claim: &Claim, now: OffsetDateTime) -> Result<bool, StorageError> {
        in_time(async {
            let Some(mut writing) = self.with_claim(claim).await? else {
                return Ok(false);
            };
            end(&mut writing, &claim.tenant, claim.session, now).await?;
            writing.commit().await?;
            Ok(true)
        })
        .await
    }

    async fn find_tokens(
        &self,
        tenant: &TenantId,
        session: SessionId,
        wanted: &[IdentitySource],
    ) -> Result<Option<TokensForApp>, StorageError> {
        in_time(async {
            let row = sqlx::query(
                "SELECT t.provider, t.access_token, t.expires_at, coalesce(t.id_token, s.id_token) AS id_token
                 FROM upstream_tokens AS t JOIN session AS s ON s.id = t.session AND s.tenant = t.tenant
                 WHERE t.session = ? AND t.tenant = ? AND s.ended_at IS NULL",
            )
            .bind(session.as_bytes().as_slice())
            .bind(tenant.as_str())
            .fetch_optional(&self.readers)
            .await?;
            let Some(row) = row else { return Ok(None) };
            let open = |source, purpose, column| {
                if wanted.contains(&source) {
                    self.opened(purpose, tenant, &row, column)
                } else {
                    Ok(None)
                }
            };
            Ok(Some(TokensForApp {
                provider: parsed(&row, "provider")?,
                access_token: open(
                    IdentitySource::AccessToken,
                    Purpose::AccessToken,
                    "access_token",
                )?,
                expires_at: optional_time_at(&row, "expires_at")?,
                id_token: open(IdentitySource::IdToken, Purpose::IdToken, "id_token")?,
            }))
        })
        .await
    }

    async fn find_ended_tokens(&self) -> Result<Vec<TokensOf>, StorageError> {
        in_time(async {
            let rows = sqlx::query(
                "SELECT DISTINCT tenant, provider FROM upstream_tokens WHERE ended_at IS NOT NULL",
            )
            .fetch_all(&self.readers)
            .await?;
            rows.iter().map(tokens_of).collect()
        })
        .await
    }

    async fn take_ended_tokens(
        &self,
        of: &TokensOf,
        most: u32,
    ) -> Result<Vec<EndedTokens>, StorageError> {
        in_time(async {
            let mut writing = self.write(Durability::Durable).await?;
            let rows = sqlx::query(
                "DELETE FROM upstream_tokens WHERE session IN
                     (SELECT session FROM upstream_tokens
                      WHERE ended_at IS NOT NULL AND tenant = ? AND provider = ?
                      ORDER BY ended_at LIMIT ?)
                 RETURNING session, tenant, provider, access_token, refresh_token, id_token, expires_at",
            )
            .bind(of.tenant.as_str())
            .bind(of.provider.as_str())
            .bind(most)
            .fetch_all(&mut *writing)
            .await?;
            writing.commit().await?;
            // What does not open is gone all the same: it could not be opened later either.
            let read = rows.iter().filter_map(|row| {
                self.ended_tokens(row)
                    .inspect_err(|error| tracing::warn!(%error, "tokens of a session that ended are not revoked"))
                    .ok()
            });
            Ok(read.collect())
        })
        .await
    }
}

impl SqliteStore {
    /// Puts the tokens of a sign-in in the place of those of an earlier one. Claims to those are lost.
    pub(super) async fn put_tokens(
        &self,
        connection: &mut SqliteConnection,
        tenant: &TenantId,
        id: SessionId,
        session: &NewSession,
    ) -> Result<(), StorageError> {
        let Some(new) = &session.tokens else {
            sqlx::query("DELETE FROM upstream_tokens WHERE session = ? AND tenant = ?")
                .bind(id.as_bytes().as_slice())
                .bind(tenant.as_str())
                .execute(connection)
                .await?;
            return Ok(());
        };
        let refresh_token = new.tokens.refresh_token.as_ref();
        sqlx::query(
            "INSERT INTO upstream_tokens
                 (session, tenant, provider, access_token, refresh_token, expires_at, granted_at, due_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET
                 provider = excluded.provider, access_token = excluded.access_token,
                 refresh_token = excluded.refresh_token, id_token = NULL,
                 expires_at = excluded.expires_at, granted_at = excluded.granted_at,
                 due_at = excluded.due_at, failures = 0, generation = generation + 1,
                 leased_until = NULL",
        )
        .bind(id.as_bytes().as_slice())
        .bind(tenant.as_str())
        .bind(new.provider.as_str())
        .bind(self.sealed(Purpose::AccessToken, tenant, &new.tokens.access_token))
        .bind(refresh_token.map(|token| self.sealed(Purpose::RefreshToken, tenant, token)))
        .bind(new.tokens.expires_at.map(stamp))
        .bind(stamp(session.times.began_at))
        .bind(new.due_at.map(stamp))
        .execute(connection)
        .await?;
        Ok(())
    }

    async fn write_tokens(
        &self,
        connection: &mut SqliteConnection,
        claim: &Claim,
        found: &LookedAt,
    ) -> Result<(), StorageError> {
        let seal = |purpose, token: Option<&SecretString>| {
            token.map(|token| self.sealed(purpose, &claim.tenant, token))
        };
        let tokens = &found.tokens;
        sqlx::query(
            "UPDATE upstream_tokens SET
                 access_token = ?, refresh_token = coalesce(?, refresh_token),
                 id_token = coalesce(?, id_token), expires_at = ?, due_at = ?, failures = 0,
                 leased_until = NULL
             WHERE session = ? AND tenant = ?",
        )
        .bind(self.sealed(Purpose::AccessToken, &claim.tenant, &tokens.access_token))
        .bind(seal(Purpose::RefreshToken, tokens.refresh_token.as_ref()))
        .bind(seal(Purpose::IdToken, tokens.id_token.as_ref()))
        .bind(tokens.expires_at.map(stamp))
        .bind(found.due_at.map(stamp))
        .bind(claim.session.as_bytes().as_slice())
        .bind(claim.tenant.as_str())
        .execute(connection)
        .await?;
        Ok(())
    }

    /// The right to write, if the claim holds and its session is alive.
    async fn with_claim(&self, claim: &Claim) -> Result<Option<Writing>, StorageError> {
        let mut writing = self.write(Durability::Durable).await?;
        let held = sqlx::query(
            "SELECT 1 FROM upstream_tokens AS t JOIN session AS s ON s.id = t.session AND s.tenant = t.tenant
             WHERE t.session = ? AND t.tenant = ? AND t.generation = ? AND s.ended_at IS NULL",
        )
        .bind(claim.session.as_bytes().as_slice())
        .bind(claim.tenant.as_str())
        .bind(claim.generation)
        .fetch_optional(&mut *writing)
        .await?;
        Ok(held.map(|_| writing))
    }

    fn sealed(&self, purpose: Purpose, tenant: &TenantId, token: &SecretString) -> Vec<u8> {
        self.keys.seal(purpose, tenant, token, &*self.random)
    }

    fn opened(
        &self,
        purpose: Purpose,
        tenant: &TenantId,
        row: &SqliteRow,
        column: &str,
    ) -> Result<Option<SecretString>, StorageError> {
        let sealed: Option<&[u8]> = row.try_get(column)?;
        sealed
            .map(|sealed| self.keys.open(purpose, tenant, sealed))
            .transpose()
            .map_err(|error| unreadable(column, &error))
    }

    /// Of `access_token, refresh_token, id_token, expires_at`.
    fn tokens(&self, tenant: &TenantId, row: &SqliteRow) -> Result<UpstreamTokens, StorageError> {
        let access_token = self.opened(Purpose::AccessToken, tenant, row, "access_token")?;
        Ok(UpstreamTokens {
            access_token: access_token
                .ok_or_else(|| unreadable("access_token", &"it is not there"))?,
            refresh_token: self.opened(Purpose::RefreshToken, tenant, row, "refresh_token")?,
            id_token: self.opened(Purpose::IdToken, tenant, row, "id_token")?,
            expires_at: optional_time_at(row, "expires_at")?,
        })
    }

    fn ended_tokens(&self, row: &SqliteRow) -> Result<EndedTokens, StorageError> {
        let tenant: TenantId = parsed(row, "tenant")?;
        Ok(EndedTokens {
            tokens: self.tokens(&tenant, row)?,
            session: SessionId::from_bytes(bytes(row, "session")?),
            provider: parsed(row, "provider")?,
            tenant,
        })
    }
}

fn tokens_of(row: &SqliteRow) -> Result<TokensOf, StorageError> {
    Ok(TokensOf {
        tenant: parsed(row, "tenant")?,
        provider: parsed(row, "provider")?,
    })
}

/// The session has ended: its tokens wait to be taken out.
pub(super) async fn mark_ended(
    connection: &mut SqliteConnection,
    id: SessionId,
    now: OffsetDateTime,
) -> Result<(), StorageError> {
    sqlx::query("UPDATE upstream_tokens SET ended_at = ? WHERE session = ?")
        .bind(stamp(now))
        .bind(id.as_bytes().as_slice())
        .execute(connection)
        .await?;
    Ok(())
}
