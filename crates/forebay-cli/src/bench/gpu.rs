//! What a GPU can do at most with the bytes of a run.

use std::time::Duration;

use forebay::limits::{Direction, Error, Gpu, Link, Threads};
use forebay::{CoderChoice, Plan};

use super::series::Series;
use super::yardsticks::Limit;
use super::{Ingest, Job};

/// Pinned memory for each direction of the link: more than a cache holds.
const LINK_BYTES: usize = 1 << 30;
/// Times that the link is measured in a round; the middle one counts.
const PASSES: usize = 5;
/// Times that a batch is compressed in a round; the middle one counts.
const BATCHES: u64 = 3;
/// Bytes that are copied into pinned memory in a round.
const FILLED: u64 = 4 << 30;

/// A kind of limit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Link(Direction),
    Memcpy,
    Codec,
}

/// All that is measured of a GPU.
pub(crate) struct Yardstick<'a> {
    job: &'a Job,
    gpu: Gpu,
    /// Made when it is first needed.
    link: Option<Link>,
}

/// Bytes of the host's memory that measuring holds.
pub(crate) fn held(plan: &Plan) -> u64 {
    let batch = if plan.codec.is_none() { 0 } else { plan.batch_chunks() * plan.chunk_bytes };
    // Epochs are laid out one by one and then put into the batch.
    2 * LINK_BYTES as u64 + 2 * batch
}

/// Kinds of limits that a run is held against.
pub(crate) fn kinds(job: &Job) -> Vec<Kind> {
    let mut kinds: Vec<_> = [Direction::Up, Direction::Down, Direction::Both].map(Kind::Link).into();
    if job.asked.ingest == Ingest::Copy {
        kinds.push(Kind::Memcpy);
    }
    if !job.plan.codec.is_none() {
        kinds.push(Kind::Codec);
    }
    kinds
}

/// A limit that is not measured yet.
pub(crate) fn limit(kind: Kind, job: &Job) -> Limit {
    let plain = job.plan.codec.is_none();
    let (name, what, applies) = match kind {
        Kind::Link(Direction::Up) => (
            "H2D (host to device), GB/s",
            "1 GiB of pinned memory copied up in pieces of 64 MiB, nothing going down",
            true,
        ),
        Kind::Link(Direction::Down) => (
            "D2H (device to host), GB/s",
            "1 GiB copied down into pinned memory in pieces of 64 MiB, nothing going up",
            true,
        ),
        Kind::Link(Direction::Both) => {
            ("H2D and D2H at once, GB/s each way", "1 GiB each way at once, in pieces of 64 MiB", plain)
        }
        Kind::Memcpy => (
            "memcpy into pinned memory, GB/s",
            "the source copied into pinned memory as large as all staging, on as many threads as copy appends",
            true,
        ),
        Kind::Codec => (
            match job.options.coder {
                CoderChoice::Own => "our coder alone, GB/s of input",
                CoderChoice::Nvcomp => "nvCOMP alone, GB/s of input",
            },
            "a full batch of the same chunks, on the GPU before, compressed on one stream",
            true,
        ),
    };
    Limit { name, what, applies, bytes: 0, seconds: Series::default(), absent: None }
}

impl<'a> Yardstick<'a> {
    pub(crate) fn new(job: &'a Job, gpu: Gpu) -> Yardstick<'a> {
        Yardstick { job, gpu, link: None }
    }

    /// Time for the bytes of a run that stores `bytes_out` bytes, and those of them that this is about.
    pub(crate) fn measure(
        &mut self,
        kind: Kind,
        threads: &Threads,
        (plan, bytes_out): (&Plan, u64),
    ) -> Result<(Duration, u64), Error> {
        let bytes_in = self.job.bytes_in();
        let (rate, bytes) = match kind {
            Kind::Link(direction) => {
                let link = self.link()?;
                let times = (0..PASSES).map(|_| link.time(direction)).collect::<Result<Vec<_>, _>>()?;
                let bytes = if direction == Direction::Down { bytes_out } else { bytes_in };
                (link.bytes() as f64 / middle(&times), bytes)
            }
            Kind::Memcpy => {
                let (source, ring) = (&self.job.source, super::slots(plan).1 as usize);
                let took = self.link()?.fill(threads, source, ring, FILLED);
                (FILLED as f64 / took.as_secs_f64(), bytes_in)
            }
            Kind::Codec => {
                let times = self.gpu.encode(plan, &self.job.source, BATCHES)?;
                let batch = plan.batch_chunks() * plan.chunk_bytes;
                (batch as f64 / middle(&times), bytes_in)
            }
        };
        Ok((Duration::from_secs_f64(bytes as f64 / rate), bytes))
    }

    fn link(&mut self) -> Result<&mut Link, Error> {
        let link = match self.link.take() {
            Some(link) => link,
            None => self.gpu.link(LINK_BYTES)?,
        };
        Ok(self.link.insert(link))
    }
}

/// Seconds of the middle one.
fn middle(times: &[Duration]) -> f64 {
    let mut series = Series::default();
    times.iter().for_each(|t| series.push(t.as_secs_f64()));
    series.median()
}
