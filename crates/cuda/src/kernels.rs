//! Kernels and how they are launched: what of a job goes to which thread.
//!
//! The sources are CUDA C++ (`kernels/*.cu`), compiled beforehand for the architectures in use and embedded: who runs this
//! needs the driver and nothing else. `cargo xtask kernels` compiles them. Whoever launches them is behind a trait, so that
//! the same sources and the same launches run on the CPU in tests (feature `shim`).

use std::ffi::c_void;
use std::sync::LazyLock;

use device::{AggregateJob, CopyJob, Error, FillJob, Operation, ScatterJob, Sizes, Source};

use crate::reduce;

/// The kernels, for every architecture that is supported.
pub const IMAGE: &[u8] = include_bytes!("../kernels/kernels.fatbin");

/// Threads of a block.
pub(crate) const BLOCK: u32 = 256;
/// The most threads of the one block that finds all offsets.
const PLACE: u32 = 1024;
/// Bytes that a block gathers at the most: `PART` of aggregate.cu.
const PART: u64 = 32_768;
/// Blocks of a kernel that goes over its elements with a stride: enough to fill any GPU.
const MOST_BLOCKS: u64 = 2048;
/// Bytes that a block copies up: `PIECE` of copy.cu.
const PIECE: u64 = 4096;
/// Bytes of the shortest piece that a thread takes the CRC of: `LEAST_PIECE` of crc32c.cu.
const LEAST_PIECE: u32 = 128;

/// Kernels of which there is one, by their names in the sources.
const SINGLE: [&str; 37] = [
    "scatter_1",
    "scatter_2",
    "scatter_4",
    "scatter_8",
    "scatter_16",
    "scatter_long_1",
    "scatter_long_2",
    "scatter_long_4",
    "scatter_long_8",
    "scatter_long_16",
    "fill_1",
    "fill_2",
    "fill_4",
    "fill_8",
    "fill_16",
    "place",
    "gather_tails",
    "gather",
    "keep_tails",
    "copy_up",
    "crc32c",
    "encode_addresses",
    "encode_check",
    "coder_filter_0",
    "coder_filter_1",
    "coder_filter_2",
    "coder_filter_4",
    "coder_filter_8",
    "coder_analyze",
    "coder_lz4",
    "coder_match",
    "coder_table",
    "coder_encode",
    "coder_sequences",
    "coder_place",
    "coder_assemble",
    "coder_restore",
];

/// Every kernel, by its name in the sources.
pub fn names() -> impl Iterator<Item = String> {
    SINGLE.map(str::to_owned).into_iter().chain(reduce::names())
}

/// Runs kernels.
pub trait Launcher {
    /// Threads that keep it busy: eight times as many as an H200 runs at once, where nothing else is known.
    fn enough_threads(&self) -> u64 {
        8 * 132 * 2048
    }

    /// Launches a kernel of [`names`] on a grid of blocks, each of so many threads with so many bytes of shared memory.
    ///
    /// # Errors
    /// It cannot be launched.
    ///
    /// # Safety
    /// `params` points to what the kernel takes; all that this points to is allocated until the kernel has run, and
    /// nothing else uses it unordered.
    unsafe fn launch(
        &self,
        kernel: &str,
        grid: (u32, u32),
        block: (u32, u32),
        params: *const c_void,
    ) -> Result<(), Error>;
}

/// Sixteen bytes.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Wide([u8; 16]);

impl Wide {
    /// The same element again and again.
    fn of(element: &[u8; 8], size: usize) -> Wide {
        Wide(std::array::from_fn(|i| element[i % size]))
    }
}

/// Dimensions of an epoch at the most, and the epochs themselves: `MOST_DIMS` of scatter.cu.
const MOST_DIMS: usize = 33;

#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Dim {
    extent: u64,
    chunk: u64,
    chunk_step: u64,
    inside_step: u64,
}

#[repr(C)]
struct ScatterParams {
    source: u64,
    pool: u64,
    first: u64,
    count: u64,
    fill: Wide,
    rank: u64,
    dims: [Dim; MOST_DIMS],
}

#[repr(C)]
struct FillParams {
    to: u64,
    count: u64,
    element: Wide,
}

