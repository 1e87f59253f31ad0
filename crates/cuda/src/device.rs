//! An NVIDIA GPU as a device.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cudarc::driver::sys::CUdevice_attribute;
use device::marks::Marks;
use device::sync::{self, Arc, Instant, Mutex, MutexGuard};
use device::{
    AggregateJob, Busy, CopyJob, Device, Encoder, Error, FillJob, Home, HostThread, Lane, Mark, Name,
    Operation, ReduceJob, Region, ScatterJob, Write,
};
use plan::{Codec, Memory};
use rayon::prelude::*;

use crate::driver::{Context, Function, Launch, Module, Number, Stream};
use crate::kernels::{self, Launcher};
use crate::lanes::Lanes;
use crate::memory as regions;
use crate::{CoderChoice, Workspace, encoder, quiet, reduce};

/// Devices of this process: see [`MOST_OPEN`].
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// Devices that fit the GPU's hardware queues: 32 queues, five streams each. More streams would share queues, and one that
/// stands at a gate would hold up those behind it, whosever they are.
const MOST_OPEN: usize = 6;

/// One of the devices that fit; given back when it goes.
struct Place;

impl Place {
    fn take() -> Result<Place, Error> {
        let place = Place;
        if OPEN.fetch_add(1, Ordering::Relaxed) < MOST_OPEN {
            return Ok(place);
        }
        let why = format!(
            "{MOST_OPEN} writers of this process are on the GPU, and its queues suffice for no more: run on the host"
        );
        Err(Error::new(Operation::Open, why))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A GPU.
pub struct Cuda {
    core: Arc<Core>,
    coder: CoderChoice,
}

/// What the device and its encoders share. Fields are dropped in this order: lanes come to rest first.
pub(crate) struct Core {
    lanes: Lanes,
    kernels: Arc<Kernels>,
    marks: Arc<Marks>,
    gates: Mutex<Vec<(Mark, Arc<Gate>)>>,
    has_gate: bool,
    _place: Place,
    context: Arc<Context>,
    /// Threads that copy what is appended: one alone is slower than the link to the GPU.
    copiers: rayon::ThreadPool,
    opened: Instant,
}

/// Such threads, at the most. Alone 8 of them are as fast as the link; beside copies both ways they need 12, and 16 gain
/// nothing (`docs/measurements/2026-11-23-h200-second.md`).
pub(crate) const MOST_COPIERS: usize = 12;
/// Bytes that one of them copies at a time: the most, and the least that are worth waking it for.
const PIECE: (usize, usize) = (128 << 10, 32 << 10);

/// A number that the host raises.
struct Gate {
    number: Number,
    /// Numbers that lanes were told to wait for and that have not come.
    armed: Mutex<Vec<u64>>,
}

impl Gate {
    fn armed(&self) -> MutexGuard<'_, Vec<u64>> {
        self.armed.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Lets everybody through who waits for a number up to this one.
    fn open(&self, number: u64) {
        let mut armed = self.armed();
        self.number.set(number);
        let before = armed.len();
        armed.retain(|least| *least > number);
        let through = before - armed.len();
        drop(armed);
        quiet::disarm(through);
    }

    /// Tells a lane to wait for a number, which may be there already.
    fn wait(&self, lanes: &Lanes, on: Lane, least: u64) -> Result<(), Error> {
        if self.number.get() >= least {
            return lanes.wait_number(on, &self.number, least);
        }
        quiet::arm();
        let mut armed = self.armed();
        let queued = lanes.wait_number(on, &self.number, least);
        if queued.is_ok() && self.number.get() < least {
            armed.push(least);
            return Ok(());
        }
        // Nobody stands there: it failed, or was opened meanwhile.
        drop(armed);
        quiet::disarm(1);
        queued
    }
}

/// The loaded kernels.
pub(crate) struct Kernels {
    functions: HashMap<String, Function>,
    _module: Module,
}

/// Launches kernels on a lane's stream.
pub(crate) struct OnStream<'a> {
    pub(crate) stream: &'a Stream,
    pub(crate) kernels: &'a Kernels,
}

impl OnStream<'_> {
    /// The stream, for a library.
    pub(crate) fn raw(&self) -> *mut c_void {
        self.stream.raw()
    }
}

