//! A store that fails once, at a chosen operation: does the rest bear it?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::pass_reads_on;
use crate::part::refuse;
use crate::refusal::Refusal;
use crate::tally::Tally;
use crate::{Done, Error, Object, Operation, Part, Payload, Store};

/// Fails the n-th put, create, append or finalize, and passes all others on.
///
/// A failed append fails as one on a disk does: `append` itself succeeds, the part comes back with the error,
/// and so do later appends and the end of that object.
pub struct Failing {
    inner: Arc<dyn Store>,
    script: Arc<Script>,
}

struct Script {
    fails_at: u64,
    operations: AtomicU64,
}

struct Fragile {
    inner: Box<dyn Object>,
    key: String,
    script: Arc<Script>,
    /// Its own account of the parts that `inner` has: when `inner` is abandoned, nobody else waits for them.
    tally: Arc<Tally<Done>>,
}

/// A part that `inner` has.
struct Lent {
    part: Part,
    tally: Arc<Tally<Done>>,
}

impl Failing {
    /// `inner`, with a failure at the operation of that number, counted from 1; 0 for none.
    pub fn new(inner: Arc<dyn Store>, fails_at: u64) -> Self {
        Self { inner, script: Arc::new(Script { fails_at, operations: AtomicU64::new(0) }) }
    }

    /// Puts, creates, appends and finalizes so far. A test runs once without a failure to learn how many
    /// there are, and then once with a failure at each.
    pub fn operations(&self) -> u64 {
        self.script.operations.load(Ordering::Relaxed)
    }
}

impl Script {
    /// Counts an operation, and fails it if it is its turn.
    fn next(&self, operation: Operation, key: &str) -> Result<(), Error> {
        let number = self.operations.fetch_add(1, Ordering::Relaxed) + 1;
        if number == self.fails_at {
            return Err(Error::new(operation, key, Refusal::Injected));
        }
        Ok(())
    }
}

impl Store for Failing {
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        self.script.next(Operation::Put, key)?;
        self.inner.put(key, bytes)
    }

    fn create(&self, key: &str) -> Result<Box<dyn Object>, Error> {
        self.script.next(Operation::Create, key)?;
        let inner = self.inner.create(key)?;
        let (key, script) = (key.to_owned(), Arc::clone(&self.script));
        Ok(Box::new(Fragile { inner, key, script, tally: Arc::new(Tally::new()) }))
    }

    pass_reads_on!();
}

impl Object for Fragile {
    fn append(&mut self, offset: u64, part: Part) -> Result<(), Error> {
        if let Err(error) = self.tally.check() {
            return refuse(part, error);
        }
        if let Err(error) = self.script.next(Operation::Append, &self.key) {
            self.tally.fail(error.clone());
            part.returned(Err(error));
            return Ok(());
        }
        self.tally.sent();
        self.inner.append(offset, Box::new(Lent { part, tally: Arc::clone(&self.tally) }))
    }

    fn finalize(self: Box<Self>, length: u64, done: Done) {
        let turn = self.script.next(Operation::Finalize, &self.key);
        if let Err(error) = self.tally.check().and(turn) {
            self.tally.fail(error);
            drop(self.inner);
            self.tally.end(done).into_iter().for_each(|done| tell(&self.tally, done));
            return;
        }
        self.inner.finalize(length, done);
    }
}

impl Payload for Lent {
    fn bytes(&self) -> &[u8] {
        self.part.bytes()
    }

    fn returned(self: Box<Self>, result: Result<(), Error>) {
        self.part.returned(result);
        if let Some(done) = self.tally.back() {
            tell(&self.tally, done);
        }
    }
}

fn tell(tally: &Tally<Done>, done: Done) {
    done(tally.check());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Memory;
    use crate::contract::{self, Readable, finalize, tracked, wait};

    #[test]
    fn keeps_the_contract_when_nothing_fails() {
        contract::check(&|| Arc::new(Failing::new(Arc::new(Memory::new()), 0)), Readable::Yes);
    }

    #[test]
    fn keeps_the_contract_with_pages() {
        let store = || Memory::with_alignment(4096);
        contract::check(&|| Arc::new(Failing::new(Arc::new(store()), 0)), Readable::Yes);
        assert_eq!(Failing::new(Arc::new(store()), 0).alignment(), 4096);
    }

    /// One put and one object of two parts, as far as it gets; the messages of what failed.
    fn story(store: &dyn Store) -> Vec<String> {
        let mut failures = Vec::new();
        let mut note =
            |result: Result<(), Error>| failures.extend(result.err().map(|error| error.to_string()));
        note(store.put("a", b""));
        match store.create("c/0") {
            Err(error) => note(Err(error)),
            Ok(mut object) => {
                for offset in 0..2 {
                    let (part, back) = tracked(vec![0]);
                    assert!(object.append(offset, part).is_ok() || offset == 1);
                    note(wait(&back));
                }
                note(finalize(object, 2));
            }
        }
        failures
    }

    #[test]
    fn fails_at_each_operation_in_turn() {
        let healthy = Failing::new(Arc::new(Memory::new()), 0);
        assert!(story(&healthy).is_empty());
        assert_eq!(healthy.operations(), 5);
        let expected = [
            ("put a", 1),
            ("create c/0", 1),
            ("append to c/0", 3),
            ("append to c/0", 2),
            ("finalize c/0", 1),
        ];
        for (number, (operation, times)) in (1..).zip(expected) {
            let store = Failing::new(Arc::new(Memory::new()), number);
            let message = format!("{operation}: failure injected by a test");
            assert_eq!(story(&store), vec![message; times], "operation {number}");
            assert_eq!(store.get("c/0").expect("get").is_some(), number == 1);
        }
    }
}
