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

    /// Whether `bytes` may be appended at `offset`; changes nothing.
    pub(crate) fn check(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        if offset != self.appended {
            let refusal = Refusal::OutOfOrder { stated: offset, appended: self.appended };
            return Err(Error::at(Operation::Append, &self.key, offset, refusal));
        }
        self.check_page(bytes).map_err(|refusal| Error::at(Operation::Append, &self.key, offset, refusal))
    }

    /// Offsets are sums of lengths, so that checking each length checks each offset.
    fn check_page(&self, bytes: &[u8]) -> Result<(), Refusal> {
        let alignment = self.alignment;
        // Of no bytes, no address is ever used.
        if alignment == 0 || bytes.is_empty() {
            return Ok(());
        }
        let length = bytes.len() as u64;
        if !length.is_multiple_of(alignment) {
            return Err(Refusal::BrokenPage { length, alignment });
        }
        let address = bytes.as_ptr().addr();
        match address as u64 % alignment {
            0 => Ok(()),
            past => Err(Refusal::Unaligned { address, past, alignment }),
        }
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
    use crate::aligned::Aligned;

    #[test]
    fn takes_whole_pages_in_order() {
        let mut cursor = Cursor::new("k", 512);
        let pages = Aligned::copy(&[0; 1024], 512);
        let bytes = pages.as_ref();
        assert!(cursor.check(0, bytes).is_ok());
        cursor.advance(1024);
        assert!(cursor.check(1024, &bytes[..512]).is_ok());
        assert!(cursor.check(0, &bytes[..512]).is_err());
        assert!(cursor.check(1024, &bytes[..100]).is_err());
        assert!(cursor.check_end(1000).is_ok() && cursor.check_end(1025).is_err());
    }

    #[test]
    fn says_which_address_is_wrong_and_what_to_do() {
        let cursor = Cursor::new("k", 512);
        let beside = Aligned::beside(&[0; 512], 512, 8);
        let error = cursor.check(0, beside.as_ref()).expect_err("check").to_string();
        let address = beside.as_ref().as_ptr().addr();
        let expected = format!(
            "append to k at byte 0: the bytes of an append are at the address {address:#x}, 8 bytes past a \
             page of memory, but this store takes bytes at multiples of 512; append from memory that is \
             aligned to it"
        );
        assert_eq!(error, expected);
        assert!(cursor.check(0, &beside.as_ref()[..0]).is_ok(), "of no bytes, no address is used");
        assert!(Cursor::new("k", 0).check(0, beside.as_ref()).is_ok(), "a store without pages takes any");
    }
}
