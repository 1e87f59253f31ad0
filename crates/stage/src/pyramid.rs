//! Steps of a pyramid: a level's epochs from those of the level above.

use std::ops::Range;

use device::{CopyJob, Device, Error, Lane, Read, ReduceJob, Write};
use plan::{Place, Plan, Step};

/// Bytes that a step reads or writes: where they stand, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// In the batch's slot of the chunk pool, or else where levels are built.
    pub in_pool: bool,
    /// Bytes of that buffer.
    pub bytes: Range<usize>,
}

/// What a step touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// The epoch before.
    pub before: Option<At>,
    /// Epochs of the level above, or what is copied.
    pub from: Option<At>,
    /// Epochs that are made.
    pub to: At,
}

/// Where `epochs` epochs of a level stand.
fn at(plan: &Plan, place: Place, level: usize, epochs: u32) -> At {
    let bytes = plan.grid_of(level).chunks_per_epoch * plan.chunk_bytes * u64::from(epochs);
    let start = plan.room(place);
    At { in_pool: matches!(place, Place::Pool(_)), bytes: start as usize..(start + bytes) as usize }
}

/// What a step touches.
#[must_use]
pub fn touched(plan: &Plan, step: &Step) -> Touched {
    match *step {
        Step::Reduce { level, epochs, before, from, to, .. } => Touched {
            before: before.map(|place| at(plan, place, level - 1, 1)),
            from: from.map(|place| at(plan, place, level - 1, epochs)),
            to: at(plan, to, level, epochs),
        },
        Step::Copy { level, from, to } => {
            Touched { before: None, from: Some(at(plan, from, level, 1)), to: at(plan, to, level, 1) }
        }
    }
}

/// Views of what a step touches.
pub struct Views<'a> {
    /// The epoch before.
    pub before: Option<Read<'a>>,
    /// Epochs of the level above, or what is copied; empty where there is none.
    pub from: Read<'a>,
    /// Epochs that are made.
    pub to: Write<'a>,
}

/// Queues a step.
///
/// # Errors
/// The device cannot take the work.
pub fn pyramid_step(
    (device, on): (&dyn Device, Lane),
    plan: &Plan,
    step: &Step,
    views: Views<'_>,
) -> Result<(), Error> {
    let Views { before, from, to } = views;
    match *step {
        Step::Copy { .. } => device.copy(on, CopyJob { from, to }),
        Step::Reduce { level, epochs, window, .. } => {
            let reduction = plan.coarser[level - 1].reduction.clone();
            device.reduce(on, ReduceJob { reduction, epochs, window, before, from, to })
        }
    }
}
