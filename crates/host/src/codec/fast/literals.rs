//! The literals of a unit as a section of its block (RFC 8878, section 3.1.1.3.1): raw, or Huffman-coded in four streams.

use super::bits::BitWriter;
use super::codes::{Codes, MOST_BITS, MOST_TREE};

/// Fewer literals are not worth a tree.
const LEAST_CODED: usize = 64;
/// Streams of coded literals.
const STREAMS: usize = 4;
/// The table of their sizes: of all but the last.
const JUMPS: usize = 2 * (STREAMS - 1);

/// Bytes beside one another are counted apart, so that equal ones do not wait for each other's sums.
const COUNTERS: usize = 4;

/// Counts, codes and writes literals.
pub(super) struct Literals {
    counts: [[u32; 256]; COUNTERS],
    codes: Codes,
}

impl Literals {
    pub(super) fn new() -> Literals {
        Literals { counts: [[0; 256]; COUNTERS], codes: Codes::new() }
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
    pub(super) fn write_coded(&self, literals: &[u8], to: &mut [u8]) -> usize {
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
        for (i, stream) in literals.chunks(literals.len().div_ceil(STREAMS)).enumerate() {
            let bytes = write_stream(&codes.each, codes.longest, stream, &mut to[at..]);
            if i < STREAMS - 1 {
                to[jumps + 2 * i..][..2].copy_from_slice(&(bytes as u16).to_le_bytes());
            }
            at += bytes;
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

/// Writes one stream, the last literal first; gives its bytes.
fn write_stream(codes: &[u32; 256], longest: usize, literals: &[u8], to: &mut [u8]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2") {
        // SAFETY: the processor has these instructions.
        return unsafe { write_stream_shifting(codes, longest, literals, to) };
    }
    write_stream_by(codes, longest, literals, to)
}

/// The same, with shifts that leave the flags alone.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi1,bmi2")]
fn write_stream_shifting(codes: &[u32; 256], longest: usize, literals: &[u8], to: &mut [u8]) -> usize {
    write_stream_by(codes, longest, literals, to)
}

/// As many literals between flushes as their codes allow.
#[inline(always)]
fn write_stream_by(codes: &[u32; 256], longest: usize, literals: &[u8], to: &mut [u8]) -> usize {
    const _: () = assert!(5 * MOST_BITS <= 56);
    match longest {
        ..=7 => write_groups::<8>(codes, literals, to),
        8 => write_groups::<7>(codes, literals, to),
        9 => write_groups::<6>(codes, literals, to),
        _ => write_groups::<5>(codes, literals, to),
    }
}

/// Codes of a group are joined by themselves first, so that the groups' own chain is short.
#[inline(always)]
fn write_groups<const N: usize>(codes: &[u32; 256], literals: &[u8], to: &mut [u8]) -> usize {
    let mut to = BitWriter::new(to);
    let (first, groups) = literals.as_rchunks::<N>();
    for group in groups.iter().rev() {
        let (value, bits) = join(codes, group);
        to.put(value, bits);
        to.flush();
    }
    let (value, bits) = join(codes, first);
    to.put(value, bits);
    to.flush();
    to.end()
}

/// The codes of some literals, that of the last the lowest, and their bits.
#[inline(always)]
fn join(codes: &[u32; 256], literals: &[u8]) -> (u64, u32) {
    literals.iter().rev().fold((0, 0), |(value, bits), literal| {
        let code = codes[usize::from(*literal)];
        (value | u64::from(code & 0xFFFF) << bits, bits + (code >> 16))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written does not depend on the processor.
    #[test]
    fn shifts_of_both_kinds_write_the_same() {
        let mut literals = Literals::new();
        for kinds in [2, 5, 17, 100, 129, 200] {
            let bytes: Vec<_> = (0..9000_u32).map(|i| (i * i / 7 % kinds * (i % 3)) as u8).collect();
            assert!(literals.are_coded(&bytes));
            let Codes { each, longest, .. } = &literals.codes;
            let (mut here, mut anywhere) = (vec![0; 14_000], vec![0; 14_000]);
            let size = write_stream(each, *longest, &bytes, &mut here);
            assert_eq!(write_stream_by(each, *longest, &bytes, &mut anywhere), size);
            assert_eq!(here[..size], anywhere[..size], "{kinds} kinds");
        }
    }
}
