//! When something was last heard, for whoever believes memory only while there is news.
//!
//! Times are those of a clock that never goes back. Invariant: before the first news there is none, however young
//! the process is. What is deliberately absent: a clock, and who is asked.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long silence is trusted: what one process ends has reached every other by then, or nothing is let in.
pub const TRUST: Duration = Duration::from_secs(5);

/// When there was news: milliseconds plus one, 0 for never.
#[derive(Debug, Default)]
pub struct News(AtomicU64);

impl News {
    /// There is news, asked for at this time: an answer may have been on its way for a while.
    pub fn heard(&self, asked_at: Duration) {
        self.0.fetch_max(millis(asked_at) + 1, Ordering::AcqRel);
    }

    /// Whether there was news less than `time` before `now`.
    #[must_use]
    pub fn is_within(&self, time: Duration, now: Duration) -> bool {
        self.0
            .load(Ordering::Acquire)
            .checked_sub(1)
            .is_some_and(|heard| millis(now).saturating_sub(heard) < millis(time))
    }
}

/// An age of the universe is enough.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_heard_nothing_has_no_news() {
        let news = News::default();
        for now in [0, 1, 4_999, 5_000] {
            assert!(!news.is_within(TRUST, Duration::from_millis(now)), "{now}");
        }
    }

    #[test]
    fn news_counts_from_the_question_and_grows_old() {
        let news = News::default();
        news.heard(Duration::from_secs(10));
        // An older question that is answered later.
        news.heard(Duration::from_secs(8));
        assert!(news.is_within(TRUST, Duration::from_millis(14_999)));
        assert!(!news.is_within(TRUST, Duration::from_secs(15)));
    }
}
