//! How often something may be asked for: by address, by tenant, by person.
//!
//! Invariants: a trusted proxy's own address is never a key, and neither is an unknown one; who stays under
//! a tenth of an address's quota is never refused for what others do, save by those of the same IPv6 /48,
//! whose many networks would else be as many quotas; what is remembered is bounded; a flood
//! is one line of audit a minute for each key. Deliberately absent: anything on the way of a check that is
//! allowed.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::client_address::{network_of, site_of};
use crate::config::{Limits, Quotas};
use crate::domain::identity::VerifiedIdentity;
use crate::domain::ids::{TenantId, UserId};
use crate::ports::Clock;
use crate::storage::SITE_FACTOR;
use crate::telemetry::metrics::count_rate_limited;

/// How many keys are remembered, over all limits: some 20 MB. The least recently used are forgotten, and
/// begin anew.
const REMEMBERED: u64 = 100_000;

/// How many quotas of a /64 a /48 has.
const SITE: NonZeroU32 = NonZeroU32::new(SITE_FACTOR).unwrap();

/// A tenant's quota is drawn on by addresses that use more than this part of their own.
const LIGHT_SHARE: u32 = 10;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counted {
    /// A sign-in at an app, or a login at a provider.
    Login,
    /// To come back from a provider.
    Callback,
    /// To redeem a ticket, or to be given one.
    Ticket,
    /// To pass, in vain.
    FailedCheck,
    /// A page that a provider has browsers load at a sign-out, and logout tokens that were refused. The quotas
    /// are those of callbacks, counted apart: any page can make its readers ask for the one.
    UpstreamLogout,
    /// A token of ours, by a machine.
    Token,
    /// What is to be known of a token of ours. The quotas are those of failed checks: a resource server may ask
    /// about each of its requests.
    Introspection,
    /// To have a password compared.
    Password,
}

impl Counted {
    const fn label(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Callback => "callback",
            Self::Ticket => "ticket",
            Self::FailedCheck => "failed_check",
            Self::UpstreamLogout => "upstream_logout",
            Self::Token => "token",
            Self::Introspection => "introspection",
            Self::Password => "password",
        }
    }
}

/// More than is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("over the limit by {}", .by.label())]
pub struct OverLimit {
    /// Whose quota is used up.
    pub by: By,
    /// When the next one may come; never zero.
    pub retry_after: Duration,
}

impl OverLimit {
    /// For `Retry-After` (RFC 9110 §10.2.3): whole seconds, rounded up.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        let up = u64::from(self.retry_after.subsec_nanos() > 0);
        (self.retry_after.as_secs() + up).max(1)
    }
}

/// Whose quota it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// An address's.
    Address,
    /// A tenant's.
    Tenant,
    /// A person's.
    User,
}

impl By {
    const fn label(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Tenant => "tenant",
            Self::User => "user",
        }
    }
}

/// What is counted under one name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Of {
    Address(IpAddr),
    /// All networks of an IPv6 /48.
    Site(Ipv6Addr),
    /// An address's part in its use of one tenant.
    AddressAt(TenantId, IpAddr),
    Tenant(TenantId),
    User(TenantId, UserId),
    /// Somebody who says to be that, from there if that is known: a hash of the name, whatever its case.
    Name(TenantId, u64, Option<IpAddr>),
    /// Somebody who may never have signed in: a hash of how their provider knows them.
    Identity(TenantId, u64),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    what: Counted,
    /// Whether it is about a line in the log, not about a request.
    notice: bool,
    of: Of,
}

/// One memory for all quotas.
#[derive(Clone)]
struct Remembered(Cache<Key, Nanos>);

impl StateStore for Remembered {
    type Key = Key;

    fn measure_and_replace<T, F, E>(&self, key: &Key, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut measured = None;
        // One at a time for each key, so that requests in parallel share one count.
        let _ = self.0.entry_by_ref(key).and_compute_with(|entry| {
            match measure(entry.map(moka::Entry::into_value)) {
                Ok((allowed, state)) => {
                    measured = Some(Ok(allowed));
                    Op::Put(state)
                }
                Err(refused) => {
                    measured = Some(Err(refused));
                    Op::Nop
                }
            }
        });
        measured.unwrap_or_else(|| measure(None).map(|(allowed, _)| allowed))
    }
}

