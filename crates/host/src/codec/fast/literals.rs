//! The literals of a unit as a section of its block (RFC 8878, section 3.1.1.3.1): raw, or Huffman-coded in four streams.

use super::UNIT;
use super::codes::{Codes, MOST_BITS, MOST_TREE};

/// Fewer literals are not worth a tree.
const LEAST_CODED: usize = 64;
/// Streams of coded literals.
const STREAMS: usize = 4;
/// The table of their sizes: of all but the last.
const JUMPS: usize = 2 * (STREAMS - 1);

/// Bytes beside one another are counted apart, so that equal ones do not wait for each other's sums.
const COUNTERS: usize = 4;

/// Room for a stream. It is a power of two, and 8 bytes more, so that a place in it needs no check but a mask.
type Stream = [u8; STREAM_ROOM + 8];
const STREAM_ROOM: usize = 32 << 10;
const _: () = assert!(UNIT / STREAMS * MOST_BITS / 8 + 8 < STREAM_ROOM);

/// Counts, codes and writes literals.
pub(super) struct Literals {
    counts: [[u32; 256]; COUNTERS],
    codes: Codes,
    /// Two streams that are written side by side, until it is known how long they are.
    streams: [Stream; 2],
}

impl Literals {
    pub(super) fn new() -> Literals {
        Literals { counts: [[0; 256]; COUNTERS], codes: Codes::new(), streams: [[0; STREAM_ROOM + 8]; 2] }
    }

    /// Makes codes for these, and says whether they pay. As what repeats is a run, so many literals are never all the same.
    pub(super) fn are_coded(&mut self, literals: &[u8]) -> bool {
        if literals.len() < LEAST_CODED {
            return false;
        }
        count(literals, &mut self.counts);
        let [counts, others @ ..] = &mut self.counts;
        for (i, count) in counts.iter_mut().enumerate() {
            *count += others.iter().map(|counts| counts[i]).sum::<u32>();
        }
        if !self.codes.make(counts) {
            return false;
        }
        let coded = MOST_HEADER + self.codes.tree_bytes + JUMPS + self.codes.bits as usize / 8 + STREAMS;
        // A reader copies raw literals much faster: what little they would shrink does not pay.
        coded < literals.len() - literals.len() / 64
    }

    /// Writes them as the codes say that were made for them; gives the section's bytes. `to` has room for the literals and
    /// [`ROOM`] more.
    pub(super) fn write_coded(&mut self, literals: &[u8], to: &mut [u8]) -> usize {
        let codes = &self.codes;
        let most = literals.len().max(codes.tree_bytes + JUMPS + codes.bits as usize / 8 + STREAMS);
        let (format, size_bits, header) = match most {
            ..0x400 => (1, 10, 3),
            0x400..0x4000 => (2, 14, 4),
            _ => (3, 18, MOST_HEADER),
        };
        to[header..header + codes.tree_bytes].copy_from_slice(&codes.tree[..codes.tree_bytes]);
        let jumps = header + codes.tree_bytes;
        let mut at = jumps + JUMPS;
        let (half, quarter) = (literals.len().div_ceil(STREAMS) * 2, literals.len().div_ceil(STREAMS));
        for (i, pair) in [&literals[..half], &literals[half..]].into_iter().enumerate() {
            let pair = pair.split_at(quarter);
            let sizes = write_pair(codes, pair.into(), &mut self.streams);
            for (stream, size) in self.streams.iter().zip(sizes) {
                to[at..at + size].copy_from_slice(&stream[..size]);
                at += size;
            }
            // That of the last stream is what is left.
            for (size, jump) in sizes.iter().zip(2 * i..STREAMS - 1) {
                to[jumps + 2 * jump..][..2].copy_from_slice(&(*size as u16).to_le_bytes());
            }
        }
        let sizes = (literals.len() | (at - header) << size_bits) as u64;
        let bits = (2 | format << 2 | sizes << 4).to_le_bytes();
        to[..header].copy_from_slice(&bits[..header]);
        at
    }
}

/// Bytes of the longest header.
const MOST_HEADER: usize = 5;
/// What a section needs beside the literals.
pub(super) const ROOM: usize = MOST_HEADER + MOST_TREE + JUMPS + STREAMS + 8;

/// Writes them as they are; gives the section's bytes.
pub(super) fn write_raw(literals: &[u8], to: &mut [u8]) -> usize {
    let count = literals.len();
    let (bits, header) = match count {
        ..32 => (count << 3, 1),
        32..4096 => (1 << 2 | count << 4, 2),
        _ => (3 << 2 | count << 4, 3),
    };
    to[..header].copy_from_slice(&bits.to_le_bytes()[..header]);
    to[header..header + count].copy_from_slice(literals);
    header + count
}

/// How often each byte is there, in parts.
fn count(bytes: &[u8], counts: &mut [[u32; 256]; COUNTERS]) {
    *counts = [[0; 256]; COUNTERS];
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word);
        for i in 0..8 {
            counts[i % COUNTERS][usize::from((word >> (8 * i)) as u8)] += 1;
        }
    }
    rest.iter().for_each(|byte| counts[0][usize::from(*byte)] += 1);
}

/// Writes two streams, each with its last literal first; gives their bytes.
fn write_pair(codes: &Codes, literals: [&[u8]; 2], to: &mut [Stream; 2]) -> [usize; 2] {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2") {
        // SAFETY: the processor has these instructions.
        return unsafe { write_pair_shifting(codes, literals, to) };
    }
    write_pair_by(codes, literals, to)
}

