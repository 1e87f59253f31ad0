//! Scatter: elements of epochs to their places in chunks.
//!
//! The two innermost (merged) dimensions are taken together: some rows at once, as long as they go to the same chunks.
//! In a chunk such rows are copied along the dimension that is contiguous there, run by run, or element by element where
//! neither is. So channels that arrive interleaved and are stored apart are copied channel by channel. The dimensions
//! around are walked with counters: nothing is divided per element.

use std::ops::Range;

use plan::{Scatter, ScatterDim};
use rayon::prelude::*;

/// Elements that one task scatters: enough to be worth a task, few enough to share a frame among cores.
const TASK: u64 = 1 << 18;

/// Rows that are taken together, at the most: all of what is read of them stays in the nearest cache until the last
/// column has been copied.
const ROWS: u64 = 64;

/// Bytes of a run along a row from which on rows are taken one by one: they are read and written in order.
const LONG: u64 = 256;

/// Where scattered elements come from.
#[derive(Clone, Copy)]
pub enum Elements<'a> {
    /// Bytes as they arrived.
    Bytes(&'a [u8]),
    /// One element, again and again.
    Fill([u8; 8]),
}

/// Scatters elements `first .. first + count`, counted from the beginning of an epoch, into `pool`: the chunks of that
/// epoch and of those behind it.
///
/// # Panics
/// `pool` is smaller than the chunks of the epochs that are touched, or the source is shorter than `count` elements.
pub fn scatter(geometry: &Scatter, first: u64, count: u64, source: Elements<'_>, pool: &mut [u8]) {
    let bytes = geometry.pool_elements(first + count) * geometry.element as u64;
    assert!(pool.len() as u64 >= bytes, "the pool has {} of {bytes} bytes", pool.len());
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
    /// Where the epoch begins that is scattered.
    epoch: usize,
}

// SAFETY: `Scatter` gives each element of an epoch a place of its own, and tasks scatter different elements.
unsafe impl<const N: usize> Send for Pool<N> {}
// SAFETY: as above.
unsafe impl<const N: usize> Sync for Pool<N> {}

impl<const N: usize> Pool<N> {
    fn at_epoch(self, epoch: usize) -> Pool<N> {
        Pool { epoch, ..self }
    }

    /// # Safety
    /// No other task writes these elements.
    unsafe fn run<'a>(self, at: usize, len: usize) -> &'a mut [[u8; N]] {
        let at = self.epoch + at;
        assert!(at + len <= self.len, "a run leaves the pool");
        // SAFETY: inside the pool, by the assertion; exclusive, by the caller.
        let start = unsafe { self.base.add(at) };
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(start, len) }
    }
}

fn typed<const N: usize>(g: &Scatter, first: u64, count: u64, source: Elements<'_>, pool: &mut [u8]) {
    let pool = pool.as_chunks_mut::<N>().0;
    let pool = Pool { base: pool.as_mut_ptr(), len: pool.len(), epoch: 0 };
    let part = |start: u64, len: u64| {
        let from = (start - first) as usize;
        let part = match source {
            Elements::Bytes(b) => Typed::Slice(&b.as_chunks::<N>().0[from..from + len as usize]),
            Elements::Fill(f) => Typed::Fill(std::array::from_fn(|i| f[i])),
        };
        let epoch = (start / g.epoch_elements * g.chunks * g.chunk_elements) as usize;
        rows(g, start % g.epoch_elements, len, part, pool.at_epoch(epoch));
    };
    let task = |start: u64| {
        let (mut at, end) = (start, (first + count).min(start + TASK));
        while at < end {
            let len = (g.epoch_elements - at % g.epoch_elements).min(end - at);
            part(at, len);
            at += len;
        }
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
    /// Every `step`th element, from `from` on.
    fn put(&self, from: usize, step: usize, to: &mut [[u8; N]]) {
        match self {
            Typed::Slice(s) if step == 1 => to.copy_from_slice(&s[from..from + to.len()]),
            Typed::Slice(s) => to.iter_mut().zip(s[from..].iter().step_by(step)).for_each(|(to, s)| *to = *s),
            Typed::Fill(f) => to.fill(*f),
        }
    }
}

/// Scatters `count` elements from `first` on: as many whole rows at once as have their places in the same chunks, or
/// what there is of one row.
fn rows<const N: usize>(g: &Scatter, first: u64, count: u64, source: Typed<'_, N>, pool: Pool<N>) {
    let Some((row, outer)) = g.dims.split_last() else {
        return;
    };
    let together = together::<N>(row, outer);
    let mut walk = Walk::new(outer, first / row.extent);
    let mut i = first % row.extent;
    let mut done = 0;
    while done < count {
        let left = count - done;
        let whole = i == 0 && left >= row.extent;
        let rows = if whole { walk.ahead(outer).min(left / row.extent).min(together) } else { 1 };
        let len = if whole { row.extent } else { left.min(row.extent - i) };
        let band = Band { row, rows, step: outer.last().map_or(0, |d| d.inside_step), base: walk.base };
        band.scatter(i..i + len, source, done as usize, pool);
        done += rows * len;
        i = 0;
        walk.step(outer, rows);
    }
}

/// How many rows are taken together. One where rows have long runs, or neither their runs nor the columns' are
/// contiguous: then the source is best read in its order.
fn together<const N: usize>(row: &ScatterDim, outer: &[ScatterDim]) -> u64 {
    let pays = match row.inside_step {
        1 => row.chunk * (N as u64) < LONG,
        _ => outer.last().is_some_and(|d| d.inside_step == 1),
    };
    if pays { ROWS } else { 1 }
}

/// Neighbouring rows that go to the same chunks.
struct Band<'a> {
    row: &'a ScatterDim,
    rows: u64,
    /// Elements of the pool from a row to the next.
    step: u64,
    /// Where the first row begins in the pool.
    base: u64,
}

