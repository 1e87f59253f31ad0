//! The GPU of a run: its link, its memory, its codec.

use std::time::Duration;

use cuda::limits as device;
pub use cuda::limits::Ceilings;
use rayon::prelude::*;

use super::{Error, Threads, copy, laid_out};
use crate::{CoderChoice, DeviceChoice, Options, Plan};

/// The GPU that a run uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gpu(u32, CoderChoice);

/// What the kernels of our own coder took for a batch.
#[derive(Clone, Debug)]
pub struct Kernels {
    /// Bytes of the batch.
    pub input: u64,
    /// Each kernel by name, in order.
    pub times: Vec<(String, Duration)>,
    /// What the GPU can do at most.
    pub ceilings: Ceilings,
}

/// Where bytes go over the link to a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the host to the device.
    Up,
    /// From the device to the host.
    Down,
    /// Both ways at once, as many bytes each way.
    Both,
}

impl Gpu {
    /// The GPU of a run with this plan and these options; `None` where it has none.
    #[must_use]
    pub fn of(plan: &Plan, options: &Options) -> Option<Gpu> {
        let ordinal = if let DeviceChoice::Cuda(ordinal) = options.device { ordinal } else { 0 };
        plan.facts.own.bytes.map(|_| Gpu(ordinal, options.coder))
    }

    /// Its name.
    ///
    /// # Errors
    /// It cannot be had any more.
    pub fn name(&self) -> Result<String, Error> {
        cuda::name(self.0).map_err(failed)
    }

    /// Bytes of its memory that are free, for whoever uses it.
    ///
    /// # Errors
    /// It failed.
    pub fn free_memory(&self) -> Result<u64, Error> {
        device::free_memory(self.0).map_err(failed)
    }

    /// Threads that copy what is appended into memory that the GPU reads.
    #[must_use]
    pub fn copiers(&self) -> usize {
        device::copiers()
    }

    /// Makes its link ready to be measured, with `bytes` bytes of pinned memory for each direction.
    ///
    /// # Errors
    /// There is not as much memory.
    pub fn link(&self, bytes: usize) -> Result<Link, Error> {
        device::Link::new(self.0, bytes).map(Link).map_err(failed)
    }

    /// Times to compress a full batch of `plan` on the GPU, by its own clock: its chunks hold what `source` (whole epochs of
    /// frames, cycled) brings, and lie on the GPU before. `times` times, after a first one that does not count.
    ///
    /// # Errors
    /// There is not as much memory; the codec fails.
    pub fn encode(&self, plan: &Plan, source: &[u8], times: u64) -> Result<Vec<Duration>, Error> {
        let (batch, chunk) = (batch_of(plan, source)?, (plan.chunk_bytes as usize, plan.dtype.size()));
        device::encode((self.0, self.1), &plan.codec, chunk, &batch, times).map_err(failed)
    }

    /// Time that each kernel of our own coder takes for such a batch, and what the GPU can do at most; `None` where another
    /// coder compresses.
    ///
    /// # Errors
    /// As [`Gpu::encode`].
    pub fn kernels(&self, plan: &Plan, source: &[u8]) -> Result<Option<Kernels>, Error> {
        if self.1 != CoderChoice::Own {
            return Ok(None);
        }
        let (batch, chunk) = (batch_of(plan, source)?, (plan.chunk_bytes as usize, plan.dtype.size()));
        let times = device::kernels(self.0, &plan.codec, chunk, &batch).map_err(failed)?;
        let ceilings = device::ceilings(self.0).map_err(failed)?;
        Ok(Some(Kernels { input: batch.len() as u64, times, ceilings }))
    }
}

/// A full batch of `plan`, filled with whole epochs of frames from `source`, cycled.
fn batch_of(plan: &Plan, source: &[u8]) -> Result<Vec<u8>, Error> {
    let epoch = plan.epoch_bytes as usize;
    let of_epoch = (plan.grid.chunks_per_epoch * plan.chunk_bytes) as usize;
    let epochs = source.len() / epoch;
    if epochs == 0 {
        return Err(Error::Gpu(format!("{} bytes hold no epoch of {epoch}", source.len())));
    }
    let mut batch = vec![0; plan.batch_epochs as usize * of_epoch];
    let each = batch.par_chunks_mut(of_epoch).enumerate();
    each.for_each(|(e, chunks)| {
        let e = e % epochs;
        chunks.copy_from_slice(&laid_out(plan, &source[e * epoch..(e + 1) * epoch]));
    });
    Ok(batch)
}

/// The link to a GPU, and pinned memory at this end of it.
pub struct Link(device::Link);

impl Link {
    /// Bytes that one measurement moves each way.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.bytes() as u64
    }

    /// Time to move [`Link::bytes`] bytes once, by the GPU's own clock.
    ///
    /// # Errors
    /// The GPU failed, or has not the memory.
    pub fn time(&mut self, direction: Direction) -> Result<Duration, Error> {
        let ways: &[device::Way] = match direction {
            Direction::Up => &[device::Way::Up],
            Direction::Down => &[device::Way::Down],
            Direction::Both => &[device::Way::Up, device::Way::Down],
        };
        self.0.time(ways).map_err(failed)
    }

    /// Time to copy `bytes` bytes of `from`, cycled, into the first `ring` bytes of the pinned memory, cycled.
    pub fn fill(&mut self, threads: &Threads, from: &[u8], ring: usize, bytes: u64) -> Duration {
        let to = self.0.staging();
        let ring = ring.min(to.len());
        copy(threads, from, &mut to[..ring], bytes)
    }
}

fn failed(error: ::device::Error) -> Error {
    Error::Gpu(error.to_string())
}
