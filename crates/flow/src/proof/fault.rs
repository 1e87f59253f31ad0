//! What may be wrong with a table.

use device::Lane;

use crate::table::{Buffer, Mechanism, Stage};

/// What is wrong with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A row names a stage that does not exist under these facts.
    #[error("row `{row}` names {stage:?}, which does not exist here")]
    Absent {
        /// The row.
        row: &'static str,
        /// The stage.
        stage: Stage,
    },
    /// A row is counted by a finer clock than one of its stages.
    #[error("row `{row}` is counted more finely than {stage:?}")]
    Clock {
        /// The row.
        row: &'static str,
        /// The stage.
        stage: Stage,
    },
    /// Stages wait for one another in a circle.
    #[error("{stage:?} waits for itself: a circle of waits{}", through(.row))]
    Cycle {
        /// A stage on the circle.
        stage: Stage,
        /// A row on it.
        row: Option<&'static str>,
    },
    /// Two host lanes queue work on one device lane, so its order depends on time.
    #[error("{first:?} and {second:?} are queued on {lane:?} by two host lanes")]
    Submitters {
        /// The lane.
        lane: Lane,
        /// A stage that one of them queues.
        first: Stage,
        /// A stage that the other queues.
        second: Stage,
    },
    /// What a row waits for may not have been recorded when the wait is called, and no gate keeps it.
    #[error("row `{row}` may be waited for before it is recorded")]
    Unrecorded {
        /// The row.
        row: &'static str,
    },
    /// The mark of a row may be recorded again before the wait for the generation before is called.
    #[error("the mark of row `{row}` may be recorded again before it is waited for")]
    Overtaken {
        /// The row.
        row: &'static str,
    },
    /// A row is kept otherwise than lanes and calls demand.
    #[error("row `{row}` is kept by {kept:?}, and it takes {needed:?}")]
    Mechanism {
        /// The row.
        row: &'static str,
        /// What the table says.
        kept: Mechanism,
        /// What follows from the order of calls.
        needed: Mechanism,
    },
    /// A row takes a gate in a mode that is chosen where there is none.
    #[error("row `{row}` takes a gate, and this mode is for devices without")]
    Gate {
        /// The row.
        row: &'static str,
    },
    /// Two uses of a buffer are not ordered.
    #[error("{}", unordered(*.buffer, *.writer, *.other, *.again))]
    Hole {
        /// The buffer.
        buffer: Buffer,
        /// The stage that writes.
        writer: Stage,
        /// The stage that reads or writes it too.
        other: Stage,
        /// Whether it is the next use of the slot that comes too early, or the contents that come too late.
        again: bool,
    },
    /// A row that costs an operation follows from others.
    #[error("row `{row}` is implied by other rows")]
    Implied {
        /// The row.
        row: &'static str,
    },
}

fn through(row: &Option<&'static str>) -> String {
    row.map_or(String::new(), |row| format!(" through row `{row}`"))
}

fn unordered(buffer: Buffer, writer: Stage, other: Stage, again: bool) -> String {
    let name = buffer.name();
    if again {
        format!("{writer:?} may write {name} again before {other:?} has done with it")
    } else {
        format!("{other:?} may take {name} before {writer:?} has written it")
    }
}
