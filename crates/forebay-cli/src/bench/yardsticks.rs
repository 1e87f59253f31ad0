//! What the machine can do at most with the bytes of a run.

use std::path::Path;
use std::time::Duration;

use forebay::Plan;
use forebay::limits::{self, Chunks, Error, Kernels, Threads, Way};

use super::gpu;
use super::run::Run;
use super::series::Series;
use super::{Job, Sink};
use crate::Failure;

/// A limit, measured beside the runs.
pub(crate) struct Limit {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Whether every run of this kind must do it, so that it cannot be faster.
    pub(crate) applies: bool,
    /// Bytes that were moved.
    pub(crate) bytes: u64,
    /// Seconds for the bytes of a run.
    pub(crate) seconds: Series,
    /// Why it could not be measured.
    pub(crate) absent: Option<String>,
}

/// A kind of limit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Memcpy,
    Codec,
    Buffered,
    Direct,
    Gpu(gpu::Kind),
}

/// All that a round of limits needs, held ready.
pub(crate) struct Yardsticks<'a> {
    job: &'a Job,
    threads: Threads,
    to: Vec<u8>,
    chunks: Option<Chunks>,
    gpu: Option<gpu::Yardstick<'a>>,
    /// Folder of the disk that is measured.
    folder: Option<&'a Path>,
    /// The plan of a run, and the bytes that it stores.
    plan: Plan,
    bytes_out: u64,
    limits: Vec<(Kind, Limit)>,
}

impl<'a> Yardsticks<'a> {
    pub(crate) fn new(job: &'a Job, folder: Option<&'a Path>) -> Result<Yardsticks<'a>, Failure> {
        // A GPU has threads that copy, and none that compress.
        let each = job.gpu.map_or(job.options.threads, |gpu| gpu.copiers());
        let each = Threads::new(each).map_err(failed)?;
        let all = (each.count() * job.streams()).min(job.machine.cores.max(each.count()));
        let threads = if all == each.count() { each } else { Threads::new(all).map_err(failed)? };
        let on_host = job.gpu.is_none();
        let chunks = match job.plan.codec.is_none() || !on_host {
            true => None,
            false => Some(Chunks::new(&threads, &job.plan, &job.source).map_err(failed)?),
        };
        // Written, not only promised by the system.
        let to = vec![1; if on_host { job.source.len() } else { 0 }];
        let gpu = job.gpu.map(|gpu| gpu::Yardstick::new(job, gpu));
        let limits = kinds(job).into_iter().map(|kind| (kind, limit(kind, job))).collect();
        let plan = job.plan.clone();
        Ok(Yardsticks { job, threads, to, chunks, gpu, folder, plan, bytes_out: 0, limits })
    }

    /// Threads that a limit is measured with.
    pub(crate) fn threads(&self) -> usize {
        self.threads.count()
    }

    /// What a run was found to be.
    pub(crate) fn saw(&mut self, run: &Run) {
        self.bytes_out = run.bytes_out;
        self.plan = run.plan.clone();
    }

    /// Names of the limits that can be measured, with their places.
    pub(crate) fn names(&self) -> Vec<(usize, &'static str)> {
        let all = self.limits.iter().enumerate();
        all.filter(|(_, (_, l))| l.absent.is_none()).map(|(at, (_, l))| (at, l.name)).collect()
    }

    /// Measures a limit once. One that this disk does not have, or the GPU does not do, is remembered as absent.
    pub(crate) fn take(&mut self, at: usize) -> Result<(), Failure> {
        let measured = self.measure(self.limits[at].0);
        let limit = &mut self.limits[at].1;
        match measured {
            Ok((time, bytes)) => {
                limit.bytes = bytes;
                limit.seconds.push(time.as_secs_f64());
            }
            Err(error @ (Error::NoDirect { .. } | Error::Gpu(_))) => {
                limit.absent = Some(format!("{} could not be measured: {error}", limit.name));
            }
            Err(error) => return Err(failed(error)),
        }
        Ok(())
    }

    /// What each kernel of the coder takes, once; `None` where there is no such coder, the reason where it cannot be measured.
    pub(crate) fn kernels(&self) -> Result<Option<Kernels>, String> {
        let Some(gpu) = self.job.gpu.filter(|_| !self.plan.codec.is_none()) else { return Ok(None) };
        gpu.kernels(&self.plan, &self.job.source).map_err(|e| e.to_string())
    }

    fn measure(&mut self, kind: Kind) -> Result<(Duration, u64), Error> {
        let (source, bytes) = (&self.job.source, self.job.bytes_in());
        let disk = |way| {
            let file = self.folder.unwrap_or(Path::new(".")).join("limit");
            Ok((limits::write(&file, source, self.bytes_out, way)?, self.bytes_out))
        };
        match (kind, &self.chunks) {
            (Kind::Gpu(kind), _) => match &mut self.gpu {
                Some(gpu) => gpu.measure(kind, &self.threads, (&self.plan, self.bytes_out)),
                None => Err(Error::Gpu("there is none".to_owned())),
            },
            (Kind::Codec, Some(chunks)) => {
                let count = self.job.chunks();
                Ok((chunks.encode(&self.threads, count)?.0, count * self.job.plan.chunk_bytes))
            }
            (Kind::Memcpy | Kind::Codec, _) => {
                Ok((limits::copy(&self.threads, source, &mut self.to, bytes), bytes))
            }
            (Kind::Buffered, _) => disk(Way::Buffered),
            (Kind::Direct, _) => disk(Way::Direct),
        }
    }

    /// All limits, and the one that two of them make together.
    pub(crate) fn done(self) -> Vec<Limit> {
        let of = |kind| self.limits.iter().find(|l| l.0 == kind).map(|l| &l.1);
        let way = if self.job.options.direct { Kind::Direct } else { Kind::Buffered };
        let both = match (of(Kind::Memcpy), of(way)) {
            // With a codec the copy hides behind it; without one the same cores do one after the other.
            (Some(copy), Some(write)) if self.chunks.is_none() && write.absent.is_none() => Some(Limit {
                name: "memcpy, then write",
                what: "the two one after the other, as the same bytes go through both",
                applies: true,
                bytes: copy.bytes,
                seconds: copy.seconds.with(&write.seconds, |a, b| a + b),
                absent: None,
            }),
            _ => None,
        };
        self.limits.into_iter().map(|l| l.1).chain(both).collect()
    }
}

