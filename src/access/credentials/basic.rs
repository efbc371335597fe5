//! Names and passwords (RFC 7617).
//!
//! Comparing a password takes milliseconds of a processor, on purpose. So it is done beside the threads that
//! answer checks, a few at once, and a success is remembered for [`REMEMBERED`]. Invariants: what has to be
//! compared is counted before it is, so that guesses in parallel are counted as well, right or wrong; whoever is
//! remembered waits for nobody who guesses; an unknown name costs what a known one does; more than can be compared
//! is never a yes.

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use moka::future::Cache as Flights;
use secrecy::zeroize::Zeroizing;
use tokio::sync::Semaphore;

use super::authorization::{ByScheme, by_scheme};
use super::memory::{Memory, Name};
use super::{KnownCaller, NotAccepted, Shared, Standing};
use crate::access::check::Found;
use crate::access::client_address::client_address;
use crate::access::dialect::CheckRequest;
use crate::access::limiter::Counted;
use crate::domain::caller::{Caller, Scheme};
use crate::domain::ids::UserId;
use crate::domain::local_user::LocalUser;
use crate::storage::{KnownSubject, StorageError};

/// How many right passwords are remembered.
const CAPACITY: u64 = 50_000;

/// How long a right password is not compared again. An assertion about its user is kept as long, and none may be kept
/// longer.
const REMEMBERED: Duration = Duration::from_mins(5);

/// How many passwords may wait to be compared. A check that would wait for longer than its proxy does is of no use.
const WAITING: usize = 64;

/// How long one may wait.
const PATIENCE: Duration = Duration::from_secs(2);

/// Longest name with password, in base64. Longer ones cost memory before anything is known of them.
const LONGEST: usize = 2048;

/// What the users of a tenant's own are known by. No provider has this key: theirs are addresses, or names of
/// presets.
const ISSUER: &str = "doorward:users";

/// Compares passwords.
#[derive(Debug)]
pub(super) struct Basic {
    memory: Memory<KnownCaller>,
    /// Passwords that are being compared: the same one at once, as a browser shows it that loads a page, is one.
    flights: Flights<Name, Arc<KnownCaller>>,
    comparing: Arc<Semaphore>,
    waiting: Semaphore,
    hasher: RandomState,
}

/// A name and a password, as they were sent.
struct Shown {
    decoded: Zeroizing<Vec<u8>>,
    colon: usize,
}

impl Shown {
    /// The base64 of a name, a colon and a password (RFC 7617 §2), all of it UTF-8 and without control characters.
    fn read(token: &[u8]) -> Result<Self, NotAccepted> {
        let malformed = |why: &'static str| NotAccepted::malformed(why);
        if token.len() > LONGEST {
            return Err(malformed("name and password are too long"));
        }
        let decoded = STANDARD.decode(token).map(Zeroizing::new);
        let decoded = decoded.map_err(|_| malformed("it is not base64"))?;
        let text = std::str::from_utf8(&decoded).map_err(|_| malformed("it is not UTF-8"))?;
        if text.chars().any(char::is_control) {
            return Err(malformed("there are control characters in it"));
        }
        let colon = text
            .find(':')
            .ok_or_else(|| malformed("there is no colon in it"))?;
        Ok(Self { decoded, colon })
    }

    fn name(&self) -> &str {
        let name = self.decoded.get(..self.colon).unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    fn password(&self) -> &[u8] {
        self.decoded.get(self.colon + 1..).unwrap_or_default()
    }
}

impl Basic {
    pub(super) fn new(shared: &Shared) -> Self {
        // Half of the processors stay for everybody else.
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            memory: Memory::new(CAPACITY, Arc::clone(&shared.clock), &*shared.random),
            flights: Flights::new(WAITING as u64),
            comparing: Arc::new(Semaphore::new((processors / 2).max(1))),
            waiting: Semaphore::new(WAITING),
            hasher: RandomState::new(),
        }
    }

    /// What the request shows, from memory.
    pub(super) fn shown(&self, request: &CheckRequest<'_>, found: Found<'_>) -> Standing {
        match by_scheme(request.headers, "Basic") {
            ByScheme::Nothing => Standing::NotShown,
            ByScheme::Several => Standing::Unjudged,
            ByScheme::Shown(token) => {
                let name = self.memory.name(Scheme::Basic, found, token);
                let known = self.memory.recall(&name);
                known.map_or(Standing::Unjudged, Standing::Known)
            }
        }
    }

    /// Compares what is shown.
    pub(super) async fn judge(
        &self,
        shared: &Shared,
        request: &CheckRequest<'_>,
        found: Found<'_>,
    ) -> Result<Arc<KnownCaller>, NotAccepted> {
        let ByScheme::Shown(token) = by_scheme(request.headers, "Basic") else {
            return Err(NotAccepted::malformed("there are several"));
        };
        let shown = Shown::read(token)?;
        let name = self.memory.name(Scheme::Basic, found, token);
        let known = self.judge_once(shared, request, found, name, shown);
        let judged = self.flights.try_get_with(name, known).await;
        // Only what is under way is in there: the memory has the rest.
        self.flights.invalidate(&name).await;
        judged.map_err(|refused| NotAccepted::clone(&refused))
    }

