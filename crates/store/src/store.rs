//! The two traits that every store implements.

use std::ops::Range;

use crate::{Done, Error, Part};

/// One object in a listing. Entries sort by key, the finished one first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The key under which the object is, or will be, visible.
    pub key: String,
    /// Whether this is an object under construction, or what an abandoned one left behind.
    pub unfinished: bool,
    /// Its size, in bytes; of an unfinished object, what has arrived so far.
    pub size: u64,
}

/// A place for objects.
///
/// Keys are relative paths with `/` between their components. A component is not empty, `.` or `..` and does
/// not end in `.partial`; other keys are refused by every method.
pub trait Store: Send + Sync {
    /// Writes a whole object at once and atomically, and replaces what was there: a reader sees the old bytes
    /// or the new ones. When this returns, they are durable.
    ///
    /// # Errors
    /// A bad key, or what the storage says. The object is then as it was before.
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), Error>;

    /// Reads a whole object; `None` when it is absent. An unfinished object is absent.
    ///
    /// # Errors
    /// A bad key, or what the storage says.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error>;

    /// Reads the bytes `range` of an object.
    ///
    /// # Errors
    /// A bad key, an absent object, one that is shorter than the range, or what the storage says.
    fn get_range(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>, Error>;

    /// The size of an object in bytes; `None` when it is absent.
    ///
    /// # Errors
    /// A bad key, or what the storage says.
    fn size(&self, key: &str) -> Result<Option<u64>, Error>;

    /// All objects below the folder `prefix`, at any depth, sorted; the empty prefix lists the whole store.
    /// Unfinished objects are listed under the key that they are meant for, and flagged.
    ///
    /// # Errors
    /// A bad prefix, or what the storage says.
    fn list(&self, prefix: &str) -> Result<Vec<Entry>, Error>;

    /// Begins an object. It stays invisible under its key until it is finalized; then it replaces what was
    /// there. If an earlier object of the key was dropped or is being finalized, this waits for its writes.
    ///
    /// # Errors
    /// A bad key, another object that is still held at that key, or what the storage says.
    fn create(&self, key: &str) -> Result<Box<dyn Object>, Error>;

    /// The page, in bytes, of which three things of each append must be a multiple: its offset, its length,
    /// and the *address* of its bytes, because a disk that is written to directly fetches them from memory
    /// itself (`O_DIRECT`). 0 when there is none.
    ///
    /// A part of no bytes may be anywhere. The length of the object itself is free: an end may cut a page.
    fn alignment(&self) -> u64 {
        0
    }

    /// Returns when every object that was reported as finalized, and every put, is durable.
    ///
    /// # Errors
    /// What the storage says.
    fn sync(&self) -> Result<(), Error>;
}

/// An object under construction.
///
/// Dropping it without [`finalize`](Object::finalize) abandons it and waits for nothing: writes under way
/// still return their parts, and what was written stays behind as an unfinished object, as after a crash. The
/// next `create` of the key starts again from nothing.
pub trait Object: Send {
    /// Queues the write of `part` at the byte `offset`, which must equal the bytes appended so far. It is
    /// stated only to be checked, so that an upload of numbered pieces fits the same trait.
    ///
    /// Blocks while more bytes are in flight than the store allows.
    ///
    /// # Errors
    /// A wrong offset, or a length or an address that breaks the store's [alignment](Store::alignment): the
    /// object is as before. The first error of an earlier append: the object can only be abandoned, or
    /// finalized to the same error. In each case the part is returned with that error too.
    fn append(&mut self, offset: u64, part: Part) -> Result<(), Error>;

    /// When all appended parts are back: cuts the object to `length` bytes, makes it durable, makes it
    /// visible under its key atomically, and then calls `done`, once.
    ///
    /// If an append failed, `done` gets that first error; a `length` beyond the appended bytes is an error
    /// too. The object then stays invisible and unfinished.
    fn finalize(self: Box<Self>, length: u64, done: Done);
}
