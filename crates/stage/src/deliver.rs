//! Packed runs to shards of the store.
//!
//! Every region of a batch goes to its shard as one part; a shard that has all its epochs gets its index and is
//! finalized. Batches come oldest first, so the parts of a shard come in order.

use std::ops::Range;
use std::sync::Arc;

use format::Entry;
use plan::{BatchLayout, Plan, Region};
use store::{Error, Object, Part, Store};

/// Makes parts of what a batch holds.
pub trait Parts {
    /// A part of packed bytes.
    fn payload(&mut self, range: Range<u64>) -> Part;

    /// A part that holds a copy of `bytes`: the index of a shard.
    fn footer(&mut self, bytes: &[u8]) -> Part;
}

/// Told once for each shard that was finalized, or could not be: row, shard, result. Any thread.
pub type Finished = Arc<dyn Fn(u64, u64, Result<(), Error>) + Send + Sync>;

/// A shard under construction.
struct Open {
    row: u64,
    object: Box<dyn Object>,
    at: u64,
    epochs_left: u64,
}

/// The shards of the row that is being written. Rows fill one after another, so each shard position has at most one
/// shard open.
pub struct Shards {
    plan: Arc<Plan>,
    store: Arc<dyn Store>,
    path: String,
    finished: Finished,
    open: Vec<Option<Open>>,
    /// Row of the last shard finished at each position.
    done: Vec<Option<u64>>,
    /// Index of the shard that is open at each position.
    entries: Vec<Vec<Option<Entry>>>,
    /// Where an index is encoded before it becomes a part.
    encoded: Vec<u8>,
}

impl Shards {
    /// Shards of the array at `path` in `store`.
    #[must_use]
    pub fn new(plan: Arc<Plan>, store: Arc<dyn Store>, path: String, finished: Finished) -> Shards {
        let positions = plan.grid.shards_per_row as usize;
        let chunks = plan.grid.chunks_per_shard;
        Shards {
            open: (0..positions).map(|_| None).collect(),
            done: vec![None; positions],
            entries: vec![vec![None; chunks as usize]; positions],
            encoded: Vec::with_capacity(format::encoded_len(chunks) as usize),
            plan,
            store,
            path,
            finished,
        }
    }

    /// Hands a batch to its shards. `offsets` are those of its packed chunks, and the end of the last.
    ///
    /// # Errors
    /// The store refuses an object or a part. Parts that were handed over come back all the same.
    pub fn deliver(
        &mut self,
        layout: &BatchLayout,
        offsets: &[[u8; 8]],
        parts: &mut dyn Parts,
    ) -> Result<(), Error> {
        for region in &layout.regions {
            self.deliver_region(layout, region, offsets, parts)?;
        }
        Ok(())
    }

    fn deliver_region(
        &mut self,
        layout: &BatchLayout,
        region: &Region,
        offsets: &[[u8; 8]],
        parts: &mut dyn Parts,
    ) -> Result<(), Error> {
        let position = region.shard as usize;
        let mut open = match self.open[position].take() {
            Some(open) => open,
            None => self.begin(region.row, region.shard)?,
        };
        let offset = |p: u32| u64::from_le_bytes(offsets[p as usize]);
        let end = region.first + region.chunks;
        let bytes = offset(region.first)..offset(end);
        for p in region.first..end {
            let (epoch, chunk) = layout.chunk_at(&self.plan.grid, p);
            let at = self.plan.grid.index_position(epoch, chunk) as usize;
            let (offset, size) = (open.at + offset(p) - bytes.start, offset(p + 1) - offset(p));
            self.entries[position][at] = Some(Entry { offset, size });
        }
        open.object.append(open.at, parts.payload(bytes.clone()))?;
        open.at += bytes.end - bytes.start;
        open.epochs_left -= u64::from(region.epochs);
        if open.epochs_left == 0 {
            return self.end(region.shard, open, parts);
        }
        self.open[position] = Some(open);
        Ok(())
    }

    /// Ends what is open, when no more data come: every shard of the begun rows is finalized, with the chunks that
    /// never came marked as missing; those that nothing came for hold an index only.
    ///
    /// # Errors
    /// The store refuses an object or a part.
    pub fn finish(&mut self, rows: u64, parts: &mut dyn Parts) -> Result<(), Error> {
        let Some(row) = rows.checked_sub(1) else { return Ok(()) };
        for shard in 0..self.plan.grid.shards_per_row {
            let open = match self.open[shard as usize].take() {
                Some(open) => open,
                None if self.done[shard as usize] == Some(row) => continue,
                None => self.begin(row, shard)?,
            };
            self.end(shard, open, parts)?;
        }
        Ok(())
    }

    fn begin(&mut self, row: u64, shard: u64) -> Result<Open, Error> {
        let coordinates = self.plan.grid.coordinates(row, shard);
        let object = self.store.create(&format::shard_key_under(&self.path, &coordinates))?;
        self.entries[shard as usize].fill(None);
        Ok(Open { row, object, at: 0, epochs_left: self.plan.grid.epochs_of_shard(row, shard) })
    }

    fn end(&mut self, shard: u64, mut open: Open, parts: &mut dyn Parts) -> Result<(), Error> {
        self.encoded.clear();
        format::encode(self.entries[shard as usize].iter().copied(), &mut self.encoded);
        open.object.append(open.at, parts.footer(&self.encoded))?;
        let length = open.at + self.encoded.len() as u64;
        let (finished, row) = (self.finished.clone(), open.row);
        open.object.finalize(length, Box::new(move |result| finished(row, shard, result)));
        self.done[shard as usize] = Some(row);
        Ok(())
    }
}
