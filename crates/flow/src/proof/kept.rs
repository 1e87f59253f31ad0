//! How a row must be kept, from the order of calls.

use device::Lane;

use super::checks::Checker;
use super::order::surely_before;
use super::variant::RULES;
use crate::order::RING;
use crate::table::{Mechanism, Row, Stage};

impl Checker {
    /// What the order of calls says, without the rows whose bits are set; `None` where the row cannot be kept.
    pub(super) const fn mechanism(&self, i: usize, row: Row, without: u32) -> Option<Mechanism> {
        let (m, from, to) = (&self.model, row.from as usize, row.to as usize);
        let sink = matches!(m.lane[from], Lane::Sink);
        if m.lane[from] as u8 == m.lane[to] as u8 && !sink {
            let ordered = m.called_together(from, to) && surely_before(m, from, to) <= m.depth[i];
            return if ordered { Some(Mechanism::Queue) } else { None };
        }
        // The store waits for nobody: what it is given has been handed to it.
        let waits_on_host = m.lane[to].is_host() && !matches!(m.lane[to], Lane::Sink);
        match (m.lane[from], waits_on_host) {
            // What the host records is a number: a thread waits for it whether or not it is there.
            (Lane::Producer | Lane::Courier, true) => Some(Mechanism::HandOff),
            (Lane::Sink, true) => Some(Mechanism::HostWait),
            (Lane::Producer | Lane::Courier, false) if self.is_recorded(i, row, without) => {
                Some(Mechanism::Call)
            }
            (Lane::Producer | Lane::Courier, false) if !matches!(m.lane[to], Lane::Sink) => {
                Some(Mechanism::Gate)
            }
            (Lane::Producer | Lane::Courier | Lane::Sink, false) => None,
            (_, _) if !self.is_recorded(i, row, without) => None,
            (_, true) => Some(Mechanism::HostWait),
            (_, false) => Some(Mechanism::Event),
        }
    }

    /// The same for misplaced work: how rows are kept is given, and what a lane records must be queued before the call
    /// that waits for it.
    pub(super) const fn is_kept_as_declared(&self, i: usize, row: Row) -> bool {
        let by_lane = !self.model.lane[row.from as usize].is_host();
        match self.model.declared(row) {
            Mechanism::Event | Mechanism::HostWait => !by_lane || self.is_recorded(i, row, 0),
            _ => true,
        }
    }

    /// Whether `from` was queued, and with it its record, before the call that waits for it.
    const fn is_recorded(&self, i: usize, row: Row, without: u32) -> bool {
        let (m, by, then) = (&self.model, row.from.submitter(), row.to.submitter());
        if by as u8 == then as u8 {
            return surely_before(m, row.from as usize, row.to as usize) <= m.depth[i];
        }
        let without = without | 1 << i | self.other_waits(row.to);
        self.sure[row.clock as usize].distances(by, without)[then as usize] <= m.depth[i]
    }

    /// Rows that a host stage waits for at its beginning: none of them makes the record of another exist, whatever their
    /// order there. Hand-offs come before all of them.
    const fn other_waits(&self, to: Stage) -> u32 {
        let (mut waits, mut i) = (0, 0);
        while i < RULES {
            if let Some(row) = self.model.rows[i]
                && row.to as u8 == to as u8
                && matches!(self.model.declared(row), Mechanism::HostWait)
            {
                waits |= 1 << i;
            }
            i += 1;
        }
        waits
    }

    /// Whether the wait is called before the mark comes round to a generation that shares it. A gate has one mark,
    /// whose number only grows.
    pub(super) const fn is_called_in_time(&self, i: usize, row: Row) -> bool {
        if matches!(self.model.declared(row), Mechanism::Gate) {
            return true;
        }
        let (by, then) = (row.from.submitter(), row.to.submitter());
        let until = if by as u8 == then as u8 {
            surely_before(&self.model, row.to as usize, row.from as usize)
        } else {
            self.far[row.clock as usize][then as usize][by as usize]
        };
        until <= RING as i16 - self.model.depth[i]
    }
}
