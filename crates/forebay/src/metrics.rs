//! What a run has done so far, and what it came to.

use std::time::Duration;

use device::Lane;

/// Time that one kind of work took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageTime {
    /// The stage.
    pub name: &'static str,
    /// Times that it ran.
    pub count: u64,
    /// Time that it ran: the sum over all times. Of `write`, how long the store held each part.
    pub time: Duration,
    /// Bytes that it read.
    pub bytes_in: u64,
    /// Bytes that it wrote.
    pub bytes_out: u64,
}

/// Time that a thread or a lane of the run was blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitTime {
    /// What it lacked: `staging` (room for what is appended), a `slot` (room for a batch), the `sink` (the store's
    /// answer), the `gate` (what is left of the page before), the `device` (work queued there) or the `input` (a
    /// batch to deliver).
    pub reason: &'static str,
    /// The row of `docs/edges.md` that it waited for.
    pub row: &'static str,
    /// Whether a thread of the host waited, or a lane of the device.
    pub on_host: bool,
    /// Waits.
    pub count: u64,
    /// Time blocked.
    pub time: Duration,
}

/// How long the calls of `append` took; each one is counted, quantiles are known to an eighth above. Of calls of at most 2048
/// bytes that only put them with others, one in 16 is timed, and the others count as long as it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppendTime {
    /// Calls.
    pub count: u64,
    /// Half of them took at most this long.
    pub p50: Duration,
    /// 99 of 100.
    pub p99: Duration,
    /// 999 of 1000.
    pub p999: Duration,
    /// The longest.
    pub max: Duration,
}

/// What a run has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Time since the writer was opened.
    pub elapsed: Duration,
    /// Bytes appended.
    pub bytes_in: u64,
    /// Bytes of chunks, compressed, handed to the store.
    pub bytes_out: u64,
    /// Bytes of chunks before compression that `bytes_out` stands for, padding included.
    pub bytes_chunked: u64,
    /// Batches sent off.
    pub batches: u64,
    /// Shards finished.
    pub shards: u64,
    /// Bytes that all buffers hold, as the plan says.
    pub buffers: u64,
    /// Bytes that the store holds now.
    pub in_flight: u64,
    /// The most bytes that the store has held at once.
    pub peak_in_flight: u64,
    /// Calls of `append`.
    pub appends: AppendTime,
    /// Stages, by time.
    pub stages: Vec<StageTime>,
    /// Waits, row by row.
    pub waits: Vec<WaitTime>,
}

impl Metrics {
    /// Time that the threads of the host were blocked, by reason, longest first.
    #[must_use]
    pub fn waits_by_reason(&self) -> Vec<(&'static str, Duration)> {
        let mut sums: Vec<(&'static str, Duration)> = Vec::new();
        for wait in self.waits.iter().filter(|w| w.on_host || w.reason == "gate") {
            match sums.iter_mut().find(|(reason, _)| *reason == wait.reason) {
                Some((_, time)) => *time += wait.time,
                None => sums.push((wait.reason, wait.time)),
            }
        }
        sums.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
        sums
    }

    /// Bytes of chunks for each byte stored; `None` before the first batch.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        (self.bytes_out > 0).then(|| self.bytes_chunked as f64 / self.bytes_out as f64)
    }

    /// The stage that has run longest; the store's own time does not count, for many parts are there at once.
    #[must_use]
    pub fn slowest(&self) -> Option<&StageTime> {
        self.stages.iter().filter(|s| s.name != WRITE).max_by_key(|s| s.time)
    }
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Stored shape.
    pub shape: Vec<u64>,
    /// Bytes that the last slice of dimension 0 was short of; they hold the fill value.
    pub missing_bytes: u64,
    /// Rows of `docs/edges.md` that ordered nothing, for the run was shorter than its rings of buffers. None after a
    /// longer one.
    pub unreached: Vec<&'static str>,
    /// Totals.
    pub metrics: Metrics,
}

/// The store's own stage.
const WRITE: &str = "write";

/// Every stage that has run, longest first.
pub(crate) fn stages(progress: &flow::Progress) -> Vec<StageTime> {
    let kernel = |b: &device::Busy| StageTime {
        name: stage_name(b),
        count: b.count,
        time: b.time,
        bytes_in: b.read,
        bytes_out: b.written,
    };
    let host = |name, count, time, bytes| StageTime { name, count, time, bytes_in: bytes, bytes_out: bytes };
    let (parts, bytes, time) = progress.written;
    let mut stages: Vec<_> = progress.busy.iter().map(kernel).collect();
    stages.push(host("append", progress.latency.count(), progress.latency.total(), progress.appended));
    stages.push(host("deliver", progress.delivered, progress.delivering, progress.stored));
    stages.push(host(WRITE, parts, time, bytes));
    stages.retain(|s| s.count > 0);
    stages.sort_by_key(|s| std::cmp::Reverse(s.time));
    stages
}

/// A kernel's name; a copy is named after what it carries.
fn stage_name(busy: &device::Busy) -> &'static str {
    match (busy.name, busy.lane) {
        ("copy", Lane::H2d) => "upload",
        ("copy", Lane::Compute) => "carry",
        ("copy", Lane::Compress) => "tables",
        ("copy", Lane::D2h) => "fetch",
        ("copy", Lane::Drain) => "payload",
        ("fill", _) => "pad",
        (name, _) => name,
    }
}

pub(crate) fn wait(waited: &flow::Waited) -> WaitTime {
    let flow::Waited { row, reason, on_host, count, time } = *waited;
    WaitTime { reason, row, on_host, count, time }
}
