//! What lanes do, step by step, and what threads need to go on.

use std::time::Duration;

use device::check::{Access, Touch};
use device::{Error, Mark};

use crate::clock::{Actor, Clock};
use crate::deeds::{Deeds, known};

/// Work of a lane, with the clock of the thread that queued it.
pub(crate) enum Step {
    Run { kernel: Kernel, touches: Vec<Touch>, deeds: Deeds, by: Access, clock: Clock },
    Record(Mark, u64, Clock),
    Wait(Mark, u64, Clock),
}

pub(crate) type Kernel = Box<dyn FnOnce() -> Result<(), Error> + Send>;

/// What a thread needs to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: it stands at a point of choice.
    Turn,
    Mark(Mark, u64),
    Either((Mark, u64), (Mark, u64)),
    /// The mark, or the time.
    Until(Mark, u64, Duration),
    /// All device lanes idle.
    Idle,
    /// All device lanes idle, and all answers of the store given.
    Quiet,
    /// The end of a thread.
    End(Actor),
}

impl Step {
    /// The same, with nothing to do.
    pub(crate) fn idle(&self) -> Step {
        match self {
            Step::Run { touches, by, clock, .. } => {
                let (touches, kernel) = (touches.clone(), Box::new(|| Ok(())));
                Step::Run { kernel, touches, deeds: known([]), by: *by, clock: *clock }
            }
            Step::Record(mark, generation, clock) => Step::Record(*mark, *generation, *clock),
            Step::Wait(mark, generation, clock) => Step::Wait(*mark, *generation, *clock),
        }
    }
}