#[repr(C)]
struct CopyParams {
    to: u64,
    from: u64,
    bytes: u64,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct AggregateParams {
    chunks: u64,
    regions: u64,
    order: u64,
    table: u64,
    page: u64,
    tails: u64,
    lengths: u64,
    source: u64,
    stride: u64,
    sizes: u64,
    size: u64,
    trailer: u64,
    packed: u64,
    room: u64,
    index: u64,
    kept: u64,
    trouble: u64,
}

#[repr(C)]
struct CrcParams {
    chunks: u64,
    regions: u64,
    order: u64,
    table: u64,
    source: u64,
    stride: u64,
    sizes: u64,
    size: u64,
    packed: u64,
    room: u64,
    index: u64,
    powers: [u32; 40],
}

/// What the kernels around a library's codec take.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct EncodeParams {
    /// Number of chunks.
    pub chunks: u64,
    /// The chunks.
    pub pool: u64,
    /// Bytes of each.
    pub chunk_bytes: u64,
    /// Where they go.
    pub scratch: u64,
    /// Bytes from one to the next there.
    pub slot_bytes: u64,
    /// The library's array of addresses to read.
    pub from: u64,
    /// Its array of sizes.
    pub from_bytes: u64,
    /// Its array of addresses to write.
    pub to: u64,
    /// Sizes that it wrote.
    pub sizes: u64,
    /// A status for each chunk, i32.
    pub statuses: u64,
    /// Where trouble is told, u32.
    pub trouble: u64,
}

/// Blocks for `count` elements.
pub(crate) fn blocks(count: u64) -> (u32, u32) {
    (count.div_ceil(u64::from(BLOCK)).clamp(1, MOST_BLOCKS) as u32, 1)
}

/// # Safety
/// As for [`Launcher::launch`].
pub(crate) unsafe fn launch<P>(
    launcher: &dyn Launcher,
    kernel: &str,
    grid: (u32, u32),
    block: (u32, u32),
    params: &P,
) -> Result<(), Error> {
    // SAFETY: the caller vouches for it; the driver copies the parameters before it returns.
    unsafe { launcher.launch(kernel, grid, block, std::ptr::from_ref(params).cast()) }
}

/// Sets every element.
///
/// # Errors
/// The kernel cannot be launched.
///
/// # Safety
/// As for [`Launcher::launch`]: the job's view is kept until the kernel has run.
pub unsafe fn fill(launcher: &dyn Launcher, job: &FillJob<'_>) -> Result<(), Error> {
    let (to, bytes) = (job.to.address().addr() as u64, job.to.len() as u64);
    let whole = bytes / job.size as u64 * job.size as u64;
    let size = if to.is_multiple_of(16) && whole.is_multiple_of(16) { 16 } else { job.size as u64 };
    let params = FillParams { to, count: whole / size, element: Wide::of(&job.element, job.size) };
    if params.count == 0 {
        return Ok(());
    }
    // SAFETY: the caller vouches for it.
    unsafe { launch(launcher, &format!("fill_{size}"), blocks(params.count), (BLOCK, 0), &params) }
}

/// Copies up from memory of the host that the GPU reaches.
///
/// # Errors
/// The kernel cannot be launched; the two differ in length.
///
/// # Safety
/// As for [`fill`].
pub unsafe fn copy_up(launcher: &dyn Launcher, job: &CopyJob<'_>) -> Result<(), Error> {
    let bytes = job.to.len() as u64;
    if job.from.len() as u64 != bytes {
        let why = format!("{} bytes do not go into {bytes}", job.from.len());
        return Err(Error::new(Operation::Copy, why));
    }
    if bytes == 0 {
        return Ok(());
    }
    let params =
        CopyParams { to: job.to.address().addr() as u64, from: job.from.address().addr() as u64, bytes };
    let grid = (bytes.div_ceil(PIECE) as u32, 1);
    // SAFETY: the caller vouches for it.
    unsafe { launch(launcher, "copy_up", grid, (BLOCK, 0), &params) }
}

