//! An array that is being written.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use device::sync::{Arc, Mutex, MutexGuard};
use device::{Busy, HostThread};
use plan::{Mode, Plan};
use stage::Shards;
use store::Store;

use crate::courier::{self, OwnedParts};
use crate::engine::Engine;
use crate::latency::Latency;
use crate::order::Waited;
use crate::producer::Producer;
use crate::reserve::{Registered, Reserved};
use crate::run::{Counts, Published, Rows, Run, Wake, lock};
use crate::table::{Clock, Stage};
use crate::{Error, keeper};

/// What a run needs.
pub struct Setup {
    /// The plan.
    pub plan: Arc<Plan>,
    /// The engine, opened for this plan.
    pub engine: Engine,
    /// Where shards go.
    pub store: Arc<dyn Store>,
    /// Path of the array in the store.
    pub path: String,
    /// How long a whole epoch may wait for its batch to be full.
    pub interval: Duration,
    /// Publishes the extent along dimension 0.
    pub published: Published,
}

/// How far a run has come.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Bytes appended.
    pub appended: u64,
    /// Bytes of chunks handed to the store.
    pub stored: u64,
    /// Chunks handed to the store.
    pub chunks: u64,
    /// Shards finished.
    pub shards: u64,
    /// Batches kicked.
    pub batches: u64,
    /// The most bytes that the store has held at once.
    pub peak_in_flight: u64,
    /// How long appends took.
    pub latency: Latency,
    /// How long each kernel has run.
    pub busy: Vec<Busy>,
    /// How long the host has waited, row by row.
    pub waited: Vec<Waited>,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Closed {
    /// Slices of dimension 0.
    pub extent: u64,
    /// Bytes that the last slice was short of; they hold the fill value.
    pub missing: u64,
    /// Totals.
    pub progress: Progress,
}

/// An array that is being written: the producer's side of a run, and its two other threads.
pub struct Array {
    run: Arc<Run>,
    producer: Arc<Mutex<Producer>>,
    stop: Arc<Mutex<bool>>,
    shards: Arc<Mutex<Option<Shards>>>,
    courier: Option<Box<dyn HostThread>>,
    keeper: Option<Box<dyn HostThread>>,
}

impl Array {
    /// Starts.
    ///
    /// # Errors
    /// The device has not the threads.
    pub fn open(setup: Setup) -> Result<Array, Error> {
        let Setup { plan, engine, store, path, interval, published } = setup;
        let device = engine.order.device().clone();
        let (rows, wake) = (Rows::new(device.mark()?), Wake::new(device.mark()?));
        let run = Arc::new(Run {
            engine,
            geometry: Arc::new(plan.scatter.clone()),
            plan,
            fault: Default::default(),
            handoffs: Mutex::default(),
            rows,
            wake,
            counts: Counts::default(),
            latency: Mutex::default(),
            waiting: Mutex::new(None),
            missed: Mutex::new(false),
            published,
            interval,
        });
        let (stop, shards) = (Arc::new(Mutex::new(false)), Arc::new(Mutex::new(None)));
        let producer = Arc::new(Mutex::new(Producer::new(run.clone())?));
        let mut array = Array { run, producer, stop, shards, courier: None, keeper: None };
        array.start(store, path)?;
        Ok(array)
    }

    fn start(&mut self, store: Arc<dyn Store>, path: String) -> Result<(), Error> {
        // Weak, because the callback lives in the run's own shards: a cycle would keep the run for ever.
        let ended = Arc::downgrade(&self.run);
        let finished = Arc::new(move |row, _shard, result| {
            if let Some(run) = ended.upgrade() {
                run.rows.ended(&run, row, result);
            }
        });
        let shards = Shards::new(self.run.plan.clone(), store, path, finished);
        let threads = self.run.plan.mode == Mode::Pipelined;
        *lock(&self.shards) = Some(shards);
        self.courier = if threads { self.start_courier() } else { None };
        if self.courier.is_none() {
            lock(&self.producer).inline = Some(self.shards.clone());
        }
        let (run, producer, stop) = (self.run.clone(), self.producer.clone(), self.stop.clone());
        let body = move || keeper::run(&run, &producer, &stop);
        self.keeper = Some(self.run.device().spawn("keeper", Box::new(body))?);
        Ok(())
    }

    /// Starts the courier; where the system gives no thread for it, the producer does its work.
    fn start_courier(&self) -> Option<Box<dyn HostThread>> {
        let (run, home) = (self.run.clone(), self.shards.clone());
        let body = move || {
            let shards = lock(&home).take();
            if let Some(shards) = shards {
                let shards = courier::run(&run, shards);
                *lock(&home) = Some(shards);
            }
        };
        self.run.device().spawn("courier", Box::new(body)).ok()
    }

    /// Appends bytes, elements in acquisition order. Blocks while all buffers are in use.
    ///
    /// # Errors
    /// The first error of the run; or more bytes than the array holds, and then none are taken.
    pub fn append(&self, bytes: &[u8]) -> Result<(), Error> {
        self.timed(|producer| producer.append(bytes))
    }

