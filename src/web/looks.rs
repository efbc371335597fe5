//! Whose turn it is: looks at people and revocations that are under way, and those that wait.
//!
//! Invariant: what one provider does, or fails to do, holds up nobody else's people. A provider has no more looks
//! under way than places are free: one that answers slowly has half of them at most, and there is a place left for
//! the next one. What it could not be asked is not asked of it for a while. What is deliberately absent: tokens,
//! and what becomes of a session.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::domain::ids::SessionId;
use crate::storage::TokensOf;

/// How many looks are under way at once. One provider has half of them.
const AT_ONCE: usize = 32;

/// Most sessions that wait for a place. Those beyond it are noticed again at a later use.
const MOST_WAITING: usize = 10_000;

/// How long a provider that could not be reached is left alone. Shorter than the least time after which one person is
/// looked at again.
const REST: Duration = Duration::from_secs(15);

/// How many providers are told at once of tokens that are not needed any more.
const REVOKING_AT_ONCE: usize = 64;

/// What is under way, and what waits.
#[derive(Debug, Default)]
pub(super) struct Looks {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// No more are begun.
    stopped: bool,
    /// Somebody finds out whose the sessions are that have become due.
    sorting: bool,
    /// Somebody finds out whose sessions have ended.
    finding: bool,
    /// Looks, by provider. None of them is zero.
    under_way: HashMap<TokensOf, usize>,
    /// Sessions, by provider. None of them is empty.
    waiting: HashMap<TokensOf, VecDeque<SessionId>>,
    /// Providers that could not be reached, and until when they are left alone.
    resting: HashMap<TokensOf, Duration>,
    revoking: HashSet<TokensOf>,
}

/// Something under way. It is over when this is dropped.
#[derive(Debug)]
pub(super) struct UnderWay {
    looks: Arc<Looks>,
    what: What,
}

#[derive(Debug)]
enum What {
    Sorting,
    Finding,
    Look(TokensOf),
    Revoking(TokensOf),
}

impl Looks {
    /// The one turn at finding out whose sessions have become due.
    pub(super) fn sort(self: &Arc<Self>) -> Option<UnderWay> {
        let mut state = self.lock();
        if state.stopped || std::mem::replace(&mut state.sorting, true) {
            return None;
        }
        drop(state);
        Some(self.under_way(What::Sorting))
    }

    /// The one turn at finding out whose sessions have ended.
    pub(super) fn find(self: &Arc<Self>) -> Option<UnderWay> {
        let mut state = self.lock();
        if state.stopped || std::mem::replace(&mut state.finding, true) {
            return None;
        }
        drop(state);
        Some(self.under_way(What::Finding))
    }

    /// Has the person of `session` wait for a place. `false`: too many wait already.
    pub(super) fn wait(&self, of: TokensOf, session: SessionId) -> bool {
        let mut state = self.lock();
        let waiting: usize = state.waiting.values().map(VecDeque::len).sum();
        if waiting >= MOST_WAITING {
            return false;
        }
        state.waiting.entry(of).or_default().push_back(session);
        true
    }

    /// A place, and who is looked at: of those whose provider may have one more look, somebody of the provider with
    /// the fewest.
    pub(super) fn begin(self: &Arc<Self>) -> Option<(UnderWay, TokensOf, SessionId)> {
        let mut state = self.lock();
        if state.stopped {
            return None;
        }
        let count = |of| state.under_way.get(of).copied().unwrap_or_default();
        let taken: usize = state.under_way.values().sum();
        let free = AT_ONCE.saturating_sub(taken);
        let next = state.waiting.keys().min_by_key(|of| count(of));
        let of = next.filter(|of| count(of) < free)?.clone();
        let waiting = state.waiting.get_mut(&of)?;
        let session = waiting.pop_front();
        if waiting.is_empty() {
            state.waiting.remove(&of);
        }
        let session = session?;
        *state.under_way.entry(of.clone()).or_default() += 1;
        drop(state);
        Some((self.under_way(What::Look(of.clone())), of, session))
    }

    /// The one turn at telling a provider of tokens that are not needed any more.
    pub(super) fn revoke(self: &Arc<Self>, of: &TokensOf) -> Option<UnderWay> {
        let mut state = self.lock();
        let full = state.stopped || state.revoking.len() >= REVOKING_AT_ONCE;
        if full || !state.revoking.insert(of.clone()) {
            return None;
        }
        drop(state);
        Some(self.under_way(What::Revoking(of.clone())))
    }

