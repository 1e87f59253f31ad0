//! The table is sound: nobody waits for ever, and no two uses of a buffer race. A table that is not does not compile.
//!
//! # What a table is taken for
//!
//! 1. A *stage* of a *generation* is an event that begins and ends. It begins when its lane reaches it and all that it
//!    waits for is recorded; it ends after finite work and records. The store ends each part that it is given, sooner
//!    or later, in any order: its lane orders nothing.
//! 2. Two *host lanes* run programs: the producer's and the courier's, or both in one (`order`). A *device lane* runs what
//!    one host lane has queued on it, in the order in which it was queued. So inside a lane order is a fact, and by
//!    how many generations it reaches follows from the programs. Two host lanes that feed one device lane would make it
//!    a matter of time: refused ([`Fault::Submitters`]).
//! 3. "`a` before `b`, depth `d`" says: `a` of generation `g` ends before `b` of generation `g + d` begins. Rows say so,
//!    lanes say so, and a stage comes after the call that queued it. One lane to its next generation has depth 1; a
//!    lane that is one generation behind makes the depth negative. A call comes after what its stage has waited for, but
//!    not after all that the stage does: what a host stage writes is there for what it queues only where a row says so.
//!
//! # Nobody waits for ever
//!
//! 4. Suppose somebody does. There are finitely many generations, so some events wait for one another in a circle:
//!    each edge of it is a row, a lane or a call, and the circle comes back to the generation that it began with: its
//!    depths add up to 0. With all depths at their least, they add up to 0 or less. No such cycle exists in the graph
//!    of stages ([`Fault::Cycle`]), hence no circle of events. To cut the rows that have a depth and look for a cycle
//!    is not enough: it accepts payload copies behind the next batch's index, which is depth -1.
//! 5. *Clocks.* There are two: dispatch, and batch, which is coarser. Coarser levels are made once a batch, so they need no
//!    clock of their own. Nothing here depends on how many there are. Take the coarsest clock of any stage on the circle. Count
//!    generations by it: a stage of a finer clock stands for all its work in one generation, and an
//!    edge that is counted more finely has depth 0 at least, never less. A circle that touches this clock is found
//!    here; one that does not has only finer stages and is found on the next finer clock, by its own depths. A row
//!    counted more finely than its stages would have no meaning: refused ([`Fault::Clock`]).
//! 6. *The two host lanes.* What a program leaves open is when the producer drains, one batch behind: after the last
//!    dispatch of a batch, or before or among them at a flush. Two graphs are checked, always late and always early.
//!    Neither has a cycle: so by the edges that both have no path leads from a drain back to a dispatch of its own turn
//!    or an earlier one, nor the other way. On a circle of mixed turns the turn would never fall, and rise with each
//!    such path: it does not close.
//!    A flush makes the producer wait for the courier and the store besides: those waits are edges of the early graph.
//! 7. *The sink.* It waits for nothing, so it is on a circle only by what it is given and what waits for it. Its record
//!    comes after the end of the drain that gave it: whoever waits for `sunk` waits for `Deliver` too.
//! 8. *The gate.* It is the one wait of a device lane for a record that is not yet queued; the lane stands until the host
//!    gets there. This is an edge like any other, so step 4 holds for it. Every other wait for a device lane, and every
//!    call, comes when the record has been queued: an event tells of the last time it was queued, and before the first it
//!    lets everybody through ([`Fault::Unrecorded`]). What the host and the store record is a number, for which a thread
//!    waits whether or not it is there. Hand-offs are waited for first when a stage begins: they make records exist.
//!    Modes for devices without a gate have none ([`Fault::Gate`]). And what a run does, which goes by lanes alone, is
//!    what this demands ([`Fault::Mechanism`]).
//! 9. *Marks come round too.* A wait is called before its mark is recorded for a later generation, so it is never for
//!    something else than it says ([`Fault::Overtaken`]).
//!
//! # No races
//!
//! 10. A buffer has copies; its generation `g` lies in copy `g` modulo their number. Two events touch the same copy just
//!     if their generations differ by a multiple of that number (less what a stage looks back: `Stage::looks_back`).
//! 11. For each writer and each other user of each buffer: contents are written before they are read, and the user has
//!     done before the copy is written again. Both by paths of rows, lanes and calls whose depth is no more than the
//!     difference of generations; a lane carries that over to all later ones ([`Fault::Hole`]). Here only what holds in
//!     every run counts: a stage of a finer clock orders nothing by itself until its last step is closed.
//! 12. What a stage touches is what `Stage::uses` says: a lease lends a view to no other (`lease`).
//!
//! # Nothing too much
//!
//! 13. A row that costs an operation and follows from others is refused ([`Fault::Implied`]), unless another row could
//!     not be kept as it is without it: a hand-off that makes a record exist.
//!
//! Not shown: byte ranges inside a buffer; kernels that touch more than they were lent; what happens after a failure
//! (then slots are given back without waiting, and nothing is queued any more); a courier that cannot be started.
//!
//! # Shown at work
//!
//! The table holds, and where the producer drains at once, payload copies may as well go down on `d2h`, and tails up with the
//! staging:
//!
//! ```
//! use device::Lane;
//! use forebay_flow::proof::{Variant, assert_sound};
//! use forebay_flow::table::{Buffer, Case, Clock, Kind, Row, Stage};
//! use plan::{Memory, Mode};
//!
//! const COURIER: Case =
//!     Case { mode: Mode::Pipelined, slots: 2, memory: Memory::Device, compressed: true, aligned: true, pyramid: false };
//! const ALONE: Case = Case { mode: Mode::DrainAfterKick, slots: 1, aligned: false, ..COURIER };
//! const RAW: Case = Case { compressed: false, aligned: true, ..ALONE };
//! const _: () = assert_sound(Variant::of(COURIER));
//! const _: () = assert_sound(Variant::of(ALONE).moving(Stage::Payload, Lane::D2h));
//! const _: () = assert_sound(Variant::of(RAW).moving(Stage::TailUpload, Lane::H2d));
//! // A shorter ring is only slower, and what the order of calls gives anyway may be said.
//! const _: () = assert_sound(Variant::of(COURIER).with_depth("staging_free", 1));
//! const KICKED: Row = Row {
//!     name: "kicked",
//!     from: Stage::Kick,
//!     to: Stage::Aggregate,
//!     clock: Clock::Batch,
//!     kind: Kind::Ready,
//!     guards: Buffer::HostTables,
//! };
//! const _: () = assert_sound(Variant::of(COURIER).with(KICKED));
//! ```
//!
//! Beside the producer they may not: with three slots the index of the batch after the next one may stand there already, and
//! waits for an aggregate that is parked until the courier, which waits for this very payload, has sent up the next batch's
//! tails. (With two there is no such circle; but two host lanes would queue on one, and the payload of a batch would stand
//! behind the compression of the next.) This is what the lane `drain` is for:
//!
//! ```compile_fail,E0080
//! use device::Lane;
//! use forebay_flow::proof::{Variant, assert_sound};
//! use forebay_flow::table::{Case, Stage};
//! use plan::{Memory, Mode};
//!
//! const COURIER: Case =
//!     Case { mode: Mode::Pipelined, slots: 3, memory: Memory::Device, compressed: true, aligned: true, pyramid: false };
//! const _: () = assert_sound(Variant::of(COURIER).moving(Stage::Payload, Lane::D2h));
//! ```
//!
//! Nor may tails go up there:
//!
//! ```compile_fail,E0080
//! use device::Lane;
//! use forebay_flow::proof::{Variant, assert_sound};
//! use forebay_flow::table::{Case, Stage};
//! use plan::{Memory, Mode};
//!
//! const COURIER: Case =
//!     Case { mode: Mode::Pipelined, slots: 2, memory: Memory::Device, compressed: true, aligned: true, pyramid: false };
//! const _: () = assert_sound(Variant::of(COURIER).moving(Stage::TailUpload, Lane::D2h));
//! ```
//!
//! Or with the staging, which the producer queues:
//!
//! ```compile_fail,E0080
//! use device::Lane;
//! use forebay_flow::proof::{Variant, assert_sound};
//! use forebay_flow::table::{Case, Stage};
//! use plan::{Memory, Mode};
//!
//! const COURIER: Case =
//!     Case { mode: Mode::Pipelined, slots: 2, memory: Memory::Device, compressed: true, aligned: true, pyramid: false };
//! const _: () = assert_sound(Variant::of(COURIER).moving(Stage::TailUpload, Lane::H2d));
//! ```
//!
//! A row that is needed:
//!
//! ```compile_fail,E0080
//! use forebay_flow::proof::{Variant, assert_sound};
//! use forebay_flow::table::Case;
//! use plan::{Memory, Mode};
//!
//! const COURIER: Case =
//!     Case { mode: Mode::Pipelined, slots: 2, memory: Memory::Device, compressed: true, aligned: true, pyramid: false };
//! const _: () = assert_sound(Variant::of(COURIER).without("filled"));
//! ```
//!
//! A ring that is longer than its buffer:
//!
//! ```compile_fail,E0080
//! use forebay_flow::proof::{Variant, assert_sound};
//! use forebay_flow::table::Case;
//! use plan::{Memory, Mode};
//!
//! const COURIER: Case =
//!     Case { mode: Mode::Pipelined, slots: 2, memory: Memory::Device, compressed: true, aligned: true, pyramid: false };
//! const _: () = assert_sound(Variant::of(COURIER).with_depth("staging_free", 3));
//! ```
//!
//! A row that others imply:
//!
//! ```compile_fail,E0080
//! use forebay_flow::proof::{Variant, assert_sound};
//! use forebay_flow::table::{Buffer, Case, Clock, Kind, Row, Stage};
//! use plan::{Memory, Mode};
//!
//! const COURIER: Case =
//!     Case { mode: Mode::Pipelined, slots: 2, memory: Memory::Device, compressed: true, aligned: true, pyramid: false };
//! const DRAINED: Row = Row {
//!     name: "drained",
//!     from: Stage::Payload,
//!     to: Stage::Aggregate,
//!     clock: Clock::Batch,
//!     kind: Kind::Reuse,
//!     guards: Buffer::Packed,
//! };
//! const _: () = assert_sound(Variant::of(COURIER).with(DRAINED));
//! ```
//!
//! An event in place of the gate: the courier records it after the wait for it was called.
//!
//! ```compile_fail,E0080
//! use forebay_flow::proof::{Variant, assert_sound};
//! use forebay_flow::table::{Buffer, Case, Clock, Kind, Row, Stage};
//! use plan::{Memory, Mode};
//!
//! const COURIER: Case =
//!     Case { mode: Mode::Pipelined, slots: 2, memory: Memory::Device, compressed: true, aligned: true, pyramid: false };
//! const UPLOADED: Row = Row {
//!     name: "uploaded_before",
//!     from: Stage::TailUpload,
//!     to: Stage::Aggregate,
//!     clock: Clock::Batch,
//!     kind: Kind::Carry,
//!     guards: Buffer::Tail,
//! };
//! const _: () = assert_sound(Variant::of(COURIER).without("tail_published").with(UPLOADED));
//! ```

