//! Login attempts.

use async_trait::async_trait;
use secrecy::SecretString;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::super::StorageError;
use super::super::sealing::Purpose;
use super::super::traits::{LoginAttempts, Network, PostedAnswer, TooManyWaiting, WaitingCaps};
use super::rows::{digest, parsed, stamp, time_at, unreadable};
use super::waiting::{LOGIN_ATTEMPTS, make_room};
use super::{Durability, SqliteStore, in_time};
use crate::domain::handle::{AnswerKind, AttemptKind, Digest, StateKind};
use crate::domain::ids::{Issuer, ProviderId, TenantId};
use crate::domain::login_attempt::{Continuation, PendingAttempt};

#[async_trait]
impl LoginAttempts for SqliteStore {
    async fn begin_attempt(
        &self,
        attempt: &PendingAttempt,
        network: Network,
        caps: WaitingCaps,
    ) -> Result<Result<(), TooManyWaiting>, StorageError> {
        in_time(async {
            let seal = |purpose, plain| {
                self.keys
                    .seal(purpose, &attempt.tenant, plain, &*self.random)
            };
            let sign_in = match &attempt.continuation {
                Continuation::Sessions => None,
                Continuation::App(sign_in) => Some(sign_in.as_bytes().as_slice()),
            };
            let mut writing = self.write(Durability::Relaxed).await?;
            let room = make_room(
                &mut writing,
                &LOGIN_ATTEMPTS,
                &network,
                attempt.began_at,
                caps,
            )
            .await?;
            if room.is_ok() {
                sqlx::query(
                    "INSERT INTO login_attempt (state, cookie, tenant, provider, issuer, issuer_promised,
                         nonce, code_verifier, sign_in, network, began_at)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                )
                .bind(attempt.state.as_bytes().as_slice())
                .bind(attempt.cookie.as_bytes().as_slice())
                .bind(attempt.tenant.as_str())
                .bind(attempt.provider.as_str())
                .bind(attempt.issuer.as_ref().map(Issuer::as_str))
                .bind(attempt.issuer_promised)
                .bind(seal(Purpose::Nonce, &attempt.nonce))
                .bind(seal(Purpose::CodeVerifier, &attempt.code_verifier))
                .bind(sign_in)
                .bind(&*network)
                .bind(stamp(attempt.began_at))
                .execute(&mut *writing)
                .await?;
            }
            writing.commit().await?;
            Ok(room)
        })
        .await
    }

    async fn take_attempt(
        &self,
        state: Digest<StateKind>,
        cookie: Digest<AttemptKind>,
    ) -> Result<Option<PendingAttempt>, StorageError> {
        in_time(async {
            let mut writing = self.write(Durability::Durable).await?;
            let taken = sqlx::query(
                "DELETE FROM login_attempt WHERE state = ? AND cookie = ?
                 RETURNING state, cookie, tenant, provider, issuer, issuer_promised, nonce, code_verifier,
                     sign_in, began_at",
            )
            .bind(state.as_bytes().as_slice())
            .bind(cookie.as_bytes().as_slice())
            .fetch_optional(&mut *writing)
            .await?;
            writing.commit().await?;
            taken.map(|row| self.attempt(&row)).transpose()
        })
        .await
    }

    async fn keep_answer(
        &self,
        answer: &PostedAnswer,
        began_after: OffsetDateTime,
    ) -> Result<bool, StorageError> {
        in_time(async {
            let sealed = self.keys.seal(
                Purpose::Answer,
                &answer.tenant,
                &answer.answer,
                &*self.random,
            );
            let mut writing = self.write(Durability::Relaxed).await?;
            let kept = sqlx::query(
                "UPDATE login_attempt SET answer_handle = ?, answer = ?, answered_at = ?
                 WHERE state = ? AND tenant = ? AND provider = ? AND began_at >= ? AND answered_at IS NULL",
            )
            .bind(answer.handle.as_bytes().as_slice())
            .bind(sealed)
            .bind(stamp(answer.posted_at))
            .bind(answer.state.as_bytes().as_slice())
            .bind(answer.tenant.as_str())
            .bind(answer.provider.as_str())
            .bind(stamp(began_after))
            .execute(&mut *writing)
            .await?;
            writing.commit().await?;
            Ok(kept.rows_affected() == 1)
        })
        .await
    }

    async fn find_answer(
        &self,
        tenant: &TenantId,
        provider: &ProviderId,
        handle: Digest<AnswerKind>,
        posted_after: OffsetDateTime,
    ) -> Result<Option<SecretString>, StorageError> {
        in_time(async {
            let found = sqlx::query(
                "SELECT answer FROM login_attempt
                 WHERE answer_handle = ? AND tenant = ? AND provider = ? AND answered_at >= ?",
            )
            .bind(handle.as_bytes().as_slice())
            .bind(tenant.as_str())
            .bind(provider.as_str())
            .bind(stamp(posted_after))
            .fetch_optional(&self.readers)
            .await?;
            let Some(row) = found else { return Ok(None) };
            let sealed: &[u8] = row.try_get("answer")?;
            let opened = self.keys.open(Purpose::Answer, tenant, sealed);
            opened
                .map(Some)
                .map_err(|error| unreadable("answer", &error))
        })
        .await
    }
}

impl SqliteStore {
    fn attempt(&self, row: &SqliteRow) -> Result<PendingAttempt, StorageError> {
        let tenant: TenantId = parsed(row, "tenant")?;
        let open = |purpose, column| {
            let sealed: &[u8] = row.try_get(column)?;
            self.keys
                .open(purpose, &tenant, sealed)
                .map_err(|error| unreadable(column, &error))
        };
        let nonce = open(Purpose::Nonce, "nonce")?;
        let code_verifier = open(Purpose::CodeVerifier, "code_verifier")?;
        let issuer: Option<&str> = row.try_get("issuer")?;
        let sign_in: Option<&[u8]> = row.try_get("sign_in")?;
        Ok(PendingAttempt {
            tenant,
            provider: parsed(row, "provider")?,
            issuer: issuer.map(Issuer::new),
            issuer_promised: row.try_get("issuer_promised")?,
            cookie: digest(row, "cookie")?,
            state: digest(row, "state")?,
            nonce,
            code_verifier,
            continuation: match sign_in {
                None => Continuation::Sessions,
                Some(_) => Continuation::App(digest(row, "sign_in")?),
            },
            began_at: time_at(row, "began_at")?,
        })
    }
}
