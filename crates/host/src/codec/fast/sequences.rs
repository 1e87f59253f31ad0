//! The runs of a unit as a section of its block (RFC 8878, section 3.1.1.3.2): how many, three tables, and one bitstream.
//!
//! Every run repeats the byte before it and has literals before it, so its offset is the one that was used last, which every
//! frame begins with: the table of offsets has one symbol and takes no bits.

use super::bits::BitWriter;
use super::fse::{self, MOST_LOG, SYMBOLS, Table};
use super::runs::Run;

/// Shares of the predefined tables, of 64.
const LITERAL_SHARES: [i16; 36] = [
    4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1,
    -1, -1,
];
const MATCH_SHARES: [i16; 53] = [
    1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
];
const USUAL_LOG: u32 = 6;
/// Fewer runs are not worth a table of their own.
const LEAST_DESCRIBED: usize = 16;
/// What a match is longer than its number says.
const SHORTEST: u32 = 3;
/// Bytes beside those of the bitstream: the count, modes, and three descriptions.
const HEAD: usize = 2 + 1 + 2 * 80 + 1;
/// Bytes of the bitstream for each run at the most: two states and two lengths.
const EACH: usize = 7;

/// Where codes of lengths begin to stand for several lengths, and how many bits then follow each.
struct Scale {
    /// Codes of short lengths, and the bits behind each code.
    codes: [u8; 128],
    bits: [u8; SYMBOLS],
    /// Longer ones: the number of their highest bit is added to this.
    above: u32,
    long: u32,
}

const LITERALS: Scale = Scale::new(&[(16, 0), (4, 1), (2, 2), (2, 3), (1, 4)], 19, 64);
const MATCHES: Scale = Scale::new(&[(32, 0), (4, 1), (2, 2), (2, 3), (2, 4), (1, 5)], 36, 128);

impl Scale {
    /// Takes how many codes have so many bits, one after another.
    const fn new(steps: &[(usize, u8)], above: u32, long: u32) -> Scale {
        let mut scale = Scale { codes: [0; 128], bits: [0; SYMBOLS], above, long };
        let (mut code, mut length, mut step) = (0, 0, 0);
        while step < steps.len() {
            let mut left = steps[step].0;
            while left > 0 {
                let mut same = 1_usize << steps[step].1;
                while same > 0 {
                    scale.codes[length] = code as u8;
                    length += 1;
                    same -= 1;
                }
                scale.bits[code] = steps[step].1;
                code += 1;
                left -= 1;
            }
            step += 1;
        }
        while code < SYMBOLS {
            scale.bits[code] = (code as u32).saturating_sub(above) as u8;
            code += 1;
        }
        scale
    }

    #[inline(always)]
    fn code(&self, length: u32) -> usize {
        match self.codes.get(length as usize) {
            Some(code) if length < self.long => usize::from(*code),
            _ => (length.ilog2() + self.above) as usize,
        }
    }
}

/// A chain of states, that of literals' lengths or that of matches'.
struct Chain {
    usual: &'static [i16],
    counts: [u32; SYMBOLS],
    table: Table,
}

/// How a table is given.
#[derive(Clone, Copy)]
enum Mode {
    Usual = 0,
    Single = 1,
    Described = 2,
}

/// Writes runs.
pub(super) struct Sequences {
    literals: Chain,
    matches: Chain,
}

impl Sequences {
    pub(super) fn new() -> Sequences {
        Sequences { literals: Chain::new(&LITERAL_SHARES), matches: Chain::new(&MATCH_SHARES) }
    }

    /// Writes the section; gives its bytes. `to` has the room that [`most`] says.
    pub(super) fn write(&mut self, runs: &[Run], to: &mut [u8]) -> usize {
        let mut at = put_count(runs.len(), to);
        if runs.is_empty() {
            return at;
        }
        self.count(runs);
        let modes = at;
        at += 1;
        let literals = self.literals.make_table(runs.len(), to, &mut at);
        // Of offsets there is one: that of repeat.
        to[at] = 0;
        at += 1;
        let matches = self.matches.make_table(runs.len(), to, &mut at);
        to[modes] = (literals as u8) << 6 | (Mode::Single as u8) << 4 | (matches as u8) << 2;
        at + self.write_bits(runs, &mut to[at..])
    }

    fn count(&mut self, runs: &[Run]) {
        self.literals.counts = [0; SYMBOLS];
        self.matches.counts = [0; SYMBOLS];
        for run in runs {
            self.literals.counts[LITERALS.code(run.literals)] += 1;
            self.matches.counts[MATCHES.code(run.length - SHORTEST)] += 1;
        }
    }

