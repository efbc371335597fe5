//! What a store can do, and what it must do in one step.
//!
//! Invariant: a caller never has to combine two calls to be safe. What would be a race between calls (take
//! an attempt out once, redeem a ticket for a session that is alive) is one method here.

use async_trait::async_trait;
use secrecy::SecretString;
use time::OffsetDateTime;

use crate::domain::handle::{
    AnswerKind, AppSessionKind, AttemptKind, BindingKind, Digest, SessionKind, SignInKind,
    SignOutKind, StateKind, TicketKind, UpstreamSessionKind,
};
use crate::domain::host::Host;
use crate::domain::identity::VerifiedIdentity;
use crate::domain::ids::{AppId, ProviderId, SessionId, TenantId, UserId};
use crate::domain::login_attempt::PendingAttempt;
use crate::domain::session::SessionTimes;
use crate::domain::upstream_logout::{
    EndedUpstream, LogoutNotice, NoticeRefused, SignedOutMeanwhile, UpstreamLogin,
};

use super::{
    ApiKeys, IssuedTokens, NewTokens, SigningKeys, StorageError, TokenRevocations,
    UpstreamTokenStore,
};

/// An anonymous request was not remembered because too many wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many sign-ins wait already from this network")]
pub struct TooManyWaiting;

/// How many anonymous requests may wait at once.
#[derive(Clone, Copy, Debug)]
pub struct WaitingCaps {
    /// In all: at the cap the oldest of the busiest network goes.
    pub total: u32,
    /// From one IPv4 address: above it, [`TooManyWaiting`]. From an IPv6 /48, [`SITE_FACTOR`] times as many.
    pub per_network: u32,
}

impl WaitingCaps {
    /// How many may wait from `network`.
    #[must_use]
    pub fn of(&self, network: &str) -> u32 {
        if network.contains(':') {
            self.per_network.saturating_mul(SITE_FACTOR)
        } else {
            self.per_network
        }
    }
}

/// How much more an IPv6 /48 may ask for than one of its /64, of which it has 65,536. It is what one customer
/// is given, or what several share (RFC 6177 §2).
pub const SITE_FACTOR: u32 = 16;

/// A network that a request came from, as text: an IPv4 address or an IPv6 /48. Empty: not known, which is
/// never counted as one network. A /64 would be too small to count: one site's could push out everybody's.
pub type Network = Box<str>;

/// Login attempts between redirect and callback.
#[async_trait]
pub trait LoginAttempts: Send + Sync {
    /// Remembers `attempt`. Its nonce and verifier are sealed.
    async fn begin_attempt(
        &self,
        attempt: &PendingAttempt,
        network: Network,
        caps: WaitingCaps,
    ) -> Result<Result<(), TooManyWaiting>, StorageError>;

    /// Takes out the attempt with this state *and* this cookie, in one statement: a stranger who knows the
    /// state cannot use it up, and nobody takes it twice.
    async fn take_attempt(
        &self,
        state: Digest<StateKind>,
        cookie: Digest<AttemptKind>,
    ) -> Result<Option<PendingAttempt>, StorageError>;

    /// Keeps what a provider posted, sealed, beside the attempt that it names, if that began at or after
    /// `began_after`, at this tenant and provider, and nothing has been kept for it: the first answer counts.
    /// Whether it was kept.
    async fn keep_answer(
        &self,
        answer: &PostedAnswer,
        began_after: OffsetDateTime,
    ) -> Result<bool, StorageError>;

    /// What was kept at or after `posted_after` under this handle, for this tenant and provider. It goes when
    /// its attempt is taken out, and with nothing else: a stranger cannot use it up.
    async fn find_answer(
        &self,
        tenant: &TenantId,
        provider: &ProviderId,
        handle: Digest<AnswerKind>,
        posted_after: OffsetDateTime,
    ) -> Result<Option<SecretString>, StorageError>;
}

/// What a provider posted to its callback.
#[derive(Clone, Debug)]
pub struct PostedAnswer {
    /// Whose callback it was.
    pub tenant: TenantId,
    /// The provider, of which the same holds.
    pub provider: ProviderId,
    /// The attempt that it claims to answer.
    pub state: Digest<StateKind>,
    /// What it will be fetched by.
    pub handle: Digest<AnswerKind>,
    /// Itself.
    pub answer: SecretString,
    /// Now.
    pub posted_at: OffsetDateTime,
}

