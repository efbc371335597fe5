//! How long a session lives.
//!
//! Invariant: the absolute end never moves, and a session that has ended stays ended, whatever the
//! clock does.

use std::time::Duration;

use time::OffsetDateTime;

/// A tenant's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLifetimes {
    /// Ends when it is not used for so long.
    pub idle: Duration,
    /// Ends so long after the login, used or not.
    pub absolute: Duration,
}

/// The times of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimes {
    /// When the person signed in.
    pub began_at: OffsetDateTime,
    /// The last authenticated use.
    pub used_at: OffsetDateTime,
    /// How long it may lie idle.
    pub idle: Duration,
    /// When it ends in any case.
    pub ends_at: OffsetDateTime,
}

/// What is true of a session at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may be used.
    Alive,
    /// It lay idle too long.
    Idle,
    /// Its time is up.
    Expired,
}

impl SessionTimes {
    /// A session that begins now.
    #[must_use]
    pub fn begin(now: OffsetDateTime, lifetimes: SessionLifetimes) -> Self {
        Self {
            began_at: now,
            used_at: now,
            idle: lifetimes.idle,
            ends_at: now + lifetimes.absolute,
        }
    }

    /// Whether it may be used at `now`.
    #[must_use]
    pub fn standing(&self, now: OffsetDateTime) -> Standing {
        if now >= self.ends_at {
            Standing::Expired
        } else if now >= self.used_at + self.idle {
            Standing::Idle
        } else {
            Standing::Alive
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use time::macros::datetime;

    const START: OffsetDateTime = datetime!(2027-01-15 08:00 UTC);

    #[rstest]
    #[case::fresh(0, 0, Standing::Alive)]
    #[case::just_before_idle(0, 3599, Standing::Alive)]
    #[case::idle(0, 3600, Standing::Idle)]
    #[case::used(3000, 6599, Standing::Alive)]
    #[case::used_to_the_end(7199, 7200, Standing::Expired)]
    fn it_ends_when_idle_or_old(#[case] used: i64, #[case] now: i64, #[case] expected: Standing) {
        let lifetimes = SessionLifetimes {
            idle: Duration::from_secs(3600),
            absolute: Duration::from_secs(7200),
        };
        let times = SessionTimes {
            used_at: START + time::Duration::seconds(used),
            ..SessionTimes::begin(START, lifetimes)
        };
        assert_eq!(
            times.standing(START + time::Duration::seconds(now)),
            expected
        );
    }
}
