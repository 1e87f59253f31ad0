//! What kernels do with bytes, exactly.

use device::check::Touch;
use device::{AggregateJob, NO_TAIL, Read, ScatterJob, Sizes};

use crate::written::Deed;

/// Told when the kernel runs: how much it uses may stand in bytes that were written by then.
pub(crate) type Deeds = Box<dyn FnOnce() -> Vec<Deed> + Send>;

/// What is known when the kernel is queued.
pub(crate) fn known(deeds: impl IntoIterator<Item = Option<Deed>>) -> Deeds {
    let deeds: Vec<Deed> = deeds.into_iter().flatten().collect();
    Box::new(move || deeds)
}

pub(crate) fn uses(touch: Option<Touch>) -> Option<Deed> {
    touch.map(Deed::Use)
}

/// Bytes `start .. start + len` of a view; no more than it has, whatever a table says.
fn part(of: &Touch, start: usize, len: usize) -> Touch {
    let start = of.range.start.saturating_add(start).min(of.range.end);
    let end = start.saturating_add(len).min(of.range.end);
    Touch { range: start..end, ..of.clone() }
}

/// Places of the pool that a scatter writes: no others, for two of one epoch go side by side.
pub(crate) fn scattered(job: &ScatterJob<'_>) -> Vec<Touch> {
    let Some(all) = job.pool.touch() else { return vec![] };
    let size = job.geometry.element;
    let mut touches: Vec<Touch> = Vec::new();
    for element in job.first..job.first + job.count {
        let at = all.range.start + job.geometry.position(element) as usize * size;
        match touches.last_mut() {
            Some(last) if last.range.end == at => last.range.end += size,
            _ => touches.push(Touch { range: at..at + size, ..all }),
        }
    }
    touches
}

/// What an aggregation reads to know its places, and the places.
struct Aggregation {
    order: Read<'static>,
    table: Read<'static>,
    tails: Option<(Read<'static>, Read<'static>)>,
    sizes: Option<Read<'static>>,
    fixed: usize,
    source: Touch,
    packed: Touch,
    kept: Option<Touch>,
    stride: usize,
    page: usize,
    trailer: usize,
}

/// What an aggregation does.
pub(crate) fn aggregated(job: &AggregateJob<'static>) -> Deeds {
    let (Some(source), Some(packed), index) = (job.source.touch(), job.packed.touch(), job.index.touch())
    else {
        return known([]);
    };
    let (sizes, fixed) = match &job.sizes {
        Sizes::Fixed(size) => (None, *size as usize),
        Sizes::Each(read) => (Some(read.clone()), 0),
    };
    let whole = Aggregation {
        order: job.order.part(0..4 * job.chunks as usize),
        table: job.table.part(0..12 * job.regions as usize),
        tails: job.tails.as_ref().map(|t| (t.bytes.clone(), t.lengths.clone())),
        sizes,
        fixed,
        source,
        packed,
        kept: job.kept.as_ref().and_then(device::Write::touch),
        stride: job.stride as usize,
        page: job.page as usize,
        trailer: if job.crc32c { 4 } else { 0 },
    };
    Box::new(move || {
        let tables = [whole.order.touch(), whole.table.touch()].into_iter().chain([index]);
        let mut deeds: Vec<Deed> = tables.flatten().map(Deed::Use).collect();
        // Where a table makes no sense the kernel fails, and says so.
        let _ = whole.place_all(&mut deeds);
        deeds
    })
}

fn word(read: &Read<'_>, at: usize) -> Option<usize> {
    let word = read.bytes().ok()?.as_chunks::<4>().0.get(at)?;
    Some(u32::from_le_bytes(*word) as usize)
}

impl Aggregation {
    fn place_all(&self, deeds: &mut Vec<Deed>) -> Option<()> {
        let mut at = 0usize;
        for region in 0..self.table.len() / 12 {
            let [first, chunks, tail] = [0, 1, 2].map(|i| word(&self.table, 3 * region + i));
            at = self.place_tail(tail?, at.next_multiple_of(self.page), deeds)?;
            for position in first?..first? + chunks? {
                at = self.place_chunk(word(&self.order, position)?, at, deeds)?;
            }
            if let Some(kept) = &self.kept {
                deeds.push(Deed::Use(part(kept, region * self.page, at % self.page)));
            }
        }
        Some(())
    }

    /// Where the region's chunks begin.
    fn place_tail(&self, shard: usize, at: usize, deeds: &mut Vec<Deed>) -> Option<usize> {
        let Some((bytes, lengths)) = self.tails.as_ref().filter(|_| shard != NO_TAIL as usize) else {
            return Some(at);
        };
        deeds.push(Deed::Use(part(&lengths.touch()?, 4 * shard, 4)));
        let length = word(lengths, shard)?;
        deeds.push(Deed::Use(part(&bytes.touch()?, shard * self.page, length)));
        deeds.push(Deed::Use(part(&self.packed, at, length)));
        at.checked_add(length)
    }

    /// Where it ends.
    fn place_chunk(&self, chunk: usize, at: usize, deeds: &mut Vec<Deed>) -> Option<usize> {
        let size = match &self.sizes {
            None => self.fixed,
            Some(sizes) => {
                deeds.push(Deed::Use(part(&sizes.touch()?, 8 * chunk, 8)));
                u64::from_le_bytes(*sizes.bytes().ok()?.as_chunks::<8>().0.get(chunk)?) as usize
            }
        };
        deeds.push(Deed::Use(part(&self.source, chunk * self.stride, size)));
        deeds.push(Deed::Use(part(&self.packed, at, size.saturating_add(self.trailer))));
        at.checked_add(size)?.checked_add(self.trailer)
    }
}
