//! Bytes that reach the run without passing through `append`: staging that the caller fills in place, and memory of
//! the caller's own.

use std::ops::{Deref, DerefMut, Range};
use std::time::Duration;

use device::sync::Arc;
use device::{Lane, Read, Region, Write, on};

use crate::Error;
use crate::array::Array;
use crate::order::Order;
use crate::producer::Held;
use crate::run::Run;
use crate::table::Stage;

/// Staging, lent to be filled. Dropping it takes nothing. While it lives the run's own timer kicks nothing, and to
/// forget it (`std::mem::forget`) is to lend it for ever.
#[must_use = "what is not committed is not taken"]
pub struct Reserved<'a> {
    array: &'a Array,
    producer: Held<'a>,
    bytes: usize,
    /// Time that the reservation took: it counts as that of an append.
    waited: Duration,
}

impl<'a> Reserved<'a> {
    pub(crate) fn new(array: &'a Array, start: Duration, bytes: usize) -> Result<Reserved<'a>, Error> {
        let mut producer = array.lock_producer()?;
        producer.reserve(bytes).map_err(|e| array.refused_or_failed(e))?;
        let waited = array.run().device().now().saturating_sub(start);
        Ok(Reserved { array, producer, bytes, waited })
    }

    /// Takes the first `bytes` bytes.
    ///
    /// # Errors
    /// More than were reserved, or than a bounded array has room for: then none are taken. The first error of the run.
    pub fn commit(mut self, bytes: usize) -> Result<(), Error> {
        let held = self.bytes as u64;
        if bytes > self.bytes {
            return Err(Error::Beyond { call: "commit", given: bytes as u64, held });
        }
        let array = self.array;
        let start = array.run().device().now();
        let ended = self.producer.commit(bytes);
        let took = self.waited + array.run().device().now().saturating_sub(start);
        array.run().counts.called(0, took);
        ended.map_err(|e| array.refused_or_failed(e))
    }
}

impl Deref for Reserved<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.producer.reserved(self.bytes)
    }
}

impl DerefMut for Reserved<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        let bytes = self.bytes;
        self.producer.reserved_mut(bytes)
    }
}

/// Memory of the caller's own, that the device reads where it lies.
pub struct Registered {
    order: Arc<Order>,
    region: Region,
    /// One past the last dispatch that reads it; 0: none does.
    until: u64,
}

impl Registered {
    pub(crate) fn new(run: &Run, bytes: Vec<u8>) -> Result<Registered, Error> {
        Ok(Registered { order: run.engine.order.clone(), region: run.device().register(bytes)?, until: 0 })
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.region.len()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.region.is_empty()
    }

    /// The bytes, to be filled. Blocks until the run has read what was appended from them.
    ///
    /// # Errors
    /// The device failed.
    pub fn bytes_mut(&mut self) -> Result<&mut [u8], Error> {
        // Whoever holds the memory fills it as the producer would.
        let _lane = on(Lane::Producer);
        if let Some(last) = self.until.checked_sub(1) {
            self.order.settled("staging_free", last)?;
            self.until = 0;
        }
        self.order.name_it(Stage::Fill, self.until);
        // SAFETY: every dispatch that reads the bytes has ended: `staging_free` of the last one was waited for, and lanes
        // run in order. A new one begins with a borrow of this value only.
        let write = unsafe { Write::mint(&self.region, 0..self.region.len()) };
        Ok(write.into_bytes()?)
    }

    /// The first bytes, while the caller holds them: what a run reads of them at that time is the same.
    ///
    /// # Errors
    /// The device failed.
    pub fn first(&self, bytes: usize) -> Result<&[u8], Error> {
        let _lane = on(Lane::Producer);
        self.peek(0..bytes)
    }

    /// A few bytes of it, while the caller holds it: what a cut element needs.
    pub(crate) fn peek(&self, range: Range<usize>) -> Result<&[u8], Error> {
        self.order.name_it(Stage::Fill, self.until);
        // SAFETY: nothing writes while this borrow lasts: writing takes a mutable one.
        let read = unsafe { Read::mint(&self.region, range) };
        Ok(read.bytes()?)
    }

    pub(crate) fn check(&self, run: &Run) -> Result<(), Error> {
        if Arc::ptr_eq(&self.order, &run.engine.order) { Ok(()) } else { Err(Error::Foreign) }
    }

    pub(crate) fn region(&self) -> &Region {
        &self.region
    }

    pub(crate) fn read_until(&mut self, dispatch: u64) {
        self.until = dispatch;
    }
}