    /// Lends `bytes` bytes of staging that stand together, to be filled in place. Blocks as [`Array::append`] does.
    ///
    /// # Errors
    /// More than a staging slot lends; the first error of the run.
    pub fn reserve(&self, bytes: usize) -> Result<Reserved<'_>, Error> {
        Reserved::new(self, bytes)
    }

    /// Takes over memory of the caller's, to be appended without a copy.
    ///
    /// # Errors
    /// The device cannot reach it.
    pub fn register(&self, bytes: Vec<u8>) -> Result<Registered, Error> {
        Registered::new(&self.run, bytes)
    }

    /// Appends the first `bytes` bytes of registered memory, which is read where it lies.
    ///
    /// # Errors
    /// As [`Array::append`]; more bytes than there are; memory of another run.
    pub fn append_registered(&self, memory: &mut Registered, bytes: usize) -> Result<(), Error> {
        self.timed(|producer| producer.append_registered(memory, bytes))
    }

    /// Acts as the producer, and counts the time as that of an append.
    fn timed(&self, act: impl FnOnce(&mut Producer) -> Result<(), Error>) -> Result<(), Error> {
        let start = self.run.device().now();
        let ended = self.produce(act);
        lock(&self.run.latency).add(self.run.device().now().saturating_sub(start));
        ended.map_err(|error| self.refused_or_failed(error))
    }

    /// What was refused before anything was taken leaves the run as it was; all else ends it.
    pub(crate) fn refused_or_failed(&self, error: Error) -> Error {
        if error.is_refusal() { error } else { self.run.fail(error) }
    }

    pub(crate) fn run(&self) -> &Arc<Run> {
        &self.run
    }

    pub(crate) fn lock_producer(&self) -> MutexGuard<'_, Producer> {
        lock(&self.producer)
    }

    /// Returns when every whole epoch appended so far is written. Appending goes on.
    ///
    /// # Errors
    /// The first error of the run.
    pub fn flush(&self) -> Result<(), Error> {
        self.produce(|producer| {
            self.run.fault.check()?;
            producer.kick_whole().map_err(|e| self.run.fail(e))?;
            self.drained(producer.batch)
        })
    }

    /// Acts as the producer. A keeper that found the lock taken is rung afterwards.
    fn produce<T>(&self, act: impl FnOnce(&mut Producer) -> T) -> T {
        let done = act(&mut lock(&self.producer));
        self.ring_if_missed();
        done
    }

    /// Rings the keeper if it found the producer's lock taken.
    pub(crate) fn ring_if_missed(&self) {
        if std::mem::take(&mut *lock(&self.run.missed)) {
            self.run.wake.up(&self.run);
        }
    }

    /// Waits until the first `batches` batches are delivered and back from the store.
    fn drained(&self, batches: u64) -> Result<(), Error> {
        let slots = u64::from(self.run.plan.slots);
        for generation in batches.saturating_sub(slots)..batches {
            self.run.engine.order.settled("delivered", generation)?;
            self.run.engine.order.settled("sunk", generation)?;
        }
        self.run.fault.check()
    }

    /// How far the run has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let totals = self.run.counts.get();
        Progress {
            appended: totals.appended,
            stored: totals.stored,
            chunks: totals.chunks,
            shards: totals.shards,
            batches: totals.batches,
            peak_in_flight: totals.peak_in_flight,
            latency: lock(&self.run.latency).clone(),
            busy: self.run.device().busy(),
            waited: self.run.engine.order.waited(),
        }
    }

    /// The first error of the run.
    ///
    /// # Errors
    /// That error.
    pub fn check(&self) -> Result<(), Error> {
        self.run.fault.check()
    }

    /// Ends the stream: writes partial chunks, finishes every shard, publishes the final extent.
    ///
    /// # Errors
    /// The first error of the run. What was published before stays; nothing claims to be complete.
    pub fn close(mut self) -> Result<Closed, Error> {
        let ended = self.finish();
        self.stop();
        let (extent, missing) = ended.map_err(|e| self.run.fail(e))?;
        // What the keeper met on its way out counts too.
        self.run.fault.check()?;
        keeper::publish(&self.run, extent).map_err(|e| self.run.fail(e))?;
        Ok(Closed { extent, missing, progress: self.progress() })
    }

    /// Everything written and every shard finished: the extent, and the bytes that it was short of.
    fn finish(&mut self) -> Result<(u64, u64), Error> {
        let appended = {
            let mut producer = lock(&self.producer);
            self.run.fault.check()?;
            producer.finish()?;
            self.drained(producer.batch)?;
            producer.appended()
        };
        self.end_courier();
        let slice = self.run.plan.slice_bytes;
        let extent = appended.div_ceil(slice);
        let rows = extent.div_ceil(self.run.plan.shard_shape()[0]);
        if let Some(shards) = &mut *lock(&self.shards) {
            // A store of the user's own may panic here as well as under the courier.
            let end = AssertUnwindSafe(|| shards.finish(rows, &mut OwnedParts(&self.run)));
            catch_unwind(end).map_err(|_| Error::Panicked)??;
        }
        self.run.fault.check()?;
        self.run.rows.settled(&self.run, rows)?;
        self.run.fault.check()?;
        Ok((extent, extent * slice - appended))
    }

    /// Hands over nothing, which ends the courier after all that was handed over before.
    fn end_courier(&mut self) {
        let Some(courier) = self.courier.take() else { return };
        let handed = {
            let producer = lock(&self.producer);
            // Under the producer's lock, so that the keeper kicks nothing between: one empty hand-off ends the courier.
            *lock(&self.run.waiting) = None;
            self.run.engine.order.close(Stage::Fetch, Clock::Batch, producer.batch)
        };
        for ended in [handed, courier.join().map_err(Error::from)] {
            if let Err(error) = ended {
                self.run.fail(error);
            }
        }
    }

    fn stop(&mut self) {
        self.end_courier();
        *lock(&self.stop) = true;
        self.run.wake.up(&self.run);
        if let Some(Err(error)) = self.keeper.take().map(HostThread::join) {
            self.run.fail(error);
        }
    }
}

impl Drop for Array {
    /// Stops the threads. What was not closed stays visibly short.
    fn drop(&mut self) {
        self.stop();
    }
}
