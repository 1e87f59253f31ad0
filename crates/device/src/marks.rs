//! Marks of a device whose host waits for all of them in one way: what was told to be recorded, and what has been reached.

use std::time::Duration;

use crate::sync::{Condvar, Instant, Mutex, MutexGuard, wait_timeout};
use crate::{Error, Mark, Operation};

#[derive(Clone, Copy, Default)]
struct State {
    /// Generations below this were told to be recorded.
    told: u64,
    /// Generations below this have been reached.
    reached: u64,
    /// A lane may be told to wait for it before it is recorded.
    gate: bool,
    /// Waits of device lanes, and how long they were.
    waits: u64,
    waited: Duration,
}

/// All marks of a device, behind one lock: there are a few events a batch, not one a pixel.
pub struct Marks {
    states: Mutex<Vec<State>>,
    changed: Condvar,
    opened: Instant,
}

impl Marks {
    /// No marks yet; `opened` is when the device's clock began.
    #[must_use]
    pub fn new(opened: Instant) -> Marks {
        Marks { states: Mutex::default(), changed: Condvar::new(), opened }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<State>> {
        // A panic elsewhere leaves the counters as they are; they are never half written.
        self.states.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// One more mark, or gate.
    pub fn add(&self, gate: bool) -> Mark {
        let mut states = self.lock();
        states.push(State { gate, ..State::default() });
        Mark(states.len() as u32 - 1)
    }

    /// Notes that `generation` will be reached once the lane gets there.
    ///
    /// # Errors
    /// It was told before.
    pub fn tell(&self, mark: Mark, generation: u64) -> Result<(), Error> {
        let mut states = self.lock();
        let state = &mut states[mark.0 as usize];
        if generation < state.told {
            let why = format!("generation {generation} of mark {} was recorded before", mark.0);
            return Err(Error::new(Operation::Record, why));
        }
        state.told = generation + 1;
        Ok(())
    }

    /// Notes that a generation has been reached, and wakes who waits.
    pub fn reach(&self, mark: Mark, generation: u64) {
        self.lock()[mark.0 as usize].reached = generation + 1;
        self.changed.notify_all();
    }

    /// Refuses a wait for what nobody was told to record: it would be satisfied by luck, or never.
    ///
    /// # Errors
    /// It was not.
    pub fn expect_told(&self, mark: Mark, generation: u64) -> Result<(), Error> {
        let state = self.lock()[mark.0 as usize];
        if state.gate || generation < state.told {
            return Ok(());
        }
        let why = format!("generation {generation} of mark {} is not recorded yet", mark.0);
        Err(Error::new(Operation::Wait, why))
    }

    /// Blocks until the generation is reached.
    pub fn wait(&self, mark: Mark, generation: u64) {
        let mut states = self.lock();
        while states[mark.0 as usize].reached <= generation {
            states = self.changed.wait(states).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// The same for a device lane: its time counts.
    pub fn park(&self, mark: Mark, generation: u64) {
        let start = self.opened.elapsed();
        self.wait(mark, generation);
        let mut states = self.lock();
        let state = &mut states[mark.0 as usize];
        state.waits += 1;
        state.waited += self.opened.elapsed().saturating_sub(start);
    }

    /// Waits of device lanes for a mark, and how long they were.
    pub fn parked(&self, mark: Mark) -> (u64, Duration) {
        let state = self.lock()[mark.0 as usize];
        (state.waits, state.waited)
    }

    /// Blocks until one of two is reached; whether the first is.
    pub fn wait_either(&self, first: (Mark, u64), or: (Mark, u64)) -> bool {
        let mut states = self.lock();
        loop {
            let reached = |(mark, generation): (Mark, u64)| states[mark.0 as usize].reached > generation;
            if reached(first) || reached(or) {
                return reached(first);
            }
            states = self.changed.wait(states).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// Blocks until the generation is reached or the time has come; whether it was reached.
    pub fn wait_until(&self, mark: Mark, generation: u64, deadline: Duration) -> bool {
        let mut states = self.lock();
        loop {
            if states[mark.0 as usize].reached > generation {
                return true;
            }
            let Some(left) = deadline.checked_sub(self.opened.elapsed()).filter(|d| !d.is_zero()) else {
                return false;
            };
            states = wait_timeout(&self.states, states, &self.changed, left);
        }
    }
}
