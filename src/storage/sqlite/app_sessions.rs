//! What an app session is written as.

use sqlx::SqliteConnection;

use super::super::StorageError;
use super::super::traits::{NewAppSession, StoredSession};
use super::rows::{self, stamp};
use crate::domain::ids::SessionId;

/// Begins an app session if its session is alive; gives the session.
pub(super) async fn insert_app_session(
    connection: &mut SqliteConnection,
    session: SessionId,
    app: &NewAppSession,
) -> Result<Option<StoredSession>, StorageError> {
    let found = sqlx::query(
        "SELECT id, tenant, user, data, began_at, used_at, idle, ends_at,
             (SELECT t.due_at FROM upstream_tokens AS t WHERE t.session = session.id) AS due_at
         FROM session WHERE id = ? AND tenant = ? AND ended_at IS NULL",
    )
    .bind(session.as_bytes().as_slice())
    .bind(app.tenant.as_str())
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = found else {
        return Ok(None);
    };
    sqlx::query(
        "INSERT INTO app_session (handle, tenant, session, app, host, began_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(app.handle.as_bytes().as_slice())
    .bind(app.tenant.as_str())
    .bind(session.as_bytes().as_slice())
    .bind(app.app.as_str())
    .bind(app.host.to_string())
    .bind(stamp(app.began_at))
    .execute(&mut *connection)
    .await?;
    forget_oldest_handles(connection, session, app).await?;
    rows::session(&row).map(Some)
}

/// A browser has one cookie for each host: who enters again and again leaves no more than these behind.
async fn forget_oldest_handles(
    connection: &mut SqliteConnection,
    session: SessionId,
    app: &NewAppSession,
) -> Result<(), StorageError> {
    sqlx::query(
        "DELETE FROM app_session WHERE handle IN
             (SELECT handle FROM app_session WHERE session = ?1 AND host = ?2
              ORDER BY began_at DESC LIMIT -1 OFFSET ?3)",
    )
    .bind(session.as_bytes().as_slice())
    .bind(app.host.to_string())
    .bind(HANDLES_AT_A_HOST)
    .execute(connection)
    .await?;
    Ok(())
}

/// Handles of one session at one host: twenty tabs that enter at once, and some more.
const HANDLES_AT_A_HOST: i64 = 32;
