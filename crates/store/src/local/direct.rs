//! Writing past the system's cache: which disks can, and finding out before anything depends on it.
//!
//! With `O_DIRECT` a disk fetches whole pages from the caller's own memory. Not every file system can, and
//! only a write says for sure, so one is tried, in a file that nobody sees.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::write::{WriteAt, write_all_at};
use super::{Cause, names};
use crate::aligned::Aligned;
use crate::refusal::Refusal;
use crate::{Error, Operation};

/// What offsets, lengths and addresses are multiples of. Disks want 512 or 4096 bytes; one that wants more
/// refuses the trial write, and so the store.
pub const PAGE: u64 = 4096;

/// How a file is opened for the trial; tests play file systems that this computer does not have.
type Opener<'a> = &'a dyn Fn(&Path, OFlags) -> io::Result<Box<dyn WriteAt>>;

/// Whether a store at `path`, which need not exist yet, could be written with [direct
/// I/O](super::Options::direct). Tries it in the nearest folder that exists, and leaves nothing behind.
///
/// # Errors
/// A file system that cannot do direct I/O, or a folder that cannot be written to; both name the path.
pub fn check_direct(path: &Path) -> Result<(), Error> {
    check_with(path, &open)
}

/// The cause to report when `file` could not be opened for direct I/O.
pub(super) fn cause(file: &Path, error: io::Error) -> Cause {
    // The two that say "not on this file system"; all others mean what they always do.
    let unable = [Errno::INVAL, Errno::OPNOTSUPP].map(|errno| Some(errno.raw_os_error()));
    if !unable.contains(&error.raw_os_error()) {
        return error.into();
    }
    let folder = file.parent().unwrap_or(file).display().to_string();
    Refusal::NoDirect { folder, cause: error }.into()
}

fn check_with(path: &Path, open: Opener<'_>) -> Result<(), Error> {
    let fail = |path: &Path, source| Error::of_path(Operation::Open, "", None, path, source);
    let path = std::path::absolute(path).map_err(|error| fail(path, error.into()))?;
    let folder = path.ancestors().find(|folder| folder.exists()).unwrap_or(&path);
    let trial = names::scratch(&folder.join("direct-io"));
    try_in(folder, &trial, open).map_err(|error| fail(&path, cause(&trial, error)))
}

/// Writes a page to a file without a name; where there are none, to `trial`, which is removed.
fn try_in(folder: &Path, trial: &Path, open: Opener<'_>) -> io::Result<()> {
    // Systems differ in how they say that they have no such files. If the reason is another, the file with a
    // name meets it too.
    if let Ok(file) = open(folder, OFlags::TMPFILE) {
        return write_page(&*file);
    }
    let outcome = open(trial, OFlags::CREATE).and_then(|file| write_page(&*file));
    // Older systems leave the file behind also when they refuse to open it.
    match std::fs::remove_file(trial) {
        Err(error) if error.kind() != ErrorKind::NotFound => outcome.and(Err(error)),
        _ => outcome,
    }
}

fn write_page(file: &dyn WriteAt) -> io::Result<()> {
    let page = Aligned::copy(&[0; PAGE as usize], PAGE);
    write_all_at(file, page.as_ref(), 0, PAGE).map_err(|(_, error)| error)
}

