//! A checker around any device: every access that nothing orders is an error, whether or not it did harm this time.

use std::ops::Range;
use std::panic::Location;
use std::time::Duration;

use plan::{Codec, Memory};

use crate::check::{Ledger, Step, Touch};
use crate::error::Error;
use crate::jobs::{AggregateJob, CopyJob, EncodeJob, FillJob, ReduceJob, ScatterJob, Sizes, Source, Tails};
use crate::lane::{Lane, Mark};
use crate::memory::{Backing, Home, Name, Region};
use crate::seam::{Busy, Device, Encoder, HostThread};
use crate::sync::Arc;

/// What memory that nobody has written holds, where the host reaches it: whoever relies on zeros sees this.
pub const UNWRITTEN: u8 = 0xA5;

/// A device, and a ledger of who has seen what.
///
/// Every call goes on to the device; beside it the same marks, lanes and accesses are kept as vector clocks (see
/// [`check`](crate::check)). Two uses of the same bytes of which one writes, and which no record and wait order, are a
/// race: the call that finds it fails with [`Error::unordered`], and so does all work and every host wait from then on.
/// Records go on, so that nobody hangs. What is found where no error can be returned, on a thread of the store or where
/// the host takes bytes, is what the next call says.
///
/// It knows what it is told: the views of each job, whole; for whom a thread works ([`on`](crate::on)). After a call of
/// the device has failed it looks for nothing any more, for what that call should have ordered is not.
pub struct Checked<D> {
    device: D,
    ledger: Arc<Ledger>,
}

impl<D: Device> Checked<D> {
    /// Checks a device from now on. Memory that it gave out before is not known.
    #[must_use]
    pub fn new(device: D) -> Checked<D> {
        Checked { device, ledger: Arc::default() }
    }

    /// The first race, if there is one.
    ///
    /// # Errors
    /// That race.
    pub fn verdict(&self) -> Result<(), Error> {
        self.ledger.check()
    }

    fn watch(&self, inner: Region, name: Name) -> Region {
        let number = self.ledger.add(name);
        Region::new(Arc::new(Watched { inner, number, ledger: self.ledger.clone() }))
    }

    /// A failure of the device ends the checks.
    fn through<T>(&self, ended: Result<T, Error>) -> Result<T, Error> {
        if ended.is_err() {
            self.ledger.go_blind();
        }
        ended
    }

    /// Queues work, unless a race was found, and notes what it uses.
    fn run(
        &self,
        on: Lane,
        touches: impl IntoIterator<Item = Option<Touch>>,
        queue: impl FnOnce(&D) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.ledger.check()?;
        let touches = touches.into_iter().flatten().collect();
        self.through(queue(&self.device))?;
        self.ledger.queue(on, Step::Run(touches))
    }
}

/// A region whose uses by the host are seen.
struct Watched {
    inner: Region,
    number: u64,
    ledger: Arc<Ledger>,
}

// SAFETY: all of it is what the region within says, which lives as long as this value.
unsafe impl Backing for Watched {
    fn base(&self) -> *mut u8 {
        self.inner.backing().base()
    }

    fn len(&self) -> usize {
        self.inner.len()
    }

    fn host_visible(&self) -> bool {
        self.inner.backing().host_visible()
    }

    fn taken(&self, range: Range<usize>, write: bool, at: &'static Location<'static>) {
        self.inner.backing().taken(range.clone(), write, at);
        self.ledger.taken(&Touch { region: self.number, range, write }, at);
    }

    fn number(&self) -> Option<u64> {
        Some(self.number)
    }

    fn inner(&self) -> Option<&Region> {
        Some(&self.inner)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.ledger.remove(self.number);
    }
}

impl<D: Device> Device for Checked<D> {
    fn name(&self) -> String {
        self.device.name()
    }

    fn memory(&self) -> Memory {
        self.device.memory()
    }

    fn has_gate(&self) -> bool {
        self.device.has_gate()
    }

    fn allocate(&self, home: Home, bytes: usize, name: Name) -> Result<Region, Error> {
        let region = self.device.allocate(home, bytes, name)?;
        if region.backing().host_visible() {
            // SAFETY: `len` bytes from `base` on are allocated and the host may write them; nobody has a view of them yet.
            unsafe { region.backing().base().write_bytes(UNWRITTEN, region.len()) };
        }
        Ok(self.watch(region, name))
    }

    fn register(&self, bytes: Vec<u8>) -> Result<Region, Error> {
        Ok(self.watch(self.device.register(bytes)?, Name::of("registered memory")))
    }

    fn mark(&self) -> Result<Mark, Error> {
        self.device.mark()
    }

    fn gate(&self) -> Result<Mark, Error> {
        let gate = self.device.gate()?;
        self.ledger.add_gate(gate);
        Ok(gate)
    }

    fn record(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        // Noted first: whoever sees the device's record must find ours.
        match self.ledger.record(on, mark, generation) {
            Some(found) => self.through(self.device.record(on, mark, generation)).and(found),
            None => self.device.record(on, mark, generation),
        }
    }

    fn wait(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        if on.is_host() {
            self.through(self.device.wait(on, mark, generation))?;
            self.ledger.waited(mark, generation);
            return self.ledger.check();
        }
        self.ledger.check()?;
        if !self.ledger.may_wait(mark, generation) {
            return self.device.wait(on, mark, generation);
        }
        self.through(self.device.wait(on, mark, generation))?;
        self.ledger.queue(on, Step::Wait(mark, generation))
    }

