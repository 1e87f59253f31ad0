//! One run of the pipeline, timed from the first append to the last document, when the store is whole. Memory is taken
//! before and given back after: on a GPU pages that stay where they are cost seconds to take and tenths to give back.

use std::time::{Duration, Instant};

use forebay::{AppendTime, Metrics, Plan, Report, StageTime, WaitTime, Writer};

use super::ingest::Intake;
use super::{Job, Load, Place, clock};
use crate::Failure;
use crate::interrupt::Stop;

/// What a run came to, over all streams.
pub(crate) struct Run {
    pub(crate) seconds: f64,
    /// Time before it, to open: memory is taken and the first documents are written.
    pub(crate) opened: f64,
    /// Time after it, to give memory back: the writers' and, where it was registered, the frames'.
    pub(crate) freed: f64,
    pub(crate) bytes_out: u64,
    pub(crate) shards: u64,
    pub(crate) device: String,
    pub(crate) memory: Option<DeviceMemory>,
    /// Of the first stream, as is all that follows.
    pub(crate) plan: Plan,
    /// Those that came before the time count too.
    pub(crate) appends: AppendTime,
    pub(crate) stages: Vec<StageTime>,
    pub(crate) waits: Vec<WaitTime>,
}

/// A GPU's memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeviceMemory {
    /// Bytes that are free before the writers are opened.
    pub(crate) free: u64,
    /// Bytes that are not free any more when they are.
    pub(crate) used: u64,
    /// Bytes that the plans of all writers say.
    pub(crate) planned: u64,
}

/// A writer, what it did before the clock starts, and what it will be given.
struct Ready<'a> {
    writer: Writer,
    before: Metrics,
    intake: Intake<'a>,
}

/// What became of a writer.
struct Ended<'a> {
    report: Report,
    /// To be let go when all writers have ended: registered memory holds up the others meanwhile.
    _intake: Intake<'a>,
    /// What it did before the clock started.
    before: Metrics,
    /// From the start of the clock to the end of its store.
    seconds: f64,
}

/// Carries a run out and removes what it wrote.
pub(crate) fn run(job: &Job, load: Load, place: &Place, stop: &Stop) -> Result<Run, Failure> {
    let free = job.gpu.and_then(|gpu| gpu.free_memory().ok());
    let mut opened = Duration::ZERO;
    let ready = (0..load.streams).map(|stream| {
        let start = clock();
        let mut writer = Writer::open(place.target(stream), &job.array, job.options.clone())?;
        opened += start.elapsed();
        let intake = Intake::ready(job.asked.ingest, job.pieces(load, stream), &mut writer)?;
        Ok(Ready { before: writer.metrics(), writer, intake })
    });
    let ready = ready.collect::<Result<Vec<_>, Failure>>()?;
    let memory = free.and_then(|free| DeviceMemory::now(job, free, &ready));
    let (plan, device) = (ready[0].writer.plan().clone(), ready[0].writer.device());
    let start = clock();
    let ended = all(ready, &start, stop)?;
    let seconds = ended.iter().map(|e| e.seconds).fold(0.0, f64::max);
    if stop.asked() {
        return Err(Failure::Interrupted);
    }
    let (bytes_out, shards) = total(load, &ended)?;
    let (before, after) = (ended[0].before.clone(), ended[0].report.metrics.clone());
    drop(ended);
    let freed = start.elapsed().as_secs_f64() - seconds;
    place.clear(load.streams)?;
    Ok(Run {
        seconds,
        opened: opened.as_secs_f64(),
        freed,
        bytes_out,
        shards,
        device,
        memory,
        plan,
        appends: after.appends,
        stages: stages(&after.stages, &before.stages),
        waits: waits(&after.waits, &before.waits),
    })
}

impl DeviceMemory {
    fn now(job: &Job, free: u64, ready: &[Ready<'_>]) -> Option<DeviceMemory> {
        let left = job.gpu?.free_memory().ok()?;
        let planned = ready.iter().map(|r| r.writer.plan().budget.split().0).sum();
        Some(DeviceMemory { free, used: free.saturating_sub(left), planned })
    }
}

/// Each stream on a thread of its own; the first error of any.
fn all<'a>(ready: Vec<Ready<'a>>, start: &Instant, stop: &Stop) -> Result<Vec<Ended<'a>>, Failure> {
    let one = |ready: Ready<'a>| {
        let Ready { mut writer, before, mut intake } = ready;
        let (begun, at) = (start.elapsed(), writer.metrics().elapsed);
        intake.pour(&mut writer, stop)?;
        // The writer's own clock stands still when its last document is written.
        let report = writer.close()?;
        let seconds = (begun + report.metrics.elapsed.saturating_sub(at)).as_secs_f64();
        Ok(Ended { report, before, seconds, _intake: intake })
    };
    std::thread::scope(|scope| {
        let started: Vec<_> = ready.into_iter().map(|ready| scope.spawn(move || one(ready))).collect();
        let joined = started.into_iter().map(|t| t.join().unwrap_or_else(|p| std::panic::resume_unwind(p)));
        joined.collect::<Vec<_>>().into_iter().collect()
    })
}

/// Bytes and shards of the time, where all that was given was taken.
fn total(load: Load, ended: &[Ended<'_>]) -> Result<(u64, u64), Failure> {
    let sum =
        |of: fn(&Metrics) -> u64| ended.iter().map(|e| of(&e.report.metrics) - of(&e.before)).sum::<u64>();
    let missing: u64 = ended.iter().map(|e| e.report.missing_bytes).sum();
    let taken = sum(|m| m.bytes_in);
    if (taken, missing) != (load.bytes_in(), 0) {
        return Err(Failure::Run(format!(
            "{taken} of {} bytes were taken and {missing} are missing: this is a fault of forebay, please report it",
            load.bytes_in()
        )));
    }
    Ok((sum(|m| m.bytes_out), sum(|m| m.shards)))
}

/// What of each stage came after `before`.
fn stages(after: &[StageTime], before: &[StageTime]) -> Vec<StageTime> {
    let since = |stage: &StageTime| {
        let Some(b) = before.iter().find(|b| b.name == stage.name) else { return stage.clone() };
        StageTime {
            name: stage.name,
            count: stage.count - b.count,
            time: stage.time.saturating_sub(b.time),
            bytes_in: stage.bytes_in - b.bytes_in,
            bytes_out: stage.bytes_out - b.bytes_out,
        }
    };
    after.iter().map(since).collect()
}

/// What of each wait came after `before`.
fn waits(after: &[WaitTime], before: &[WaitTime]) -> Vec<WaitTime> {
    let since = |wait: &WaitTime| {
        let same = |b: &&WaitTime| (b.row, b.on_host) == (wait.row, wait.on_host);
        let Some(b) = before.iter().find(same) else { return wait.clone() };
        WaitTime { count: wait.count - b.count, time: wait.time.saturating_sub(b.time), ..*wait }
    };
    after.iter().map(since).collect()
}
