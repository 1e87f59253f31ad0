//! The grid of shards, and where each chunk stands in it.
//!
//! Dimensions are in storage order here. The first `append` of them grow: an epoch is one chunk along each of
//! those, and all chunks of the others. A *row* is all shards with the same coordinate along dimension 0; rows
//! fill one after another.

use crate::Refusal;
use crate::error::product;

/// Each shard index holds 16 bytes a chunk and is kept while the shard is open.
const MOST_IN_SHARD: u64 = 1 << 24;
/// Each chunk of an epoch has entries in tables.
const MOST_IN_EPOCH: u64 = 1 << 22;
/// Each open shard is an object under construction: a file, or an upload.
const MOST_OPEN: u64 = 1 << 16;

/// Chunks and shards of an array, in storage order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardGrid {
    /// Number of append dimensions, at least 1.
    pub append: usize,
    /// Chunks along each dimension; `None` along an unbounded dimension 0.
    pub chunks: Vec<Option<u64>>,
    /// Chunks of one shard along each dimension.
    pub per_shard: Vec<u64>,
    /// Chunks of one shard.
    pub chunks_per_shard: u64,
    /// Shards of one row.
    pub shards_per_row: u64,
    /// Epochs from the first of a row to the first of the next.
    pub epochs_per_row: u64,
    /// Chunks of one epoch.
    pub chunks_per_epoch: u64,
    /// Shards of one epoch.
    pub shards_per_epoch: u64,
    /// Shard (among those of an epoch) of each chunk of an epoch.
    inner_shard: Vec<u32>,
    /// Position of each chunk of an epoch inside its shard, without the part of the append dimensions.
    inner_slot: Vec<u64>,
    /// Chunks of an epoch, shard by shard.
    inner_order: Vec<u32>,
    /// Where each shard begins in `inner_order`, and its end.
    inner_start: Vec<u32>,
}

impl ShardGrid {
    /// Derives the grid.
    ///
    /// # Errors
    /// Counts that do not fit their fields.
    pub(crate) fn new(
        append: usize,
        chunks: Vec<Option<u64>>,
        per_shard: Vec<u64>,
    ) -> Result<ShardGrid, Refusal> {
        let larger = "make chunks larger, or give fewer of them to a shard";
        let counts: Vec<u64> = chunks.iter().map(|c| c.unwrap_or(1)).collect();
        let shards = |d: usize| counts[d].div_ceil(per_shard[d]);
        let rank = counts.len();
        let within = |count: u64, most: u64, what: &str| match count <= most {
            true => Ok(count),
            false => {
                Err(Refusal::TooLarge { what: format!("{what} ({count}, at most {most})"), remedy: larger })
            }
        };
        let chunks_per_shard = product(per_shard.iter().copied(), "the number of chunks in a shard", larger)?;
        within(chunks_per_shard, MOST_IN_SHARD, "the number of chunks in a shard")?;
        let inner = counts[append..].iter().copied();
        let chunks_per_epoch = product(inner, "the number of chunks in an epoch", larger)?;
        within(chunks_per_epoch, MOST_IN_EPOCH, "the number of chunks in an epoch")?;
        let shards_per_epoch = (append..rank).map(shards).product::<u64>();
        let between = product(counts[1..append].iter().copied(), "the number of epochs in a shard", larger)?;
        let epochs_per_row = product([per_shard[0], between], "the number of epochs in a shard", larger)?;
        let open = (1..append).map(shards).chain([shards_per_epoch]);
        let shards_per_row = product(open, "the number of shards that are open at once", larger)?;
        within(shards_per_row, MOST_OPEN, "the number of shards that are open at once")?;
        let mut grid = ShardGrid {
            append,
            chunks,
            per_shard,
            chunks_per_shard,
            shards_per_row,
            epochs_per_row,
            chunks_per_epoch,
            shards_per_epoch,
            inner_shard: Vec::new(),
            inner_slot: Vec::new(),
            inner_order: Vec::new(),
            inner_start: Vec::new(),
        };
        grid.place_chunks(&counts);
        Ok(grid)
    }

