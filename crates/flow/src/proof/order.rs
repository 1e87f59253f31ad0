//! The order of calls in the host programs, which is the order inside every lane. `producer`, `kick` and `courier` are
//! these programs; each turn of a loop is one generation of batch. Simulated runs are held to it (`tests/sim/program.rs`).
//!
//! - *Pipelined*: the producer repeats `Refill, Fill.., Kick, Fetch`, the courier `Size, Publish, Deliver`.
//! - *Drain after kick*: the producer repeats `Refill, Fill.., Kick, Fetch, Size, Publish, Deliver`.
//! - *Drain before kick*: one batch behind, somewhere between `Refill` and `Kick`: after the last `Fill` where the batch
//!   became full, before or among them where a flush drains at once.

use plan::Mode;

use super::variant::Model;
use crate::table::Stage;

/// When a batch is drained, as far as the program leaves it open.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Drains {
    /// As late as it may be: the producer runs ahead.
    Late,
    /// As early as it may be: every batch is flushed.
    Early,
}

/// Place of a host stage in one turn, and by how many generations it is behind that turn.
const fn place(stage: Stage, mode: Mode, drains: Drains) -> (i16, i16) {
    let (first, skew) = match (mode, drains) {
        (Mode::DrainBeforeKick, Drains::Early) => (1, -1),
        (Mode::DrainBeforeKick, Drains::Late) => (5, -1),
        _ => (10, 0),
    };
    match stage {
        Stage::Refill => (0, 0),
        Stage::Fill => (4, 0),
        Stage::Kick => (8, 0),
        Stage::Fetch => (9, 0),
        Stage::Size => (first, skew),
        Stage::Publish => (first + 1, skew),
        Stage::Deliver => (first + 2, skew),
        _ => panic!("a device lane and the store call nothing"),
    }
}

/// Generations by which the call of `b` must be later for the call of `a` to be always before it. Both are queued by
/// one host lane; inside a submitter stages are queued in the order of [`Stage::ALL`].
pub(super) const fn called_before(model: &Model, a: usize, b: usize, drains: Drains) -> i16 {
    let (by, then) = (model.submitter[a], model.submitter[b]);
    if by as u8 == then as u8 {
        return if a < b { 0 } else { 1 };
    }
    let ((first, skew), (second, other)) =
        (place(by, model.case.mode, drains), place(then, model.case.mode, drains));
    other - skew + if first < second { 0 } else { 1 }
}

/// The same, whenever batches are drained.
pub(super) const fn surely_before(model: &Model, a: usize, b: usize) -> i16 {
    let (late, early) = (called_before(model, a, b, Drains::Late), called_before(model, a, b, Drains::Early));
    if late > early { late } else { early }
}