/// The clock that never goes back, for governor.
#[derive(Clone)]
struct Monotonic(Arc<dyn Clock>);

impl GovernorClock for Monotonic {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

type Keyed = RateLimiter<Key, Remembered, Monotonic, NoOpMiddleware<Duration>>;

/// The quotas of one [`Counted`].
struct Kind {
    address: Keyed,
    site: Keyed,
    light: Keyed,
    tenant: Keyed,
    user: Keyed,
}

/// Counts, and says when it is too much.
pub struct Limiter(Option<Counts>);

struct Counts {
    login: Kind,
    callback: Kind,
    ticket: Kind,
    failed_check: Kind,
    upstream_logout: Kind,
    token: Kind,
    introspection: Kind,
    password: Kind,
    notices: Keyed,
    clock: Monotonic,
    hasher: RandomState,
}

impl fmt::Debug for Limiter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Limiter(enabled: {})", self.0.is_some())
    }
}

impl Limiter {
    /// Counts nothing where `limits` are off.
    #[must_use]
    pub fn new(limits: &Limits, clock: &Arc<dyn Clock>) -> Self {
        let remembering = |capacity| {
            let cache = Cache::builder()
                .max_capacity(capacity)
                .eviction_policy(EvictionPolicy::lru());
            Remembered(cache.build())
        };
        Self::remembering(limits, clock, &remembering(REMEMBERED))
    }

    fn remembering(limits: &Limits, clock: &Arc<dyn Clock>, memory: &Remembered) -> Self {
        if !limits.enabled {
            return Self(None);
        }
        let clock = Monotonic(Arc::clone(clock));
        let keyed = |a_minute: NonZeroU32| {
            RateLimiter::new(Quota::per_minute(a_minute), memory.clone(), clock.clone())
        };
        let kind = |quotas: &Quotas| Kind {
            address: keyed(quotas.address),
            site: keyed(quotas.address.saturating_mul(SITE)),
            light: keyed(
                NonZeroU32::new(quotas.address.get() / LIGHT_SHARE).unwrap_or(NonZeroU32::MIN),
            ),
            tenant: keyed(quotas.tenant),
            user: keyed(quotas.user),
        };
        Self(Some(Counts {
            login: kind(&limits.login),
            callback: kind(&limits.callback),
            ticket: kind(&limits.ticket),
            failed_check: kind(&limits.failed_checks),
            upstream_logout: kind(&limits.callback),
            token: kind(&limits.token),
            introspection: kind(&limits.failed_checks),
            password: kind(&limits.passwords),
            notices: keyed(NonZeroU32::MIN),
            clock: clock.clone(),
            hasher: RandomState::new(),
        }))
    }

    /// Counts one request of an address, at a tenant where that is known. `address`: `None` where only
    /// trusted proxies are seen; then nothing is counted, for it could be anybody.
    ///
    /// # Errors
    /// [`OverLimit`], which has been counted and audited.
    pub fn count(
        &self,
        what: Counted,
        tenant: Option<&TenantId>,
        address: Option<IpAddr>,
    ) -> Result<(), OverLimit> {
        let (Some(counts), Some(address)) = (&self.0, address) else {
            return Ok(());
        };
        let kind = counts.kind(what);
        let (address, site) = (network_of(address), site_of(address));
        counts.spend(&kind.address, what, Of::Address(address), tenant)?;
        if let Some(site) = site {
            counts.spend(&kind.site, what, Of::Site(site), tenant)?;
        }
        let Some(tenant) = tenant else { return Ok(()) };
        let share = Key::of(what, Of::AddressAt(tenant.clone(), address));
        if kind.light.check_key(&share).is_ok() {
            return Ok(());
        }
        counts.spend(&kind.tenant, what, Of::Tenant(tenant.clone()), Some(tenant))
    }

