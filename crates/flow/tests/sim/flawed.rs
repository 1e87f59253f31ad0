//! The simulated device with something wrong: a row of the table that is not kept as it says, work on another lane, a
//! call that fails.
//!
//! The orchestration asks for the marks of its rows in the order of the table, so that a device can tell which row a
//! wait or a record is for; the orchestration itself runs unchanged.

use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use device::{
    AggregateJob, Busy, CopyJob, Device, Encoder, Error, FillJob, Home, HostThread, Lane, Mark, Operation,
    Region, ScatterJob,
};
use forebay_flow::table::{Case, Mechanism, rows};
use plan::{Codec, Memory};
use sim::Sim;

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Nobody waits for it.
    Dropped,
    /// Another slot is waited for, that of the generation before: the ring would be one longer than it is.
    Looser,
    /// It is waited for a generation too late: the ring would be one shorter than it is.
    Tighter,
    /// A lane records it before the work.
    Early,
    /// The host records it for the generation after as well.
    Ahead,
    /// A gate is opened twice for each generation.
    Twice,
    /// A gate is opened for every second generation only.
    Never,
}

/// What is wrong with a device.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wrong {
    /// Rows that are not kept as the table says.
    pub(crate) flaw: Option<(Flaw, Vec<&'static str>)>,
    /// All work of one lane is queued on another.
    pub(crate) moved: Option<(Lane, Lane)>,
    /// The call of this number fails.
    pub(crate) fails: Option<u64>,
}

