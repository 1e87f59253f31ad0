//! The simulated device behind the seam.

use std::panic::Location;
use std::time::Duration;

use device::check::{Access, Race, Touch};
use device::sync::Arc;
use device::{
    AggregateJob, Busy, CopyJob, Device, Encoder, Error, FillJob, Home, HostThread, Lane, Mark, Name,
    Operation, ReduceJob, Region, ScatterJob, Source, UNWRITTEN,
};
use host::kernels;
use plan::{Codec, Memory};

use crate::choose::Chooser;
use crate::clock::Clock;
use crate::deeds::{self, Deeds, known, uses};
use crate::digest::Digest;
use crate::encoder::SimEncoder;
use crate::key::Extra;
use crate::machine::{Machine, me};
use crate::memory::adopt;
use crate::step::{Kernel, Need, Step};
use crate::written::Deed;

/// A simulated device. Clones are the same device.
#[derive(Clone)]
pub struct Sim {
    inside: Arc<Inside>,
    memory: Memory,
}

pub(crate) struct Inside {
    machine: Arc<Machine>,
}

/// A moment in the run of a thread: see [`Sim::queue_as_of`].
#[derive(Clone, Debug)]
pub struct Moment(Clock);

/// What a simulated run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The first access that nothing ordered, or that read what nobody wrote, or who waited for what when nobody could go
    /// on; none: the run is right.
    pub verdict: Option<String>,
    /// Whether the chooser ended the run before its end.
    pub stopped: bool,
    /// The two accesses, where that is the verdict.
    pub race: Option<Race>,
    /// The choices that were made, for [`Replay`](crate::Replay).
    pub choices: String,
    /// Times that the chooser was asked who goes on, also where only one could.
    pub points: u64,
    /// Steps of lanes, and answers of the store.
    pub steps: u64,
    /// Hash of all steps and accesses in their order: two runs with the same one did the same.
    pub trace: u64,
}

impl Sim {
    /// Opens a device whose buffers lie in `memory`, on which `chooser` says who goes on. The thread that opens it is
    /// the one that may append.
    #[must_use]
    pub fn open(memory: Memory, chooser: Box<dyn Chooser>) -> Sim {
        let machine = Machine::new(chooser);
        Sim { inside: Arc::new(Inside { machine }), memory }
    }

    /// Leaves something to be done by the store: when is a matter of choice too.
    pub fn later(&self, job: impl FnOnce() + Send + 'static) {
        self.inside.machine.later(Box::new(job));
    }

    /// As [`Device::record`] on a device lane, but before the work that was queued there last: what a wrong order of the
    /// two would do. For tests that must see it found.
    ///
    /// # Errors
    /// As [`Device::record`].
    pub fn record_early(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        let lane = lane_index(on)?;
        let mut state = self.inside.machine.lock();
        state.tell(mark, generation)?;
        let clock = state.queued_by(me());
        let steps = &mut state.lanes[lane];
        let last = steps.iter().rposition(|s| matches!(s, Step::Run { .. })).unwrap_or(steps.len());
        steps.insert(last, Step::Record(mark, generation, clock));
        Ok(())
    }

    /// As [`Device::wait`] on a device lane, for a record that may not be queued yet: the lane stands until it is reached,
    /// where another device would let it pass or refuse. For tests that must see what comes of such an order.
    ///
    /// # Errors
    /// `on` is a lane of the host.
    pub fn wait_ahead(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        let lane = lane_index(on)?;
        let mut state = self.inside.machine.lock();
        let clock = state.queued_by(me());
        state.lanes[lane].push_back(Step::Wait(mark, generation, clock));
        Ok(())
    }

