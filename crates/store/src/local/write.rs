//! Writing all of a run of bytes at its place, whatever the system makes of one call.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

/// A file under construction. A trait, so that tests can play what a disk rarely does.
pub(super) trait WriteAt: Send + Sync {
    /// Writes some of `bytes` at `offset` and says how many.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Cuts the file.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Makes the bytes durable, and what is needed to find them.
    fn sync_data(&self) -> io::Result<()>;
}

impl WriteAt for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }
}

/// Writes all of `bytes` at `offset`; an error says at which byte of the file.
pub(super) fn write_all_at(file: &dyn WriteAt, bytes: &[u8], offset: u64) -> Result<(), (u64, io::Error)> {
    let (mut rest, mut offset) = (bytes, offset);
    while !rest.is_empty() {
        match file.write_at(rest, offset) {
            // Nothing written and nothing wrong: asking again could go on for ever.
            Ok(0) => return Err((offset, ErrorKind::WriteZero.into())),
            Ok(written) => {
                rest = &rest[written..];
                offset += written as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err((offset, error)),
        }
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
    }

    impl WriteAt for Scripted {
        fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
            let count = lock(&self.answers).pop_front().unwrap_or(Ok(bytes.len()))?;
            lock(&self.written).push((offset, bytes[..count].to_vec()));
            Ok(count)
        }

        fn set_length(&self, _: u64) -> io::Result<()> {
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
        write_all_at(&file, b"abcdef", 10).expect("write");
        let written = [(10, b"ab".to_vec()), (12, b"c".to_vec()), (13, b"def".to_vec())];
        assert_eq!(*lock(&file.written), written);
    }

    #[test]
    fn a_write_of_nothing_is_an_error() {
        let (at, error) = write_all_at(&Scripted::new([Ok(3), Ok(0)]), b"abcdef", 10).expect_err("write");
        assert_eq!((at, error.kind()), (13, ErrorKind::WriteZero));
    }

    #[test]
    fn an_error_says_where() {
        let (at, error) =
            write_all_at(&Scripted::new([Ok(4), Err(full())]), b"abcdef", 10).expect_err("write");
        assert_eq!((at, error.kind()), (14, ErrorKind::StorageFull));
    }

    #[test]
    fn writes_no_bytes_without_asking() {
        write_all_at(&Scripted::new([Err(full())]), b"", 10).expect("write");
    }
}
