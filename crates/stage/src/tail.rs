//! What is left of a shard's last page, carried from batch to batch.

use std::ops::Range;

use device::{CopyJob, Device, Error, Lane, Read, Write};
use plan::{BatchLayout, Plan, TAIL_LENGTH_BYTES};

use crate::pack::{kept_at, split_tails};

/// Where the tail of a shard of the row begins, and where its length stands: in bytes, among the tails.
fn places(plan: &Plan, shard: u64) -> (usize, Range<usize>) {
    let length = TAIL_LENGTH_BYTES as usize;
    let at = split_tails(plan) + shard as usize * length;
    ((shard * plan.page()) as usize, at..at + length)
}

/// What region `r` of a batch leaves of a page, by the batch's index.
///
/// # Errors
/// The index is not in the host's memory.
pub fn left_by<'a>(
    (plan, layout): (&Plan, &BatchLayout),
    index: &Read<'a>,
    r: usize,
) -> Result<&'a [u8], Error> {
    let (region, page) = (&layout.regions[r], plan.page() as usize);
    let end = 8 * (region.first as usize + r + region.chunks as usize);
    let end = index.part(end..end + 8).bytes()?.first_chunk().map_or(0, |e| u64::from_le_bytes(*e) as usize);
    let at = kept_at(layout) + r * page;
    index.part(at..at + end % page).bytes()
}

/// Keeps `bytes` as the tail of shard `shard` of the row. `tails` are those of all of them.
///
/// # Errors
/// The tails are not in the host's memory.
pub fn keep_tail(plan: &Plan, tails: Write<'_>, shard: u64, bytes: &[u8]) -> Result<(), Error> {
    let (page, Range { start, end }) = places(plan, shard);
    let (pages, lengths) = tails.part(0..end).split(start);
    pages.part(page..page + bytes.len()).bytes()?.copy_from_slice(bytes);
    lengths.into_bytes()?.copy_from_slice(&(bytes.len() as u32).to_le_bytes());
    Ok(())
}

/// The first `length` bytes of the tail of shard `shard` of the row.
///
/// # Errors
/// The tails are not in the host's memory.
pub fn tail_of<'a>(plan: &Plan, tails: &Read<'a>, shard: u64, length: u64) -> Result<&'a [u8], Error> {
    let (page, _) = places(plan, shard);
    tails.part(page..page + length as usize).bytes()
}

/// Queues the copy of the tails that a batch changed up to the device.
///
/// # Errors
/// The device cannot take the work.
pub fn upload_tails(
    (device, on): (&dyn Device, Lane),
    (plan, layout): (&Plan, &BatchLayout),
    from: &Read<'_>,
    to: Write<'_>,
) -> Result<(), Error> {
    let changed = || layout.regions.iter().map(|r| r.shard as usize);
    let (Some(first), Some(last)) = (changed().min(), changed().max()) else { return Ok(()) };
    let (page, at) = (plan.page() as usize, split_tails(plan));
    let length = TAIL_LENGTH_BYTES as usize;
    let (pages, lengths) = to.split(at);
    let shards = |bytes: usize| -> Range<usize> { first * bytes..(last + 1) * bytes };
    let words = shards(length);
    let from_lengths = from.part(at + words.start..at + words.end);
    device.copy(on, CopyJob { from: from.part(shards(page)), to: pages.part(shards(page)) })?;
    device.copy(on, CopyJob { from: from_lengths, to: lengths.part(words) })
}
