//! A source, cut into what is appended at a time.

/// Pieces of a source that begins again where it ends.
#[derive(Clone, Debug)]
pub(crate) struct Pieces<'a> {
    source: &'a [u8],
    at: usize,
    /// Bytes of a piece; those at the end of the source and of the run are smaller.
    append: usize,
    left: u64,
}

impl<'a> Pieces<'a> {
    /// `bytes` bytes in all, from `at` on.
    pub(crate) fn new(source: &'a [u8], at: usize, append: usize, bytes: u64) -> Pieces<'a> {
        Pieces { source, at, append, left: bytes }
    }

    /// The same, and each byte of the source at most once.
    pub(crate) fn once_round(&self) -> Pieces<'a> {
        Pieces { left: self.left.min(self.source.len() as u64), ..self.clone() }
    }

    /// The whole source.
    pub(crate) fn source(&self) -> &'a [u8] {
        self.source
    }

    /// Bytes in all.
    pub(crate) fn bytes(&self) -> u64 {
        self.left
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let piece = self.append.min(self.source.len() - self.at).min(left);
        if piece == 0 {
            return None;
        }
        let bytes = &self.source[self.at..self.at + piece];
        // No division: it is a part of the time of small appends.
        self.at += piece;
        if self.at == self.source.len() {
            self.at = 0;
        }
        self.left -= piece as u64;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_go_round() {
        let pieces = Pieces::new(b"abcdefg", 4, 3, 12);
        let cut: Vec<_> = pieces.clone().collect();
        assert_eq!(cut, [b"efg".as_slice(), b"abc", b"def", b"g", b"ab"]);
        assert_eq!(pieces.once_round().map(<[u8]>::len).sum::<usize>(), 7);
        assert_eq!(Pieces::new(b"", 0, 3, 12).next(), None);
    }
}
