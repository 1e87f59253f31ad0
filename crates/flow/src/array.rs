//! An array that is being written.

use std::time::Duration;

use device::sync::{Arc, Mutex};
use device::{Busy, HostThread, Lane};
use plan::{Mode, Plan};
use stage::Shards;
use store::Store;

use crate::courier::{self, Handed};
use crate::engine::Engine;
use crate::error::Fault;
use crate::latency::Latency;
use crate::order::Waited;
use crate::producer::{Held, Producer};
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
    /// Path in the store of the array of each level.
    pub paths: Vec<String>,
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
    /// Batches handed to the store.
    pub delivered: u64,
    /// Bytes that the store holds now.
    pub in_flight: u64,
    /// The most bytes that the store has held at once.
    pub peak_in_flight: u64,
    /// How long appends took.
    pub latency: Latency,
    /// How long each kernel has run.
    pub busy: Vec<Busy>,
    /// Time that handing batches to the store took.
    pub delivering: Duration,
    /// Parts that came back from the store, their bytes, and the sum of the times that they were there.
    pub written: (u64, u64, Duration),
    /// How long threads and lanes have waited, row by row.
    pub waited: Vec<Waited>,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Closed {
    /// Slices of dimension 0.
    pub extent: u64,
    /// Bytes that the last slice was short of; they hold the fill value.
    pub missing: u64,
    /// Live rows of the table that ordered nothing: none, once every ring has come round.
    pub unreached: Vec<&'static str>,
    /// Totals.
    pub progress: Progress,
    /// The run's buffers, given back when this goes.
    pub memory: Memory,
}

/// The buffers of a run that has ended. To give them back takes a tenth of a second where the GPU had pinned their pages:
/// what readers wait for comes first.
#[derive(Clone)]
pub struct Memory(#[expect(dead_code, reason = "it is held, not looked at")] Arc<Run>);

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memory")
    }
}

/// An array that is being written: the producer's side of a run, and its two other threads.
pub struct Array {
    run: Arc<Run>,
    producer: Arc<Mutex<Producer>>,
    stop: Arc<Mutex<bool>>,
    courier: Option<Box<dyn HostThread>>,
    keeper: Option<Box<dyn HostThread>>,
}

/// Time that threads have to end, and a store has to give back what it holds, after a failure.
const PATIENCE: Duration = Duration::from_secs(2);

impl Array {
    /// Starts.
    ///
    /// # Errors
    /// The device has not the threads.
    pub fn open(setup: Setup) -> Result<Array, Error> {
        let Setup { plan, engine, store, paths, interval, published } = setup;
        let device = engine.order.device().clone();
        let rows = |level| Ok::<_, Error>(Rows::new(device.mark()?, plan.grid_of(level).shards_per_row));
        let rows = (0..plan.levels()).map(rows).collect::<Result<_, _>>()?;
        let wake = Wake::new(device.mark()?);
        let run = Arc::new(Run {
            fault: Fault::new(engine.order.clone()),
            ended: [device.mark()?, device.mark()?],
            engine,
            geometry: Arc::new(plan.scatter.clone()),
            plan,
            handoffs: Mutex::default(),
            rows,
            wake,
            counts: Counts::default(),
            waiting: Mutex::new(None),
            missed: Mutex::new(false),
            published,
            interval,
        });
        let stop = Arc::new(Mutex::new(false));
        let producer = Arc::new(Mutex::new(Producer::new(run.clone())?));
        let mut array = Array { run, producer, stop, courier: None, keeper: None };
        array.start(store, paths)?;
        Ok(array)
    }

    fn start(&mut self, store: Arc<dyn Store>, paths: Vec<String>) -> Result<(), Error> {
        // Weak, because the callback lives in the run's own shards: a cycle would keep the run for ever.
        let ended = Arc::downgrade(&self.run);
        let finished = Arc::new(move |row, shard, result| {
            if let Some(run) = ended.upgrade() {
                run.rows[run.plan.level_of_shard(shard)].ended(&run, row, result);
            }
        });
        let shards = Shards::new(self.run.plan.clone(), store, paths, finished);
        let shards = Arc::new(Mutex::new(Some(shards)));
        let threads = self.run.plan.mode == Mode::Pipelined;
        self.courier = if threads { self.start_courier(&shards) } else { None };
        if self.courier.is_none() {
            lock(&self.producer).inline = Some(shards);
        }
        let (run, producer, stop) = (self.run.clone(), self.producer.clone(), self.stop.clone());
        let body = move || {
            keeper::run(&run, &producer, &stop);
            run.note_end(1);
        };
        self.keeper = Some(self.run.device().spawn("keeper", Box::new(body))?);
        Ok(())
    }

