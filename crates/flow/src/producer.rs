//! The producer: appended bytes into staging, staging into the chunk pool, full batches kicked.

use std::ops::{Deref, DerefMut, Range};
use std::time::Duration;

use device::sync::{Arc, Mutex, MutexGuard, TryLockError};
use device::{CopyJob, Lane, OnLane, Source, on};
use plan::{End, Mode};
use stage::Shards;

use crate::Error;
use crate::courier;
use crate::kick::Layouts;
use crate::latency::Latency;
use crate::lease::{Filling, Lease, Ready};
use crate::order::Entered;
use crate::reserve::Registered;
use crate::run::{Run, lock};
use crate::table::{STAGING_COPIES, Stage};

/// A staging slot that is being filled.
struct Staging {
    entered: Entered,
    lease: Lease<Filling>,
    bytes: usize,
}

/// State of the appending side. Whoever holds its lock is the producer.
pub(crate) struct Producer {
    pub(crate) run: Arc<Run>,
    pub(crate) layouts: Layouts,
    /// The shards, where the producer is the courier too.
    pub(crate) inline: Option<Arc<Mutex<Option<Shards>>>>,
    staging: Option<Staging>,
    dispatch: u64,
    /// Bytes of an element that was cut by the end of a dispatch.
    cut: Vec<u8>,
    /// The slot that is being filled; taken by the kick.
    pub(crate) pool: Option<Lease<Filling>>,
    /// Generation of the batch.
    pub(crate) batch: u64,
    /// First epoch of the batch.
    pub(crate) first_epoch: u64,
    /// Whole epochs in the pool.
    pub(crate) epochs: u32,
    /// Elements of the begun epoch in the pool.
    pub(crate) in_epoch: u64,
    /// What is left of the last page of each shard of the row, where chunks keep their size.
    pub(crate) tails: Vec<u64>,
    /// The end of the stream, once it is known.
    pub(crate) end: Option<End>,
    /// The coarser levels have been ended.
    pub(crate) ended: bool,
    appended: u64,
    /// Of them, those that the run's counts do not have yet: they get them once a call, and once a slot.
    uncounted: u64,
    /// What the keeper sees in `Run::waiting`; written only here, by [`Producer::wait_since`].
    waiting: Option<Duration>,
}

/// The producer's lock, and with it the producer's lane. Whoever found it taken is rung when it is free.
pub(crate) struct Held<'a> {
    run: &'a Arc<Run>,
    /// Taken by the drop.
    producer: Option<MutexGuard<'a, Producer>>,
    _lane: OnLane,
}

impl<'a> Held<'a> {
    /// Waits for it, at most until the run fails: whoever holds it may stand in a store that never answers.
    pub(crate) fn wait(run: &'a Arc<Run>, producer: &'a Mutex<Producer>) -> Result<Held<'a>, Error> {
        loop {
            if let Some(held) = Held::try_now(run, producer) {
                return Ok(held);
            }
            let seen = Held::ask(run);
            if let Some(held) = Held::try_now(run, producer) {
                return Ok(held);
            }
            run.wake.sleep_until_fault(run, seen)?;
        }
    }

    /// Waits for it at most until a deadline.
    pub(crate) fn by(
        run: &'a Arc<Run>,
        producer: &'a Mutex<Producer>,
        deadline: Duration,
    ) -> Option<Held<'a>> {
        loop {
            let seen = Held::ask(run);
            if let Some(held) = Held::try_now(run, producer) {
                return Some(held);
            }
            let rings = run.wake.sleep(run, seen, deadline);
            if rings.is_err() || run.device().now() >= deadline {
                return None;
            }
        }
    }

    /// Asks to be rung. Said before the lock is tried again, so that whoever holds it sees it after letting go.
    pub(crate) fn ask(run: &Run) -> u64 {
        *lock(&run.missed) = true;
        run.wake.rung()
    }

    /// `None` while somebody else holds it.
    pub(crate) fn try_now(run: &'a Arc<Run>, producer: &'a Mutex<Producer>) -> Option<Held<'a>> {
        let producer = match producer.try_lock() {
            Ok(producer) => producer,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        run.device().pass(Lane::Producer, true);
        Some(Held { run, producer: Some(producer), _lane: on(Lane::Producer) })
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.run.device().pass(Lane::Producer, false);
        drop(self.producer.take());
        if std::mem::take(&mut *lock(&self.run.missed)) {
            self.run.wake.up(self.run);
        }
    }
}

