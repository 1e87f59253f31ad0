//! The checks of one variant, one after another: each relies on those before it.

use plan::Mode;

use super::fault::Fault;
use super::graph::{Graph, View};
use super::order::Drains;
use super::variant::{Model, RULES, STAGES, Variant};
use crate::table::{Buffer, Clock, Mechanism, Stage};

/// A variant with what holds in it, clock by clock.
pub(super) struct Checker {
    pub(super) model: Model,
    pub(super) sure: [Graph; Clock::ALL.len()],
    /// Generations from stage to stage, by what holds.
    pub(super) far: [[[i16; STAGES]; STAGES]; Clock::ALL.len()],
}

impl Checker {
    pub(super) const fn of(variant: Variant) -> Checker {
        let model = Model::of(variant);
        let dispatch = Graph::new(&model, Clock::Dispatch, View::Sure);
        let batch = Graph::new(&model, Clock::Batch, View::Sure);
        let far = [dispatch.all_distances(), batch.all_distances()];
        Checker { model, sure: [dispatch, batch], far }
    }

    pub(super) const fn first_fault(&self) -> Option<Fault> {
        if let Some(fault) = self.ill_formed() {
            return Some(fault);
        }
        if let Some(fault) = self.cycle() {
            return Some(fault);
        }
        if self.model.is_misplaced {
            return self.fault_of_misplaced();
        }
        if let Some(fault) = self.submitters() {
            return Some(fault);
        }
        if let Some(fault) = self.unkept() {
            return Some(fault);
        }
        if let Some(fault) = self.hole() {
            return Some(fault);
        }
        self.implied()
    }

    /// What is wrong with misplaced work: what a run could show goes before the rule that one host lane feeds a lane, and
    /// rows that have become needless do no harm.
    const fn fault_of_misplaced(&self) -> Option<Fault> {
        let mut i = 0;
        while i < RULES {
            if let Some(row) = self.model.rows[i] {
                if !self.is_kept_as_declared(i, row) {
                    return Some(Fault::Unrecorded { row: row.name });
                }
                if self.model.declared(row).costs() && !self.is_called_in_time(i, row) {
                    return Some(Fault::Overtaken { row: row.name });
                }
            }
            i += 1;
        }
        if let Some(fault) = self.hole() {
            return Some(fault);
        }
        self.submitters()
    }

    /// Rows between stages that do not exist, or counted more finely than their stages.
    const fn ill_formed(&self) -> Option<Fault> {
        let (m, mut i) = (&self.model, 0);
        while i < RULES {
            if let Some(row) = m.rows[i] {
                let stage = if m.present[row.from as usize] { row.to } else { row.from };
                if !m.present[stage as usize] {
                    return Some(Fault::Absent { row: row.name, stage });
                }
                let fine = row.clock as u8;
                let stage = if m.clock[row.from as usize] as u8 > fine { row.from } else { row.to };
                if m.clock[stage as usize] as u8 > fine {
                    return Some(Fault::Clock { row: row.name, stage });
                }
            }
            i += 1;
        }
        None
    }

    /// Circles of waits, clock by clock, drained as early and as late as may be.
    const fn cycle(&self) -> Option<Fault> {
        let mut c = 0;
        while c < Clock::ALL.len() {
            let clock = Clock::ALL[c];
            let mut found = self.cycle_of(clock, Drains::Early);
            // Elsewhere the former has all edges of the latter, and those of a flush.
            let differs =
                matches!(self.model.case.mode, Mode::DrainBeforeKick) || self.submitters().is_some();
            if found.is_none() && differs {
                found = self.cycle_of(clock, Drains::Late);
            }
            if let Some((stage, row)) = found {
                return Some(Fault::Cycle { stage, row: self.name(row) });
            }
            c += 1;
        }
        None
    }

    const fn cycle_of(&self, clock: Clock, drains: Drains) -> Option<(Stage, Option<usize>)> {
        Graph::new(&self.model, clock, View::Waits(drains)).cycle(&self.model, clock)
    }

    const fn name(&self, row: Option<usize>) -> Option<&'static str> {
        if let Some(i) = row
            && let Some(row) = self.model.rows[i]
        {
            return Some(row.name);
        }
        None
    }

    /// Device lanes that two host lanes feed.
    const fn submitters(&self) -> Option<Fault> {
        let (m, mut a) = (&self.model, 0);
        while a < STAGES {
            let mut b = a + 1;
            while b < STAGES && m.present[a] && !m.lane[a].is_host() {
                let shared = m.present[b] && m.lane[a] as u8 == m.lane[b] as u8;
                if shared && !m.called_together(a, b) {
                    let (first, second) = (Stage::ALL[a], Stage::ALL[b]);
                    return Some(Fault::Submitters { lane: m.lane[a], first, second });
                }
                b += 1;
            }
            a += 1;
        }
        None
    }

    /// Rows that cannot be kept, or not as the table says.
    const fn unkept(&self) -> Option<Fault> {
        let mut i = 0;
        while i < RULES {
            if let Some(row) = self.model.rows[i] {
                let (name, kept) = (row.name, self.model.declared(row));
                let Some(needed) = self.mechanism(i, row, 0) else {
                    return Some(Fault::Unrecorded { row: name });
                };
                if kept as u8 != needed as u8 {
                    return Some(Fault::Mechanism { row: name, kept, needed });
                }
                if matches!(kept, Mechanism::Gate) && !matches!(self.model.case.mode, Mode::Pipelined) {
                    return Some(Fault::Gate { row: name });
                }
                if kept.costs() && !self.is_called_in_time(i, row) {
                    return Some(Fault::Overtaken { row: name });
                }
            }
            i += 1;
        }
        None
    }

    /// Two uses of a buffer that nothing orders.
    const fn hole(&self) -> Option<Fault> {
        let mut b = 0;
        while b < Buffer::ALL.len() {
            let (buffer, mut w) = (Buffer::ALL[b], 0);
            while w < STAGES {
                let mut o = 0;
                while o < STAGES && self.writes(w, buffer) {
                    if let Some(again) = self.clash(buffer, w, o) {
                        let (writer, other) = (Stage::ALL[w], Stage::ALL[o]);
                        return Some(Fault::Hole { buffer, writer, other, again });
                    }
                    o += 1;
                }
                w += 1;
            }
            b += 1;
        }
        None
    }

    /// Rows that cost an operation and follow from the others: nothing is less ordered without them, and every other
    /// row is kept as before.
    const fn implied(&self) -> Option<Fault> {
        let mut i = 0;
        while i < RULES {
            if let Some(row) = self.model.rows[i]
                && self.model.declared(row).costs()
            {
                let left = self.sure[row.clock as usize].distances(row.from, 1 << i);
                let implied = left[row.to as usize] <= self.model.depth[i];
                if implied && !self.is_needed_by_others(i) {
                    return Some(Fault::Implied { row: row.name });
                }
            }
            i += 1;
        }
        None
    }

    /// Whether another row would be kept otherwise without this one.
    const fn is_needed_by_others(&self, i: usize) -> bool {
        let mut j = 0;
        while j < RULES {
            if j != i
                && let Some(row) = self.model.rows[j]
            {
                let kept = self.mechanism(j, row, 1 << i);
                if !matches!(kept, Some(k) if k as u8 == self.model.declared(row) as u8) {
                    return true;
                }
            }
            j += 1;
        }
        false
    }
}
