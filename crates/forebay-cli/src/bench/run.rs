//! One run of the pipeline, timed from the first append to the end of the close.

use std::time::Duration;

use forebay::{AppendTime, Plan, Report, StageTime, WaitTime, Writer};

use super::ingest::Intake;
use super::{Job, Place, clock};
use crate::Failure;
use crate::interrupt::Stop;

/// What a run came to, over all streams.
pub(crate) struct Run {
    pub(crate) seconds: f64,
    /// Time before it, to open: memory is taken and the first documents are written.
    pub(crate) opened: f64,
    pub(crate) bytes_out: u64,
    pub(crate) shards: u64,
    /// Of the first stream, as is all that follows.
    pub(crate) plan: Plan,
    pub(crate) appends: AppendTime,
    pub(crate) stages: Vec<StageTime>,
    pub(crate) waits: Vec<WaitTime>,
}

/// A writer and what it will be given.
type Ready<'a> = (Writer, Intake<'a>);

/// Carries a run out and removes what it wrote.
pub(crate) fn run(job: &Job, place: &Place, stop: &Stop) -> Result<Run, Failure> {
    let mut opened = Duration::ZERO;
    let ready = (0..job.streams()).map(|stream| {
        let start = clock();
        let writer = Writer::open(place.target(stream), &job.array, job.options.clone())?;
        opened += start.elapsed();
        let intake = Intake::ready(job.asked.ingest, job.pieces(stream), &writer)?;
        Ok((writer, intake))
    });
    let ready = ready.collect::<Result<Vec<_>, Failure>>()?;
    let plan = ready[0].0.plan().clone();
    let start = clock();
    let reports = all(ready, stop);
    let seconds = start.elapsed().as_secs_f64();
    let reports = reports?;
    if stop.asked() {
        return Err(Failure::Interrupted);
    }
    place.clear(job.streams())?;
    total(job, plan, &reports, (seconds, opened.as_secs_f64()))
}

/// Each stream on a thread of its own; the first error of any.
fn all(ready: Vec<Ready<'_>>, stop: &Stop) -> Result<Vec<Report>, Failure> {
    let one = |(mut writer, intake): Ready<'_>| {
        intake.pour(&mut writer, stop)?;
        Ok(writer.close()?)
    };
    std::thread::scope(|scope| {
        let started: Vec<_> = ready.into_iter().map(|ready| scope.spawn(move || one(ready))).collect();
        let joined = started.into_iter().map(|t| t.join().unwrap_or_else(|p| std::panic::resume_unwind(p)));
        joined.collect::<Vec<_>>().into_iter().collect()
    })
}

fn total(job: &Job, plan: Plan, reports: &[Report], (seconds, opened): (f64, f64)) -> Result<Run, Failure> {
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    let (taken, missing) = (sum(|r| r.metrics.bytes_in), sum(|r| r.missing_bytes));
    if (taken, missing) != (job.bytes_in(), 0) {
        return Err(Failure::Run(format!(
            "{taken} of {} bytes were taken and {missing} are missing: this is a fault of forebay, please report it",
            job.bytes_in()
        )));
    }
    let first = &reports[0].metrics;
    Ok(Run {
        seconds,
        opened,
        bytes_out: sum(|r| r.metrics.bytes_out),
        shards: sum(|r| r.metrics.shards),
        plan,
        appends: first.appends,
        stages: first.stages.clone(),
        waits: first.waits.clone(),
    })
}
