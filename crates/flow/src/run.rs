//! What the three threads of a run share.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use device::sync::{Arc, Mutex, MutexGuard};
use device::{Lane, Mark};
use plan::{BatchLayout, Plan, Scatter};

use crate::Error;
use crate::courier::Handed;
use crate::engine::Engine;
use crate::error::Fault;
use crate::latency::Latency;
use crate::table::Stage;

/// Called with the number of slices of dimension 0 that finished shards cover, level by level, from the keeper's thread.
pub type Published = Box<dyn Fn(&[u64]) -> Result<(), String> + Send + Sync>;

/// A lock that a panic elsewhere does not take away: what it guards is whole at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A run: its engine, its plan, and what has become of it so far.
pub(crate) struct Run {
    pub(crate) engine: Engine,
    pub(crate) plan: Arc<Plan>,
    pub(crate) geometry: Arc<Scatter>,
    pub(crate) fault: Fault,
    pub(crate) handoffs: Mutex<VecDeque<Handed>>,
    /// Reached when the courier, and then the keeper, has ended.
    pub(crate) ended: [Mark; 2],
    /// Those of each level.
    pub(crate) rows: Vec<Rows>,
    pub(crate) wake: Wake,
    pub(crate) counts: Counts,
    /// When the oldest whole epoch that was not kicked arrived: what the producer says, for the keeper.
    pub(crate) waiting: Mutex<Option<Duration>>,
    /// The keeper found the producer's lock taken: whoever holds it rings when it is free.
    pub(crate) missed: Mutex<bool>,
    pub(crate) published: Published,
    /// How long a whole epoch may wait.
    pub(crate) interval: Duration,
}

impl Run {
    /// Keeps the first error, wakes whoever could wait for what will not come, and returns the first error.
    pub(crate) fn fail(&self, error: impl Into<Error>) -> Error {
        let first = self.fault.keep(error.into());
        self.wake.up(self);
        first
    }

    /// Notes the end of a thread: 0 the courier, 1 the keeper.
    pub(crate) fn note_end(&self, thread: usize) {
        if let Err(error) = self.device().record(Lane::Producer, self.ended[thread], 0) {
            self.fault.keep(error.into());
        }
    }

    /// The lane of a stage.
    pub(crate) fn lane(&self, stage: Stage) -> Lane {
        stage.lane(self.engine.order.case())
    }

    pub(crate) fn device(&self) -> &dyn device::Device {
        &**self.engine.order.device()
    }
}

/// Bytes that went in and out, and how long the calls took that brought them: under one lock, for a call of a few bytes
/// costs little more than its locks.
#[derive(Default)]
pub(crate) struct Counts(Mutex<(Totals, Latency)>);

/// Totals of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) appended: u64,
    pub(crate) stored: u64,
    pub(crate) chunks: u64,
    pub(crate) shards: u64,
    pub(crate) batches: u64,
    /// Batches that were handed to the store.
    pub(crate) delivered: u64,
    /// Objects that the store was told to end and has not ended.
    pub(crate) ending: u64,
    /// Bytes that the store holds now, and the most that it has held.
    pub(crate) in_flight: u64,
    pub(crate) peak_in_flight: u64,
    /// Time that handing batches to the store took.
    pub(crate) delivering: Duration,
    /// Parts that came back from the store, their bytes, and the time that they were there.
    pub(crate) written: (u64, u64, Duration),
}

impl Totals {
    /// Bytes go to the store.
    pub(crate) fn lend(&mut self, bytes: usize) {
        self.in_flight += bytes as u64;
        self.peak_in_flight = self.peak_in_flight.max(self.in_flight);
    }

    /// Whether the store holds nothing.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.ending == 0
    }

    /// Bytes come back; whether they were the last.
    pub(crate) fn take_back(&mut self, bytes: usize, took: Duration) -> bool {
        let (count, sum, time) = self.written;
        self.written = (count + 1, sum + bytes as u64, time + took);
        self.in_flight -= bytes as u64;
        self.is_idle()
    }
}

impl Counts {
    pub(crate) fn add<T>(&self, edit: impl FnOnce(&mut Totals) -> T) -> T {
        edit(&mut lock(&self.0).0)
    }

    /// A call of the user's ended: bytes that it took and that were not counted yet, and its time.
    pub(crate) fn called(&self, bytes: u64, took: Duration) {
        let (totals, latency) = &mut *lock(&self.0);
        totals.appended += bytes;
        latency.add(took);
    }

    /// The same for several calls.
    pub(crate) fn called_often(&self, bytes: u64, times: &mut Latency) {
        let (totals, latency) = &mut *lock(&self.0);
        totals.appended += bytes;
        latency.take(times);
    }

