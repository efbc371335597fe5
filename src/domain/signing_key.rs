//! When a key of ours is published, when it signs, and when it goes: rules on times alone.
//!
//! Every key is first published, then signs, then is kept, then is gone. Invariants: whoever has fetched the
//! key set within [`KEY_SET_MAX_AGE`] finds in it the key of every token that is still good; of all keys of a
//! tenant one signs at any moment, whatever the clock does; a key ends only because another one takes its
//! place. What is deliberately absent: the keys themselves, storage, clocks.
//!
//! The lengths here are no settings: what was promised before a change of the configuration has to hold after
//! it too.

use std::fmt;
use std::str::FromStr;

use time::{Duration, OffsetDateTime};

/// How long a fetched key set may be used (RFC 9111 §5.2.2.1): what its `Cache-Control` says.
pub const KEY_SET_MAX_AGE: Duration = Duration::minutes(15);

/// How long a process that hears nothing from the store goes on showing the key set it knows.
pub const KEY_SET_STALENESS: Duration = Duration::minutes(5);

/// How long a key is published before it signs: longer than any key set without it is in use.
pub const AHEAD: Duration = Duration::minutes(30);

/// No token of ours is good for longer.
pub const LONGEST_TOKEN: Duration = Duration::hours(24);

/// How much others' clocks may differ from ours.
const SKEW: Duration = Duration::minutes(1);

/// How long a key is kept after its last signature.
const KEPT: Duration = LONGEST_TOKEN.saturating_add(Duration::minutes(5));

/// Keys that are over stay in the store for so long, since a clock can step forward and back again.
const REMEMBERED: Duration = Duration::minutes(10);

const _: () = assert!(
    AHEAD.whole_seconds()
        >= KEY_SET_MAX_AGE.whole_seconds()
            + KEY_SET_STALENESS.whole_seconds()
            + SKEW.whole_seconds()
);

/// What we sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256: small and quick.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 and 2048 bits: what everybody can verify (OIDC Core 1.0 §15.1).
    Rs256,
    /// Ed25519 (RFC 8037 §3.1): the smallest and quickest, which not everybody knows yet.
    EdDsa,
}

/// A name that is none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use one of ES256, RS256, EdDSA")]
pub struct UnknownSigningAlgorithm;

impl SigningAlgorithm {
    /// All of them, the usual one first.
    pub const ALL: [Self; 3] = [Self::Es256, Self::Rs256, Self::EdDsa];

    /// Its registered name, as `alg` has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl FromStr for SigningAlgorithm {
    type Err = UnknownSigningAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownSigningAlgorithm> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
            .ok_or(UnknownSigningAlgorithm)
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What an operator wants of a tenant's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigningRules {
    /// With what the next key signs.
    pub algorithm: SigningAlgorithm,
    /// How long a key signs.
    pub rotate_after: Duration,
}

impl SigningRules {
    /// A key may sign for so long, at least: two of them are never replaced at once.
    pub const SHORTEST: Duration = Duration::DAY;
    /// And at most.
    pub const LONGEST: Duration = Duration::days(366);
}

impl Default for SigningRules {
    fn default() -> Self {
        Self {
            algorithm: SigningAlgorithm::Es256,
            rotate_after: Duration::days(30),
        }
    }
}

/// A key and its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySchedule {
    /// Its name: the thumbprint of its public half (RFC 7638).
    pub kid: Box<str>,
    /// With what it signs.
    pub algorithm: SigningAlgorithm,
    /// When it was made, and published.
    pub created_at: OffsetDateTime,
    /// When its first signature may be.
    pub signs_from: OffsetDateTime,
    /// When another one takes its place; none: nobody is there yet to do so.
    pub signs_until: Option<OffsetDateTime>,
    /// When it leaves the key set.
    pub published_until: Option<OffsetDateTime>,
}

/// Where in its life a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// In the key set, so that everybody knows it in time.
    Published,
    /// In the key set, and signs.
    Signs,
    /// In the key set, for what it has signed.
    Kept,
    /// In no key set any more.
    Gone,
}

impl Phase {
    /// In a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Signs => "signs",
            Self::Kept => "kept",
            Self::Gone => "gone",
        }
    }
}

/// Why keys are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// Time has passed.
    Upkeep,
    /// Somebody wants a new key, in the usual order.
    Asked,
    /// Somebody else may have the keys: none of them counts any more.
    Leaked,
}

