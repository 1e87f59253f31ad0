//! The one error of this crate: which operation, on which key, where, why, and what to do about it.

use std::error::Error as Cause;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, io};

/// What a store was asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Opening the store itself.
    Open,
    /// [`Store::put`](crate::Store::put).
    Put,
    /// [`Store::get`](crate::Store::get) and [`Store::get_range`](crate::Store::get_range).
    Get,
    /// [`Store::size`](crate::Store::size).
    Size,
    /// [`Store::list`](crate::Store::list).
    List,
    /// [`Store::create`](crate::Store::create).
    Create,
    /// [`Object::append`](crate::Object::append).
    Append,
    /// [`Object::finalize`](crate::Object::finalize).
    Finalize,
    /// [`Store::sync`](crate::Store::sync).
    Sync,
    /// Removing a whole store.
    Remove,
}

impl fmt::Display for Operation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Operation::Open => "open store",
            Operation::Put => "put",
            Operation::Get => "get",
            Operation::Size => "size of",
            Operation::List => "list",
            Operation::Create => "create",
            Operation::Append => "append to",
            Operation::Finalize => "finalize",
            Operation::Sync => "sync store",
            Operation::Remove => "remove store",
        })
    }
}

/// Why a store could not do what it was asked.
///
/// One line says everything, the cause and the remedy included:
/// `append to c/0/0 at byte 4096: No space left on device (os error 28); free space on that disk, ...`.
/// Cloning is cheap, because one failure is told to many: each part under way, and later calls.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct Error(Arc<Detail>);

#[derive(Debug, thiserror::Error)]
struct Detail {
    operation: Operation,
    key: String,
    offset: Option<u64>,
    path: Option<PathBuf>,
    source: Box<dyn Cause + Send + Sync>,
}

impl Error {
    /// An error of `operation` on `key`, caused by `source`. An empty key means the store as a whole.
    pub fn new(operation: Operation, key: &str, source: impl Into<Box<dyn Cause + Send + Sync>>) -> Self {
        Self::build(operation, key, None, None, source.into())
    }

    /// The same, at the byte `offset` of the object.
    pub fn at(
        operation: Operation,
        key: &str,
        offset: u64,
        source: impl Into<Box<dyn Cause + Send + Sync>>,
    ) -> Self {
        Self::build(operation, key, Some(offset), None, source.into())
    }

    /// The same, for a file or folder of this computer.
    pub(crate) fn of_path(
        operation: Operation,
        key: &str,
        offset: Option<u64>,
        path: &Path,
        source: impl Into<Box<dyn Cause + Send + Sync>>,
    ) -> Self {
        Self::build(operation, key, offset, Some(path.to_owned()), source.into())
    }

    fn build(
        operation: Operation,
        key: &str,
        offset: Option<u64>,
        path: Option<PathBuf>,
        source: Box<dyn Cause + Send + Sync>,
    ) -> Self {
        Self(Arc::new(Detail { operation, key: key.to_owned(), offset, path, source }))
    }

    /// What was being done.
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// The key of the object; empty when the whole store is meant.
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// The byte of the object at which it failed, where there is one.
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// The full path of the file or folder, for a store on a disk.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The kind of the operating system's error, if that is what it was: a full disk, for example.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        self.0.io().map(io::Error::kind)
    }
}

impl Detail {
    fn io(&self) -> Option<&io::Error> {
        self.source.downcast_ref()
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.operation)?;
        if !self.key.is_empty() {
            write!(out, " {}", self.key)?;
        }
        if let Some(offset) = self.offset {
            write!(out, " at byte {offset}")?;
        }
        if let Some(path) = &self.path {
            write!(out, " ({})", path.display())?;
        }
        write!(out, ": {}", self.source)?;
        match self.io().and_then(remedy) {
            Some(remedy) => write!(out, "; {remedy}"),
            None => Ok(()),
        }
    }
}

/// What the reader of the message can do. Refusals of our own say so in their own words.
fn remedy(error: &io::Error) -> Option<&'static str> {
    let number = error.raw_os_error();
    if number == Some(rustix::io::Errno::MFILE.raw_os_error()) {
        return Some("raise the limit of open files (ulimit -n), or use larger shards");
    }
    if number == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return Some("a symbolic link is in the way: remove it");
    }
    Some(match error.kind() {
        io::ErrorKind::StorageFull => "free space on that disk, or write the store elsewhere",
        io::ErrorKind::QuotaExceeded => "free space under your quota, or ask for a larger one",
        io::ErrorKind::PermissionDenied => "check the permissions of that path and of the folders above it",
        io::ErrorKind::ReadOnlyFilesystem => "mount the disk for writing, or write the store elsewhere",
        io::ErrorKind::NotFound => "check that the folder above it exists and that its disk is mounted",
        io::ErrorKind::NotADirectory => "a folder above it is a file: move that away, or write elsewhere",
        io::ErrorKind::IsADirectory => "a folder of that name is in the way: remove it, or write elsewhere",
        io::ErrorKind::FileTooLarge => "use smaller shards: the disk or `ulimit -f` limits a file's size",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: &Error, expected: &str) {
        assert_eq!(error.to_string(), expected);
    }

    fn system(errno: rustix::io::Errno) -> io::Error {
        errno.into()
    }

    #[test]
    fn says_operation_key_place_cause_and_remedy() {
        let full = || system(rustix::io::Errno::NOSPC);
        check(
            &Error::at(Operation::Append, "c/0/0", 4096, full()),
            "append to c/0/0 at byte 4096: No space left on device (os error 28); \
             free space on that disk, or write the store elsewhere",
        );
        check(
            &Error::of_path(Operation::Open, "", None, Path::new("/d"), system(rustix::io::Errno::ACCESS)),
            "open store (/d): Permission denied (os error 13); \
             check the permissions of that path and of the folders above it",
        );
        check(&Error::new(Operation::Put, "a", "odd"), "put a: odd");
    }

    #[test]
    fn names_the_limit_of_open_files() {
        let error = Error::new(Operation::Create, "c/0", system(rustix::io::Errno::MFILE));
        assert!(error.to_string().contains("ulimit -n"), "{error}");
    }

    #[test]
    fn keeps_its_parts_and_its_source() {
        let error = Error::of_path(
            Operation::Append,
            "k",
            Some(7),
            Path::new("/p"),
            system(rustix::io::Errno::NOSPC),
        );
        assert_eq!((error.operation(), error.key(), error.offset()), (Operation::Append, "k", Some(7)));
        assert_eq!(error.path(), Some(Path::new("/p")));
        assert_eq!(error.io_kind(), Some(io::ErrorKind::StorageFull));
        let source = error.source().expect("a source");
        assert!(source.is::<io::Error>());
    }
}
