//! What follows from an array's document: its grid of shards and the sizes of index and chunk.

use format::IndexLocation;

/// Sizes of one array that was written by anybody: nothing here overflows.
pub(crate) struct Layout {
    /// Shards along each dimension, inside the shape.
    pub(crate) grid: Vec<u64>,
    /// Chunks of one shard along each dimension.
    pub(crate) per_shard: Vec<u64>,
    /// Bytes of the index of a shard.
    pub(crate) index_bytes: u64,
    /// Bytes of one decoded chunk.
    pub(crate) chunk_bytes: usize,
    index: IndexLocation,
}

impl Layout {
    /// The error says which number is too large.
    pub(crate) fn new(array: &format::Array) -> Result<Layout, String> {
        let pairs = |a: &[u64], b: &[u64]| a.iter().zip(b).map(|(a, b)| a.div_ceil(*b)).collect::<Vec<_>>();
        let per_shard = pairs(&array.shard_shape, &array.chunk_shape);
        let chunks = product(&per_shard).and_then(|n| n.checked_mul(16)?.checked_add(4));
        let element = array.dtype.size() as u64;
        let chunk = product(&array.chunk_shape).and_then(|n| n.checked_mul(element));
        let too_large = |field: &str, shape: &[u64]| {
            format!("`{field}` is {shape:?}: that is more than a computer addresses; write the array again")
        };
        let chunk_bytes = chunk.and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= isize::MAX as usize);
        Ok(Layout {
            grid: pairs(&array.shape, &array.shard_shape),
            index_bytes: chunks
                .ok_or_else(|| too_large("chunk_grid.configuration.chunk_shape", &array.shard_shape))?,
            chunk_bytes: chunk_bytes
                .ok_or_else(|| too_large("codecs[0].configuration.chunk_shape", &array.chunk_shape))?,
            per_shard,
            index: array.index,
        })
    }

    /// Shards inside the shape.
    pub(crate) fn shards(&self) -> u128 {
        self.grid.iter().fold(1, |n: u128, g| n.saturating_mul(u128::from(*g)))
    }

    /// Whether a shard has elements inside the shape.
    pub(crate) fn holds(&self, coords: &[u64]) -> bool {
        coords.iter().zip(&self.grid).all(|(c, g)| c < g)
    }

    /// Where the index stands in a shard of `size` bytes, and where the chunks; `None` when it is too short.
    pub(crate) fn split(&self, size: u64) -> Option<(std::ops::Range<u64>, std::ops::Range<u64>)> {
        let chunks = size.checked_sub(self.index_bytes)?;
        Some(match self.index {
            IndexLocation::Start => (0..self.index_bytes, self.index_bytes..size),
            IndexLocation::End => (chunks..size, 0..chunks),
        })
    }

    /// Coordinates, among all chunks of the array, of the chunk at `position` in the index of a shard.
    pub(crate) fn chunk_at(&self, shard: &[u64], position: usize) -> Vec<u64> {
        let (mut rest, mut coords) = (position as u64, shard.to_vec());
        for (coord, per) in coords.iter_mut().zip(&self.per_shard).rev() {
            *coord = coord.saturating_mul(*per).saturating_add(rest % per);
            rest /= per;
        }
        coords
    }

    /// Up to `limit` shards inside the shape that are not among `present`, which are sorted; takes no more steps
    /// than both have items, however large a damaged shape says it is.
    pub(crate) fn absent(&self, present: &[&[u64]], limit: usize) -> Vec<Vec<u64>> {
        let mut absent = Vec::new();
        let mut present = present.iter().peekable();
        let mut next = (self.shards() > 0).then(|| vec![0; self.grid.len()]);
        while let Some(coords) = next.take_if(|_| absent.len() < limit) {
            next = self.after(&coords);
            if present.next_if(|p| **p == coords).is_none() {
                absent.push(coords);
            }
        }
        absent
    }

    fn after(&self, coords: &[u64]) -> Option<Vec<u64>> {
        let mut coords = coords.to_vec();
        for (coord, extent) in coords.iter_mut().zip(&self.grid).rev() {
            *coord += 1;
            if *coord < *extent {
                return Some(coords);
            }
            *coord = 0;
        }
        None
    }
}

fn product(extents: &[u64]) -> Option<u64> {
    extents.iter().try_fold(1u64, |n, e| n.checked_mul(*e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(grid: &[u64], per_shard: &[u64]) -> Layout {
        let (grid, per_shard) = (grid.to_vec(), per_shard.to_vec());
        Layout { grid, per_shard, index_bytes: 20, chunk_bytes: 1, index: IndexLocation::End }
    }

    #[test]
    fn chunks_are_counted_in_c_order() {
        let layout = layout(&[3, 4], &[2, 5]);
        let check = |position, expected: [u64; 2]| assert_eq!(layout.chunk_at(&[1, 2], position), expected);
        check(0, [2, 10]);
        check(4, [2, 14]);
        check(5, [3, 10]);
    }

    #[test]
    fn absent_shards_are_those_between_the_present() {
        let check = |grid: &[u64], present: &[&[u64]], limit, expected: &[&[u64]]| {
            assert_eq!(layout(grid, grid).absent(present, limit), expected, "{grid:?} {present:?}");
        };
        check(&[2, 2], &[&[0, 0], &[0, 1], &[1, 0], &[1, 1]], 9, &[]);
        check(&[2, 2], &[&[0, 1]], 9, &[&[0, 0], &[1, 0], &[1, 1]]);
        check(&[u64::MAX, u64::MAX], &[], 2, &[&[0, 0], &[0, 1]]);
        check(&[0, 2], &[], 9, &[]);
        check(&[], &[], 9, &[&[]]);
    }
}
