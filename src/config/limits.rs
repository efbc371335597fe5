//! `[limits]`: how often one address, tenant or person may ask for what costs something.

use std::num::NonZeroU32;

use super::reader::{Item, Section};

/// How often something may be asked for in a minute. Nothing is limited where `enabled` is false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The off switch.
    pub enabled: bool,
    /// Sign-ins asked for at an app, and logins begun at a provider.
    pub login: Quotas,
    /// Returns from a provider; by user, sign-ins that succeed.
    pub callback: Quotas,
    /// Tickets brought to an app's host; by user, tickets given out.
    pub ticket: Quotas,
    /// Checks that were not allowed. One that is allowed is never counted.
    pub failed_checks: Quotas,
}

/// How often in a minute; all of it may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// From one IPv4 address or IPv6 /64.
    pub address: NonZeroU32,
    /// At one tenant, by all addresses that use more than a tenth of their own quota.
    pub tenant: NonZeroU32,
    /// By one person.
    pub user: NonZeroU32,
}

impl Quotas {
    const fn of(address: u32, tenant: u32, user: u32) -> Self {
        const fn at_least_one(number: u32) -> NonZeroU32 {
            match NonZeroU32::new(number) {
                Some(number) => number,
                None => NonZeroU32::MIN,
            }
        }
        Self {
            address: at_least_one(address),
            tenant: at_least_one(tenant),
            user: at_least_one(user),
        }
    }
}

impl Default for Limits {
    /// An office behind one address, on a Monday morning, meets none of them.
    fn default() -> Self {
        Self {
            enabled: true,
            login: Quotas::of(600, 6_000, 1),
            callback: Quotas::of(600, 6_000, 60),
            ticket: Quotas::of(600, 6_000, 300),
            failed_checks: Quotas::of(6_000, 60_000, 600),
        }
    }
}

/// What `user` means in a table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Users {
    Known,
    /// Nobody has signed in yet.
    Unknown,
}

/// More a minute is no limit.
const MOST: u32 = 10_000_000;

pub(super) fn read(root: &Section<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(section) = root.get("limits").and_then(|item| item.section("[limits]")) else {
        return limits;
    };
    if let Some(enabled) = section.get("enabled").and_then(|item| item.flag()) {
        limits.enabled = enabled;
    }
    for (key, name, users, to) in [
        ("login", "[limits.login]", Users::Unknown, &mut limits.login),
        (
            "callback",
            "[limits.callback]",
            Users::Known,
            &mut limits.callback,
        ),
        (
            "ticket",
            "[limits.ticket]",
            Users::Known,
            &mut limits.ticket,
        ),
        (
            "failed_checks",
            "[limits.failed_checks]",
            Users::Known,
            &mut limits.failed_checks,
        ),
    ] {
        if let Some(section) = section.get(key).and_then(|item| item.section(name)) {
            quotas(&section, users, to);
        }
    }
    section.finish();
    limits
}

fn quotas(section: &Section<'_>, users: Users, to: &mut Quotas) {
    let set = |to: &mut NonZeroU32, item: Option<Item<'_>>| {
        if let Some(number) = item.and_then(|item| quota(&item)) {
            *to = number;
        }
    };
    set(&mut to.address, section.get("address"));
    set(&mut to.tenant, section.get("tenant"));
    if users == Users::Known {
        set(&mut to.user, section.get("user"));
    }
    section.finish();
}

fn quota(item: &Item<'_>) -> Option<NonZeroU32> {
    let number = item.integer()?;
    let fits = u32::try_from(number).ok().filter(|number| *number <= MOST);
    let quota = fits.and_then(NonZeroU32::new);
    if quota.is_none() {
        item.fault_with_help(
            format!("{} cannot be `{}`", item.shown(), item.name),
            format!(
                "write how often a minute, from 1 to {MOST}; `enabled = false` in [limits] turns all of them off"
            ),
        );
    }
    quota
}
