//! Time and randomness as parameters, so that every rule and every flow can be tested without waiting
//! and with known bytes.
//!
//! Invariant: nothing else in the crate reads a clock or draws random bytes for itself (`clippy.toml`
//! forbids it), except libraries that must.

use std::fmt::Debug;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use time::OffsetDateTime;

/// The time of day, and a time that only goes forward.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Coordinated universal time. It can step in either direction.
    fn now(&self) -> OffsetDateTime;
    /// Time since some fixed moment of this process. It never goes back.
    fn monotonic(&self) -> Duration;
}

/// A source of bytes that nobody can guess.
pub trait SecureRandom: Debug + Send + Sync + 'static {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

impl dyn SecureRandom {
    /// `N` random bytes.
    #[must_use]
    pub fn array<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// Starts its monotonic time at zero.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the port")]
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the port")]
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// The operating system's generator, through aws-lc-rs.
#[derive(Debug, Default)]
pub struct SystemRandom;

impl SecureRandom for SystemRandom {
    #[expect(
        clippy::expect_used,
        reason = "without randomness no answer is safe: the request's task ends"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).expect("the operating system gives random bytes");
    }
}

/// A clock that stands still until it is moved. For tests.
#[derive(Debug)]
pub struct ManualClock {
    times: Mutex<(OffsetDateTime, Duration)>,
}

impl ManualClock {
    /// Stands at `now`.
    #[must_use]
    pub fn at(now: OffsetDateTime) -> Self {
        Self {
            times: Mutex::new((now, Duration::ZERO)),
        }
    }

    /// Time passes: both clocks move.
    pub fn advance(&self, by: Duration) {
        let mut times = self.lock();
        times.0 += by;
        times.1 += by;
    }

    /// Somebody sets the time of day; the monotonic clock does not move.
    pub fn step_to(&self, now: OffsetDateTime) {
        self.lock().0 = now;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (OffsetDateTime, Duration)> {
        self.times
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> OffsetDateTime {
        self.lock().0
    }

    fn monotonic(&self) -> Duration {
        self.lock().1
    }
}

/// Repeatable bytes from a seed (SHA-256 in counter mode). For tests only: they can be guessed.
#[derive(Debug)]
pub struct SeededRandom {
    state: Mutex<(u64, u64)>,
}

impl SeededRandom {
    /// The same seed gives the same bytes.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            state: Mutex::new((seed, 0)),
        }
    }
}

impl SecureRandom for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for chunk in bytes.chunks_mut(32) {
            let mut block = [0; 16];
            block[..8].copy_from_slice(&state.0.to_be_bytes());
            block[8..].copy_from_slice(&state.1.to_be_bytes());
            state.1 += 1;
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &block);
            for (to, from) in chunk.iter_mut().zip(digest.as_ref()) {
                *to = *from;
            }
        }
    }
}
