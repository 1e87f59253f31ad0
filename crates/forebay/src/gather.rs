//! Small appends, gathered until they are worth a step of the orchestration: that takes locks, whatever there is to take.
//!
//! What is gathered never completes a layer of chunks. Nobody could read any of it yet, and nothing waits for it: to
//! gather it changes nothing that can be seen.

use std::time::Duration;

use flow::{Array, Error, Latency};
use plan::{Plan, SMALL_APPEND};

/// Of so many calls that do nothing but gather, the first is timed, and the others count as long as it: to look at the clock
/// twice takes longer than all else of such a call.
const ALIKE: u32 = 16;

/// Small appends that the run has not got yet.
pub(crate) struct Gathered {
    bytes: Vec<u8>,
    /// Bytes at which they go on.
    full: usize,
    /// Times of calls that the run has not counted.
    times: Latency,
    /// What a call that only gathers took when one was timed last, and how many more count as long.
    alike: (Duration, u32),
    /// Bytes that complete the begun layer of chunks, from the first that is gathered on.
    lacks: u64,
    /// Bytes that the array can take, from the first that is gathered on.
    room: u64,
}

impl Gathered {
    pub(crate) fn new(plan: &Plan) -> Gathered {
        let full = plan.gathered_bytes() as usize;
        let bytes = Vec::with_capacity(full + SMALL_APPEND as usize);
        Gathered { bytes, full, times: Latency::default(), alike: (Duration::ZERO, 0), lacks: 0, room: 0 }
    }

    /// Takes bytes, all of them or, past the end of a bounded array, none.
    pub(crate) fn append(&mut self, array: &Array, bytes: &[u8]) -> Result<(), Error> {
        let gathers = !self.bytes.is_empty() && !self.is_filled_by(bytes);
        if gathers && self.alike.1 > 0 {
            self.alike.1 -= 1;
            self.times.add(self.alike.0);
            return self.take(array, bytes);
        }
        let start = array.now();
        let ended = self.take(array, bytes);
        let took = array.now().saturating_sub(start);
        self.times.add(took);
        if gathers {
            self.alike = (took, ALIKE - 1);
        }
        ended
    }

    /// Whether what is gathered goes on with these bytes.
    fn is_filled_by(&self, bytes: &[u8]) -> bool {
        let with = self.bytes.len() + bytes.len();
        with as u64 >= self.lacks || with >= self.full
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
        let goes = self.is_filled_by(bytes);
        self.bytes.extend_from_slice(bytes);
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
