//! Leases: a slot of a buffer, and what may be done with it now, as a type.
//!
//! ```text
//! Free --fill--> Filling --seal--> Ready --drain--> Draining --retire--> Free
//! ```
//!
//! Pointer and ordering leave together: a view is lent by a lease, to a stage that was entered (so its waits are
//! queued) and that the table says touches this buffer. A lease that is dropped before it is retired poisons its
//! pool: the next one who asks for a slot is told what was lost, and nobody hangs.

use std::marker::PhantomData;
use std::ops::Range;

use device::sync::{Arc, Mutex};
use device::{Device, Home, Read, Region, Write};

use crate::Error;
use crate::order::Entered;
use crate::table::{Buffer, Case, Clock};

/// The slots of one buffer.
pub(crate) struct Pool {
    buffer: Buffer,
    slots: Vec<Region>,
    lost: Arc<Mutex<Option<Error>>>,
}

/// The slot may be written.
pub(crate) struct Filling;
/// The contents are complete.
pub(crate) struct Ready;
/// The slot may be read.
pub(crate) struct Draining;

/// One slot for one generation.
#[must_use = "a lease that is dropped unretired poisons its pool"]
pub(crate) struct Lease<State> {
    region: Region,
    buffer: Buffer,
    generation: u64,
    lost: Option<Arc<Mutex<Option<Error>>>>,
    state: PhantomData<State>,
}

impl Pool {
    pub(crate) fn new(device: &dyn Device, buffer: Buffer, case: Case, bytes: u64) -> Result<Pool, Error> {
        let home = match buffer {
            Buffer::Staging
            | Buffer::HostTables
            | Buffer::HostIndex
            | Buffer::HostPayload
            | Buffer::Footers
            | Buffer::HostTail
            | Buffer::Handoff => Home::Host,
            _ => Home::Device,
        };
        let copies = buffer.copies(case).1;
        let slots = (0..copies).map(|_| device.allocate(home, bytes as usize)).collect::<Result<_, _>>()?;
        Ok(Pool { buffer, slots, lost: Arc::default() })
    }

    /// The slot of the generation that `entered` works on, to be written.
    pub(crate) fn fill(&self, entered: &Entered) -> Result<Lease<Filling>, Error> {
        let generation = entered.generation();
        let lost = self.lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(error) = &*lost {
            return Err(error.clone());
        }
        let region = self.slots[generation as usize % self.slots.len()].clone();
        let (buffer, lost) = (self.buffer, Some(self.lost.clone()));
        Ok(Lease { region, buffer, generation, lost, state: PhantomData })
    }
}

impl Pool {
    /// What the generation before left, to be read: the row that carries it over is kept by the stage.
    pub(crate) fn carried(&self, entered: &Entered) -> Result<Lease<Draining>, Error> {
        Ok(self.fill(entered)?.seal().drain(entered))
    }

    /// A slot that the caller filled in memory of its own: it takes the place of this generation's.
    pub(crate) fn adopt(&self, entered: &Entered, region: &Region) -> Lease<Ready> {
        let (buffer, lost) = (self.buffer, Some(self.lost.clone()));
        Lease { region: region.clone(), buffer, generation: entered.generation(), lost, state: PhantomData }
    }
}

impl<State> Lease<State> {
    fn turn<Next>(mut self) -> Lease<Next> {
        let (region, buffer, generation) = (self.region.clone(), self.buffer, self.generation);
        Lease { region, buffer, generation, lost: self.lost.take(), state: PhantomData }
    }

    /// Bytes of the slot.
    pub(crate) fn len(&self) -> usize {
        self.region.len()
    }

    fn check(&self, entered: &Entered, allowed: bool) {
        assert!(allowed, "{:?} does not touch {:?}: see the table", entered.stage(), self.buffer);
        let own = self.buffer.copies_clock() == entered.stage().clock();
        debug_assert!(!own || entered.generation() == self.generation || entered.stage().looks_back());
    }
}