mod buffers;
mod checks;
mod fault;
mod graph;
mod kept;
mod lack;
mod missing;
mod order;
#[cfg(test)]
mod tests;
mod variant;

pub use fault::Fault;
pub use lack::{called_before, implied_by, kept_by, lacking, without};
pub use missing::missing;
pub use variant::Variant;

use plan::{Memory, Mode};

use crate::table::{Case, ROWS, live};
use checks::Checker;

/// Whether a table is sound; otherwise the first thing that is wrong with it.
///
/// # Errors
/// What is wrong.
pub const fn sound(variant: Variant) -> Result<(), Fault> {
    match Checker::of(variant).first_fault() {
        Some(fault) => Err(fault),
        None => Ok(()),
    }
}

/// The same for constants: a table that is not sound does not compile.
///
/// # Panics
/// The table is not sound.
pub const fn assert_sound(variant: Variant) {
    match sound(variant) {
        Ok(()) => {}
        Err(Fault::Absent { .. }) => panic!("a row names a stage that does not exist under these facts"),
        Err(Fault::Clock { .. }) => panic!("a row is counted more finely than one of its stages"),
        Err(Fault::Cycle { .. }) => panic!("stages wait for one another in a circle"),
        Err(Fault::Submitters { .. }) => panic!("two host lanes queue on one device lane"),
        Err(Fault::Unrecorded { .. }) => panic!("a row may be waited for before it is recorded"),
        Err(Fault::Overtaken { .. }) => panic!("a mark may be recorded again before it is waited for"),
        Err(Fault::Mechanism { .. }) => panic!("a row is kept otherwise than the order of calls demands"),
        Err(Fault::Gate { .. }) => panic!("a row takes a gate in a mode for devices without"),
        Err(Fault::Hole { .. }) => panic!("two uses of a buffer are not ordered"),
        Err(Fault::Implied { .. }) => panic!("a row that costs an operation is implied by others"),
    }
}

