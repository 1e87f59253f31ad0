//! The one place where anything waits or is recorded.
//!
//! [`Order::begin`] keeps every row that leads to a stage, [`Entered::end`] records every row that leaves it. A
//! view of a buffer is had through an [`Entered`] stage only (see `lease`), so no stage touches a buffer before
//! its waits are queued, and none touches a buffer that the table does not give it.

use std::panic::Location;
use std::time::Duration;

use device::sync::{Arc, Mutex};
use device::{Device, Lane, Mark, is_on};

use crate::Error;
use crate::run::lock;
use crate::table::{Buffer, Case, Clock, Mechanism, ROWS, Row, Stage, rows};

/// Copies of a mark: no wait reaches further back than the deepest ring.
pub(crate) const RING: usize = 8;

/// How long somebody has waited for a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waited {
    /// The row.
    pub row: &'static str,
    /// What was lacking: see [`Row::reason`].
    pub reason: &'static str,
    /// Whether a thread of the host waited, or a lane of the device.
    pub on_host: bool,
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
    /// Reached when the run has failed: nobody who could wait for ever waits any longer.
    fault: Mark,
    met: Mutex<[Met; ROWS]>,
}

/// What has come of a row.
#[derive(Clone, Copy, Default)]
struct Met {
    /// Whether it has ordered something.
    used: bool,
    /// Waits of threads, and how long they were.
    waits: u64,
    waited: Duration,
}

impl Order {
    pub(crate) fn new(device: Arc<dyn Device>, case: Case) -> Result<Order, Error> {
        let mut marks = [[Mark(0); RING]; ROWS];
        for (i, row) in rows(case) {
            match row.mechanism(case) {
                // A number that only grows: one is enough.
                Mechanism::Gate => marks[i] = [device.gate()?; RING],
                m if m.costs() => {
                    for mark in &mut marks[i] {
                        *mark = device.mark()?;
                    }
                }
                _ => {}
            }
        }
        let fault = device.mark()?;
        Ok(Order { device, case, marks, fault, met: Mutex::default() })
    }

    /// Ends every wait that may never end otherwise: the run has failed. To be called once.
    pub(crate) fn raise(&self) {
        // A device that cannot record has failed, and its waits return that.
        let _ = self.record(Lane::Producer, self.fault, 0);
    }

    /// Waits until the run has failed, at most for so long.
    pub(crate) fn wait_for_fault(&self, most: Duration) {
        // A device that cannot wait has failed: there is no better cause.
        let _ = self.device.wait_until(Lane::Producer, self.fault, 0, self.device.now() + most);
    }

    pub(crate) fn case(&self) -> Case {
        self.case
    }

    pub(crate) fn device(&self) -> &Arc<dyn Device> {
        &self.device
    }

    /// Enters a stage: whatever must come before it does, once its lane gets there.
    #[track_caller]
    pub(crate) fn begin(self: &Arc<Self>, stage: Stage, generation: u64) -> Result<Entered, Error> {
        // Hand-offs first: they are what makes the other records exist.
        self.handed(stage, generation)?;
        self.begin_handed(stage, generation)
    }

    /// The same, after [`Order::handed`].
    #[track_caller]
    pub(crate) fn begin_handed(self: &Arc<Self>, stage: Stage, generation: u64) -> Result<Entered, Error> {
        self.check_lane(stage);
        self.wait_all(stage, generation, |m| m != Mechanism::HandOff)?;
        self.note(stage, generation);
        Ok(Entered { order: self.clone(), stage, generation, at: Location::caller() })
    }

    /// What this thread does from now on belongs to a stage that it did not enter by [`Order::begin`].
    #[track_caller]
    pub(crate) fn name_it(&self, stage: Stage, generation: u64) {
        self.device.enter(stage.name(), generation, Location::caller());
    }

    /// Notes that every row that leads to a stage has ordered something.
    pub(crate) fn note(&self, to: Stage, generation: u64) {
        let mut met = lock(&self.met);
        for (i, row) in rows(self.case) {
            met[i].used |= row.to == to && generation >= u64::from(row.depth(self.case));
        }
    }

