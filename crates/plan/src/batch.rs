//! How the chunks of a batch are packed: one contiguous region for each shard that the batch touches.
//!
//! Inside a region chunks follow one another epoch by epoch, so that the bytes of a shard do not depend on where
//! the run was cut into batches.

use std::collections::HashMap;

use crate::{Part, Plan, ShardGrid};

/// The part of a batch that goes to one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Level that the chunks are of.
    pub level: u32,
    /// Row of the shard.
    pub row: u64,
    /// Shard among those of a row of each level.
    pub shard: u64,
    /// First packed position.
    pub first: u32,
    /// Number of chunks.
    pub chunks: u32,
    /// Number of epochs that the chunks come from.
    pub epochs: u32,
    /// Whether the shard begins with these chunks.
    pub begins: bool,
}

/// Packed order of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchLayout {
    /// Epochs of each level, and where they stand in the pool.
    pub parts: Vec<Part>,
    /// Chunk of the pool (from the place of its level on, `epoch in batch * chunks per epoch + chunk`) at each packed position.
    pub order: Vec<u32>,
    /// Regions, in packed order.
    pub regions: Vec<Region>,
}

impl BatchLayout {
    /// Lays out what a batch has of each level.
    #[must_use]
    pub fn new(plan: &Plan, parts: &[Part]) -> BatchLayout {
        let chunks = |(l, p): (usize, &Part)| p.epochs as usize * plan.grid_of(l).chunks_per_epoch as usize;
        let mut layout = BatchLayout { parts: parts.to_vec(), order: Vec::new(), regions: Vec::new() };
        layout.order.reserve_exact(parts.iter().enumerate().map(chunks).sum());
        for (level, part) in parts.iter().enumerate() {
            layout.add(plan.grid_of(level), (level as u32, plan.first_shard_of(level)), part);
        }
        layout
    }

    /// Adds the epochs of one level.
    fn add(&mut self, grid: &ShardGrid, (level, first_shard_of): (u32, u64), part: &Part) {
        let epoch = |e: u32| part.first_epoch + u64::from(e);
        // In the order of first appearance; found by a map, for a batch may touch as many shards as it has epochs.
        let mut places: Vec<((u64, u64), Vec<u32>)> = Vec::new();
        let mut found = HashMap::new();
        for e in 0..part.epochs {
            let place = grid.row_and_first_shard(epoch(e));
            let at = *found.entry(place).or_insert_with(|| {
                places.push((place, Vec::new()));
                places.len() - 1
            });
            places[at].1.push(e);
        }
        for ((row, first_shard), members) in places {
            let begins = members.first().is_some_and(|e| grid.begins_shards(epoch(*e)));
            for shard in 0..grid.shards_per_epoch {
                let first = self.order.len() as u32;
                let chunks = grid.chunks_of_shard(shard);
                for &e in &members {
                    let base = part.place as u32 + e * grid.chunks_per_epoch as u32;
                    self.order.extend(chunks.iter().map(|c| base + c));
                }
                let (shard, epochs) = (first_shard_of + first_shard + shard, members.len() as u32);
                let chunks = self.order.len() as u32 - first;
                self.regions.push(Region { level, row, shard, first, chunks, epochs, begins });
            }
        }
    }

    /// Places of the pool that chunks stand in: the array's, and behind them, in a batch that is not full after a gap, those of
    /// the coarser levels.
    #[must_use]
    pub fn places(&self, plan: &Plan) -> [std::ops::Range<u64>; 2] {
        let end = |(l, p): (usize, &Part)| p.place + u64::from(p.epochs) * plan.grid_of(l).chunks_per_epoch;
        let mut ends = self.parts.iter().enumerate().map(end);
        let array = ends.next().unwrap_or(0);
        let coarser = self.parts.get(1).map_or(array, |p| p.place);
        let last = ends.next_back().unwrap_or(coarser);
        if array == coarser { [0..last, last..last] } else { [0..array, coarser..last] }
    }

