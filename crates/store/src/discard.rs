//! A store that takes everything and keeps nothing but metadata: how fast is the rest?

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cursor::Cursor;
use crate::part::refuse;
use crate::{Done, Entry, Error, Memory, Object, Operation, Part, Store, key};

/// Whole objects up to this many bytes are kept, because they are metadata that is read back.
const SMALL: usize = 1 << 20;

/// A store that counts appended bytes and finalized objects and drops them. Clones share counts and metadata.
///
/// What was put whole and is at most 1 MiB can be read back; everything else is absent when read.
#[derive(Clone, Default)]
pub struct Discard {
    alignment: u64,
    counts: Arc<Counts>,
    small: Memory,
}

#[derive(Default)]
struct Counts {
    objects: AtomicU64,
    bytes: AtomicU64,
}

struct Vanishing {
    cursor: Cursor,
    counts: Arc<Counts>,
}

impl Discard {
    /// A store that takes appends in pages of `alignment` bytes, from memory that is aligned to them; 0 for
    /// bytes of any length and place.
    pub fn new(alignment: u64) -> Self {
        Self { alignment, ..Self::default() }
    }

    /// Objects finalized so far.
    pub fn objects(&self) -> u64 {
        self.counts.objects.load(Ordering::Relaxed)
    }

    /// Bytes appended so far, before any cut at the end of an object.
    pub fn bytes(&self) -> u64 {
        self.counts.bytes.load(Ordering::Relaxed)
    }
}

impl Store for Discard {
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        if bytes.len() <= SMALL {
            return self.small.put(key, bytes);
        }
        key::check(Operation::Put, key)?;
        self.small.forget(key);
        Ok(())
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.small.get(key)
    }

    fn get_range(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>, Error> {
        self.small.get_range(key, range)
    }

    fn size(&self, key: &str) -> Result<Option<u64>, Error> {
        self.small.size(key)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>, Error> {
        self.small.list(prefix)
    }

    fn create(&self, key: &str) -> Result<Box<dyn Object>, Error> {
        key::check(Operation::Create, key)?;
        let cursor = Cursor::new(key, self.alignment);
        Ok(Box::new(Vanishing { cursor, counts: Arc::clone(&self.counts) }))
    }

    fn alignment(&self) -> u64 {
        self.alignment
    }

    fn sync(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl Object for Vanishing {
    fn append(&mut self, offset: u64, part: Part) -> Result<(), Error> {
        let length = part.bytes().len() as u64;
        if let Err(error) = self.cursor.check(offset, part.bytes()) {
            return refuse(part, error);
        }
        self.cursor.advance(length);
        self.counts.bytes.fetch_add(length, Ordering::Relaxed);
        part.returned(Ok(()));
        Ok(())
    }

    fn finalize(self: Box<Self>, length: u64, done: Done) {
        let result = self.cursor.check_end(length);
        if result.is_ok() {
            self.counts.objects.fetch_add(1, Ordering::Relaxed);
        }
        done(result);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{self, Readable};

    #[test]
    fn keeps_the_contract() {
        contract::check(&|| Arc::new(Discard::new(0)), Readable::No);
        contract::check(&|| Arc::new(Discard::new(4096)), Readable::No);
    }

    #[test]
    fn counts_what_it_drops() {
        let store = Discard::new(0);
        let mut object = store.create("c/0").expect("create");
        object.append(0, contract::part(vec![0; 10])).expect("append");
        object.finalize(7, Box::new(|result| result.expect("finalize")));
        assert_eq!((store.objects(), store.bytes()), (1, 10));
        assert_eq!(store.get("c/0").expect("get"), None);
    }

    #[test]
    fn a_large_put_replaces_a_small_one() {
        let store = Discard::new(0);
        store.put("a", b"small").expect("put");
        store.put("a", &vec![0; SMALL + 1]).expect("put");
        assert_eq!(store.get("a").expect("get"), None);
    }
}