/// A session as it is stored.
#[derive(Clone, Debug)]
pub struct StoredSession {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The person.
    pub user: UserId,
    /// What the sessions module keeps in it, as JSON: the person, the provider, the browser.
    pub data: String,
    /// Its times.
    pub times: SessionTimes,
    /// When its person is to be looked at again at their provider; none: never.
    pub due_at: Option<OffsetDateTime>,
}

/// A session to be begun.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its name, new.
    pub id: SessionId,
    /// What its cookie will be looked up by.
    pub handle: Digest<SessionKind>,
    /// An id for the person, used if they are new.
    pub new_user: UserId,
    /// Its times.
    pub times: SessionTimes,
    /// For `id_token_hint` at sign-out; sealed.
    pub id_token: Option<SecretString>,
    /// What the provider will call it.
    pub upstream: UpstreamLogin,
    /// What else the provider gave, where it is kept; sealed.
    pub tokens: Option<NewTokens>,
}

/// A session that has been ended, with what its sign-out at the provider needs.
#[derive(Debug)]
pub struct EndedSession {
    /// As it was.
    pub session: StoredSession,
    /// The ID token, for `id_token_hint` (OIDC RP-Initiated Logout 1.0 §2).
    pub id_token: Option<SecretString>,
}

/// Which sessions to end.
#[derive(Clone, Copy, Debug)]
pub enum Ending {
    /// One, by its name; only if it is this user's.
    One(SessionId, UserId),
    /// All of a user but one.
    Others(SessionId, UserId),
}

/// Sessions of tenants and of their apps.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Finds or makes the person of `identity`, keyed by tenant, issuer key and subject key, and begins
    /// `session` for them, all or nothing and durable. `data` is made from the person's id. Gives the
    /// person's id; nothing begins if the provider has ended this login since the person was sent there.
    async fn begin_session(
        &self,
        identity: &VerifiedIdentity,
        session: &NewSession,
        data: &(dyn Fn(UserId) -> String + Send + Sync),
    ) -> Result<Result<UserId, SignedOutMeanwhile>, StorageError>;

    /// The person of `identity`, if they have signed in before.
    async fn user_of(&self, identity: &VerifiedIdentity) -> Result<Option<UserId>, StorageError>;

    /// A live session by its handle. One that has been ended is not found.
    async fn find_session(
        &self,
        tenant: &TenantId,
        handle: Digest<SessionKind>,
    ) -> Result<Option<StoredSession>, StorageError>;

    /// Writes `data`, if the session has not been ended. Whether it was written.
    async fn update_session(
        &self,
        tenant: &TenantId,
        handle: Digest<SessionKind>,
        data: &str,
    ) -> Result<bool, StorageError>;

    /// A live session gets another handle; the old one finds nothing from then on. `data`, `times` and all
    /// tokens are those of the new login; its name, tickets and app sessions stay. It is told to
    /// [`Sessions::ended_since`] too, so that nobody goes on with the old data. Whether it was live. Nothing
    /// changes if the provider has ended the new login since the person was sent there.
    async fn renew_session(
        &self,
        tenant: &TenantId,
        old: Digest<SessionKind>,
        renewed: &NewSession,
        data: &str,
    ) -> Result<Result<bool, SignedOutMeanwhile>, StorageError>;

    /// The live sessions of a person, newest first, at most 100.
    async fn sessions_of(
        &self,
        tenant: &TenantId,
        user: UserId,
    ) -> Result<Vec<StoredSession>, StorageError>;

    /// Ends a session by its handle, with all app sessions that came from it, durably. `None`: there was
    /// none.
    async fn end_by_handle(
        &self,
        tenant: &TenantId,
        handle: Digest<SessionKind>,
        now: OffsetDateTime,
    ) -> Result<Option<EndedSession>, StorageError>;

    /// Ends the session that an app session of exactly this tenant and host came from, as
    /// [`Sessions::end_by_handle`] does.
    async fn end_by_app_handle(
        &self,
        tenant: &TenantId,
        host: &Host,
        handle: Digest<AppSessionKind>,
        now: OffsetDateTime,
    ) -> Result<Option<EndedSession>, StorageError>;

    /// Ends sessions by name. Gives the names of those that were live.
    async fn end_sessions(
        &self,
        tenant: &TenantId,
        which: Ending,
        now: OffsetDateTime,
    ) -> Result<Vec<SessionId>, StorageError>;

    /// Ends a session that was found idle or expired, whoever's it is.
    async fn end_overdue(&self, id: SessionId, now: OffsetDateTime) -> Result<(), StorageError>;

    /// A live app session with its session. `host` and `tenant` must be those it was begun for.
    async fn find_app_session(
        &self,
        tenant: &TenantId,
        host: &Host,
        handle: Digest<AppSessionKind>,
    ) -> Result<Option<(StoredSession, AppId)>, StorageError>;

    /// Begins an app session without a ticket, for a tenant whose pages live on the app's own host. Whether
    /// the session was live. The sign-in that it `answers` waits no more.
    async fn begin_app_session(
        &self,
        session: SessionId,
        app: &NewAppSession,
        answers: Digest<SignInKind>,
    ) -> Result<bool, StorageError>;

    /// Last uses, at most 1,000 of them in one transaction; a time never goes back. Not waited for to be on
    /// disk: after a crash a session may end earlier, never later.
    async fn note_uses(&self, uses: &[(SessionId, OffsetDateTime)]) -> Result<(), StorageError>;

    /// The names of sessions that were ended, swept or renewed after `sequence`, and the new sequence. Nodes
    /// poll this, and read again what is named. Kept for ten minutes.
    async fn ended_since(&self, sequence: i64) -> Result<(i64, Vec<SessionId>), StorageError>;

    /// When a session was last used, as far as is written; `None` when it has ended.
    async fn last_use(&self, id: SessionId) -> Result<Option<OffsetDateTime>, StorageError>;
}

