//! Bits to bytes, the lowest first, 64 held at a time.

/// A writer of bits. Behind what it wrote, up to 8 bytes are overwritten.
pub(super) struct BitWriter<'a> {
    to: &'a mut [u8],
    at: usize,
    held: u64,
    used: u32,
}

impl<'a> BitWriter<'a> {
    /// Writes from the beginning of `to`, which has 8 bytes more than are written.
    #[inline(always)]
    pub(super) fn new(to: &'a mut [u8]) -> BitWriter<'a> {
        BitWriter { to, at: 0, held: 0, used: 0 }
    }

    /// Holds `bits` more bits, which are all that `value` has. At most 56 between flushes.
    #[inline(always)]
    pub(super) fn put(&mut self, value: u64, bits: u32) {
        self.held |= value << self.used;
        self.used += bits;
    }

    /// Writes the whole bytes that are held.
    #[inline(always)]
    pub(super) fn flush(&mut self) {
        self.to[self.at..self.at + 8].copy_from_slice(&self.held.to_le_bytes());
        self.at += (self.used / 8) as usize;
        self.held >>= self.used & 56;
        self.used %= 8;
    }

    /// Fills the last byte with zeros; how many bytes there are.
    #[inline(always)]
    pub(super) fn pad(&mut self) -> usize {
        self.flush();
        self.at += usize::from(self.used > 0);
        (self.held, self.used) = (0, 0);
        self.at
    }

    /// Ends what is read from its end: with a bit that is set. Gives how many bytes there are.
    #[inline(always)]
    pub(super) fn end(&mut self) -> usize {
        self.put(1, 1);
        self.pad()
    }
}