    /// Starts the courier; where the system gives no thread for it, the producer does its work.
    fn start_courier(&self, shards: &Arc<Mutex<Option<Shards>>>) -> Option<Box<dyn HostThread>> {
        let (run, shards) = (self.run.clone(), shards.clone());
        let body = move || {
            let shards = lock(&shards).take();
            if let Some(mut shards) = shards {
                courier::run(&run, &mut shards);
            }
            run.note_end(0);
        };
        self.run.device().spawn("courier", Box::new(body)).ok()
    }

    /// Appends bytes, elements in acquisition order. Blocks while all buffers are in use.
    ///
    /// # Errors
    /// The first error of the run; or more bytes than the array holds, and then none are taken.
    pub fn append(&self, bytes: &[u8]) -> Result<(), Error> {
        self.append_since(self.now(), bytes)
    }

    /// The same as part of a call that began at `start`.
    ///
    /// # Errors
    /// As [`Array::append`].
    pub fn append_since(&self, start: Duration, bytes: &[u8]) -> Result<(), Error> {
        self.timed(start, |producer| producer.append(bytes, start))
    }

    /// Appends what several calls brought. Their times, which it takes, are counted in place of its own.
    ///
    /// # Errors
    /// As [`Array::append`].
    pub fn append_gathered(&self, bytes: &[u8], times: &mut Latency) -> Result<(), Error> {
        let now = self.now();
        self.produce(|producer| {
            let ended = producer.append(bytes, now);
            producer.count_calls(times);
            ended
        })
    }

    /// Bytes that were appended.
    #[must_use]
    pub fn appended(&self) -> u64 {
        self.run.counts.get().appended
    }

    /// Bytes that complete the begun epoch, and bytes that the array can still take.
    #[must_use]
    pub fn ahead(&self) -> (u64, u64) {
        let (appended, plan) = (self.appended(), &self.run.plan);
        let room = plan.total_bytes.map_or(u64::MAX, |total| total - appended);
        (plan.epoch_bytes - appended % plan.epoch_bytes, room)
    }

