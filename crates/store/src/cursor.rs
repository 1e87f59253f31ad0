//! How far an object has been appended to, and what may come next.

use crate::refusal::Refusal;
use crate::{Error, Operation};

/// The count of appended bytes of one object, with the rules that every store applies to it.
pub(crate) struct Cursor {
    key: String,
    alignment: u64,
    appended: u64,
}

impl Cursor {
    /// At the start of an object. An alignment of 0 means none.
    pub(crate) fn new(key: &str, alignment: u64) -> Self {
        Self { key: key.to_owned(), alignment, appended: 0 }
    }

    /// The bytes appended so far.
    pub(crate) fn appended(&self) -> u64 {
        self.appended
    }

    /// Whether `length` bytes may be appended at `offset`; changes nothing.
    pub(crate) fn check(&self, offset: u64, length: u64) -> Result<(), Error> {
        if offset != self.appended {
            let refusal = Refusal::OutOfOrder { stated: offset, appended: self.appended };
            return Err(Error::at(Operation::Append, &self.key, offset, refusal));
        }
        // Offsets are sums of lengths, so that checking each length checks each offset.
        if self.alignment > 0 && !length.is_multiple_of(self.alignment) {
            let refusal = Refusal::Unaligned { length, alignment: self.alignment };
            return Err(Error::at(Operation::Append, &self.key, offset, refusal));
        }
        Ok(())
    }

    /// Counts an accepted append.
    pub(crate) fn advance(&mut self, length: u64) {
        self.appended += length;
    }

    /// Whether the object may end at `length`. A longer one would be filled with bytes nobody wrote.
    pub(crate) fn check_end(&self, length: u64) -> Result<(), Error> {
        if length <= self.appended {
            return Ok(());
        }
        let refusal = Refusal::BeyondEnd { length, appended: self.appended };
        Err(Error::new(Operation::Finalize, &self.key, refusal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_whole_pages_in_order() {
        let mut cursor = Cursor::new("k", 512);
        assert!(cursor.check(0, 1024).is_ok());
        cursor.advance(1024);
        assert!(cursor.check(1024, 512).is_ok());
        assert!(cursor.check(0, 512).is_err());
        assert!(cursor.check(1024, 100).is_err());
        assert!(cursor.check_end(1000).is_ok() && cursor.check_end(1025).is_err());
    }
}
