//! Bytes at a chosen place in memory, without unsafe code: more room than needed, lent from where it fits.

/// A run of bytes whose address is a multiple of a page, as
/// [`Store::alignment`](crate::Store::alignment) asks.
#[derive(Debug)]
pub struct Aligned {
    room: Vec<u8>,
    start: usize,
    length: usize,
}

impl Aligned {
    /// A copy of `bytes` that begins at a multiple of `page`; at any address when `page` is 0.
    pub fn copy(bytes: &[u8], page: u64) -> Self {
        Self::beside(bytes, page, 0)
    }

    /// A copy of `bytes` that begins `shift` bytes behind a multiple of `page`, which an aligned store refuses.
    pub fn beside(bytes: &[u8], page: u64, shift: usize) -> Self {
        let page = usize::try_from(page.max(1)).expect("a page that fits into memory");
        let mut room = vec![0; bytes.len() + page + shift];
        // A vector never moves its bytes on its own, so that the place stays right wherever this goes.
        let start = room.as_ptr().addr().next_multiple_of(page) - room.as_ptr().addr() + shift;
        room[start..start + bytes.len()].copy_from_slice(bytes);
        Self { room, start, length: bytes.len() }
    }
}

impl AsRef<[u8]> for Aligned {
    fn as_ref(&self) -> &[u8] {
        &self.room[self.start..self.start + self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(page: u64, shift: usize) {
        let bytes = (0..=255).collect::<Vec<_>>();
        let aligned = Box::new(Aligned::beside(&bytes, page, shift));
        assert_eq!(aligned.as_ref().as_ref(), bytes);
        let address = (*aligned).as_ref().as_ptr().addr();
        assert_eq!(address % page.max(1) as usize, shift % page.max(1) as usize, "page {page}");
    }

    #[test]
    fn begins_where_it_was_asked_to() {
        for page in [0, 1, 512, 4096, 1 << 20] {
            check(page, 0);
            check(page, 8);
        }
    }
}
