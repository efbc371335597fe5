//! Sign-ins that lead nowhere: somebody enters an app, and at once the app asks them to sign in again.
//!
//! Invariant: a sign-in is a further round only if it was asked for *after* a ticket of the same session at
//! the same host had been redeemed. Twenty tabs that ask before the first of them has entered are one round,
//! whatever order they come back in. What is deliberately absent: what is done about it.

use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use time::{Duration, OffsetDateTime};

use crate::domain::host::Host;
use crate::domain::ids::SessionId;

/// Rounds after which somebody goes in a circle.
pub const LOOP: usize = 3;

/// Between an entry and the next sign-in of a circle. Whoever comes back later has a reason of their own.
const AT_ONCE: Duration = Duration::minutes(1);

/// How many places are remembered; the least recently used go.
const REMEMBERED: u64 = 10_000;

/// When each round's first ticket was redeemed, at one host by one session.
#[derive(Clone, Copy, Debug, Default)]
struct Circle {
    entered: [Option<OffsetDateTime>; LOOP],
    last: Option<OffsetDateTime>,
}

impl Circle {
    /// Somebody enters now, who asked at `asked_at`: how many rounds came before.
    fn enter(&mut self, asked_at: OffsetDateTime, now: OffsetDateTime) -> usize {
        if self.last.is_none_or(|last| asked_at - last > AT_ONCE) {
            *self = Self::default();
        }
        let earlier = |entered: &&Option<OffsetDateTime>| entered.is_some_and(|at| at < asked_at);
        let round = self.entered.iter().take_while(earlier).count();
        if let Some(entered) = self.entered.get_mut(round) {
            entered.get_or_insert(now);
        }
        self.last = Some(now);
        round
    }
}

/// What this process remembers of that.
#[derive(Clone, Debug)]
pub(super) struct Rounds(Cache<(SessionId, Host), Circle>);

impl Rounds {
    pub(super) fn new() -> Self {
        let cache = Cache::builder()
            .max_capacity(REMEMBERED)
            .eviction_policy(EvictionPolicy::lru());
        Self(cache.build())
    }

    /// A ticket is redeemed at `now` for a sign-in that was asked for at `asked_at`: how many rounds came
    /// before it. [`LOOP`]: this goes in a circle.
    pub(super) fn enter(
        &self,
        session: SessionId,
        host: &Host,
        asked_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> usize {
        let mut round = 0;
        let _ = self
            .0
            .entry((session, host.clone()))
            .and_compute_with(|entry| {
                let mut circle = entry.map(moka::Entry::into_value).unwrap_or_default();
                round = circle.enter(asked_at, now);
                Op::Put(circle)
            });
        round
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const START: OffsetDateTime = datetime!(2027-01-15 08:00 UTC);

    fn at(milliseconds: i64) -> OffsetDateTime {
        START + Duration::milliseconds(milliseconds)
    }

    /// What each pair of asked and entered, in milliseconds, comes to.
    fn rounds(visits: &[(i64, i64)]) -> Vec<usize> {
        let mut circle = Circle::default();
        visits
            .iter()
            .map(|(asked, entered)| circle.enter(at(*asked), at(*entered)))
            .collect()
    }

    #[test]
    fn who_asks_again_after_entering_goes_in_a_circle() {
        let visits = [(0, 50), (60, 90), (100, 150), (160, 200), (210, 250)];
        assert_eq!(rounds(&visits), [0, 1, 2, 3, 3]);
    }

    #[test]
    fn twenty_tabs_in_one_instant_are_one_round() {
        let visits: Vec<_> = (0..20).map(|tab| (tab, 100 + tab)).collect();
        assert_eq!(rounds(&visits), vec![0; 20]);
        // In any order.
        let visits: Vec<_> = (0..20).map(|tab| (20 - tab, 100 + tab)).collect();
        assert_eq!(rounds(&visits), vec![0; 20]);
    }

    /// The last of them asked while the first had entered, but before its cookie was there.
    #[test]
    fn tabs_that_overlap_are_no_circle() {
        let visits: Vec<_> = (0..20).map(|tab| (tab * 10, 100 + tab * 10)).collect();
        assert!(rounds(&visits).iter().all(|round| *round <= 1));
    }

    #[test]
    fn a_minute_later_it_is_somebodys_wish() {
        assert_eq!(rounds(&[(0, 1), (60_001, 60_010)]), [0, 1]);
        assert_eq!(
            rounds(&[(0, 1), (60_002, 60_010), (60_020, 60_030)]),
            [0, 0, 1]
        );
    }

    #[test]
    fn another_session_or_host_is_another_circle() {
        let rounds = Rounds::new();
        let host = |name| Host::parse(name, 443).expect("a host");
        let (one, other) = (
            SessionId::from_bytes([1; 16]),
            SessionId::from_bytes([2; 16]),
        );
        let (wiki, board) = (host("wiki.example"), host("board.example"));
        assert_eq!(rounds.enter(one, &wiki, at(0), at(10)), 0);
        assert_eq!(rounds.enter(one, &board, at(20), at(30)), 0);
        assert_eq!(rounds.enter(other, &wiki, at(20), at(30)), 0);
        assert_eq!(rounds.enter(one, &wiki, at(20), at(30)), 1);
    }
}
