//! Small appends, gathered until they are worth a step of the orchestration: that takes locks, whatever there is to take.
//!
//! What is gathered never completes a layer of chunks. Nobody could read any of it yet, and nothing waits for it: to
//! gather it changes nothing that can be seen.

use flow::{Array, Error, Latency};
use plan::{Plan, SMALL_APPEND};

/// Small appends that the run has not got yet.
pub(crate) struct Gathered {
    bytes: Vec<u8>,
    /// Bytes at which they go on.
    full: usize,
    /// Times of calls that the run has not counted.
    times: Latency,
    /// Bytes that complete the begun layer of chunks, from the first that is gathered on.
    lacks: u64,
    /// Bytes that the array can take, from the first that is gathered on.
    room: u64,
}

impl Gathered {
    pub(crate) fn new(plan: &Plan) -> Gathered {
        let full = plan.gathered_bytes() as usize;
        let bytes = Vec::with_capacity(full + SMALL_APPEND as usize);
        Gathered { bytes, full, times: Latency::default(), lacks: 0, room: 0 }
    }

    /// Takes bytes, all of them or, past the end of a bounded array, none.
    pub(crate) fn append(&mut self, array: &Array, bytes: &[u8]) -> Result<(), Error> {
        let start = array.now();
        let ended = self.take(array, bytes);
        self.times.add(array.now().saturating_sub(start));
        ended
    }

    fn take(&mut self, array: &Array, bytes: &[u8]) -> Result<(), Error> {
        array.check()?;
        if self.bytes.is_empty() {
            (self.lacks, self.room) = array.ahead();
        }
        let (held, given) = (self.bytes.len() as u64, bytes.len() as u64);
        if held + given > self.room {
            return Err(Error::PastEnd { given, room: self.room - held });
        }
        self.bytes.extend_from_slice(bytes);
        let goes = held + given >= self.lacks || self.bytes.len() >= self.full;
        if goes { self.pass_on(array) } else { Ok(()) }
    }

    /// Gives the run what is gathered.
    pub(crate) fn pass_on(&mut self, array: &Array) -> Result<(), Error> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        // Away while the run has them: after a panic they must not come twice.
        let mut bytes = std::mem::take(&mut self.bytes);
        let before = array.appended();
        let ended = array.append_gathered(&bytes, &mut self.times);
        // What a run that has failed did not take still counts as given.
        bytes.drain(..(array.appended() - before) as usize);
        self.bytes = bytes;
        ended
    }

    /// Number of bytes.
    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Times of calls that the run has not counted.
    pub(crate) fn times(&self) -> &Latency {
        &self.times
    }
}
