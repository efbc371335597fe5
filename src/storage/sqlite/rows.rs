//! Between rows and values. A row that does not read as what it should be is an error, never skipped.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use std::str::FromStr;
use std::time::Duration;
use time::OffsetDateTime;

use super::super::StorageError;
use super::super::traits::{SignIn, StoredSession};
use crate::domain::handle::Digest;
use crate::domain::host::Host;
use crate::domain::ids::SessionId;
use crate::domain::session::SessionTimes;

/// Microseconds since 1970. Cut, not rounded: a time is never later than it was.
#[expect(
    clippy::cast_possible_truncation,
    reason = "`OffsetDateTime` ends in the year 9999: 2.6 × 10^17 µs"
)]
pub(super) fn stamp(time: OffsetDateTime) -> i64 {
    time.unix_timestamp_nanos().div_euclid(1000) as i64
}

pub(super) fn time_of(stamp: i64) -> Result<OffsetDateTime, StorageError> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(stamp) * 1000)
        .map_err(|error| unreadable("time", &error))
}

/// Microseconds. A length beyond what fits is as good as for ever.
pub(super) fn length(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}

pub(super) fn unreadable(what: &str, why: &dyn std::fmt::Display) -> StorageError {
    StorageError::Unreadable(format!("{what}: {why}"))
}

pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(
    row: &SqliteRow,
    column: &str,
) -> Result<T, StorageError> {
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|error| unreadable(column, &error))
}

pub(super) fn bytes<const N: usize>(
    row: &SqliteRow,
    column: &str,
) -> Result<[u8; N], StorageError> {
    let bytes: &[u8] = row.try_get(column)?;
    bytes.try_into().map_err(|error| unreadable(column, &error))
}

pub(super) fn digest<K>(row: &SqliteRow, column: &str) -> Result<Digest<K>, StorageError> {
    bytes(row, column).map(Digest::from_bytes)
}

/// Stored hosts have lost their scheme's own port already.
pub(super) fn host(row: &SqliteRow) -> Result<Host, StorageError> {
    let text: &str = row.try_get("host")?;
    Host::parse(text, 0).map_err(|error| unreadable("host", &error))
}

pub(super) fn time_at(row: &SqliteRow, column: &str) -> Result<OffsetDateTime, StorageError> {
    time_of(row.try_get(column)?)
}

pub(super) fn optional_time_at(
    row: &SqliteRow,
    column: &str,
) -> Result<Option<OffsetDateTime>, StorageError> {
    let stamp: Option<i64> = row.try_get(column)?;
    stamp.map(time_of).transpose()
}

/// Of `id, tenant, user, data, began_at, used_at, idle, ends_at, due_at`.
pub(super) fn session(row: &SqliteRow) -> Result<StoredSession, StorageError> {
    let idle: i64 = row.try_get("idle")?;
    Ok(StoredSession {
        id: SessionId::from_bytes(bytes(row, "id")?),
        tenant: parsed(row, "tenant")?,
        user: crate::domain::ids::UserId::from_bytes(bytes(row, "user")?),
        data: row.try_get("data")?,
        times: SessionTimes {
            began_at: time_at(row, "began_at")?,
            used_at: time_at(row, "used_at")?,
            idle: Duration::from_micros(u64::try_from(idle).unwrap_or_default()),
            ends_at: time_at(row, "ends_at")?,
        },
        due_at: optional_time_at(row, "due_at")?,
    })
}

/// Of `tenant, app, host, target, binding, began_at`.
pub(super) fn sign_in(row: &SqliteRow) -> Result<SignIn, StorageError> {
    Ok(SignIn {
        tenant: parsed(row, "tenant")?,
        app: parsed(row, "app")?,
        host: host(row)?,
        target: row.try_get("target")?,
        binding: digest(row, "binding")?,
        asked_at: time_at(row, "began_at")?,
    })
}