    /// What this thread has seen and done by now.
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment(self.inside.machine.lock().clocks[me()])
    }

    /// What this thread queues from now on, on lanes and at the store, counts as queued at a moment before: what would be
    /// known of a call that comes too early. `None`: as it is. For tests that must see it found.
    pub fn queue_as_of(&self, moment: Option<&Moment>) {
        self.inside.machine.lock().queues_as_of[me()] = moment.map(|moment| moment.0);
    }

    /// Whether a generation of a mark is reached by now.
    #[must_use]
    pub fn is_reached(&self, mark: Mark, generation: u64) -> bool {
        self.inside.machine.lock().is_reached(mark, generation)
    }

    /// The piece of work of this number, in the order in which lanes come to them, fails when it runs.
    pub fn fail_work(&self, number: u64) {
        self.inside.machine.lock().fails = Some(number);
    }

    /// Pieces of work that lanes have come to and not skipped.
    #[must_use]
    pub fn work(&self) -> u64 {
        self.inside.machine.lock().work
    }

    /// Looks for no unordered accesses any more: for tests in which a wait has failed, and so has ordered nothing.
    pub fn forgive(&self) {
        self.inside.machine.lock().forgiven = true;
    }

    /// A point of choice: lets somebody else go on, or this thread. Nothing that another blocks on may be held.
    ///
    /// # Errors
    /// The run is over.
    pub fn turn(&self) -> Result<(), Error> {
        self.inside.machine.block(Need::Turn)
    }

    /// Gives [`Point::key`](crate::Point::key) what the simulation does not see: `extra` is called at points of choice,
    /// and must not call the device.
    pub fn watch(&self, extra: impl Fn(&mut Digest) + Send + 'static) {
        self.inside.machine.lock().extra = Extra::Test(Box::new(extra));
    }

    /// Whether a verdict stands, or the chooser has ended the run: threads are on their way out, each for itself.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.inside.machine.lock().verdict.is_some()
    }

    /// Lets anybody read what nobody wrote from now on: for tests in which something fails, after which a batch may be
    /// packed from what never came. It is not delivered.
    pub fn trust_memory(&self) {
        self.inside.machine.lock().trusting = true;
    }

    /// Lets everything end that can: lanes run dry, and the store answers for all that it holds.
    pub fn settle(&self) {
        // A verdict ends this wait like any other.
        let _ = self.inside.machine.block(Need::Quiet);
        self.inside.machine.let_go();
    }

    /// What is not over: lanes with steps, threads (but the one that opened the device) that have not ended, answers of the
    /// store that were not given.
    #[must_use]
    pub fn left(&self) -> Vec<String> {
        self.inside.machine.lock().left()
    }

    /// What the run came to so far.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let state = self.inside.machine.lock();
        let verdict = state.verdict.clone().filter(|_| !state.stopped);
        let (race, stopped, choices) = (state.race.clone(), state.stopped, state.choices.clone());
        let (points, steps, trace) = (state.points, state.steps, state.trace);
        Outcome { verdict, race, stopped, choices, points, steps, trace }
    }
}

impl Inside {
    /// Queues a kernel, and lets somebody else go on.
    pub(crate) fn run(
        &self,
        on: Lane,
        (touches, deeds): (Vec<Touch>, Deeds),
        kernel: Kernel,
    ) -> Result<(), Error> {
        let (lane, me) = (lane_index(on)?, me());
        let mut state = self.machine.lock();
        if state.stopped {
            // Nothing would run it, nor let go of what it holds.
            return Err(Error::new(Operation::Wait, "stopped"));
        }
        let (clock, call) = (state.queued_by(me), state.clocks[me].of(me));
        let by = Access { caller: me, call, ..*state.stage(me) };
        state.lanes[lane].push_back(Step::Run { kernel, touches, deeds, by, clock });
        drop(state);
        self.machine.block(Need::Turn)
    }
}

fn lane_index(on: Lane) -> Result<usize, Error> {
    let why = || {
        Error::new(Operation::Record, format!("{on:?} is a lane of the host: kernels run on device lanes"))
    };
    on.device_index().ok_or_else(why)
}

impl Device for Sim {
    fn name(&self) -> String {
        "simulated".to_owned()
    }

    fn memory(&self) -> Memory {
        self.memory
    }

    fn has_gate(&self) -> bool {
        true
    }

    fn allocate(&self, home: Home, bytes: usize, name: Name) -> Result<Region, Error> {
        // The host has no business in device memory: there its accesses fail, as on a GPU.
        let host_visible = home == Home::Host || self.memory == Memory::Host;
        adopt(&self.inside.machine, vec![UNWRITTEN; bytes], (host_visible, false), name)
    }

    fn register(&self, bytes: Vec<u8>) -> Result<Region, Error> {
        adopt(&self.inside.machine, bytes, (true, true), Name::of("registered memory"))
    }

    fn mark(&self) -> Result<Mark, Error> {
        Ok(self.inside.machine.lock().add_mark(false))
    }

    fn gate(&self) -> Result<Mark, Error> {
        Ok(self.inside.machine.lock().add_mark(true))
    }

    fn record(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        let mut state = self.inside.machine.lock();
        state.tell(mark, generation)?;
        match on.device_index() {
            None => state.reach_on_host(mark, generation, me(), on == Lane::Sink),
            Some(lane) => {
                let clock = state.queued_by(me());
                state.lanes[lane].push_back(Step::Record(mark, generation, clock));
            }
        }
        Ok(())
    }

    fn wait(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        let Some(lane) = on.device_index() else {
            self.inside.machine.block(Need::Mark(mark, generation))?;
            return self.check();
        };
        let mut state = self.inside.machine.lock();
        state.expect_told(mark, generation)?;
        let clock = state.queued_by(me());
        state.lanes[lane].push_back(Step::Wait(mark, generation, clock));
        Ok(())
    }

    fn wait_until(&self, _on: Lane, mark: Mark, generation: u64, deadline: Duration) -> Result<bool, Error> {
        self.inside.machine.block(Need::Until(mark, generation, deadline))?;
        Ok(self.inside.machine.lock().is_reached(mark, generation))
    }