    pub(crate) fn get(&self) -> Totals {
        lock(&self.0).0
    }

    pub(crate) fn latency(&self) -> Latency {
        lock(&self.0).1.clone()
    }
}

/// Rings for the keeper.
pub(crate) struct Wake {
    mark: Mark,
    rung: Mutex<u64>,
}

impl Wake {
    pub(crate) fn new(mark: Mark) -> Wake {
        Wake { mark, rung: Mutex::new(0) }
    }

    pub(crate) fn up(&self, run: &Run) {
        // Ascending by the lock.
        let mut rung = lock(&self.rung);
        let recorded = run.engine.order.record(Lane::Producer, self.mark, *rung);
        // Also where it failed, or each later one would be recorded before.
        *rung += 1;
        if let Err(error) = recorded {
            run.fault.keep(error.into());
        }
    }

    pub(crate) fn rung(&self) -> u64 {
        *lock(&self.rung)
    }

    /// Sleeps until it rings for the `seen`-th time.
    ///
    /// # Errors
    /// The run failed first.
    pub(crate) fn sleep_until_fault(&self, run: &Run, seen: u64) -> Result<(), Error> {
        run.engine.order.wait_unless_failed(Lane::Producer, self.mark, seen)
    }

    /// Waits, at most until the deadline, for what rings: whether `done` holds.
    pub(crate) fn until(&self, run: &Run, deadline: Duration, done: impl Fn() -> bool) -> bool {
        loop {
            let seen = self.rung();
            if done() {
                return true;
            }
            if run.device().now() >= deadline || self.sleep(run, seen, deadline).is_err() {
                return false;
            }
        }
    }

    /// Sleeps until it rings for the `seen`-th time, or until the deadline.
    pub(crate) fn sleep(&self, run: &Run, seen: u64, deadline: Duration) -> Result<(), Error> {
        run.device().wait_until(Lane::Producer, self.mark, seen, deadline)?;
        Ok(())
    }
}

/// Rows of shards of one level, as their shards are finished.
pub(crate) struct Rows {
    mark: Mark,
    shards_per_row: u64,
    state: Mutex<RowState>,
}

#[derive(Default)]
struct RowState {
    /// Shards that each row still waits for.
    left: BTreeMap<u64, u64>,
    /// Rows, from the first on, of which every shard has ended, well or not.
    settled: u64,
    /// Rows, from the first on, of which every shard is finished.
    complete: u64,
    /// A shard that could not be finished: no row from here on is complete.
    broken: Option<u64>,
}

impl Rows {
    pub(crate) fn new(mark: Mark, shards_per_row: u64) -> Rows {
        Rows { mark, shards_per_row, state: Mutex::default() }
    }

    /// Notes the end of a shard.
    pub(crate) fn ended(&self, run: &Run, row: u64, result: Result<(), store::Error>) {
        let ok = result.is_ok();
        run.counts.add(|t| t.ending -= 1);
        if let Err(error) = result {
            run.fail(error);
        } else {
            run.counts.add(|t| t.shards += 1);
        }
        let mut state = lock(&self.state);
        *state.left.entry(row).or_insert(self.shards_per_row) -= 1;
        if !ok {
            state.broken = Some(state.broken.map_or(row, |b| b.min(row)));
        }
        while state.left.get(&state.settled) == Some(&0) {
            let row = state.settled;
            state.left.remove(&row);
            state.settled += 1;
            if state.broken.is_none_or(|b| row < b) {
                state.complete = row + 1;
            }
            if let Err(error) = run.device().record(Lane::Sink, self.mark, row) {
                run.fault.keep(error.into());
            }
        }
        drop(state);
        run.wake.up(run);
    }

    /// Rows that must have ended before a batch is delivered: all but two before it, and those that its slots hold.
    pub(crate) fn bound(&self, level: usize, layout: &BatchLayout, plan: &Plan) -> u64 {
        let per_batch = plan.most_epochs(level).div_ceil(plan.grid_of(level).epochs_per_row);
        let of_level = layout.regions.iter().filter(|r| r.level as usize == level);
        let first = of_level.map(|r| r.row).min().unwrap_or(0);
        first.saturating_sub(2 + u64::from(plan.slots) * per_batch)
    }

    /// Rows that are finished, from the first on.
    pub(crate) fn complete(&self) -> u64 {
        lock(&self.state).complete
    }

    /// Waits until every shard of the first `rows` rows has ended, at most until the run fails.
    pub(crate) fn settled(&self, run: &Run, rows: u64) -> Result<(), Error> {
        match rows.checked_sub(1) {
            Some(last) => run.engine.order.wait_unless_failed(Lane::Producer, self.mark, last),
            None => Ok(()),
        }
    }
}
