//! The host as a device: five lanes on threads, kernels on a pool of threads that the lanes share.

use std::time::Duration;

use device::marks::Marks;
use device::sync::{self, Arc, Instant};
use device::{
    AggregateJob, Busy, CopyJob, Device, Encoder, Error, FillJob, Home, HostThread, Lane, Mark, Meters, Name,
    Operation, ReduceJob, Region, ScatterJob,
};
use plan::{Codec, Memory};

use crate::encoder::HostEncoder;
use crate::kernels;
use crate::lanes::Lanes;

/// The host device.
pub struct Host {
    core: Arc<Core>,
    memory: Memory,
}

/// What the device and its encoders share.
pub(crate) struct Core {
    lanes: Lanes,
    marks: Arc<Marks>,
    /// Threads that move bytes. Apart from the codec's, or a scatter of a millisecond would stand behind chunks that
    /// take a hundred to compress, and staging would starve.
    movers: Arc<rayon::ThreadPool>,
    codecs: Arc<rayon::ThreadPool>,
    meters: Arc<Meters>,
    opened: Instant,
}

/// Threads that move bytes: a few fill the memory's bandwidth.
const MOVERS: usize = 4;

impl Host {
    /// Opens the host with `threads` threads for kernels; 0: as many as there are cores.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn open(threads: usize) -> Result<Host, Error> {
        let open = |e: &dyn std::fmt::Display| Error::new(Operation::Open, e);
        let pool = |threads: usize, name: &'static str| {
            let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let pool = builder.thread_name(move |i| format!("forebay-{name}{i}")).build();
            pool.map(Arc::new).map_err(|e| open(&e))
        };
        let codecs = pool(threads, "codec")?;
        let movers = pool(codecs.current_num_threads().min(MOVERS), "mover")?;
        let opened = sync::now();
        let marks = Arc::new(Marks::new(opened));
        let lanes = Lanes::new(marks.clone())?;
        let core = Arc::new(Core { lanes, marks, movers, codecs, meters: Arc::default(), opened });
        Ok(Host { core, memory: Memory::Host })
    }
}

impl Host {
    /// The same device, with buffers of its own: bytes are copied up and down as on a GPU. It is slower, and runs
    /// the rows of the edge table that only such a device has.
    #[must_use]
    pub fn with_memory(self, memory: Memory) -> Host {
        Host { memory, ..self }
    }
}

impl Core {
    pub(crate) fn threads(&self) -> usize {
        self.codecs.current_num_threads()
    }

    /// Queues a kernel that moves bytes, timed under its name; it returns how many it wrote.
    fn run(
        &self,
        on: Lane,
        name: &'static str,
        what: Operation,
        read: u64,
        kernel: impl FnOnce() -> Result<u64, Error> + Send + 'static,
    ) -> Result<(), Error> {
        self.run_in(&self.movers, (on, name, what, read), kernel)
    }

    /// Queues a codec's kernel, timed under its name; it returns how many bytes it wrote.
    pub(crate) fn run_codec(
        &self,
        on: Lane,
        read: u64,
        kernel: impl FnOnce() -> Result<u64, Error> + Send + 'static,
    ) -> Result<(), Error> {
        self.run_in(&self.codecs, (on, "compress", Operation::Encode, read), kernel)
    }

    fn run_in(
        &self,
        pool: &Arc<rayon::ThreadPool>,
        (lane, name, what, read): (Lane, &'static str, Operation, u64),
        kernel: impl FnOnce() -> Result<u64, Error> + Send + 'static,
    ) -> Result<(), Error> {
        let (pool, meters, opened) = (pool.clone(), self.meters.clone(), self.opened);
        let job = move || {
            let start = opened.elapsed();
            let written = pool.install(kernel)?;
            let time = opened.elapsed().saturating_sub(start);
            meters.add(Busy { name, lane, count: 1, time, read, written });
            Ok(())
        };
        self.lanes.run(lane, what, Box::new(job))
    }
}

impl Device for Host {
    fn name(&self) -> String {
        format!("host, {} threads", self.core.threads())
    }

