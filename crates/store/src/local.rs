//! Objects as files of this computer's disks.
//!
//! An object under construction is the file `<key>.partial` beside its final name. Its parts are written by a
//! fixed pool of I/O threads, each at its stated offset, so that several may be under way at once. When the
//! last one is back the file is cut to its length, made durable, renamed to its key, and its folder is made
//! durable, in that order: a file that is seen under a key is whole, also after a crash.
//!
//! With [direct I/O](Options::direct) the same happens past the system's cache, in whole pages.

mod ahead;
mod budget;
mod direct;
mod folders;
mod list;
mod names;
mod object;
mod pool;
mod remove;
mod write;

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;

use self::budget::Budget;
use self::folders::Folders;
use self::object::{Growing, Job};
use self::pool::Pool;
use crate::claims::Claims;
use crate::refusal::Refusal;
use crate::{Entry, Error, Object, Operation, Store, key};

pub use self::direct::{PAGE, check_direct};
pub use self::remove::remove_store;

/// What stands behind an error: the system's answer, or a refusal of this crate.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// How a local disk is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Threads that write; at least 1. Each has one write under way.
    pub threads: usize,
    /// Bytes that may be appended and not yet written, over all objects; appends block beyond it. A part that
    /// is larger than this alone goes through when nothing else is in flight.
    pub in_flight: u64,
    /// Whether objects are written past the system's cache (`O_DIRECT`): it then keeps its memory for others,
    /// and a run does not stand still while the system writes out what it gathered. Appends must then be whole
    /// pages in memory that is aligned to them, as [`Store::alignment`] says. What is put whole is written as
    /// ever.
    pub direct: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { threads: 4, in_flight: 256 << 20, direct: false }
    }
}

/// A store in a folder of this computer.
///
/// Parts and ends come back on its I/O threads. Dropping it finishes the queued writes and joins the threads;
/// objects that outlive it refuse what comes later. Two processes must not write the same keys at once.
pub struct LocalDisk {
    // The pool goes first: when its threads are joined, nothing uses the rest.
    pool: Pool<Job>,
    root: PathBuf,
    folders: Arc<Folders>,
    budget: Arc<Budget>,
    claims: Claims,
    /// See [`Store::alignment`]; not 0 exactly when objects are written directly.
    page: u64,
}

impl LocalDisk {
    /// Opens the store in the folder `root`, which is made if there is none, and starts its threads.
    ///
    /// # Errors
    /// A folder that cannot be made or read, no threads asked for, or threads that the system refuses. A file
    /// system that cannot do [direct I/O](Options::direct) when that is asked for: nothing is made then.
    pub fn open(root: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        Self::open_checked(root.as_ref(), options, check_direct)
    }

    fn open_checked(
        given: &Path,
        options: Options,
        check_direct: fn(&Path) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let fail = |error: io::Error| Error::of_path(Operation::Open, "", None, given, error);
        if options.threads == 0 {
            return Err(Error::of_path(Operation::Open, "", None, given, Refusal::NoThreads));
        }
        if options.direct {
            check_direct(given)?;
        }
        folders::make_root(given).map_err(fail)?;
        // A full path: errors name it, and a later change of the working folder must not move the store.
        let root = given.canonicalize().map_err(fail)?;
        let pool = Pool::start(options.threads, object::run).map_err(fail)?;
        tracing::debug!(root = %root.display(), ?options, "opened a local store");
        let folders = Arc::new(Folders::new(&root));
        let budget = Arc::new(Budget::new(options.in_flight));
        let page = if options.direct { direct::PAGE } else { 0 };
        Ok(Self { pool, root, folders, budget, claims: Claims::default(), page })
    }

    fn path(&self, operation: Operation, key: &str) -> Result<PathBuf, Error> {
        key::check(operation, key)?;
        Ok(self.root.join(key))
    }

    fn write_whole(&self, scratch: &Path, path: &Path, bytes: &[u8]) -> Result<(), (PathBuf, io::Error)> {
        let here = |error| (scratch.to_owned(), error);
        let mut file = self.open_with_parents(scratch, OFlags::empty()).map_err(here)?;
        file.write_all(bytes).map_err(here)?;
        file.sync_all().map_err(here)?;
        std::fs::rename(scratch, path).map_err(|error| (path.to_owned(), error))?;
        self.folders.settle(path)
    }

