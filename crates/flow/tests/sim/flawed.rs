//! The simulated device with something wrong: a row of the table that is not kept as it says, work on another lane, a
//! call that fails.
//!
//! The orchestration asks for the marks of its rows in the order of the table, so that a device can tell which row a
//! wait or a record is for; the orchestration itself runs unchanged, and so its own checks have nothing to say.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use device::{
    AggregateJob, Busy, CopyJob, Device, EncodeJob, Encoder, Error, FillJob, Home, HostThread, Lane, Mark,
    Name, Operation, ReduceJob, Region, ScatterJob, is_on,
};
use forebay_flow::table::{Case, Mechanism, Row, Stage, rows};
use plan::{Codec, Memory};
use sim::{Moment, Sim};

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
    /// What is queued after a stage of the host by the order of calls counts as queued before that stage has begun.
    Uncalled,
    /// A gate is opened twice for each generation.
    Twice,
    /// A gate is opened for every second generation only.
    Never,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flaw::Dropped => "dropped",
            Flaw::Looser => "waited for on the wrong slot",
            Flaw::Tighter => "its depth lower by one",
            Flaw::Early => "recorded before the work",
            Flaw::Ahead => "published too early",
            Flaw::Uncalled => "called too early",
            Flaw::Twice => "published twice",
            Flaw::Never => "never published",
        })
    }
}

/// What is wrong with a device.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wrong {
    /// Rows that are not kept as the table says.
    pub(crate) flaw: Option<(Flaw, Vec<&'static str>)>,
    /// All work, waits and records of one stage are queued on another lane.
    pub(crate) misplaced: Option<(Stage, Lane)>,
    /// A row that the table has not is kept as well.
    pub(crate) added: Option<Row>,
    /// The call of this number fails.
    pub(crate) fails: Option<u64>,
}