/// An app session to be begun.
#[derive(Clone, Debug)]
pub struct NewAppSession {
    /// Whose it is.
    pub tenant: TenantId,
    /// The app.
    pub app: AppId,
    /// The exact host whose cookie it is.
    pub host: Host,
    /// What the cookie will be looked up by.
    pub handle: Digest<AppSessionKind>,
    /// Now.
    pub began_at: OffsetDateTime,
}

/// A sign-in that an app host asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// Whose app it is.
    pub tenant: TenantId,
    /// The app.
    pub app: AppId,
    /// The exact host that waits for the ticket.
    pub host: Host,
    /// Where the person goes in the end: an address on `host`.
    pub target: String,
    /// The browser that waits.
    pub binding: Digest<BindingKind>,
    /// When it was asked for.
    pub asked_at: OffsetDateTime,
}

/// A ticket was redeemed: the app session is begun.
#[derive(Clone, Debug)]
pub struct Redeemed {
    /// What had been asked for.
    pub sign_in: SignIn,
    /// The session it came from.
    pub session: StoredSession,
}

/// Sign-ins of app hosts, and the tickets that answer them.
#[async_trait]
pub trait SignIns: Send + Sync {
    /// Remembers that an app host asked for a sign-in.
    async fn ask_sign_in(
        &self,
        id: Digest<SignInKind>,
        sign_in: &SignIn,
        network: Network,
        caps: WaitingCaps,
    ) -> Result<Result<(), TooManyWaiting>, StorageError>;

    /// What was asked for.
    async fn find_sign_in(
        &self,
        tenant: &TenantId,
        id: Digest<SignInKind>,
    ) -> Result<Option<SignIn>, StorageError>;

    /// Answers a sign-in with a ticket for `session`, once. `None`: there is no such sign-in at this tenant,
    /// or it has been answered.
    async fn issue_ticket(
        &self,
        tenant: &TenantId,
        id: Digest<SignInKind>,
        ticket: Digest<TicketKind>,
        session: SessionId,
        now: OffsetDateTime,
    ) -> Result<Option<SignIn>, StorageError>;

    /// Redeems a ticket: one transaction that takes it out, if it was issued at or after `issued_after` for
    /// this tenant, host and binding, and begins `app_session` if its session is still alive.
    async fn redeem_ticket(
        &self,
        ticket: Digest<TicketKind>,
        binding: Digest<BindingKind>,
        issued_after: OffsetDateTime,
        app_session: &NewAppSession,
    ) -> Result<Option<Redeemed>, StorageError>;
}