impl Deref for Held<'_> {
    type Target = Producer;

    fn deref(&self) -> &Producer {
        self.producer.as_ref().expect("held until it is dropped")
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Producer {
        self.producer.as_mut().expect("held until it is dropped")
    }
}

impl Producer {
    pub(crate) fn new(run: Arc<Run>) -> Result<Producer, Error> {
        let _lane = on(Lane::Producer);
        let layouts = Layouts::default();
        let tails = vec![0; run.plan.shards_of_rows() as usize];
        let mut producer = Producer {
            run,
            tails,
            end: None,
            ended: false,
            layouts,
            inline: None,
            staging: None,
            dispatch: 0,
            cut: Vec::new(),
            pool: None,
            batch: 0,
            first_epoch: 0,
            epochs: 0,
            in_epoch: 0,
            appended: 0,
            uncounted: 0,
            waiting: None,
        };
        producer.refill(None)?;
        Ok(producer)
    }

    /// Bytes that were appended.
    pub(crate) fn appended(&self) -> u64 {
        self.appended
    }

    /// Whether every ring has come round.
    pub(crate) fn has_come_round(&self) -> bool {
        self.dispatch > u64::from(STAGING_COPIES) && self.batch > u64::from(self.run.plan.slots)
    }

    /// Takes bytes, all of them or, past the end of a bounded array, none. `now`: when the call began.
    pub(crate) fn append(&mut self, bytes: &[u8], now: Duration) -> Result<(), Error> {
        self.run.fault.check()?;
        self.check_room(bytes.len())?;
        self.stage_all(bytes)?;
        self.kick_overdue(now)
    }

    /// Counts a call that began at `start`, and what it took.
    pub(crate) fn count_call(&mut self, start: Duration) {
        let took = self.run.device().now().saturating_sub(start);
        self.run.counts.called(std::mem::take(&mut self.uncounted), took);
    }

    /// Counts calls whose bytes came together.
    pub(crate) fn count_calls(&mut self, times: &mut Latency) {
        self.run.counts.called_often(std::mem::take(&mut self.uncounted), times);
    }

    /// Counts what was taken, in the midst of a call or without one.
    fn count(&mut self) {
        let taken = std::mem::take(&mut self.uncounted);
        self.run.counts.add(|t| t.appended += taken);
    }

    /// Whole epochs have waited since then, or none do. The keeper reads it without the producer's lock.
    pub(crate) fn wait_since(&mut self, since: Option<Duration>) {
        self.waiting = since;
        *lock(&self.run.waiting) = since;
    }

    /// Refuses bytes past the end of a bounded array.
    fn check_room(&self, given: usize) -> Result<(), Error> {
        let room = self.run.plan.total_bytes.map_or(u64::MAX, |t| t - self.appended);
        if given as u64 > room { Err(Error::PastEnd { given: given as u64, room }) } else { Ok(()) }
    }

    /// Copies into the staging slot what fits: bytes taken, and whether the slot is full.
    fn stage(&mut self, bytes: &[u8]) -> Result<(usize, bool), Error> {
        let mut staging = match self.staging.take() {
            Some(staging) => staging,
            None => self.next_staging()?,
        };
        let (at, most) = (staging.bytes, self.run.plan.dispatch_bytes as usize);
        let taken = bytes.len().min(most - at);
        let to = staging.lease.write(&staging.entered, at..at + taken);
        self.run.device().take(&bytes[..taken], to)?;
        self.staging = Some(staging);
        Ok((taken, self.take(taken)))
    }

    /// Counts bytes that stand in staging now; whether the slot is full.
    fn take(&mut self, taken: usize) -> bool {
        self.appended += taken as u64;
        self.uncounted += taken as u64;
        let most = self.run.plan.dispatch_bytes as usize;
        self.staging.as_mut().is_some_and(|s| {
            s.bytes += taken;
            s.bytes >= most
        })
    }