/// What has to change. Done whole, in one step, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPlan {
    /// When a new key is to sign from.
    pub add: Option<OffsetDateTime>,
    /// Keys with other times than before.
    pub change: Vec<KeySchedule>,
    /// Keys that go.
    pub remove: Vec<Box<str>>,
}

impl KeySchedule {
    /// Whether it is in the key set.
    #[must_use]
    pub fn is_published(&self, now: OffsetDateTime) -> bool {
        self.published_until.is_none_or(|until| now < until)
    }

    /// Where in its life it is, by its times.
    #[must_use]
    pub fn phase(&self, now: OffsetDateTime) -> Phase {
        if !self.is_published(now) {
            Phase::Gone
        } else if now < self.signs_from {
            Phase::Published
        } else if self.signs_until.is_none_or(|until| now < until) {
            Phase::Signs
        } else {
            Phase::Kept
        }
    }

    /// Ends where the next one begins.
    fn end_at(&mut self, next: OffsetDateTime) {
        self.signs_from = self.signs_from.min(next);
        self.signs_until = Some(next);
        self.published_until = Some(next.saturating_add(KEPT));
    }
}

/// The one key that signs: the newest whose time has come. Where none has, because a clock stepped back, it is
/// the oldest: everybody knows that one.
#[must_use]
pub fn signer(keys: &[KeySchedule], now: OffsetDateTime) -> Option<&KeySchedule> {
    let published = || keys.iter().filter(|key| key.is_published(now));
    published()
        .filter(|key| key.signs_from <= now)
        .max_by_key(|key| (key.signs_from, key.created_at))
        .or_else(|| published().min_by_key(|key| (key.signs_from, key.created_at)))
}

/// The newest key: the one that signs, or the one that waits to.
#[must_use]
pub fn newest(keys: &[KeySchedule]) -> Option<&KeySchedule> {
    keys.iter()
        .max_by_key(|key| (key.signs_from, key.created_at))
}

/// What has to change now; none: nothing.
#[must_use]
pub fn plan(
    keys: &[KeySchedule],
    rules: SigningRules,
    occasion: Occasion,
    now: OffsetDateTime,
) -> Option<KeyPlan> {
    let Some(newest) = newest(keys) else {
        return Some(KeyPlan {
            add: Some(now),
            ..KeyPlan::default()
        });
    };
    if occasion == Occasion::Leaked {
        return Some(KeyPlan {
            add: Some(now),
            remove: keys.iter().map(|key| key.kid.clone()).collect(),
            ..KeyPlan::default()
        });
    }
    let mut plan = KeyPlan {
        remove: keys
            .iter()
            .filter(|key| is_over(key, now))
            .map(|key| key.kid.clone())
            .collect(),
        ..KeyPlan::default()
    };
    let next = now.saturating_add(AHEAD);
    if newest.signs_from > next.saturating_add(SKEW) {
        plan.change = brought_forward(keys, newest, now);
    } else if newest.signs_from <= now && is_due(newest, rules, occasion, now) {
        let mut ends = newest.clone();
        ends.end_at(next);
        plan.change.push(ends);
        plan.add = Some(next);
    }
    (plan != KeyPlan::default()).then_some(plan)
}

fn is_over(key: &KeySchedule, now: OffsetDateTime) -> bool {
    key.published_until
        .is_some_and(|until| until.saturating_add(REMEMBERED) < now)
}

fn is_due(
    newest: &KeySchedule,
    rules: SigningRules,
    occasion: Occasion,
    now: OffsetDateTime,
) -> bool {
    let until = newest.signs_from.saturating_add(rules.rotate_after);
    occasion == Occasion::Asked
        || newest.algorithm != rules.algorithm
        || until <= now.saturating_add(AHEAD)
}

