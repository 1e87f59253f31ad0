//! How long each kernel of a device has run.

use crate::Busy;
use crate::sync::{Mutex, MutexGuard};

/// Sums, one for each kernel and lane.
#[derive(Default)]
pub struct Meters(Mutex<Vec<Busy>>);

impl Meters {
    fn lock(&self) -> MutexGuard<'_, Vec<Busy>> {
        // A panic elsewhere leaves the sums as they are.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Counts a run, or several.
    pub fn add(&self, busy: Busy) {
        let mut meters = self.lock();
        match meters.iter_mut().find(|m| (m.name, m.lane) == (busy.name, busy.lane)) {
            Some(m) => {
                m.count += busy.count;
                m.time += busy.time;
                m.read += busy.read;
                m.written += busy.written;
            }
            None => meters.push(busy),
        }
    }

    /// All sums so far.
    #[must_use]
    pub fn get(&self) -> Vec<Busy> {
        self.lock().clone()
    }
}
