//! `[limits]`: how often one address, tenant or person may ask for what costs something.

use std::num::NonZeroU32;

use super::reader::{Item, Section};
use super::table::{Key, Shape, Table};

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
    /// Requests of machines for tokens, whether they get one or not.
    pub token: Quotas,
    /// Names and passwords that have to be compared, right or wrong; by user, one name from one address.
    pub passwords: Quotas,
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
            token: Quotas::of(600, 6_000, 1),
            passwords: Quotas::of(300, 3_000, 30),
        }
    }
}

/// More a minute is no limit.
const MOST: u32 = 10_000_000;

const A_MINUTE: Shape = Shape::Integer(1, MOST as i64);

const fn of_address(default: &'static str) -> Key {
    Key::new(
        "address",
        A_MINUTE,
        "How often a minute from one IPv4 address or IPv6 /64.",
    )
    .or(default)
    .fixed()
}

const fn of_tenant(default: &'static str) -> Key {
    Key::new(
        "tenant",
        A_MINUTE,
        "How often a minute at one tenant, by all addresses that use more than a tenth of their own limit.",
    )
    .or(default)
    .fixed()
}

const fn of_user(default: &'static str) -> Key {
    Key::new("user", A_MINUTE, "How often a minute by one person.")
        .or(default)
        .fixed()
}

static LOGIN: Table = Table::new(
    "[limits.login]",
    "Sign-ins asked for at an app, and logins begun at a provider.",
    // Nobody has signed in yet.
    &[of_address("600"), of_tenant("6000")],
);

static CALLBACK: Table = Table::new(
    "[limits.callback]",
    "Returns from a provider; by user, those that succeed.",
    &[of_address("600"), of_tenant("6000"), of_user("60")],
);

static TICKET: Table = Table::new(
    "[limits.ticket]",
    "Tickets brought to an app's host; by user, tickets given out.",
    &[of_address("600"), of_tenant("6000"), of_user("300")],
);

static FAILED_CHECKS: Table = Table::new(
    "[limits.failed_checks]",
    "Checks that were not allowed; by user, those that a rule refused.",
    &[of_address("6000"), of_tenant("60000"), of_user("600")],
);

static TOKEN: Table = Table::new(
    "[limits.token]",
    "Requests of machines for tokens, and about tokens.",
    // No person asks.
    &[of_address("600"), of_tenant("6000")],
);

static PASSWORDS: Table = Table::new(
    "[limits.passwords]",
    "Names and passwords that have to be compared, right or wrong; by user, one name from one address. A right one is remembered for five minutes.",
    &[of_address("300"), of_tenant("3000"), of_user("30")],
);

pub(super) static TABLE: Table = Table::new(
    "[limits]",
    "How often something may be asked for in a minute.",
    &[
        Key::new("enabled", Shape::Flag, "false turns all of them off.")
            .or("true")
            .fixed(),
        Key::table("login", &LOGIN),
        Key::table("callback", &CALLBACK),
        Key::table("ticket", &TICKET),
        Key::table("failed_checks", &FAILED_CHECKS),
        Key::table("token", &TOKEN),
        Key::table("passwords", &PASSWORDS),
    ],
);

pub(super) fn read(root: &Section<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(section) = root.get("limits").and_then(|item| item.section(&TABLE)) else {
        return limits;
    };
    if let Some(enabled) = section.get("enabled").and_then(|item| item.flag()) {
        limits.enabled = enabled;
    }
    for (key, table, to) in [
        ("login", &LOGIN, &mut limits.login),
        ("callback", &CALLBACK, &mut limits.callback),
        ("ticket", &TICKET, &mut limits.ticket),
        ("failed_checks", &FAILED_CHECKS, &mut limits.failed_checks),
        ("token", &TOKEN, &mut limits.token),
        ("passwords", &PASSWORDS, &mut limits.passwords),
    ] {
        if let Some(section) = section.get(key).and_then(|item| item.section(table)) {
            quotas(&section, table, to);
        }
    }
    section.finish();
    limits
}

fn quotas(section: &Section<'_>, table: &'static Table, to: &mut Quotas) {
    let set = |to: &mut NonZeroU32, item: Option<Item<'_>>| {
        if let Some(number) = item.and_then(|item| quota(&item)) {
            *to = number;
        }
    };
    set(&mut to.address, section.get("address"));
    set(&mut to.tenant, section.get("tenant"));
    if table.key("user").is_some() {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What editors and the reference say is what happens.
    #[test]
    fn the_defaults_are_those_that_are_declared() {
        let usual = Limits::default();
        for (table, quotas) in [
            (&LOGIN, usual.login),
            (&CALLBACK, usual.callback),
            (&TICKET, usual.ticket),
            (&FAILED_CHECKS, usual.failed_checks),
            (&TOKEN, usual.token),
            (&PASSWORDS, usual.passwords),
        ] {
            for (key, quota) in [
                ("address", quotas.address),
                ("tenant", quotas.tenant),
                ("user", quotas.user),
            ] {
                let declared = table.key(key).and_then(|key| key.default);
                let quota = quota.to_string();
                assert_eq!(declared.unwrap_or(&quota), quota, "{} {key}", table.name);
            }
        }
    }
}
