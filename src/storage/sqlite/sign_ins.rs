//! Sign-ins of app hosts, their tickets, and sign-outs under way.

use async_trait::async_trait;
use secrecy::SecretString;
use sqlx::Row as _;
use time::{Duration, OffsetDateTime};

use super::super::StorageError;
use super::super::sealing::Purpose;
use super::super::traits::{
    Network, NewAppSession, Redeemed, SignIn, SignIns, SignOuts, TooManyWaiting, WaitingCaps,
};
use super::app_sessions::insert_app_session;
use super::rows::{self, bytes, stamp, unreadable};
use super::waiting::{SIGN_INS, make_room};
use super::{Durability, SqliteStore, in_time};
use crate::domain::handle::{BindingKind, Digest, SignInKind, SignOutKind, TicketKind};
use crate::domain::ids::{SessionId, TenantId};

#[async_trait]
impl SignIns for SqliteStore {
    async fn ask_sign_in(
        &self,
        id: Digest<SignInKind>,
        sign_in: &SignIn,
        network: Network,
        caps: WaitingCaps,
    ) -> Result<Result<(), TooManyWaiting>, StorageError> {
        in_time(async {
            let mut writing = self.write(Durability::Relaxed).await?;
            let room = make_room(&mut writing, &SIGN_INS, &network, sign_in.asked_at, caps).await?;
            if room.is_ok() {
                sqlx::query(
                    "INSERT INTO sign_in (id, tenant, app, host, target, binding, network, began_at)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                )
                .bind(id.as_bytes().as_slice())
                .bind(sign_in.tenant.as_str())
                .bind(sign_in.app.as_str())
                .bind(sign_in.host.to_string())
                .bind(&sign_in.target)
                .bind(sign_in.binding.as_bytes().as_slice())
                .bind(&*network)
                .bind(stamp(sign_in.asked_at))
                .execute(&mut *writing)
                .await?;
            }
            writing.commit().await?;
            Ok(room)
        })
        .await
    }

    async fn find_sign_in(
        &self,
        tenant: &TenantId,
        id: Digest<SignInKind>,
    ) -> Result<Option<SignIn>, StorageError> {
        in_time(async {
            sqlx::query(
                "SELECT tenant, app, host, target, binding, began_at FROM sign_in
                 WHERE id = ? AND tenant = ?",
            )
            .bind(id.as_bytes().as_slice())
            .bind(tenant.as_str())
            .fetch_optional(&self.readers)
            .await?
            .map(|row| rows::sign_in(&row))
            .transpose()
        })
        .await
    }

    async fn issue_ticket(
        &self,
        tenant: &TenantId,
        id: Digest<SignInKind>,
        ticket: Digest<TicketKind>,
        session: SessionId,
        now: OffsetDateTime,
    ) -> Result<Option<SignIn>, StorageError> {
        in_time(async {
            let mut writing = self.write(Durability::Relaxed).await?;
            let answered = sqlx::query(
                "UPDATE sign_in SET ticket = ?1, session = ?2, issued_at = ?3
                 WHERE id = ?4 AND tenant = ?5 AND ticket IS NULL AND EXISTS
                     (SELECT 1 FROM session WHERE id = ?2 AND tenant = ?5 AND ended_at IS NULL)
                 RETURNING tenant, app, host, target, binding, began_at",
            )
            .bind(ticket.as_bytes().as_slice())
            .bind(session.as_bytes().as_slice())
            .bind(stamp(now))
            .bind(id.as_bytes().as_slice())
            .bind(tenant.as_str())
            .fetch_optional(&mut *writing)
            .await?;
            writing.commit().await?;
            answered.map(|row| rows::sign_in(&row)).transpose()
        })
        .await
    }

    async fn redeem_ticket(
        &self,
        ticket: Digest<TicketKind>,
        binding: Digest<BindingKind>,
        issued_after: OffsetDateTime,
        app_session: &NewAppSession,
    ) -> Result<Option<Redeemed>, StorageError> {
        in_time(async {
            let mut writing = self.write(Durability::Durable).await?;
            let taken = sqlx::query(
                "DELETE FROM sign_in
                 WHERE ticket = ? AND tenant = ? AND host = ? AND binding = ? AND issued_at >= ?
                 RETURNING tenant, app, host, target, binding, began_at, session",
            )
            .bind(ticket.as_bytes().as_slice())
            .bind(app_session.tenant.as_str())
            .bind(app_session.host.to_string())
            .bind(binding.as_bytes().as_slice())
            .bind(stamp(issued_after))
            .fetch_optional(&mut *writing)
            .await?;
            let redeemed = match taken {
                None => None,
                Some(row) => {
                    let sign_in = rows::sign_in(&row)?;
                    let id = SessionId::from_bytes(bytes(&row, "session")?);
                    insert_app_session(&mut writing, id, app_session)
                        .await?
                        .map(|session| Redeemed { sign_in, session })
                }
            };
            writing.commit().await?;
            Ok(redeemed)
        })
        .await
    }
}

#[async_trait]
impl SignOuts for SqliteStore {
    async fn begin_sign_out(
        &self,
        tenant: &TenantId,
        id: Digest<SignOutKind>,
        onward: &SecretString,
        now: OffsetDateTime,
    ) -> Result<(), StorageError> {
        in_time(async {
            let sealed = self
                .keys
                .seal(Purpose::SignOut, tenant, onward, &*self.random);
            let mut writing = self.write(Durability::Relaxed).await?;
            sqlx::query("INSERT INTO sign_out (id, tenant, onward, began_at) VALUES (?, ?, ?, ?)")
                .bind(id.as_bytes().as_slice())
                .bind(tenant.as_str())
                .bind(sealed)
                .bind(stamp(now))
                .execute(&mut *writing)
                .await?;
            writing.commit().await
        })
        .await
    }

    async fn finish_sign_out(
        &self,
        tenant: &TenantId,
        id: Digest<SignOutKind>,
        now: OffsetDateTime,
    ) -> Result<Option<SecretString>, StorageError> {
        in_time(async {
            let mut writing = self.write(Durability::Relaxed).await?;
            let taken = sqlx::query(
                "DELETE FROM sign_out WHERE id = ? AND tenant = ? AND began_at > ? RETURNING onward",
            )
            .bind(id.as_bytes().as_slice())
            .bind(tenant.as_str())
            .bind(stamp(now - Duration::HOUR))
            .fetch_optional(&mut *writing)
            .await?;
            writing.commit().await?;
            let Some(row) = taken else { return Ok(None) };
            let sealed: &[u8] = row.try_get("onward")?;
            let opened = self.keys.open(Purpose::SignOut, tenant, sealed);
            opened.map(Some).map_err(|error| unreadable("onward", &error))
        })
        .await
    }
}
