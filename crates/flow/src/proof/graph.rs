//! Stages and "before" with a depth, on one clock: an edge `a -> b` of depth `d` says that `a` of a generation comes
//! before `b` of the generation `d` later.

use device::Lane;

use super::order::{Drains, called_before, surely_before};
use super::variant::{Model, RULES, STAGES, take_bit};
use crate::table::{Clock, Stage};

/// More than any path is deep.
pub(super) const FAR: i16 = 1000;
/// Edges of the largest graph: host lanes joined in one make 42 of them, device lanes 20.
const MOST: usize = 160;
/// Further than anybody runs ahead.
const AHEAD: i16 = 16;
/// In place of the number of a row: the order inside a lane.
const LANE: u8 = u8::MAX;
/// In place of the number of a row: a stage is queued by its submitter.
const QUEUED: u8 = u8::MAX - 1;
/// In place of the number of an edge.
const END: u8 = u8::MAX;
/// Steps of a search, far more than one takes where no cycle is negative; where one is, it never ends by itself.
const PATIENCE: usize = 2000;

#[derive(Clone, Copy)]
struct Edge {
    from: u8,
    to: u8,
    depth: i16,
    row: u8,
    /// The next edge from the same stage.
    next: u8,
}

/// What the edges are to be.
#[derive(Clone, Copy)]
pub(super) enum View {
    /// What holds in every run: it orders.
    Sure,
    /// All that may make somebody wait: it could close a circle.
    Waits(Drains),
}

pub(super) struct Graph {
    edges: [Edge; MOST],
    len: usize,
    /// The first edge from each stage.
    first: [u8; STAGES],
}

impl Graph {
    /// Everything on one clock. What is counted by a finer clock is there as all of it that falls in one generation:
    /// two such stages order nothing here (they did so on their own clock), but may make each other wait at once.
    pub(super) const fn new(model: &Model, clock: Clock, view: View) -> Graph {
        let none = Edge { from: 0, to: 0, depth: 0, row: LANE, next: END };
        let mut graph = Graph { edges: [none; MOST], len: 0, first: [END; STAGES] };
        graph.add_rows(model, clock, view);
        graph.add_submissions(model, clock, view);
        graph.add_lanes(model, clock, view);
        if matches!((view, clock), (View::Waits(Drains::Early), Clock::Batch)) {
            graph.add_flush();
        }
        graph
    }

    const fn add(&mut self, from: usize, to: usize, depth: i16, row: u8) {
        let next = self.first[from];
        self.edges[self.len] = Edge { from: from as u8, to: to as u8, depth, row, next };
        self.first[from] = self.len as u8;
        self.len += 1;
    }

    const fn add_rows(&mut self, model: &Model, clock: Clock, view: View) {
        let mut i = 0;
        while i < RULES {
            if let Some(row) = model.rows[i] {
                let (from, to) = (row.from as usize, row.to as usize);
                if row.clock as u8 == clock as u8 {
                    self.add(from, to, model.depth[i], i as u8);
                    if matches!(row.from, Stage::SinkWrite) {
                        // The courier's own share of what the store is given ends after its delivery (`courier::Owed`).
                        self.add(Stage::Deliver as usize, to, model.depth[i], i as u8);
                    }
                } else if (row.clock as u8) < clock as u8 && matches!(view, View::Waits(_)) {
                    // How many finer generations make one is not known: perhaps so many that it waits at once.
                    self.add(from, to, 0, i as u8);
                }
            }
            i += 1;
        }
    }

    /// A stage is queued by its submitter.
    const fn add_submissions(&mut self, model: &Model, clock: Clock, view: View) {
        let mut s = 0;
        while s < STAGES {
            let by = model.submitter[s] as usize;
            let here = counts(model, s, clock) && counts(model, by, clock);
            let loose = is_finer(model, s, clock) && is_finer(model, by, clock);
            if s != by && here && !(loose && matches!(view, View::Sure)) {
                self.add(by, s, 0, QUEUED);
            }
            s += 1;
        }
    }

    /// What stands in one lane, in the order in which it was called.
    const fn add_lanes(&mut self, model: &Model, clock: Clock, view: View) {
        let mut a = 0;
        while a < STAGES {
            let mut others = model.on_lane[model.lane[a] as usize];
            while counts(model, a, clock)
                && !matches!(model.lane[a], Lane::Sink)
                && let Some(b) = take_bit(&mut others)
            {
                // That a stage does not overtake itself closes no circle and is part of no shorter path.
                if a != b && counts(model, b, clock) {
                    self.add_pair(model, (a, b), clock, view);
                }
            }
            a += 1;
        }
    }

