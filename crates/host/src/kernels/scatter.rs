//! Scatter: elements of an epoch to their places in chunks.
//!
//! The innermost (merged) dimension is copied run by run where it is contiguous in a chunk, element by element
//! otherwise; the dimensions around it are walked with counters, so that nothing is divided per element.

use plan::{Scatter, ScatterDim};
use rayon::prelude::*;

/// Elements that one task scatters: enough to be worth a task, few enough to share a frame among cores.
const TASK: u64 = 1 << 18;

/// Where scattered elements come from.
#[derive(Clone, Copy)]
pub enum Elements<'a> {
    /// Bytes as they arrived.
    Bytes(&'a [u8]),
    /// One element, again and again.
    Fill([u8; 8]),
}

/// Scatters elements `first .. first + count` of an epoch into `pool`, the chunks of the epoch.
///
/// # Panics
/// `pool` is smaller than the epoch's chunks, or the source is shorter than `count` elements.
pub fn scatter(geometry: &Scatter, first: u64, count: u64, source: Elements<'_>, pool: &mut [u8]) {
    let bytes = geometry.chunks * geometry.chunk_elements * geometry.element as u64;
    assert!(pool.len() as u64 >= bytes, "the pool has {} of {bytes} bytes", pool.len());
    assert!(first + count <= geometry.epoch_elements, "elements past the epoch");
    if let Elements::Bytes(b) = source {
        assert_eq!(b.len() as u64, count * geometry.element as u64, "bytes of the source");
    }
    match geometry.element {
        1 => typed::<1>(geometry, first, count, source, pool),
        2 => typed::<2>(geometry, first, count, source, pool),
        4 => typed::<4>(geometry, first, count, source, pool),
        _ => typed::<8>(geometry, first, count, source, pool),
    }
}

/// The pool, shared by tasks that write different elements of it.
#[derive(Clone, Copy)]
struct Pool<const N: usize> {
    base: *mut [u8; N],
    len: usize,
}

// SAFETY: `Scatter` gives each element of an epoch a place of its own, and tasks scatter different elements.
unsafe impl<const N: usize> Send for Pool<N> {}
// SAFETY: as above.
unsafe impl<const N: usize> Sync for Pool<N> {}

impl<const N: usize> Pool<N> {
    /// # Safety
    /// No other task writes these elements.
    unsafe fn run<'a>(self, at: usize, len: usize) -> &'a mut [[u8; N]] {
        assert!(at + len <= self.len, "a run leaves the pool");
        // SAFETY: inside the pool, by the assertion; exclusive, by the caller.
        let start = unsafe { self.base.add(at) };
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(start, len) }
    }
}

fn typed<const N: usize>(g: &Scatter, first: u64, count: u64, source: Elements<'_>, pool: &mut [u8]) {
    let pool = pool.as_chunks_mut::<N>().0;
    let pool = Pool { base: pool.as_mut_ptr(), len: pool.len() };
    let task = |start: u64| {
        let len = TASK.min(first + count - start);
        let from = (start - first) as usize;
        let part = match source {
            Elements::Bytes(b) => Typed::Slice(&b.as_chunks::<N>().0[from..from + len as usize]),
            Elements::Fill(f) => Typed::Fill(std::array::from_fn(|i| f[i])),
        };
        rows(g, start, len, part, pool);
    };
    if count <= TASK {
        if count > 0 {
            task(first);
        }
        return;
    }
    let tasks: u64 = count.div_ceil(TASK);
    (0..tasks).into_par_iter().for_each(|t| task(first + t * TASK));
}

#[derive(Clone, Copy)]
enum Typed<'a, const N: usize> {
    Slice(&'a [[u8; N]]),
    Fill([u8; N]),
}

impl<const N: usize> Typed<'_, N> {
    fn put(&self, from: usize, to: &mut [[u8; N]]) {
        match self {
            Typed::Slice(s) => to.copy_from_slice(&s[from..from + to.len()]),
            Typed::Fill(f) => to.fill(*f),
        }
    }

    fn at(&self, i: usize) -> [u8; N] {
        match self {
            Typed::Slice(s) => s[i],
            Typed::Fill(f) => *f,
        }
    }
}

/// Scatters `count` elements from `first` on, row by row of the innermost dimension.
fn rows<const N: usize>(g: &Scatter, first: u64, count: u64, source: Typed<'_, N>, pool: Pool<N>) {
    let Some((row, outer)) = g.dims.split_last() else {
        return;
    };
    let mut walk = Walk::new(outer, first / row.extent);
    let mut i = first % row.extent;
    let mut done = 0;
    while done < count {
        let len = (row.extent - i).min(count - done);
        one_row(row, walk.base, i, len, source, done as usize, pool);
        done += len;
        i = 0;
        walk.step(outer);
    }
}

/// Elements `i .. i + len` of one row, chunk by chunk.
fn one_row<const N: usize>(
    row: &ScatterDim,
    base: u64,
    i: u64,
    len: u64,
    source: Typed<'_, N>,
    from: usize,
    pool: Pool<N>,
) {
    let (mut chunk, mut inside) = (i / row.chunk, i % row.chunk);
    let mut done = 0;
    while done < len {
        let run = (row.chunk - inside).min(len - done) as usize;
        let at = (base + chunk * row.chunk_step + inside * row.inside_step) as usize;
        let from = from + done as usize;
        if row.inside_step == 1 {
            // SAFETY: these elements of the epoch are this task's, and each has its own place.
            source.put(from, unsafe { pool.run(at, run) });
        } else {
            let step = row.inside_step as usize;
            for k in 0..run {
                // SAFETY: as above.
                let place = unsafe { pool.run(at + k * step, 1) };
                place[0] = source.at(from + k);
            }
        }
        done += run as u64;
        (chunk, inside) = (chunk + 1, 0);
    }
}

/// Counters over the outer dimensions.
struct Walk {
    base: u64,
    /// Per dimension: index, and index inside its chunk.
    at: [(u64, u64); 32],
}

impl Walk {
    fn new(dims: &[ScatterDim], row: u64) -> Walk {
        let mut walk = Walk { base: 0, at: [(0, 0); 32] };
        let mut rest = row;
        for (d, dim) in dims.iter().enumerate().rev() {
            let i = rest % dim.extent;
            rest /= dim.extent;
            walk.at[d] = (i, i % dim.chunk);
            walk.base += i / dim.chunk * dim.chunk_step + i % dim.chunk * dim.inside_step;
        }
        walk
    }

    fn step(&mut self, dims: &[ScatterDim]) {
        for (d, dim) in dims.iter().enumerate().rev() {
            let (i, inside) = &mut self.at[d];
            if *i + 1 < dim.extent {
                *i += 1;
                *inside += 1;
                self.base += dim.inside_step;
                if *inside == dim.chunk {
                    *inside = 0;
                    self.base = self.base + dim.chunk_step - dim.chunk * dim.inside_step;
                }
                return;
            }
            self.base -= *i / dim.chunk * dim.chunk_step + *inside * dim.inside_step;
            (*i, *inside) = (0, 0);
        }
    }
}
