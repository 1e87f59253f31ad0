//! A lane that is slow: slow enough to be overtaken, however slow the machine is.

use std::cell::Cell;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use device::{Device, Error, HostThread, Lane, Mark};

/// What a slow lane is overtaken by, where it is not waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overtaker {
    /// The first scatter of the batch that comes round to the same slot of the pool.
    Scatter,
    /// The aggregation of the next batch.
    Aggregate,
}

impl Overtaker {
    /// By how many batches it is ahead.
    fn ahead(self) -> u64 {
        if self == Overtaker::Scatter { 2 } else { 1 }
    }
}

/// How long a lane stands still that will not be overtaken: long, beside what anything else here takes.
const MOMENT: Duration = Duration::from_millis(5);
/// How long it waits for what must overtake it: longer than any machine takes.
const PATIENCE: Duration = Duration::from_secs(60);

thread_local! {
    /// Generation of the stage that this thread has entered.
    static ENTERED: Cell<u64> = const { Cell::new(0) };
}

/// Told of each stage that this thread enters.
pub(super) fn enter(generation: u64) {
    ENTERED.set(generation);
}

/// What makes a lane slow: a gate of its own, which a thread opens. No work of the device's, which would make other lanes slow
/// too.
///
/// Where a row is left out, the lane stands still until it was overtaken once; afterwards, and where all rows are kept so that
/// nothing can overtake it, for a moment before each piece of its work. The first batch is not held: then what is too old is
/// that of a batch, not of nobody.
pub(super) struct Brake<D> {
    device: Arc<D>,
    lane: Lane,
    by: Overtaker,
    /// How long it waits for the first that overtakes it.
    patience: Duration,
    /// Made when the orchestration has made its marks.
    wheel: Mutex<Option<Wheel>>,
}

struct Wheel {
    gate: Mark,
    next: u64,
    /// Recorded behind the first work of each batch that may overtake the lane.
    passed: Mark,
    /// Number of the batch that is filled: so many were packed.
    batch: u64,
    /// The last batch for which that mark was recorded.
    noted: Option<u64>,
    /// To the thread that opens the gate: its next number, and the batch whose work it holds.
    turn: Option<mpsc::Sender<(u64, u64)>>,
    thread: Option<Box<dyn HostThread>>,
}

impl<D: Device + 'static> Brake<D> {
    /// `lacks`: whether a row is left out.
    pub(super) fn new(device: Arc<D>, (lane, by): (Lane, Overtaker), lacks: bool) -> Brake<D> {
        Brake { device, lane, by, patience: if lacks { PATIENCE } else { MOMENT }, wheel: Mutex::default() }
    }

    fn wheel(&self) -> Result<Wheel, Error> {
        let (turn, turned) = mpsc::channel();
        let (device, gate, passed) = (self.device.clone(), self.device.gate()?, self.device.mark()?);
        let (ahead, mut limit) = (self.by.ahead(), self.patience);
        let open = move || {
            for (number, batch) in turned {
                let overtaken = device.wait_until(Lane::Sink, passed, batch + ahead, device.now() + limit);
                if overtaken.is_ok_and(|o| o) {
                    limit = MOMENT;
                }
                device.record(Lane::Sink, gate, number).unwrap();
            }
        };
        let thread = Some(self.device.spawn("brake", Box::new(open))?);
        Ok(Wheel { gate, next: 0, passed, batch: 0, noted: None, turn: Some(turn), thread })
    }

    /// Does something to the wheel; the first makes it.
    fn with(&self, act: impl FnOnce(&mut Wheel) -> Result<(), Error>) -> Result<(), Error> {
        let mut wheel = self.wheel.lock().unwrap();
        if wheel.is_none() {
            *wheel = Some(self.wheel()?);
        }
        act(wheel.as_mut().unwrap())
    }

    /// Before a piece of work of the batch whose stage this thread has entered.
    pub(super) fn press(&self, on: Lane) -> Result<(), Error> {
        let batch = ENTERED.get();
        if on != self.lane || batch == 0 {
            return Ok(());
        }
        self.with(|wheel| {
            self.device.wait(on, wheel.gate, wheel.next)?;
            wheel.turn.as_ref().unwrap().send((wheel.next, batch)).unwrap();
            wheel.next += 1;
            Ok(())
        })
    }

    /// Behind a scatter, or an aggregation, of which there is one for each batch.
    pub(super) fn queued(&self, on: Lane, work: Overtaker) -> Result<(), Error> {
        self.with(|wheel| {
            let batch = wheel.batch;
            if work == Overtaker::Aggregate {
                wheel.batch += 1;
            }
            if work != self.by || wheel.noted == Some(batch) {
                return Ok(());
            }
            wheel.noted = Some(batch);
            self.device.record(on, wheel.passed, batch)
        })
    }
}

impl Drop for Wheel {
    fn drop(&mut self) {
        self.turn = None;
        self.thread.take().map(HostThread::join);
    }
}
