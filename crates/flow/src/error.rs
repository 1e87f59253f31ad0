//! Errors of a run. The first is kept, and every later call returns it.

use std::time::Duration;

use device::sync::{Arc, Flag, Mutex, MutexGuard};

use crate::order::Order;
use crate::proof;
use crate::table::Case;

/// Why a run failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The device failed.
    #[error(transparent)]
    Device(#[from] device::Error),
    /// Two uses of a buffer that nothing orders, found by a device that checks ([`device::Checked`]).
    #[error("{race}; {}", lacking(.rows))]
    Unordered {
        /// The two uses.
        race: device::Error,
        /// Rows of the table that keep them in order: one of them was not kept.
        rows: Vec<&'static str>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Metadata could not be published.
    #[error("publishing the shape: {0}")]
    Publish(Arc<str>),
    /// More bytes than a bounded array holds. Nothing of the call was taken.
    #[error(
        "append: {given} bytes are given, the array has room for {room}; append no more, or leave the first \
         dimension unbounded (size 0)"
    )]
    PastEnd {
        /// Bytes of the call.
        given: u64,
        /// Bytes that the array can still take.
        room: u64,
    },
    /// More bytes than a staging slot lends.
    #[error(
        "reserve: {asked} bytes are asked for, a staging slot lends at most {most}; reserve less, or give more staging"
    )]
    Reserve {
        /// Bytes of the call.
        asked: u64,
        /// Bytes of a slot.
        most: u64,
    },
    /// More bytes are given over than there are. Nothing of the call was taken.
    #[error("{call}: {given} bytes are given, of {held}; give at most as many as there are")]
    Beyond {
        /// The call.
        call: &'static str,
        /// Bytes of the call.
        given: u64,
        /// Bytes that there are.
        held: u64,
    },
    /// The run had failed before; the first error says why.
    #[error("the run was stopped by an earlier error")]
    Stopped,
    /// The writer went away without a close.
    #[error("the writer was dropped without a close; what was not written by then is lost")]
    Dropped,
    /// After a failure the store has not given back what it holds.
    #[error(
        "{first}; the store still holds {bytes} bytes that it was given, and {objects} objects that it was told to \
         end, and has not answered for them: their memory is not freed"
    )]
    Unanswered {
        /// The failure.
        first: Box<Error>,
        /// Bytes that the store holds.
        bytes: u64,
        /// Objects that it was told to end.
        objects: u64,
    },
    /// Memory that another run registered.
    #[error("the memory was registered with another writer; register it with this one")]
    Foreign,
    /// A thread of the run panicked, in forebay or in a store of one's own.
    #[error("a thread of the run panicked; the message is on standard error")]
    Panicked,
    /// A buffer was given up while work was still owed on it.
    #[error("the {buffer} of generation {generation} was given up unreturned: {cause}")]
    Lost {
        /// The buffer.
        buffer: &'static str,
        /// Its generation.
        generation: u64,
        /// What had happened.
        cause: &'static str,
    },
}

/// What to look at.
fn lacking(rows: &[&'static str]) -> String {
    match rows {
        [] => "no row of the table is there for it".to_owned(),
        [row] => format!("the row `{row}` was not kept"),
        rows => format!("one of the rows `{}` was not kept", rows.join("`, `")),
    }
}

impl Error {
    /// Names the rows that a race lacks.
    fn explained(self, case: Case) -> Error {
        match self {
            Error::Device(race) if race.race().is_some() => {
                let rows = race.race().map_or_else(Vec::new, |r| proof::missing(case, r));
                Error::Unordered { race, rows }
            }
            other => other,
        }
    }

    /// Whether the call was refused before anything was taken: the run goes on.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Error::PastEnd { .. } | Error::Reserve { .. } | Error::Beyond { .. } | Error::Foreign)
    }
}

/// Time that the cause of a lost slot has to come: a few steps, unless it was a panic of the caller's own.
const CAUSE_WITHIN: Duration = Duration::from_secs(2);

/// The first error of a run.
pub(crate) struct Fault {
    first: Mutex<Option<Error>>,
    /// Whether there is one, or will be when the lock is free: every append asks.
    there: Flag,
    order: Arc<Order>,
}

impl Fault {
    pub(crate) fn new(order: Arc<Order>) -> Fault {
        Fault { first: Mutex::new(None), there: Flag::lowered(), order }
    }

    /// Keeps `error` if it is the first; returns the first. Waits that may never end, end.
    pub(crate) fn keep(&self, error: Error) -> Error {
        if matches!(error, Error::Lost { .. }) {
            // A consequence: whoever gave the slot up, on another thread, is about to say why.
            self.order.wait_for_fault(CAUSE_WITHIN);
        }
        let mut first = self.lock();
        if first.is_none() {
            // Whoever wakes now comes for the lock, and waits until the error is there.
            self.there.raise();
            self.order.raise();
        }
        first.get_or_insert_with(|| error.explained(self.order.case())).clone()
    }

    /// The first error, if there is one.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.there.is_raised() { self.lock().clone().map_or(Ok(()), Err) } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Error>> {
        self.first.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
