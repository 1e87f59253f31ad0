//! What this machine can do at most: yardsticks that a run is held against.
//!
//! Each does one thing that a run must do, with as many bytes, and nothing besides. What a run reaches of the slowest
//! of them says how much its orchestration costs; a rate alone says how fast the machine is.
//!
//! ```
//! use forebay::limits::{self, Threads};
//!
//! let threads = Threads::new(2)?;
//! let (from, mut to) = (vec![1; 1 << 20], vec![0; 1 << 20]);
//! let time = limits::copy(&threads, &from, &mut to, 3 << 20);
//! println!("{:.1} GB/s", (3 << 20) as f64 / 1e9 / time.as_secs_f64());
//! # Ok::<(), limits::Error>(())
//! ```

mod disk;
mod gpu;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use host::codec::{Context, Prepared};
use host::kernels::{Elements, scatter};
use rayon::prelude::*;

use crate::Plan;

pub use disk::{Way, write};
pub use gpu::{Ceilings, Direction, Gpu, Kernels, Link};

/// Why a limit could not be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system gives no threads.
    #[error("cannot start {count} threads: {why}; ask for fewer")]
    Threads {
        /// Threads asked for.
        count: usize,
        /// What the system said.
        why: String,
    },
    /// The GPU has not the memory or the codec, or failed.
    #[error("the GPU: {0}")]
    Gpu(String),
    /// The codec refused its parameters or a chunk.
    #[error("{0}")]
    Codec(String),
    /// Less than one page to write from.
    #[error("{0} bytes hold no aligned page of 4096; give 8192 bytes or more")]
    Short(usize),
    /// The file system cannot write past its cache.
    #[error("{}: its file system takes no direct writes ({source}); measure on another disk", path.display())]
    NoDirect {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file could not be made, written or made durable.
    #[error("cannot {doing} {}: {source}; give a folder with free space that can be written to", path.display())]
    Write {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Bytes that one task copies: few enough to share a pass among threads, and no cost of its own.
const TASK: usize = 1 << 20;

/// Threads that measurements run on. They are kept, so that none is started inside a measured time.
pub struct Threads(rayon::ThreadPool);

impl Threads {
    /// Starts `count` threads; 0: as many as there are cores.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn new(count: usize) -> Result<Threads, Error> {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(count);
        let pool = builder.thread_name(|i| format!("forebay-limit{i}")).build();
        Ok(Threads(pool.map_err(|e| Error::Threads { count, why: e.to_string() })?))
    }

    /// Number of threads.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.current_num_threads()
    }
}

/// Time to copy `bytes` bytes from `from` to `to` on all threads, each cycled by itself as often as that takes. What shall
/// not come from the last-level cache is larger than that; both are written before, so that the system has given their
/// pages.
pub fn copy(threads: &Threads, from: &[u8], to: &mut [u8], bytes: u64) -> Duration {
    let mut left = if from.is_empty() || to.is_empty() { 0 } else { bytes };
    let (mut at, mut there) = (0, 0);
    let start = clock();
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let pass = most.min(from.len() - at).min(to.len() - there);
        let (read, written) = (&from[at..at + pass], &mut to[there..there + pass]);
        let pairs = (read.par_chunks(TASK), written.par_chunks_mut(TASK));
        threads.0.install(|| pairs.into_par_iter().for_each(|(from, to)| to.copy_from_slice(from)));
        (at, there) = ((at + pass) % from.len(), (there + pass) % to.len());
        left -= pass as u64;
    }
    start.elapsed()
}

/// Chunks, laid out in memory as a run lays them out before it compresses them.
pub struct Chunks {
    prepared: Prepared,
    chunk: usize,
    bytes: Vec<u8>,
    /// Scratch and output of each thread; a thread takes its own, so the locks are never contended.
    desks: Vec<Mutex<(Context, Vec<u8>)>>,
}

impl Chunks {
    /// Cuts `source`, whole epochs of frames as they arrive, into the chunks of `plan`. Holds as many bytes again.
    ///
    /// # Errors
    /// The codec refuses its parameters.
    pub fn new(threads: &Threads, plan: &Plan, source: &[u8]) -> Result<Chunks, Error> {
        let refused = |e: host::codec::Error| Error::Codec(e.to_string());
        let chunk = plan.chunk_bytes as usize;
        let prepared = Prepared::new(&plan.codec, chunk, plan.dtype.size()).map_err(refused)?;
        let desk = |_| Mutex::new((prepared.context(), vec![0; prepared.worst_case()]));
        let desks = (0..threads.count()).map(desk).collect();
        Ok(Chunks { prepared, chunk, bytes: threads.0.install(|| laid_out(plan, source)), desks })
    }