    /// Live rows that have ordered nothing so far.
    pub(crate) fn unused(&self) -> Vec<&'static str> {
        let met = *lock(&self.met);
        rows(self.case).filter(|(i, _)| !met[*i].used).map(|(_, r)| r.name).collect()
    }

    /// The declared lane of a stage is where it is submitted from: a wait or a record elsewhere would order nothing.
    fn check_lane(&self, stage: Stage) {
        let submitter = stage.submitter().lane(self.case);
        debug_assert!(stage == Stage::SinkWrite || is_on(submitter), "{stage:?} belongs on {submitter:?}");
    }

    /// Waits for what other host lanes hand to a stage, before it is known whether the stage will run.
    pub(crate) fn handed(&self, stage: Stage, generation: u64) -> Result<(), Error> {
        self.check_lane(stage);
        self.wait_all(stage, generation, |m| m == Mechanism::HandOff)
    }

    /// Waits until the row has come round for `generation`, whatever its depth: what a flush promises.
    pub(crate) fn settled(&self, name: &str, generation: u64) -> Result<(), Error> {
        // What the queue orders has happened already.
        let costs = |r: &Row| r.name == name && r.mechanism(self.case).costs();
        for (i, row) in rows(self.case).filter(|(_, r)| costs(r)) {
            self.wait_row(i, row, Lane::Producer, generation)?;
        }
        Ok(())
    }

    /// Records the rows that leave a stage on a clock other than its own, after its last step there.
    pub(crate) fn close(&self, stage: Stage, clock: Clock, generation: u64) -> Result<(), Error> {
        self.check_lane(stage);
        let mut ended = Ok(());
        for (i, row) in rows(self.case) {
            if row.from == stage && row.clock == clock && row.mechanism(self.case).costs() {
                let mark = self.marks[i][generation as usize % RING];
                // One that fails must not keep the others, a gate among them, from being recorded.
                ended = ended.and(self.device.record(stage.lane(self.case), mark, generation));
            }
        }
        Ok(ended?)
    }

    /// Records what ends a wait for ever. What fails is tried once more, and has failed all the same: the run ends, but
    /// who sleeps until it is recorded would sleep on, and hold every buffer.
    pub(crate) fn record(&self, lane: Lane, mark: Mark, generation: u64) -> Result<(), device::Error> {
        self.device.record(lane, mark, generation).inspect_err(|_| {
            let _ = self.device.record(lane, mark, generation);
        })
    }

    /// How long somebody has waited, row by row.
    pub(crate) fn waited(&self) -> Vec<Waited> {
        let met = *lock(&self.met);
        let all = rows(self.case).filter(|(_, r)| r.mechanism(self.case).costs());
        let describe = |(i, row): (usize, Row)| {
            let host = row.to.lane(self.case).is_host();
            let (count, time) = if host { (met[i].waits, met[i].waited) } else { self.parked(i)? };
            let reason = row.reason(self.case);
            Some(Waited { row: row.name, reason, on_host: host, count, time })
        };
        all.filter_map(describe).filter(|w| w.count > 0).collect()
    }

    /// Waits of device lanes for a row; `None` where the device cannot say.
    fn parked(&self, row: usize) -> Option<(u64, Duration)> {
        let same = self.marks[row][0] == self.marks[row][1];
        let marks = if same { &self.marks[row][..1] } else { &self.marks[row][..] };
        marks.iter().try_fold((0, Duration::ZERO), |(n, t), mark| {
            let (count, time) = self.device.parked(*mark)?;
            Some((n + count, t + time))
        })
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

    fn wait_row(&self, i: usize, row: Row, lane: Lane, generation: u64) -> Result<(), Error> {
        let mark = self.marks[i][generation as usize % RING];
        if !lane.is_host() {
            return Ok(self.device.wait(lane, mark, generation)?);
        }
        let start = self.device.now();
        // After a failure the producer takes nothing more, and a store need not answer: neither waits any longer. The
        // courier does, for hand-offs: what was kicked is given back, slot by slot.
        let ended = if lane == Lane::Producer || row.from == Stage::SinkWrite {
            self.wait_unless_failed(lane, mark, generation)
        } else {
            self.device.wait(lane, mark, generation).map_err(Error::from)
        };
        let took = self.device.now().saturating_sub(start);
        let mut met = lock(&self.met);
        met[i].waits += 1;
        met[i].waited += took;
        ended
    }

    /// Waits for what may never come after a failure: at most until the run has failed.
    pub(crate) fn wait_unless_failed(&self, lane: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        let ends = self.device.wait_either(lane, (mark, generation), (self.fault, 0))?;
        if ends { Ok(()) } else { Err(Error::Stopped) }
    }
}

