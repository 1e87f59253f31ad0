//! Chunks into packed, shard-ordered runs.

use device::{AggregateJob, Device, EncodeJob, Encoder, Error, Lane, Read, Sizes, Write};
use plan::{BatchLayout, Plan};

/// Bytes of codec scratch for a full batch: worst-case slots, then one size per chunk.
#[must_use]
pub fn scratch_bytes(plan: &Plan) -> u64 {
    plan.batch_chunks() * (plan.codec.worst_case(plan.chunk_bytes) + 8)
}

/// Where the sizes begin in the scratch of a batch of `chunks` chunks.
fn sizes_at(plan: &Plan, chunks: usize) -> usize {
    chunks * plan.codec.worst_case(plan.chunk_bytes) as usize
}

/// Writes the packed order: for each packed position its chunk in the pool.
///
/// # Errors
/// The tables are not in the host's memory.
pub fn write_tables(layout: &BatchLayout, mut to: Write<'_>) -> Result<(), Error> {
    let to = to.bytes()?.as_chunks_mut::<4>().0;
    for (place, chunk) in to.iter_mut().zip(&layout.order) {
        *place = chunk.to_le_bytes();
    }
    Ok(())
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
    encoder.encode(on, EncodeJob { chunks, pool, scratch: slots, sizes })
}

/// Queues the packing of a batch, from codec scratch, or from the pool itself where chunks are not compressed.
///
/// # Errors
/// The device cannot take the work.
pub fn aggregate(
    (device, on): (&dyn Device, Lane),
    plan: &Plan,
    chunks: u32,
    order: &Read<'_>,
    source: &Read<'_>,
    packed: Write<'_>,
    index: Write<'_>,
) -> Result<(), Error> {
    let n = chunks as usize;
    let (stride, sizes) = if plan.codec.is_none() {
        (plan.chunk_bytes, Sizes::Fixed(plan.chunk_bytes))
    } else {
        let at = sizes_at(plan, n);
        (plan.codec.worst_case(plan.chunk_bytes), Sizes::Each(source.part(at..at + 8 * n)))
    };
    let source = source.part(0..n * stride as usize);
    let order = order.part(0..4 * n);
    let index = index.part(0..8 * (n + 1));
    let crc32c = plan.crc32c;
    device.aggregate(on, AggregateJob { chunks, order, source, stride, sizes, crc32c, packed, index })
}