impl Launcher for OnStream<'_> {
    unsafe fn launch(
        &self,
        kernel: &str,
        grid: (u32, u32),
        (block, shared): (u32, u32),
        params: *const c_void,
    ) -> Result<(), Error> {
        let Some(function) = self.kernels.functions.get(kernel) else {
            return Err(Error::new(Operation::Open, format!("there is no kernel {kernel}")));
        };
        let launch = Launch { function: *function, grid, block, shared };
        // SAFETY: the caller vouches for it.
        unsafe { self.stream.launch(&launch, params) }
    }
}

impl Kernels {
    /// The kernels in a GPU's context: loaded once in a process.
    pub(crate) fn of(context: &Arc<Context>) -> Result<Arc<Kernels>, Error> {
        static LOADED: Mutex<Vec<(u32, Arc<Kernels>)>> = Mutex::new(Vec::new());
        let mut loaded = LOADED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let ordinal = context.ordinal();
        if let Some((_, kernels)) = loaded.iter().find(|(o, _)| *o == ordinal) {
            return Ok(kernels.clone());
        }
        let kernels = Arc::new(quiet::exclusive(|| Kernels::load(context))?);
        loaded.push((ordinal, kernels.clone()));
        Ok(kernels)
    }

    fn load(context: &Arc<Context>) -> Result<Kernels, Error> {
        let module = Module::load(context, kernels::IMAGE)?;
        let find = |name: String| module.function(&name).map(|function| (name, function));
        let functions = kernels::names().map(find).collect::<Result<_, Error>>()?;
        Ok(Kernels { functions, _module: module })
    }
}

/// Whether an NVIDIA driver is installed.
#[must_use]
pub fn is_present() -> bool {
    crate::driver::is_present()
}

/// Whether the GPU of a number can be opened.
///
/// # Errors
/// There is no driver, no such GPU, or the driver is too old for the kernels.
pub fn probe(ordinal: u32) -> Result<(), Error> {
    let context = Context::open(ordinal)?;
    Kernels::of(&context).map(drop)
}

/// Whether a GPU has a codec, for chunks of `chunk` bytes of elements of so many; asks no driver.
///
/// # Errors
/// It has not, or does not take such chunks.
pub fn takes(codec: &Codec, (chunk, element): (u64, usize), by: CoderChoice) -> Result<(), Error> {
    encoder::takes(codec, (chunk as usize, element), by)
}

/// Its name.
///
/// # Errors
/// As [`probe`].
pub fn name(ordinal: u32) -> Result<String, Error> {
    Ok(Context::open(ordinal)?.name())
}

/// Bytes of its memory that are free, and that there are.
///
/// # Errors
/// As [`probe`].
pub fn memory(ordinal: u32) -> Result<(u64, u64), Error> {
    Context::open(ordinal)?.memory()
}

/// What a codec works in on the GPU, beside its buffers, for chunks of `chunk` bytes of elements of so many.
///
/// # Errors
/// The GPU has no such codec, or it does not take such chunks.
pub fn workspace(
    ordinal: u32,
    codec: &Codec,
    (chunk, element): (u64, usize),
    by: CoderChoice,
) -> Result<Workspace, Error> {
    Context::open(ordinal)?.bind()?;
    encoder::workspace(codec, (chunk as usize, element), by)
}

impl Cuda {
    /// Opens the GPU of a number, 0 being the first.
    ///
    /// # Errors
    /// There is no driver or no such GPU; the driver is too old for the kernels; the system gives no more threads.
    pub fn open(ordinal: u32) -> Result<Cuda, Error> {
        let place = Place::take()?;
        let context = Context::open(ordinal)?;
        let kernels = Kernels::of(&context)?;
        let opened = sync::now();
        let marks = Arc::new(Marks::new(opened));
        let lanes = Lanes::new(&context, marks.clone())?;
        let able =
            context.attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS) == 1;
        // Where somebody has asked for fewer queues, streams share them.
        let has_gate = able && crate::driver::has_queues();
        let cores = std::thread::available_parallelism().map_or(1, Into::into);
        let copiers = rayon::ThreadPoolBuilder::new().num_threads(cores.min(MOST_COPIERS));
        let copiers = copiers.thread_name(|i| format!("forebay-copier{i}")).build();
        let copiers = copiers.map_err(|e| Error::new(Operation::Open, e))?;
        let core = Core {
            copiers,
            _place: place,
            lanes,
            kernels,
            marks,
            gates: Mutex::default(),
            has_gate,
            context,
            opened,
        };
        Ok(Cuda { core: Arc::new(core), coder: CoderChoice::default() })
    }

    /// The same with somebody else to compress.
    #[must_use]
    pub fn with_coder(self, coder: CoderChoice) -> Cuda {
        Cuda { coder, ..self }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // Whoever stands at a gate that nobody will open any more: the lanes must come to rest.
        for (_, gate) in self.gates.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner) {
            // The comparison of the GPU goes round: this is the largest number that is not less than any generation.
            gate.open(i64::MAX as u64);
        }
    }
}