    /// Makes room for `bytes` bytes that stand together in one staging slot.
    pub(crate) fn reserve(&mut self, bytes: usize) -> Result<(), Error> {
        self.run.fault.check()?;
        let most = self.run.plan.staging_bytes;
        if bytes as u64 > most {
            return Err(Error::Reserve { asked: bytes as u64, most });
        }
        if self.staging.as_ref().is_some_and(|s| s.bytes + bytes > s.lease.len()) {
            self.dispatch()?;
            // Whole epochs may be in it; a reservation that is given up takes nothing, and they wait all the same.
            self.note_whole_epochs();
        }
        if self.staging.is_none() {
            self.staging = Some(self.next_staging()?);
        }
        Ok(())
    }

    /// The bytes that were reserved.
    pub(crate) fn reserved(&self, bytes: usize) -> &[u8] {
        let Some(s) = &self.staging else { return &[] };
        // Staging is host memory; a device that breaks its contract lends nothing.
        s.lease.written(&s.entered, s.bytes..s.bytes + bytes).bytes().unwrap_or(&[])
    }

    /// The same, to be filled.
    pub(crate) fn reserved_mut(&mut self, bytes: usize) -> &mut [u8] {
        let Some(s) = &mut self.staging else { return &mut [] };
        s.lease.write(&s.entered, s.bytes..s.bytes + bytes).into_bytes().unwrap_or(&mut [])
    }

    /// Takes the first `bytes` bytes of those that were reserved.
    pub(crate) fn commit(&mut self, bytes: usize) -> Result<(), Error> {
        self.check_room(bytes)?;
        if self.take(bytes) {
            self.dispatch()?;
        }
        self.count();
        self.note_whole_epochs();
        self.kick_overdue(self.run.device().now())
    }

    /// Takes the first `bytes` bytes of memory of the caller's own, which is read where it lies.
    pub(crate) fn append_registered(
        &mut self,
        memory: &mut Registered,
        bytes: usize,
        now: Duration,
    ) -> Result<(), Error> {
        self.run.fault.check()?;
        memory.check(&self.run)?;
        if bytes > memory.len() {
            let held = memory.len() as u64;
            return Err(Error::Beyond { call: "append", given: bytes as u64, held });
        }
        self.check_room(bytes)?;
        // What was staged goes first; an element that it cut is completed by copying its few last bytes.
        let size = self.run.plan.dtype.size();
        let cut = (self.appended % size as u64) as usize;
        let head = if cut == 0 { 0 } else { (size - cut).min(bytes) };
        self.stage_all(memory.peek(0..head)?)?;
        self.dispatch()?;
        let whole = head + (bytes - head) / size * size;
        self.scatter_registered(memory, head..whole)?;
        self.stage_all(memory.peek(whole..bytes)?)?;
        self.note_whole_epochs();
        self.kick_overdue(now)
    }