    /// Fills the tables over the chunks of one epoch.
    fn place_chunks(&mut self, counts: &[u64]) {
        let inner = self.append..counts.len();
        self.inner_shard.reserve_exact(self.chunks_per_epoch as usize);
        self.inner_slot.reserve_exact(self.chunks_per_epoch as usize);
        for chunk in 0..self.chunks_per_epoch {
            let (mut rest, mut shard, mut slot, mut shard_step, mut slot_step) = (chunk, 0, 0, 1, 1);
            for d in inner.clone().rev() {
                let i = rest % counts[d];
                rest /= counts[d];
                shard += i / self.per_shard[d] * shard_step;
                slot += i % self.per_shard[d] * slot_step;
                shard_step *= counts[d].div_ceil(self.per_shard[d]);
                slot_step *= self.per_shard[d];
            }
            self.inner_shard.push(shard as u32);
            self.inner_slot.push(slot);
        }
        self.inner_order = (0..self.chunks_per_epoch as u32).collect();
        self.inner_order.sort_by_key(|&c| self.inner_shard[c as usize]);
        self.inner_start = (0..=self.shards_per_epoch)
            .map(|s| {
                self.inner_order.partition_point(|&c| u64::from(self.inner_shard[c as usize]) < s) as u32
            })
            .collect();
    }

    /// Epochs of the whole array; `None` when it is unbounded.
    #[must_use]
    pub fn epochs(&self) -> Option<u64> {
        Some(self.chunks[0]? * self.epochs_between())
    }

    /// Epochs from one chunk along dimension 0 to the next.
    #[must_use]
    pub fn epochs_between(&self) -> u64 {
        self.epochs_per_row / self.per_shard[0]
    }

    /// Chunk coordinates of an epoch along the append dimensions.
    #[must_use]
    pub fn append_coordinates(&self, epoch: u64) -> Vec<u64> {
        let mut at = vec![0; self.append];
        let mut rest = epoch;
        for d in (1..self.append).rev() {
            let count = self.chunks[d].unwrap_or(1);
            at[d] = rest % count;
            rest /= count;
        }
        at[0] = rest;
        at
    }

    /// Row of an epoch, and the first of the row's shards that belongs to the epoch.
    #[must_use]
    pub fn row_and_first_shard(&self, epoch: u64) -> (u64, u64) {
        let at = self.append_coordinates(epoch);
        let mut group = 0;
        for (d, i) in at.iter().enumerate().skip(1) {
            group = group * self.shards_along(d) + i / self.per_shard[d];
        }
        (at[0] / self.per_shard[0], group * self.shards_per_epoch)
    }

    /// Whether the shards that an epoch belongs to begin with it.
    #[must_use]
    pub fn begins_shards(&self, epoch: u64) -> bool {
        self.append_coordinates(epoch).iter().zip(&self.per_shard).all(|(i, n)| i % n == 0)
    }

    /// The most rows that `epochs` epochs in a row can touch.
    #[must_use]
    pub fn most_rows(&self, epochs: u64) -> u64 {
        // One that begins with the last epoch of a row touches the most.
        (epochs + self.epochs_per_row).saturating_sub(2) / self.epochs_per_row + 1
    }

    /// The most shards that `epochs` epochs in a row can touch.
    #[must_use]
    pub fn most_regions(&self, epochs: u64) -> u64 {
        let groups = self.shards_per_row / self.shards_per_epoch;
        epochs.min(self.most_rows(epochs).saturating_mul(groups)).saturating_mul(self.shards_per_epoch)
    }