/// Sign-outs that wait for the person's return from the provider.
#[async_trait]
pub trait SignOuts: Send + Sync {
    /// Remembers how it goes on; sealed, for it can hold an ID token.
    async fn begin_sign_out(
        &self,
        tenant: &TenantId,
        id: Digest<SignOutKind>,
        onward: &SecretString,
        now: OffsetDateTime,
    ) -> Result<(), StorageError>;

    /// Takes it out, if it is younger than an hour.
    async fn finish_sign_out(
        &self,
        tenant: &TenantId,
        id: Digest<SignOutKind>,
        now: OffsetDateTime,
    ) -> Result<Option<SecretString>, StorageError>;
}

/// Sign-outs that a provider tells of.
#[async_trait]
pub trait UpstreamLogouts: Send + Sync {
    /// Ends what a logout token of `provider` names, in one durable step: the token is remembered, and is used
    /// once; the sessions end with their app sessions; logins that are under way and bring the same name begin
    /// no session. Of a session and its person, sessions of that person end too of which it is not known what
    /// the provider calls them. Gives what ended.
    async fn end_by_logout_token(
        &self,
        tenant: &TenantId,
        provider: &ProviderId,
        notice: &LogoutNotice,
        now: OffsetDateTime,
    ) -> Result<Result<Vec<EndedUpstream>, NoticeRefused>, StorageError>;

    /// Ends what a page names that the provider had a browser load: the provider's session `named`, and the
    /// browser's `own` of that provider. Gives what ended; nothing where the two are known to be different.
    async fn end_by_front_channel(
        &self,
        tenant: &TenantId,
        named: Option<Digest<UpstreamSessionKind>>,
        own: Option<SessionId>,
        now: OffsetDateTime,
    ) -> Result<Result<Vec<EndedUpstream>, NoticeRefused>, StorageError>;
}

/// Somebody, or something, as whoever vouches for them knows them: the keys that a login would have, and what was
/// said, for operators.
#[derive(Clone, Copy, Debug)]
pub struct KnownSubject<'a> {
    /// Whose it is.
    pub tenant: &'a TenantId,
    /// Who vouches, as it is compared.
    pub issuer_key: &'a str,
    /// Who it is there, as it is compared.
    pub subject_key: &'a str,
    /// Who vouches, as it was said.
    pub issuer: &'a str,
    /// Who it is there, as it was said.
    pub subject: &'a str,
}

/// People, and others who call, without a session.
#[async_trait]
pub trait Users: Send + Sync {
    /// The user that this subject is, `new_user` if it was never seen before: durably, so that it is the same one
    /// for ever. A store that only looks gives `new_user` then and keeps nothing.
    async fn find_or_make_user(
        &self,
        subject: &KnownSubject<'_>,
        new_user: UserId,
        now: OffsetDateTime,
    ) -> Result<UserId, StorageError>;
}

/// Upkeep.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Whether the store answers and can be written to.
    async fn probe(&self) -> Result<(), StorageError>;

    /// Deletes what is over: attempts and sign-ins after an hour, what a provider ended after twenty minutes
    /// (no login takes longer), logout tokens that would be refused for their age, sessions a minute after their end by idle
    /// or absolute time and ten minutes after being ended, with their app sessions. How many rows went.
    async fn sweep(&self, now: OffsetDateTime) -> Result<u64, StorageError>;

    /// Waits for writes under way and closes.
    async fn close(&self);
}

/// A whole store.
pub trait Store:
    ApiKeys
    + LoginAttempts
    + Sessions
    + SignIns
    + SignOuts
    + SigningKeys
    + IssuedTokens
    + UpstreamLogouts
    + UpstreamTokenStore
    + Users
    + TokenRevocations
    + Upkeep
    + std::fmt::Debug
{
}

impl<T> Store for T where
    T: ApiKeys
        + LoginAttempts
        + Sessions
        + SignIns
        + SignOuts
        + SigningKeys
        + IssuedTokens
        + UpstreamLogouts
        + UpstreamTokenStore
        + Users
        + TokenRevocations
        + Upkeep
        + std::fmt::Debug
{
}
