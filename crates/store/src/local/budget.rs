//! The bytes in flight, bounded.
//!
//! Who asks first is served first: otherwise a large part would wait for as long as small ones keep coming.

use std::sync::{Arc, Condvar, Mutex};

use crate::lock::lock;

/// How many bytes may be appended and not yet written.
pub(super) struct Budget {
    limit: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    in_flight: u64,
    /// The number that the next to ask draws, and the number that is served.
    next: u64,
    served: u64,
}

/// So many bytes of the budget, until it is dropped.
#[must_use]
pub(super) struct Reservation {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Takes `bytes`, and blocks until they fit. More than the limit fit when nothing else is in flight.
    pub(super) fn reserve(self: &Arc<Self>, bytes: u64) -> Reservation {
        let mut state = lock(&self.state);
        let mine = state.next;
        state.next += 1;
        state = self
            .changed
            .wait_while(state, |state| state.served != mine || !self.fits(state, bytes))
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        state.served += 1;
        state.in_flight += bytes;
        drop(state);
        // There may be room left for the next in the row.
        self.changed.notify_all();
        Reservation { budget: Arc::clone(self), bytes }
    }

    fn fits(&self, state: &State, bytes: u64) -> bool {
        state.in_flight == 0 || state.in_flight.saturating_add(bytes) <= self.limit
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        lock(&self.budget.state).in_flight -= self.bytes;
        self.budget.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn blocks_until_there_is_room() {
        let budget = Arc::new(Budget::new(10));
        let first = budget.reserve(6);
        let (entered, enters) = channel();
        std::thread::scope(|threads| {
            threads.spawn(|| {
                let second = budget.reserve(6);
                entered.send(lock(&budget.state).in_flight).expect("send");
                drop(second);
            });
            assert!(enters.try_recv().is_err());
            drop(first);
            assert_eq!(enters.recv(), Ok(6), "both were in flight at once");
        });
    }

    #[test]
    fn a_part_beyond_the_limit_goes_alone() {
        let budget = Arc::new(Budget::new(10));
        drop(budget.reserve(100));
        let whole = budget.reserve(u64::MAX);
        assert!(!budget.fits(&lock(&budget.state), 1));
        drop(whole);
        assert_eq!(lock(&budget.state).in_flight, 0);
    }

    #[test]
    fn a_large_part_is_not_overtaken() {
        let budget = Arc::new(Budget::new(10));
        let held = budget.reserve(5);
        let (entered, enters) = channel();
        std::thread::scope(|threads| {
            let enter = |bytes, asked| {
                let (entered, budget) = (entered.clone(), &budget);
                threads.spawn(move || {
                    let reservation = budget.reserve(bytes);
                    entered.send(bytes).expect("send");
                    drop(reservation);
                });
                while lock(&budget.state).next < asked {
                    std::thread::yield_now();
                }
            };
            enter(10, 2);
            enter(1, 3);
            // However long it takes: only a small part that overtakes could ever arrive here.
            assert!(enters.recv_timeout(Duration::from_millis(50)).is_err());
            drop(held);
            assert_eq!((enters.recv(), enters.recv()), (Ok(10), Ok(1)));
        });
    }

    #[test]
    fn never_exceeds_its_limit() {
        let budget = Arc::new(Budget::new(10));
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    for bytes in (1..=10).cycle().take(200) {
                        let held = budget.reserve(bytes);
                        assert!(lock(&budget.state).in_flight <= 10);
                        drop(held);
                    }
                });
            }
        });
        assert_eq!(lock(&budget.state).in_flight, 0);
    }
}
