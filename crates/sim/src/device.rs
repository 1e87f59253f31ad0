//! The simulated device behind the seam.

use std::panic::Location;
use std::time::Duration;

use device::sync::Arc;
use device::{
    AggregateJob, Busy, CopyJob, Device, Encoder, Error, FillJob, Home, HostThread, Lane, Mark, Operation,
    Region, ScatterJob, Sizes, Source,
};
use host::kernels;
use plan::{Codec, Memory};

use crate::choose::Chooser;
use crate::encoder::SimEncoder;
use crate::machine::{Kernel, Machine, Need, Step, me};
use crate::memory::{Regions, Touch, adopt};
use crate::shadow::Access;

/// A simulated device. Clones are the same device.
#[derive(Clone)]
pub struct Sim {
    inside: Arc<Inside>,
    memory: Memory,
}

pub(crate) struct Inside {
    machine: Arc<Machine>,
    pub(crate) regions: Regions,
}

/// What a simulated run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The first access that nothing ordered, or who waited for what when nobody could go on; none: the run is right.
    pub verdict: Option<String>,
    /// The choices that were made, for [`Replay`](crate::Replay).
    pub choices: String,
    /// Steps of lanes, and answers of the store.
    pub steps: u64,
}

impl Sim {
    /// Opens a device whose buffers lie in `memory`, on which `chooser` says who goes on. The thread that opens it is
    /// the one that may append.
    #[must_use]
    pub fn open(memory: Memory, chooser: Box<dyn Chooser>) -> Sim {
        let machine = Machine::new(chooser);
        Sim { inside: Arc::new(Inside { machine, regions: Regions::default() }), memory }
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
        let clock = state.clocks[me()];
        let steps = &mut state.lanes[lane];
        let last = steps.iter().rposition(|s| matches!(s, Step::Run { .. })).unwrap_or(steps.len());
        steps.insert(last, Step::Record(mark, generation, clock));
        Ok(())
    }

    /// Whether a generation of a mark is reached by now.
    #[must_use]
    pub fn is_reached(&self, mark: Mark, generation: u64) -> bool {
        self.inside.machine.lock().is_reached(mark, generation)
    }

    /// Looks for no unordered accesses any more: for tests in which a wait has failed, and so has ordered nothing.
    pub fn forgive(&self) {
        self.inside.machine.lock().forgiven = true;
    }

    /// Lets everything end that can: lanes run dry, and the store answers for all that it holds.
    pub fn settle(&self) {
        // A verdict ends this wait like any other.
        let _ = self.inside.machine.block(Need::Quiet);
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
        Outcome { verdict: state.verdict.clone(), choices: state.choices.clone(), steps: state.steps }
    }
}

impl Inside {
    /// Queues a kernel, and lets somebody else go on.
    pub(crate) fn run(&self, on: Lane, touches: Vec<Touch>, kernel: Kernel) -> Result<(), Error> {
        let lane = lane_index(on)?;
        let mut state = self.machine.lock();
        let (clock, by) = (state.clocks[me()], state.stages[me()]);
        state.lanes[lane].push_back(Step::Run { kernel, touches, by, clock });
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

    fn allocate(&self, home: Home, bytes: usize) -> Result<Region, Error> {
        // The host has no business in device memory: there its accesses fail, as on a GPU.
        let host_visible = home == Home::Host || self.memory == Memory::Host;
        adopt(&self.inside.machine, &self.inside.regions, vec![0; bytes], host_visible)
    }

    fn register(&self, bytes: Vec<u8>) -> Result<Region, Error> {
        adopt(&self.inside.machine, &self.inside.regions, bytes, true)
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
                let clock = state.clocks[me()];
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
        let clock = state.clocks[me()];
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
        let access = Access { actor: me, number: 0, stage: (stage, generation), at };
        self.inside.machine.lock().stages[me] = access;
    }

    fn copy(&self, on: Lane, job: CopyJob<'_>) -> Result<(), Error> {
        let regions = &self.inside.regions;
        let touches = [regions.read(&job.from), regions.write(&job.to)].into_iter().flatten().collect();
        // SAFETY: whoever minted the views vouched for the order of this work too; that is what is checked here.
        let job = unsafe { job.detach() };
        self.inside.run(on, touches, Box::new(move || kernels::run_copy(job).map(drop)))
    }

    fn fill(&self, on: Lane, job: FillJob<'_>) -> Result<(), Error> {
        let touches = self.inside.regions.write(&job.to).into_iter().collect();
        // SAFETY: as in `copy`.
        let job = unsafe { job.detach() };
        self.inside.run(on, touches, Box::new(move || kernels::run_fill(job).map(drop)))
    }

    fn scatter(&self, on: Lane, job: ScatterJob<'_>) -> Result<(), Error> {
        let mut touches = self.scattered(&job.geometry, (job.first, job.count), &job.pool);
        if let Source::Elements(read) = &job.source {
            touches.extend(self.inside.regions.read(read));
        }
        // SAFETY: as in `copy`.
        let job = unsafe { job.detach() };
        self.inside.run(on, touches, Box::new(move || kernels::run_scatter(job).map(drop)))
    }

    fn aggregate(&self, on: Lane, job: AggregateJob<'_>) -> Result<(), Error> {
        let touches = self.aggregated(&job);
        // SAFETY: as in `copy`.
        let job = unsafe { job.detach() };
        self.inside.run(on, touches, Box::new(move || kernels::run_aggregate(job).map(drop)))
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

    /// Places of the pool that a scatter writes: no others, for two of one epoch go side by side.
    fn scattered(
        &self,
        geometry: &plan::Scatter,
        (first, count): (u64, u64),
        pool: &device::Write<'_>,
    ) -> Vec<Touch> {
        let Some(all) = self.inside.regions.write(pool) else { return vec![] };
        let size = geometry.element;
        let mut touches: Vec<Touch> = Vec::new();
        for element in first..first + count {
            let at = all.range.start + geometry.position(element) as usize * size;
            match touches.last_mut() {
                Some(last) if last.range.end == at => last.range.end += size,
                _ => touches.push(Touch { range: at..at + size, ..all }),
            }
        }
        touches
    }

    fn aggregated(&self, job: &AggregateJob<'_>) -> Vec<Touch> {
        let regions = &self.inside.regions;
        let sizes = match &job.sizes {
            Sizes::Fixed(_) => None,
            Sizes::Each(read) => regions.read(read),
        };
        let tails = job.tails.iter().flat_map(|t| [regions.read(&t.bytes), regions.read(&t.lengths)]);
        let reads = [regions.read(&job.order), regions.read(&job.table), regions.read(&job.source), sizes];
        let writes = [regions.write(&job.packed), regions.write(&job.index)];
        reads.into_iter().chain(tails).chain(writes).flatten().collect()
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