    fn memory(&self) -> Memory {
        self.memory
    }

    fn has_gate(&self) -> bool {
        true
    }

    fn allocate(&self, _home: Home, bytes: usize, name: Name) -> Result<Region, Error> {
        crate::memory::allocate(bytes, name)
    }

    fn register(&self, bytes: Vec<u8>) -> Result<Region, Error> {
        Ok(crate::memory::adopt(bytes))
    }

    fn mark(&self) -> Result<Mark, Error> {
        Ok(self.core.marks.add(false))
    }

    fn gate(&self) -> Result<Mark, Error> {
        Ok(self.core.marks.add(true))
    }

    fn record(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        self.core.marks.tell(mark, generation)?;
        if on.is_host() {
            self.core.marks.reach(mark, generation);
            return Ok(());
        }
        self.core.lanes.record(on, mark, generation)
    }

    fn wait(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        if on.is_host() {
            self.core.marks.wait(mark, generation);
            return self.core.lanes.check();
        }
        self.core.marks.expect_told(mark, generation)?;
        self.core.lanes.wait(on, mark, generation)
    }

    fn wait_until(&self, _on: Lane, mark: Mark, generation: u64, deadline: Duration) -> Result<bool, Error> {
        Ok(self.core.marks.wait_until(mark, generation, deadline))
    }

    fn wait_either(&self, _on: Lane, first: (Mark, u64), or: (Mark, u64)) -> Result<bool, Error> {
        let reached = self.core.marks.wait_either(first, or);
        self.core.lanes.check()?;
        Ok(reached)
    }

    fn parked(&self, mark: Mark) -> Option<(u64, Duration)> {
        Some(self.core.marks.parked(mark))
    }

    fn copy(&self, on: Lane, job: CopyJob<'_>) -> Result<(), Error> {
        // SAFETY: whoever minted the views vouched for the order of this work too.
        let job = unsafe { job.detach() };
        self.core.run(on, "copy", Operation::Copy, job.from.len() as u64, move || kernels::run_copy(job))
    }

    fn fill(&self, on: Lane, job: FillJob<'_>) -> Result<(), Error> {
        // SAFETY: as in `copy`.
        let job = unsafe { job.detach() };
        self.core.run(on, "fill", Operation::Copy, 0, move || kernels::run_fill(job))
    }

    fn scatter(&self, on: Lane, job: ScatterJob<'_>) -> Result<(), Error> {
        // SAFETY: as in `copy`.
        let job = unsafe { job.detach() };
        let bytes = job.count * job.geometry.element as u64;
        self.core.run(on, "scatter", Operation::Scatter, bytes, move || kernels::run_scatter(job))
    }

    fn reduce(&self, on: Lane, job: ReduceJob<'_>) -> Result<(), Error> {
        // SAFETY: as in `copy`.
        let job = unsafe { job.detach() };
        let bytes = job.from.len() as u64;
        self.core.run(on, "reduce", Operation::Reduce, bytes, move || kernels::run_reduce(job))
    }

    fn aggregate(&self, on: Lane, job: AggregateJob<'_>) -> Result<(), Error> {
        // SAFETY: as in `copy`.
        let job = unsafe { job.detach() };
        let bytes = u64::from(job.chunks) * job.stride;
        self.core.run(on, "aggregate", Operation::Aggregate, bytes, move || kernels::run_aggregate(job))
    }

    fn prepare(
        &self,
        codec: &Codec,
        _chunks: u64,
        chunk_bytes: usize,
        element: usize,
    ) -> Result<Arc<dyn Encoder>, Error> {
        Ok(Arc::new(HostEncoder::new(self.core.clone(), codec, chunk_bytes, element)?))
    }

    fn synchronize(&self) -> Result<(), Error> {
        self.core.lanes.synchronize();
        self.core.lanes.check()
    }

    fn spawn(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> Result<Box<dyn HostThread>, Error> {
        device::start(name, body)
    }

    fn now(&self) -> Duration {
        self.core.opened.elapsed()
    }

    fn busy(&self) -> Vec<Busy> {
        self.core.meters.get()
    }
}
