//! Finite state entropy, as RFC 8878, section 4.1, has it: shares of a table, the table, and its description.

use super::bits::BitWriter;

/// Bits of a state at the most.
pub(super) const MOST_LOG: u32 = 9;
/// Symbols at the most: lengths of matches have as many.
pub(super) const SYMBOLS: usize = 53;

/// A table that goes from a symbol's state to the next one's.
pub(super) struct Table {
    log: u32,
    states: [u16; 1 << MOST_LOG],
    steps: [Step; SYMBOLS],
}

/// For one symbol.
#[derive(Clone, Copy, Default)]
struct Step {
    /// Plus a state: in the bits above 16, how many bits of the state are written.
    bits: u32,
    /// Plus a state without them: the place of the next.
    first: i32,
}

impl Table {
    pub(super) fn new() -> Table {
        Table { log: 0, states: [0; 1 << MOST_LOG], steps: [Step::default(); SYMBOLS] }
    }

    /// Takes shares of 1 << `log`; -1 is less than one, and has one place at the end.
    pub(super) fn build(&mut self, shares: &[i16], log: u32) {
        let size = 1_usize << log;
        let mut spread = [0_u8; 1 << MOST_LOG];
        let mut end = size;
        for (symbol, _) in shares.iter().enumerate().filter(|(_, share)| **share < 0) {
            end -= 1;
            spread[end] = symbol as u8;
        }
        let (step, mut place) = (size / 2 + size / 8 + 3, 0);
        for (symbol, share) in shares.iter().enumerate() {
            for _ in 0..*share {
                spread[place] = symbol as u8;
                place = (place + step) % size;
                while place >= end {
                    place = (place + step) % size;
                }
            }
        }
        let mut before = 0;
        for (share, step) in shares.iter().zip(&mut self.steps) {
            step.first = before;
            before += i32::from(share.abs());
        }
        for (place, symbol) in spread[..size].iter().enumerate() {
            let step = &mut self.steps[usize::from(*symbol)];
            self.states[step.first as usize] = (size + place) as u16;
            step.first += 1;
        }
        for (share, step) in shares.iter().zip(&mut self.steps).filter(|(share, _)| **share != 0) {
            let count = u32::from(share.unsigned_abs());
            let most = log - (count - 1).checked_ilog2().unwrap_or(0);
            step.bits = (most << 16) - (count << most);
            step.first -= 2 * count as i32;
        }
        self.log = log;
    }

    /// A table of one symbol, which takes no bits.
    pub(super) fn build_single(&mut self, symbol: usize) {
        self.steps[symbol] = Step::default();
        (self.states[0], self.log) = (0, 0);
    }

    /// The state that stands for a symbol behind which there is none: one that is reached with the fewest bits.
    pub(super) fn begin(&self, symbol: usize) -> u32 {
        let step = self.steps[symbol];
        let bits = (step.bits + (1 << 15)) >> 16;
        let state = (bits << 16) - step.bits;
        u32::from(self.states[((state >> bits) as i32 + step.first) as usize])
    }

    /// Goes on to a symbol, and writes what the state loses by it.
    #[inline(always)]
    pub(super) fn go(&self, state: &mut u32, symbol: usize, to: &mut BitWriter<'_>) {
        let step = self.steps[symbol];
        let bits = (*state + step.bits) >> 16;
        to.put(u64::from(*state) & ((1 << bits) - 1), bits);
        *state = u32::from(self.states[((*state >> bits) as i32 + step.first) as usize]);
    }

    /// Writes a state that a reader begins with.
    pub(super) fn put(&self, state: u32, to: &mut BitWriter<'_>) {
        to.put(u64::from(state) & ((1 << self.log) - 1), self.log);
    }
}

/// Shares of 1 << `log` for symbols that are there so often; at least one for each that is there at all. Two symbols are.
pub(super) fn shares(counts: &[u32], log: u32) -> [i16; SYMBOLS] {
    let total: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    let mut shares = [0; SYMBOLS];
    for (share, count) in shares.iter_mut().zip(counts).filter(|(_, count)| **count > 0) {
        *share = ((u64::from(*count) << log) / total).max(1) as i16;
    }
    let mut left = (1 << log) - shares.iter().sum::<i16>();
    while left != 0 {
        // What rounding has left is least missed, and least gained, where there is most.
        let most = shares.iter_mut().max().expect("there are symbols");
        let by = left.max(1 - *most);
        *most += by;
        left -= by;
    }
    shares
}

/// Writes shares of 1 << `log` as a reader of tables has them described. `shares` ends with one that is not zero.
pub(super) fn describe(shares: &[i16], log: u32, to: &mut BitWriter<'_>) {
    let (mut remaining, mut threshold, mut bits) = ((1 << log) + 1, 1 << log, log + 1);
    let mut shares = shares.iter().copied().peekable();
    to.put(u64::from(log - 5), 4);
    while let Some(share) = shares.next() {
        let most = 2 * threshold - 1 - remaining;
        remaining -= i32::from(share.abs());
        let number = i32::from(share) + 1;
        let number = if number >= threshold { number + most } else { number };
        to.put(number as u64, bits - u32::from(number < most));
        to.flush();
        while remaining < threshold {
            bits -= 1;
            threshold /= 2;
        }
        if share == 0 {
            let mut zeros = 0;
            while shares.next_if_eq(&0).is_some() {
                zeros += 1;
            }
            for _ in 0..zeros / 3 {
                to.put(3, 2);
                to.flush();
            }
            to.put(zeros % 3, 2);
        }
    }
    to.pad();
}
