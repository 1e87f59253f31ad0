//! What is checked: the table under some facts, as it stands or changed in one place.

use device::Lane;

use crate::table::{Buffer, Case, Clock, Mechanism, ROWS, Row, Stage, live};

/// The table under some facts. The changes are for showing that the checks object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// The facts.
    pub case: Case,
    /// A stage on another lane, as the table would have it: rows are kept as its new lane demands.
    pub moved: Option<(Stage, Lane)>,
    /// A stage whose work is queued on another lane than the table says: rows are kept as its own lane demands.
    pub misplaced: Option<(Stage, Lane)>,
    /// A row that is left out.
    pub dropped: Option<usize>,
    /// A row whose depth is another one.
    pub deepened: Option<(usize, u8)>,
    /// One row more.
    pub added: Option<Row>,
}

impl Variant {
    /// The table as it stands.
    #[must_use]
    pub const fn of(case: Case) -> Variant {
        Variant { case, moved: None, misplaced: None, dropped: None, deepened: None, added: None }
    }

    /// With a stage on another lane.
    #[must_use]
    pub const fn moving(self, stage: Stage, to: Lane) -> Variant {
        Variant { moved: Some((stage, to)), ..self }
    }

    /// With the work of a stage on another lane, and everything else as it was: rows that the order of its own lane has
    /// kept for free are kept by nothing, the others record and wait on the lane where the work is.
    #[must_use]
    pub const fn misplacing(self, stage: Stage, to: Lane) -> Variant {
        Variant { misplaced: Some((stage, to)), ..self }
    }

    /// Without a row.
    ///
    /// # Panics
    /// No row of this name is live.
    #[must_use]
    pub const fn without(self, row: &str) -> Variant {
        Variant { dropped: Some(find(self.case, row)), ..self }
    }

    /// With another depth of a row.
    ///
    /// # Panics
    /// No row of this name is live.
    #[must_use]
    pub const fn with_depth(self, row: &str, depth: u8) -> Variant {
        Variant { deepened: Some((find(self.case, row), depth)), ..self }
    }

    /// With one row more.
    #[must_use]
    pub const fn with(self, row: Row) -> Variant {
        Variant { added: Some(row), ..self }
    }

    const fn row(&self, i: usize) -> Option<Row> {
        match self.dropped {
            Some(dropped) if dropped == i => None,
            _ if i == ROWS => self.added,
            _ => live(i, self.case),
        }
    }

    const fn depth(&self, i: usize, row: Row) -> i16 {
        match self.deepened {
            Some((changed, depth)) if changed == i => depth as i16,
            _ => row.depth(self.case) as i16,
        }
    }

    /// Where a stage's work is queued.
    const fn lane(&self, stage: Stage) -> Lane {
        match self.misplaced {
            Some((misplaced, to)) if misplaced as u8 == stage as u8 => to,
            _ => self.declared_lane(stage),
        }
    }

    /// The lane by which rows are kept.
    const fn declared_lane(&self, stage: Stage) -> Lane {
        match self.moved {
            Some((moved, to)) if moved as u8 == stage as u8 => to,
            _ => stage.lane(self.case),
        }
    }
}

/// Number of the live row of this name.
const fn find(case: Case, name: &str) -> usize {
    let mut i = 0;
    while i < ROWS {
        if let Some(row) = live(i, case)
            && same(row.name, name)
        {
            return i;
        }
        i += 1;
    }
    panic!("no row of this name is live under these facts")
}

/// Strings cannot be compared by `==` in a constant.
const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

/// Number of stages.
pub(super) const STAGES: usize = Stage::ALL.len();
const LANES: usize = Lane::Drain as usize + 1;
/// Number of rows, with the one that may be added.
pub(super) const RULES: usize = ROWS + 1;

