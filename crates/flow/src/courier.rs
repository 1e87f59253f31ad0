//! The courier: kicked batches, oldest first, to the store.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use device::sync::Arc;
use device::{CopyJob, Lane, OnLane, Read, on};
use plan::{BatchLayout, Plan};
use stage::{Parts, Shards, Tail};
use store::Part;

use crate::Error;
use crate::lease::{Draining, Filling, Lease, Ready};
use crate::order::Entered;
use crate::run::{Run, lock};
use crate::table::{Clock, Stage};

/// What the courier is handed.
pub(crate) enum Handed {
    Batch(Handoff),
    /// Nothing more comes, and nobody closes the array.
    Stop,
}

/// A kicked batch, by value.
pub(crate) struct Handoff {
    pub(crate) generation: u64,
    pub(crate) layout: Arc<BatchLayout>,
    /// Offsets, where the host can read them.
    pub(crate) index: Lease<Ready>,
    pub(crate) payload: Payload,
    /// No more batches come: so many rows of shards of each level end with this one.
    pub(crate) last: Option<Vec<u64>>,
}

/// Where the packed bytes of a batch are.
pub(crate) enum Payload {
    /// Where the host can read them, or on their way there.
    Down(Lease<Ready>),
    /// On the device, until their sizes are known.
    OnDevice(Lease<Ready>),
}

/// Delivers every batch that is handed over, up to the last.
pub(crate) fn run(run: &Arc<Run>, shards: &mut Shards) {
    let _lane = on(Lane::Courier);
    for generation in 0.. {
        // A kick may fail after its batch was put here and before it was recorded: a stop that stands behind such a
        // batch is seen without waiting for a hand-off that will never come.
        let stops = matches!(lock(&run.handoffs).front(), Some(Handed::Stop));
        if stops {
            break;
        }
        if let Err(error) = run.engine.order.handed(Stage::Size, generation) {
            run.fail(error);
        }
        let Some(Handed::Batch(handoff)) = lock(&run.handoffs).pop_front() else { break };
        let last = handoff.last.is_some();
        settle(run, shards, handoff);
        if last {
            break;
        }
    }
}

/// Delivers every batch that was kicked: the courier's work on the producer's thread.
pub(crate) fn drain(run: &Arc<Run>, shards: &mut Shards) {
    let _lane = on(Lane::Courier);
    loop {
        let handed = lock(&run.handoffs).pop_front();
        let Some(Handed::Batch(handoff)) = handed else { break };
        settle(run, shards, handoff);
    }
}

/// Delivers one batch and gives everything back, whatever happens. The one way out of a drain: what the next batches wait
/// for, the gate among it, is recorded here, or where nobody delivers any more by [`give_back`]: once for each batch.
fn settle(run: &Arc<Run>, shards: &mut Shards, handoff: Handoff) {
    let generation = handoff.generation;
    // The store's answer, whatever happens here: the slot is owed back exactly once. The courier's share of it ends with
    // this function, after the delivery: on the host that is what `delivered` would say.
    let owed = Arc::new(Owed { run: run.clone(), generation, held: Default::default() });
    // A panic must not leave the producer waiting for batches that nobody will deliver.
    let mut tails = Tails::Here;
    let delivery = AssertUnwindSafe(|| deliver(run, shards, handoff, &owed, &mut tails));
    let ended = run.fault.check().and_then(|()| catch_unwind(delivery).unwrap_or(Err(Error::Panicked)));
    if let Err(error) = ended {
        run.fail(error);
    }
    if matches!(tails, Tails::Sent) {
        // What was queued of them runs all the same: who is let on here must come after. (Where the producer drains and chunks
        // are compressed there is no row to wait for: nothing is queued after a failure, and memory goes after its lanes.)
        drop(run.engine.order.begin(Stage::Publish, generation));
    }
    if !matches!(tails, Tails::Published) {
        close(run, Stage::Publish, generation);
    }
    close(run, Stage::Deliver, generation);
}

/// What has become of a batch's tails.
enum Tails {
    Here,
    /// Some of them are on their way up.
    Sent,
    /// The next batch may have them.
    Published,
}

/// Records what leaves a stage, which ends here whatever became of it.
fn close(run: &Run, stage: Stage, generation: u64) {
    if let Err(error) = run.engine.order.close(stage, Clock::Batch, generation) {
        run.fail(error);
    }
}

/// Gives back what was kicked and will not be delivered: the run has failed, and whoever delivers has gone. Nothing of it
/// may have been handed to the store, so what is recorded says no more than that nobody waits for it in vain.
pub(crate) fn give_back(run: &Arc<Run>) {
    let _lanes = (on(Lane::Producer), on(Lane::Courier));
    loop {
        let handed = lock(&run.handoffs).pop_front();
        let Some(handed) = handed else { break };
        if let Handed::Batch(handoff) = handed {
            let generation = handoff.generation;
            let _owed = Owed { run: run.clone(), generation, held: Default::default() };
            close(run, Stage::Publish, generation);
            close(run, Stage::Deliver, generation);
        }
    }
}