fn kinds(job: &Job) -> Vec<Kind> {
    let mut kinds = match job.gpu {
        Some(_) => gpu::kinds(job).into_iter().map(Kind::Gpu).collect(),
        None if job.plan.codec.is_none() => vec![Kind::Memcpy],
        None => vec![Kind::Memcpy, Kind::Codec],
    };
    if matches!(job.asked.sink, Sink::Disk(_)) {
        kinds.extend([Kind::Buffered, Kind::Direct]);
    }
    kinds
}

/// A limit that is not measured yet.
fn limit(kind: Kind, job: &Job) -> Limit {
    let direct = job.options.direct;
    let (name, what, applies) = match kind {
        Kind::Gpu(kind) => return gpu::limit(kind, job),
        Kind::Memcpy => ("memcpy", "the input copied once, on all threads", true),
        Kind::Codec if job.plan.coarser.is_empty() => {
            ("codec alone", "the same chunks compressed, on all threads", true)
        }
        Kind::Codec => {
            let what = "as many chunks as all levels have compressed, on all threads; those of the coarser ones are \
                        taken from the array itself";
            ("codec alone", what, true)
        }
        // The way that the store does not take is shown for comparison.
        Kind::Buffered => {
            ("buffered write", "the output written to one file and made durable, as the store does", !direct)
        }
        Kind::Direct => {
            ("direct write", "the output written to one file in whole pages, past the cache", direct)
        }
    };
    Limit { name, what, applies, bytes: 0, seconds: Series::default(), absent: None }
}

fn failed(error: Error) -> Failure {
    Failure::Run(format!("a limit could not be measured: {error}"))
}