fn open(path: &Path, kind: OFlags) -> io::Result<Box<dyn WriteAt>> {
    let flags = kind | OFlags::DIRECT | OFlags::NOFOLLOW;
    let file =
        OpenOptions::new().write(true).mode(0o600).custom_flags(flags.bits().cast_signed()).open(path)?;
    Ok(Box::new(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::write::tests::{Scripted, full};
    use std::cell::RefCell;
    use std::fs;

    fn unable() -> io::Error {
        Errno::INVAL.into()
    }

    /// How many files and folders are in it.
    fn left_in(folder: &Path) -> usize {
        fs::read_dir(folder).expect("read").count()
    }

    /// Checks a path two folders below one that exists, and returns what it says of the path.
    fn check_below(open: Opener<'_>) -> Result<(), String> {
        let here = tempfile::tempdir().expect("temporary folder");
        let path = here.path().join("a/b");
        let said = check_with(&path, open).map_err(|error| {
            assert_eq!((error.operation(), error.path()), (Operation::Open, Some(&*path)), "{error}");
            error.to_string().replace(&here.path().display().to_string(), "/here")
        });
        assert_eq!(left_in(here.path()), 0, "the check leaves nothing behind");
        said
    }

    #[test]
    fn a_refusal_names_the_path_and_the_remedy() {
        let expected = "open store (/here/a/b): the file system of /here cannot do direct I/O \
                        (Invalid argument (os error 22)); write without direct I/O, or to another disk";
        assert_eq!(check_below(&|_, _| Err(unable())), Err(expected.to_owned()));
    }

    #[test]
    fn a_disk_that_opens_and_does_not_write_is_refused() {
        let said = check_below(&|_, _| Ok(Box::new(Scripted::new([Err(unable())]))));
        assert!(said.expect_err("check").contains("cannot do direct I/O"));
    }

    #[test]
    fn what_an_older_system_leaves_is_removed() {
        let said = check_below(&|path, kind| {
            if kind == OFlags::CREATE {
                fs::write(path, "left behind").expect("write");
            }
            Err(unable())
        });
        assert!(said.expect_err("check").contains("cannot do direct I/O"));
    }

    #[test]
    fn other_troubles_are_told_as_they_are() {
        let said = check_below(&|_, _| Ok(Box::new(Scripted::new([Err(full())])))).expect_err("check");
        assert!(said.contains("No space left") && said.contains("free space"), "{said}");
    }

    #[test]
    fn a_named_file_is_tried_where_there_are_none_without_name() {
        let tried = RefCell::new(Vec::new());
        let open = |path: &Path, kind: OFlags| -> io::Result<Box<dyn WriteAt>> {
            tried.borrow_mut().push(kind);
            if kind == OFlags::TMPFILE {
                return Err(Errno::OPNOTSUPP.into());
            }
            assert!(path.extension().is_some_and(|end| end == "partial"), "{}", path.display());
            fs::write(path, "").expect("write");
            Ok(Box::new(Scripted::default()))
        };
        assert_eq!(check_below(&open), Ok(()));
        assert_eq!(*tried.borrow(), [OFlags::TMPFILE, OFlags::CREATE]);
    }

    #[test]
    fn what_is_written_is_a_page_in_aligned_memory() {
        /// A disk as strict as one can be.
        struct Strict;
        impl WriteAt for Strict {
            fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
                let all = [bytes.len() as u64, bytes.as_ptr().addr() as u64, offset];
                assert!(all.iter().all(|value| value.is_multiple_of(PAGE)), "{all:?}");
                assert_eq!(bytes.len() as u64, PAGE);
                Ok(bytes.len())
            }
            fn allocate(&self, _: u64, _: u64) -> io::Result<()> {
                unreachable!("a trial needs no room ahead")
            }
            fn set_length(&self, _: u64) -> io::Result<()> {
                unreachable!("a trial has no length")
            }
            fn sync_data(&self) -> io::Result<()> {
                unreachable!("a trial need not last")
            }
        }
        assert_eq!(check_below(&|_, _| Ok(Box::new(Strict))), Ok(()));
    }

    #[test]
    fn a_file_in_the_way_is_an_error() {
        let here = tempfile::tempdir().expect("temporary folder");
        let path = here.path().join("file/store");
        fs::write(here.path().join("file"), "").expect("write");
        let error = check_direct(&path).expect_err("check").to_string();
        assert!(error.contains("a folder above it is a file"), "{error}");
    }

    #[test]
    fn a_relative_path_is_named_in_full() {
        let error = check_with(Path::new("no-such-folder/store"), &|_, _| Err(unable())).expect_err("check");
        assert!(error.path().is_some_and(Path::is_absolute), "{error}");
    }
}
