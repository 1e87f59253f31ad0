//! Where each element of an epoch goes in the chunk pool. The epochs of a batch lie there one behind the other.
//!
//! The position of an element is a sum over dimensions, because chunking is separable:
//! `sum((i / chunk) * chunk_step + (i % chunk) * inside_step)`. Kernels walk that sum with counters; nothing is
//! divided per element. Dimensions that are contiguous in both orders are merged, so that a kernel sees the
//! longest runs there are.

/// One (merged) dimension of an epoch, in acquisition order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScatterDim {
    /// Elements of this dimension in the epoch.
    pub extent: u64,
    /// Elements of this dimension in one chunk.
    pub chunk: u64,
    /// Elements of the pool from a chunk to the next along this dimension.
    pub chunk_step: u64,
    /// Elements of the pool from an element to the next inside a chunk.
    pub inside_step: u64,
}

/// Geometry of scattering one epoch into its chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scatter {
    /// Merged dimensions, outermost first; at least one.
    pub dims: Vec<ScatterDim>,
    /// Bytes of an element: 1, 2, 4 or 8.
    pub element: usize,
    /// Elements of one chunk.
    pub chunk_elements: u64,
    /// Elements of one epoch, as they arrive.
    pub epoch_elements: u64,
    /// Chunks of one epoch.
    pub chunks: u64,
    /// Whether chunks reach past the image, so that part of the pool is never written.
    pub padded: bool,
}

/// One dimension as the plan knows it, before merging.
#[derive(Clone, Copy)]
pub(crate) struct EpochDim {
    pub(crate) extent: u64,
    pub(crate) chunk: u64,
    /// Position among the stored dimensions.
    pub(crate) stored: usize,
}

impl Scatter {
    /// Builds the geometry from the dimensions of an epoch in acquisition order. Products are known to fit.
    pub(crate) fn new(dims: &[EpochDim], element: usize) -> Scatter {
        let chunk_elements: u64 = dims.iter().map(|d| d.chunk).product();
        let grid = |d: &EpochDim| d.extent.div_ceil(d.chunk);
        let after = |d: &EpochDim, of: fn(&EpochDim) -> u64| -> u64 {
            dims.iter().filter(|o| o.stored > d.stored).map(of).product()
        };
        let steps: Vec<_> = dims
            .iter()
            .map(|d| ScatterDim {
                extent: d.extent,
                chunk: d.chunk,
                chunk_step: chunk_elements * after(d, |o| o.extent.div_ceil(o.chunk)),
                inside_step: after(d, |o| o.chunk),
            })
            .collect();
        Scatter {
            dims: merge(&steps),
            element,
            chunk_elements,
            epoch_elements: dims.iter().map(|d| d.extent).product(),
            chunks: dims.iter().map(grid).product(),
            padded: dims.iter().any(|d| d.extent % d.chunk != 0),
        }
    }

    /// Elements of the pool that the epochs of the first `elements` elements have.
    #[must_use]
    pub fn pool_elements(&self, elements: u64) -> u64 {
        elements.div_ceil(self.epoch_elements) * self.chunks * self.chunk_elements
    }

    /// Position in the pool, in elements, of element `linear`, counted from the beginning of an epoch: those of later
    /// epochs come behind it.
    #[must_use]
    pub fn position(&self, linear: u64) -> u64 {
        let mut rest = linear % self.epoch_elements;
        let mut at = linear / self.epoch_elements * self.chunks * self.chunk_elements;
        for d in self.dims.iter().rev() {
            let i = rest % d.extent;
            rest /= d.extent;
            at += i / d.chunk * d.chunk_step + i % d.chunk * d.inside_step;
        }
        at
    }
}

/// Joins neighbours of which the inner lies whole and contiguous inside the outer.
fn merge(dims: &[ScatterDim]) -> Vec<ScatterDim> {
    let mut merged: Vec<ScatterDim> = Vec::new();
    for &d in dims {
        if d.extent == 1 && dims.len() > 1 {
            continue;
        }
        match merged.last_mut() {
            Some(outer) if d.chunk == d.extent && outer.inside_step == d.extent * d.inside_step => {
                outer.extent *= d.extent;
                outer.chunk *= d.extent;
                outer.inside_step = d.inside_step;
            }
            _ => merged.push(d),
        }
    }
    if merged.is_empty() {
        merged.push(ScatterDim { extent: 1, chunk: 1, chunk_step: 1, inside_step: 1 });
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dim(extent: u64, chunk: u64, stored: usize) -> EpochDim {
        EpochDim { extent, chunk, stored }
    }

    /// The definition, written without merging or steps.
    fn by_hand(dims: &[EpochDim], linear: u64) -> u64 {
        let mut index = vec![0; dims.len()];
        let mut rest = linear;
        for (d, dim) in dims.iter().enumerate().rev() {
            index[dim.stored] = rest % dim.extent;
            rest /= dim.extent;
            let _ = d;
        }
        let mut stored = dims.to_vec();
        stored.sort_by_key(|d| d.stored);
        let (mut chunk, mut inside, mut size) = (0, 0, 1);
        for (d, i) in stored.iter().zip(&index) {
            chunk = chunk * d.extent.div_ceil(d.chunk) + i / d.chunk;
            inside = inside * d.chunk + i % d.chunk;
            size *= d.chunk;
        }
        chunk * size + inside
    }

    #[test]
    fn positions_agree_with_the_definition_in_any_order() {
        let cases = [
            vec![dim(2, 2, 0), dim(5, 2, 1), dim(7, 3, 2)],
            vec![dim(2, 2, 0), dim(5, 5, 2), dim(6, 3, 1)],
            vec![dim(1, 1, 0), dim(4, 4, 1), dim(6, 6, 2)],
            vec![dim(3, 3, 0), dim(4, 3, 3), dim(2, 1, 1), dim(5, 2, 2)],
            vec![dim(1, 1, 0)],
        ];
        for dims in cases {
            let scatter = Scatter::new(&dims, 2);
            for linear in 0..scatter.epoch_elements {
                assert_eq!(scatter.position(linear), by_hand(&dims, linear), "{scatter:?}");
            }
        }
    }

    #[test]
    fn whole_frames_in_one_chunk_are_one_run() {
        let scatter = Scatter::new(&[dim(4, 4, 0), dim(16, 16, 1), dim(16, 16, 2)], 1);
        assert_eq!(scatter.dims.len(), 1);
        let tiles = Scatter::new(&[dim(4, 4, 0), dim(16, 8, 1), dim(16, 16, 2)], 1);
        assert_eq!(tiles.dims.len(), 2);
    }
}
