//! How fast a disk takes one file, with and without the system's cache.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{Error, clock};

/// What direct writes are multiples of, in length and in memory: as the store does it.
const PAGE: usize = store::local::PAGE as usize;
/// Bytes of one write: as a run hands regions of shards over, large enough for any disk.
const BLOCK: usize = 16 << 20;

/// Which way bytes take to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Through the system's cache.
    Buffered,
    /// From memory to the disk, in whole pages.
    Direct,
}

/// Time to write `bytes` bytes of `from`, cycled, to the new file `path`, one block after another, and to make them
/// durable. With [`Way::Direct`] the file ends at the next whole page. The file is removed, which takes none of the
/// time.
///
/// # Errors
/// The file exists or cannot be written; [`Error::NoDirect`] where the file system cannot write past its cache.
pub fn write(path: &Path, from: &[u8], bytes: u64, way: Way) -> Result<Duration, Error> {
    let (from, bytes) = match way {
        Way::Buffered => (from, bytes),
        Way::Direct => (pages(from)?, bytes.next_multiple_of(PAGE as u64)),
    };
    let failed = |doing| move |source| failure(doing, path, way, source);
    let mut file = open(path, way).map_err(failed("make"))?;
    let start = clock();
    let written = fill(&mut file, from, bytes).map_err(failed("write"));
    let ended = written.and_then(|()| file.sync_data().map_err(failed("make durable")));
    let time = start.elapsed();
    let removed = std::fs::remove_file(path).map_err(failed("remove"));
    ended.and(removed).map(|()| time)
}

/// The part of it that begins at a page and holds whole pages.
fn pages(from: &[u8]) -> Result<&[u8], Error> {
    let aligned = from.get(from.as_ptr().align_offset(PAGE)..).unwrap_or_default();
    match aligned.len() / PAGE * PAGE {
        0 => Err(Error::Short(from.len())),
        whole => Ok(&aligned[..whole]),
    }
}

fn open(path: &Path, way: Way) -> io::Result<File> {
    let direct = if way == Way::Direct { OFlags::DIRECT } else { OFlags::empty() };
    let flags = direct.bits().cast_signed();
    let opened = OpenOptions::new().write(true).create_new(true).custom_flags(flags).open(path);
    if opened.as_ref().is_err_and(|e| way == Way::Direct && is_unable(e)) {
        // Some systems leave behind the file that they made and would not open. It is removed only when it is empty.
        if path.metadata().is_ok_and(|m| m.len() == 0) {
            std::fs::remove_file(path).unwrap_or_default();
        }
    }
    opened
}

fn fill(file: &mut File, from: &[u8], bytes: u64) -> io::Result<()> {
    if from.is_empty() && bytes > 0 {
        return Err(io::Error::new(ErrorKind::InvalidInput, "there are no bytes to write"));
    }
    let (mut at, mut left) = (0, bytes);
    while left > 0 {
        let block = BLOCK.min(from.len() - at).min(usize::try_from(left).unwrap_or(usize::MAX));
        file.write_all(&from[at..at + block])?;
        at = (at + block) % from.len();
        left -= block as u64;
    }
    Ok(())
}

/// What systems say that cannot write past their cache.
fn is_unable(error: &io::Error) -> bool {
    [Errno::INVAL, Errno::OPNOTSUPP].iter().any(|e| error.raw_os_error() == Some(e.raw_os_error()))
}

fn failure(doing: &'static str, path: &Path, way: Way, source: io::Error) -> Error {
    let path = path.to_owned();
    if way == Way::Direct && is_unable(&source) {
        return Error::NoDirect { path, source };
    }
    Error::Write { doing, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stays_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        write(&file, &[7; 3 * PAGE], 100_000, Way::Buffered).unwrap();
        assert!(!file.exists());
        match write(&file, &vec![7; 3 * PAGE], 100_000, Way::Direct) {
            Ok(_) | Err(Error::NoDirect { .. }) => assert!(!file.exists()),
            Err(other) => panic!("{other}"),
        }
        std::fs::write(&file, "mine").unwrap();
        for way in [Way::Buffered, Way::Direct] {
            let said = write(&file, &vec![7; 3 * PAGE], 10, way).unwrap_err().to_string();
            assert!(said.contains("cannot make") && said.contains("exists"), "{said}");
        }
        assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    }

    #[test]
    fn every_byte_is_written_in_turn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fill(&mut File::create(&path).unwrap(), b"abcde", 12).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"abcdeabcdeab");
        assert!(fill(&mut File::create(&path).unwrap(), b"", 1).is_err());
    }

    #[test]
    fn pages_are_whole_and_aligned() {
        let room = vec![0u8; 5 * PAGE];
        let found = pages(&room[1..]).unwrap();
        assert_eq!((found.as_ptr().addr() % PAGE, found.len() % PAGE), (0, 0));
        assert!(found.len() >= 3 * PAGE);
        assert!(matches!(pages(&[0; 100]), Err(Error::Short(100))));
    }
}
