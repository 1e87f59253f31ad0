//! Frames that reach the writer without `append`.

use std::ops::{Deref, DerefMut};

use crate::Error;
use crate::channels::Ranges;

/// Memory of the writer, lent to be filled in place: see [`Writer::reserve`](crate::Writer::reserve).
#[must_use = "what is not committed is not taken"]
pub struct Reserved<'a> {
    pub(crate) memory: flow::Reserved<'a>,
    /// Where the ranges of the data are asked for.
    pub(crate) ranges: Option<&'a mut Ranges>,
}

impl Reserved<'_> {
    /// Takes the first `bytes` bytes, as if they had been appended.
    ///
    /// # Errors
    /// More than were reserved, or more than a bounded array has room for: then none are taken and the run goes on.
    /// Otherwise the first error of the run.
    pub fn commit(self, bytes: usize) -> Result<(), Error> {
        let Reserved { memory, ranges } = self;
        // The bytes are gone when they are taken, and are not taken when that is refused.
        let seen = ranges.as_deref().zip(memory.get(..bytes)).map(|(before, bytes)| {
            let mut ranges = before.clone();
            ranges.see(bytes);
            ranges
        });
        memory.commit(bytes)?;
        if let Some((ranges, seen)) = ranges.zip(seen) {
            *ranges = seen;
        }
        Ok(())
    }
}

impl Deref for Reserved<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory
    }
}

impl DerefMut for Reserved<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory
    }
}

/// Memory of the caller's, registered once: see [`Writer::register`](crate::Writer::register).
pub struct Registered(pub(crate) flow::Registered);

impl Registered {
    /// The bytes, to be filled. Blocks until the writer has read what was appended from them before.
    ///
    /// # Errors
    /// The device failed.
    pub fn bytes_mut(&mut self) -> Result<&mut [u8], Error> {
        Ok(self.0.bytes_mut()?)
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
