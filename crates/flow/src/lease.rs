//! Leases: a slot of a buffer for one generation, in a state that says what may be done with it.
//!
//! `Free -(fill)-> Filling -(seal)-> Ready -(drain)-> Draining -(retire)-> Free`. Views come from a lease and an entered
//! stage together: entering queued the waits of every row that leads to the stage (see `order`), the table says which
//! buffers it touches, and ending it records the rows that leave it. So no buffer that two lanes touch, or a lane and
//! the host, is reachable without its ordering. Only this room makes leases; what the types forbid is shown here.
//!
//! A slot that is filled may be written, and one that is drained may be read:
//!
//! ```
//! use forebay_flow::lease::{Draining, Filling, Lease};
//! use forebay_flow::Entered;
//!
//! fn write(lease: &mut Lease<Filling>, stage: &Entered) -> usize {
//!     lease.write(stage, 0..8).len()
//! }
//! fn read(lease: &Lease<Draining>, stage: &Entered) -> usize {
//!     let view = lease.read(stage, 0..8);
//!     view.len()
//! }
//! ```
//!
//! Not the other way round:
//!
//! ```compile_fail,E0599
//! use forebay_flow::lease::{Filling, Lease};
//! fn read_before_it_is_ready(lease: &Lease<Filling>, stage: &forebay_flow::Entered) {
//!     lease.read(stage, 0..8);
//! }
//! ```
//!
//! ```compile_fail,E0599
//! use forebay_flow::lease::{Draining, Lease};
//! fn write_while_it_is_read(lease: &mut Lease<Draining>, stage: &forebay_flow::Entered) {
//!     lease.write(stage, 0..8);
//! }
//! ```
//!
//! Contents that are ready are reached by a stage that waits for them, and not before:
//!
//! ```compile_fail,E0599
//! use forebay_flow::lease::{Lease, Ready};
//! fn read_without_the_row(lease: &Lease<Ready>, stage: &forebay_flow::Entered) {
//!     lease.read(stage, 0..8);
//! }
//! ```
//!
//! ```compile_fail,E0061
//! use forebay_flow::lease::{Filling, Lease};
//! fn write_outside_of_a_stage(lease: &mut Lease<Filling>) {
//!     lease.write(0..8);
//! }
//! ```
//!
//! A view does not outlive its lease, and a lease is used up by what ends it:
//!
//! ```compile_fail,E0505
//! use forebay_flow::lease::{Draining, Lease};
//! fn keep_the_view(lease: Lease<Draining>, stage: &forebay_flow::Entered) -> usize {
//!     let view = lease.read(stage, 0..8);
//!     lease.retire();
//!     view.len()
//! }
//! ```
//!
//! ```compile_fail,E0382
//! use forebay_flow::lease::{Filling, Lease};
//! fn write_after_it_is_sealed(mut lease: Lease<Filling>, stage: &forebay_flow::Entered) {
//!     let ready = lease.seal();
//!     lease.write(stage, 0..8);
//!     drop(ready);
//! }
//! ```
//!
//! Nobody outside makes a lease or enters a stage, and the memory behind a lease is its own:
//!
//! ```compile_fail,E0616
//! use forebay_flow::lease::{Filling, Lease};
//! fn the_memory_itself(lease: &Lease<Filling>) -> usize {
//!     lease.region.len()
//! }
//! ```
//!
//! A buffer that the store reads is lent by value and comes back with the part: see `courier`. A lease that is dropped
//! unretired poisons its pool with its cause; it never panics or hangs.

use std::marker::PhantomData;
use std::ops::Range;

use device::sync::{Arc, Mutex};
use device::{Device, Home, Name, Read, Region, Write};

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
#[derive(Debug)]
pub struct Filling;
/// The contents are complete.
#[derive(Debug)]
pub struct Ready;
/// The slot may be read.
#[derive(Debug)]
pub struct Draining;

