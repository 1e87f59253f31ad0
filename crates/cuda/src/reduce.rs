//! Levels of a pyramid: which kernels make one, and what they are told.
//!
//! A thread makes eight bytes of a row where windows are as most arrays have them, of up to sixteen samples for what is sorted, of
//! up to 32 for the rest; and sixteen bytes where windows are of two and rows long enough. Elements whose window lacks a sample at an odd edge are made
//! anew then, an element a thread, which is also how all others go.

use device::{Error, Operation, ReduceJob};
use plan::{DType, Frames, Missing, ReducedDim, Reducer, Reduction, Window};

use crate::kernels::{BLOCK, Launcher, blocks, launch};

/// Dimensions of a frame at the most: `MOST_REDUCED` of reduce.h.
const MOST_REDUCED: usize = 32;
/// Samples of a window are two to this at the most: `MOST_HALVED` of reduce.h.
const MOST_HALVED: usize = 8;
/// Halved dimensions of a frame at the most, where a thread makes eight bytes: `MOST_PAIRS` of reduce_rows.h.
const MOST_PAIRS: usize = 4;
/// Rows of blocks in a grid at the most.
const MOST_ROWS: u64 = 65_535;
/// Chunks of all epochs of a level at the most: twice as many are counted in 32 bits, and a round of blocks more.
const MOST_CHUNKS: u64 = (1 << 31) - MOST_ROWS;
/// Bytes that a thread makes at a time; and of windows of two samples, where what it reads of a row at once divides the row.
const VECTOR: u64 = 8;
const VECTOR_OF_PAIRS: u64 = 16;
/// Frames that a thread makes one after another at the most, for its place in them is found once.
const TOGETHER: u64 = 16;
/// Frames of a chunk at the most, and how far a window's may lie, where a thread makes several.
const MOST_FRAMES: u64 = 1 << 29;

/// Kernels of an element type, but for the sign of whole numbers.
const OF_TYPES: [&str; 3] = ["any", "mean", "mean_2"];
const TYPES: [&str; 7] = ["w8", "w16", "w32", "w64", "f16", "f32", "f64"];
/// Kernels of a width.
const OF_WIDTHS: [&str; 10] = [
    "first",
    "least",
    "first_2",
    "least_2",
    "second",
    "median_8",
    "median_16",
    "mode_4",
    "mode_8",
    "mode_16",
];
const WIDTHS: [&str; 4] = ["8", "16", "32", "64"];

/// Their names in the sources.
pub(crate) fn names() -> impl Iterator<Item = String> {
    let named =
        |kernel, kinds: &'static [&str]| kinds.iter().map(move |kind| format!("reduce_{kernel}_{kind}"));
    let of_types = OF_TYPES.into_iter().flat_map(move |kernel| named(kernel, &TYPES));
    of_types.chain(OF_WIDTHS.into_iter().flat_map(move |kernel| named(kernel, &WIDTHS)))
}

/// Division of any 32 bits by a number that is known before: Granlund and Montgomery, Division by invariant integers using
/// multiplication (1994), figure 4.1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
struct Divisor {
    multiplier: u32,
    shift: u32,
}

