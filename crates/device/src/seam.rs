//! What a device does.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use plan::{Codec, Memory};

use crate::error::{Error, Operation};
use crate::jobs::{AggregateJob, CopyJob, EncodeJob, FillJob, ReduceJob, ScatterJob};
use crate::lane::{Lane, Mark};
use crate::memory::{Home, Name, Region, Write};

/// How long a kind of work has kept a device busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    /// The kernel.
    pub name: &'static str,
    /// The lane that it ran on.
    pub lane: Lane,
    /// Times that it ran.
    pub count: u64,
    /// Time that it ran.
    pub time: Duration,
    /// Bytes that it read.
    pub read: u64,
    /// Bytes that it wrote.
    pub written: u64,
}

/// A thread of the host that the device made.
pub trait HostThread: Send {
    /// Waits for its end.
    ///
    /// # Errors
    /// The thread panicked.
    fn join(self: Box<Self>) -> Result<(), Error>;
}

/// A codec prepared for one chunk size.
pub trait Encoder: Send + Sync {
    /// Largest size of an encoded chunk, in bytes.
    fn worst_case(&self) -> usize;

    /// Queues the compression of a batch.
    ///
    /// # Errors
    /// The lane cannot take the work.
    fn encode(&self, on: Lane, job: EncodeJob<'_>) -> Result<(), Error>;
}

/// What runs the orchestration's work. Object safe: dispatch is per batch, not per pixel.
///
/// Work that is queued runs later. Whoever minted a view has vouched for the order of that work too (see
/// [`Read::mint`](crate::Read::mint)), so handing the view on is safe.
///
/// After a failure on a device lane later work of that device is skipped, marks are still recorded so that nobody
/// hangs, and every host wait returns the first error.
pub trait Device: Send + Sync {
    /// Name, for people.
    fn name(&self) -> String;

    /// Where its buffers lie.
    fn memory(&self) -> Memory;

    /// Whether a lane can wait for what the host records only later: see [`Device::gate`].
    fn has_gate(&self) -> bool;

    /// Allocates `bytes` bytes; memory of the host begins on a page of 4096. What they hold is not defined until they are
    /// written.
    ///
    /// # Errors
    /// There is not enough memory.
    fn allocate(&self, home: Home, bytes: usize, name: Name) -> Result<Region, Error>;

    /// Takes over memory of the caller's, so that the device can read it where it lies. All of it counts as written.
    ///
    /// # Errors
    /// The device cannot reach it.
    fn register(&self, bytes: Vec<u8>) -> Result<Region, Error>;

    /// Makes a mark; its generations are recorded in ascending order.
    ///
    /// # Errors
    /// The device has no more of them.
    fn mark(&self) -> Result<Mark, Error>;

    /// Makes a gate: a mark that only host lanes record, and that device lanes may be told to wait for before it is
    /// recorded. Whoever queues such a wait answers for the record coming, whatever fails meanwhile.
    ///
    /// # Errors
    /// The device has none.
    fn gate(&self) -> Result<Mark, Error>;

    /// Records `generation` of `mark` after all that was queued on `on` so far; on a host lane, now.
    ///
    /// # Errors
    /// The generation was recorded before.
    fn record(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error>;

    /// Makes `on` wait for `generation` of `mark`; on a host lane, blocks.
    ///
    /// # Errors
    /// A device lane is told to wait for what was not recorded yet (a silent success would hide a missing
    /// order), unless the mark is a gate; or the device failed.
    fn wait(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error>;

    /// As [`Device::wait`] on a host lane, at most until `deadline` on this device's clock: whether it was
    /// recorded. It says nothing of a device that has failed, so that who winds up after a failure can still wait.
    ///
    /// # Errors
    /// The device cannot wait.
    fn wait_until(&self, on: Lane, mark: Mark, generation: u64, deadline: Duration) -> Result<bool, Error>;

    /// As [`Device::wait`] on a host lane, or until `or` is reached, whichever is first: whether it was the first of the
    /// two. Where both are there, it is the first.
    ///
    /// # Errors
    /// The device failed.
    fn wait_either(&self, on: Lane, first: (Mark, u64), or: (Mark, u64)) -> Result<bool, Error>;

    /// How often device lanes have waited for `mark`, and for how long; `None` where the device cannot say.
    fn parked(&self, mark: Mark) -> Option<(u64, Duration)>;

    /// Told which stage, of which generation, the work belongs to that this thread queues or does from now on, and where
    /// in the source it is entered. A device that checks the order of accesses names it in its reports.
    fn enter(&self, stage: &'static str, generation: u64, at: &'static Location<'static>) {
        let _ = (stage, generation, at);
    }

    /// Told that this thread takes the part of a host lane, or leaves it to the next: a lock puts what the one did there
    /// before what the other does. A device that checks the order of accesses must know.
    fn pass(&self, lane: Lane, taken: bool) {
        let _ = (lane, taken);
    }

    /// Copies bytes of the caller's into memory of the host, now: by as many threads as the device thinks it takes.
    ///
    /// # Errors
    /// The lengths differ, or the memory is the device's own.
    fn take(&self, from: &[u8], to: Write<'_>) -> Result<(), Error> {
        let to = to.into_bytes()?;
        if from.len() != to.len() {
            let why = format!("{} bytes do not go into {}", from.len(), to.len());
            return Err(Error::new(Operation::Copy, why));
        }
        to.copy_from_slice(from);
        Ok(())
    }

    /// Queues a copy.
    ///
    /// # Errors
    /// The lane cannot take the work.
    fn copy(&self, on: Lane, job: CopyJob<'_>) -> Result<(), Error>;

    /// Queues a fill.
    ///
    /// # Errors
    /// The lane cannot take the work.
    fn fill(&self, on: Lane, job: FillJob<'_>) -> Result<(), Error>;

    /// Queues a scatter.
    ///
    /// # Errors
    /// The lane cannot take the work.
    fn scatter(&self, on: Lane, job: ScatterJob<'_>) -> Result<(), Error>;

    /// Queues a step of a pyramid.
    ///
    /// # Errors
    /// The lane cannot take the work; the device makes no pyramids.
    fn reduce(&self, on: Lane, job: ReduceJob<'_>) -> Result<(), Error>;

    /// Queues an aggregation.
    ///
    /// # Errors
    /// The lane cannot take the work.
    fn aggregate(&self, on: Lane, job: AggregateJob<'_>) -> Result<(), Error>;

    /// Prepares a codec for batches of at most `chunks` chunks of `chunk_bytes` bytes, of elements of `element` bytes.
    ///
    /// # Errors
    /// The device has no such codec, or not the memory that it works in.
    fn prepare(
        &self,
        codec: &Codec,
        chunks: u64,
        chunk_bytes: usize,
        element: usize,
    ) -> Result<Arc<dyn Encoder>, Error>;

    /// Waits until all device lanes are idle.
    ///
    /// # Errors
    /// The device failed.
    fn synchronize(&self) -> Result<(), Error>;

    /// Makes a thread of the host.
    ///
    /// # Errors
    /// The system gives no more threads.
    fn spawn(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> Result<Box<dyn HostThread>, Error>;

    /// The clock of the orchestration: time since the device was opened.
    fn now(&self) -> Duration;

    /// How long each kernel has run.
    fn busy(&self) -> Vec<Busy>;
}
