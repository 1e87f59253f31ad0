//! What the link to a GPU and its codec can do at most, measured while no run uses that GPU.

use std::cell::RefCell;
use std::ffi::c_void;
use std::sync::Arc;
use std::time::Duration;

use cudarc::driver::sys::CUdevice_attribute;
use device::{Device, EncodeJob, Error, Home, Lane, Mark, Name, Operation, Read, Region, Write};
use plan::Codec;

use crate::CoderChoice;
use crate::coder::Coder;
use crate::device::{Cuda, Kernels, MOST_COPIERS, OnStream};
use crate::driver::{Buried, Context, DeviceMemory, Event, Pinned, Stream};
use crate::kernels::Launcher;

/// Bytes of a copy: as large as a staging slot is.
const PIECE: usize = 64 << 20;
/// Bytes on the GPU that copies of one direction go round in.
const RING: usize = 4 * PIECE;

/// A direction of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the host to the device.
    Up,
    /// From the device to the host.
    Down,
}

/// The link to a GPU, with pinned memory and a stream for each direction.
pub struct Link {
    context: Arc<Context>,
    up: Buried<Pinned>,
    down: Buried<Pinned>,
    streams: [Stream; 2],
}

impl Link {
    /// Takes `bytes` bytes of pinned memory for each direction.
    ///
    /// # Errors
    /// There is no such GPU, or not as much memory.
    pub fn new(ordinal: u32, bytes: usize) -> Result<Link, Error> {
        let context = Context::open(ordinal)?;
        let pinned = || Ok::<_, Error>(Buried::new(Pinned::new(&context, bytes)?));
        let (up, down) = (pinned()?, pinned()?);
        let streams = [Stream::new(&context, true)?, Stream::new(&context, true)?];
        Ok(Link { context, up, down, streams })
    }

    /// Bytes that one measurement moves in each direction.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.up.get().len
    }

    /// The pinned memory that goes up: as staging is, for who measures how fast it is filled.
    pub fn staging(&mut self) -> &mut [u8] {
        let pinned = self.up.get();
        // SAFETY: as many bytes of the host's, which nothing else reaches: copies have ended when `time` returns, or are
        // waited for when it fails, and the borrow is the only one.
        unsafe { std::slice::from_raw_parts_mut(pinned.base, pinned.len) }
    }

    /// Time to move all bytes once, in every direction of `ways` at once: from the start of the first copy to the end of
    /// the last, by the GPU's own clock. A piece of each goes before.
    ///
    /// # Errors
    /// Not as much memory on the GPU; the GPU failed.
    pub fn time(&mut self, ways: &[Way]) -> Result<Duration, Error> {
        let rings = ways.iter().map(|_| DeviceMemory::new(&self.context, RING));
        let rings = rings.collect::<Result<Vec<_>, _>>()?;
        let queued = self.queue(ways, &rings);
        // Whatever was queued has ended before its memory goes.
        let rest = self.streams.iter().map(Stream::synchronize).collect::<Result<Vec<_>, _>>();
        let (starts, ends) = queued?;
        rest?;
        let mut took = 0.0f32;
        for (start, end) in starts.iter().flat_map(|start| ends.iter().map(move |end| (start, end))) {
            took = took.max(end.since(start)?);
        }
        Ok(Duration::from_secs_f64(f64::from(took) / 1e3))
    }

    /// Queues the copies, piece by piece in turn; events before and behind them.
    fn queue(&self, ways: &[Way], rings: &[DeviceMemory]) -> Result<(Vec<Event>, Vec<Event>), Error> {
        let event = |_: &Way| Event::new(&self.context, true);
        let (starts, ends) = (
            ways.iter().map(event).collect::<Result<Vec<_>, _>>()?,
            ways.iter().map(event).collect::<Result<Vec<_>, _>>()?,
        );
        let each = || ways.iter().zip(rings).zip(&self.streams);
        let pieces = self.bytes().div_ceil(PIECE);
        for ((way, ring), stream) in each() {
            self.copy(*way, 0, ring, stream)?;
        }
        for (start, stream) in starts.iter().zip(&self.streams) {
            stream.record(start)?;
        }
        for piece in 0..pieces {
            for ((way, ring), stream) in each() {
                self.copy(*way, piece, ring, stream)?;
            }
        }
        for (end, stream) in ends.iter().zip(&self.streams) {
            stream.record(end)?;
        }
        Ok((starts, ends))
    }

    /// Queues the copy of a piece.
    fn copy(&self, way: Way, piece: usize, ring: &DeviceMemory, stream: &Stream) -> Result<(), Error> {
        let at = piece * PIECE;
        let bytes = PIECE.min(self.bytes().saturating_sub(at));
        let there = ring.address + (at % RING) as u64;
        let here = |memory: &Buried<Pinned>| memory.get().base.addr() as u64 + at as u64;
        let (to, from) = match way {
            Way::Up => (there, here(&self.up)),
            Way::Down => (here(&self.down), there),
        };
        // SAFETY: the piece lies within both memories, which outlive the copy: `time` waits for its stream. Copies of one
        // direction are on one stream; those of two share no memory.
        unsafe { stream.copy(to, from, bytes) }
    }
}