    /// Copies all bytes into staging, and sends off what gets full.
    fn stage_all(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let (taken, full) = self.stage(bytes)?;
            bytes = &bytes[taken..];
            if full {
                self.dispatch()?;
            }
            self.note_whole_epochs();
        }
        Ok(())
    }

    /// Sends memory of the caller's own off: the caller's bytes stand for those of a staging slot, as many at a time
    /// as go up at once.
    fn scatter_registered(&mut self, memory: &mut Registered, bytes: Range<usize>) -> Result<(), Error> {
        let run = self.run.clone();
        let most = run.plan.dispatch_bytes as usize;
        let step = if run.engine.buffers.device_staging.is_some() { most } else { usize::MAX };
        let mut at = bytes.start;
        while at < bytes.end {
            let end = bytes.end.min(at.saturating_add(step));
            let entered = run.engine.order.begin(Stage::Fill, self.dispatch)?;
            let staged = run.engine.buffers.staging.adopt(&entered, memory.region());
            entered.end()?;
            let generation = self.dispatch;
            self.dispatch += 1;
            memory.read_until(self.dispatch);
            self.appended += (end - at) as u64;
            self.uncounted += (end - at) as u64;
            self.count();
            self.scatter(generation, staged, at..end)?;
            at = end;
        }
        Ok(())
    }

    /// A fresh slot; it begins with the element that the last one cut.
    fn next_staging(&mut self) -> Result<Staging, Error> {
        let run = self.run.clone();
        let entered = run.engine.order.begin(Stage::Fill, self.dispatch)?;
        let mut lease = run.engine.buffers.staging.fill(&entered)?;
        let bytes = self.cut.len();
        lease.write(&entered, 0..bytes).bytes()?.copy_from_slice(&self.cut);
        self.cut.clear();
        Ok(Staging { entered, lease, bytes })
    }

    /// Sends staging off: one copy up, one scatter for each batch that it touches, kicks between.
    pub(crate) fn dispatch(&mut self) -> Result<(), Error> {
        let Some(Staging { entered, mut lease, bytes }) = self.staging.take() else { return Ok(()) };
        self.count();
        let size = self.run.plan.dtype.size();
        let whole = bytes - bytes % size;
        self.cut.extend_from_slice(lease.write(&entered, whole..bytes).bytes()?);
        let staged = lease.seal();
        entered.end()?;
        let generation = self.dispatch;
        self.dispatch += 1;
        self.scatter(generation, staged, 0..whole)
    }

    /// One copy up, one scatter for each batch that the bytes touch.
    fn scatter(&mut self, generation: u64, staged: Lease<Ready>, bytes: Range<usize>) -> Result<(), Error> {
        let run = self.run.clone();
        let (staged, bytes) = self.upload(generation, staged, bytes)?;
        let entered = run.engine.order.begin(Stage::Scatter, generation)?;
        let staged = staged.drain(&entered);
        let size = run.plan.dtype.size();
        let mut at = bytes.start;
        while at < bytes.end {
            let room = u64::from(run.plan.batch_epochs - self.epochs) * run.geometry.epoch_elements;
            let left = (room - self.in_epoch).min(((bytes.end - at) / size) as u64);
            let end = at + left as usize * size;
            self.scatter_part(&entered, left, Source::Elements(staged.read(&entered, at..end)))?;
            at = end;
        }
        staged.retire();
        entered.end()
    }

    /// Copies staged bytes up, where the device has memory of its own: where they lie now.
    fn upload(
        &self,
        generation: u64,
        staged: Lease<Ready>,
        bytes: Range<usize>,
    ) -> Result<(Lease<Ready>, Range<usize>), Error> {
        let engine = &self.run.engine;
        let Some(pool) = &engine.buffers.device_staging else { return Ok((staged, bytes)) };
        let entered = engine.order.begin(Stage::Upload, generation)?;
        let staged = staged.drain(&entered);
        let mut up = pool.fill(&entered)?;
        let there = 0..bytes.len();
        let job = CopyJob { from: staged.read(&entered, bytes), to: up.write(&entered, there.clone()) };
        self.run.device().copy(self.run.lane(Stage::Upload), job)?;
        staged.retire();
        entered.end()?;
        Ok((up.seal(), there))
    }

    /// Scatters the next `count` elements, at the most to the end of the batch; a batch that is full is kicked.
    fn scatter_part(&mut self, entered: &Entered, count: u64, source: Source<'_>) -> Result<(), Error> {
        let run = self.run.clone();
        let part = (self.in_epoch, count);
        let pool = self.pool.as_mut().map(|p| {
            let all = 0..p.len();
            p.write(entered, all)
        });
        if let Some(pool) = pool {
            let (to, what) = ((run.device(), run.lane(Stage::Scatter)), (&*run.plan, &run.geometry));
            stage::scatter(to, what, self.epochs, part, source, pool)?;
        }
        let (begun, epoch) = (self.in_epoch + count, run.geometry.epoch_elements);
        self.epochs += (begun / epoch) as u32;
        self.in_epoch = begun % epoch;
        if self.epochs == run.plan.batch_epochs { self.turn() } else { Ok(()) }
    }

    /// Kicks the batch and goes on with the next slot.
    fn turn(&mut self) -> Result<(), Error> {
        self.wait_since(None);
        let begun = (self.in_epoch > 0).then_some(self.epochs);
        if self.run.plan.mode == Mode::DrainBeforeKick {
            self.drain()?;
        }
        let old = self.kick(None)?;
        if self.run.plan.mode != Mode::DrainBeforeKick {
            self.drain()?;
        }
        self.refill(begun.map(|epoch| (&old, epoch)))?;
        old.retire();
        Ok(())
    }

    /// Kicks the last batch, which may be empty: with it every shard ends.
    fn turn_last(&mut self) -> Result<(), Error> {
        self.wait_since(None);
        self.drain()?;
        let plan = &self.run.plan;
        let rows = plan.rows_of(self.appended.div_ceil(plan.slice_bytes));
        self.kick(Some(rows))?.retire();
        self.drain()
    }

    /// Does the courier's work where there is no courier: delivers every batch that was kicked.
    pub(crate) fn drain(&mut self) -> Result<(), Error> {
        let Some(shards) = &self.inline else { return Ok(()) };
        if let Some(shards) = &mut *lock(shards) {
            courier::drain(&self.run, shards);
        }
        self.run.fault.check()
    }

    /// Whole epochs, staged or in the pool, wait from now on for their batch to be full.
    fn note_whole_epochs(&mut self) {
        if self.waiting.is_some() {
            return;
        }
        let staged = self.staging.as_ref().map_or(0, |s| s.bytes as u64);
        let begun = self.in_epoch * self.run.plan.dtype.size() as u64;
        if self.epochs == 0 && begun + staged < self.run.plan.epoch_bytes {
            return;
        }
        self.wait_since(Some(self.run.device().now()));
        self.run.wake.up(&self.run);
    }

    /// Kicks whole epochs that have waited longer than the interval, as a partial batch.
    pub(crate) fn kick_overdue(&mut self, now: Duration) -> Result<(), Error> {
        let overdue = |since: Duration| now.saturating_sub(since) >= self.run.interval;
        if self.waiting.is_some_and(overdue) { self.kick_whole() } else { Ok(()) }
    }

    /// Kicks every whole epoch appended so far; the begun one moves to the next slot.
    pub(crate) fn kick_whole(&mut self) -> Result<(), Error> {
        self.dispatch()?;
        self.wait_since(None);
        if self.epochs > 0 {
            self.turn()?;
        }
        self.drain()
    }

    /// Ends the stream: the begun epoch is filled up with the fill value and everything is kicked.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        let plan = &self.run.plan;
        let (epochs, extent) =
            (self.appended.div_ceil(plan.epoch_bytes), self.appended.div_ceil(plan.slice_bytes));
        self.end = Some(End { epochs, extent });
        self.complete_element()?;
        self.dispatch()?;
        if self.in_epoch > 0 {
            let run = self.run.clone();
            // Nothing is staged or goes up in this dispatch, but a stage that is skipped waits and records all the same.
            run.engine.order.begin(Stage::Fill, self.dispatch)?.end()?;
            if Stage::Upload.present(run.engine.order.case()) {
                run.engine.order.begin(Stage::Upload, self.dispatch)?.end()?;
            }
            let entered = run.engine.order.begin(Stage::Scatter, self.dispatch)?;
            self.dispatch += 1;
            let left = run.geometry.epoch_elements - self.in_epoch;
            self.scatter_part(&entered, left, Source::Fill(run.plan.fill.padded()))?;
            entered.end()?;
        }
        self.turn_last()
    }

    /// An element that was cut by the end of the stream gets the missing bytes of the fill value.
    fn complete_element(&mut self) -> Result<(), Error> {
        let size = self.run.plan.dtype.size();
        let cut = (self.appended % size as u64) as usize;
        if cut == 0 {
            return Ok(());
        }
        let fill = self.run.plan.fill.padded();
        let before = (self.appended, self.uncounted);
        let (_, full) = self.stage(&fill[cut..size])?;
        (self.appended, self.uncounted) = before;
        if full { self.dispatch() } else { Ok(()) }
    }
}
