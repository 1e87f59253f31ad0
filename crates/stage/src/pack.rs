//! Chunks into packed, shard-ordered runs.

use device::{AggregateJob, Device, EncodeJob, Encoder, Error, Lane, NO_TAIL, Read, Sizes, Tails, Write};
use plan::{BatchLayout, Plan, REGION_BYTES, Region};

/// Bytes of codec scratch for a full batch: worst-case slots, then one size per chunk.
#[must_use]
pub fn scratch_bytes(plan: &Plan) -> u64 {
    plan.batch_chunks() * (plan.slot_bytes() + 8)
}

/// Where the sizes begin in the scratch of a batch of `chunks` chunks.
fn sizes_at(plan: &Plan, chunks: usize) -> usize {
    chunks * plan.slot_bytes() as usize
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

/// Queues the compression of the first `chunks` chunks of a pool slot.
///
/// # Errors
/// The device cannot take the work.
pub fn compress(
    on: Lane,
    plan: &Plan,
    encoder: &dyn Encoder,
    chunks: u32,
    pool: &Read<'_>,
    scratch: Write<'_>,
) -> Result<(), Error> {
    let n = chunks as usize;
    let at = sizes_at(plan, n);
    let (slots, sizes) = scratch.part(0..at + 8 * n).split(at);
    let pool = pool.part(0..n * plan.chunk_bytes as usize);
    encoder.encode(on, EncodeJob { chunks, pool, scratch: slots, stride: plan.slot_bytes(), sizes })
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

/// Queues the packing of a batch.
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
    let (stride, sizes) = if plan.codec.is_none() {
        (plan.chunk_bytes, Sizes::Fixed(plan.chunk_bytes))
    } else {
        let at = sizes_at(plan, n);
        (plan.slot_bytes(), Sizes::Each(from.chunks.part(at..at + 8 * n)))
    };
    let tails = from.tails.as_ref().map(|t| {
        let at = split_tails(plan);
        Tails { bytes: t.part(0..at), lengths: t.part(at..t.len()) }
    });
    let job = AggregateJob {
        chunks: n as u32,
        regions: regions as u32,
        order: from.tables.part(0..4 * n),
        table: from.tables.part(4 * n..table_bytes(layout)),
        page: plan.page(),
        tails,
        source: from.chunks.part(0..n * stride as usize),
        stride,
        sizes,
        crc32c: plan.crc32c,
        packed,
        index: index.part(0..8 * (n + regions)),
    };
    device.aggregate(on, job)
}