/// A clock that was ahead when keys were made has been put right: the newest takes over when it would have, if
/// it were made now, and nothing waits for years.
fn brought_forward(
    keys: &[KeySchedule],
    newest: &KeySchedule,
    now: OffsetDateTime,
) -> Vec<KeySchedule> {
    let alone = keys.len() == 1;
    let begins = if alone {
        now
    } else {
        now.saturating_add(AHEAD)
    };
    let moved = keys
        .iter()
        .filter(|key| key.kid == newest.kid || key.signs_until.is_none_or(|until| until > begins));
    moved
        .map(|key| {
            let mut key = key.clone();
            if key.kid == newest.kid {
                key.signs_from = begins;
            } else {
                key.end_at(begins);
            }
            key
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use time::macros::datetime;

    const START: OffsetDateTime = datetime!(2027-01-15 08:00 UTC);
    const RULES: SigningRules = SigningRules {
        algorithm: SigningAlgorithm::Es256,
        rotate_after: Duration::days(30),
    };

    /// What a store does with a plan.
    fn apply(keys: &mut Vec<KeySchedule>, plan: KeyPlan, rules: SigningRules, now: OffsetDateTime) {
        keys.retain(|key| !plan.remove.contains(&key.kid));
        for changed in plan.change {
            let key = keys.iter_mut().find(|key| key.kid == changed.kid);
            *key.expect("a key that is there") = changed;
        }
        if let Some(signs_from) = plan.add {
            keys.push(KeySchedule {
                kid: format!("{}/{now}", keys.len()).into(),
                algorithm: rules.algorithm,
                created_at: now,
                signs_from,
                signs_until: None,
                published_until: None,
            });
        }
    }

    fn turn(keys: &mut Vec<KeySchedule>, occasion: Occasion, now: OffsetDateTime) {
        if let Some(plan) = plan(keys, RULES, occasion, now) {
            apply(keys, plan, RULES, now);
        }
    }

    fn kid(keys: &[KeySchedule], now: OffsetDateTime) -> Box<str> {
        signer(keys, now).expect("a key").kid.clone()
    }

    #[test]
    fn the_first_key_signs_at_once() {
        let mut keys = Vec::new();
        turn(&mut keys, Occasion::Upkeep, START);
        assert_eq!(keys[0].phase(START), Phase::Signs);
        assert_eq!(plan(&keys, RULES, Occasion::Upkeep, START), None);
    }

    #[rstest]
    #[case::still_young(Duration::days(29), false)]
    #[case::in_time_to_be_known(Duration::days(30) - AHEAD, true)]
    #[case::after_a_long_sleep(Duration::days(90), true)]
    fn the_next_key_is_published_before_it_signs(#[case] age: Duration, #[case] due: bool) {
        let mut keys = Vec::new();
        turn(&mut keys, Occasion::Upkeep, START);
        let first = kid(&keys, START);
        let now = START + age;
        turn(&mut keys, Occasion::Upkeep, now);
        assert_eq!(keys.len(), if due { 2 } else { 1 });
        assert_eq!(kid(&keys, now), first);
        if due {
            let instant = Duration::MICROSECOND;
            assert_eq!(keys[1].phase(now), Phase::Published);
            assert_eq!(kid(&keys, now + AHEAD - instant), first);
            assert_eq!(kid(&keys, now + AHEAD), keys[1].kid);
            assert_eq!(keys[0].phase(now + AHEAD), Phase::Kept);
            assert_eq!(keys[0].phase(now + AHEAD + LONGEST_TOKEN), Phase::Kept);
            assert_eq!(keys[0].phase(now + AHEAD + KEPT), Phase::Gone);
            let later = now + AHEAD + KEPT + REMEMBERED + instant;
            turn(&mut keys, Occasion::Upkeep, later);
            assert_eq!(keys.len(), 1);
        }
    }

    #[test]
    fn another_algorithm_and_a_wish_make_a_key_and_only_one() {
        let other = SigningRules {
            algorithm: SigningAlgorithm::EdDsa,
            ..RULES
        };
        for (rules, occasion) in [(other, Occasion::Upkeep), (RULES, Occasion::Asked)] {
            let mut keys = Vec::new();
            turn(&mut keys, Occasion::Upkeep, START);
            let asked = plan(&keys, rules, occasion, START).expect("a plan");
            apply(&mut keys, asked, rules, START);
            assert_eq!(keys[1].algorithm, rules.algorithm);
            assert_eq!(plan(&keys, rules, occasion, START), None);
            assert_eq!(plan(&keys, rules, occasion, START + AHEAD / 2), None);
        }
    }

    #[test]
    fn leaked_keys_are_gone_whatever_the_clock_does() {
        let mut keys = Vec::new();
        turn(&mut keys, Occasion::Upkeep, START);
        turn(&mut keys, Occasion::Asked, START + Duration::HOUR);
        let leaked: Vec<_> = keys.iter().map(|key| key.kid.clone()).collect();
        turn(&mut keys, Occasion::Leaked, START + Duration::HOUR);
        for now in [
            START - Duration::DAY,
            START + Duration::HOUR,
            START + Duration::WEEK,
        ] {
            assert!(!leaked.contains(&kid(&keys, now)));
            assert!(!keys.iter().any(|key| leaked.contains(&key.kid)));
        }
    }

    #[test]
    fn t16_a_clock_that_was_years_ahead_leaves_one_signer_and_no_long_wait() {
        let ahead = START + Duration::days(1500);
        for rotations in 0..4 {
            let mut keys = Vec::new();
            turn(
                &mut keys,
                Occasion::Upkeep,
                if rotations % 2 == 0 { START } else { ahead },
            );
            for number in 0..rotations {
                turn(&mut keys, Occasion::Asked, ahead + Duration::HOUR * number);
            }
            let back = START + Duration::HOUR;
            turn(&mut keys, Occasion::Upkeep, back);
            assert_eq!(plan(&keys, RULES, Occasion::Upkeep, back), None, "settled");
            let newest = newest(&keys).expect("a key").clone();
            assert!(newest.signs_from <= back + AHEAD, "{newest:?}");
            assert_eq!(kid(&keys, back + AHEAD), newest.kid);
            for key in keys.iter().filter(|key| key.kid != newest.kid) {
                assert!(key.published_until.expect("an end") <= back + AHEAD + KEPT);
            }
        }
    }

    #[test]
    fn a_clock_that_stepped_back_signs_with_what_everybody_knows() {
        let mut keys = Vec::new();
        turn(&mut keys, Occasion::Upkeep, START);
        let first = kid(&keys, START);
        assert_eq!(kid(&keys, START - Duration::DAY), first);
        turn(&mut keys, Occasion::Asked, START);
        assert_eq!(kid(&keys, START - Duration::DAY), first);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Over 400 days: each key is in every key set from [`KEY_SET_MAX_AGE`] and [`KEY_SET_STALENESS`] before
        /// its first signature until its last token is over, so no verification fails, whenever within its
        /// rights somebody has fetched.
        #[test]
        fn every_token_finds_its_key(
            rotate_days in 1_i64..40,
            gaps in prop::collection::vec(1_i64..2000, 50..400),
            wishes in prop::collection::vec(0_u8..20, 400),
        ) {
            let rules = SigningRules { rotate_after: Duration::days(rotate_days), ..RULES };
            let mut keys = Vec::new();
            let mut now = START;
            // What was published from when, and the times of signatures.
            let mut shown: Vec<(OffsetDateTime, Vec<Box<str>>)> = Vec::new();
            let mut signed: Vec<(OffsetDateTime, Box<str>)> = Vec::new();
            let mut show = |keys: &[KeySchedule], now: OffsetDateTime| {
                let published = keys.iter().filter(|key| key.is_published(now));
                shown.push((now, published.map(|key| key.kid.clone()).collect()));
                signed.push((now, kid(keys, now)));
            };
            let mut minutes = gaps.iter().cycle();
            let mut wishes = wishes.iter().cycle();
            while now < START + Duration::days(400) {
                let occasion = if *wishes.next().expect("a wish") == 0 { Occasion::Asked } else { Occasion::Upkeep };
                if let Some(plan) = plan(&keys, rules, occasion, now) {
                    apply(&mut keys, plan, rules, now);
                }
                let next = now + Duration::minutes(*minutes.next().expect("a gap"));
                show(&keys, now);
                // Every moment at which something changes by itself, and the last before it.
                let mut moments: Vec<_> = keys
                    .iter()
                    .flat_map(|key| [Some(key.signs_from), key.signs_until, key.published_until])
                    .flatten()
                    .flat_map(|at| [at - Duration::MICROSECOND, at])
                    .filter(|at| (now..next).contains(at))
                    .collect();
                moments.sort_unstable();
                for moment in moments {
                    show(&keys, moment);
                }
                now = next;
            }
            let old = KEY_SET_MAX_AGE + KEY_SET_STALENESS;
            for (at, kid) in &signed {
                let from = *at - old;
                let until = *at + LONGEST_TOKEN + SKEW;
                let first = shown.partition_point(|(when, _)| *when <= from).saturating_sub(1);
                let sets = shown[first..].iter().take_while(|(when, _)| *when <= until);
                for (when, set) in sets {
                    prop_assert!(set.contains(kid), "signed {at} by {kid}, not shown at {when}");
                }
            }
        }
    }
}