/// Scatters.
///
/// # Errors
/// The kernel cannot be launched; a source that is too short, or a pool that is too small.
///
/// # Safety
/// As for [`fill`].
pub unsafe fn scatter(launcher: &dyn Launcher, job: &ScatterJob<'_>) -> Result<(), Error> {
    let g = &*job.geometry;
    let size = g.element as u64;
    let (source, fill) = match &job.source {
        Source::Elements(read) if read.len() as u64 == job.count * size => {
            (read.address().addr() as u64, [0; 8])
        }
        Source::Elements(read) => {
            let why = format!("{} bytes are not {} elements of {size}", read.len(), job.count);
            return Err(Error::new(Operation::Scatter, why));
        }
        Source::Fill(element) => (0, *element),
    };
    let pool = (job.pool.address().addr() as u64, job.pool.len() as u64);
    if pool.1 < g.pool_elements(job.first + job.count) * size {
        let why = format!("elements up to {} do not fit a pool of {} bytes", job.first + job.count, pool.1);
        return Err(Error::new(Operation::Scatter, why));
    }
    if job.count == 0 {
        return Ok(());
    }
    let wide = widened(job, source, pool.0);
    let mut dims = [Dim::default(); MOST_DIMS];
    // The epochs, one behind the other.
    dims[0] = Dim { extent: 1, chunk: 1, chunk_step: g.chunks * g.chunk_elements / wide, inside_step: 0 };
    for (to, d) in dims[1..].iter_mut().zip(&g.dims) {
        *to = Dim {
            extent: d.extent,
            chunk: d.chunk,
            chunk_step: d.chunk_step / wide,
            inside_step: d.inside_step / wide,
        };
    }
    // The innermost dimension is the one that is contiguous: of it, some elements are one.
    let last = &mut dims[g.dims.len()];
    if wide > 1 {
        (last.extent, last.chunk, last.inside_step) = (last.extent / wide, last.chunk / wide, 1);
    }
    let (first, count, rank) = (job.first / wide, job.count / wide, g.dims.len() as u64 + 1);
    let params =
        ScatterParams { source, pool: pool.0, first, count, fill: Wide::of(&fill, g.element), rank, dims };
    let long = if job.first + job.count > u64::from(u32::MAX) { "long_" } else { "" };
    let kernel = format!("scatter_{long}{}", size * wide);
    // SAFETY: the caller vouches for it; places of elements lie in the pool, whose size was compared.
    unsafe { launch(launcher, &kernel, blocks(count), (BLOCK, 0), &params) }
}