impl Divisor {
    /// By a number from 1 on.
    fn new(by: u64) -> Divisor {
        let shift = by.next_power_of_two().trailing_zeros();
        let multiplier = (((1 << shift) - by) << 32) / by + 1;
        Divisor { multiplier: multiplier as u32, shift }
    }
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
struct ReduceDim {
    from: u64,
    to: u64,
    chunk: u64,
    chunks: u64,
    halved: u64,
    stride: u64,
    step: u64,
    jump: u64,
    by_chunk: Divisor,
    by_chunks: Divisor,
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
struct ReduceParams {
    from: u64,
    before: u64,
    to: u64,
    epochs: u64,
    above: u64,
    chunks: u64,
    chunk_elements: u64,
    frame_elements: u64,
    depth: u64,
    first: u64,
    end: u64,
    offset: i64,
    valid: u64,
    filled: u32,
    frames: u32,
    reducer: u32,
    by: u32,
    fill: u64,
    sign: u64,
    rank: u64,
    edge: u32,
    edge_chunk: u32,
    edge_element: u32,
    some_chunks: u32,
    some_elements: u32,
    elements: u32,
    by_some_chunks: Divisor,
    by_some_elements: Divisor,
    row: u32,
    frame_vectors: u32,
    row_vectors: u32,
    together: u32,
    groups: u32,
    by_row: Divisor,
    by_groups: Divisor,
    by_frames: Divisor,
    nearest: u32,
    rows: u32,
    pairs: u32,
    halvings: u32,
    wide: u32,
    is_float: u32,
    turn: u64,
    nan: u64,
    by_turn: u64,
    by_nan: u64,
    last: u64,
    frame_bytes: u64,
    above_bytes: u64,
    here_bytes: u64,
    dims: [ReduceDim; MOST_REDUCED],
}

/// Makes epochs of a level from those of the level above.
///
/// # Errors
/// A kernel cannot be launched; a view that is too short, or none of the epoch before where a window needs it; a geometry
/// that the kernels do not know: more than 32 dimensions, windows of more than 256 samples, elements of a chunk that are not
/// counted in 32 bits, more than 2^31 chunks.
///
/// # Safety
/// As for [`Launcher::launch`]: the job's views are kept until the kernels have run.
pub unsafe fn level(launcher: &dyn Launcher, job: &ReduceJob<'_>) -> Result<(), Error> {
    check(job).map_err(|why| Error::new(Operation::Reduce, why))?;
    let (r, w) = (&*job.reduction, job.window);
    let params = params(job);
    if params.epochs * params.chunks * w.end.saturating_sub(w.first) * params.frame_elements == 0 {
        return Ok(());
    }
    let Some(vectors) = Vectors::of(r, &params) else {
        // SAFETY: the caller vouches for it.
        return unsafe { elements(launcher, r, &params, None) };
    };
    // SAFETY: as above.
    unsafe { vectors.make(launcher, r, params)? };
    for dim in (0..r.dims.len()).filter(|d| vectors.lacks_a_sample(r, *d)) {
        // SAFETY: as above.
        unsafe { elements(launcher, r, &params, Some(dim))? };
    }
    match Vectors::lone_frame(r, w) {
        // SAFETY: as above.
        Some(q) => unsafe { elements(launcher, r, &ReduceParams { first: q, end: q + 1, ..params }, None) },
        None => Ok(()),
    }
}

/// What keeps the kernels inside of their views.
fn check(job: &ReduceJob<'_>) -> Result<(), String> {
    let (r, w, epochs) = (&*job.reduction, job.window, u64::from(job.epochs));
    let (above, here) = r.epoch_bytes();
    let has = |what, got: usize, want: u64| {
        if got as u64 >= want { Ok(()) } else { Err(format!("{what}: {got} of {want} bytes")) }
    };
    // Where no frame is there, nothing is read.
    let read = if w.valid == 0 { 0 } else { epochs * above };
    has("the level above", job.from.len(), read)?;
    has("the level that is made", job.to.len(), epochs * here)?;
    job.before.as_ref().map_or(Ok(()), |before| has("the epoch before", before.len(), above))?;
    let halved = r.dims.iter().filter(|d| d.halved).count() + usize::from(r.frames == Frames::Halved);
    if r.dims.len() > MOST_REDUCED || halved > MOST_HALVED {
        return Err(format!("{} dimensions, windows of 2^{halved} samples", r.dims.len()));
    }
    let chunks = epochs * r.chunks().0.max(r.chunks().1);
    if r.chunk_elements() > u64::from(u32::MAX) || chunks > MOST_CHUNKS {
        return Err(format!("{chunks} chunks of {} elements", r.chunk_elements()));
    }
    if w.end > r.depth || w.valid > r.depth {
        return Err(format!("frames up to {} from {} of {}", w.end, w.valid, r.depth));
    }
    let first = 2 * w.first as i64 + w.offset;
    let least = if job.before.is_some() { -1 } else { 0 };
    if r.frames == Frames::Kept || w.first >= w.end {
        return Ok(());
    }
    if epochs > 1 || first < least {
        return Err(format!("{epochs} epochs from frame {first} of the epoch above"));
    }
    Ok(())
}

/// What all kernels take.
fn params(job: &ReduceJob<'_>) -> ReduceParams {
    let (r, w) = (&*job.reduction, job.window);
    let (frames, by) = match r.frames {
        Frames::Kept => (0, 0),
        Frames::Halved => (1, 0),
        Frames::Apart(by) => (2, number(by)),
    };
    let bits = 8 * r.dtype.size() as u32;
    ReduceParams {
        from: job.from.address().addr() as u64,
        before: job.before.as_ref().map_or(0, |before| before.address().addr() as u64),
        to: job.to.address().addr() as u64,
        epochs: job.epochs.into(),
        above: r.epoch_bytes().0 / r.dtype.size() as u64,
        chunks: r.chunks().1,
        chunk_elements: r.chunk_elements(),
        frame_elements: r.frame_elements(),
        depth: r.depth,
        first: w.first,
        end: w.end,
        offset: w.offset,
        valid: w.valid,
        filled: u32::from(w.missing == Missing::Fill),
        frames,
        reducer: number(r.reducer),
        by,
        fill: repeated(u64::from_le_bytes(r.fill.padded()), bits),
        sign: if is_signed(r.dtype) { 1 << (bits - 1) } else { 0 },
        rank: r.dims.len() as u64,
        edge: u32::MAX,
        is_float: u32::from(is_float(r.dtype)),
        dims: dims(&r.dims, r.chunk_elements()),
        ..ReduceParams::default()
    }
}

/// Its number in reduce.h.
fn number(reducer: Reducer) -> u32 {
    Reducer::ALL.iter().position(|r| *r == reducer).expect("one of all") as u32
}

fn is_float(dtype: DType) -> bool {
    dtype.integer_range().is_none()
}

fn is_signed(dtype: DType) -> bool {
    dtype.integer_range().is_some_and(|(least, _)| least < 0)
}

/// The lowest bits, again and again.
fn repeated(element: u64, bits: u32) -> u64 {
    let lowest = element & (u64::MAX >> (64 - bits));
    (0..64 / bits).fold(0, |all, i| all | lowest << (bits * i))
}

fn dims(dims: &[ReducedDim], chunk: u64) -> [ReduceDim; MOST_REDUCED] {
    let (mut stride, mut step) = (1, chunk);
    let mut reduced = [ReduceDim::default(); MOST_REDUCED];
    for (to, d) in reduced.iter_mut().zip(dims).rev() {
        let (above, chunks) = d.chunks();
        *to = ReduceDim {
            from: d.from,
            to: d.to,
            chunk: d.chunk,
            chunks,
            halved: d.halved.into(),
            stride,
            step,
            jump: step - d.chunk * stride,
            by_chunk: Divisor::new(d.chunk),
            by_chunks: Divisor::new(chunks.max(1)),
        };
        stride *= d.chunk;
        step *= above;
    }
    reduced
}

/// An element a thread: all of them, or those with the last index along a dimension.
///
/// # Safety
/// As for [`level`].
unsafe fn elements(
    launcher: &dyn Launcher,
    r: &Reduction,
    params: &ReduceParams,
    edge: Option<usize>,
) -> Result<(), Error> {
    let mut params = *params;
    let (mut chunks, mut elements) = (params.chunks, params.frame_elements);
    if let Some(edge) = edge {
        let d = &params.dims[edge];
        (chunks, elements) = (chunks / d.chunks, elements / d.chunk);
        params.edge = edge as u32;
        params.edge_chunk = ((d.to - 1) / d.chunk) as u32;
        params.edge_element = ((d.to - 1) % d.chunk) as u32;
    }
    params.some_chunks = chunks as u32;
    params.some_elements = elements as u32;
    params.elements = ((params.end - params.first) * elements) as u32;
    params.by_some_chunks = Divisor::new(chunks);
    params.by_some_elements = Divisor::new(elements);
    let grid = (blocks(params.elements.into()).0, (params.epochs * chunks).min(MOST_ROWS) as u32);
    let kernel = format!("reduce_any_{}", of_type(r.dtype));
    // SAFETY: the caller vouches for it; what is read and written lies in the views, whose sizes were compared.
    unsafe { launch(launcher, &kernel, grid, (BLOCK, 0), &params) }
}

/// An element type as kernels are named by it.
fn of_type(dtype: DType) -> String {
    let kind = if is_float(dtype) { 'f' } else { 'w' };
    format!("{kind}{}", 8 * dtype.size())
}

/// Where the second of the nearest two samples of a window is: `Nearest` of reduce.h.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Nearest {
    Beside,
    InAnotherRow,
    InTheNextFrame,
}

/// How eight or sixteen bytes a thread are made.
#[derive(Debug, PartialEq)]
struct Vectors {
    kernel: String,
    /// Bytes that a thread makes at a time.
    vector: u64,
    /// The dimension that rows lie along.
    row: usize,
    nearest: Nearest,
    /// Whether all vectors are whole and lie where they can be moved at once.
    wide: bool,
    /// Pairs of rows of a frame that a window has: two to this many rows.
    pairs: usize,
    /// A window has two to this many samples.
    halvings: usize,
}

impl Vectors {
    /// `None`: windows are none of those that such a kernel knows.
    fn of(r: &Reduction, params: &ReduceParams) -> Option<Vectors> {
        // Those kernels count bytes of an epoch, chunks times frames, and frames with a sign, in 32 bits.
        let frames = params.epochs * (params.end - params.first);
        let bytes = params.above * r.dtype.size() as u64;
        let most_frames = r.depth.max(params.offset.unsigned_abs());
        if bytes.max(params.chunks * frames) > u64::from(u32::MAX) || most_frames > MOST_FRAMES {
            return None;
        }
        let row = r.dims.iter().rposition(|d| d.chunk > 1)?;
        let of_frame = r.dims.iter().filter(|d| has_pairs(d)).count();
        let halvings = of_frame + usize::from(r.frames == Frames::Halved);
        // Samples of rows would not come in the window's order.
        let is_turned = has_pairs(&r.dims[row]) && r.dims[row + 1..].iter().any(has_pairs);
        if of_frame > MOST_PAIRS || is_turned {
            return None;
        }
        let nearest = match (has_pairs(&r.dims[row]), of_frame) {
            (true, _) => Nearest::Beside,
            (false, 0) => Nearest::InTheNextFrame,
            (false, _) => Nearest::InAnotherRow,
        };
        let name = kernel(r.reducer, halvings)?;
        // What is moved at once, where all of it is there and aligned.
        let row_bytes = r.dims[row].chunk * r.dtype.size() as u64;
        let addresses = [params.from, params.before, params.to];
        let are_whole = |vector: u64| {
            let read = if nearest == Nearest::Beside { 2 * vector } else { vector };
            row_bytes.is_multiple_of(read)
                && addresses.iter().all(|address| address.is_multiple_of(read.min(16)))
        };
        let of_two = halvings == 1 && !matches!(r.frames, Frames::Apart(_)) && are_whole(VECTOR_OF_PAIRS);
        let kind = if name == "mean" { of_type(r.dtype) } else { (8 * r.dtype.size()).to_string() };
        let (vector, window) = if of_two { (VECTOR_OF_PAIRS, "_2") } else { (VECTOR, "") };
        Some(Vectors {
            kernel: format!("reduce_{name}{window}_{kind}"),
            vector,
            row,
            nearest,
            wide: are_whole(VECTOR),
            pairs: of_frame.saturating_sub(1),
            halvings,
        })
    }

