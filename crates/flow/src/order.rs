//! The one place where anything waits or is recorded.
//!
//! [`Order::begin`] keeps every row that leads to a stage, [`Entered::end`] records every row that leaves it. A
//! view of a buffer is had through an [`Entered`] stage only (see `lease`), so no stage touches a buffer before
//! its waits are queued, and none touches a buffer that the table does not give it.

use device::sync::{Arc, Mutex};
use device::{Device, Mark};
use std::time::Duration;

use crate::Error;
use crate::table::{Buffer, Case, Clock, Mechanism, ROWS, Row, Stage, rows};

/// Copies of a mark: no wait reaches further back than the deepest ring.
const RING: usize = 8;

/// How long the host has waited for a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waited {
    /// The row.
    pub row: &'static str,
    /// Waits.
    pub count: u64,
    /// Time blocked.
    pub time: Duration,
}

/// The live rows of a run, with their marks.
pub(crate) struct Order {
    device: Arc<dyn Device>,
    case: Case,
    marks: [[Mark; RING]; ROWS],
    waited: Mutex<[Waited; ROWS]>,
}

impl Order {
    pub(crate) fn new(device: Arc<dyn Device>, case: Case) -> Result<Order, Error> {
        let mut marks = [[Mark(0); RING]; ROWS];
        for (i, row) in rows(case) {
            if row.mechanism(case).costs() {
                for mark in &mut marks[i] {
                    *mark = device.mark()?;
                }
            }
        }
        Ok(Order { device, case, marks, waited: Mutex::default() })
    }

    pub(crate) fn case(&self) -> Case {
        self.case
    }

    pub(crate) fn device(&self) -> &Arc<dyn Device> {
        &self.device
    }

    /// Enters a stage: whatever must come before it does, once its lane gets there.
    pub(crate) fn begin(self: &Arc<Self>, stage: Stage, generation: u64) -> Result<Entered, Error> {
        // Hand-offs first: they are what makes the other records exist.
        self.handed(stage, generation)?;
        self.begin_handed(stage, generation)
    }

    /// The same, after [`Order::handed`].
    pub(crate) fn begin_handed(self: &Arc<Self>, stage: Stage, generation: u64) -> Result<Entered, Error> {
        self.wait_all(stage, generation, |m| m != Mechanism::HandOff)?;
        Ok(Entered { order: self.clone(), stage, generation })
    }

    /// Waits for what other host lanes hand to a stage, before it is known whether the stage will run.
    pub(crate) fn handed(&self, stage: Stage, generation: u64) -> Result<(), Error> {
        self.wait_all(stage, generation, |m| m == Mechanism::HandOff)
    }

    /// Waits until the row has come round for `generation`, whatever its depth: what a flush promises.
    pub(crate) fn settled(&self, name: &str, generation: u64) -> Result<(), Error> {
        // What the queue orders has happened already.
        let costs = |r: &Row| r.name == name && r.mechanism(self.case).costs();
        for (i, row) in rows(self.case).filter(|(_, r)| costs(r)) {
            self.wait_row(i, row, device::Lane::Producer, generation)?;
        }
        Ok(())
    }

    /// Records the rows that leave a stage on a clock other than its own, after its last step there.
    pub(crate) fn close(&self, stage: Stage, clock: Clock, generation: u64) -> Result<(), Error> {
        for (i, row) in rows(self.case) {
            if row.from == stage && row.clock == clock && row.mechanism(self.case).costs() {
                let mark = self.marks[i][generation as usize % RING];
                self.device.record(stage.lane(self.case), mark, generation)?;
            }
        }
        Ok(())
    }

    /// How long the host has waited, row by row.
    pub(crate) fn waited(&self) -> Vec<Waited> {
        let waited = self.waited.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        waited.iter().filter(|w| w.count > 0).copied().collect()
    }

    fn wait_all(&self, to: Stage, generation: u64, which: fn(Mechanism) -> bool) -> Result<(), Error> {
        for (i, row) in rows(self.case) {
            if row.to != to || !row.mechanism(self.case).costs() || !which(row.mechanism(self.case)) {
                continue;
            }
            // Generations before the first use of a ring have nothing to wait for.
            if let Some(before) = generation.checked_sub(u64::from(row.depth(self.case))) {
                self.wait_row(i, row, to.lane(self.case), before)?;
            }
        }
        Ok(())
    }

    fn wait_row(&self, i: usize, row: Row, lane: device::Lane, generation: u64) -> Result<(), Error> {
        let mark = self.marks[i][generation as usize % RING];
        let start = self.device.now();
        self.device.wait(lane, mark, generation)?;
        if lane.is_host() {
            let mut waited = self.waited.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            waited[i].row = row.name;
            waited[i].count += 1;
            waited[i].time += self.device.now().saturating_sub(start);
        }
        Ok(())
    }
}

/// A stage whose waits are queued.
#[must_use = "a stage that is not ended records nothing, and whoever waits for it waits for ever"]
pub(crate) struct Entered {
    order: Arc<Order>,
    stage: Stage,
    generation: u64,
}

impl Entered {
    /// Ends the stage: records what leaves it on its own clock.
    pub(crate) fn end(self) -> Result<(), Error> {
        self.order.close(self.stage, self.stage.clock(), self.generation)
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn reads(&self, buffer: Buffer) -> bool {
        let (reads, writes) = self.stage.uses(self.order.case);
        reads.contains(&buffer) || writes.contains(&buffer)
    }

    pub(crate) fn writes(&self, buffer: Buffer) -> bool {
        self.stage.uses(self.order.case).1.contains(&buffer)
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }
}