impl Core {
    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Where kernels say what went wrong.
    pub(crate) fn trouble(&self) -> u64 {
        self.lanes.trouble()
    }

    /// Queues work that launches kernels.
    pub(crate) fn run<Job: Send + 'static>(
        &self,
        busy: Busy,
        job: Job,
        queue: impl FnOnce(&OnStream<'_>, &Job) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.lanes.run(busy, job, |stream, job| queue(&OnStream { stream, kernels: &self.kernels }, job))
    }

    fn gate_of(&self, mark: Mark) -> Option<Arc<Gate>> {
        let gates = self.gates.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        gates.iter().find(|(m, _)| *m == mark).map(|(_, gate)| gate.clone())
    }
}

/// Bytes up to which a kernel copies up.
const SMALL: usize = 4 << 20;

/// Whether a kernel is to read the bytes from the host by itself. Copies of the driver's stand in one queue of the GPU's,
/// whatever their streams: tables of a batch, or its tails, would stand there behind uploads of staging, which are
/// thousands of times as long, and the next batch behind them.
fn is_small_and_up(on: Lane, job: &CopyJob<'_>) -> bool {
    on != Lane::H2d && job.from.len() <= SMALL && job.from.is_on_host() && !job.to.is_on_host()
}

fn busy(name: &'static str, lane: Lane, (read, written): (u64, u64)) -> Busy {
    Busy { name, lane, count: 1, time: Duration::ZERO, read, written }
}

impl Device for Cuda {
    fn name(&self) -> String {
        self.core.context.name()
    }

    fn memory(&self) -> Memory {
        Memory::Device
    }

    fn has_gate(&self) -> bool {
        self.core.has_gate
    }

    fn allocate(&self, home: Home, bytes: usize, _name: Name) -> Result<Region, Error> {
        match home {
            Home::Host => regions::on_host(&self.core.context, bytes),
            Home::Device => regions::on_device(&self.core.context, bytes),
        }
    }

    fn register(&self, bytes: Vec<u8>) -> Result<Region, Error> {
        regions::adopt(&self.core.context, bytes)
    }

    fn mark(&self) -> Result<Mark, Error> {
        Ok(self.core.marks.add(false))
    }

    fn gate(&self) -> Result<Mark, Error> {
        if !self.core.has_gate {
            return Err(Error::new(Operation::Open, "this GPU has no gate: drain before kick"));
        }
        let gate = Gate { number: Number::new(&self.core.context)?, armed: Mutex::default() };
        let mark = self.core.marks.add(true);
        self.core
            .gates
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push((mark, Arc::new(gate)));
        Ok(mark)
    }

    fn record(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        self.core.marks.tell(mark, generation)?;
        if !on.is_host() {
            let recorded = self.core.lanes.record(on, mark, generation);
            if let Err(error) = &recorded {
                // It is told, and nobody would reach it: whoever waits hears why.
                self.core.lanes.fail(error.clone());
                self.core.marks.reach(mark, generation);
            }
            return recorded;
        }
        self.core.marks.reach(mark, generation);
        if let Some(gate) = self.core.gate_of(mark) {
            gate.open(generation + 1);
        }
        Ok(())
    }

    fn wait(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        if on.is_host() {
            self.core.marks.wait(mark, generation);
            return self.core.lanes.check();
        }
        self.core.marks.expect_told(mark, generation)?;
        match self.core.gate_of(mark) {
            Some(gate) => gate.wait(&self.core.lanes, on, generation + 1),
            None => self.core.lanes.wait(on, mark),
        }
    }

    fn wait_until(&self, _on: Lane, mark: Mark, generation: u64, deadline: Duration) -> Result<bool, Error> {
        Ok(self.core.marks.wait_until(mark, generation, deadline))
    }

    fn wait_either(&self, _on: Lane, first: (Mark, u64), or: (Mark, u64)) -> Result<bool, Error> {
        let reached = self.core.marks.wait_either(first, or);
        self.core.lanes.check()?;
        Ok(reached)
    }

