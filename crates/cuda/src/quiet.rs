//! Calls of the driver that wait for every lane of the process, and hold up all other calls meanwhile.
//!
//! Freeing or unregistering host memory and loading kernels are such calls (seen on driver 580: `docs/cuda.md`). While a lane
//! stands at a gate they would wait for the gate; and whoever opens it needs the driver, which they hold. So:
//!
//! - memory is given up here, and freed when no lane of the process stands at a gate;
//! - kernels are loaded in [`exclusive`]: nobody goes to a gate meanwhile, and it begins when those who stand there are through.

use std::time::Duration;

use device::sync::{self, Condvar, Mutex, MutexGuard};
use device::{Error, Operation};

/// Memory that is to be freed: what it owns is, when it is dropped.
type Grave = Box<dyn Send>;

/// How long somebody who wants to be alone waits for those at gates.
const PATIENCE: Duration = Duration::from_secs(10);

struct State {
    /// Waits for gates that were queued and are not opened.
    armed: usize,
    /// Calls that want to run alone.
    alone: usize,
    graves: Vec<Grave>,
}

static STATE: Mutex<State> = Mutex::new(State { armed: 0, alone: 0, graves: Vec::new() });
static CHANGED: Condvar = Condvar::new();

fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn wait(state: MutexGuard<'static, State>) -> MutexGuard<'static, State> {
    CHANGED.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A lane is about to be told to wait for a gate that is closed.
pub(crate) fn arm() {
    let mut state = lock();
    while state.alone > 0 {
        state = wait(state);
    }
    state.armed += 1;
}

/// So many such waits have been let through.
pub(crate) fn disarm(waits: usize) {
    if waits == 0 {
        return;
    }
    let mut state = lock();
    state.armed -= waits;
    CHANGED.notify_all();
    free(state);
}

/// Gives up memory: freed now, or when nobody stands at a gate.
pub(crate) fn bury(grave: Grave) {
    let mut state = lock();
    state.graves.push(grave);
    free(state);
}

/// Frees what was given up, if nobody stands at a gate; nobody goes to one meanwhile.
fn free(mut state: MutexGuard<'static, State>) {
    if state.armed == 0 {
        // Dropped under the lock, which is what keeps lanes from gates.
        state.graves.clear();
    }
}

/// Runs a call that waits for every lane. Not to be called by a thread that opens gates: it may wait for one.
///
/// # Errors
/// Somebody stands at a gate, and did not get through in time: a store that does not answer keeps its gate shut.
pub(crate) fn exclusive<T>(call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let end = sync::now() + PATIENCE;
    let mut state = lock();
    state.alone += 1;
    while state.armed > 0 && sync::now() < end {
        state = sync::wait_timeout(&STATE, state, &CHANGED, end.saturating_duration_since(sync::now()));
    }
    let result = if state.armed == 0 {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(call))
            .unwrap_or_else(|_| Err(Error::new(Operation::Open, "the driver's library panicked")))
    } else {
        let why = "another writer of this process waits for its store, and the GPU cannot be made ready meanwhile: \
                   try again later, or run on the host";
        Err(Error::new(Operation::Open, why))
    };
    state.alone -= 1;
    CHANGED.notify_all();
    free(state);
    result
}
