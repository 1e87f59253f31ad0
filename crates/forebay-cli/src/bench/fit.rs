//! Chunks and shards of a scenario.

/// Handed out as one power of two after another.
pub(crate) const PINNED: i8 = -1;

/// A chunk of at most `elements` elements. Powers of two are handed out one by one, each to the dimension that has
/// fewest for its weight, the last of those that have equally few; a dimension of weight 0 gets none, and one that is
/// [`PINNED`] has its full size from the start. A dimension is `(size, weight)`; size 0 has no end.
pub(crate) fn chunk(dims: &[(u64, i8)], elements: u64) -> Vec<u64> {
    let start = |&(size, weight): &(u64, i8)| if weight == PINNED { size } else { 1 };
    let mut chunk: Vec<_> = dims.iter().map(start).collect();
    let grows = |chunk: &[u64], d: usize| {
        let (size, weight) = dims[d];
        weight > 0 && (size == 0 || chunk[d] * 2 <= size)
    };
    while chunk.iter().product::<u64>() * 2 <= elements {
        // Shares are compared as fractions: a / b < c / d where a * d < c * b.
        let share = |d: usize| (u64::from(chunk[d].ilog2()), u64::from(dims[d].1.unsigned_abs()));
        let fewer = |a: &usize, b: &usize| {
            let ((a, of), (b, than)) = (share(*a), share(*b));
            (a * than).cmp(&(b * of))
        };
        let Some(d) = (0..dims.len()).rev().filter(|d| grows(&chunk, *d)).min_by(fewer) else { break };
        chunk[d] *= 2;
    }
    chunk
}

/// Chunks of a shard along each dimension, so that `open` shards hold a grid of chunks. Prime factors of `open` are
/// handed out from the largest on, each to the dimension with most chunks in a shard that it divides.
pub(crate) fn chunks_per_shard(grid: &[u64], open: u64) -> Vec<u64> {
    let mut chunks = grid.to_vec();
    for factor in factors(open) {
        let halves = |d: &usize| (chunks[*d].is_multiple_of(factor), chunks[*d]);
        let Some(d) = (0..grid.len()).rev().max_by_key(halves) else { break };
        chunks[d] = chunks[d].div_ceil(factor);
    }
    chunks
}

/// Prime factors, the largest first.
fn factors(mut n: u64) -> Vec<u64> {
    let mut found = Vec::new();
    let mut by = 2;
    while n > 1 {
        if n.is_multiple_of(by) {
            found.insert(0, by);
            n /= by;
        } else {
            by += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_grows_past_its_size_or_its_budget() {
        assert_eq!(chunk(&[(0, 1), (3, 1)], 64), [32, 2]);
        assert_eq!(chunk(&[(4, 1), (4, 1)], 1 << 20), [4, 4]);
        assert_eq!(chunk(&[(0, 1), (100, PINNED)], 1000), [8, 100]);
        assert_eq!(chunk(&[(0, 1), (100, PINNED)], 10), [1, 100]);
        assert_eq!(chunk(&[(0, 0), (9, 0)], 1000), [1, 1]);
    }

    #[test]
    fn shards_share_the_grid_evenly() {
        assert_eq!(chunks_per_shard(&[1, 20, 30], 20), [1, 5, 6]);
        assert_eq!(chunks_per_shard(&[8, 4, 4, 3], 16), [2, 2, 2, 3]);
        assert_eq!(chunks_per_shard(&[5], 4), [2]);
        assert_eq!(chunks_per_shard(&[7, 7], 1), [7, 7]);
    }
}
