//! Sign-outs that a provider tells of.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use time::OffsetDateTime;

use super::super::StorageError;
use super::super::traits::UpstreamLogouts;
use super::rows::{bytes, stamp};
use super::sessions::end;
use super::{Durability, SqliteStore, in_time};
use crate::domain::handle::{Digest, UpstreamSessionKind, UpstreamSubjectKind};
use crate::domain::ids::{ProviderId, SessionId, TenantId, UserId};
use crate::domain::upstream_logout::{
    EndedUpstream, LogoutNotice, NoticeRefused, SignedOutUpstream, UpstreamLogin,
};

/// Logout tokens remembered for one provider. Only its own signature makes one; a provider that signs more in
/// the few minutes that a token is good for has to come again.
const MOST_TOKENS: i64 = 20_000;

#[async_trait]
impl UpstreamLogouts for SqliteStore {
    async fn end_by_logout_token(
        &self,
        tenant: &TenantId,
        provider: &ProviderId,
        notice: &LogoutNotice,
        now: OffsetDateTime,
    ) -> Result<Result<Vec<EndedUpstream>, NoticeRefused>, StorageError> {
        in_time(async {
            let mut writing = self.write(Durability::Durable).await?;
            // Dropped on the way, the transaction leaves nothing: a token that was refused can come again.
            if let Err(refused) = use_up(&mut writing, tenant, provider, notice, now).await? {
                return Ok(Err(refused));
            }
            let found = match notice.who {
                SignedOutUpstream::Session(session) => {
                    let found = of_session(&mut writing, tenant, &session).await?;
                    remember(&mut writing, tenant, session.as_bytes(), now).await?;
                    found
                }
                SignedOutUpstream::Person(subject) => {
                    let found = of_subject(&mut writing, tenant, &subject).await?;
                    remember(&mut writing, tenant, subject.as_bytes(), now).await?;
                    found
                }
                SignedOutUpstream::SessionOf(session, subject) => {
                    let mut found = of_session(&mut writing, tenant, &session).await?;
                    if found.iter().any(|row| row.subject != Some(subject)) {
                        return Ok(Err(NoticeRefused::Contradiction));
                    }
                    // Not known is not another one.
                    let persons = of_subject(&mut writing, tenant, &subject).await?;
                    found.extend(persons.into_iter().filter(|row| row.session.is_none()));
                    remember(&mut writing, tenant, session.as_bytes(), now).await?;
                    let unnamed = subject.unnamed_session();
                    remember(&mut writing, tenant, unnamed.as_bytes(), now).await?;
                    found
                }
            };
            let ended = end_all(&mut writing, tenant, found, now).await?;
            writing.commit().await?;
            Ok(Ok(ended))
        })
        .await
    }

    async fn end_by_front_channel(
        &self,
        tenant: &TenantId,
        named: Option<Digest<UpstreamSessionKind>>,
        own: Option<SessionId>,
        now: OffsetDateTime,
    ) -> Result<Result<Vec<EndedUpstream>, NoticeRefused>, StorageError> {
        in_time(async {
            // Anybody can ask: who names nothing that is here keeps no writer waiting.
            let mut reading = self.readers.acquire().await?;
            let known = of_front_channel(&mut reading, tenant, named, own).await?;
            drop(reading);
            if known.as_ref().is_ok_and(Vec::is_empty) {
                return Ok(Ok(Vec::new()));
            }
            let mut writing = self.write(Durability::Durable).await?;
            let found = match of_front_channel(&mut writing, tenant, named, own).await? {
                Ok(found) => found,
                Err(refused) => return Ok(Err(refused)),
            };
            let ended = end_all(&mut writing, tenant, found, now).await?;
            writing.commit().await?;
            Ok(Ok(ended))
        })
        .await
    }
}

/// A live session, and what its provider calls it.
struct Found {
    ended: EndedUpstream,
    session: Option<Digest<UpstreamSessionKind>>,
    subject: Option<Digest<UpstreamSubjectKind>>,
}

fn found(row: &SqliteRow) -> Result<Found, StorageError> {
    let known = |column: &str| -> Result<Option<[u8; 32]>, StorageError> {
        match row.try_get::<Option<&[u8]>, _>(column)? {
            None => Ok(None),
            Some(_) => bytes(row, column).map(Some),
        }
    };
    Ok(Found {
        ended: EndedUpstream {
            session: SessionId::from_bytes(bytes(row, "id")?),
            user: UserId::from_bytes(bytes(row, "user")?),
        },
        session: known("upstream_session")?.map(Digest::from_bytes),
        subject: known("upstream_subject")?.map(Digest::from_bytes),
    })
}

/// Live sessions that `query` finds, by tenant and name.
async fn live_by(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    query: &'static str,
    name: &[u8],
) -> Result<Vec<Found>, StorageError> {
    let rows = sqlx::query(query)
        .bind(tenant.as_str())
        .bind(name)
        .fetch_all(connection)
        .await?;
    rows.iter().map(found).collect()
}