    fn write_bits(&self, runs: &[Run], to: &mut [u8]) -> usize {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2") {
            // SAFETY: the processor has these instructions.
            return unsafe { self.write_bits_shifting(runs, to) };
        }
        self.write_bits_by(runs, to)
    }

    /// The same, with shifts that leave the flags alone.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "bmi1,bmi2")]
    fn write_bits_shifting(&self, runs: &[Run], to: &mut [u8]) -> usize {
        self.write_bits_by(runs, to)
    }

    /// From the last run to the first, as they are read from the end.
    #[inline(always)]
    fn write_bits_by(&self, runs: &[Run], to: &mut [u8]) -> usize {
        let (literals, matches) = (&self.literals.table, &self.matches.table);
        let mut to = BitWriter::new(to);
        let mut states = None;
        for run in runs.iter().rev() {
            let (before, repeats) = (run.literals, run.length - SHORTEST);
            let codes = (LITERALS.code(before), MATCHES.code(repeats));
            match &mut states {
                None => states = Some((literals.begin(codes.0), matches.begin(codes.1))),
                Some((of_literals, of_matches)) => {
                    matches.go(of_matches, codes.1, &mut to);
                    literals.go(of_literals, codes.0, &mut to);
                }
            }
            put_behind(&LITERALS, codes.0, before, &mut to);
            put_behind(&MATCHES, codes.1, repeats, &mut to);
            to.flush();
        }
        let (of_literals, of_matches) = states.unwrap_or_default();
        matches.put(of_matches, &mut to);
        literals.put(of_literals, &mut to);
        to.end()
    }
}

/// The bits of a length that its code leaves open.
#[inline(always)]
fn put_behind(scale: &Scale, code: usize, length: u32, to: &mut BitWriter<'_>) {
    let bits = u32::from(scale.bits[code]);
    to.put(u64::from(length) & ((1 << bits) - 1), bits);
}

/// Bytes that the section of so many runs may take.
pub(super) const fn most(runs: usize) -> usize {
    HEAD + EACH * runs + 16
}

/// Writes how many sequences there are; gives its bytes.
fn put_count(count: usize, to: &mut [u8]) -> usize {
    // There is a third way, for more than a unit has.
    const { assert!(super::UNIT / 9 < 0x7F00) };
    let (bits, bytes) = match count {
        ..0x80 => (count, 1),
        _ => (((count >> 8) + 0x80) | (count & 255) << 8, 2),
    };
    to[..bytes].copy_from_slice(&bits.to_le_bytes()[..bytes]);
    bytes
}

impl Chain {
    fn new(usual: &'static [i16]) -> Chain {
        Chain { usual, counts: [0; SYMBOLS], table: Table::new() }
    }

    /// Makes the table for what was counted: of one symbol, the usual one, or one that is described, whichever takes the
    /// fewest bits. Writes what has to be said of it.
    fn make_table(&mut self, total: usize, to: &mut [u8], at: &mut usize) -> Mode {
        let symbols = self.counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        if self.counts[symbols - 1] as usize == total {
            to[*at] = (symbols - 1) as u8;
            *at += 1;
            self.table.build_single(symbols - 1);
            return Mode::Single;
        }
        if total >= LEAST_DESCRIBED {
            let log = (total as u32).ilog2().clamp(USUAL_LOG, MOST_LOG);
            let shares = fse::shares(&self.counts[..symbols], log);
            let mut description = [0; 128];
            let mut bits = BitWriter::new(&mut description);
            fse::describe(&shares[..symbols], log, &mut bits);
            let bytes = bits.pad();
            let cost = cost(&self.counts, &shares, log) + 16 * 8 * bytes as u32;
            if cost < self::cost(&self.counts, self.usual, USUAL_LOG) {
                to[*at..*at + bytes].copy_from_slice(&description[..bytes]);
                *at += bytes;
                self.table.build(&shares[..symbols], log);
                return Mode::Described;
            }
        }
        self.table.build(self.usual, USUAL_LOG);
        Mode::Usual
    }
}

/// Bits that symbols take by their shares of 1 << `log`, in 1/16, with the logarithm between powers of two as a straight line.
fn cost(counts: &[u32; SYMBOLS], shares: &[i16], log: u32) -> u32 {
    let bits = |share: i16| {
        let share = share.max(1) as u32;
        16 * log - 16 * share.ilog2() - ((share * 16) >> share.ilog2()) % 16
    };
    counts.iter().zip(shares).map(|(count, share)| if *count > 0 { count * bits(*share) } else { 0 }).sum()
}
