//! A store that counts: how many operations, and how many bytes, did a run cost?

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Done, Entry, Error, Object, Operation, Part, Store};

/// Counts every operation on `inner`, whether it succeeds or not.
pub struct Counting {
    inner: Arc<dyn Store>,
    counts: Counts,
}

/// The counts of one store; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Counts(Arc<[Count; KINDS]>);

/// As many as [`Operation`] has members.
const KINDS: usize = Operation::Remove as usize + 1;

#[derive(Debug, Default)]
struct Count {
    operations: AtomicU64,
    bytes: AtomicU64,
}

struct Counted {
    inner: Box<dyn Object>,
    counts: Counts,
}

impl Counting {
    /// `inner`, with all counts at 0.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, counts: Counts::default() }
    }

    /// A handle on the counts, which keep changing.
    pub fn counts(&self) -> Counts {
        self.counts.clone()
    }
}

impl Counts {
    /// How often `operation` was asked for.
    pub fn operations(&self, operation: Operation) -> u64 {
        self.of(operation).operations.load(Ordering::Relaxed)
    }

    /// The bytes that went through it: put, got, appended; for a finalize the object's length.
    pub fn bytes(&self, operation: Operation) -> u64 {
        self.of(operation).bytes.load(Ordering::Relaxed)
    }

    fn add(&self, operation: Operation, bytes: u64) {
        self.of(operation).operations.fetch_add(1, Ordering::Relaxed);
        self.of(operation).bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn of(&self, operation: Operation) -> &Count {
        &self.0[operation as usize]
    }
}

impl Store for Counting {
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        self.counts.add(Operation::Put, bytes.len() as u64);
        self.inner.put(key, bytes)
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let found = self.inner.get(key);
        let bytes = found.as_ref().ok().and_then(Option::as_ref).map_or(0, Vec::len);
        self.counts.add(Operation::Get, bytes as u64);
        found
    }

    fn get_range(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>, Error> {
        let found = self.inner.get_range(key, range);
        self.counts.add(Operation::Get, found.as_ref().map_or(0, Vec::len) as u64);
        found
    }

    fn size(&self, key: &str) -> Result<Option<u64>, Error> {
        self.counts.add(Operation::Size, 0);
        self.inner.size(key)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>, Error> {
        self.counts.add(Operation::List, 0);
        self.inner.list(prefix)
    }

    fn create(&self, key: &str) -> Result<Box<dyn Object>, Error> {
        self.counts.add(Operation::Create, 0);
        let inner = self.inner.create(key)?;
        Ok(Box::new(Counted { inner, counts: self.counts.clone() }))
    }

    fn alignment(&self) -> u64 {
        self.inner.alignment()
    }

    fn sync(&self) -> Result<(), Error> {
        self.counts.add(Operation::Sync, 0);
        self.inner.sync()
    }
}

impl Object for Counted {
    fn append(&mut self, offset: u64, part: Part) -> Result<(), Error> {
        self.counts.add(Operation::Append, part.bytes().len() as u64);
        self.inner.append(offset, part)
    }

    fn finalize(self: Box<Self>, length: u64, done: Done) {
        self.counts.add(Operation::Finalize, length);
        self.inner.finalize(length, done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Memory;
    use crate::contract::{self, Readable, finalize, part};

    #[test]
    fn keeps_the_contract() {
        contract::check(&|| Arc::new(Counting::new(Arc::new(Memory::new()))), Readable::Yes);
    }

    #[test]
    fn keeps_the_contract_with_pages() {
        let store = || Memory::with_alignment(4096);
        contract::check(&|| Arc::new(Counting::new(Arc::new(store()))), Readable::Yes);
        assert_eq!(Counting::new(Arc::new(store())).alignment(), 4096);
    }

    #[test]
    fn counts_operations_and_bytes() {
        let store = Counting::new(Arc::new(Memory::new()));
        let counts = store.counts();
        store.put("a", b"123").expect("put");
        store.get("a").expect("get");
        store.get_range("a", 1..2).expect("get_range");
        store.get("absent").expect("get");
        let mut object = store.create("b").expect("create");
        object.append(0, part(vec![0; 10])).expect("append");
        object.append(10, part(vec![0; 10])).expect("append");
        finalize(object, 15).expect("finalize");
        let of = |operation| (counts.operations(operation), counts.bytes(operation));
        assert_eq!(of(Operation::Put), (1, 3));
        assert_eq!(of(Operation::Get), (3, 4));
        assert_eq!(of(Operation::Append), (2, 20));
        assert_eq!(of(Operation::Finalize), (1, 15));
        assert_eq!(of(Operation::List), (0, 0));
    }
}