    /// Counts one request of a person who is signed in.
    ///
    /// # Errors
    /// [`OverLimit`], which has been counted and audited.
    pub fn count_user(
        &self,
        what: Counted,
        tenant: &TenantId,
        user: UserId,
    ) -> Result<(), OverLimit> {
        let Some(counts) = &self.0 else { return Ok(()) };
        let of = Of::User(tenant.clone(), user);
        counts.spend(&counts.kind(what).user, what, of, Some(tenant))
    }

    /// Counts one request of whoever says to be `name`, from one address. Where the address is not known, those who
    /// say so are counted together: a password must not be guessed because a proxy is silent.
    ///
    /// # Errors
    /// [`OverLimit`], which has been counted and audited.
    pub fn count_name(
        &self,
        what: Counted,
        tenant: &TenantId,
        name: &str,
        address: Option<IpAddr>,
    ) -> Result<(), OverLimit> {
        let Some(counts) = &self.0 else { return Ok(()) };
        let name = counts.hasher.hash_one(name.to_lowercase());
        let of = Of::Name(tenant.clone(), name, address.map(network_of));
        counts.spend(&counts.kind(what).user, what, of, Some(tenant))
    }

    /// Counts one request of a person whose provider vouches for them, before they have a session.
    ///
    /// # Errors
    /// [`OverLimit`], which has been counted and audited.
    pub fn count_identity(
        &self,
        what: Counted,
        identity: &VerifiedIdentity,
    ) -> Result<(), OverLimit> {
        let Some(counts) = &self.0 else { return Ok(()) };
        let (tenant, profile) = (identity.tenant(), identity.profile());
        let keys = (&profile.issuer_key, &profile.subject_key);
        let of = Of::Identity(tenant.clone(), counts.hasher.hash_one(keys));
        counts.spend(&counts.kind(what).user, what, of, Some(tenant))
    }
}

impl Key {
    const fn of(what: Counted, of: Of) -> Self {
        Self {
            what,
            notice: false,
            of,
        }
    }
}

impl Counts {
    const fn kind(&self, what: Counted) -> &Kind {
        match what {
            Counted::Login => &self.login,
            Counted::Callback => &self.callback,
            Counted::Ticket => &self.ticket,
            Counted::FailedCheck => &self.failed_check,
            Counted::UpstreamLogout => &self.upstream_logout,
            Counted::Token => &self.token,
            Counted::Introspection => &self.introspection,
            Counted::Password => &self.password,
        }
    }

    fn spend(
        &self,
        quota: &Keyed,
        what: Counted,
        of: Of,
        tenant: Option<&TenantId>,
    ) -> Result<(), OverLimit> {
        let key = Key::of(what, of);
        let Err(until) = quota.check_key(&key) else {
            return Ok(());
        };
        let wait = until.wait_time_from(self.clock.now());
        let over = OverLimit {
            by: key.of.by(),
            retry_after: wait.max(Duration::from_nanos(1)),
        };
        count_rate_limited(
            tenant.map_or("", TenantId::as_str),
            what.label(),
            over.by.label(),
        );
        self.notice(key, tenant, over);
        Err(over)
    }

    /// One line a minute for each key.
    fn notice(&self, key: Key, tenant: Option<&TenantId>, over: OverLimit) {
        let key = Key {
            notice: true,
            ..key
        };
        if self.notices.check_key(&key).is_err() {
            return;
        }
        let (network, user) = match &key.of {
            Of::Address(address) | Of::AddressAt(_, address) | Of::Name(_, _, Some(address))
                if address.is_ipv6() =>
            {
                (Some(format!("{address}/64")), None)
            }
            Of::Address(address) | Of::AddressAt(_, address) | Of::Name(_, _, Some(address)) => {
                (Some(address.to_string()), None)
            }
            Of::Site(site) => (Some(format!("{site}/48")), None),
            Of::Tenant(_) | Of::Identity(..) | Of::Name(_, _, None) => (None, None),
            Of::User(_, user) => (None, Some(*user)),
        };
        tracing::warn!(
            target: "audit", event = "rate_limited", tenant = tenant.map(tracing::field::display),
            what = key.what.label(), by = over.by.label(),
            network = network.as_deref(),
            user = user.map(tracing::field::display), retry_after = over.seconds(),
            "over the limit: more of the same is not written down for a minute"
        );
    }
}

