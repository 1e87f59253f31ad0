//! Elements into the chunk pool.

use std::ops::Range;
use std::sync::Arc;

use device::{CopyJob, Device, Error, FillJob, Lane, Read, ScatterJob, Source, Write};
use plan::{Plan, Scatter};

/// Bytes of the pool that so many epochs of a batch have.
fn range_of(plan: &Plan, epochs: Range<u64>) -> Range<usize> {
    let bytes = plan.grid.chunks_per_epoch * plan.chunk_bytes;
    (epochs.start * bytes) as usize..(epochs.end * bytes) as usize
}

fn epoch_range(plan: &Plan, epoch: u32) -> Range<usize> {
    range_of(plan, u64::from(epoch)..u64::from(epoch) + 1)
}

/// Queues the scatter of `count` elements, from element `first` of epoch `epoch` of the batch on. They may go on into
/// the epochs behind it.
///
/// # Errors
/// The device cannot take the work.
pub fn scatter(
    (device, on): (&dyn Device, Lane),
    (plan, geometry): (&Plan, &Arc<Scatter>),
    epoch: u32,
    (first, count): (u64, u64),
    source: Source<'_>,
    pool: Write<'_>,
) -> Result<(), Error> {
    let epochs = (first + count).div_ceil(geometry.epoch_elements);
    let pool = pool.part(range_of(plan, u64::from(epoch)..u64::from(epoch) + epochs));
    device.scatter(on, ScatterJob { geometry: geometry.clone(), first, count, source, pool })
}

/// Queues the fill value for a whole pool slot. Scattering never touches the padding, so once is enough for as long
/// as the slot lives.
///
/// # Errors
/// The device cannot take the work.
pub fn pad((device, on): (&dyn Device, Lane), plan: &Plan, pool: Write<'_>) -> Result<(), Error> {
    device.fill(on, FillJob { element: plan.fill.padded(), size: plan.dtype.size(), to: pool })
}

/// Queues the move of a begun epoch, number `epoch` of the batch before, to the head of the next batch.
///
/// # Errors
/// The device cannot take the work.
pub fn carry(
    (device, on): (&dyn Device, Lane),
    plan: &Plan,
    epoch: u32,
    from: &Read<'_>,
    to: Write<'_>,
) -> Result<(), Error> {
    let (from, to) = (from.part(epoch_range(plan, epoch)), to.part(epoch_range(plan, 0)));
    device.copy(on, CopyJob { from, to })
}