/// What was seen of a run, up to its verdict.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    /// What was called.
    pub(crate) calls: Vec<&'static str>,
    /// Waits for flawed rows that were not met when they were called.
    pub(crate) blocked: u64,
    /// Generations that each row was recorded for: asked for, whether or not it failed in the device.
    pub(crate) recorded: Vec<(&'static str, u64)>,
    /// The record of a row that failed.
    pub(crate) refused: Option<(&'static str, u64)>,
    /// Generations for which a lane was told to wait for the gate.
    pub(crate) armed: Vec<u64>,
    /// Rows of marks.
    pub(crate) marks: Vec<(u32, &'static str)>,
    /// Stages that threads entered, in their order, with the thread's name.
    pub(crate) entered: Vec<(String, &'static str, u64)>,
}

/// Marks of a row: see `order`.
const RING: usize = 8;
/// The row of the gate.
pub(crate) const GATE: &str = "tail_published";

thread_local! {
    /// The stage that this thread works for, but for what the store does on it.
    static STAGE: Cell<(&'static str, u64)> = const { Cell::new(("", 0)) };
}

/// What the device shares with its encoder.
#[derive(Clone)]
struct Hooks {
    sim: Sim,
    case: Case,
    wrong: Arc<Wrong>,
    seen: Arc<Mutex<Seen>>,
    /// When each generation of the stage began that something is called too early for.
    begun: Arc<Mutex<BTreeMap<u64, Moment>>>,
}

impl Hooks {
    /// The row that calls come too early for.
    fn uncalled(&self) -> Option<Row> {
        let (_, named) = self.wrong.flaw.as_ref().filter(|(flaw, _)| *flaw == Flaw::Uncalled)?;
        rows(self.case).map(|(_, row)| row).find(|row| named.contains(&row.name))
    }

    fn begun(&self, generation: u64) -> Option<Moment> {
        self.begun.lock().unwrap().get(&generation).cloned()
    }

    /// Notes when a stage begins; what the store is given counts from then on as given before that.
    fn note_begin(&self, stage: &str, generation: u64) {
        let Some(row) = self.uncalled() else { return };
        if stage == row.from.name() && !is_on(Lane::Sink) {
            let moment = || self.sim.moment();
            self.begun.lock().unwrap().entry(generation).or_insert_with(moment);
        }
        if row.to == Stage::SinkWrite {
            let given = (stage == row.to.name()).then(|| self.begun(generation)).flatten();
            self.sim.queue_as_of(given.as_ref());
        }
    }

    /// Queues something for a stage: too early, where that is what is wrong with it.
    fn queue<T>(&self, stage: &str, generation: u64, queue: impl FnOnce() -> T) -> T {
        let row = self.uncalled().filter(|row| row.to.name() == stage);
        let before = row.and_then(|row| generation.checked_sub(u64::from(row.depth(self.case))));
        let Some(moment) = before.and_then(|before| self.begun(before)) else { return queue() };
        self.sim.queue_as_of(Some(&moment));
        let queued = queue();
        self.sim.queue_as_of(None);
        queued
    }

    /// Queues work of the entered stage, on the lane that it really goes to.
    fn work<T>(&self, on: Lane, queue: impl FnOnce(Lane) -> T) -> T {
        let (stage, generation) = STAGE.get();
        let lane = self.lane_of_work(on);
        self.queue(stage, generation, || queue(lane))
    }

    /// Notes something, unless the run is over: then threads go side by side.
    fn note(&self, what: impl FnOnce(&mut Seen)) {
        if !self.sim.is_over() {
            what(&mut self.seen.lock().unwrap());
        }
    }

    /// Counts a call; whether it is the one that fails.
    fn call(&self, what: &'static str) -> Result<(), Error> {
        let number = self.seen.lock().unwrap().calls.len() as u64;
        self.note(|seen| seen.calls.push(what));
        if self.wrong.fails == Some(number) {
            // What a wait that fails, or a lane that cannot record, should have ordered is never delivered; only, nobody
            // may hang or lie.
            if what.ends_with("wait") || what == "record on a lane" {
                self.sim.forgive();
            }
            return Err(Error::new(Operation::Wait, format!("injected into {what}")));
        }
        Ok(())
    }

    /// The lane that work of the entered stage really goes to.
    fn lane_of_work(&self, on: Lane) -> Lane {
        let stage = Stage::ALL.into_iter().find(|s| s.name() == STAGE.get().0);
        let stage = stage.expect("work is queued for a stage");
        assert_eq!(stage.lane(self.case), on, "{stage:?} is what this thread has entered");
        self.lane(stage, on)
    }

    fn lane(&self, stage: Stage, on: Lane) -> Lane {
        self.wrong.misplaced.filter(|(misplaced, _)| *misplaced == stage).map_or(on, |(_, to)| to)
    }
}

/// A simulated device with something wrong, or with nothing.
pub(crate) struct Flawed {
    hooks: Hooks,
    /// Rows whose marks are still asked for, with how many.
    expected: Mutex<Vec<(Row, usize)>>,
    /// Row and slot of each mark.
    known: Mutex<Vec<(Mark, Row, usize)>>,
    /// Marks of the added row.
    added: Vec<Mark>,
}

impl Flawed {
    pub(crate) fn new(sim: Sim, case: Case, wrong: Wrong) -> (Flawed, Arc<Mutex<Seen>>) {
        let costs = rows(case).filter(|(_, r)| r.mechanism(case).costs());
        let count = |m: Mechanism| if m == Mechanism::Gate { 1 } else { RING };
        let mut expected: Vec<_> = costs.map(|(_, r)| (r, count(r.mechanism(case)))).collect();
        expected.reverse();
        let marks = if wrong.added.is_some() { RING } else { 0 };
        let added = (0..marks).map(|_| sim.mark().unwrap()).collect();
        let hooks = Hooks { sim, case, wrong: Arc::new(wrong), seen: Arc::default(), begun: Arc::default() };
        let seen = hooks.seen.clone();
        (Flawed { hooks, expected: Mutex::new(expected), known: Mutex::default(), added }, seen)
    }

    fn sim(&self) -> &Sim {
        &self.hooks.sim
    }

    fn call(&self, what: &'static str) -> Result<(), Error> {
        self.hooks.call(what)
    }

    /// Remembers the row that a new mark is for.
    fn learn(&self, mark: Mark) -> Mark {
        let mut expected = self.expected.lock().unwrap();
        if let Some((row, left)) = expected.last_mut() {
            let mut known = self.known.lock().unwrap();
            let slot = known.iter().filter(|(_, r, _)| r == row).count();
            known.push((mark, *row, slot));
            self.hooks.note(|seen| seen.marks.push((mark.0, row.name)));
            *left -= 1;
            if *left == 0 {
                expected.pop();
            }
        }
        mark
    }

    fn row_of(&self, mark: Mark) -> Option<Row> {
        self.known.lock().unwrap().iter().find(|(m, _, _)| *m == mark).map(|(_, row, _)| *row)
    }

    /// The flaw of a row.
    fn flaw_of(&self, row: Row) -> Option<Flaw> {
        let (flaw, rows) = self.hooks.wrong.flaw.as_ref()?;
        rows.contains(&row.name).then_some(*flaw)
    }

    /// The mark of another generation of a row.
    fn mark_of(&self, row: Row, generation: u64) -> Mark {
        let known = self.known.lock().unwrap();
        let slots: Vec<_> = known.iter().filter(|(_, r, _)| *r == row).collect();
        slots[generation as usize % slots.len()].0
    }

    /// What is waited for instead; nothing where the wait is left out.
    fn instead(&self, mark: Mark, generation: u64) -> Option<(Mark, u64)> {
        let row = self.row_of(mark);
        let flaw = row.and_then(|row| Some((self.flaw_of(row)?, row)));
        let wait = match flaw {
            Some((Flaw::Dropped, _)) => None,
            Some((Flaw::Looser, row)) => generation.checked_sub(1).map(|g| (self.mark_of(row, g), g)),
            Some((Flaw::Tighter, row)) => Some((self.mark_of(row, generation + 1), generation + 1)),
            _ => Some((mark, generation)),
        };
        if let (Some(_), Some((mark, generation))) = (flaw, wait) {
            let blocks = u64::from(!self.sim().is_reached(mark, generation));
            self.hooks.note(|seen| seen.blocked += blocks);
        }
        wait
    }

    fn record_ahead(&self, on: Lane, row: Row, generation: u64) -> Result<(), Error> {
        if generation == 0 {
            self.sim().record(on, self.mark_of(row, 0), 0)?;
        }
        self.sim().record(on, self.mark_of(row, generation + 1), generation + 1)
    }

    fn record_flawed(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        let row = self.row_of(mark);
        match row.and_then(|row| Some((self.flaw_of(row)?, row))) {
            Some((Flaw::Early, _)) if !on.is_host() => self.sim().record_early(on, mark, generation),
            Some((Flaw::Ahead, row)) => self.record_ahead(on, row, generation),
            Some((Flaw::Never, row)) if row.name == GATE && generation % 2 == 1 => Ok(()),
            Some((Flaw::Twice, _)) => {
                self.sim().record(on, mark, generation * 2)?;
                self.sim().record(on, mark, generation * 2 + 1)
            }
            _ => self.sim().record(on, mark, generation),
        }
    }

    /// The first row that costs something and that `is` of; with it an added row is recorded, or waited for.
    fn beside(&self, row: Row, is: impl Fn(Row) -> bool) -> bool {
        let case = self.hooks.case;
        let first = rows(case).map(|(_, r)| r).find(|r| r.mechanism(case).costs() && is(*r));
        first == Some(row)
    }

    /// Records the added row with the other rows that leave its stage.
    fn record_added(&self, on: Lane, row: Row, generation: u64) -> Result<(), Error> {
        match self.hooks.wrong.added {
            Some(added) if self.beside(row, |r| r.from == added.from) => {
                self.sim().record(on, self.added[generation as usize % RING], generation)
            }
            _ => Ok(()),
        }
    }

    /// Waits for the added row with the other rows that lead to its stage.
    fn wait_for_added(&self, on: Lane, row: Row, generation: u64) -> Result<(), Error> {
        let (case, added) = (self.hooks.case, self.hooks.wrong.added);
        let Some(added) = added.filter(|a| self.flaw_of(*a) != Some(Flaw::Dropped)) else { return Ok(()) };
        let now = generation + u64::from(row.depth(case));
        match now.checked_sub(u64::from(added.depth(case))) {
            Some(before) if self.beside(row, |r| r.to == added.to) => {
                self.sim().wait(on, self.added[before as usize % RING], before)
            }
            _ => Ok(()),
        }
    }
}

impl Device for Flawed {
    fn mark(&self) -> Result<Mark, Error> {
        self.call("mark")?;
        Ok(self.learn(self.sim().mark()?))
    }

    fn gate(&self) -> Result<Mark, Error> {
        self.call("gate")?;
        Ok(self.learn(self.sim().gate()?))
    }

    fn record(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        let row = self.row_of(mark);
        if let Some(row) = row {
            self.hooks.note(|seen| seen.recorded.push((row.name, generation)));
        }
        let called = self.call(if on.is_host() { "record" } else { "record on a lane" });
        if let (Err(_), Some(row)) = (&called, row) {
            self.hooks.note(|seen| seen.refused = Some((row.name, generation)));
        }
        // A gate that stays shut would park its lane for ever, and nobody could do anything: it opens, and then fails.
        if called.is_err() && row.is_none_or(|row| row.name != GATE) {
            return called;
        }
        let on = row.map_or(on, |row| self.hooks.lane(row.from, on));
        self.record_flawed(on, mark, generation)?;
        row.map_or(Ok(()), |row| self.record_added(on, row, generation))?;
        // A record of the host is a point of choice too: rows are recorded while nothing is held that another thread
        // blocks on. The other marks (rings, the fault, rows of shards) are reached under a lock, and whoever reaches
        // one goes on to its next point. Nothing is lost by that: what is ordered is judged by clocks, whoever runs
        // first; and up to that point nothing is written that a thread which wakes meanwhile would read. (The producer
        // may forget that something waits; the keeper asks for it, but it is never overdue where all states are visited.)
        if on.is_host() && row.is_some() {
            self.sim().turn()?;
        }
        called
    }

    fn wait(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        self.call(if on.is_host() { "host wait" } else { "wait" })?;
        let row = self.row_of(mark);
        let on = row.map_or(on, |row| self.hooks.lane(row.to, on));
        if row.is_some_and(|row| row.name == GATE) {
            self.hooks.note(|seen| seen.armed.push(generation));
        }
        if let Some((mark, generation)) = self.instead(mark, generation) {
            // With a flaw a record may come only after the wait: the lane stands there, and what comes of it is judged.
            let wait = || match on.is_host() || self.hooks.wrong.flaw.is_none() {
                true => self.sim().wait(on, mark, generation),
                false => self.sim().wait_ahead(on, mark, generation),
            };
            let (stage, depth) = row.map_or(("", 0), |row| (row.to.name(), row.depth(self.hooks.case)));
            self.hooks.queue(stage, generation + u64::from(depth), wait)?;
        }
        row.map_or(Ok(()), |row| self.wait_for_added(on, row, generation))
    }

    fn wait_either(&self, on: Lane, first: (Mark, u64), or: (Mark, u64)) -> Result<bool, Error> {
        self.call("host wait")?;
        match self.instead(first.0, first.1) {
            Some(first) => self.sim().wait_either(on, first, or),
            None => Ok(true),
        }
    }

    fn wait_until(&self, on: Lane, mark: Mark, generation: u64, deadline: Duration) -> Result<bool, Error> {
        self.call("timed host wait")?;
        self.sim().wait_until(on, mark, generation, deadline)
    }

    fn name(&self) -> String {
        self.sim().name()
    }

    fn memory(&self) -> Memory {
        self.sim().memory()
    }

    fn has_gate(&self) -> bool {
        self.sim().has_gate()
    }

    fn allocate(&self, home: Home, bytes: usize, name: Name) -> Result<Region, Error> {
        self.call("allocate")?;
        self.sim().allocate(home, bytes, name)
    }

    fn register(&self, bytes: Vec<u8>) -> Result<Region, Error> {
        self.call("register")?;
        self.sim().register(bytes)
    }

    fn parked(&self, mark: Mark) -> Option<(u64, Duration)> {
        self.sim().parked(mark)
    }

    fn enter(&self, stage: &'static str, generation: u64, at: &'static Location<'static>) {
        if !is_on(Lane::Sink) {
            STAGE.set((stage, generation));
        }
        self.hooks.note_begin(stage, generation);
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        let entered = (thread, stage, generation);
        self.hooks.note(|seen| {
            if seen.entered.last() != Some(&entered) {
                seen.entered.push(entered);
            }
        });
        self.sim().enter(stage, generation, at);
    }

    fn pass(&self, lane: Lane, taken: bool) {
        self.sim().pass(lane, taken);
    }

    fn copy(&self, on: Lane, job: CopyJob<'_>) -> Result<(), Error> {
        self.call("copy")?;
        self.hooks.work(on, |on| self.sim().copy(on, job))
    }

    fn fill(&self, on: Lane, job: FillJob<'_>) -> Result<(), Error> {
        self.call("fill")?;
        self.hooks.work(on, |on| self.sim().fill(on, job))
    }

    fn scatter(&self, on: Lane, job: ScatterJob<'_>) -> Result<(), Error> {
        self.call("scatter")?;
        self.hooks.work(on, |on| self.sim().scatter(on, job))
    }

    fn reduce(&self, on: Lane, job: ReduceJob<'_>) -> Result<(), Error> {
        self.call("reduce")?;
        self.hooks.work(on, |on| self.sim().reduce(on, job))
    }

    fn aggregate(&self, on: Lane, job: AggregateJob<'_>) -> Result<(), Error> {
        self.call("aggregate")?;
        self.hooks.work(on, |on| self.sim().aggregate(on, job))
    }

    fn prepare(
        &self,
        codec: &Codec,
        chunks: u64,
        chunk: usize,
        element: usize,
    ) -> Result<Arc<dyn Encoder>, Error> {
        self.call("prepare")?;
        let encoder = self.sim().prepare(codec, chunks, chunk, element)?;
        Ok(Arc::new(FlawedEncoder { hooks: self.hooks.clone(), encoder }))
    }

    fn synchronize(&self) -> Result<(), Error> {
        // One that fails has let the lanes end: memory is freed after it.
        let ended = self.sim().synchronize();
        self.call("synchronize")?;
        ended
    }

    fn spawn(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> Result<Box<dyn HostThread>, Error> {
        self.call("spawn")?;
        self.sim().spawn(name, body)
    }

    fn now(&self) -> Duration {
        self.sim().now()
    }

    fn busy(&self) -> Vec<Busy> {
        self.sim().busy()
    }
}

/// An encoder of such a device.
struct FlawedEncoder {
    hooks: Hooks,
    encoder: Arc<dyn Encoder>,
}

impl Encoder for FlawedEncoder {
    fn worst_case(&self) -> usize {
        self.encoder.worst_case()
    }

    fn encode(&self, on: Lane, job: EncodeJob<'_>) -> Result<(), Error> {
        self.hooks.call("encode")?;
        self.hooks.work(on, |on| self.encoder.encode(on, job))
    }
}