impl Band<'_> {
    /// Elements `columns` of each row, chunk by chunk. More rows than one are whole.
    fn scatter<const N: usize>(&self, columns: Range<u64>, source: Typed<'_, N>, from: usize, pool: Pool<N>) {
        let row = self.row;
        let mut i = columns.start;
        let (mut chunk, mut inside) = (i / row.chunk, i % row.chunk);
        while i < columns.end {
            let width = (row.chunk - inside).min(columns.end - i);
            let block = Block {
                rows: self.rows as usize,
                width: width as usize,
                from: from + (i - columns.start) as usize,
                from_step: row.extent as usize,
                at: (self.base + chunk * row.chunk_step + inside * row.inside_step) as usize,
                row_step: self.step as usize,
                column_step: row.inside_step as usize,
            };
            block.scatter(source, pool);
            i += width;
            (chunk, inside) = (chunk + 1, 0);
        }
    }
}

/// What a band has in one chunk.
struct Block {
    rows: usize,
    width: usize,
    /// Where it begins in the source, and from a row to the next.
    from: usize,
    from_step: usize,
    /// Where it begins in the pool, from a row to the next, and from a column to the next.
    at: usize,
    row_step: usize,
    column_step: usize,
}

impl Block {
    /// Copies run by run: down the columns if these are contiguous in the pool, else along the rows. Neither is if
    /// another dimension was moved behind both.
    fn scatter<const N: usize>(&self, source: Typed<'_, N>, pool: Pool<N>) {
        let place = |r: usize, c: usize| self.at + r * self.row_step + c * self.column_step;
        let run = |(r, c): (usize, usize), step: usize, len: usize| {
            // SAFETY: these elements of the epoch are this task's, and each has its own place.
            let to = unsafe { pool.run(place(r, c), len) };
            source.put(self.from + r * self.from_step + c, step, to);
        };
        match (self.row_step, self.column_step) {
            (1, _) if self.rows > 1 => (0..self.width).for_each(|c| run((0, c), self.from_step, self.rows)),
            (_, 1) => (0..self.rows).for_each(|r| run((r, 0), 1, self.width)),
            _ => (0..self.rows).for_each(|r| (0..self.width).for_each(|c| run((r, c), 1, 1))),
        }
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

    /// Rows from here to the end of the chunk, or of the image.
    fn ahead(&self, dims: &[ScatterDim]) -> u64 {
        let Some(dim) = dims.last() else {
            return 1;
        };
        let (i, inside) = self.at[dims.len() - 1];
        (dim.chunk - inside).min(dim.extent - i)
    }

    /// Goes on by `rows`, which are no more than those ahead.
    fn step(&mut self, dims: &[ScatterDim], rows: u64) {
        let mut by = rows;
        for (d, dim) in dims.iter().enumerate().rev() {
            let (i, inside) = &mut self.at[d];
            if *i + by < dim.extent {
                *i += by;
                *inside += by;
                self.base += by * dim.inside_step;
                if *inside == dim.chunk {
                    *inside = 0;
                    self.base = self.base + dim.chunk_step - dim.chunk * dim.inside_step;
                }
                return;
            }
            self.base -= *i / dim.chunk * dim.chunk_step + *inside * dim.inside_step;
            (*i, *inside) = (0, 0);
            by = 1;
        }
    }
}
