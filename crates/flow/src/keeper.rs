//! The keeper: kicks what has waited too long, publishes what is finished.

use std::time::Duration;

use device::sync::{Arc, Mutex, TryLockError};

use crate::Error;
use crate::producer::Producer;
use crate::run::{Run, lock};

/// Least time between two publications: metadata is small, but each one is made durable.
const PUBLISH_EVERY: Duration = Duration::from_millis(250);
/// When to look again while the producer is in the middle of an append, which looks at the clock itself.
const RETRY: Duration = Duration::from_millis(20);
/// With nothing to do, the keeper sleeps until it is woken.
const LONG: Duration = Duration::from_secs(3600);

/// Runs until `stop` says so.
pub(crate) fn run(run: &Arc<Run>, producer: &Mutex<Producer>, stop: &Mutex<bool>) {
    let mut keeper = Keeper { published: 0, last: None };
    loop {
        let seen = run.wake.rung();
        if *lock(stop) {
            return;
        }
        let deadline = match keeper.step(run, producer) {
            Ok(deadline) => deadline,
            Err(error) => {
                run.fail(error);
                // A failed run publishes nothing more; the keeper is only waiting to be stopped.
                run.device().now() + LONG
            }
        };
        if let Err(error) = run.wake.sleep(run, seen, deadline) {
            run.fault.keep(error);
            return;
        }
    }
}

struct Keeper {
    published: u64,
    last: Option<Duration>,
}

impl Keeper {
    /// Does what is due; when to look again.
    fn step(&mut self, run: &Run, producer: &Mutex<Producer>) -> Result<Duration, Error> {
        let (kick, publish) = (kick(run, producer)?, self.publish(run)?);
        Ok(kick.min(publish))
    }

    fn publish(&mut self, run: &Run) -> Result<Duration, Error> {
        let (rows, now) = (run.rows.complete(), run.device().now());
        if rows == self.published {
            return Ok(now + LONG);
        }
        let due = self.last.map_or(now, |last| last + PUBLISH_EVERY);
        if due > now {
            return Ok(due);
        }
        publish(run, run.plan.extent_of_rows(rows))?;
        (self.published, self.last) = (rows, Some(run.device().now()));
        Ok(now + LONG)
    }
}

/// Publishes an extent along dimension 0.
pub(crate) fn publish(run: &Run, extent: u64) -> Result<(), Error> {
    (run.published)(extent).map_err(|e| Error::Publish(e.into()))
}

fn kick(run: &Run, producer: &Mutex<Producer>) -> Result<Duration, Error> {
    let now = run.device().now();
    let Some(since) = *lock(&run.waiting) else { return Ok(now + LONG) };
    if now < since + run.interval {
        return Ok(since + run.interval);
    }
    run.fault.check()?;
    match producer.try_lock() {
        Ok(mut producer) => producer.kick_overdue()?,
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Poisoned(_)) => return Ok(now + LONG),
    }
    Ok(now + RETRY)
}