    async fn judge_once(
        &self,
        shared: &Shared,
        request: &CheckRequest<'_>,
        found: Found<'_>,
        name: Name,
        shown: Shown,
    ) -> Result<Arc<KnownCaller>, NotAccepted> {
        // It may have been judged since it was looked for.
        if let Some(known) = self.memory.recall(&name) {
            return Ok(known);
        }
        let tenant = &found.at.tenant.id;
        let address = client_address(request.headers, request.peer, found.directory.server());
        let limiter = &shared.limiter;
        limiter.count_name(Counted::Password, tenant, shown.name(), address)?;
        limiter.count(Counted::Password, Some(tenant), address)?;
        let user = self.compare(found, shown).await?;
        let caller = caller(&user, shared, found).await?;
        let known = KnownCaller::new(caller, found.at, found.directory.version());
        let known = Arc::new(known);
        self.memory.remember(name, Arc::clone(&known), REMEMBERED);
        Ok(known)
    }

    async fn compare(&self, found: Found<'_>, shown: Shown) -> Result<LocalUser, NotAccepted> {
        let busy = || NotAccepted::unjudged("more passwords wait than can be compared");
        let _place = self.waiting.try_acquire().map_err(|_| busy())?;
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.comparing).acquire_owned());
        let turn = turn.await.map_err(|_| busy())?.map_err(|_| busy())?;
        let users = Arc::clone(&found.at.tenant.users);
        let stand_in = self.hasher.hash_one(shown.name());
        let compared = tokio::task::spawn_blocking(move || {
            // Held to the end, also where nobody waits for it any more: the processor is taken until then.
            let _turn = turn;
            users
                .find(shown.name(), shown.password(), stand_in)
                .cloned()
        });
        let compared = compared.await;
        let found = compared.map_err(|_| NotAccepted::unjudged("comparing a password failed"))?;
        found.ok_or_else(|| NotAccepted::invalid("no user has this name and password"))
    }
}

async fn caller(
    user: &LocalUser,
    shared: &Shared,
    found: Found<'_>,
) -> Result<Caller, StorageError> {
    let subject = KnownSubject {
        tenant: &found.at.tenant.id,
        issuer_key: ISSUER,
        subject_key: &user.name,
        issuer: ISSUER,
        subject: &user.name,
    };
    let new_user = UserId::from_bytes(shared.random.array());
    let now = shared.clock.now();
    let id = shared
        .store
        .find_or_make_user(&subject, new_user, now)
        .await?;
    Ok(Caller {
        scheme: Scheme::Basic,
        user: id,
        subject: user.name.clone(),
        issuer: None,
        provider: None,
        client: None,
        name: user.display_name.clone(),
        preferred_username: Some(user.name.clone()),
        email: user.email.clone(),
        groups: user.groups.clone(),
        roles: user.roles.clone(),
        scopes: Box::default(),
        permissions: Box::default(),
        details: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::CredentialFault;
    use rstest::rstest;

    #[rstest]
    #[case::usual("YWRhOmh1bnRlcjI=", "ada", "hunter2")]
    #[case::colon_in_the_password("YTpiOmM=", "a", "b:c")]
    #[case::utf8(
        "U2ViYXN0acOhbjpjb250cmFzZcOxYQ==",
        "Sebasti\u{e1}n",
        "contrase\u{f1}a"
    )]
    #[case::empty_password("YTo=", "a", "")]
    #[case::empty_name("OmI=", "", "b")]
    fn a_name_ends_at_the_first_colon(
        #[case] token: &str,
        #[case] name: &str,
        #[case] password: &str,
    ) {
        let shown = Shown::read(token.as_bytes()).expect("a name");
        assert_eq!(shown.name(), name);
        assert_eq!(shown.password(), password.as_bytes());
    }

    #[rstest]
    #[case::nothing("")]
    #[case::no_colon("YWRh")]
    #[case::not_base64("ada:hunter2")]
    #[case::other_alphabet("_-__")]
    #[case::no_padding("YTo")]
    #[case::spaces("YW Rh")]
    #[case::latin_1("U2ViYXN0aeFuOng=")]
    #[case::line_break("YQo6Yg==")]
    #[case::nul("YTpiAA==")]
    fn what_is_no_name_with_password_is_refused(#[case] token: &str) {
        let Err(refused) = Shown::read(token.as_bytes()) else {
            panic!("taken: {token}");
        };
        assert_eq!(refused.fault(), Some(CredentialFault::Malformed));
    }

    #[test]
    fn t15_a_name_of_a_megabyte_is_not_decoded() {
        let token = "A".repeat(1024 * 1024);
        assert!(Shown::read(token.as_bytes()).is_err());
    }
}