    fn wait_either(&self, _on: Lane, first: (Mark, u64), or: (Mark, u64)) -> Result<bool, Error> {
        self.inside.machine.block(Need::Either(first, or))?;
        self.check()?;
        Ok(self.inside.machine.lock().is_reached(first.0, first.1))
    }

    fn parked(&self, _mark: Mark) -> Option<(u64, Duration)> {
        None
    }

    fn enter(&self, stage: &'static str, generation: u64, at: &'static Location<'static>) {
        let me = me();
        let access = Access { actor: me, number: 0, stage: (stage, generation), at, caller: me, call: 0 };
        *self.inside.machine.lock().stage(me) = access;
    }

    fn pass(&self, lane: Lane, taken: bool) {
        self.inside.machine.lock().pass(me(), lane, taken);
    }

    fn copy(&self, on: Lane, job: CopyJob<'_>) -> Result<(), Error> {
        let (from, to) = (job.from.touch(), job.to.touch());
        let touches = [from.clone(), to.clone()].into_iter().flatten().collect();
        let deeds = known([from.zip(to).map(|(from, to)| Deed::Copy { from, to })]);
        // SAFETY: whoever minted the views vouched for the order of this work too; that is what is checked here.
        let job = unsafe { job.detach() };
        self.inside.run(on, (touches, deeds), Box::new(move || kernels::run_copy(job).map(drop)))
    }

    fn fill(&self, on: Lane, job: FillJob<'_>) -> Result<(), Error> {
        let touches = job.to.touch().into_iter().collect();
        let deeds = known([uses(job.to.touch())]);
        // SAFETY: as in `copy`.
        let job = unsafe { job.detach() };
        self.inside.run(on, (touches, deeds), Box::new(move || kernels::run_fill(job).map(drop)))
    }

    fn scatter(&self, on: Lane, job: ScatterJob<'_>) -> Result<(), Error> {
        let mut touches = deeds::scattered(&job);
        if let Source::Elements(read) = &job.source {
            touches.extend(read.touch());
        }
        let deeds = known(touches.iter().map(|touch| uses(Some(touch.clone()))));
        // SAFETY: as in `copy`.
        let job = unsafe { job.detach() };
        self.inside.run(on, (touches, deeds), Box::new(move || kernels::run_scatter(job).map(drop)))
    }

    fn reduce(&self, on: Lane, job: ReduceJob<'_>) -> Result<(), Error> {
        let touches: Vec<_> = job.touches().into_iter().flatten().collect();
        let deeds = known(touches.iter().map(|touch| uses(Some(touch.clone()))));
        // SAFETY: as in `copy`.
        let job = unsafe { job.detach() };
        self.inside.run(on, (touches, deeds), Box::new(move || kernels::run_reduce(job).map(drop)))
    }

    fn aggregate(&self, on: Lane, job: AggregateJob<'_>) -> Result<(), Error> {
        let touches = job.touches().into_iter().flatten().collect();
        // SAFETY: as in `copy`.
        let job = unsafe { job.detach() };
        let deeds = deeds::aggregated(&job);
        self.inside.run(on, (touches, deeds), Box::new(move || kernels::run_aggregate(job).map(drop)))
    }

    fn prepare(
        &self,
        codec: &Codec,
        _chunks: u64,
        chunk_bytes: usize,
        element: usize,
    ) -> Result<Arc<dyn Encoder>, Error> {
        Ok(Arc::new(SimEncoder::new(self.inside.clone(), codec, chunk_bytes, element)?))
    }

    fn synchronize(&self) -> Result<(), Error> {
        self.inside.machine.block(Need::Idle)?;
        self.check()
    }

    fn spawn(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> Result<Box<dyn HostThread>, Error> {
        let actor = self.inside.machine.add_thread(name)?;
        let machine = self.inside.machine.clone();
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(move || machine.run_thread(actor, body));
        let thread = thread.map_err(|e| Error::new(Operation::Open, e))?;
        Ok(Box::new(SimThread { machine: self.inside.machine.clone(), actor, thread }))
    }

    fn now(&self) -> Duration {
        self.inside.machine.lock().now
    }

    fn busy(&self) -> Vec<Busy> {
        Vec::new()
    }
}

impl Sim {
    /// The first failure of a lane.
    fn check(&self) -> Result<(), Error> {
        self.inside.machine.lock().failed.clone().map_or(Ok(()), Err)
    }
}

struct SimThread {
    machine: Arc<Machine>,
    actor: usize,
    thread: std::thread::JoinHandle<()>,
}

impl HostThread for SimThread {
    fn join(self: Box<Self>) -> Result<(), Error> {
        // A verdict ends every wait; the thread itself ends all the same.
        let _ = self.machine.block(Need::End(self.actor));
        self.thread.join().map_err(|_| Error::new(Operation::Wait, "a thread panicked"))
    }
}