    /// A provider that cannot be reached keeps nobody else's people waiting, and is not asked for each of its own.
    pub(super) fn rest(&self, of: TokensOf, now: Duration) {
        let mut state = self.lock();
        state.resting.retain(|_, until| *until > now);
        state.resting.insert(of, now + REST);
    }

    /// How long the provider is still left alone.
    pub(super) fn rests_for(&self, of: &TokensOf, now: Duration) -> Option<Duration> {
        let until = self.lock().resting.get(of).copied()?;
        until.checked_sub(now).filter(|left| !left.is_zero())
    }

    /// No more are begun.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Returns when nothing is under way, and nothing waits that may begin.
    pub(super) async fn done(&self) {
        loop {
            let changed = self.changed.notified();
            if self.lock().is_done() {
                return;
            }
            changed.await;
        }
    }

    fn under_way(self: &Arc<Self>, what: What) -> UnderWay {
        UnderWay {
            looks: Arc::clone(self),
            what,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_done(&self) -> bool {
        !(self.sorting || self.finding)
            && self.under_way.is_empty()
            && self.revoking.is_empty()
            && (self.stopped || self.waiting.is_empty())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.looks.lock();
        match &self.what {
            What::Sorting => state.sorting = false,
            What::Finding => state.finding = false,
            What::Revoking(of) => {
                state.revoking.remove(of);
            }
            What::Look(of) => {
                let count = state.under_way.get_mut(of);
                let left = count.map_or(0, |count| {
                    *count = count.saturating_sub(1);
                    *count
                });
                if left == 0 {
                    state.under_way.remove(of);
                }
            }
        }
        drop(state);
        self.looks.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(provider: &str) -> TokensOf {
        TokensOf {
            tenant: "acme".parse().expect("a name"),
            provider: provider.parse().expect("a name"),
        }
    }

    fn waits(looks: &Looks, provider: &str, number: usize) {
        for number in 0..number {
            let number = u8::try_from(number).expect("few");
            assert!(looks.wait(of(provider), SessionId::from_bytes([number; 16])));
        }
    }

    /// Begins what may, and says of which providers.
    fn begun(looks: &Arc<Looks>, into: &mut Vec<UnderWay>) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        while let Some((place, of, _)) = looks.begin() {
            into.push(place);
            *counts.entry(of.provider.to_string()).or_default() += 1;
        }
        counts
    }

    #[test]
    fn there_is_a_place_left_for_the_next_provider() {
        let looks = Arc::new(Looks::default());
        let mut places = Vec::new();
        for (provider, share) in [("a", 16), ("b", 8), ("c", 4), ("d", 2), ("e", 1), ("f", 1)] {
            waits(&looks, provider, 40);
            let expected = HashMap::from([(provider.to_owned(), share)]);
            assert_eq!(begun(&looks, &mut places), expected);
        }
        waits(&looks, "g", 1);
        assert!(looks.begin().is_none(), "none is left");
        // Who has none goes first when one is free again.
        places.remove(0);
        let next = looks.begin().map(|(_, of, _)| of);
        assert_eq!(next, Some(of("g")));
    }

    #[test]
    fn those_who_come_together_share() {
        let looks = Arc::new(Looks::default());
        waits(&looks, "a", 40);
        waits(&looks, "b", 40);
        let shares = begun(&looks, &mut Vec::new());
        let shares: Vec<_> = ["a", "b"].iter().map(|of| shares[*of]).collect();
        assert!(
            shares.iter().all(|share| (10..=11).contains(share)),
            "{shares:?}"
        );
    }

    #[test]
    fn a_provider_rests_for_a_while() {
        let looks = Looks::default();
        let now = Duration::from_mins(1);
        looks.rest(of("a"), now);
        assert_eq!(looks.rests_for(&of("a"), now), Some(REST));
        assert_eq!(looks.rests_for(&of("b"), now), None);
        assert_eq!(looks.rests_for(&of("a"), now + REST), None);
    }

    #[tokio::test]
    async fn what_is_stopped_begins_no_more_and_is_done() {
        let looks = Arc::new(Looks::default());
        waits(&looks, "a", 2);
        let place = looks.begin();
        assert!(place.is_some());
        looks.stop();
        assert!(looks.begin().is_none() && looks.sort().is_none());
        assert!(looks.revoke(&of("a")).is_none());
        assert!(!looks.lock().is_done(), "one is under way");
        drop(place);
        looks.done().await;
    }
}