/// A simulated device with something wrong, or with nothing.
pub(crate) struct Flawed {
    sim: Sim,
    wrong: Wrong,
    /// Rows whose marks are still asked for, with how many.
    expected: Mutex<Vec<(&'static str, usize)>>,
    /// Row and slot of each mark.
    known: Mutex<Vec<(Mark, &'static str, usize)>>,
    seen: Arc<Seen>,
}

/// What was seen of a run.
#[derive(Default)]
pub(crate) struct Seen {
    /// Calls so far.
    pub(crate) calls: AtomicU64,
    /// Waits for flawed rows that were not met when they were called.
    pub(crate) blocked: AtomicU64,
    /// Generations for which the gate was opened.
    pub(crate) opened: Mutex<Vec<u64>>,
    /// Generations for which a lane was told to wait for the gate.
    pub(crate) armed: Mutex<Vec<u64>>,
}

/// Marks of a row: see `order`.
const RING: usize = 8;
/// The row of the gate.
const GATE: &str = "tail_published";

impl Flawed {
    pub(crate) fn new(sim: Sim, case: Case, wrong: Wrong) -> (Flawed, Arc<Seen>) {
        let costs = rows(case).filter(|(_, r)| r.mechanism(case).costs());
        let count = |m: Mechanism| if m == Mechanism::Gate { 1 } else { RING };
        let mut expected: Vec<_> = costs.map(|(_, r)| (r.name, count(r.mechanism(case)))).collect();
        expected.reverse();
        let seen = Arc::new(Seen::default());
        let known = Mutex::default();
        (Flawed { sim, wrong, expected: Mutex::new(expected), known, seen: seen.clone() }, seen)
    }

    /// Counts a call; whether it is the one that fails.
    fn call(&self, what: &str) -> Result<(), Error> {
        let number = self.seen.calls.fetch_add(1, Ordering::Relaxed);
        if self.wrong.fails == Some(number) {
            // What a wait that fails should have ordered is never delivered; only, nobody may hang or lie.
            if what.starts_with("wait") {
                self.sim.forgive();
            }
            return Err(Error::new(Operation::Wait, format!("injected into {what}")));
        }
        Ok(())
    }

    /// The lane that work really goes to.
    fn lane(&self, on: Lane) -> Lane {
        self.wrong.moved.filter(|(from, _)| *from == on).map_or(on, |(_, to)| to)
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

    fn row_of(&self, mark: Mark) -> Option<&'static str> {
        self.known.lock().unwrap().iter().find(|(m, _, _)| *m == mark).map(|(_, row, _)| *row)
    }

    /// The flaw of a mark's row.
    fn flaw_of(&self, mark: Mark) -> Option<(Flaw, &'static str)> {
        let row = self.row_of(mark)?;
        let (flaw, rows) = self.wrong.flaw.as_ref()?;
        rows.contains(&row).then_some((*flaw, row))
    }

    /// The mark of another generation of a row.
    fn mark_of(&self, row: &str, generation: u64) -> Mark {
        let known = self.known.lock().unwrap();
        let slots: Vec<_> = known.iter().filter(|(_, r, _)| *r == row).collect();
        slots[generation as usize % slots.len()].0
    }

    /// What is waited for instead; nothing where the wait is left out.
    fn instead(&self, mark: Mark, generation: u64) -> Option<(Mark, u64)> {
        let flaw = self.flaw_of(mark);
        let wait = match flaw {
            Some((Flaw::Dropped, _)) => None,
            Some((Flaw::Looser, row)) => generation.checked_sub(1).map(|g| (self.mark_of(row, g), g)),
            Some((Flaw::Tighter, row)) => Some((self.mark_of(row, generation + 1), generation + 1)),
            _ => Some((mark, generation)),
        };
        if let (Some(_), Some((mark, generation))) = (flaw, wait) {
            let blocks = u64::from(!self.sim.is_reached(mark, generation));
            self.seen.blocked.fetch_add(blocks, Ordering::Relaxed);
        }
        wait
    }

    fn record_ahead(&self, on: Lane, row: &str, generation: u64) -> Result<(), Error> {
        if generation == 0 {
            self.sim.record(on, self.mark_of(row, 0), 0)?;
        }
        self.sim.record(on, self.mark_of(row, generation + 1), generation + 1)
    }
}

impl Device for Flawed {
    fn mark(&self) -> Result<Mark, Error> {
        self.call("mark")?;
        Ok(self.learn(self.sim.mark()?))
    }

    fn gate(&self) -> Result<Mark, Error> {
        self.call("gate")?;
        Ok(self.learn(self.sim.gate()?))
    }

    fn record(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        // An opening that fails in the device was asked for all the same.
        if self.row_of(mark) == Some(GATE) {
            self.seen.opened.lock().unwrap().push(generation);
        }
        self.call("record")?;
        let on = self.lane(on);
        match self.flaw_of(mark) {
            Some((Flaw::Early, _)) if !on.is_host() => self.sim.record_early(on, mark, generation),
            Some((Flaw::Ahead, row)) => self.record_ahead(on, row, generation),
            Some((Flaw::Never, _)) if generation % 2 == 1 => Ok(()),
            Some((Flaw::Twice, _)) => {
                self.sim.record(on, mark, generation * 2)?;
                self.sim.record(on, mark, generation * 2 + 1)
            }
            _ => self.sim.record(on, mark, generation),
        }
    }

    fn wait(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        self.call("wait")?;
        let on = self.lane(on);
        if self.row_of(mark) == Some(GATE) {
            self.seen.armed.lock().unwrap().push(generation);
        }
        match self.instead(mark, generation) {
            Some((mark, generation)) => self.sim.wait(on, mark, generation),
            None => Ok(()),
        }
    }

    fn wait_either(&self, on: Lane, first: (Mark, u64), or: (Mark, u64)) -> Result<bool, Error> {
        self.call("wait_either")?;
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
        self.call("allocate")?;
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
        self.call("copy")?;
        self.sim.copy(self.lane(on), job)
    }

    fn fill(&self, on: Lane, job: FillJob<'_>) -> Result<(), Error> {
        self.call("fill")?;
        self.sim.fill(self.lane(on), job)
    }

    fn scatter(&self, on: Lane, job: ScatterJob<'_>) -> Result<(), Error> {
        self.call("scatter")?;
        self.sim.scatter(self.lane(on), job)
    }

    fn aggregate(&self, on: Lane, job: AggregateJob<'_>) -> Result<(), Error> {
        self.call("aggregate")?;
        self.sim.aggregate(self.lane(on), job)
    }

    fn prepare(
        &self,
        codec: &Codec,
        chunks: u64,
        chunk: usize,
        element: usize,
    ) -> Result<Arc<dyn Encoder>, Error> {
        self.call("prepare")?;
        self.sim.prepare(codec, chunks, chunk, element)
    }

    fn synchronize(&self) -> Result<(), Error> {
        self.sim.synchronize()
    }

    fn spawn(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> Result<Box<dyn HostThread>, Error> {
        self.call("spawn")?;
        self.sim.spawn(name, body)
    }

    fn now(&self) -> Duration {
        self.sim.now()
    }

    fn busy(&self) -> Vec<Busy> {
        self.sim.busy()
    }
}