async fn of_session(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    session: &Digest<UpstreamSessionKind>,
) -> Result<Vec<Found>, StorageError> {
    let query = "SELECT id, user, upstream_session, upstream_subject FROM session
         WHERE tenant = ? AND upstream_session = ? AND ended_at IS NULL";
    live_by(connection, tenant, query, session.as_bytes()).await
}

async fn of_subject(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    subject: &Digest<UpstreamSubjectKind>,
) -> Result<Vec<Found>, StorageError> {
    let query = "SELECT id, user, upstream_session, upstream_subject FROM session
         WHERE tenant = ? AND upstream_subject = ? AND ended_at IS NULL";
    live_by(connection, tenant, query, subject.as_bytes()).await
}

async fn of_front_channel(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    named: Option<Digest<UpstreamSessionKind>>,
    own: Option<SessionId>,
) -> Result<Result<Vec<Found>, NoticeRefused>, StorageError> {
    let mut all = match &named {
        Some(named) => of_session(connection, tenant, named).await?,
        None => Vec::new(),
    };
    let Some(own) = own else { return Ok(Ok(all)) };
    let query = "SELECT id, user, upstream_session, upstream_subject FROM session
         WHERE tenant = ? AND id = ? AND ended_at IS NULL";
    let mut own = live_by(connection, tenant, query, own.as_bytes()).await?;
    let Some(own) = own.pop() else {
        return Ok(Ok(all));
    };
    match (own.session, named) {
        (Some(session), Some(named)) if session != named => {
            return Ok(Err(NoticeRefused::Contradiction));
        }
        // It is among those that are named.
        (Some(_), Some(_)) => {}
        _ => all.push(own),
    }
    Ok(Ok(all))
}

async fn use_up(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    provider: &ProviderId,
    notice: &LogoutNotice,
    now: OffsetDateTime,
) -> Result<Result<(), NoticeRefused>, StorageError> {
    let remembered: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM logout_token WHERE tenant = ? AND provider = ? AND valid_until >= ?",
    )
    .bind(tenant.as_str())
    .bind(provider.as_str())
    .bind(stamp(now))
    .fetch_one(&mut *connection)
    .await?;
    if remembered >= MOST_TOKENS {
        // A session ends once, whoever says so again. A person may have come back in between.
        return Ok(match notice.who {
            SignedOutUpstream::Person(_) => Err(NoticeRefused::TooMany),
            SignedOutUpstream::Session(_) | SignedOutUpstream::SessionOf(..) => Ok(()),
        });
    }
    let done = sqlx::query(
        "INSERT INTO logout_token (tenant, token, provider, valid_until) VALUES (?, ?, ?, ?)
         ON CONFLICT DO NOTHING",
    )
    .bind(tenant.as_str())
    .bind(notice.token.as_bytes().as_slice())
    .bind(provider.as_str())
    .bind(stamp(notice.valid_until))
    .execute(connection)
    .await?;
    Ok(if done.rows_affected() == 1 {
        Ok(())
    } else {
        Err(NoticeRefused::Replayed)
    })
}

async fn remember(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    name: &[u8; 32],
    now: OffsetDateTime,
) -> Result<(), StorageError> {
    sqlx::query(
        "INSERT INTO upstream_logout (tenant, name, ended_at) VALUES (?, ?, ?)
         ON CONFLICT DO UPDATE SET ended_at = max(ended_at, excluded.ended_at)",
    )
    .bind(tenant.as_str())
    .bind(name.as_slice())
    .bind(stamp(now))
    .execute(connection)
    .await?;
    Ok(())
}

async fn end_all(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    found: Vec<Found>,
    now: OffsetDateTime,
) -> Result<Vec<EndedUpstream>, StorageError> {
    let mut ended = Vec::with_capacity(found.len());
    for row in found {
        end(connection, tenant, row.ended.session, now).await?;
        ended.push(row.ended);
    }
    Ok(ended)
}

/// Whether the provider ended this login after the person had been sent there. In the same instant counts: who
/// signed out must not be signed in by it. A login whose session the provider does not name ends with any session
/// of the person's that it names together with the person: not known is not another one.
pub(super) async fn was_ended_upstream(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    login: &UpstreamLogin,
) -> Result<bool, StorageError> {
    let session = login.session.map_or_else(
        || *login.subject.unnamed_session().as_bytes(),
        |session| *session.as_bytes(),
    );
    let found = sqlx::query_scalar::<_, i64>(
        "SELECT 1 FROM upstream_logout WHERE tenant = ? AND name IN (?, ?) AND ended_at >= ?",
    )
    .bind(tenant.as_str())
    .bind(session.as_slice())
    .bind(login.subject.as_bytes().as_slice())
    .bind(stamp(login.asked_at))
    .fetch_optional(connection)
    .await?;
    Ok(found.is_some())
}

pub(super) fn upstream_session(login: &UpstreamLogin) -> Option<&[u8]> {
    let session = login.session.as_ref();
    session.map(|session| session.as_bytes().as_slice())
}
