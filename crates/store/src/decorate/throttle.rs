//! A store that takes bytes no faster than told: how does the rest bear a slow disk?

use std::num::NonZeroU64;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::pass_reads_on;
use crate::lock::lock;
use crate::{Done, Error, Object, Part, Store};

/// Holds puts and appends back so that all objects together take so many bytes per second.
pub struct Throttled {
    inner: Arc<dyn Store>,
    pace: Arc<Pace>,
}

struct Held {
    inner: Box<dyn Object>,
    pace: Arc<Pace>,
}

struct Pace {
    bytes_per_second: NonZeroU64,
    /// When all bytes so far are through.
    through: Mutex<Option<Instant>>,
    /// Nobody signals it: it is there to let go of the lock while time passes.
    time: Condvar,
}

impl Throttled {
    /// `inner`, at so many bytes per second.
    pub fn new(inner: Arc<dyn Store>, bytes_per_second: NonZeroU64) -> Self {
        let pace = Pace { bytes_per_second, through: Mutex::new(None), time: Condvar::new() };
        Self { inner, pace: Arc::new(pace) }
    }
}

impl Store for Throttled {
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        self.pace.hold(bytes.len());
        self.inner.put(key, bytes)
    }

    fn create(&self, key: &str) -> Result<Box<dyn Object>, Error> {
        let inner = self.inner.create(key)?;
        Ok(Box::new(Held { inner, pace: Arc::clone(&self.pace) }))
    }

    pass_reads_on!();
}

impl Object for Held {
    fn append(&mut self, offset: u64, part: Part) -> Result<(), Error> {
        self.pace.hold(part.bytes().len());
        self.inner.append(offset, part)
    }

    fn finalize(self: Box<Self>, length: u64, done: Done) {
        self.inner.finalize(length, done);
    }
}

impl Pace {
    /// Blocks until `bytes` more are through.
    fn hold(&self, bytes: usize) {
        let mut through = lock(&self.through);
        let due = due(*through, now(), self.cost(bytes));
        *through = Some(due);
        // Woken without cause it looks at the clock again.
        while let Some(left) = due.checked_duration_since(now()).filter(|left| !left.is_zero()) {
            (through, _) = self.time.wait_timeout(through, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn cost(&self, bytes: usize) -> Duration {
        let nanoseconds = bytes as u128 * 1_000_000_000 / u128::from(self.bytes_per_second.get());
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

/// When bytes that take `cost` are through, after those before them. Time that nobody used is lost: a pause
/// must not be followed by a burst that no disk of this speed could take.
fn due(through: Option<Instant>, now: Instant, cost: Duration) -> Instant {
    through.map_or(now, |through| through.max(now)) + cost
}

#[expect(clippy::disallowed_methods, reason = "a slow disk is slow by the wall clock, not by the seam's")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Memory;
    use crate::contract::{self, Readable};

    fn rate(bytes_per_second: u64) -> NonZeroU64 {
        NonZeroU64::new(bytes_per_second).expect("not zero")
    }

    #[test]
    fn keeps_the_contract() {
        contract::check(&|| Arc::new(Throttled::new(Arc::new(Memory::new()), rate(1 << 40))), Readable::Yes);
    }

    #[test]
    fn keeps_the_contract_with_pages() {
        let store = || Memory::with_alignment(4096);
        contract::check(&|| Arc::new(Throttled::new(Arc::new(store()), rate(1 << 40))), Readable::Yes);
        assert_eq!(Throttled::new(Arc::new(store()), rate(1 << 40)).alignment(), 4096);
    }

    #[test]
    fn bytes_queue_behind_each_other_and_pauses_are_lost() {
        let (start, second) = (now(), Duration::from_secs(1));
        assert_eq!(due(None, start, second), start + second);
        assert_eq!(due(Some(start + second), start, second), start + 2 * second);
        assert_eq!(due(Some(start), start + 5 * second, second), start + 6 * second);
    }

    #[test]
    fn takes_no_more_than_its_rate() {
        let store = Throttled::new(Arc::new(Memory::new()), rate(1_000_000));
        let start = now();
        let mut object = store.create("a").expect("create");
        for step in 0..5 {
            object.append(step * 10_000, contract::part(vec![0; 10_000])).expect("append");
        }
        assert!(now() - start >= Duration::from_millis(50));
    }
}