/// A stage whose waits are queued.
#[must_use = "a stage that is not ended records nothing, and whoever waits for it waits for ever"]
pub struct Entered {
    order: Arc<Order>,
    stage: Stage,
    generation: u64,
    /// Where in the source it was entered.
    at: &'static Location<'static>,
}

impl Entered {
    /// Ends the stage: records what leaves it on its own clock.
    pub(crate) fn end(self) -> Result<(), Error> {
        self.order.close(self.stage, self.stage.clock(), self.generation)
    }

    /// Tells the device which stage the work belongs to that is queued now: stages of several lanes are queued in turn.
    pub(crate) fn name_it(&self) {
        self.order.device.enter(self.stage.name(), self.generation, self.at);
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn reads(&self, buffer: Buffer) -> bool {
        let (reads, writes) = self.stage.uses(self.order.case);
        reads.contains(&buffer) || writes.contains(&buffer)
    }

    pub(crate) fn writes(&self, buffer: Buffer) -> bool {
        let case = self.order.case;
        let due = !self.stage.writes_once() || self.generation < u64::from(buffer.copies(case).1);
        due && self.stage.uses(case).1.contains(&buffer)
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use device::on;
    use plan::{Memory, Mode};

    fn order() -> Arc<Order> {
        let device = Arc::new(host::Host::open(1).unwrap());
        let case = Case {
            mode: Mode::Pipelined,
            slots: 2,
            memory: Memory::Host,
            compressed: false,
            aligned: false,
            pyramid: false,
        };
        Arc::new(Order::new(device, case).unwrap())
    }

    #[test]
    #[cfg(debug_assertions)]
    fn a_stage_is_entered_and_ended_on_its_own_lane() {
        let order = order();
        let enter = |lane: Option<Lane>| {
            let _lane = lane.map(on);
            let act = || order.begin(Stage::Fill, 0).and_then(Entered::end).unwrap();
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).is_ok()
        };
        assert!(!enter(None), "no lane at all");
        assert!(!enter(Some(Lane::Courier)), "another lane");
        assert!(enter(Some(Lane::Producer)));
        assert!(!enter(None), "the lane was left");
    }

    #[test]
    fn a_row_is_used_when_something_waited_for_it() {
        let order = order();
        let _lane = on(Lane::Producer);
        let unused = || order.unused().contains(&"staging_free");
        for generation in 0..2 {
            order.begin(Stage::Fill, generation).unwrap().end().unwrap();
            order.begin(Stage::Scatter, generation).unwrap().end().unwrap();
            assert!(unused(), "the ring has not come round");
        }
        order.begin(Stage::Fill, 2).unwrap().end().unwrap();
        assert!(!unused());
        assert!(order.unused().contains(&"sunk"));
    }

    #[test]
    fn a_failure_ends_a_wait_for_a_store_that_never_answers() {
        let order = order();
        let (device, waiting) = (order.device().clone(), order.clone());
        let thread = device.spawn(
            "waits",
            Box::new(move || {
                let _lane = on(Lane::Producer);
                assert!(matches!(waiting.settled("sunk", 0), Err(Error::Stopped)));
            }),
        );
        order.raise();
        thread.unwrap().join().unwrap();
    }
}