    /// Whether windows at the end of a dimension have a sample less, and are not made right: at the end of a row; and elsewhere where it
    /// matters that another sample stands for it.
    fn lacks_a_sample(&self, r: &Reduction, dim: usize) -> bool {
        let d = &r.dims[dim];
        has_pairs(d) && d.from % 2 == 1 && (dim == self.row || !is_the_same_of_all_twice(r))
    }

    /// The frame that is made of one that is there and one that is not, and is not made right.
    fn lone_frame(r: &Reduction, w: Window) -> Option<u64> {
        let is_right = r.frames != Frames::Halved || is_the_same_of_all_twice(r);
        if r.frames == Frames::Kept || w.missing == Missing::Cut && is_right {
            return None;
        }
        let twice = w.valid as i64 - 1 - w.offset;
        let q = u64::try_from(twice).ok()? / 2;
        (twice % 2 == 0 && (w.first..w.end).contains(&q)).then_some(q)
    }

    /// # Safety
    /// As for [`level`].
    unsafe fn make(&self, launcher: &dyn Launcher, r: &Reduction, params: ReduceParams) -> Result<(), Error> {
        let size = r.dtype.size() as u64;
        let (extent, results) = (r.dims[self.row].chunk, self.vector / size);
        let row_vectors = extent.div_ceil(results);
        let frame_vectors = r.frame_elements() / extent * row_vectors;
        let frames = params.end - params.first;
        // As many frames a thread as leave threads for the whole GPU.
        let threads = params.epochs * frames * params.chunks * frame_vectors;
        let together = (threads / launcher.enough_threads()).clamp(1, TOGETHER).min(params.epochs * frames);
        let groups = (params.epochs * frames).div_ceil(together);
        let frame_bytes = params.frame_elements * size;
        // Keys of 8 and of 16 bits are halves of a register.
        let key = |bits: u64| match size {
            1 => (bits & 0xFF) * 0x0001_0001,
            2 => (bits & 0xFFFF) * 0x0001_0001,
            _ => bits,
        };
        let by = if let Frames::Apart(by) = r.frames { by } else { r.reducer };
        let turn = |largest: bool| key(params.sign ^ if largest { u64::MAX } else { 0 });
        let nan = |is_high: bool| key(if is_high { u64::MAX } else { 0 });
        let of_both = r.frames == Frames::Halved && self.nearest != Nearest::InTheNextFrame;
        let params = ReduceParams {
            row: self.row as u32,
            frame_vectors: frame_vectors as u32,
            row_vectors: row_vectors as u32,
            together: together as u32,
            groups: groups as u32,
            by_row: Divisor::new(row_vectors),
            by_groups: Divisor::new(groups),
            by_frames: Divisor::new(frames),
            nearest: self.nearest as u32,
            rows: 1 << (self.pairs + usize::from(of_both)),
            pairs: self.pairs as u32,
            halvings: self.halvings as u32,
            wide: self.wide.into(),
            turn: turn(looks_for_the_largest(r.reducer, self.halvings)),
            nan: nan(nan_is_high(r.reducer, self.halvings)),
            by_turn: turn(looks_for_the_largest(by, 1)),
            by_nan: nan(nan_is_high(by, 1)),
            last: params.before.wrapping_add((params.depth - 1) * frame_bytes),
            frame_bytes,
            above_bytes: params.above * size,
            here_bytes: params.chunks * params.chunk_elements * size,
            ..params
        };
        let block = (frame_vectors.min(BLOCK.into()) as u32).next_power_of_two().max(32);
        let grid = (params.frame_vectors.div_ceil(block), (params.chunks * groups).min(MOST_ROWS) as u32);
        // SAFETY: the caller vouches for it; what is read and written lies in the views, whose sizes were compared.
        unsafe { launch(launcher, &self.kernel, grid, (block, 0), &params) }
    }
}

/// Whether windows have two samples along it.
fn has_pairs(d: &ReducedDim) -> bool {
    d.halved && d.from > 1
}

/// Whether, of windows of two to so many samples, the largest key is looked for: of two the second smallest is the largest.
fn looks_for_the_largest(reducer: Reducer, halvings: usize) -> bool {
    match reducer {
        Reducer::Max => true,
        Reducer::SecondLargest => halvings > 1,
        Reducer::SecondSmallest => halvings == 1,
        _ => false,
    }
}

/// Whether what is not a number is behind all others: sorted, it says that there is one; and it is the mode where nothing comes more often.
fn nan_is_high(reducer: Reducer, halvings: usize) -> bool {
    reducer == Reducer::Mode || reducer == Reducer::Median && halvings > 2
}

/// The kernel for windows of two to so many samples, where there is one.
fn kernel(reducer: Reducer, halvings: usize) -> Option<&'static str> {
    Some(match (reducer, halvings) {
        (_, 0) => return None,
        (Reducer::Mean, _) => "mean",
        (Reducer::Decimate, _) => "first",
        (Reducer::Min | Reducer::Max, _) | (_, 1) => "least",
        (Reducer::SecondLargest | Reducer::SecondSmallest, _) | (Reducer::Median, 2) => "second",
        (Reducer::Median, 3) => "median_8",
        (Reducer::Median, 4) => "median_16",
        (Reducer::Mode, 2) => "mode_4",
        (Reducer::Mode, 3) => "mode_8",
        (Reducer::Mode, 4) => "mode_16",
        (Reducer::Median | Reducer::Mode, _) => return None,
    })
}