    /// Time to compress `count` chunks on all threads, cycling through those that there are, and the bytes that they
    /// came to. Nothing is written anywhere.
    ///
    /// # Errors
    /// The codec's library fails.
    pub fn encode(&self, threads: &Threads, count: u64) -> Result<(Duration, u64), Error> {
        let held = self.bytes.len() / self.chunk;
        let count = if held == 0 { 0 } else { usize::try_from(count).unwrap_or(usize::MAX) };
        let start = clock();
        let each = || (0..count).into_par_iter().with_max_len(1).map(|i| self.encode_one(i % held));
        let encoded = threads.0.install(|| each().try_reduce(|| 0, |a, b| Ok(a + b)))?;
        Ok((start.elapsed(), encoded))
    }

    fn encode_one(&self, i: usize) -> Result<u64, Error> {
        let thread = rayon::current_thread_index().unwrap_or(0) % self.desks.len();
        let mut desk = self.desks[thread].lock().unwrap_or_else(PoisonError::into_inner);
        let (context, out) = &mut *desk;
        let chunk = &self.bytes[i * self.chunk..][..self.chunk];
        let encoded = self.prepared.encode(context, chunk, out).map_err(|e| Error::Codec(e.to_string()))?;
        Ok(encoded as u64)
    }
}

/// A source as chunks, epoch by epoch.
fn laid_out(plan: &Plan, source: &[u8]) -> Vec<u8> {
    let (arriving, size) = (plan.epoch_bytes as usize, plan.dtype.size());
    let held = (plan.grid.chunks_per_epoch * plan.chunk_bytes) as usize;
    let mut bytes = vec![0; source.len().div_ceil(arriving) * held];
    for (epoch, pool) in source.chunks(arriving).zip(bytes.chunks_mut(held)) {
        let whole = &epoch[..epoch.len() / size * size];
        scatter(&plan.scatter, 0, (whole.len() / size) as u64, Elements::Bytes(whole), pool);
    }
    bytes
}

#[expect(clippy::disallowed_methods, reason = "a measurement of the machine, outside of any run")]
fn clock() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Array, Codec, DType, Dim, Options};

    #[test]
    fn as_many_bytes_are_copied_as_are_asked_for() {
        let threads = Threads::new(2).unwrap();
        let from: Vec<u8> = (0..3 * TASK + 7).map(|i| (i % 251) as u8).collect();
        let mut to = vec![0; from.len()];
        copy(&threads, &from, &mut to, 1000);
        assert_eq!((&to[..1000], to[1000]), (&from[..1000], 0));
        copy(&threads, &from, &mut to, 2 * from.len() as u64);
        assert_eq!(to, from);
        // A shorter place is filled again and again, and what is read goes on: the last third twice.
        let mut ring = vec![0; TASK];
        copy(&threads, &from, &mut ring, 3 * TASK as u64 + 7);
        assert_eq!((&ring[..7], &ring[7..]), (&from[3 * TASK..], &from[2 * TASK + 7..3 * TASK]));
        // A short source is read again and again, one behind the other.
        let mut both = vec![0; 20];
        copy(&threads, &from[..10], &mut both, 20);
        assert_eq!((&both[..10], &both[10..]), (&from[..10], &from[..10]));
        // Nowhere to copy to: it ends, rather than going round for ever.
        copy(&threads, &from, &mut [], 1000);
    }

    #[test]
    fn chunks_are_those_of_the_plan_and_shrink_as_in_a_run() {
        let dims =
            vec![Dim::unbounded("t").chunk(2), Dim::new("y", 64).chunk(32), Dim::new("x", 48).chunk(16)];
        let array = Array { codec: Codec::Zstd { level: 1 }, ..Array::new(DType::U16, dims) };
        let plan = crate::plan_for(&array, &Options::default()).unwrap();
        let frames: Vec<u8> = (0..4 * 64 * 48).flat_map(|i: u32| ((i / 7) as u16).to_le_bytes()).collect();
        let threads = Threads::new(2).unwrap();
        let chunks = Chunks::new(&threads, &plan, &frames).unwrap();
        // Chunk 1 of the first epoch: columns 16 to 31 of rows 0 to 31 of frames 0 and 1.
        let element = |t: usize, y: usize, x: usize| &frames[2 * ((t * 64 + y) * 48 + x)..][..2];
        let place = |t: usize, y: usize, x: usize| 2 * ((t * 32 + y) * 16 + x) + plan.chunk_bytes as usize;
        assert_eq!(&chunks.bytes[place(1, 5, 3)..][..2], element(1, 5, 19));
        let (store, options) = (store::Memory::new(), Options::default());
        let target: std::sync::Arc<dyn store::Store> = std::sync::Arc::new(store);
        let mut writer = crate::Writer::open(target, &array, options).unwrap();
        writer.append(&frames).unwrap();
        let stored = writer.close().unwrap().metrics.bytes_out;
        assert_eq!(chunks.encode(&threads, 12).unwrap().1, stored);
        assert_eq!(chunks.encode(&threads, 24).unwrap().1, 2 * stored);
    }
}
