//! A hash of 128 bits: states are told apart by it.
//!
//! Two of a million states fall together with a chance of 10^12 / 2^129, below 10^-26, if the hash spreads as chance would.

/// Folds words into 128 bits.
#[derive(Clone, Copy, Debug)]
pub struct Digest(u64, u64);

/// Odd constants without pattern: digits of pi.
const FIRST: u64 = 0x243F_6A88_85A3_08D3;
const SECOND: u64 = 0x1319_8A2E_0370_7345;

/// Both halves of a product: every bit of the result hangs on every bit of both.
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

impl Default for Digest {
    fn default() -> Digest {
        Digest(SECOND, FIRST)
    }
}

impl Digest {
    /// Folds a word.
    pub fn word(&mut self, word: u64) {
        let Digest(a, b) = *self;
        self.0 = mix(a ^ word, FIRST) ^ b.rotate_left(23);
        self.1 = mix(b.wrapping_add(word), SECOND) ^ a.rotate_left(41);
    }

    /// Folds bytes, and how many they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|w| self.word(u64::from_le_bytes(*w)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.word(u64::from_le_bytes(last));
    }

    /// What was folded so far.
    #[must_use]
    pub fn end(mut self) -> u128 {
        self.word(FIRST);
        self.word(SECOND);
        u128::from(self.0) << 64 | u128::from(self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn small_differences_make_other_halves() {
        let of = |words: &[u64]| {
            let mut digest = Digest::default();
            words.iter().for_each(|w| digest.word(*w));
            digest.end()
        };
        let mut all = HashSet::new();
        for bit in 0..64 {
            all.extend([of(&[1 << bit]), of(&[1 << bit, 0]), of(&[0, 1 << bit]), of(&[u64::MAX, 1 << bit])]);
        }
        assert_eq!(all.len(), 256);
        let halves: HashSet<u64> = all.iter().flat_map(|d| [*d as u64, (*d >> 64) as u64]).collect();
        assert_eq!(halves.len(), 512, "each half tells them apart");
        let mut text = [Digest::default(); 2];
        text[0].bytes(b"ab");
        text[1].bytes(b"ab\0");
        assert_ne!(text[0].end(), text[1].end(), "the length counts");
    }
}