/// Whether a reducer makes the same of samples as of each of them twice.
fn is_the_same_of_all_twice(r: &Reduction) -> bool {
    match r.reducer {
        // Sums of floats are rounded one after another.
        Reducer::Mean => !is_float(r.dtype),
        Reducer::SecondLargest | Reducer::SecondSmallest => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernels make of it.
    fn divide(n: u32, by: Divisor) -> u64 {
        (((u64::from(by.multiplier) * u64::from(n)) >> 32) + u64::from(n)) >> by.shift
    }

    #[test]
    fn divisors_divide() {
        let near = |n: u32| [n.saturating_sub(1), n, n.saturating_add(1)];
        let mut numbers: Vec<u32> = (0..32).flat_map(|bit| near(1 << bit)).collect();
        numbers.extend([3, 7, 641, 6_700_417, 0x5555_5555, 0xAAAA_AAAB, u32::MAX - 1, u32::MAX]);
        for by in numbers.iter().copied().filter(|by| *by > 0) {
            let divisor = Divisor::new(by.into());
            let multiples = [1, 2, 3, u32::MAX / by].map(|times| by.wrapping_mul(times));
            for n in multiples.into_iter().flat_map(near).chain(numbers.iter().copied()) {
                assert_eq!(divide(n, divisor), u64::from(n / by), "{n} / {by}");
            }
        }
    }
}
