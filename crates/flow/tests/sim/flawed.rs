//! The simulated device with one flaw: one row of the table is not kept as it says.
//!
//! The orchestration asks for the marks of its rows in the order of the table, so that a device can tell which row a
//! wait or a record is for; the orchestration itself runs unchanged.

use std::panic::Location;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use device::{
    AggregateJob, Busy, CopyJob, Device, Encoder, Error, FillJob, Home, HostThread, Lane, Mark, Region,
    ScatterJob,
};
use forebay_flow::table::{Case, Mechanism, rows};
use plan::{Codec, Memory};
use sim::Sim;

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Nobody waits for it.
    Dropped,
    /// It is waited for a generation too early: the ring would be one longer than it is.
    Looser,
    /// It is waited for a generation too late: the ring would be one shorter than it is.
    Tighter,
    /// It is recorded before the work.
    Early,
    /// A gate is opened twice.
    Twice,
    /// A gate is opened for every second generation only.
    Never,
}

/// A device that keeps all rows but some.
pub(crate) struct Flawed {
    sim: Sim,
    flaw: Option<Flaw>,
    flawed: Vec<&'static str>,
    /// Rows whose marks are still asked for, with how many.
    expected: Mutex<Vec<(&'static str, usize)>>,
    /// Row and slot of each mark.
    known: Mutex<Vec<(Mark, &'static str, usize)>>,
}

/// Marks of a row: see `order`.
const RING: usize = 8;

impl Flawed {
    pub(crate) fn new(sim: Sim, case: Case, flaw: Option<Flaw>, flawed: Vec<&'static str>) -> Flawed {
        let costs = rows(case).filter(|(_, r)| r.mechanism(case).costs());
        let count = |m: Mechanism| if m == Mechanism::Gate { 1 } else { RING };
        let mut expected: Vec<_> = costs.map(|(_, r)| (r.name, count(r.mechanism(case)))).collect();
        expected.reverse();
        Flawed { sim, flaw, flawed, expected: Mutex::new(expected), known: Mutex::default() }
    }

    /// Remembers the row that a new mark is for.
    fn learn(&self, mark: Mark) -> Mark {
        let mut expected = self.expected.lock().unwrap();
        if let Some((row, left)) = expected.last_mut() {
            let mut known = self.known.lock().unwrap();
            let slot = known.iter().filter(|(_, r, _)| r == row).count();
            known.push((mark, *row, slot));
            *left -= 1;
            if *left == 0 {
                expected.pop();
            }
        }
        mark
    }

    /// The flaw of a mark's row.
    fn flaw_of(&self, mark: Mark) -> Option<(Flaw, &'static str)> {
        let known = self.known.lock().unwrap();
        let row = known.iter().find(|(m, _, _)| *m == mark)?.1;
        self.flaw.filter(|_| self.flawed.contains(&row)).map(|f| (f, row))
    }

    /// The mark of another generation of a row.
    fn mark_of(&self, row: &str, generation: u64) -> Mark {
        let known = self.known.lock().unwrap();
        let slots: Vec<_> = known.iter().filter(|(_, r, _)| *r == row).collect();
        slots[generation as usize % slots.len()].0
    }

    /// What is waited for instead; nothing where the wait is left out.
    fn instead(&self, mark: Mark, generation: u64) -> Option<(Mark, u64)> {
        match self.flaw_of(mark) {
            Some((Flaw::Dropped, _)) => None,
            Some((Flaw::Looser, row)) => generation.checked_sub(1).map(|g| (self.mark_of(row, g), g)),
            Some((Flaw::Tighter, row)) => Some((self.mark_of(row, generation + 1), generation + 1)),
            _ => Some((mark, generation)),
        }
    }
}

impl Device for Flawed {
    fn mark(&self) -> Result<Mark, Error> {
        Ok(self.learn(self.sim.mark()?))
    }

    fn gate(&self) -> Result<Mark, Error> {
        Ok(self.learn(self.sim.gate()?))
    }

    fn record(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        match self.flaw_of(mark) {
            Some((Flaw::Early, _)) if !on.is_host() => self.sim.record_early(on, mark, generation),
            Some((Flaw::Never, _)) if generation % 2 == 1 => Ok(()),
            Some((Flaw::Twice, _)) => {
                self.sim.record(on, mark, generation * 2)?;
                self.sim.record(on, mark, generation * 2 + 1)
            }
            _ => self.sim.record(on, mark, generation),
        }
    }

    fn wait(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        match self.instead(mark, generation) {
            Some((mark, generation)) => self.sim.wait(on, mark, generation),
            None => Ok(()),
        }
    }

    fn wait_either(&self, on: Lane, first: (Mark, u64), or: (Mark, u64)) -> Result<bool, Error> {
        match self.instead(first.0, first.1) {
            Some(first) => self.sim.wait_either(on, first, or),
            None => Ok(true),
        }
    }

    fn name(&self) -> String {
        self.sim.name()
    }

    fn memory(&self) -> Memory {
        self.sim.memory()
    }

    fn has_gate(&self) -> bool {
        self.sim.has_gate()
    }

    fn allocate(&self, home: Home, bytes: usize) -> Result<Region, Error> {
        self.sim.allocate(home, bytes)
    }

    fn register(&self, bytes: Vec<u8>) -> Result<Region, Error> {
        self.sim.register(bytes)
    }

    fn wait_until(&self, on: Lane, mark: Mark, generation: u64, deadline: Duration) -> Result<bool, Error> {
        self.sim.wait_until(on, mark, generation, deadline)
    }

    fn parked(&self, mark: Mark) -> Option<(u64, Duration)> {
        self.sim.parked(mark)
    }

    fn enter(&self, stage: &'static str, generation: u64, at: &'static Location<'static>) {
        self.sim.enter(stage, generation, at);
    }

    fn copy(&self, on: Lane, job: CopyJob<'_>) -> Result<(), Error> {
        self.sim.copy(on, job)
    }

    fn fill(&self, on: Lane, job: FillJob<'_>) -> Result<(), Error> {
        self.sim.fill(on, job)
    }

    fn scatter(&self, on: Lane, job: ScatterJob<'_>) -> Result<(), Error> {
        self.sim.scatter(on, job)
    }

    fn aggregate(&self, on: Lane, job: AggregateJob<'_>) -> Result<(), Error> {
        self.sim.aggregate(on, job)
    }

    fn prepare(&self, codec: &Codec, chunk: usize, element: usize) -> Result<Arc<dyn Encoder>, Error> {
        self.sim.prepare(codec, chunk, element)
    }

    fn synchronize(&self) -> Result<(), Error> {
        self.sim.synchronize()
    }

    fn spawn(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> Result<Box<dyn HostThread>, Error> {
        self.sim.spawn(name, body)
    }

    fn now(&self) -> Duration {
        self.sim.now()
    }

    fn busy(&self) -> Vec<Busy> {
        self.sim.busy()
    }
}