/// Threads that copy what is appended to a writer into pinned memory.
#[must_use]
pub fn copiers() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into).min(MOST_COPIERS)
}

/// Bytes of a GPU's memory that are free. What the driver keeps of what was freed is given back before.
///
/// # Errors
/// There is no such GPU, or it failed.
pub fn free_memory(ordinal: u32) -> Result<u64, Error> {
    let context = Context::open(ordinal)?;
    context.trim()?;
    Ok(context.memory()?.0)
}

/// A batch on the GPU, and what compresses it.
struct Bench {
    device: Cuda,
    encoder: Arc<dyn device::Encoder>,
    chunks: u32,
    stride: u64,
    pool: Region,
    scratch: Region,
    sizes: Region,
    done: Mark,
}

/// Times to compress the chunks that lie in `batch` one after another, on the GPU and by its own clock: the same batch
/// `times` times after a first one that does not count. They lie on the GPU before.
///
/// # Errors
/// The GPU has no such codec, or not as much memory; it failed.
pub fn encode(
    (ordinal, by): (u32, CoderChoice),
    codec: &Codec,
    (chunk_bytes, element): (usize, usize),
    batch: &[u8],
    times: u64,
) -> Result<Vec<Duration>, Error> {
    let bench = Bench::new((ordinal, by), codec, (chunk_bytes, element), batch)?;
    bench.once(0)?;
    (1..=times).map(|generation| bench.once(generation)).collect()
}

/// What a GPU can do at most in a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ceilings {
    /// Bytes that its memory moves: by its clock and its width.
    pub bytes: f64,
    /// Instructions that its processors issue, each for a lane of a warp: four warps a clock on each of them.
    pub instructions: f64,
}

/// The ceilings of a GPU, by what its driver says of its clocks.
///
/// # Errors
/// There is no such GPU.
pub fn ceilings(ordinal: u32) -> Result<Ceilings, Error> {
    const LANES: f64 = 4.0 * 32.0;
    let context = Context::open(ordinal)?;
    let of = |which| f64::from(context.attribute(which));
    let memory = of(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE) * 1e3;
    let width = of(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH) / 8.0;
    let clock = of(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE) * 1e3;
    let processors = of(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
    // Memory moves bits at either edge of its clock.
    Ok(Ceilings { bytes: 2.0 * memory * width, instructions: processors * clock * LANES })
}

/// Time that each kernel of our own coder takes for the chunks that lie in `batch`, by the GPU's own clock: the sum over the
/// groups that they go through it in, of the second of two runs.
///
/// # Errors
/// As [`encode`].
pub fn kernels(
    ordinal: u32,
    codec: &Codec,
    (chunk_bytes, element): (usize, usize),
    batch: &[u8],
) -> Result<Vec<(String, Duration)>, Error> {
    let bench = Bench::new((ordinal, CoderChoice::Own), codec, (chunk_bytes, element), batch)?;
    let context = Context::open(ordinal)?;
    let (stream, kernels) = (Stream::new(&context, true)?, Kernels::of(&context)?);
    let coder = Coder::new(codec, u64::from(bench.chunks), chunk_bytes as u64, element as u64)?;
    let workspace = DeviceMemory::new(&context, coder.workspace() as usize)?;
    let mut times: Vec<(String, Duration)> = Vec::new();
    for _ in 0..2 {
        let first = Event::new(&context, true)?;
        stream.record(&first)?;
        let timed = Timed {
            on: OnStream { stream: &stream, kernels: &kernels },
            context: &context,
            events: RefCell::new(vec![(String::new(), first)]),
        };
        // SAFETY: nothing else uses these regions and this memory, and the stream is waited for before they go.
        let queued = unsafe { coder.encode(&timed, &bench.job(), workspace.address) };
        stream.synchronize()?;
        queued?;
        times.clear();
        let events = timed.events.into_inner();
        for pair in events.windows(2) {
            let took = Duration::from_secs_f64(f64::from(pair[1].1.since(&pair[0].1)?) / 1e3);
            match times.iter_mut().find(|(name, _)| *name == pair[1].0) {
                Some((_, all)) => *all += took,
                None => times.push((pair[1].0.clone(), took)),
            }
        }
    }
    Ok(times)
}

/// Launches kernels with an event behind each.
struct Timed<'a> {
    on: OnStream<'a>,
    context: &'a Arc<Context>,
    events: RefCell<Vec<(String, Event)>>,
}