/// Number of combinations of facts: two modes with 2 to 8 slots and one with a single slot, times four facts.
pub const CASES: usize = (7 + 7 + 1) * 16;

/// Combination `i` of facts.
///
/// # Panics
/// There are only [`CASES`].
#[must_use]
pub const fn case(i: usize) -> Case {
    assert!(i < CASES);
    let (mode, slots) = match i / 16 {
        n if n < 7 => (Mode::Pipelined, n + 2),
        n if n < 14 => (Mode::DrainBeforeKick, n - 7 + 2),
        _ => (Mode::DrainAfterKick, 1),
    };
    let memory = if i & 1 == 0 { Memory::Host } else { Memory::Device };
    Case {
        mode,
        slots: slots as u8,
        memory,
        compressed: i & 2 != 0,
        aligned: i & 4 != 0,
        pyramid: i & 8 != 0,
    }
}

/// Number of the sixteen combinations of one mode with one number of slots.
const fn group(mode: Mode, slots: usize) -> usize {
    match mode {
        Mode::Pipelined => slots - 2,
        Mode::DrainBeforeKick => slots - 2 + 7,
        Mode::DrainAfterKick => 14,
    }
}

const fn assert_all_of(group: usize) {
    let mut i = 16 * group;
    while i < 16 * group + 16 {
        assert_sound(Variant::of(case(i)));
        i += 1;
    }
}

// The fewest slots and the most, with every other fact: two seconds of the compiler's time (a 2-core cloud machine,
// November 2026), where all groups take six. `tests::every_combination_is_sound` checks all in a few milliseconds.
const _: () = {
    assert_all_of(group(Mode::Pipelined, 2));
    assert_all_of(group(Mode::Pipelined, 8));
    assert_all_of(group(Mode::DrainBeforeKick, 2));
    assert_all_of(group(Mode::DrainBeforeKick, 8));
    assert_all_of(group(Mode::DrainAfterKick, 1));
};

const _: () = {
    let mut row = 0;
    while row < ROWS {
        let mut i = 0;
        while i < CASES && live(row, case(i)).is_none() {
            i += 1;
        }
        assert!(i < CASES, "a row is declared and nowhere live");
        row += 1;
    }
};
