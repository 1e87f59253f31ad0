//! Runs of equal bytes, and the literals between them.
//!
//! A bit for each byte of a unit says whether it equals the one before it; eight such bits in a row are worth a match
//! with offset 1. The bits of 64 bytes come from vector compares; whether any eight of them are in a row takes three
//! shifts, so that bytes without runs cost next to nothing.

use super::UNIT;

/// Bytes that repeat the one before them, for a run to be one.
const LEAST: u32 = 8;
/// Bits of a word.
const WORD: usize = 64;
/// Literals are copied by so many bytes at once.
const STEP: usize = 32;

/// Literals, and how often the last of them is repeated behind them: at least one, and at least `LEAST`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) literals: u32,
    pub(super) length: u32,
}

/// What a unit consists of: its runs, and literals, of which those behind the last run belong to none.
pub(super) struct Parts<'a> {
    pub(super) literals: &'a [u8],
    pub(super) runs: &'a [Run],
}

/// Room for the parts of a unit.
pub(super) struct Finder {
    equal: Vec<u64>,
    literals: Vec<u8>,
    runs: Vec<Run>,
}

impl Finder {
    pub(super) fn new() -> Finder {
        Finder {
            equal: Vec::with_capacity(UNIT / WORD + 2),
            literals: vec![0; UNIT + STEP],
            runs: Vec::with_capacity(UNIT / (LEAST as usize + 1) + 1),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        8 * self.equal.capacity() + self.literals.len() + 8 * self.runs.capacity()
    }

    /// Takes a unit of at most `UNIT` bytes apart. Without runs it is its own literals.
    pub(super) fn find<'a>(&'a mut self, unit: &'a [u8]) -> Parts<'a> {
        let kept = self.take_apart(unit);
        match self.runs.is_empty() {
            true => Parts { literals: unit, runs: &[] },
            false => Parts { literals: &self.literals[..kept], runs: &self.runs },
        }
    }

    /// Fills the rooms; gives how many literals there are, where there are runs.
    fn take_apart(&mut self, unit: &[u8]) -> usize {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
        {
            // SAFETY: the processor has these instructions.
            return unsafe { self.take_apart_wide(unit) };
        }
        self.take_apart_by(unit, compare)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn take_apart_wide(&mut self, unit: &[u8]) -> usize {
        self.take_apart_by(unit, |bytes| compare_wide(bytes))
    }

    #[inline(always)]
    fn take_apart_by(&mut self, unit: &[u8], compare: impl Fn(&[u8; WORD + 1]) -> u64) -> usize {
        equal_to_before(unit, &mut self.equal, compare);
        self.runs.clear();
        let (mut at, mut kept) = (0, 0);
        for word in 0..self.equal.len() - 1 {
            let starts = in_a_row(self.equal[word], self.equal[word + 1]);
            let base = word * WORD;
            if starts == 0 || at >= base + WORD {
                continue;
            }
            // Bits before `at` are of the run that ends there.
            let mut starts = starts & (!0 << at.saturating_sub(base));
            while starts != 0 {
                let start = base + starts.trailing_zeros() as usize;
                let end = first_other(&self.equal, start);
                keep(&mut self.literals, &mut kept, unit, at, start);
                self.runs.push(Run { literals: (start - at) as u32, length: (end - start) as u32 });
                at = end;
                starts &= if end < base + WORD { !0 << (end - base) } else { 0 };
            }
        }
        if !self.runs.is_empty() {
            keep(&mut self.literals, &mut kept, unit, at, unit.len());
        }
        kept
    }
}

/// Puts literals `at..end` of a unit behind those that are kept. Few are copied with what follows them: most are few.
#[inline(always)]
fn keep(to: &mut [u8], kept: &mut usize, unit: &[u8], at: usize, end: usize) {
    match unit.get(at..at + STEP) {
        Some(bytes) if end - at <= STEP => to[*kept..*kept + STEP].copy_from_slice(bytes),
        _ => to[*kept..*kept + end - at].copy_from_slice(&unit[at..end]),
    }
    *kept += end - at;
}

/// A bit for each place where eight bits in a row begin.
#[inline(always)]
fn in_a_row(word: u64, next: u64) -> u64 {
    // Where bytes are noise there is seldom a pair.
    if word & (word >> 1 | next << 63) == 0 {
        return 0;
    }
    let mut bits = u128::from(word) | u128::from(next) << WORD;
    bits &= bits >> 1;
    bits &= bits >> 2;
    bits &= bits >> 4;
    bits as u64
}

/// The first place from `start` on whose bit is not set; behind the unit none is.
#[inline(always)]
fn first_other(equal: &[u64], start: usize) -> usize {
    let mut word = start / WORD;
    let mut others = !equal[word] & (!0 << (start % WORD));
    while others == 0 {
        word += 1;
        others = !equal[word];
    }
    word * WORD + others.trailing_zeros() as usize
}

/// A word with a bit for each byte that equals the one before it, and behind the last word one without any.
#[inline(always)]
fn equal_to_before(unit: &[u8], equal: &mut Vec<u64>, compare: impl Fn(&[u8; WORD + 1]) -> u64) {
    equal.clear();
    for (n, group) in unit.chunks(WORD).enumerate() {
        let whole = (n * WORD).checked_sub(1).and_then(|from| unit[from..].first_chunk());
        equal.push(match whole {
            Some(bytes) => compare(bytes),
            None => {
                // The first group, whose first byte equals nothing, or one that is shorter.
                let mut bytes = [0; WORD + 1];
                bytes[0] = n.checked_sub(1).map_or(!group[0], |before| unit[before * WORD + WORD - 1]);
                bytes[1..=group.len()].copy_from_slice(group);
                compare(&bytes) & (!0 >> (WORD - group.len()))
            }
        });
    }
    equal.push(0);
}

/// A bit for each byte but the first that equals the one before it.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn compare(bytes: &[u8; WORD + 1]) -> u64 {
    // SAFETY: every x86-64 has these instructions.
    unsafe { compare_vectors(bytes) }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse2")]
fn compare_vectors(bytes: &[u8; WORD + 1]) -> u64 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8};
    let load = |from: usize| {
        let bytes: &[u8; 16] = bytes[from..from + 16].first_chunk().expect("16 bytes");
        // SAFETY: 16 bytes may be read there, from any address.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    };
    (0..WORD).step_by(16).fold(0, |bits, at| {
        let mask = _mm_movemask_epi8(_mm_cmpeq_epi8(load(at), load(at + 1)));
        bits | u64::from(mask as u16) << at
    })
}

/// The same by vectors of 32 bytes.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn compare_wide(bytes: &[u8; WORD + 1]) -> u64 {
    use std::arch::x86_64::{_mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8};
    let load = |from: usize| {
        let bytes: &[u8; 32] = bytes[from..from + 32].first_chunk().expect("32 bytes");
        // SAFETY: 32 bytes may be read there, from any address.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    };
    let half = |at| _mm256_movemask_epi8(_mm256_cmpeq_epi8(load(at), load(at + 1))) as u32;
    u64::from(half(0)) | u64::from(half(32)) << 32
}

#[cfg(not(target_arch = "x86_64"))]
use compare_words as compare;

/// The same with words of the processor's.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn compare_words(bytes: &[u8; WORD + 1]) -> u64 {
    (0..WORD).step_by(8).fold(0, |bits, at| {
        let load = |from: usize| u64::from_le_bytes(*bytes[from..from + 8].first_chunk().expect("8 bytes"));
        let differ = load(at) ^ load(at + 1);
        const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
        // The highest bit of each byte that is zero; a multiplication brings all eight together.
        let zero = !(((differ & LOW) + LOW) | differ | LOW);
        bits | ((zero >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) << at
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of a unit, by looking at each byte.
    fn parts(unit: &[u8]) -> (Vec<u8>, Vec<Run>) {
        let (mut literals, mut runs, mut at, mut since) = (Vec::new(), Vec::new(), 0, 0);
        while at < unit.len() {
            let length = (1..unit.len() - at).take_while(|k| unit[at + k] == unit[at]).count();
            literals.push(unit[at]);
            if length < LEAST as usize {
                literals.extend(&unit[at + 1..at + 1 + length]);
            } else {
                let length = length as u32;
                runs.push(Run { literals: (literals.len() - since) as u32, length });
                since = literals.len();
            }
            at += 1 + length;
        }
        (literals, runs)
    }

    #[test]
    fn units_come_apart_as_byte_by_byte() {
        let mut finder = Finder::new();
        let mut state = 1_u64;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            (state >> 33) % below
        };
        for case in 0..3000 {
            let (bytes, longest) = (1 + draw(if case % 50 == 0 { UNIT as u64 } else { 400 }), 1 + draw(200));
            let mut unit = Vec::new();
            while unit.len() < bytes as usize {
                unit.extend(vec![draw(3) as u8; 1 + draw(longest) as usize]);
            }
            unit.truncate(bytes as usize);
            let (literals, runs) = parts(&unit);
            let found = finder.find(&unit);
            assert_eq!((found.literals, found.runs), (&literals[..], &runs[..]), "case {case}: {unit:?}");
            // Also on processors without the widest vectors.
            let kept = finder.take_apart_by(&unit, compare);
            let kept = if runs.is_empty() { &unit } else { &finder.literals[..kept] };
            assert_eq!((kept, &finder.runs), (&literals[..], &runs), "case {case}: {unit:?}");
        }
        let found = finder.find(&[7; UNIT]);
        assert_eq!((found.literals, found.runs), (&[7][..], &[Run { literals: 1, length: 65_535 }][..]));
    }

    /// Among bytes that are all different from their neighbours, so that a word has no other pair.
    #[test]
    fn runs_begin_and_end_anywhere() {
        let mut finder = Finder::new();
        for (start, length) in (0..140).flat_map(|start| (1..80).map(move |length| (start, length))) {
            let mut unit: Vec<_> = (0..300).map(|i| i as u8 % 7).collect();
            unit[start..=start + length].fill(9);
            let (literals, runs) = parts(&unit);
            let found = finder.find(&unit);
            assert_eq!((found.literals, found.runs), (&literals[..], &runs[..]), "{length} from {start}");
        }
    }

    #[test]
    fn words_compare_as_vectors_do() {
        for seed in 0..500_u32 {
            let bytes = std::array::from_fn(|i| ((seed * 31 + i as u32 * i as u32 * seed) >> 7) as u8 & 3);
            assert_eq!(compare_words(&bytes), compare(&bytes), "{bytes:?}");
        }
    }
}