    /// Position, in the index of its shard, of chunk `chunk` of epoch `epoch` (row-major over the shard's chunks).
    #[must_use]
    pub fn index_position(&self, epoch: u64, chunk: u32) -> u64 {
        let mut at = 0;
        for (d, i) in self.append_coordinates(epoch).iter().enumerate() {
            at = at * self.per_shard[d] + i % self.per_shard[d];
        }
        let inner: u64 = self.per_shard[self.append..].iter().product();
        at * inner + self.inner_slot[chunk as usize]
    }

    /// Chunks of an epoch that belong to shard `shard` of the epoch, in the order in which they are stored.
    #[must_use]
    pub fn chunks_of_shard(&self, shard: u64) -> &[u32] {
        let s = shard as usize;
        &self.inner_order[self.inner_start[s] as usize..self.inner_start[s + 1] as usize]
    }

    /// Grid coordinates of shard `shard` of row `row`.
    #[must_use]
    pub fn coordinates(&self, row: u64, shard: u64) -> Vec<u64> {
        let mut at = vec![0; self.per_shard.len()];
        let mut rest = shard;
        for d in (1..at.len()).rev() {
            at[d] = rest % self.shards_along(d);
            rest /= self.shards_along(d);
        }
        at[0] = row;
        at
    }

    /// Epochs that put chunks into shard `shard` of row `row`, when the run goes on to its end.
    #[must_use]
    pub fn epochs_of_shard(&self, row: u64, shard: u64) -> u64 {
        let at = self.coordinates(row, shard);
        (0..self.append)
            .map(|d| {
                let left = self.chunks[d].map_or(u64::MAX, |c| c.saturating_sub(at[d] * self.per_shard[d]));
                left.min(self.per_shard[d])
            })
            .product()
    }

    fn shards_along(&self, d: usize) -> u64 {
        self.chunks[d].unwrap_or(1).div_ceil(self.per_shard[d])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Each chunk of the array falls on its own place of the shard that its coordinates say.
    #[test]
    fn every_chunk_has_one_place() {
        for (append, chunks, per_shard) in [
            (1, vec![Some(5), Some(3), Some(4)], vec![2, 2, 3]),
            (2, vec![None, Some(3), Some(4), Some(5)], vec![2, 2, 3, 9]),
            (3, vec![Some(2), Some(3), Some(2)], vec![5, 2, 1]),
            (1, vec![Some(7)], vec![3]),
        ] {
            let grid = ShardGrid::new(append, chunks.clone(), per_shard.clone()).unwrap();
            let mut seen = HashMap::new();
            let epochs = grid.epochs().unwrap_or(4 * grid.epochs_per_row);
            for epoch in 0..epochs {
                let (row, first) = grid.row_and_first_shard(epoch);
                for shard in 0..grid.shards_per_epoch {
                    for &chunk in grid.chunks_of_shard(shard) {
                        let place = (row, first + shard, grid.index_position(epoch, chunk));
                        assert!(place.2 < grid.chunks_per_shard);
                        assert_eq!(seen.insert(place, (epoch, chunk)), None, "{place:?}");
                    }
                }
            }
            assert_eq!(seen.len() as u64, epochs * grid.chunks_per_epoch);
            let rows = epochs.div_ceil(grid.epochs_per_row);
            let counted: u64 = (0..rows)
                .flat_map(|r| (0..grid.shards_per_row).map(move |s| (r, s)))
                .map(|(r, s)| {
                    grid.epochs_of_shard(r, s) * grid.chunks_of_shard(s % grid.shards_per_epoch).len() as u64
                })
                .sum();
            assert_eq!(counted, epochs * grid.chunks_per_epoch);
        }
    }

    #[test]
    fn shard_coordinates_are_row_major() {
        let grid = ShardGrid::new(2, vec![None, Some(3), Some(4)], vec![2, 2, 3]).unwrap();
        assert_eq!(grid.shards_per_row, 4);
        assert_eq!(grid.coordinates(5, 3), vec![5, 1, 1]);
        assert_eq!(grid.row_and_first_shard(2 * 3 + 2), (1, 2));
    }
}