/// One slot for one generation.
#[must_use = "a lease that is dropped unretired poisons its pool"]
pub struct Lease<State> {
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
        let copies = usize::from(buffer.copies(case).1);
        let slot = |slot| device.allocate(home, bytes as usize, Name { buffer: buffer.name(), slot });
        let slots = (0..copies).map(slot).collect::<Result<_, _>>()?;
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
    /// What is in the slot, to be read: the generation before left it, or a stage before this one, and the stage has waited.
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
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a slot has bytes")]
    pub fn len(&self) -> usize {
        self.region.len()
    }

    fn check(&self, entered: &Entered, allowed: bool) {
        entered.name_it();
        assert!(allowed, "{:?} does not touch {:?}: see the table", entered.stage(), self.buffer);
        let own = self.buffer.copies_clock() == entered.stage().clock();
        debug_assert!(
            !own || entered.generation() == self.generation || entered.stage().looks_back(self.buffer) > 0
        );
    }
}

impl Lease<Filling> {
    /// A view of bytes `range`, to be written by work of this stage.
    ///
    /// # Panics
    /// The table does not say that the stage writes this buffer.
    #[must_use]
    pub fn write(&mut self, entered: &Entered, range: Range<usize>) -> Write<'_> {
        self.check(entered, entered.writes(self.buffer));
        // SAFETY: the lease is the only one of this slot and generation; the stage's waits, among them the row that
        // returns the slot, were queued when it was entered, and the row of its contents is recorded when it ends.
        unsafe { Write::mint(&self.region, range) }
    }

    /// Views of parts that do not overlap: some to be read, of what was written before, and one to be written.
    ///
    /// # Panics
    /// The table does not say that the stage touches this buffer; parts overlap.
    pub(crate) fn parts<const N: usize>(
        &mut self,
        entered: &Entered,
        reads: [Range<usize>; N],
        write: Option<Range<usize>>,
    ) -> ([Read<'_>; N], Option<Write<'_>>) {
        self.check(entered, entered.writes(self.buffer) && entered.reads(self.buffer));
        let apart = |r: &Range<usize>| {
            let overlaps = |w: &Range<usize>| r.start < w.end && w.start < r.end;
            !write.as_ref().is_some_and(overlaps)
        };
        assert!(reads.iter().all(apart), "{:?} reads what it writes", self.buffer);
        // SAFETY: as in `write`; no other view is lent while these are, and they are apart.
        let views = reads.map(|range| unsafe { Read::mint(&self.region, range) });
        // SAFETY: as above.
        (views, write.map(|range| unsafe { Write::mint(&self.region, range) }))
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

    /// The contents are complete, once the work that was queued has run.
    pub fn seal(self) -> Lease<Ready> {
        self.turn()
    }
}

impl Lease<Ready> {
    /// The contents stay where they are for the next generation, which reads them by a lease of its own.
    pub(crate) fn give_up(mut self) {
        self.lost = None;
    }

    /// Takes the slot to be read by this stage, which waits for its contents.
    ///
    /// # Panics
    /// The table does not say that the stage touches this buffer.
    pub fn drain(self, entered: &Entered) -> Lease<Draining> {
        self.check(entered, entered.reads(self.buffer));
        self.turn()
    }
}

impl Lease<Draining> {
    /// A view of bytes `range`, to be read by work of this stage.
    ///
    /// # Panics
    /// The table does not say that the stage touches this buffer.
    #[must_use]
    pub fn read(&self, entered: &Entered, range: Range<usize>) -> Read<'_> {
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
    pub fn retire(mut self) {
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
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Buffer::Staging => "staging",
            Buffer::DeviceStaging => "device staging",
            Buffer::ChunkPool => "chunk pool",
            Buffer::Pyramid => "pyramid",
            Buffer::Scratch => "codec scratch",
            Buffer::HostTables => "host tables",
            Buffer::Tables => "lookup tables",
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