    fn wait_until(&self, on: Lane, mark: Mark, generation: u64, deadline: Duration) -> Result<bool, Error> {
        let reached = self.through(self.device.wait_until(on, mark, generation, deadline))?;
        if reached {
            self.ledger.waited(mark, generation);
        }
        Ok(reached)
    }

    fn wait_either(&self, on: Lane, first: (Mark, u64), or: (Mark, u64)) -> Result<bool, Error> {
        let is_first = self.through(self.device.wait_either(on, first, or))?;
        let (mark, generation) = if is_first { first } else { or };
        self.ledger.waited(mark, generation);
        self.ledger.check()?;
        Ok(is_first)
    }

    fn parked(&self, mark: Mark) -> Option<(u64, Duration)> {
        self.device.parked(mark)
    }

    fn enter(&self, stage: &'static str, generation: u64, at: &'static Location<'static>) {
        self.ledger.enter(stage, generation, at);
        self.device.enter(stage, generation, at);
    }

    fn pass(&self, lane: Lane, taken: bool) {
        self.device.pass(lane, taken);
    }

    fn copy(&self, on: Lane, job: CopyJob<'_>) -> Result<(), Error> {
        let touches = [job.from.touch(), job.to.touch()];
        let job = CopyJob { from: job.from.inner(), to: job.to.inner() };
        self.run(on, touches, |device| device.copy(on, job))
    }

    fn fill(&self, on: Lane, job: FillJob<'_>) -> Result<(), Error> {
        let touches = [job.to.touch()];
        let job = FillJob { to: job.to.inner(), ..job };
        self.run(on, touches, |device| device.fill(on, job))
    }

    fn scatter(&self, on: Lane, job: ScatterJob<'_>) -> Result<(), Error> {
        let (from, source) = match job.source {
            Source::Elements(read) => (read.touch(), Source::Elements(read.inner())),
            Source::Fill(element) => (None, Source::Fill(element)),
        };
        let touches = [from, job.pool.touch()];
        let job = ScatterJob { source, pool: job.pool.inner(), ..job };
        self.run(on, touches, |device| device.scatter(on, job))
    }

    fn reduce(&self, on: Lane, job: ReduceJob<'_>) -> Result<(), Error> {
        let touches = job.touches();
        let (before, from, to) = (job.before.map(crate::Read::inner), job.from.inner(), job.to.inner());
        let job = ReduceJob { before, from, to, ..job };
        self.run(on, touches, |device| device.reduce(on, job))
    }

    fn aggregate(&self, on: Lane, job: AggregateJob<'_>) -> Result<(), Error> {
        let touches = job.touches();
        let sizes = match job.sizes {
            Sizes::Fixed(size) => Sizes::Fixed(size),
            Sizes::Each(read) => Sizes::Each(read.inner()),
        };
        let tails = job.tails.map(|t| Tails { bytes: t.bytes.inner(), lengths: t.lengths.inner() });
        let (order, table, source) = (job.order.inner(), job.table.inner(), job.source.inner());
        let (packed, index, kept) =
            (job.packed.inner(), job.index.inner(), job.kept.map(crate::Write::inner));
        let job = AggregateJob { order, table, tails, source, sizes, packed, index, kept, ..job };
        self.run(on, touches, |device| device.aggregate(on, job))
    }

    fn prepare(
        &self,
        codec: &Codec,
        chunks: u64,
        chunk_bytes: usize,
        element: usize,
    ) -> Result<Arc<dyn Encoder>, Error> {
        let encoder = self.device.prepare(codec, chunks, chunk_bytes, element)?;
        Ok(Arc::new(CheckedEncoder { encoder, ledger: self.ledger.clone() }))
    }

    fn synchronize(&self) -> Result<(), Error> {
        self.through(self.device.synchronize())?;
        self.ledger.synchronized();
        self.ledger.check()
    }

    fn spawn(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> Result<Box<dyn HostThread>, Error> {
        self.ledger.begins();
        let thread = self.device.spawn(name, body)?;
        Ok(Box::new(CheckedThread { thread, ledger: self.ledger.clone() }))
    }

    fn now(&self) -> Duration {
        self.device.now()
    }

    fn busy(&self) -> Vec<Busy> {
        self.device.busy()
    }
}

struct CheckedEncoder {
    encoder: Arc<dyn Encoder>,
    ledger: Arc<Ledger>,
}

impl Encoder for CheckedEncoder {
    fn worst_case(&self) -> usize {
        self.encoder.worst_case()
    }

    fn encode(&self, on: Lane, job: EncodeJob<'_>) -> Result<(), Error> {
        self.ledger.check()?;
        let touches = job.touches().into_iter().flatten().collect();
        let (pool, scratch, sizes) = (job.pool.inner(), job.scratch.inner(), job.sizes.inner());
        let queued = self.encoder.encode(on, EncodeJob { pool, scratch, sizes, ..job });
        if queued.is_err() {
            self.ledger.go_blind();
        }
        queued.and_then(|()| self.ledger.queue(on, Step::Run(touches)))
    }
}

struct CheckedThread {
    thread: Box<dyn HostThread>,
    ledger: Arc<Ledger>,
}

impl HostThread for CheckedThread {
    fn join(self: Box<Self>) -> Result<(), Error> {
        self.thread.join()?;
        self.ledger.joined();
        Ok(())
    }
}
