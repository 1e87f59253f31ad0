//! The courier: kicked batches, oldest first, to the store.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use device::sync::Arc;
use device::{CopyJob, Read};
use plan::BatchLayout;
use stage::{Parts, Shards};
use store::Part;

use crate::Error;
use crate::lease::{Draining, Filling, Lease, Ready};
use crate::order::Entered;
use crate::run::{Run, lock};
use crate::table::{Clock, Stage};

/// A kicked batch, by value.
pub(crate) struct Handoff {
    pub(crate) generation: u64,
    pub(crate) layout: Arc<BatchLayout>,
    /// Offsets, where the host can read them.
    pub(crate) index: Lease<Ready>,
    pub(crate) payload: Payload,
}

/// Where the packed bytes of a batch are.
pub(crate) enum Payload {
    /// Where the host can read them, or on their way there.
    Down(Lease<Ready>),
    /// On the device, until their sizes are known.
    OnDevice(Lease<Ready>),
}

/// Delivers every batch that is handed over, until the hand-off is empty. Returns the shards, for their end.
pub(crate) fn run(run: &Arc<Run>, mut shards: Shards) -> Shards {
    for generation in 0.. {
        if let Err(error) = run.engine.order.handed(Stage::Size, generation) {
            run.fail(error);
        }
        let handoff = lock(&run.handoffs).pop_front();
        let Some(handoff) = handoff else { break };
        settle(run, &mut shards, handoff);
    }
    shards
}

/// Delivers every batch that was kicked: the courier's work on the producer's thread.
pub(crate) fn drain(run: &Arc<Run>, shards: &mut Shards) {
    loop {
        let handoff = lock(&run.handoffs).pop_front();
        let Some(handoff) = handoff else { break };
        settle(run, shards, handoff);
    }
}

/// Delivers one batch and gives everything back, whatever happens.
fn settle(run: &Arc<Run>, shards: &mut Shards, handoff: Handoff) {
    let generation = handoff.generation;
    // The store's answer, whatever happens here: the slot is owed back exactly once.
    let owed = Arc::new(Owed { run: run.clone(), generation, held: Default::default() });
    // A panic must not leave the producer waiting for batches that nobody will deliver.
    let delivery = AssertUnwindSafe(|| deliver(run, shards, handoff, &owed));
    let ended = run.fault.check().and_then(|()| catch_unwind(delivery).unwrap_or(Err(Error::Panicked)));
    if let Err(error) = ended {
        run.fail(error);
    }
    if let Err(error) = run.engine.order.close(Stage::Publish, Clock::Batch, generation) {
        run.fail(error);
    }
}

fn deliver(run: &Arc<Run>, shards: &mut Shards, handoff: Handoff, owed: &Arc<Owed>) -> Result<(), Error> {
    let (order, generation) = (&run.engine.order, handoff.generation);
    let size = order.begin_handed(Stage::Size, generation)?;
    let index = handoff.index.drain(&size);
    let bytes = 8 * (handoff.layout.order.len() + 1);
    let offsets = index.read(&size, 0..bytes);
    let offsets = offsets.bytes()?.as_chunks::<8>().0;
    let total = offsets.last().map_or(0, |o| u64::from_le_bytes(*o)) as usize;
    let payload = match handoff.payload {
        Payload::Down(payload) => payload,
        Payload::OnDevice(payload) => bring_down(run, generation, payload, total)?,
    };
    size.end()?;
    let entered = order.begin(Stage::Deliver, generation)?;
    let payload = payload.drain(&entered);
    let footers = run.engine.buffers.footers.fill(&entered)?;
    let mut parts = BatchParts { entered: &entered, payload, footers, at: 0, owed };
    let handed = shards.deliver(&handoff.layout, offsets, &mut parts);
    let BatchParts { payload, footers, .. } = parts;
    owed.hold([payload, footers.seal().drain(&entered)]);
    handed?;
    entered.end()?;
    index.retire();
    run.counts.add(|t| {
        t.stored += total as u64;
        t.chunks += handoff.layout.order.len() as u64;
    });
    Ok(())
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
}

impl Drop for Owed {
    fn drop(&mut self) {
        lock(&self.held).drain(..).for_each(Lease::retire);
        let recorded = self.run.engine.order.close(Stage::SinkWrite, Clock::Batch, self.generation);
        if let Err(error) = recorded {
            self.run.fail(error);
        }
    }
}

/// Parts of one batch.
struct BatchParts<'a> {
    entered: &'a Entered,
    payload: Lease<Draining>,
    footers: Lease<Filling>,
    at: usize,
    owed: &'a Arc<Owed>,
}

impl Parts for BatchParts<'_> {
    fn payload(&mut self, range: Range<u64>) -> Part {
        SlotPart::lend(self.payload.lend(self.entered, range.start as usize..range.end as usize), self.owed)
    }

    fn footer(&mut self, bytes: &[u8]) -> Part {
        let range = self.at..self.at + bytes.len();
        self.at = range.end;
        let mut room = self.footers.write(self.entered, range.clone());
        match room.bytes() {
            Ok(room) => room.copy_from_slice(bytes),
            // Footers are allocated in the host's memory; a device that breaks this has broken its contract.
            Err(error) => drop(self.owed.run.fail(error)),
        }
        SlotPart::lend(self.footers.lend_written(self.entered, range), self.owed)
    }
}

/// A run of a slot, on its way through the store.
struct SlotPart {
    view: Read<'static>,
    owed: Arc<Owed>,
}

impl SlotPart {
    fn lend(view: Read<'static>, owed: &Arc<Owed>) -> Part {
        owed.run.counts.add(|t| t.lend(view.len()));
        Box::new(SlotPart { view, owed: owed.clone() })
    }
}

impl Drop for SlotPart {
    fn drop(&mut self) {
        self.owed.run.counts.add(|t| t.take_back(self.view.len()));
    }
}

impl store::Payload for SlotPart {
    fn bytes(&self) -> &[u8] {
        // Host memory by construction; a device that breaks its contract writes nothing and the length shows it.
        self.view.bytes().unwrap_or(&[])
    }

    fn returned(self: Box<Self>, result: Result<(), store::Error>) {
        if let Err(error) = result {
            self.owed.run.fail(error);
        }
    }
}

/// Parts that own their bytes: the indexes that a close writes.
pub(crate) struct OwnedParts<'a>(pub(crate) &'a Arc<Run>);

impl Parts for OwnedParts<'_> {
    fn payload(&mut self, _range: Range<u64>) -> Part {
        unreachable!("a close cuts no chunk: every batch was delivered before it")
    }

    fn footer(&mut self, bytes: &[u8]) -> Part {
        Box::new(OwnedPart { bytes: bytes.to_vec(), run: self.0.clone() })
    }
}

struct OwnedPart {
    bytes: Vec<u8>,
    run: Arc<Run>,
}

impl store::Payload for OwnedPart {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn returned(self: Box<Self>, result: Result<(), store::Error>) {
        if let Err(error) = result {
            self.run.fail(error);
        }
    }
}
