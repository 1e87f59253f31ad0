//! What a run has done so far, and what it came to.

use std::time::Duration;

/// Time that one kind of work took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageTime {
    /// The stage.
    pub name: &'static str,
    /// Times that it ran.
    pub count: u64,
    /// Time that it ran, over all its lanes.
    pub time: Duration,
    /// Bytes that it read.
    pub bytes: u64,
}

/// Time that the run's own threads were blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitTime {
    /// What they waited for: a row of `docs/edges.md`.
    pub reason: &'static str,
    /// Waits.
    pub count: u64,
    /// Time blocked.
    pub time: Duration,
}

/// How long the calls of `append` took; each one is counted, quantiles are known to an eighth above.
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
    /// The most bytes that the store has held at once.
    pub peak_in_flight: u64,
    /// Calls of `append`.
    pub appends: AppendTime,
    /// Stages, by time.
    pub stages: Vec<StageTime>,
    /// Waits.
    pub waits: Vec<WaitTime>,
}

impl Metrics {
    /// Bytes of chunks for each byte stored; `None` before the first batch.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        (self.bytes_out > 0).then(|| self.bytes_chunked as f64 / self.bytes_out as f64)
    }

    /// The stage that has run longest.
    #[must_use]
    pub fn slowest(&self) -> Option<&StageTime> {
        self.stages.iter().max_by_key(|s| s.time)
    }
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Stored shape.
    pub shape: Vec<u64>,
    /// Bytes that the last slice of dimension 0 was short of; they hold the fill value.
    pub missing_bytes: u64,
    /// Totals.
    pub metrics: Metrics,
}