/// How many elements go as one: the most, up to sixteen bytes, that divide everything.
fn widened(job: &ScatterJob<'_>, source: u64, pool: u64) -> u64 {
    let (g, size) = (&*job.geometry, job.geometry.element as u64);
    let Some((last, outer)) = g.dims.split_last() else { return 1 };
    if last.inside_step != 1 {
        return 1;
    }
    let steps = outer.iter().flat_map(|d| [d.chunk_step, d.inside_step]);
    let epoch = g.chunks * g.chunk_elements;
    let elements = steps.chain([last.extent, last.chunk, last.chunk_step, epoch, job.first, job.count]);
    let all = elements.fold(0, gcd);
    let fits = |wide: &u64| {
        let bytes = wide * size;
        all.is_multiple_of(*wide) && source.is_multiple_of(bytes) && pool.is_multiple_of(bytes)
    };
    [16, 8, 4, 2].into_iter().filter(|wide| wide * size <= 16).find(fits).unwrap_or(1)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Packs: offsets, then bytes.
///
/// # Errors
/// A kernel cannot be launched; tables that are too short.
///
/// # Safety
/// As for [`fill`]; the tables say what they must: chunks of the source, tails that there are.
pub unsafe fn aggregate(launcher: &dyn Launcher, job: &AggregateJob<'_>, trouble: u64) -> Result<(), Error> {
    let (chunks, regions) = (u64::from(job.chunks), u64::from(job.regions));
    let (most, sizes, size) = match &job.sizes {
        Sizes::Fixed(size) => (*size, 0, *size),
        Sizes::Each(read) => (job.stride, read.address().addr() as u64, 0),
    };
    let short = |what, got: usize, want: u64| {
        let why = format!("{what}: {got} of {want} bytes");
        if (got as u64) < want { Err(Error::new(Operation::Aggregate, why)) } else { Ok(()) }
    };
    short("the order of chunks", job.order.len(), 4 * chunks)?;
    short("the table of regions", job.table.len(), 12 * regions)?;
    short("the index", job.index.len(), 8 * (chunks + regions))?;
    short("the chunks", job.source.len(), chunks * job.stride)?;
    job.kept
        .as_ref()
        .map_or(Ok(()), |kept| short("what is left of pages", kept.len(), regions * job.page))?;
    if chunks == 0 || regions == 0 {
        return Ok(());
    }
    let at = |view: &device::Read<'_>| view.address().addr() as u64;
    let params = AggregateParams {
        chunks,
        regions,
        order: at(&job.order),
        table: at(&job.table),
        page: job.page,
        tails: job.tails.as_ref().map_or(0, |t| at(&t.bytes)),
        lengths: job.tails.as_ref().map_or(0, |t| at(&t.lengths)),
        source: at(&job.source),
        stride: job.stride,
        sizes,
        size,
        trailer: if job.crc32c { 4 } else { 0 },
        packed: job.packed.address().addr() as u64,
        room: job.packed.len() as u64,
        index: job.index.address().addr() as u64,
        kept: job.kept.as_ref().map_or(0, |kept| kept.address().addr() as u64),
        trouble,
    };
    let parts = u32::try_from(most.div_ceil(PART).max(1)).ok().filter(|p| *p <= 65_535);
    let Some(parts) = parts else {
        let why = format!("a chunk of {most} bytes is too large: make chunks smaller than 2 GiB");
        return Err(Error::new(Operation::Aggregate, why));
    };
    let place = job.chunks.max(job.regions).next_power_of_two().clamp(32, PLACE);
    let blocks = [
        ("place", (1, 1), (place, 8 * place)),
        ("gather_tails", (job.regions, 1), (BLOCK, 0)),
        ("gather", (job.chunks, parts), (BLOCK, 0)),
    ];
    for (kernel, grid, block) in blocks {
        if kernel != "gather_tails" || job.tails.is_some() {
            // SAFETY: the caller vouches for it; the kernels write no further than the room that they are told.
            unsafe { launch(launcher, kernel, grid, block, &params)? };
        }
    }
    if job.crc32c {
        // SAFETY: as above.
        unsafe { crc(launcher, &params)? };
    }
    if params.kept == 0 {
        return Ok(());
    }
    // SAFETY: as above; each region has a page of it.
    unsafe { launch(launcher, "keep_tails", (job.regions, 1), (BLOCK, 0), &params) }
}

/// # Safety
/// As for [`aggregate`].
unsafe fn crc(launcher: &dyn Launcher, p: &AggregateParams) -> Result<(), Error> {
    let params = CrcParams {
        chunks: p.chunks,
        regions: p.regions,
        order: p.order,
        table: p.table,
        source: p.source,
        stride: p.stride,
        sizes: p.sizes,
        size: p.size,
        packed: p.packed,
        room: p.room,
        index: p.index,
        powers: *POWERS,
    };
    let shared = 4 * (4 * 256 + BLOCK);
    // SAFETY: the caller vouches for it.
    unsafe { launch(launcher, "crc32c", (p.chunks as u32, 1), (BLOCK, shared), &params) }
}

/// The same for every batch.
static POWERS: LazyLock<[u32; 40]> = LazyLock::new(powers);

/// x^(8 * LEAST_PIECE * 2^k) modulo the polynomial of CRC-32C, by squares.
fn powers() -> [u32; 40] {
    let square = |n: u32| multiply(n, n);
    // x^8, squared once for each doubling.
    let mut power = (0..LEAST_PIECE.trailing_zeros()).fold(1 << (31 - 8), |p, _| square(p));
    std::array::from_fn(|_| {
        let this = power;
        power = square(power);
        this
    })
}

/// a * b modulo the polynomial; bit 31 is the coefficient of x^0.
fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    for bit in (0..32).rev() {
        product ^= if a >> bit & 1 == 1 { b } else { 0 };
        b = if b & 1 == 1 { (b >> 1) ^ 0x82F6_3B78 } else { b >> 1 };
    }
    product
}

/// Launches one of the kernels around a library's codec.
///
/// # Errors
/// The kernel cannot be launched.
///
/// # Safety
/// As for [`fill`], for all that `params` points to.
pub(crate) unsafe fn encode(
    launcher: &dyn Launcher,
    kernel: &str,
    params: &EncodeParams,
) -> Result<(), Error> {
    // SAFETY: the caller vouches for it.
    unsafe { launch(launcher, kernel, blocks(params.chunks), (BLOCK, 0), params) }
}