    /// Epoch of a level, and chunk of it, at a packed position.
    #[must_use]
    pub fn chunk_at(&self, grid: &ShardGrid, level: u32, packed: u32) -> (u64, u32) {
        let part = &self.parts[level as usize];
        let chunk = self.order[packed as usize] - part.place as u32;
        let per_epoch = grid.chunks_per_epoch as u32;
        (part.first_epoch + u64::from(chunk / per_epoch), chunk % per_epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layout of an array without a pyramid.
    fn laid_out(grid: &ShardGrid, first_epoch: u64, epochs: u32) -> BatchLayout {
        let part = Part { first_epoch, epochs, place: 0 };
        let mut layout = BatchLayout { parts: vec![part], order: Vec::new(), regions: Vec::new() };
        layout.add(grid, (0, 0), &part);
        layout
    }

    /// Bytes of a shard are the same however the run is cut into batches.
    #[test]
    fn the_order_inside_a_shard_does_not_depend_on_batches() {
        let grid = ShardGrid::new(2, vec![None, Some(3), Some(5)], vec![2, 2, 2]).unwrap();
        let stored = |cuts: &[u32]| {
            let mut shards = std::collections::BTreeMap::<(u64, u64), Vec<(u64, u32)>>::new();
            let mut first = 0;
            for &epochs in cuts {
                let layout = laid_out(&grid, first, epochs);
                for r in &layout.regions {
                    let chunks = (r.first..r.first + r.chunks).map(|p| layout.chunk_at(&grid, 0, p));
                    shards.entry((r.row, r.shard)).or_default().extend(chunks);
                }
                first += u64::from(epochs);
            }
            shards
        };
        let whole = stored(&[13]);
        assert_eq!(whole, stored(&[1; 13]));
        assert_eq!(whole, stored(&[4, 4, 5]));
        assert_eq!(whole.values().map(Vec::len).sum::<usize>(), 13 * 5);
    }

    /// Work that grows with the square of the epochs would take minutes here.
    #[test]
    fn a_batch_of_many_shards_is_laid_out_at_once() {
        let grid = ShardGrid::new(1, vec![None, Some(1)], vec![1, 1]).unwrap();
        let layout = laid_out(&grid, 7, 1 << 20);
        assert_eq!(layout.regions.len(), 1 << 20);
        assert_eq!((layout.regions[3].row, layout.regions[3].first), (10, 3));
    }

    /// Counted over every way to cut a run: a shard begins where nothing of it came before, and no batch has more regions
    /// than the plan holds room for.
    #[test]
    fn shards_begin_once_and_regions_are_bounded() {
        for (append, chunks, per_shard) in [
            (1, vec![Some(9), Some(3), Some(5)], vec![2, 2, 2]),
            (2, vec![None, Some(3), Some(4), Some(5)], vec![2, 2, 3, 9]),
            (3, vec![None, Some(3), Some(4)], vec![3, 2, 3]),
            (1, vec![None, Some(1)], vec![1, 1]),
        ] {
            let grid = ShardGrid::new(append, chunks, per_shard).unwrap();
            for epochs in 1..12 {
                let (mut first, mut seen) = (0, std::collections::HashSet::new());
                while first < grid.epochs().unwrap_or(60) {
                    let left = grid.epochs().map_or(epochs, |all| epochs.min((all - first) as u32));
                    let layout = laid_out(&grid, first, left);
                    for r in &layout.regions {
                        assert_eq!(seen.insert((r.row, r.shard)), r.begins, "{r:?}");
                    }
                    assert!(layout.regions.len() as u64 <= grid.most_regions(u64::from(epochs)));
                    let rows: std::collections::HashSet<_> = layout.regions.iter().map(|r| r.row).collect();
                    assert!(rows.len() as u64 <= grid.most_rows(u64::from(epochs)));
                    first += u64::from(left);
                }
            }
        }
    }

    #[test]
    fn every_chunk_is_packed_once() {
        let grid = ShardGrid::new(1, vec![Some(9), Some(3), Some(5)], vec![2, 2, 2]).unwrap();
        let layout = laid_out(&grid, 3, 4);
        let mut order = layout.order.clone();
        order.sort_unstable();
        assert_eq!(order, (0..4 * 15).collect::<Vec<u32>>());
        let ends: Vec<_> = layout.regions.iter().map(|r| r.first + r.chunks).collect();
        let starts: Vec<_> = layout.regions.iter().map(|r| r.first).collect();
        assert_eq!(&ends[..ends.len() - 1], &starts[1..]);
    }
}