/// A variant, looked up once: stages by their position in [`Stage::ALL`], which is their discriminant.
pub(super) struct Model {
    pub(super) case: Case,
    pub(super) present: [bool; STAGES],
    pub(super) lane: [Lane; STAGES],
    /// The lane by which rows are kept: another one where work is misplaced.
    pub(super) declared: [Lane; STAGES],
    pub(super) is_misplaced: bool,
    /// The host lane that queues the stage.
    pub(super) called_on: [Lane; STAGES],
    pub(super) submitter: [Stage; STAGES],
    pub(super) clock: [Clock; STAGES],
    /// Stages on each lane, a bit each.
    pub(super) on_lane: [u32; LANES],
    /// Buffers that a stage reads and writes, a bit each.
    pub(super) reads: [u32; STAGES],
    pub(super) writes: [u32; STAGES],
    pub(super) rows: [Option<Row>; RULES],
    pub(super) depth: [i16; RULES],
}

impl Model {
    pub(super) const fn of(variant: Variant) -> Model {
        let mut model = Model {
            case: variant.case,
            present: [false; STAGES],
            lane: [Lane::Sink; STAGES],
            declared: [Lane::Sink; STAGES],
            is_misplaced: variant.misplaced.is_some(),
            called_on: [Lane::Sink; STAGES],
            submitter: Stage::ALL,
            clock: [Clock::Batch; STAGES],
            on_lane: [0; LANES],
            reads: [0; STAGES],
            writes: [0; STAGES],
            rows: [None; RULES],
            depth: [0; RULES],
        };
        let mut s = 0;
        while s < STAGES {
            model.look_up(variant, Stage::ALL[s]);
            s += 1;
        }
        let mut i = 0;
        while i < RULES {
            model.rows[i] = model.kept(variant.row(i));
            if let Some(row) = model.rows[i] {
                model.depth[i] = variant.depth(i, row);
            }
            i += 1;
        }
        model
    }

    /// A row, unless it was left to the order of a lane that its stages do not share.
    const fn kept(&self, row: Option<Row>) -> Option<Row> {
        match row {
            Some(row)
                if matches!(self.declared(row), Mechanism::Queue)
                    && self.lane[row.from as usize] as u8 != self.lane[row.to as usize] as u8 =>
            {
                None
            }
            row => row,
        }
    }

    /// How a row is kept, by what the lanes alone say, which is what a run goes by.
    pub(super) const fn declared(&self, row: Row) -> Mechanism {
        let (from, to) = (row.from as usize, row.to as usize);
        Mechanism::between(self.declared[from], self.declared[to], self.called_on[to])
    }

    const fn look_up(&mut self, variant: Variant, stage: Stage) {
        let (s, lane) = (stage as usize, variant.lane(stage));
        self.present[s] = stage.present(variant.case);
        self.lane[s] = lane;
        self.declared[s] = variant.declared_lane(stage);
        self.submitter[s] = stage.submitter();
        self.called_on[s] = variant.lane(stage.submitter());
        self.clock[s] = stage.clock();
        if self.present[s] {
            let (reads, writes) = stage.uses(variant.case);
            self.on_lane[lane as usize] |= 1 << s;
            self.reads[s] = bits(reads);
            self.writes[s] = bits(writes);
        }
    }

    /// Whether one host lane queues both stages.
    pub(super) const fn called_together(&self, a: usize, b: usize) -> bool {
        self.called_on[a] as u8 == self.called_on[b] as u8
    }
}

const fn bits(buffers: &[Buffer]) -> u32 {
    let (mut bits, mut i) = (0, 0);
    while i < buffers.len() {
        bits |= 1 << buffers[i] as u32;
        i += 1;
    }
    bits
}

/// Takes the lowest of some bits. Loops over bits are what the compiler evaluates fast enough.
pub(super) const fn take_bit(bits: &mut u32) -> Option<usize> {
    if *bits == 0 {
        return None;
    }
    let lowest = bits.trailing_zeros() as usize;
    *bits &= *bits - 1;
    Some(lowest)
}