/// The same, with shifts that leave the flags alone.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi1,bmi2")]
fn write_pair_shifting(codes: &Codes, literals: [&[u8]; 2], to: &mut [Stream; 2]) -> [usize; 2] {
    write_pair_by(codes, literals, to)
}

/// As many literals between flushes as their codes allow.
#[inline(always)]
fn write_pair_by(codes: &Codes, literals: [&[u8]; 2], to: &mut [Stream; 2]) -> [usize; 2] {
    const { assert!(5 * MOST_BITS <= MOST_HELD) };
    match codes.longest {
        ..=7 => write_groups::<8>(&codes.each, literals, to),
        8 => write_groups::<7>(&codes.each, literals, to),
        9 => write_groups::<6>(&codes.each, literals, to),
        _ => write_groups::<5>(&codes.each, literals, to),
    }
}

/// Codes wait for each other within a stream, so two go side by side.
#[inline(always)]
fn write_groups<const N: usize>(
    codes: &[u64; 256],
    literals: [&[u8]; 2],
    to: &mut [Stream; 2],
) -> [usize; 2] {
    let [(first, groups), (other_first, other_groups)] = literals.map(|l| l.as_rchunks::<N>());
    let [mut one, mut other] = to.each_mut().map(CodeWriter::new);
    for (group, other_group) in groups.iter().rev().zip(other_groups.iter().rev()) {
        for i in (1..N).rev() {
            one.put(codes[usize::from(group[i])]);
            other.put(codes[usize::from(other_group[i])]);
        }
        one.put_last(codes[usize::from(group[0])]);
        other.put_last(codes[usize::from(other_group[0])]);
        one.flush();
        other.flush();
    }
    let both = groups.len().min(other_groups.len());
    one.put_rest(codes, &groups[..groups.len() - both], first);
    other.put_rest(codes, &other_groups[..other_groups.len() - both], other_first);
    [one.at, other.at]
}

/// Bits that are put between flushes, at the most.
const MOST_HELD: usize = 56;

/// Writes codes, held at the upper end of a word: what is put last is highest. Bits below those that are held mean nothing.
struct CodeWriter<'a> {
    to: &'a mut Stream,
    at: usize,
    held: u64,
    /// How many are held, in the lowest byte; it is a sum of whole codes, so that it needs no mask.
    bits: u64,
}

impl<'a> CodeWriter<'a> {
    #[inline(always)]
    fn new(to: &'a mut Stream) -> CodeWriter<'a> {
        CodeWriter { to, at: 0, held: 0, bits: 0 }
    }

    /// A code leaves its length in the 4 lowest bits: not the last before a flush.
    #[inline(always)]
    fn put(&mut self, code: u64) {
        self.held = (self.held >> (code & 63)) | code;
        self.bits = self.bits.wrapping_add(code);
    }

    /// The last before a flush. Where the 4 lowest bits are held, more than 60 in all, codes have 6 bits or more, and this one
    /// has moved what those before it left there.
    #[inline(always)]
    fn put_last(&mut self, code: u64) {
        self.held = (self.held >> (code & 63)) | (code & !15);
        self.bits = self.bits.wrapping_add(code);
    }

    #[inline(always)]
    fn flush(&mut self) {
        let bits = self.bits & 0xFF;
        let held = self.held >> (bits.wrapping_neg() & 63);
        let at = self.at % STREAM_ROOM;
        self.to[at..at + 8].copy_from_slice(&held.to_le_bytes());
        self.at += (bits / 8) as usize;
        self.bits = bits % 8;
    }

    /// What one stream has more than the other, and the end.
    #[inline(always)]
    fn put_rest<const N: usize>(&mut self, codes: &[u64; 256], groups: &[[u8; N]], first: &[u8]) {
        for group in groups.iter().map(<[u8; N]>::as_slice).rev().chain([first]) {
            if let Some((last, before)) = group.split_first() {
                before.iter().rev().for_each(|literal| self.put(codes[usize::from(*literal)]));
                self.put_last(codes[usize::from(*last)]);
                self.flush();
            }
        }
        // The bit that ends a stream.
        self.put(1 << 63 | 1);
        let bits = self.bits & 0xFF;
        self.flush();
        self.at += usize::from(!bits.is_multiple_of(8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type WritePair = fn(&Codes, [&[u8]; 2], &mut [Stream; 2]) -> [usize; 2];

    /// What is written does not depend on the processor.
    #[test]
    fn shifts_of_both_kinds_write_the_same() {
        let mut literals = Literals::new();
        for kinds in [2, 5, 17, 100, 129, 200] {
            let bytes: Vec<_> = (0..9000_u32).map(|i| (i * i / 7 % kinds * (i % 3)) as u8).collect();
            assert!(literals.are_coded(&bytes));
            for cut in [4500, 4497, 10, 0] {
                let pair = bytes.split_at(cut);
                let write = |by: WritePair| {
                    let mut to = [[0; STREAM_ROOM + 8]; 2];
                    let sizes = by(&literals.codes, pair.into(), &mut to);
                    [to[0][..sizes[0]].to_vec(), to[1][..sizes[1]].to_vec()]
                };
                assert_eq!(write(write_pair), write(write_pair_by), "{kinds} kinds, {cut}");
            }
        }
    }
}