/// Delivers one batch; `next` says what has become of its tails.
fn deliver(
    run: &Arc<Run>,
    shards: &mut Shards,
    handoff: Handoff,
    owed: &Arc<Owed>,
    next: &mut Tails,
) -> Result<(), Error> {
    let (order, generation) = (&run.engine.order, handoff.generation);
    let layout = &*handoff.layout;
    let size = order.begin_handed(Stage::Size, generation)?;
    let index = handoff.index.drain(&size);
    let offsets = index.read(&size, 0..stage::offset_bytes(layout));
    let offsets = offsets.bytes()?.as_chunks::<8>().0;
    let total = offsets.last().map_or(0, |o| u64::from_le_bytes(*o)) as usize;
    // First what the next batch waits for: it comes with the offsets, long before the payload.
    let tails = keep_tails(run, &size, layout, &index)?;
    upload_tails(run, generation, layout, tails, next)?;
    let payload = match handoff.payload {
        Payload::Down(payload) => payload,
        Payload::OnDevice(payload) => bring_down(run, generation, payload, total)?,
    };
    size.end()?;
    order.begin(Stage::Publish, generation).map(drop)?;
    *next = Tails::Published;
    close(run, Stage::Publish, generation);
    let start = run.device().now();
    let entered = order.begin(Stage::Deliver, generation)?;
    let mut parts = BatchParts::new(run, &entered, payload.drain(&entered), owed)?;
    // Parts come back before their objects have ended: how many may be ending is bounded too.
    for (level, rows) in run.rows.iter().enumerate() {
        rows.settled(run, rows.bound(level, layout, &run.plan))?;
    }
    let handed = shards.deliver(layout, offsets, &mut parts);
    let ended = handed.and_then(|()| match handoff.last {
        Some(rows) => shards.finish(&rows, &mut parts),
        None => Ok(()),
    });
    parts.give_back();
    ended?;
    index.retire();
    run.counts.add(|t| {
        t.stored += total as u64;
        t.chunks += layout.order.len() as u64;
        t.delivered += 1;
        t.delivering += run.device().now().saturating_sub(start);
    });
    // What leaves the stage is recorded by `settle`.
    Ok(())
}

/// Keeps what the batch leaves of pages, where the host has the tails of all shards; `None` where the store takes any bytes.
fn keep_tails(
    run: &Run,
    size: &Entered,
    layout: &BatchLayout,
    index: &Lease<Draining>,
) -> Result<Option<Lease<Ready>>, Error> {
    let Some(pool) = run.engine.buffers.kept_tails() else { return Ok(None) };
    let mut tails = pool.fill(size)?;
    let all = 0..tails.len();
    let index = index.read(size, 0..stage::index_bytes(&run.plan, layout));
    for (r, region) in layout.regions.iter().enumerate() {
        let left = stage::left_by((&run.plan, layout), &index, r)?;
        stage::keep_tail(&run.plan, tails.write(size, all.clone()), region.shard, left)?;
    }
    Ok(Some(tails.seal()))
}

/// Sends up what is left of pages, where the device has memory of its own.
fn upload_tails(
    run: &Run,
    generation: u64,
    layout: &BatchLayout,
    tail: Option<Lease<Ready>>,
    next: &mut Tails,
) -> Result<(), Error> {
    let Some(tail) = tail else { return Ok(()) };
    let buffers = &run.engine.buffers;
    let (Some(pool), true) = (&buffers.tail, buffers.host_tail.is_some()) else {
        // The next batch reads what was written where it stands.
        tail.give_up();
        return Ok(());
    };
    let entered = run.engine.order.begin(Stage::TailUpload, generation)?;
    let tail = tail.drain(&entered);
    let mut up = pool.fill(&entered)?;
    let (from, room) = (tail.read(&entered, 0..tail.len()), 0..up.len());
    let to = up.write(&entered, room);
    let queued =
        stage::upload_tails((run.device(), run.lane(Stage::TailUpload)), (&run.plan, layout), &from, to);
    tail.retire();
    up.seal().give_up();
    entered.end()?;
    *next = Tails::Sent;
    Ok(queued?)
}

/// Copies exactly the packed bytes down.
fn bring_down(
    run: &Run,
    generation: u64,
    payload: Lease<Ready>,
    total: usize,
) -> Result<Lease<Ready>, Error> {
    let why = || Error::Lost { buffer: "host payload", generation, cause: "it was never made" };
    let buffer = run.engine.buffers.host_payload.as_ref().ok_or_else(why)?;
    let entered = run.engine.order.begin(Stage::Payload, generation)?;
    let payload = payload.drain(&entered);
    let mut down = buffer.fill(&entered)?;
    let job = CopyJob { from: payload.read(&entered, 0..total), to: down.write(&entered, 0..total) };
    run.device().copy(run.lane(Stage::Payload), job)?;
    payload.retire();
    entered.end()?;
    Ok(down.seal())
}

/// Slots that the store reads, owed back. When the last part is back, and the courier is done, they are free: `sunk`.
struct Owed {
    run: Arc<Run>,
    generation: u64,
    held: device::sync::Mutex<Vec<Lease<Draining>>>,
}