    /// The device's time.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.run.device().now()
    }

    /// Lends `bytes` bytes of staging that stand together, to be filled in place. Blocks as [`Array::append`] does.
    ///
    /// # Errors
    /// More than a staging slot lends; the first error of the run.
    pub fn reserve(&self, bytes: usize) -> Result<Reserved<'_>, Error> {
        self.reserve_since(self.now(), bytes)
    }

    /// The same as part of a call that began at `start`.
    ///
    /// # Errors
    /// As [`Array::reserve`].
    pub fn reserve_since(&self, start: Duration, bytes: usize) -> Result<Reserved<'_>, Error> {
        Reserved::new(self, start, bytes)
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
        self.append_registered_since(self.now(), memory, bytes)
    }

    /// The same as part of a call that began at `start`.
    ///
    /// # Errors
    /// As [`Array::append_registered`].
    pub fn append_registered_since(
        &self,
        start: Duration,
        memory: &mut Registered,
        bytes: usize,
    ) -> Result<(), Error> {
        self.timed(start, |producer| producer.append_registered(memory, bytes, start))
    }

    /// Acts as the producer, and counts the time since `start` as that of an append.
    fn timed(
        &self,
        start: Duration,
        act: impl FnOnce(&mut Producer) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.produce(|producer| {
            let ended = act(producer);
            producer.count_call(start);
            ended
        })
    }

    /// Acts as the producer. An error is kept while the lock is held, so that the next to come meets the cause and not
    /// its consequences.
    fn produce(&self, act: impl FnOnce(&mut Producer) -> Result<(), Error>) -> Result<(), Error> {
        let mut producer = self.lock_producer()?;
        act(&mut producer).map_err(|error| self.refused_or_failed(error))
    }

    /// What was refused before anything was taken leaves the run as it was; all else ends it.
    pub(crate) fn refused_or_failed(&self, error: Error) -> Error {
        if error.is_refusal() { error } else { self.run.fail(error) }
    }

    pub(crate) fn run(&self) -> &Arc<Run> {
        &self.run
    }

    /// The producer's lock; the first error, where the run failed while somebody else held it.
    pub(crate) fn lock_producer(&self) -> Result<Held<'_>, Error> {
        Held::wait(&self.run, &self.producer).map_err(|e| self.run.fail(e))
    }

    /// Returns when every whole epoch appended so far is written. Appending goes on.
    ///
    /// # Errors
    /// The first error of the run.
    pub fn flush(&self) -> Result<(), Error> {
        self.produce(|producer| {
            self.run.fault.check()?;
            producer.kick_whole()?;
            self.drained(producer.batch)
        })
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
            delivered: totals.delivered,
            in_flight: totals.in_flight,
            peak_in_flight: totals.peak_in_flight,
            latency: self.run.counts.latency(),
            busy: self.run.device().busy(),
            delivering: totals.delivering,
            written: totals.written,
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
        let closed = self.finish().map_err(|e| self.run.fail(e));
        self.stop();
        // What the keeper met on its way out counts too.
        let closed = closed.and_then(|closed| {
            self.run.fault.check()?;
            keeper::publish(&self.run, &self.run.plan.extents(closed.extent))
                .map_err(|e| self.run.fail(e))?;
            Ok(Closed { progress: self.progress(), ..closed })
        });
        closed.map_err(|first| match self.unanswered() {
            (0, 0) => first,
            (bytes, objects) => Error::Unanswered { first: Box::new(first), bytes, objects },
        })
    }

    /// Ends the run without a close: what was not written by now is not written.
    ///
    /// # Errors
    /// The store has not answered for all that it holds: its memory is kept for as long as the process lives.
    pub fn abandon(mut self) -> Result<(), Error> {
        let first = self.run.fault.keep(Error::Dropped);
        self.stop();
        match self.unanswered() {
            (0, 0) => Ok(()),
            (bytes, objects) => Err(Error::Unanswered { first: Box::new(first), bytes, objects }),
        }
    }

    /// Everything written and every shard finished.
    fn finish(&mut self) -> Result<Closed, Error> {
        let mut producer = self.lock_producer()?;
        self.run.fault.check()?;
        producer.finish()?;
        self.drained(producer.batch)?;
        let (appended, slice) = (producer.appended(), self.run.plan.slice_bytes);
        let extent = appended.div_ceil(slice);
        for (rows, all) in self.run.rows.iter().zip(self.run.plan.rows_of(extent)) {
            rows.settled(&self.run, all)?;
        }
        self.run.fault.check()?;
        let unreached = self.run.engine.order.unused();
        let round = producer.has_come_round();
        debug_assert!(!round || unreached.is_empty(), "rows {unreached:?} ordered nothing in a whole round");
        let (missing, memory) = (extent * slice - appended, Memory(self.run.clone()));
        Ok(Closed { extent, missing, unreached, progress: Progress::default(), memory })
    }

    /// Tells the courier to stop, behind all that was handed over before.
    fn hand_stop(&self, deadline: Duration) {
        if self.courier.is_none() {
            return;
        }
        // Under the producer's lock, so that the keeper kicks nothing between. A loan that was forgotten holds it for
        // ever: then the courier is left.
        let Some(mut producer) = Held::by(&self.run, &self.producer, deadline) else { return };
        producer.wait_since(None);
        lock(&self.run.handoffs).push_back(Handed::Stop);
        let rings = || self.run.engine.order.close(Stage::Fetch, Clock::Batch, producer.batch);
        if let Err(error) = rings() {
            self.run.fail(error);
            // Once more, or the courier sleeps on, and holds every buffer.
            let _ = rings();
        }
    }

    fn stop(&mut self) {
        let deadline = self.run.device().now() + PATIENCE;
        self.hand_stop(deadline);
        *lock(&self.stop) = true;
        self.run.wake.up(&self.run);
        let mut left = false;
        for (thread, ended) in [self.courier.take(), self.keeper.take()].into_iter().zip(self.run.ended) {
            let Some(thread) = thread else { continue };
            // After a failure a thread that stands in a store which does not answer is left there.
            let failed = self.run.fault.check().is_err();
            let ends = || self.run.device().wait_until(Lane::Producer, ended, 0, deadline);
            if failed && !ends().unwrap_or(false) {
                left = true;
                continue;
            }
            if let Err(error) = thread.join() {
                self.run.fail(error);
            }
        }
        if !left && self.run.fault.check().is_err() {
            courier::give_back(&self.run);
        }
    }

    /// What the store does not give back in time, after a failure: bytes, and objects that it was told to end.
    fn unanswered(&self) -> (u64, u64) {
        let run = &*self.run;
        run.wake.until(run, run.device().now() + PATIENCE, || run.counts.get().is_idle());
        let totals = run.counts.get();
        (totals.in_flight, totals.ending)
    }
}

impl Drop for Array {
    /// Stops the threads. What was not closed stays visibly short.
    fn drop(&mut self) {
        if self.keeper.is_some() || self.courier.is_some() {
            self.run.fault.keep(Error::Dropped);
            self.stop();
        }
    }
}
