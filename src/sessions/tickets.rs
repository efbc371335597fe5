//! From a tenant's session to an app session: the ticket, and the short way where both have one host.

use time::Duration;

use super::lifecycle::Sessions;
use crate::domain::handle::{
    AppSessionKind, BindingKind, Digest, Handle, Kind, ParentSessionKind, SignInKind, TicketKind,
};
use crate::domain::host::Host;
use crate::domain::identity::Person;
use crate::domain::ids::{AppId, SessionId, TenantId};
use crate::storage::{Network, NewAppSession, SignIn, StorageError, TooManyWaiting, WaitingCaps};

/// How long a ticket may be on its way.
const TICKET_LIFETIME: Duration = Duration::seconds(60);

/// A sign-in was asked for.
#[derive(Debug)]
pub struct Asked {
    /// For the address of the tenant's login page.
    pub id: Handle<SignInKind>,
    /// For the cookie of the browser that waits.
    pub binding: Handle<BindingKind>,
}

/// A ticket was redeemed: somebody entered an app.
#[derive(Debug)]
pub struct Entered {
    /// For the app host's cookie.
    pub handle: Handle<AppSessionKind>,
    /// What had been asked for.
    pub sign_in: SignIn,
    /// The session it came from.
    pub session: SessionId,
    /// Who entered.
    pub person: Person,
    /// How often, just before, they had entered and were sent back to sign in. [`LOOP`](super::LOOP): it goes
    /// in a circle.
    pub rounds: usize,
}

/// An app session was begun without a ticket.
#[derive(Debug)]
pub struct Begun<K: Kind> {
    /// For the cookie.
    pub handle: Handle<K>,
    /// See [`Entered::rounds`].
    pub rounds: usize,
}

impl Sessions {
    /// An app host asks for a sign-in that ends at `target`, an address on `host`.
    ///
    /// # Errors
    /// The store's, outside; [`TooManyWaiting`] inside.
    pub async fn ask_sign_in(
        &self,
        tenant: &TenantId,
        app: &AppId,
        host: &Host,
        target: String,
        network: Network,
        caps: WaitingCaps,
    ) -> Result<Result<Asked, TooManyWaiting>, StorageError> {
        let asked = Asked {
            id: Handle::from_bytes(self.random().array()),
            binding: Handle::from_bytes(self.random().array()),
        };
        let sign_in = SignIn {
            tenant: tenant.clone(),
            app: app.clone(),
            host: host.clone(),
            target,
            binding: asked.binding.digest(),
            asked_at: self.live().clock().now(),
        };
        let room = self
            .live()
            .store()
            .ask_sign_in(asked.id.digest(), &sign_in, network, caps)
            .await?;
        Ok(room.map(|()| asked))
    }

    /// Answers a sign-in with a ticket for a session that is alive. `None`: there is no such sign-in at this
    /// tenant, it has been answered, or the session has ended.
    ///
    /// # Errors
    /// The store's.
    pub async fn issue_ticket(
        &self,
        tenant: &TenantId,
        sign_in: Digest<SignInKind>,
        session: SessionId,
    ) -> Result<Option<(Handle<TicketKind>, SignIn)>, StorageError> {
        let ticket = Handle::<TicketKind>::from_bytes(self.random().array());
        let now = self.live().clock().now();
        let answered = self
            .live()
            .store()
            .issue_ticket(tenant, sign_in, ticket.digest(), session, now)
            .await?;
        Ok(answered.map(|sign_in| (ticket, sign_in)))
    }

    /// Redeems a ticket at an app host. `None`: it is not this tenant's, host's or browser's, older than a
    /// minute, used up, or its session is over.
    ///
    /// # Errors
    /// The store's.
    pub async fn redeem(
        &self,
        tenant: &TenantId,
        app: &AppId,
        host: &Host,
        ticket: &Handle<TicketKind>,
        binding: &Handle<BindingKind>,
    ) -> Result<Option<Entered>, StorageError> {
        let now = self.live().clock().now();
        let handle = Handle::<AppSessionKind>::from_bytes(self.random().array());
        let app_session = NewAppSession {
            tenant: tenant.clone(),
            app: app.clone(),
            host: host.clone(),
            handle: handle.digest(),
            began_at: now,
        };
        let generation = self.live().generation();
        let redeemed = self
            .live()
            .store()
            .redeem_ticket(
                ticket.digest(),
                binding.digest(),
                now - TICKET_LIFETIME,
                &app_session,
            )
            .await?;
        let Some(redeemed) = redeemed else {
            return Ok(None);
        };
        let Some(admitted) = self.live().admit(&redeemed.session, generation).await? else {
            return Ok(None);
        };
        let session = admitted.session.id();
        let asked_at = redeemed.sign_in.asked_at;
        Ok(Some(Entered {
            handle,
            sign_in: redeemed.sign_in,
            session,
            person: admitted.session.person().clone(),
            rounds: self.rounds().enter(session, host, asked_at, now),
        }))
    }

    /// Begins an app session without a ticket, for a sign-in at a tenant whose pages live on the app's own
    /// host. `None`: the session has ended.
    ///
    /// # Errors
    /// The store's.
    pub async fn begin_app_session(
        &self,
        tenant: &TenantId,
        sign_in: (&SignIn, Digest<SignInKind>),
        session: SessionId,
    ) -> Result<Option<Begun<AppSessionKind>>, StorageError> {
        let handle = Handle::<AppSessionKind>::from_bytes(self.random().array());
        let kept = (&sign_in.0.host, handle.digest());
        let rounds = self.begin_directly(tenant, sign_in, kept, session).await?;
        Ok(rounds.map(|rounds| Begun { handle, rounds }))
    }

    /// The same for a cookie that counts at several hosts below `domain`, when somebody enters the first of them.
    ///
    /// # Errors
    /// The store's.
    pub async fn begin_parent_session(
        &self,
        tenant: &TenantId,
        sign_in: (&SignIn, Digest<SignInKind>),
        domain: &Host,
        session: SessionId,
    ) -> Result<Option<Begun<ParentSessionKind>>, StorageError> {
        let handle = Handle::<ParentSessionKind>::from_bytes(self.random().array());
        let kept = (domain, handle.stored());
        let rounds = self.begin_directly(tenant, sign_in, kept, session).await?;
        Ok(rounds.map(|rounds| Begun { handle, rounds }))
    }

    /// How many rounds came before. `None`: the session has ended.
    async fn begin_directly(
        &self,
        tenant: &TenantId,
        (sign_in, answers): (&SignIn, Digest<SignInKind>),
        (host, handle): (&Host, Digest<AppSessionKind>),
        session: SessionId,
    ) -> Result<Option<usize>, StorageError> {
        let now = self.live().clock().now();
        let app_session = NewAppSession {
            tenant: tenant.clone(),
            app: sign_in.app.clone(),
            host: host.clone(),
            handle,
            began_at: now,
        };
        let begun = self
            .live()
            .store()
            .begin_app_session(session, &app_session, answers)
            .await?;
        let rounds = self.rounds();
        Ok(begun.then(|| rounds.enter(session, &sign_in.host, sign_in.asked_at, now)))
    }
}
