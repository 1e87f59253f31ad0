//! Packed runs to shards of the store.
//!
//! Every region of a batch goes to its shard as one part; a shard that has all its epochs gets its index and is
//! finalized. Batches come oldest first, so the parts of a shard come in order.
//!
//! A store that takes whole pages only gets the whole pages of a region; the rest, the *tail*, is kept and stands at
//! the head of the shard's next region, or before its index in the last page, which is filled up with zeros that the
//! end of the object cuts off again. So the bytes of a shard are the same as without pages.

use std::ops::Range;
use std::sync::Arc;

use format::Entry;
use plan::{BatchLayout, Plan, Region};
use store::{Error, Object, Part, Store};

/// Makes parts of what a batch holds.
pub trait Parts {
    /// A part of packed bytes.
    fn payload(&mut self, range: Range<u64>) -> Part;

    /// An object is told to end now; [`Finished`] tells when it has.
    fn ends(&mut self);

    /// A part that holds the tail of shard `shard`, then `index`, then zeros up to the end of the page.
    fn footer(&mut self, shard: u64, tail: Tail, index: &[u8]) -> Part;
}

/// Where the tail of a shard is that ends, less than a page.
pub enum Tail {
    /// Among the packed bytes: the shard ends with a region of this batch.
    Packed(Range<u64>),
    /// Where tails are kept, so many bytes: an earlier batch left it, or this one.
    Kept(u64),
}

/// Told once for each shard that was finalized, or could not be: row, shard (among those of a row of each level), result. Any
/// thread.
pub type Finished = Arc<dyn Fn(u64, u64, Result<(), Error>) + Send + Sync>;

/// A shard under construction.
struct Open {
    row: u64,
    object: Box<dyn Object>,
    /// Bytes handed over, in whole pages.
    at: u64,
    /// Bytes kept back, less than a page.
    tail: u64,
    epochs_left: u64,
}

/// The shards of the row of each level that is being written. Rows fill one after another, so each shard position has at most
/// one shard open.
pub struct Shards {
    plan: Arc<Plan>,
    store: Arc<dyn Store>,
    /// Path of the array of each level.
    paths: Vec<String>,
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
    /// Shards of the arrays at `paths` in `store`, one for each level.
    #[must_use]
    pub fn new(plan: Arc<Plan>, store: Arc<dyn Store>, paths: Vec<String>, finished: Finished) -> Shards {
        let positions = plan.shards_of_rows() as usize;
        let chunks = plan.grid.chunks_per_shard;
        Shards {
            open: (0..positions).map(|_| None).collect(),
            done: vec![None; positions],
            entries: vec![vec![None; chunks as usize]; positions],
            encoded: Vec::with_capacity(format::encoded_len(chunks) as usize),
            plan,
            store,
            paths,
            finished,
        }
    }

    /// Hands a batch to its shards. `offsets` are, region by region, those of its packed chunks and the end of the last.
    ///
    /// # Errors
    /// The store refuses an object or a part. Parts that were handed over come back all the same.
    pub fn deliver(
        &mut self,
        layout: &BatchLayout,
        offsets: &[[u8; 8]],
        parts: &mut dyn Parts,
    ) -> Result<(), Error> {
        for (r, region) in layout.regions.iter().enumerate() {
            let here = &offsets[region.first as usize + r..][..region.chunks as usize + 1];
            self.deliver_region(layout, region, here, parts)?;
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
        let offset = |chunk: u32| u64::from_le_bytes(offsets[chunk as usize]);
        // The region begins with the tail that the shard had, and that counts already.
        let (begin, end) = (offset(0) - open.tail, offset(region.chunks));
        for chunk in 0..region.chunks {
            let grid = self.plan.grid_of(region.level as usize);
            let (epoch, place) = layout.chunk_at(grid, region.level, region.first + chunk);
            let at = grid.index_position(epoch, place) as usize;
            let (offset, size) = (open.at + offset(chunk) - begin, offset(chunk + 1) - offset(chunk));
            self.entries[position][at] = Some(Entry { offset, size });
        }
        let page = self.plan.page();
        let whole = (end - begin) / page * page;
        if whole > 0 {
            open.object.append(open.at, parts.payload(begin..begin + whole))?;
        }
        open.at += whole;
        open.tail = end - begin - whole;
        open.epochs_left -= u64::from(region.epochs);
        if open.epochs_left == 0 {
            return self.end(region.shard, open, Tail::Packed(begin + whole..end), parts);
        }
        self.open[position] = Some(open);
        Ok(())
    }

    /// Ends what is open, when no more data come: every shard of the begun rows, of which each level has so many, is finalized,
    /// with the chunks that never came marked as missing; those that nothing came for hold an index only.
    ///
    /// # Errors
    /// The store refuses an object or a part.
    pub fn finish(&mut self, rows: &[u64], parts: &mut dyn Parts) -> Result<(), Error> {
        rows.iter().enumerate().try_for_each(|(level, rows)| self.finish_level(level, *rows, parts))
    }

    fn finish_level(&mut self, level: usize, rows: u64, parts: &mut dyn Parts) -> Result<(), Error> {
        let Some(row) = rows.checked_sub(1) else { return Ok(()) };
        let first = self.plan.first_shard_of(level);
        for shard in first..first + self.plan.grid_of(level).shards_per_row {
            let open = match self.open[shard as usize].take() {
                Some(open) => open,
                None if self.done[shard as usize] == Some(row) => continue,
                // No chunk came for it: what its position kept for the row before is not its own.
                None => self.begin(row, shard)?,
            };
            let tail = Tail::Kept(open.tail);
            self.end(shard, open, tail, parts)?;
        }
        Ok(())
    }

    fn begin(&mut self, row: u64, shard: u64) -> Result<Open, Error> {
        let level = self.plan.level_of_shard(shard);
        let (grid, of_level) = (self.plan.grid_of(level), shard - self.plan.first_shard_of(level));
        let coordinates = grid.coordinates(row, of_level);
        let object = self.store.create(&format::shard_key_under(&self.paths[level], &coordinates))?;
        self.entries[shard as usize].fill(None);
        Ok(Open { row, object, at: 0, tail: 0, epochs_left: grid.epochs_of_shard(row, of_level) })
    }

    fn end(&mut self, shard: u64, mut open: Open, tail: Tail, parts: &mut dyn Parts) -> Result<(), Error> {
        self.encoded.clear();
        format::encode(self.entries[shard as usize].iter().copied(), &mut self.encoded);
        open.object.append(open.at, parts.footer(shard, tail, &self.encoded))?;
        let length = open.at + open.tail + self.encoded.len() as u64;
        let (finished, row) = (self.finished.clone(), open.row);
        parts.ends();
        open.object.finalize(length, Box::new(move |result| finished(row, shard, result)));
        self.done[shard as usize] = Some(row);
        Ok(())
    }
}
