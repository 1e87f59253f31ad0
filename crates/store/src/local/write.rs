//! Writing all of a run of bytes at its place, whatever the system makes of one call.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

use rustix::fs::{FallocateFlags, fallocate};

use crate::refusal::Refusal;

/// A file under construction. A trait, so that tests can play what a disk rarely does.
pub(super) trait WriteAt: Send + Sync {
    /// Writes some of `bytes` at `offset` and says how many.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Asks for room on the disk for `length` bytes at `offset`. The file's size stays as it is.
    fn allocate(&self, offset: u64, length: u64) -> io::Result<()>;

    /// Cuts the file, and gives back what was allocated beyond.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Makes the bytes durable, and what is needed to find them.
    fn sync_data(&self) -> io::Result<()>;
}

impl WriteAt for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn allocate(&self, offset: u64, length: u64) -> io::Result<()> {
        Ok(rustix::io::retry_on_intr(|| fallocate(self, FallocateFlags::KEEP_SIZE, offset, length))?)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }
}

/// Writes all of `bytes` at `offset`; an error says at which byte of the file.
///
/// With a `page` that is not 0 every write begins at one: a write that ended inside a page is taken up again
/// from that page's beginning, because a file without cache takes nothing else.
pub(super) fn write_all_at(
    file: &dyn WriteAt,
    bytes: &[u8],
    offset: u64,
    page: u64,
) -> Result<(), (u64, io::Error)> {
    let page = usize::try_from(page.max(1)).unwrap_or(usize::MAX);
    let (mut done, mut is_stuck) = (0, false);
    while done < bytes.len() {
        let at = offset + done as u64;
        let taken = match file.write_at(&bytes[done..], at) {
            // Nothing written and nothing wrong: asking again could go on for ever.
            Ok(0) => return Err((at, ErrorKind::WriteZero.into())),
            Ok(taken) => taken,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err((at, error)),
        };
        // Once may be chance. A disk that does it again would do so for ever.
        if taken < page && is_stuck {
            return Err((at, io::Error::new(ErrorKind::WriteZero, Refusal::HalfPage { taken, page })));
        }
        is_stuck = taken < page;
        done += taken - taken % page;
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::lock::lock;
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    /// Answers writes by a script, then takes everything; keeps what was written where.
    #[derive(Default)]
    pub(in crate::local) struct Scripted {
        answers: Mutex<VecDeque<io::Result<usize>>>,
        pub(in crate::local) written: Mutex<Vec<(u64, Vec<u8>)>>,
        /// What was asked for ahead, and by which thread.
        pub(in crate::local) allocated: Mutex<Vec<(u64, u64, String)>>,
        allocating_fails: Mutex<Option<io::Error>>,
        /// The lengths that it was cut to.
        pub(in crate::local) cuts: Mutex<Vec<u64>>,
        sync_fails: bool,
    }

    impl Scripted {
        pub(in crate::local) fn new(answers: impl IntoIterator<Item = io::Result<usize>>) -> Self {
            Self { answers: Mutex::new(answers.into_iter().collect()), ..Self::default() }
        }

        /// One that takes all bytes and cannot make them durable.
        pub(in crate::local) fn failing_to_sync() -> Self {
            Self { sync_fails: true, ..Self::default() }
        }

        /// One that takes all bytes and gives no room ahead.
        pub(in crate::local) fn failing_to_allocate(error: io::Error) -> Self {
            Self { allocating_fails: Mutex::new(Some(error)), ..Self::default() }
        }
    }

    impl WriteAt for Scripted {
        fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
            let count = lock(&self.answers).pop_front().unwrap_or(Ok(bytes.len()))?;
            lock(&self.written).push((offset, bytes[..count].to_vec()));
            Ok(count)
        }

        fn allocate(&self, offset: u64, length: u64) -> io::Result<()> {
            let thread = std::thread::current().name().unwrap_or_default().to_owned();
            lock(&self.allocated).push((offset, length, thread));
            lock(&self.allocating_fails).take().map_or(Ok(()), Err)
        }

        fn set_length(&self, length: u64) -> io::Result<()> {
            lock(&self.cuts).push(length);
            Ok(())
        }

        fn sync_data(&self) -> io::Result<()> {
            if self.sync_fails { Err(full()) } else { Ok(()) }
        }
    }

    /// A test keeps one handle to see what arrived.
    impl WriteAt for Arc<Scripted> {
        fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
            (**self).write_at(bytes, offset)
        }

        fn allocate(&self, offset: u64, length: u64) -> io::Result<()> {
            (**self).allocate(offset, length)
        }

        fn set_length(&self, length: u64) -> io::Result<()> {
            (**self).set_length(length)
        }

        fn sync_data(&self) -> io::Result<()> {
            (**self).sync_data()
        }
    }

    pub(in crate::local) fn full() -> io::Error {
        rustix::io::Errno::NOSPC.into()
    }

    fn interrupted() -> io::Error {
        rustix::io::Errno::INTR.into()
    }

    #[test]
    fn finishes_short_writes_and_retries_interrupted_ones() {
        let file = Scripted::new([Err(interrupted()), Ok(2), Err(interrupted()), Ok(1)]);
        write_all_at(&file, b"abcdef", 10, 0).expect("write");
        let written = [(10, b"ab".to_vec()), (12, b"c".to_vec()), (13, b"def".to_vec())];
        assert_eq!(*lock(&file.written), written);
    }

    /// Two pages of four bytes each, at byte 8.
    fn write_pages(file: &Scripted) -> Result<(), (u64, io::Error)> {
        write_all_at(file, b"abcdefgh", 8, 4)
    }

    #[test]
    fn takes_a_broken_page_up_again_from_its_beginning() {
        let file = Scripted::new([Ok(6), Err(interrupted()), Ok(3)]);
        write_pages(&file).expect("write");
        let written = [(8, b"abcdef".to_vec()), (12, b"efg".to_vec()), (12, b"efgh".to_vec())];
        assert_eq!(*lock(&file.written), written);
    }

    #[test]
    fn a_page_that_stays_broken_is_an_error() {
        let file = Scripted::new([Ok(5), Ok(1), Ok(2)]);
        let (at, error) = write_pages(&file).expect_err("write");
        assert_eq!((at, error.kind()), (12, ErrorKind::WriteZero));
        assert!(error.to_string().contains("only 2 bytes of a page of 4, twice"), "{error}");
    }

    #[test]
    fn an_error_after_a_broken_page_is_told_as_it_is() {
        let (at, error) = write_pages(&Scripted::new([Ok(5), Err(full())])).expect_err("write");
        assert_eq!((at, error.kind()), (12, ErrorKind::StorageFull));
    }

    #[test]
    fn pages_that_break_one_after_another_go_on() {
        let file = Scripted::new([Ok(2), Ok(6), Ok(3)]);
        write_pages(&file).expect("write");
        let written =
            [(8, b"ab".to_vec()), (8, b"abcdef".to_vec()), (12, b"efg".to_vec()), (12, b"efgh".to_vec())];
        assert_eq!(*lock(&file.written), written);
    }

    #[test]
    fn a_write_of_nothing_is_an_error() {
        let (at, error) = write_all_at(&Scripted::new([Ok(3), Ok(0)]), b"abcdef", 10, 0).expect_err("write");
        assert_eq!((at, error.kind()), (13, ErrorKind::WriteZero));
    }

    #[test]
    fn an_error_says_where() {
        let (at, error) =
            write_all_at(&Scripted::new([Ok(4), Err(full())]), b"abcdef", 10, 0).expect_err("write");
        assert_eq!((at, error.kind()), (14, ErrorKind::StorageFull));
    }

    #[test]
    fn writes_no_bytes_without_asking() {
        write_all_at(&Scripted::new([Err(full())]), b"", 10, 0).expect("write");
    }
}