    /// Opens an unfinished file; its parents are only made when they are missing, which is the rare case.
    fn open_with_parents(&self, path: &Path, flags: OFlags) -> io::Result<File> {
        match open_unfinished(path, flags) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.folders.make(path.parent().unwrap_or(path))?;
                open_unfinished(path, flags)
            }
            other => other,
        }
    }

    /// The file of an object under construction.
    fn begin(&self, partial: &Path) -> Result<File, Cause> {
        if self.page == 0 {
            return Ok(self.open_with_parents(partial, OFlags::empty())?);
        }
        // Another disk may be mounted below the root, and that one need not be able to.
        self.open_with_parents(partial, OFlags::DIRECT).map_err(|error| direct::cause(partial, error))
    }
}

impl Store for LocalDisk {
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path(Operation::Put, key)?;
        let scratch = names::scratch(&path);
        self.write_whole(&scratch, &path, bytes).map_err(|(place, error)| {
            // After the rename there is nothing to remove, and before it the first error is what matters.
            std::fs::remove_file(&scratch).unwrap_or_default();
            Error::of_path(Operation::Put, key, None, &place, error)
        })
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path(Operation::Get, key)?;
        present(std::fs::read(&path)).map_err(|error| Error::of_path(Operation::Get, key, None, &path, error))
    }

    fn get_range(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>, Error> {
        let path = self.path(Operation::Get, key)?;
        read_range(&path, &range)
            .map_err(|source| Error::of_path(Operation::Get, key, Some(range.start), &path, source))
    }

    fn size(&self, key: &str) -> Result<Option<u64>, Error> {
        let path = self.path(Operation::Size, key)?;
        let found = present(path.metadata())
            .map_err(|error| Error::of_path(Operation::Size, key, None, &path, error))?;
        Ok(found.filter(std::fs::Metadata::is_file).map(|metadata| metadata.len()))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>, Error> {
        let folder = key::folder(prefix)?;
        list::list(&self.root, folder)
            .map_err(|(path, error)| Error::of_path(Operation::List, folder, None, &path, error))
    }

    fn create(&self, key: &str) -> Result<Box<dyn Object>, Error> {
        let path = self.path(Operation::Create, key)?;
        let claim = self.claims.claim(key)?;
        let partial = names::partial(&path);
        let file = self
            .begin(&partial)
            .map_err(|cause| Error::of_path(Operation::Create, key, None, &partial, cause))?;
        let target = object::Target { key: key.to_owned(), path, partial, page: self.page };
        let shared = object::Shared::new(target, Box::new(file), claim, Arc::clone(&self.folders));
        Ok(Box::new(Growing::new(shared, Arc::clone(&self.budget), self.pool.queue())))
    }

    fn alignment(&self) -> u64 {
        self.page
    }

    fn sync(&self) -> Result<(), Error> {
        self.folders
            .settle_all()
            .map_err(|(path, error)| Error::of_path(Operation::Sync, "", None, &path, error))
    }
}

/// What an earlier run left under the name is cut to nothing. A link is not followed: it could lead to a file
/// outside of the store.
fn open_unfinished(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = (flags | OFlags::NOFOLLOW).bits().cast_signed();
    OpenOptions::new().write(true).create(true).truncate(true).custom_flags(flags).open(path)
}

/// Tells what is absent from what is wrong. A folder is no object, and below a file there is none.
fn present<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    const ABSENT: [ErrorKind; 3] = [ErrorKind::NotFound, ErrorKind::NotADirectory, ErrorKind::IsADirectory];
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if ABSENT.contains(&error.kind()) => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_range(path: &Path, range: &Range<u64>) -> Result<Vec<u8>, Cause> {
    let length = range.end.checked_sub(range.start).ok_or(Refusal::Inverted)?;
    let file = present(File::open(path))?.ok_or(Refusal::Absent)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Refusal::Absent.into());
    }
    // Looked at before the memory is asked for: a wrong index may ask for anything.
    if metadata.len() < range.end {
        return Err(Refusal::Short { end: range.end, size: metadata.len() }.into());
    }
    let mut bytes = vec![0; usize::try_from(length)?];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