impl Launcher for Timed<'_> {
    unsafe fn launch(
        &self,
        kernel: &str,
        grid: (u32, u32),
        block: (u32, u32),
        params: *const c_void,
    ) -> Result<(), Error> {
        // SAFETY: the caller vouches for it.
        unsafe { self.on.launch(kernel, grid, block, params)? };
        let event = Event::new(self.context, true)?;
        self.on.stream.record(&event)?;
        self.events.borrow_mut().push((kernel.to_owned(), event));
        Ok(())
    }
}

impl Bench {
    fn new(
        (ordinal, by): (u32, CoderChoice),
        codec: &Codec,
        (chunk_bytes, element): (usize, usize),
        batch: &[u8],
    ) -> Result<Bench, Error> {
        let chunks = u32::try_from(batch.len() / chunk_bytes).unwrap_or(u32::MAX);
        if chunks == 0 {
            let why = format!("{} bytes hold no chunk of {chunk_bytes}", batch.len());
            return Err(Error::new(Operation::Encode, why));
        }
        let device = Cuda::open(ordinal)?.with_coder(by);
        let encoder = device.prepare(codec, u64::from(chunks), chunk_bytes, element)?;
        let stride = encoder.worst_case().next_multiple_of(16);
        let memory = |bytes, name| device.allocate(Home::Device, bytes, Name::of(name));
        let pool = memory(chunks as usize * chunk_bytes, "limit's chunks")?;
        let scratch = memory(chunks as usize * stride, "limit's output")?;
        let sizes = memory(8 * chunks as usize, "limit's sizes")?;
        upload(ordinal, &pool, &batch[..chunks as usize * chunk_bytes])?;
        let done = device.mark()?;
        Ok(Bench { device, encoder, chunks, stride: stride as u64, pool, scratch, sizes, done })
    }

    /// Compresses the batch, waits for it, and says how long the GPU took.
    fn once(&self, generation: u64) -> Result<Duration, Error> {
        let before = self.compressed();
        self.encoder.encode(Lane::Compress, self.job())?;
        self.device.record(Lane::Compress, self.done, generation)?;
        // The lane's watcher counts its time before it reaches the mark.
        self.device.wait(Lane::Producer, self.done, generation)?;
        Ok(self.compressed().saturating_sub(before))
    }

    /// The batch. Whoever takes it waits for its end before he takes it again.
    fn job(&self) -> EncodeJob<'_> {
        // SAFETY: nothing else uses these regions: the copy up has ended, each batch is waited for before the next, and
        // all are on one lane.
        let pool = unsafe { Read::mint(&self.pool, 0..self.pool.len()) };
        // SAFETY: as above.
        let scratch = unsafe { Write::mint(&self.scratch, 0..self.scratch.len()) };
        // SAFETY: as above.
        let sizes = unsafe { Write::mint(&self.sizes, 0..self.sizes.len()) };
        EncodeJob { chunks: self.chunks, pool, scratch, stride: self.stride, sizes }
    }

    /// Time that the codec has run.
    fn compressed(&self) -> Duration {
        self.device.busy().iter().filter(|b| b.lane == Lane::Compress).map(|b| b.time).sum()
    }
}

/// Copies bytes to the GPU and waits for it.
fn upload(ordinal: u32, to: &Region, bytes: &[u8]) -> Result<(), Error> {
    let stream = Stream::new(&Context::open(ordinal)?, true)?;
    // SAFETY: nothing else uses the region, which is new.
    let write = unsafe { Write::mint(to, 0..bytes.len()) };
    let (to, from) = (write.address().addr() as u64, bytes.as_ptr().addr() as u64);
    // SAFETY: both are as long, and are kept until the stream is waited for.
    let queued = unsafe { stream.copy(to, from, bytes.len()) };
    stream.synchronize()?;
    queued
}