impl Owed {
    fn hold(&self, leases: [Lease<Draining>; 2]) {
        lock(&self.held).extend(leases);
    }

    /// As long as the answer lives, this thread acts for the store.
    fn as_store(&self) -> OnLane {
        let store = on(Lane::Sink);
        self.run.engine.order.name_it(Stage::SinkWrite, self.generation);
        store
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        lock(&self.held).drain(..).for_each(Lease::retire);
        let _store = on(Lane::Sink);
        let recorded = self.run.engine.order.close(Stage::SinkWrite, Clock::Batch, self.generation);
        if let Err(error) = recorded {
            self.run.fail(error);
        }
    }
}

/// Parts of one batch.
struct BatchParts<'a> {
    entered: &'a Entered,
    plan: &'a Plan,
    payload: Lease<Draining>,
    footers: Lease<Filling>,
    /// Bytes of the footers that are used.
    at: usize,
    /// What is left of pages of all shards.
    tails: Option<Lease<Draining>>,
    owed: &'a Arc<Owed>,
}

impl<'a> BatchParts<'a> {
    fn new(
        run: &'a Run,
        entered: &'a Entered,
        payload: Lease<Draining>,
        owed: &'a Arc<Owed>,
    ) -> Result<BatchParts<'a>, Error> {
        let buffers = &run.engine.buffers;
        let tails = buffers.kept_tails().map(|t| t.carried(entered)).transpose()?;
        let footers = buffers.footers.fill(entered)?;
        Ok(BatchParts { entered, plan: &run.plan, payload, footers, at: 0, tails, owed })
    }

    /// The store holds what it was given.
    fn give_back(self) {
        self.owed.hold([self.payload, self.footers.seal().drain(self.entered)]);
        self.tails.into_iter().for_each(Lease::retire);
    }

    /// Buffers that the host reads and writes are allocated in its memory; a device that breaks this has broken its
    /// contract, and the run fails.
    fn expect<T>(&self, ended: Result<T, device::Error>) -> Option<T> {
        ended.map_err(|error| self.owed.run.fail(error)).ok()
    }

    fn try_footer(&mut self, shard: u64, tail: Tail, index: &[u8]) -> Result<Range<usize>, device::Error> {
        let tail = match (tail, &self.tails) {
            (Tail::Packed(range), _) => {
                self.payload.read(self.entered, range.start as usize..range.end as usize).bytes()?
            }
            (Tail::Kept(length), Some(tails)) => {
                stage::tail_of(self.plan, &tails.read(self.entered, 0..tails.len()), shard, length)?
            }
            (Tail::Kept(_), None) => &[],
        };
        let used = tail.len() + index.len();
        let range = self.at..self.at + used.next_multiple_of(self.plan.page() as usize);
        let mut room = self.footers.write(self.entered, range.clone());
        let (begin, rest) = room.bytes()?.split_at_mut(tail.len());
        begin.copy_from_slice(tail);
        rest[..index.len()].copy_from_slice(index);
        rest[index.len()..].fill(0);
        Ok(range)
    }
}

impl Parts for BatchParts<'_> {
    fn payload(&mut self, range: Range<u64>) -> Part {
        SlotPart::lend(self.payload.lend(self.entered, range.start as usize..range.end as usize), self.owed)
    }

    fn ends(&mut self) {
        self.owed.run.counts.add(|t| t.ending += 1);
    }

    fn footer(&mut self, shard: u64, tail: Tail, index: &[u8]) -> Part {
        let written = self.try_footer(shard, tail, index);
        let range = self.expect(written).unwrap_or(0..0);
        self.at = self.at.max(range.end);
        SlotPart::lend(self.footers.lend_written(self.entered, range), self.owed)
    }
}

/// A run of a slot, on its way through the store.
struct SlotPart {
    view: Read<'static>,
    owed: Arc<Owed>,
    since: Duration,
}

impl SlotPart {
    fn lend(view: Read<'static>, owed: &Arc<Owed>) -> Part {
        let run = &owed.run;
        run.engine.order.note(Stage::SinkWrite, owed.generation);
        // What was written into the slot goes over to the store.
        drop(owed.as_store());
        run.counts.add(|t| t.lend(view.len()));
        Box::new(SlotPart { view, owed: owed.clone(), since: run.device().now() })
    }
}

impl Drop for SlotPart {
    fn drop(&mut self) {
        let run = &self.owed.run;
        let took = run.device().now().saturating_sub(self.since);
        let idle = run.counts.add(|t| t.take_back(self.view.len(), took));
        // Whoever stops after a failure waits for this.
        if idle && run.fault.check().is_err() {
            run.wake.up(run);
        }
    }
}

impl store::Payload for SlotPart {
    fn bytes(&self) -> &[u8] {
        let _store = self.owed.as_store();
        // Host memory by construction; a device that breaks its contract writes nothing and the length shows it.
        self.view.bytes().unwrap_or(&[])
    }

    fn returned(self: Box<Self>, result: Result<(), store::Error>) {
        if let Err(error) = result {
            self.owed.run.fail(error);
        }
    }
}
