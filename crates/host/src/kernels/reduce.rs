//! Reduce: windows of one level's chunks to elements of the next level's.
//!
//! A task makes some rows of one chunk. A row is a run of elements of a chunk that lies contiguous in both levels: the last
//! dimension that is halved with all dimensions behind it, or some of those alone where they are long. So a row is made from
//! a few rows of the level above, one for each place that a window has in the dimensions around; those are found once for a
//! row, and the loops in [`fold`] and [`sort`] run along them.

mod element;
mod fold;
mod level;
mod row;
mod samples;
mod sort;

pub(super) use element::from_half;
use element::{Element, Half};
use level::Level;
use plan::{DType, Frames, Reduction, Window};
use rayon::prelude::*;
use row::{Band, Scratch};

/// Elements that one task makes: enough to be worth a task, few enough to share a frame among cores.
const TASK: usize = 1 << 15;

/// Samples of a window at the most: what sums have room for.
const SAMPLES: u32 = 256;

/// Makes `epochs` epochs of a level from as many of the level above; see [`Reduction`] and [`Window`].
///
/// # Panics
/// A slice is shorter than its epochs; a window takes the last frame of the epoch before, and there is none, or one before
/// that; windows have more than 256 samples, or name frames that chunks do not
/// have; frames are not kept, and there is more than one epoch.
pub fn reduce(
    reduction: &Reduction,
    window: Window,
    epochs: u32,
    before: Option<&[u8]>,
    from: &[u8],
    to: &mut [u8],
) {
    let run = match reduction.dtype {
        DType::U8 => typed::<u8>,
        DType::U16 => typed::<u16>,
        DType::U32 => typed::<u32>,
        DType::U64 => typed::<u64>,
        DType::I8 => typed::<i8>,
        DType::I16 => typed::<i16>,
        DType::I32 => typed::<i32>,
        DType::I64 => typed::<i64>,
        DType::F16 => typed::<Half>,
        DType::F32 => typed::<f32>,
        DType::F64 => typed::<f64>,
    };
    check(reduction, window, epochs, before);
    let (above, here) = reduction.epoch_bytes();
    let (above, here) = (above as usize * epochs as usize, here as usize * epochs as usize);
    let before = before.map(|b| &b[..above / epochs.max(1) as usize]);
    // Where no frame is there, nothing is read.
    let from = if window.valid == 0 { &from[..0] } else { &from[..above] };
    run(reduction, window, before, from, &mut to[..here]);
}

/// What the plan vouches for, and loops rely on.
fn check(reduction: &Reduction, window: Window, epochs: u32, before: Option<&[u8]>) {
    let halved = reduction.dims.iter().filter(|d| d.halved).count() as u32;
    let together = u32::from(reduction.frames == Frames::Halved);
    assert!(halved + together <= SAMPLES.ilog2(), "windows of 2^{} samples", halved + together);
    let (end, valid, depth) = (window.end, window.valid, reduction.depth);
    assert!(end.max(valid) <= depth, "frames up to {end} from {valid} of {depth}");
    if reduction.frames == Frames::Kept {
        return;
    }
    assert!(epochs <= 1, "{epochs} epochs, each of which needs frames of another");
    let first = 2 * window.first as i64 + window.offset;
    let least = if before.is_some() { -1 } else { 0 };
    assert!(window.first >= window.end || first >= least, "frame {first} of the epoch above");
}

fn typed<T: Element>(
    reduction: &Reduction,
    window: Window,
    before: Option<&[u8]>,
    from: &[u8],
    to: &mut [u8],
) {
    let level = Level::<T>::new(reduction, window, before.map(T::raws), T::raws(from));
    let size = reduction.dtype.size();
    let (row, chunk) = (level.row * size, reduction.chunk_elements() as usize * size);
    let frames = level.rows_before(window.first) * row..level.rows_before(window.end) * row;
    if frames.is_empty() || to.is_empty() {
        return;
    }
    let rows = (TASK / level.row).max(1);
    let tasks = to.par_chunks_mut(chunk).enumerate().flat_map(|(chunk, bytes)| {
        let bands = bytes[frames.clone()].par_chunks_mut(rows * row).enumerate();
        bands.map(move |(band, bytes)| (chunk, band * rows, bytes))
    });
    tasks.for_each_init(Scratch::default, |scratch, (chunk, first, bytes)| {
        let band = Band::new(&level, chunk, level.rows_before(window.first) + first);
        band.make(T::raws_mut(bytes), scratch);
    });
}
