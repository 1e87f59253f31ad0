//! Objects in memory, for tests and for small stores that are read back at once.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use crate::claims::{Claim, Claims};
use crate::cursor::Cursor;
use crate::lock::lock;
use crate::part::refuse;
use crate::refusal::Refusal;
use crate::{Done, Entry, Error, Object, Operation, Part, Store, key};

/// A store in memory. Clones share its contents, so that a test keeps one and gives the other away.
///
/// Parts and ends come back on the caller's thread, before `append` and `finalize` return.
#[derive(Clone, Default)]
pub struct Memory {
    contents: Arc<Mutex<Contents>>,
    claims: Claims,
    alignment: u64,
}

#[derive(Default)]
struct Contents {
    objects: BTreeMap<String, Vec<u8>>,
    /// Bytes that have arrived for objects under construction, and for abandoned ones.
    unfinished: BTreeMap<String, u64>,
}

struct Growing {
    store: Memory,
    claim: Claim,
    key: String,
    cursor: Cursor,
    bytes: Vec<u8>,
}

impl Memory {
    /// An empty store that takes appends of any length.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store that takes whole pages of `page` bytes only, from memory that is aligned to them, as a
    /// disk without its cache does; 0 for bytes of any length and place.
    pub fn with_alignment(page: u64) -> Self {
        Self { alignment: page, ..Self::default() }
    }

    /// Drops a finished object, if there is one.
    pub(crate) fn forget(&self, key: &str) {
        lock(&self.contents).objects.remove(key);
    }
}

impl Store for Memory {
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        key::check(Operation::Put, key)?;
        lock(&self.contents).objects.insert(key.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        key::check(Operation::Get, key)?;
        Ok(lock(&self.contents).objects.get(key).cloned())
    }

    fn get_range(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>, Error> {
        key::check(Operation::Get, key)?;
        let contents = lock(&self.contents);
        slice(contents.objects.get(key), &range)
            .map(<[u8]>::to_vec)
            .map_err(|refusal| Error::at(Operation::Get, key, range.start, refusal))
    }

    fn size(&self, key: &str) -> Result<Option<u64>, Error> {
        key::check(Operation::Size, key)?;
        Ok(lock(&self.contents).objects.get(key).map(|bytes| bytes.len() as u64))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>, Error> {
        let folder = key::folder(prefix)?;
        let mut entries = lock(&self.contents).entries();
        entries.retain(|entry| key::below(folder, &entry.key));
        entries.sort();
        Ok(entries)
    }

    fn create(&self, key: &str) -> Result<Box<dyn Object>, Error> {
        key::check(Operation::Create, key)?;
        let claim = self.claims.claim(key)?;
        lock(&self.contents).unfinished.insert(key.to_owned(), 0);
        let cursor = Cursor::new(key, self.alignment);
        Ok(Box::new(Growing { store: self.clone(), claim, key: key.to_owned(), cursor, bytes: Vec::new() }))
    }

    fn alignment(&self) -> u64 {
        self.alignment
    }

    fn sync(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl Contents {
    fn entries(&self) -> Vec<Entry> {
        let entry = |key: &String, size: u64, unfinished: bool| Entry { key: key.clone(), unfinished, size };
        let finished = self.objects.iter().map(|(key, bytes)| entry(key, bytes.len() as u64, false));
        let unfinished = self.unfinished.iter().map(|(key, &size)| entry(key, size, true));
        finished.chain(unfinished).collect()
    }
}

impl Object for Growing {
    fn append(&mut self, offset: u64, part: Part) -> Result<(), Error> {
        let length = part.bytes().len() as u64;
        if let Err(error) = self.cursor.check(offset, part.bytes()) {
            return refuse(part, error);
        }
        self.bytes.extend_from_slice(part.bytes());
        self.cursor.advance(length);
        lock(&self.store.contents).unfinished.insert(self.key.clone(), self.cursor.appended());
        part.returned(Ok(()));
        Ok(())
    }

    fn finalize(self: Box<Self>, length: u64, done: Done) {
        let Growing { store, claim, key, cursor, mut bytes } = *self;
        let result = cursor.check_end(length);
        if result.is_ok() {
            bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
            let mut contents = lock(&store.contents);
            contents.unfinished.remove(&key);
            contents.objects.insert(key, bytes);
        }
        // The key is free again before the caller hears of it, so that it may create the object anew.
        drop(claim);
        done(result);
    }
}

fn slice<'a>(object: Option<&'a Vec<u8>>, range: &Range<u64>) -> Result<&'a [u8], Refusal> {
    let bytes = object.ok_or(Refusal::Absent)?;
    if range.end < range.start {
        return Err(Refusal::Inverted);
    }
    let end = usize::try_from(range.end).ok().filter(|&end| end <= bytes.len());
    let end = end.ok_or(Refusal::Short { end: range.end, size: bytes.len() as u64 })?;
    // The start fits as the end does, being no larger.
    Ok(&bytes[range.start as usize..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{self, Readable};

    #[test]
    fn keeps_the_contract() {
        contract::check(&|| Arc::new(Memory::new()), Readable::Yes);
    }

    #[test]
    fn keeps_the_contract_with_pages() {
        contract::check(&|| Arc::new(Memory::with_alignment(4096)), Readable::Yes);
    }

    #[test]
    fn clones_share_their_contents() {
        let one = Memory::new();
        one.clone().put("a", b"1").expect("put");
        assert_eq!(one.get("a").expect("get"), Some(b"1".to_vec()));
    }
}
