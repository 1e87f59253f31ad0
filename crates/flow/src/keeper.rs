//! The keeper: kicks what has waited too long, publishes what is finished.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use device::sync::{Arc, Mutex};

use crate::Error;
use crate::producer::{Held, Producer};
use crate::run::{Rows, Run, lock};

/// Least time between two publications: metadata is small, but each one is made durable.
const PUBLISH_EVERY: Duration = Duration::from_millis(250);
/// Runs until `stop` says so.
pub(crate) fn run(run: &Arc<Run>, producer: &Mutex<Producer>, stop: &Mutex<bool>) {
    let mut keeper = Keeper { published: vec![0; run.rows.len()], last: None };
    loop {
        let seen = run.wake.rung();
        if *lock(stop) {
            return;
        }
        // A store of the user's own may panic in a publication: later calls must hear of it.
        let step = catch_unwind(AssertUnwindSafe(|| keeper.step(run, producer)));
        let deadline = step.unwrap_or_else(|_| {
            run.fault.keep(Error::Panicked);
            Duration::MAX
        });
        if let Err(error) = run.wake.sleep(run, seen, deadline) {
            run.fault.keep(error);
            return;
        }
    }
}

struct Keeper {
    /// Rows of each level.
    published: Vec<u64>,
    last: Option<Duration>,
}

impl Keeper {
    /// Does what is due; when to look again. Publishing goes first: what is finished is true whatever happens, and a
    /// kick may stand behind a slow store.
    fn step(&mut self, run: &Arc<Run>, producer: &Mutex<Producer>) -> Duration {
        self.publish(run).min(kick(run, producer))
    }

    fn publish(&mut self, run: &Run) -> Duration {
        let now = run.device().now();
        let rows: Vec<_> = run.rows.iter().map(Rows::complete).collect();
        if rows == self.published {
            return Duration::MAX;
        }
        let due = self.last.map_or(now, |last| last + PUBLISH_EVERY);
        if due > now {
            return due;
        }
        // One that fails is not tried again: the run has failed, and says so.
        let extents = extents(run, &rows);
        self.published = rows;
        if let Err(error) = publish(run, &extents) {
            run.fault.keep(error);
        }
        self.last = Some(run.device().now());
        Duration::MAX
    }
}

/// Extent of each level along dimension 0, where so many rows of its shards are finished. No level is longer than half the one
/// above, whichever is finished first: a reader, or who finds the store of a run that was cut off, would see elements of
/// nothing.
fn extents(run: &Run, rows: &[u64]) -> Vec<u64> {
    // The last row of a stream that ends early is finished, and not full.
    let appended = run.counts.get().appended.div_ceil(run.plan.slice_bytes);
    let mut most = (appended, 0);
    let extent = |(level, rows): (usize, &u64)| {
        let halvings = run.plan.halvings_of(level, 0);
        let here = most.0.div_ceil(1 << (halvings - most.1));
        most = (run.plan.extent_of_rows(level, *rows).min(here), halvings);
        most.0
    };
    rows.iter().enumerate().map(extent).collect()
}

/// Publishes the extent of each level along dimension 0.
pub(crate) fn publish(run: &Run, extents: &[u64]) -> Result<(), Error> {
    (run.published)(extents).map_err(|e| Error::Publish(e.into()))
}

/// Kicks what is overdue; when to look again. While somebody appends, that somebody looks at the clock, and rings
/// when the lock is free.
fn kick(run: &Arc<Run>, producer: &Mutex<Producer>) -> Duration {
    let Some(since) = *lock(&run.waiting) else { return Duration::MAX };
    let due = since.saturating_add(run.interval);
    if run.device().now() < due {
        return due;
    }
    // What has failed is kicked no more: to ask for the lock would be to ring for oneself, again and again.
    if run.fault.check().is_err() {
        return Duration::MAX;
    }
    // Whoever holds the lock rings after letting go.
    Held::ask(run);
    let Some(mut producer) = Held::try_now(run, producer) else { return Duration::MAX };
    if run.fault.check().is_err() {
        return Duration::MAX;
    }
    // Kept while the lock is held, so that the next to append meets the cause and not its consequences.
    if let Err(error) = producer.kick_overdue(run.device().now()) {
        run.fault.keep(error);
        return Duration::MAX;
    }
    // Nothing waits now, or something that began to wait since: look again.
    lock(&run.waiting).map_or(Duration::MAX, |since| since.saturating_add(run.interval))
}
