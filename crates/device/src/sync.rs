//! Locks, threads and time of the orchestration. All that waits, wakes, or reads the clock comes from here, so that
//! another can stand in its place.
//!
//! With the feature `shuttle`, which only the test of the threads turns on, that other is `shuttle`: each thread is a
//! coroutine, and at each step of a lock a scheduler chooses who goes on. Time passes by being looked at: see
//! [`Instant`].

pub use std::sync::{Arc, TryLockError};

#[cfg(not(feature = "shuttle"))]
pub use std::{
    sync::{Condvar, Mutex, MutexGuard},
    thread, thread_local,
    time::Instant,
};

#[cfg(feature = "shuttle")]
pub use shuttle::{
    sync::{Condvar, Mutex, MutexGuard},
    thread, thread_local,
};

#[cfg(feature = "shuttle")]
pub use model::{Instant, now, wait_timeout};

#[cfg(feature = "shuttle")]
use shuttle::sync::atomic::{AtomicBool, Ordering};
#[cfg(not(feature = "shuttle"))]
use std::sync::atomic::{AtomicBool, Ordering};

/// Raised once, and asked often where a lock would be felt: whether the lock is worth taking. What it tells of lies behind
/// that lock, and whoever raises it holds the lock.
#[derive(Debug)]
pub struct Flag(AtomicBool);

impl Flag {
    /// One that is not raised.
    #[must_use]
    pub fn lowered() -> Flag {
        Flag(AtomicBool::new(false))
    }

    /// Raises it, for good.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it is raised.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// This moment.
#[cfg(not(feature = "shuttle"))]
#[must_use]
pub fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "this is the seam's clock")]
    Instant::now()
}

/// A wait of this long or longer may last for ever.
pub const LONGEST: std::time::Duration = std::time::Duration::from_secs(86_400);

/// Waits for a notification, and at most for `most`; like every wait it may end sooner. `guard` is of `mutex`.
#[cfg(not(feature = "shuttle"))]
pub fn wait_timeout<'a, T>(
    _mutex: &'a Mutex<T>,
    guard: MutexGuard<'a, T>,
    notified: &Condvar,
    most: std::time::Duration,
) -> MutexGuard<'a, T> {
    // The system's clock does not reach as far as a `Duration` can say.
    let waited = notified.wait_timeout(guard, most.min(LONGEST));
    waited.unwrap_or_else(std::sync::PoisonError::into_inner).0
}

#[cfg(feature = "shuttle")]
mod model {
    //! What `shuttle` lacks: waits that end by the clock.

    use std::sync::PoisonError;
    use std::time::Duration;

    use super::{Condvar, LONGEST, Mutex, MutexGuard};

    /// How much later it is whenever somebody looks.
    const STEP: Duration = Duration::from_millis(2);

    shuttle::lazy_static! {
        /// The time of one schedule.
        static ref NOW: std::sync::Mutex<Duration> = std::sync::Mutex::new(Duration::ZERO);
    }

    /// A moment of a clock that steps each time it is read: so whose deadline comes first is the scheduler's choice
    /// too, a replay sees the same times, and somebody who waits by the clock waits for a finite number of steps.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
    pub struct Instant(Duration);

    /// This moment.
    #[must_use]
    pub fn now() -> Instant {
        let mut now = NOW.lock().unwrap_or_else(PoisonError::into_inner);
        *now += STEP;
        Instant(*now)
    }

    impl Instant {
        /// Time since this moment.
        #[must_use]
        pub fn elapsed(&self) -> Duration {
            now().0 - self.0
        }

        /// Time since an earlier moment.
        #[must_use]
        pub fn saturating_duration_since(&self, earlier: Instant) -> Duration {
            self.0.saturating_sub(earlier.0)
        }
    }

    impl std::ops::Add<Duration> for Instant {
        type Output = Instant;

        fn add(self, time: Duration) -> Instant {
            Instant(self.0 + time)
        }
    }

    /// As without `shuttle`, whose own never ends by the clock. Here it ends at once, after everybody else has had their
    /// chance, and whoever waits looks at the clock again; a wait of [`LONGEST`] only ends by a notification, so that
    /// one which is lost is seen as what it is.
    pub fn wait_timeout<'a, T>(
        mutex: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
        notified: &Condvar,
        most: Duration,
    ) -> MutexGuard<'a, T> {
        if most >= LONGEST {
            return notified.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        drop(guard);
        super::thread::yield_now();
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