impl Of {
    const fn by(&self) -> By {
        match self {
            Self::Address(_) | Self::Site(_) => By::Address,
            Self::AddressAt(..) | Self::Tenant(_) => By::Tenant,
            Self::User(..) | Self::Identity(..) | Self::Name(..) => By::User,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::ManualClock;
    use rstest::rstest;
    use time::macros::datetime;

    const QUOTAS: Quotas = Quotas {
        address: NonZeroU32::new(20).unwrap(),
        tenant: NonZeroU32::new(30).unwrap(),
        user: NonZeroU32::new(3).unwrap(),
    };

    struct Test {
        clock: Arc<ManualClock>,
        limiter: Limiter,
        memory: Remembered,
        acme: TenantId,
    }

    fn test() -> Test {
        remembering(1_000)
    }

    fn remembering(capacity: u64) -> Test {
        let clock = Arc::new(ManualClock::at(datetime!(2027-01-15 08:00 UTC)));
        let limits = Limits {
            enabled: true,
            login: QUOTAS,
            callback: QUOTAS,
            ticket: QUOTAS,
            failed_checks: QUOTAS,
            token: QUOTAS,
            passwords: QUOTAS,
        };
        let port: Arc<dyn Clock> = clock.clone();
        let memory = Remembered(
            Cache::builder()
                .max_capacity(capacity)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
        );
        Test {
            limiter: Limiter::remembering(&limits, &port, &memory),
            clock,
            memory,
            acme: "acme".parse().expect("a name"),
        }
    }

    impl Test {
        fn login(&self, address: &str) -> Result<(), OverLimit> {
            let address = address.parse().expect("an address");
            self.limiter
                .count(Counted::Login, Some(&self.acme), Some(address))
        }

        /// How many of `number` pass.
        fn passes(&self, address: &str, number: usize) -> usize {
            (0..number).filter(|_| self.login(address).is_ok()).count()
        }
    }

    #[test]
    fn an_address_has_its_quota_and_gets_it_back() {
        let test = test();
        assert_eq!(test.passes("198.51.100.7", 50), 20);
        let over = test.login("198.51.100.7").expect_err("over");
        assert_eq!((over.by, over.seconds()), (By::Address, 3));
        test.clock.advance(Duration::from_millis(2_999));
        let over = test.login("198.51.100.7").expect_err("over");
        assert_eq!(over.seconds(), 1);
        test.clock.advance(Duration::from_millis(1));
        assert_eq!(test.passes("198.51.100.7", 50), 1);
        test.clock.advance(Duration::from_secs(60));
        assert_eq!(test.passes("198.51.100.7", 50), 20);
    }

    #[test]
    fn a_network_of_version_six_is_one_address() {
        let test = test();
        let passed: usize = (0..50)
            .map(|number| test.passes(&format!("2001:db8:0:7::{number:x}"), 1))
            .sum();
        assert_eq!(passed, 20);
        assert_eq!(test.passes("2001:db8:0:8::1", 1), 1);
    }

    /// One quota for each of 65,536 networks would be none.
    #[test]
    fn a_site_of_version_six_has_sixteen_quotas() {
        let test = test();
        let few: usize = (0..16)
            .map(|number| test.passes(&format!("2001:db8:0:{number:x}::1"), 50))
            .sum();
        // A tenth of each is a light address's; the rest draws on the tenant's.
        assert_eq!(few, 16 * 2 + 30);
        let test = self::test();
        let ones: usize = (0..1_000)
            .map(|number| test.passes(&format!("2001:db8:0:{number:x}::1"), 1))
            .sum();
        assert_eq!(ones, 16 * 20);
        let over = test.login("2001:db8:0:ffff::1").expect_err("over");
        assert_eq!(over.by, By::Address);
        assert_eq!(test.passes("2001:db8:1::1", 1), 1);
        assert_eq!(test.passes("198.51.100.7", 1), 1);
    }

    /// Heavy addresses use up what a tenant has; a light one does not notice.
    #[test]
    fn a_light_address_is_never_refused_because_of_others() {
        let test = test();
        let heavy: usize = (0..10)
            .map(|number| test.passes(&format!("198.51.100.{number}"), 20))
            .sum();
        // A tenth each, and what the tenant has.
        assert_eq!(heavy, 10 * 2 + 30);
        assert_eq!(test.passes("198.51.100.200", 2), 2);
        let over = test.login("198.51.100.200").expect_err("over");
        assert_eq!(over.by, By::Tenant);
        for number in 0..100 {
            let address = format!("203.0.113.{number}");
            assert_eq!(test.passes(&address, 2), 2, "{address}");
        }
        // Another tenant has a quota of its own.
        let globex = "globex".parse().expect("a name");
        let address = Some("198.51.100.250".parse().expect("an address"));
        for _ in 0..20 {
            let counted = test.limiter.count(Counted::Login, Some(&globex), address);
            assert_eq!(counted, Ok(()));
        }
    }

    /// Nobody knows who that is: strangers would lock each other out.
    #[test]
    fn without_an_address_nothing_is_counted() {
        let test = test();
        for _ in 0..1_000 {
            let counted = test.limiter.count(Counted::Login, Some(&test.acme), None);
            assert_eq!(counted, Ok(()));
        }
        assert_eq!(test.memory.0.iter().count(), 0);
    }

    #[test]
    fn a_person_has_one_quota_wherever_they_are() {
        let test = test();
        let ada = UserId::from_bytes([1; 16]);
        let by = |user| test.limiter.count_user(Counted::Ticket, &test.acme, user);
        for _ in 0..3 {
            assert_eq!(by(ada), Ok(()));
        }
        let over = by(ada).expect_err("over");
        assert_eq!((over.by, over.seconds()), (By::User, 20));
        assert_eq!(by(UserId::from_bytes([2; 16])), Ok(()));
    }

    #[rstest]
    #[case(Counted::Callback)]
    #[case(Counted::Ticket)]
    #[case(Counted::FailedCheck)]
    #[case(Counted::Password)]
    fn what_is_asked_for_is_counted_apart(#[case] what: Counted) {
        let test = test();
        assert_eq!(test.passes("198.51.100.7", 50), 20);
        let address = Some("198.51.100.7".parse().expect("an address"));
        assert_eq!(test.limiter.count(what, None, address), Ok(()));
    }

    /// Requests that race share one count (CVE-2025-24806 was about counters that did not).
    #[test]
    fn a39_requests_in_parallel_share_one_quota() {
        let test = test();
        let spellings = ["2001:db8::1", "2001:DB8:0:0:0:0:0:1", "2001:db8::ffff"];
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..12)
                .map(|number| {
                    let test = &test;
                    scope.spawn(move || test.passes(spellings[number % 3], 20))
                })
                .collect();
            let passed = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
            passed.map(|passed| passed.expect("no panic")).sum()
        });
        assert_eq!(passed, 20);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let test = remembering(100);
        for number in 0..5_000_u32 {
            let address = IpAddr::from(number.to_be_bytes());
            let counted = test
                .limiter
                .count(Counted::Login, Some(&test.acme), Some(address));
            assert_eq!(counted, Ok(()));
        }
        test.memory.0.run_pending_tasks();
        let remembered = test.memory.0.entry_count();
        assert!(remembered <= 100, "{remembered}");
    }

    #[test]
    fn off_is_off() {
        let limits = Limits {
            enabled: false,
            ..Limits::default()
        };
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(datetime!(2027-01-15 08:00 UTC)));
        let limiter = Limiter::new(&limits, &clock);
        let address = Some("198.51.100.7".parse().expect("an address"));
        for _ in 0..100_000 {
            assert_eq!(limiter.count(Counted::Login, None, address), Ok(()));
        }
    }
}