    const fn add_pair(&mut self, model: &Model, (a, b): (usize, usize), clock: Clock, view: View) {
        let loose = is_finer(model, a, clock) && is_finer(model, b, clock);
        match view {
            View::Sure if loose || !model.called_together(a, b) => {}
            View::Sure => self.add(a, b, surely_before(model, a, b), LANE),
            View::Waits(_) if loose => self.add(a, b, 0, LANE),
            View::Waits(drains) if model.called_together(a, b) => {
                self.add(a, b, called_before(model, a, b, drains), LANE);
            }
            // Two host lanes queue here: whoever is ahead goes as far ahead as he may.
            View::Waits(drains) => {
                let producer_first = matches!(drains, Drains::Late);
                if matches!(model.called_on[a], Lane::Producer) == producer_first {
                    let (by, then) = (model.submitter[a], model.submitter[b]);
                    let sure = Graph::new(model, clock, View::Sure).distances(then, 0)[by as usize];
                    let ahead = if sure > AHEAD { AHEAD } else { sure };
                    self.add(a, b, 1 - ahead, LANE);
                }
            }
        }
    }

    /// Waits that are no rows, for they guard no buffer: a flush waits for the courier and the store before anything more
    /// is appended (`Array::drained`).
    const fn add_flush(&mut self) {
        self.add(Stage::Deliver as usize, Stage::Fill as usize, 1, LANE);
        self.add(Stage::SinkWrite as usize, Stage::Fill as usize, 1, LANE);
    }

    /// Least depths of paths from the end of a stage, without the rows whose bits are set.
    ///
    /// What a stage has waited for comes before all that it queues; what it does itself, only if a row says so: it may go
    /// on writing after the call.
    pub(super) const fn distances(&self, from: Stage, without: u32) -> [i16; STAGES] {
        let (mut far, mut steps) = ([FAR; STAGES], 0);
        let mut changed = 0;
        self.step((from as usize, 0), true, without, (&mut far, &mut changed));
        while steps < PATIENCE
            && let Some(stage) = take_bit(&mut changed)
        {
            self.step((stage, far[stage]), false, without, (&mut far, &mut changed));
            steps += 1;
        }
        far
    }

    /// Goes on from a stage that lies `start` generations away, and notes what that changes.
    const fn step(
        &self,
        (stage, start): (usize, i16),
        is_end: bool,
        without: u32,
        (far, changed): (&mut [i16; STAGES], &mut u32),
    ) {
        let mut e = self.first[stage];
        while e != END {
            let edge = self.edges[e as usize];
            let to = edge.to as usize;
            let left_out =
                if edge.row < QUEUED { without >> edge.row & 1 == 1 } else { is_end && edge.row == QUEUED };
            if start + edge.depth < far[to] && !left_out {
                far[to] = start + edge.depth;
                *changed |= 1 << to;
            }
            e = edge.next;
        }
    }

    /// [`Graph::distances`] from every stage, by all rows.
    pub(super) const fn all_distances(&self) -> [[i16; STAGES]; STAGES] {
        let (mut far, mut s) = ([[FAR; STAGES]; STAGES], 0);
        while s < STAGES {
            if self.first[s] != END {
                far[s] = self.distances(Stage::ALL[s], 0);
            }
            s += 1;
        }
        far
    }

    /// A stage and, where there is one, a row on a cycle of total depth 0 or less that touches this very clock.
    ///
    /// Each edge counts 64 for a generation, and a little less where it enters a stage of this clock: then a cycle is
    /// negative just if its depth is 0 or less, for it has fewer than 64 edges. Negative cycles are what never settles.
    pub(super) const fn cycle(&self, model: &Model, clock: Clock) -> Option<(Stage, Option<usize>)> {
        let (mut far, mut came) = ([0i32; STAGES], [0usize; STAGES]);
        let mut round = 0;
        loop {
            let (mut last, mut e) = (None, 0);
            while e < self.len {
                let edge = self.edges[e];
                let to = edge.to as usize;
                let toll = (model.clock[to] as u8 == clock as u8) as i32;
                let through = far[edge.from as usize] + 64 * edge.depth as i32 - toll;
                if through < far[to] {
                    far[to] = through;
                    came[to] = e;
                    last = Some(to);
                }
                e += 1;
            }
            match last {
                None => return None,
                Some(stage) if round == STAGES => return Some(self.around(&came, stage)),
                Some(_) => round += 1,
            }
        }
    }

    /// Goes back until it must be on the cycle, then once round it.
    const fn around(&self, came: &[usize; STAGES], mut stage: usize) -> (Stage, Option<usize>) {
        let mut steps = 0;
        while steps < STAGES {
            stage = self.edges[came[stage]].from as usize;
            steps += 1;
        }
        let (start, mut row) = (stage, None);
        loop {
            let edge = self.edges[came[stage]];
            if edge.row < QUEUED {
                row = Some(edge.row as usize);
            }
            stage = edge.from as usize;
            if stage == start {
                return (Stage::ALL[start], row);
            }
        }
    }
}

/// Whether a stage takes part on this clock: one that is counted more coarsely does not.
const fn counts(model: &Model, stage: usize, clock: Clock) -> bool {
    model.present[stage] && model.clock[stage] as u8 <= clock as u8
}

const fn is_finer(model: &Model, stage: usize, clock: Clock) -> bool {
    (model.clock[stage] as u8) < clock as u8
}