impl Lease<Filling> {
    pub(crate) fn write(&mut self, entered: &Entered, range: Range<usize>) -> Write<'_> {
        self.check(entered, entered.writes(self.buffer));
        // SAFETY: the lease is the only one of this slot and generation; the stage's waits, among them the row that
        // returns the slot, were queued when it was entered, and the row of its contents is recorded when it ends.
        unsafe { Write::mint(&self.region, range) }
    }

    /// A view of what was written through this lease.
    pub(crate) fn written(&self, entered: &Entered, range: Range<usize>) -> Read<'_> {
        self.check(entered, entered.writes(self.buffer));
        // SAFETY: as in `write`; the borrow keeps this lease from writing meanwhile.
        unsafe { Read::mint(&self.region, range) }
    }

    /// A view of what was written, that travels to the store with its part.
    pub(crate) fn lend_written(&self, entered: &Entered, range: Range<usize>) -> Read<'static> {
        self.check(entered, entered.writes(self.buffer));
        // SAFETY: each range of the slot is written once, before it is lent; `sunk` is recorded by the last part to
        // come back, and the slot is filled again only after it.
        unsafe { Read::mint(&self.region, range) }
    }

    pub(crate) fn seal(self) -> Lease<Ready> {
        self.turn()
    }
}

impl Lease<Ready> {
    /// The contents stay where they are for the next generation, which reads them by a lease of its own.
    pub(crate) fn give_up(mut self) {
        self.lost = None;
    }

    pub(crate) fn drain(self, entered: &Entered) -> Lease<Draining> {
        self.check(entered, entered.reads(self.buffer));
        self.turn()
    }
}

impl Lease<Draining> {
    pub(crate) fn read(&self, entered: &Entered, range: Range<usize>) -> Read<'_> {
        self.check(entered, entered.reads(self.buffer));
        // SAFETY: the waits of the stage, among them the row of these contents, were queued when it was entered;
        // the row that returns the slot is recorded after it.
        unsafe { Read::mint(&self.region, range) }
    }

    /// A view that travels to the store with its part; the returning row is recorded when the last part is back.
    pub(crate) fn lend(&self, entered: &Entered, range: Range<usize>) -> Read<'static> {
        self.check(entered, entered.reads(self.buffer));
        // SAFETY: `sunk` is recorded by the last part to come back, and the slot is filled again only after it.
        unsafe { Read::mint(&self.region, range) }
    }

    /// Gives the slot back: the row that returns it is, or will be, recorded.
    pub(crate) fn retire(mut self) {
        self.lost = None;
    }
}

impl<State> Drop for Lease<State> {
    fn drop(&mut self) {
        let Some(lost) = self.lost.take() else { return };
        let cause = if std::thread::panicking() { "a panic" } else { "an earlier error" };
        let error = Error::Lost { buffer: self.buffer.name(), generation: self.generation, cause };
        lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(error);
    }
}

impl Buffer {
    fn copies_clock(self) -> Clock {
        match self {
            Buffer::Staging | Buffer::DeviceStaging => Clock::Dispatch,
            _ => Clock::Batch,
        }
    }

    /// Its name in the budget and in messages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Buffer::Staging => "staging",
            Buffer::DeviceStaging => "device staging",
            Buffer::ChunkPool => "chunk pool",
            Buffer::Scratch => "codec scratch",
            Buffer::HostTables | Buffer::Tables => "lookup tables",
            Buffer::Packed => "packed",
            Buffer::PackedIndex => "packed index",
            Buffer::HostIndex => "host index",
            Buffer::HostPayload => "host payload",
            Buffer::Footers => "shard indexes",
            Buffer::Handoff => "handoff",
            Buffer::Tail => "tail",
            Buffer::HostTail => "host tail",
        }
    }
}

impl crate::table::Stage {
    /// Carry reads the slot of the generation before its own.
    fn looks_back(self) -> bool {
        matches!(self, crate::table::Stage::Carry)
    }
}