    fn parked(&self, _mark: Mark) -> Option<(u64, Duration)> {
        None
    }

    fn take(&self, from: &[u8], to: Write<'_>) -> Result<(), Error> {
        let to = to.into_bytes()?;
        if from.len() != to.len() {
            let why = format!("{} bytes do not go into {}", from.len(), to.len());
            return Err(Error::new(Operation::Copy, why));
        }
        let (most, least) = PIECE;
        if from.len() < 4 * least {
            to.copy_from_slice(from);
            return Ok(());
        }
        let piece = from.len().div_ceil(self.core.copiers.current_num_threads()).clamp(least, most);
        let pairs = to.par_chunks_mut(piece).zip(from.par_chunks(piece));
        self.core.copiers.install(|| pairs.for_each(|(to, from)| to.copy_from_slice(from)));
        Ok(())
    }

    fn copy(&self, on: Lane, job: CopyJob<'_>) -> Result<(), Error> {
        let bytes = job.from.len();
        if bytes != job.to.len() {
            let why = format!("{bytes} bytes do not go into {}", job.to.len());
            return Err(Error::new(Operation::Copy, why));
        }
        let by_kernel = is_small_and_up(on, &job);
        // SAFETY: whoever minted the views vouched for the order of this work too.
        let job = unsafe { job.detach() };
        let moved = (bytes as u64, bytes as u64);
        self.core.run(busy("copy", on, moved), job, |launcher, job| {
            if by_kernel {
                // SAFETY: the job keeps both views until the kernel has run.
                return unsafe { kernels::copy_up(launcher, job) };
            }
            let (to, from) = (job.to.address().addr() as u64, job.from.address().addr() as u64);
            // SAFETY: as above.
            unsafe { launcher.stream.copy(to, from, bytes) }
        })
    }

    fn fill(&self, on: Lane, job: FillJob<'_>) -> Result<(), Error> {
        // SAFETY: as in `copy`.
        let job = unsafe { job.detach() };
        let moved = (0, job.to.len() as u64);
        self.core.run(busy("fill", on, moved), job, |launcher, job| {
            // SAFETY: the job keeps its view until the kernel has run.
            unsafe { kernels::fill(launcher, job) }
        })
    }

    fn scatter(&self, on: Lane, job: ScatterJob<'_>) -> Result<(), Error> {
        let bytes = job.count * job.geometry.element as u64;
        // SAFETY: as in `copy`.
        let job = unsafe { job.detach() };
        self.core.run(busy("scatter", on, (bytes, bytes)), job, |launcher, job| {
            // SAFETY: as in `fill`.
            unsafe { kernels::scatter(launcher, job) }
        })
    }

    fn reduce(&self, on: Lane, job: ReduceJob<'_>) -> Result<(), Error> {
        let moved = (job.from.len() as u64, job.to.len() as u64);
        // SAFETY: as in `copy`.
        let job = unsafe { job.detach() };
        self.core.run(busy("reduce", on, moved), job, |launcher, job| {
            // SAFETY: as in `fill`.
            unsafe { reduce::level(launcher, job) }
        })
    }

    fn aggregate(&self, on: Lane, job: AggregateJob<'_>) -> Result<(), Error> {
        let bytes = u64::from(job.chunks) * job.stride;
        let trouble = self.core.trouble();
        // SAFETY: as in `copy`.
        let job = unsafe { job.detach() };
        self.core.run(busy("aggregate", on, (bytes, 0)), job, |launcher, job| {
            // SAFETY: as in `fill`; the tables are the plan's.
            unsafe { kernels::aggregate(launcher, job, trouble) }
        })
    }

    fn prepare(
        &self,
        codec: &Codec,
        chunks: u64,
        chunk_bytes: usize,
        element: usize,
    ) -> Result<Arc<dyn Encoder>, Error> {
        encoder::prepare(&self.core, codec, chunks as usize, (chunk_bytes, element), self.coder)
    }

    fn synchronize(&self) -> Result<(), Error> {
        self.core.lanes.synchronize()
    }

    fn spawn(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> Result<Box<dyn HostThread>, Error> {
        device::start(name, body)
    }

    fn now(&self) -> Duration {
        self.core.opened.elapsed()
    }

    fn busy(&self) -> Vec<Busy> {
        self.core.lanes.busy()
    }
}
