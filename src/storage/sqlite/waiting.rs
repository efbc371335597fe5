//! Room for anonymous requests: a flood from one place must not push out those who wait elsewhere.
//!
//! The numbers are kept by triggers, so that the hundred-thousandth start costs what the first one did.

use sqlx::SqliteConnection;
use time::{Duration, OffsetDateTime};

use super::super::StorageError;
use super::super::traits::{TooManyWaiting, WaitingCaps};
use super::rows::stamp;
use crate::domain::login_attempt::LIFETIME_MINUTES;

/// The statements for one kind of request. SQL cannot take the name of a table as a parameter.
pub(super) struct Kind {
    name: &'static str,
    forget_stale: &'static str,
    evict_of_network: &'static str,
    evict_of_all: &'static str,
}

pub(super) const LOGIN_ATTEMPTS: Kind = Kind {
    name: "login_attempt",
    forget_stale: "DELETE FROM login_attempt WHERE network = ? AND began_at < ?",
    evict_of_network: "DELETE FROM login_attempt WHERE state =
        (SELECT state FROM login_attempt WHERE network = ? ORDER BY began_at LIMIT 1)",
    evict_of_all: "DELETE FROM login_attempt WHERE state =
        (SELECT state FROM login_attempt ORDER BY began_at LIMIT 1)",
};

pub(super) const SIGN_INS: Kind = Kind {
    name: "sign_in",
    forget_stale: "DELETE FROM sign_in WHERE network = ? AND began_at < ?",
    evict_of_network: "DELETE FROM sign_in WHERE id =
        (SELECT id FROM sign_in WHERE network = ? ORDER BY began_at LIMIT 1)",
    evict_of_all: "DELETE FROM sign_in WHERE id =
        (SELECT id FROM sign_in ORDER BY began_at LIMIT 1)",
};

/// Makes room for one more request of `network`, in the transaction that will insert it.
pub(super) async fn make_room(
    connection: &mut SqliteConnection,
    kind: &Kind,
    network: &str,
    now: OffsetDateTime,
    caps: WaitingCaps,
) -> Result<Result<(), TooManyWaiting>, StorageError> {
    let cap = caps.of(network);
    if !network.is_empty() && waiting(connection, kind, network).await? >= cap {
        let stale = now - Duration::minutes(LIFETIME_MINUTES);
        sqlx::query(kind.forget_stale)
            .bind(network)
            .bind(stamp(stale))
            .execute(&mut *connection)
            .await?;
        if waiting(connection, kind, network).await? >= cap {
            return Ok(Err(TooManyWaiting));
        }
    }
    if waiting(connection, kind, "*").await? >= caps.total {
        evict(connection, kind).await?;
    }
    Ok(Ok(()))
}

async fn waiting(
    connection: &mut SqliteConnection,
    kind: &Kind,
    network: &str,
) -> Result<u32, StorageError> {
    let number: Option<i64> =
        sqlx::query_scalar("SELECT number FROM waiting WHERE kind = ? AND network = ?")
            .bind(kind.name)
            .bind(network)
            .fetch_optional(connection)
            .await?;
    Ok(u32::try_from(number.unwrap_or_default()).unwrap_or(u32::MAX))
}

/// The oldest of the busiest network goes. Requests whose network is not known count as one each, so where
/// nobody has more than one, the oldest of all goes.
async fn evict(connection: &mut SqliteConnection, kind: &Kind) -> Result<(), StorageError> {
    let busiest: Option<String> = sqlx::query_scalar(
        "SELECT network FROM waiting WHERE kind = ? AND number > 1 AND network NOT IN ('', '*')
         ORDER BY number DESC LIMIT 1",
    )
    .bind(kind.name)
    .fetch_optional(&mut *connection)
    .await?;
    let evict = match &busiest {
        Some(network) => sqlx::query(kind.evict_of_network).bind(network),
        None => sqlx::query(kind.evict_of_all),
    };
    evict.execute(connection).await?;
    Ok(())
}
