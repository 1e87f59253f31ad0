//! A job as the seam hands it over, run at once by the kernels of the host. Each returns the bytes that it wrote.

use device::{AggregateJob, CopyJob, Error, FillJob, Operation, ReduceJob, ScatterJob, Sizes, Source};

use super::{Elements, Gather, fill, reduce, scatter};

/// Copies.
///
/// # Errors
/// The lengths differ; memory that the host does not reach.
pub fn run_copy(job: CopyJob<'_>) -> Result<u64, Error> {
    let CopyJob { from, mut to } = job;
    let (from, to) = (from.bytes()?, to.bytes()?);
    if from.len() != to.len() {
        let why = format!("{} bytes do not go into {}", from.len(), to.len());
        return Err(Error::new(Operation::Copy, why));
    }
    to.copy_from_slice(from);
    Ok(to.len() as u64)
}

/// Fills.
///
/// # Errors
/// Memory that the host does not reach.
pub fn run_fill(job: FillJob<'_>) -> Result<u64, Error> {
    let FillJob { element, size, mut to } = job;
    fill(&element[..size], to.bytes()?);
    Ok(to.len() as u64)
}

/// Scatters.
///
/// # Errors
/// Memory that the host does not reach.
pub fn run_scatter(job: ScatterJob<'_>) -> Result<u64, Error> {
    let ScatterJob { geometry, first, count, source, mut pool } = job;
    let elements = match &source {
        Source::Elements(read) => Elements::Bytes(read.bytes()?),
        Source::Fill(f) => Elements::Fill(*f),
    };
    scatter(&geometry, first, count, elements, pool.bytes()?);
    Ok(count * geometry.element as u64)
}

/// Makes epochs of one level of a pyramid.
///
/// # Errors
/// Memory that the host does not reach.
pub fn run_reduce(job: ReduceJob<'_>) -> Result<u64, Error> {
    let ReduceJob { reduction, epochs, window, before, from, mut to } = job;
    let before = before.as_ref().map(|b| b.bytes()).transpose()?;
    reduce(&reduction, window, epochs, before, from.bytes()?, to.bytes()?);
    Ok(to.len() as u64)
}

/// Aggregates.
///
/// # Errors
/// Memory that the host does not reach.
pub fn run_aggregate(mut job: AggregateJob<'_>) -> Result<u64, Error> {
    let (chunks, regions) = (job.chunks as usize, job.regions as usize);
    let each = match &job.sizes {
        Sizes::Fixed(_) => &[],
        Sizes::Each(read) => read.bytes()?.as_chunks::<8>().0,
    };
    let size_of = |chunk: usize| match &job.sizes {
        Sizes::Fixed(size) => *size as usize,
        Sizes::Each(_) => u64::from_le_bytes(each[chunk]) as usize,
    };
    let gather = Gather {
        order: &job.order.bytes()?.as_chunks::<4>().0[..chunks],
        regions: &job.table.bytes()?.as_chunks::<12>().0[..regions],
        page: job.page,
        tails: match &job.tails {
            Some(t) => (t.bytes.bytes()?, t.lengths.bytes()?.as_chunks::<4>().0),
            None => (&[], &[]),
        },
        source: job.source.bytes()?,
        stride: job.stride as usize,
        size_of: &size_of,
        crc32c: job.crc32c,
    };
    let index = job.index.bytes()?.as_chunks_mut::<8>().0;
    let kept = job.kept.as_mut().map(|kept| kept.bytes()).transpose()?;
    gather.run(job.packed.bytes()?, index, kept);
    let last = (chunks + regions).checked_sub(1);
    Ok(last.map_or(0, |l| u64::from_le_bytes(index[l])))
}
