//! Sessions of tenants and of their apps.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use time::OffsetDateTime;

use super::super::StorageError;
use super::super::sealing::Purpose;
use super::super::traits::{
    EndedSession, Ending, KnownSubject, NewAppSession, NewSession, Sessions, StoredSession,
};
use super::app_sessions::insert_app_session;
use super::rows::{self, bytes, length, parsed, stamp, time_of, unreadable};
use super::upstream_logouts::{upstream_session, was_ended_upstream};
use super::users::{find_user, insert_user};
use super::{Durability, SqliteStore, in_time, upstream_tokens};
use crate::domain::handle::{AppSessionKind, Digest, SessionKind, SignInKind};
use crate::domain::host::Host;
use crate::domain::identity::VerifiedIdentity;
use crate::domain::ids::{AppId, SessionId, TenantId, UserId};
use crate::domain::upstream_logout::SignedOutMeanwhile;

#[async_trait]
impl Sessions for SqliteStore {
    async fn begin_session(
        &self,
        identity: &VerifiedIdentity,
        session: &NewSession,
        data: &(dyn Fn(UserId) -> String + Send + Sync),
    ) -> Result<Result<UserId, SignedOutMeanwhile>, StorageError> {
        in_time(async {
            let tenant = identity.tenant();
            let mut writing = self.write(Durability::Durable).await?;
            if was_ended_upstream(&mut writing, tenant, &session.upstream).await? {
                return Ok(Err(SignedOutMeanwhile));
            }
            let user = if let Some(user) = find_user(&mut writing, &known(identity)).await? {
                user
            } else {
                let (new, now) = (session.new_user, session.times.began_at);
                insert_user(&mut writing, &known(identity), new, now).await?
            };
            sqlx::query(
                "INSERT INTO session
                     (id, tenant, user, handle, data, id_token, began_at, used_at, idle, ends_at,
                      upstream_session, upstream_subject)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(session.id.as_bytes().as_slice())
            .bind(tenant.as_str())
            .bind(user.as_bytes().as_slice())
            .bind(session.handle.as_bytes().as_slice())
            .bind(data(user))
            .bind(self.sealed_id_token(tenant, session))
            .bind(stamp(session.times.began_at))
            .bind(stamp(session.times.used_at))
            .bind(length(session.times.idle))
            .bind(stamp(session.times.ends_at))
            .bind(upstream_session(&session.upstream))
            .bind(session.upstream.subject.as_bytes().as_slice())
            .execute(&mut *writing)
            .await?;
            self.put_tokens(&mut writing, tenant, session.id, session)
                .await?;
            writing.commit().await?;
            Ok(Ok(user))
        })
        .await
    }

    async fn user_of(&self, identity: &VerifiedIdentity) -> Result<Option<UserId>, StorageError> {
        in_time(async {
            let mut connection = self.readers.acquire().await?;
            find_user(&mut connection, &known(identity)).await
        })
        .await
    }

    async fn find_session(
        &self,
        tenant: &TenantId,
        handle: Digest<SessionKind>,
    ) -> Result<Option<StoredSession>, StorageError> {
        in_time(async {
            sqlx::query(
                "SELECT id, tenant, user, data, began_at, used_at, idle, ends_at,
                     (SELECT t.due_at FROM upstream_tokens AS t WHERE t.session = session.id) AS due_at
                 FROM session WHERE tenant = ? AND handle = ? AND ended_at IS NULL",
            )
            .bind(tenant.as_str())
            .bind(handle.as_bytes().as_slice())
            .fetch_optional(&self.readers)
            .await?
            .map(|row| rows::session(&row))
            .transpose()
        })
        .await
    }

    async fn update_session(
        &self,
        tenant: &TenantId,
        handle: Digest<SessionKind>,
        data: &str,
    ) -> Result<bool, StorageError> {
        in_time(async {
            let mut writing = self.write(Durability::Durable).await?;
            let done = sqlx::query(
                "UPDATE session SET data = ? WHERE tenant = ? AND handle = ? AND ended_at IS NULL",
            )
            .bind(data)
            .bind(tenant.as_str())
            .bind(handle.as_bytes().as_slice())
            .execute(&mut *writing)
            .await?;
            writing.commit().await?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }

    async fn renew_session(
        &self,
        tenant: &TenantId,
        old: Digest<SessionKind>,
        renewed: &NewSession,
        data: &str,
    ) -> Result<Result<bool, SignedOutMeanwhile>, StorageError> {
        in_time(async {
            let mut writing = self.write(Durability::Durable).await?;
            if was_ended_upstream(&mut writing, tenant, &renewed.upstream).await? {
                return Ok(Err(SignedOutMeanwhile));
            }
            let row = sqlx::query(
                "UPDATE session
                 SET handle = ?, data = ?, id_token = ?, began_at = ?, used_at = ?, idle = ?, ends_at = ?,
                     upstream_session = ?, upstream_subject = ?
                 WHERE tenant = ? AND handle = ? AND ended_at IS NULL
                 RETURNING id",
            )
            .bind(renewed.handle.as_bytes().as_slice())
            .bind(data)
            .bind(self.sealed_id_token(tenant, renewed))
            .bind(stamp(renewed.times.began_at))
            .bind(stamp(renewed.times.used_at))
            .bind(length(renewed.times.idle))
            .bind(stamp(renewed.times.ends_at))
            .bind(upstream_session(&renewed.upstream))
            .bind(renewed.upstream.subject.as_bytes().as_slice())
            .bind(tenant.as_str())
            .bind(old.as_bytes().as_slice())
            .fetch_optional(&mut *writing)
            .await?;
            let live = row.is_some();
            if let Some(row) = row {
                let id = SessionId::from_bytes(bytes(&row, "id")?);
                self.put_tokens(&mut writing, tenant, id, renewed).await?;
                announce(&mut writing, tenant, id, renewed.times.began_at).await?;
            }
            writing.commit().await?;
            Ok(Ok(live))
        })
        .await
    }

    async fn sessions_of(
        &self,
        tenant: &TenantId,
        user: UserId,
    ) -> Result<Vec<StoredSession>, StorageError> {
        in_time(async {
            sqlx::query(
                "SELECT id, tenant, user, data, began_at, used_at, idle, ends_at, NULL AS due_at
                 FROM session WHERE tenant = ? AND user = ? AND ended_at IS NULL
                 ORDER BY began_at DESC LIMIT 100",
            )
            .bind(tenant.as_str())
            .bind(user.as_bytes().as_slice())
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(rows::session)
            .collect()
        })
        .await
    }

    async fn end_by_handle(
        &self,
        tenant: &TenantId,
        handle: Digest<SessionKind>,
        now: OffsetDateTime,
    ) -> Result<Option<EndedSession>, StorageError> {
        let found = sqlx::query(
            "SELECT id, tenant, user, data, began_at, used_at, idle, ends_at, NULL AS due_at,
                 id_token
             FROM session WHERE tenant = ? AND handle = ? AND ended_at IS NULL",
        )
        .bind(tenant.as_str())
        .bind(handle.as_bytes().as_slice());
        in_time(self.end_found(tenant, found, now)).await
    }

    async fn end_by_app_handle(
        &self,
        tenant: &TenantId,
        host: &Host,
        handle: Digest<AppSessionKind>,
        now: OffsetDateTime,
    ) -> Result<Option<EndedSession>, StorageError> {
        let found = sqlx::query(
            "SELECT s.id, s.tenant, s.user, s.data, s.began_at, s.used_at, s.idle, s.ends_at,
                 NULL AS due_at, s.id_token
             FROM app_session AS a JOIN session AS s ON s.id = a.session AND s.tenant = a.tenant
             WHERE a.tenant = ? AND a.host = ? AND a.handle = ? AND s.ended_at IS NULL",
        )
        .bind(tenant.as_str())
        .bind(host.to_string())
        .bind(handle.as_bytes().as_slice());
        in_time(self.end_found(tenant, found, now)).await
    }

    async fn end_sessions(
        &self,
        tenant: &TenantId,
        which: Ending,
        now: OffsetDateTime,
    ) -> Result<Vec<SessionId>, StorageError> {
        in_time(async {
            let (statement, session, user) = match which {
                Ending::One(session, user) => (
                    "SELECT id FROM session
                     WHERE tenant = ? AND user = ? AND id = ? AND ended_at IS NULL",
                    session,
                    user,
                ),
                Ending::Others(session, user) => (
                    "SELECT id FROM session
                     WHERE tenant = ? AND user = ? AND id <> ? AND ended_at IS NULL",
                    session,
                    user,
                ),
            };
            let mut writing = self.write(Durability::Durable).await?;
            let found = sqlx::query(statement)
                .bind(tenant.as_str())
                .bind(user.as_bytes().as_slice())
                .bind(session.as_bytes().as_slice())
                .fetch_all(&mut *writing)
                .await?;
            let mut ended = Vec::with_capacity(found.len());
            for row in &found {
                let id = SessionId::from_bytes(bytes(row, "id")?);
                end(&mut writing, tenant, id, now).await?;
                ended.push(id);
            }
            writing.commit().await?;
            Ok(ended)
        })
        .await
    }

    async fn end_overdue(&self, id: SessionId, now: OffsetDateTime) -> Result<(), StorageError> {
        if self.read_only {
            return Ok(());
        }
        in_time(async {
            let mut writing = self.write(Durability::Durable).await?;
            let found = sqlx::query("SELECT tenant FROM session WHERE id = ? AND ended_at IS NULL")
                .bind(id.as_bytes().as_slice())
                .fetch_optional(&mut *writing)
                .await?;
            if let Some(row) = found {
                end(&mut writing, &parsed(&row, "tenant")?, id, now).await?;
                // What runs out is forgotten: with its tokens, the provider might end the next sign-in.
                sqlx::query("DELETE FROM upstream_tokens WHERE session = ?")
                    .bind(id.as_bytes().as_slice())
                    .execute(&mut *writing)
                    .await?;
            }
            writing.commit().await
        })
        .await
    }

    async fn find_app_session(
        &self,
        tenant: &TenantId,
        host: &Host,
        handle: Digest<AppSessionKind>,
    ) -> Result<Option<(StoredSession, AppId)>, StorageError> {
        in_time(async {
            sqlx::query(
                "SELECT session.id, session.tenant, user, data, session.began_at, used_at, idle, ends_at, app,
                     (SELECT t.due_at FROM upstream_tokens AS t WHERE t.session = session.id) AS due_at
                 FROM app_session JOIN session ON session.id = app_session.session
                 WHERE app_session.handle = ?1 AND app_session.tenant = ?2 AND app_session.host = ?3
                     AND session.tenant = ?2 AND session.ended_at IS NULL",
            )
            .bind(handle.as_bytes().as_slice())
            .bind(tenant.as_str())
            .bind(host.to_string())
            .fetch_optional(&self.readers)
            .await?
            .map(|row| Ok((rows::session(&row)?, parsed(&row, "app")?)))
            .transpose()
        })
        .await
    }

    async fn begin_app_session(
        &self,
        session: SessionId,
        app: &NewAppSession,
        answers: Digest<SignInKind>,
    ) -> Result<bool, StorageError> {
        in_time(async {
            let mut writing = self.write(Durability::Durable).await?;
            let begun = insert_app_session(&mut writing, session, app).await?;
            if begun.is_some() {
                sqlx::query("DELETE FROM sign_in WHERE id = ? AND tenant = ?")
                    .bind(answers.as_bytes().as_slice())
                    .bind(app.tenant.as_str())
                    .execute(&mut *writing)
                    .await?;
            }
            writing.commit().await?;
            Ok(begun.is_some())
        })
        .await
    }

    async fn note_uses(&self, uses: &[(SessionId, OffsetDateTime)]) -> Result<(), StorageError> {
        in_time(async {
            let mut writing = self.write(Durability::Relaxed).await?;
            for (session, used_at) in uses {
                sqlx::query(
                    "UPDATE session SET used_at = ?1
                     WHERE id = ?2 AND used_at < ?1 AND ended_at IS NULL",
                )
                .bind(stamp(*used_at))
                .bind(session.as_bytes().as_slice())
                .execute(&mut *writing)
                .await?;
            }
            writing.commit().await
        })
        .await
    }

    async fn ended_since(&self, sequence: i64) -> Result<(i64, Vec<SessionId>), StorageError> {
        in_time(async {
            let rows = sqlx::query(
                "SELECT sequence, session FROM ended_session WHERE sequence > ? ORDER BY sequence",
            )
            .bind(sequence)
            .fetch_all(&self.readers)
            .await?;
            let mut newest = sequence;
            let mut ended = Vec::with_capacity(rows.len());
            for row in &rows {
                newest = row.try_get("sequence")?;
                ended.push(SessionId::from_bytes(bytes(row, "session")?));
            }
            Ok((newest, ended))
        })
        .await
    }

    async fn last_use(&self, id: SessionId) -> Result<Option<OffsetDateTime>, StorageError> {
        in_time(async {
            sqlx::query_scalar("SELECT used_at FROM session WHERE id = ? AND ended_at IS NULL")
                .bind(id.as_bytes().as_slice())
                .fetch_optional(&self.readers)
                .await?
                .map(time_of)
                .transpose()
        })
        .await
    }
}

type FindSession<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

impl SqliteStore {
    /// Ends the one live session that `found` finds.
    async fn end_found(
        &self,
        tenant: &TenantId,
        found: FindSession<'_>,
        now: OffsetDateTime,
    ) -> Result<Option<EndedSession>, StorageError> {
        let mut writing = self.write(Durability::Durable).await?;
        let Some(row) = found.fetch_optional(&mut *writing).await? else {
            return Ok(None);
        };
        let session = rows::session(&row)?;
        end(&mut writing, tenant, session.id, now).await?;
        writing.commit().await?;
        // Only now: a session whose ID token cannot be opened any more must end all the same.
        Ok(Some(EndedSession {
            id_token: self.id_token(tenant, &row),
            session,
        }))
    }

    fn sealed_id_token(&self, tenant: &TenantId, session: &NewSession) -> Option<Vec<u8>> {
        session.id_token.as_ref().map(|token| {
            self.keys
                .seal(Purpose::IdToken, tenant, token, &*self.random)
        })
    }

    /// `None` also where it does not open: sign-out at the provider works without the hint.
    fn id_token(&self, tenant: &TenantId, row: &SqliteRow) -> Option<secrecy::SecretString> {
        let sealed: Option<&[u8]> = row.try_get("id_token").ok()?;
        self.keys
            .open(Purpose::IdToken, tenant, sealed?)
            .map_err(|error| unreadable("id_token", &error))
            .inspect_err(|error| tracing::warn!(%error, "signing out without `id_token_hint`"))
            .ok()
    }
}

fn known(identity: &VerifiedIdentity) -> KnownSubject<'_> {
    let profile = identity.profile();
    KnownSubject {
        tenant: identity.tenant(),
        issuer_key: &profile.issuer_key,
        subject_key: &profile.subject_key,
        issuer: profile.issuer.as_str(),
        subject: &profile.subject,
    }
}

/// Ends a session that is alive, with its app sessions. Its ID token is not needed any more; what can be revoked is.
pub(super) async fn end(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    id: SessionId,
    now: OffsetDateTime,
) -> Result<(), StorageError> {
    sqlx::query("UPDATE session SET ended_at = ?, id_token = NULL WHERE id = ?")
        .bind(stamp(now))
        .bind(id.as_bytes().as_slice())
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM app_session WHERE session = ?")
        .bind(id.as_bytes().as_slice())
        .execute(&mut *connection)
        .await?;
    upstream_tokens::mark_ended(connection, id, now).await?;
    announce(connection, tenant, id, now).await
}

/// Tells every process to read this session again.
pub(super) async fn announce(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    id: SessionId,
    now: OffsetDateTime,
) -> Result<(), StorageError> {
    sqlx::query("INSERT INTO ended_session (tenant, session, ended_at) VALUES (?, ?, ?)")
        .bind(tenant.as_str())
        .bind(id.as_bytes().as_slice())
        .bind(stamp(now))
        .execute(connection)
        .await?;
    Ok(())
}
