//! Chunks into packed, shard-ordered runs.

use std::ops::Range;

use device::{AggregateJob, Device, EncodeJob, Encoder, Error, Lane, NO_TAIL, Read, Sizes, Tails, Write};
use plan::{BatchLayout, INDEX_PAGES, Plan, REGION_BYTES, Region};

/// Bytes of codec scratch for a full batch: worst-case slots, then one size per chunk.
#[must_use]
pub fn scratch_bytes(plan: &Plan) -> u64 {
    plan.pool_chunks() * (plan.slot_bytes() + 8)
}

/// Bytes of the index of a batch: the offsets, then, where pages are whole, what each region leaves of one.
#[must_use]
pub fn index_bytes(plan: &Plan, layout: &BatchLayout) -> usize {
    kept_at(layout) + if plan.is_aligned() { layout.regions.len() * plan.page() as usize } else { 0 }
}

/// Bytes of the offsets of a batch.
#[must_use]
pub fn offset_bytes(layout: &BatchLayout) -> usize {
    8 * (layout.order.len() + layout.regions.len())
}

/// Where what regions leave of a page begins in the index.
pub(crate) fn kept_at(layout: &BatchLayout) -> usize {
    offset_bytes(layout).next_multiple_of(INDEX_PAGES as usize)
}

/// Where the sizes begin in the scratch: behind the slots of all chunks that a pool has room for.
fn sizes_at(plan: &Plan) -> usize {
    (plan.pool_chunks() * plan.slot_bytes()) as usize
}

/// Bytes of the lookup tables of a batch.
#[must_use]
pub fn table_bytes(layout: &BatchLayout) -> usize {
    4 * layout.order.len() + REGION_BYTES as usize * layout.regions.len()
}

/// Writes the lookup tables: for each packed position its chunk in the pool, then the regions.
///
/// # Errors
/// The tables are not in the host's memory.
pub fn write_tables(layout: &BatchLayout, to: Write<'_>) -> Result<(), Error> {
    let (mut order, mut regions) = to.split(4 * layout.order.len());
    for (place, chunk) in order.bytes()?.as_chunks_mut::<4>().0.iter_mut().zip(&layout.order) {
        *place = chunk.to_le_bytes();
    }
    let words = |r: &Region| [r.first, r.chunks, if r.begins { NO_TAIL } else { r.shard as u32 }];
    let places = regions.bytes()?.as_chunks_mut::<4>().0;
    for (place, word) in places.iter_mut().zip(layout.regions.iter().flat_map(words)) {
        *place = word.to_le_bytes();
    }
    Ok(())
}

/// The tails of a row's shards: pages, then how much of each is used.
pub(crate) fn split_tails(plan: &Plan) -> usize {
    plan.tail_pages() as usize
}

/// Bytes that a batch of chunks that are not compressed comes to when it is packed. `tails` holds how much is left of
/// the last page of each shard of the row, and is brought up to date.
pub fn packed_bytes(plan: &Plan, layout: &BatchLayout, tails: &mut [u64]) -> u64 {
    let mut end = 0u64;
    for region in &layout.regions {
        let tail = &mut tails[region.shard as usize];
        let before = if region.begins { 0 } else { *tail };
        let bytes = before + u64::from(region.chunks) * plan.stored_chunk_bytes;
        end = end.next_multiple_of(plan.page()) + bytes;
        *tail = bytes % plan.page();
    }
    end
}

/// Queues the compression of the chunks of a batch, each into the slot of its place.
///
/// # Errors
/// The device cannot take the work.
pub fn compress<'a>(
    on: Lane,
    (plan, layout): (&Plan, &BatchLayout),
    encoder: &dyn Encoder,
    pool: &Read<'a>,
    scratch: Write<'a>,
) -> Result<(), Error> {
    let [array, coarser] = layout.places(plan);
    let (slot, second) = (plan.slot_bytes(), coarser.start);
    let (slots, sizes) = scratch.split(sizes_at(plan));
    let (slots, sizes) = (slots.split((second * slot) as usize), sizes.split(8 * second as usize));
    let job = |places: Range<u64>, (scratch, sizes): (Write<'a>, Write<'a>)| {
        let count = places.end - places.start;
        EncodeJob {
            chunks: count as u32,
            pool: pool
                .part((places.start * plan.chunk_bytes) as usize..(places.end * plan.chunk_bytes) as usize),
            scratch: scratch.part(0..(count * slot) as usize),
            stride: slot,
            sizes: sizes.part(0..8 * count as usize),
        }
    };
    encoder.encode(on, job(array, (slots.0, sizes.0)))?;
    // Those of the coarser levels stand apart where a batch is not full.
    if coarser.is_empty() { Ok(()) } else { encoder.encode(on, job(coarser, (slots.1, sizes.1))) }
}

/// Where aggregate reads.
pub struct Sources<'a> {
    /// The lookup tables.
    pub tables: Read<'a>,
    /// Codec scratch, or the pool itself where chunks are not compressed.
    pub chunks: Read<'a>,
    /// What the batches before left of pages; `None` where the store takes any number of bytes.
    pub tails: Option<Read<'a>>,
}

/// Queues the packing of a batch. `index` gets the offsets, and behind them what regions leave of a page: see
/// [`index_bytes`].
///
/// # Errors
/// The device cannot take the work.
pub fn aggregate(
    (device, on): (&dyn Device, Lane),
    (plan, layout): (&Plan, &BatchLayout),
    from: &Sources<'_>,
    packed: Write<'_>,
    index: Write<'_>,
) -> Result<(), Error> {
    let (n, regions) = (layout.order.len(), layout.regions.len());
    let places = layout.places(plan)[1].end as usize;
    let (stride, sizes) = if plan.codec.is_none() {
        (plan.chunk_bytes, Sizes::Fixed(plan.chunk_bytes))
    } else {
        let at = sizes_at(plan);
        (plan.slot_bytes(), Sizes::Each(from.chunks.part(at..at + 8 * places)))
    };
    let tails = from.tails.as_ref().map(|t| {
        let at = split_tails(plan);
        Tails { bytes: t.part(0..at), lengths: t.part(at..t.len()) }
    });
    let (offsets, kept) = index.part(0..index_bytes(plan, layout)).split(kept_at(layout));
    let job = AggregateJob {
        chunks: n as u32,
        regions: regions as u32,
        order: from.tables.part(0..4 * n),
        table: from.tables.part(4 * n..table_bytes(layout)),
        page: plan.page(),
        tails,
        source: from.chunks.part(0..places * stride as usize),
        stride,
        sizes,
        crc32c: plan.crc32c,
        packed,
        index: offsets.part(0..offset_bytes(layout)),
        kept: plan.is_aligned().then_some(kept),
    };
    device.aggregate(on, job)
}
