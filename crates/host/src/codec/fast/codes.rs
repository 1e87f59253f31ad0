//! Codes of literals: how long, which, and as a reader of zstd has them described (RFC 8878, section 4.2.1).

use super::bits::BitWriter;
use super::fse;

/// Bits of a code at the most.
pub(super) const MOST_BITS: usize = 11;
/// Bytes of a description at the most: one that says how long, and weights of 4 bits or fewer.
pub(super) const MOST_TREE: usize = 129;
/// Bits of a state of the weights' table: as many as a reader takes.
const WEIGHT_LOG: u32 = 6;

/// The code of each byte, and its description.
pub(super) struct Codes {
    /// The code in the highest bits, and in the lowest its length; 0 for bytes that are not there.
    pub(super) each: [u64; 256],
    pub(super) tree: [u8; MOST_TREE + 16],
    pub(super) tree_bytes: usize,
    /// Bits of all literals.
    pub(super) bits: u64,
    /// Bits of the longest code.
    pub(super) longest: usize,
    table: fse::Table,
}

impl Codes {
    pub(super) fn new() -> Codes {
        let table = fse::Table::new();
        Codes { each: [0; 256], tree: [0; MOST_TREE + 16], tree_bytes: 0, bits: 0, longest: 0, table }
    }

    /// Makes them for bytes that are there so often, of which there are two at least. Whether they can be described.
    pub(super) fn make(&mut self, counts: &[u32; 256]) -> bool {
        let mut keys = [0; 256];
        let mut present = 0;
        for (byte, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            keys[present] = count << 8 | byte as u32;
            present += 1;
        }
        let keys = &mut keys[..present];
        keys.sort_unstable();
        let mut lengths = lengths(keys);
        limit(&mut lengths);
        self.assign(keys, &lengths, counts);
        self.describe()
    }

    /// Gives codes to bytes, the shortest to those that are there most often. Codes of one length follow one another, and the
    /// longest begin at 0.
    fn assign(&mut self, keys: &[u32], lengths: &Lengths, counts: &[u32; 256]) {
        self.each = [0; 256];
        self.bits = 0;
        let mut bytes = keys.iter().map(|key| (key & 255) as usize);
        for (length, many) in lengths.iter().enumerate().rev() {
            for byte in bytes.by_ref().take(*many as usize) {
                self.each[byte] = length as u64;
                self.bits += length as u64 * u64::from(counts[byte]);
            }
        }
        self.longest = (1..=MOST_BITS).rfind(|length| lengths[*length] > 0).unwrap_or(1);
        let (mut next, mut code) = ([0; MOST_BITS + 1], 0);
        for length in (1..=self.longest).rev() {
            next[length] = code;
            code = (code + lengths[length]) >> 1;
        }
        // Among equals in the order of bytes.
        for each in self.each.iter_mut().filter(|each| **each > 0) {
            let (length, next) = (*each, &mut next[*each as usize]);
            *each |= u64::from(*next) << (64 - length);
            *next += 1;
        }
    }

    /// Describes them by their weights: 0 for bytes that are not there, otherwise the more the shorter. That of the last byte
    /// follows from the others.
    fn describe(&mut self) -> bool {
        let last = self.each.iter().rposition(|each| *each > 0).unwrap_or(0);
        let mut weights = [0; 256];
        for (weight, each) in weights.iter_mut().zip(&self.each).filter(|(_, each)| **each > 0) {
            *weight = (self.longest + 1) as u8 - (each & 15) as u8;
        }
        let weights = &weights[..last];
        let direct = last.div_ceil(2);
        let coded = self.describe_by_fse(weights).filter(|bytes| *bytes < direct || last > 128);
        if let Some(bytes) = coded {
            self.tree[0] = bytes as u8;
            self.tree_bytes = 1 + bytes;
        } else if last <= 128 {
            self.tree[0] = 127 + last as u8;
            for (to, pair) in self.tree[1..].iter_mut().zip(weights.chunks(2)) {
                *to = pair[0] << 4 | pair.get(1).unwrap_or(&0);
            }
            self.tree_bytes = 1 + direct;
        }
        coded.is_some() || last <= 128
    }

    /// Writes weights by two states in turn behind the first byte of the description; `None`: there is no such way, or it is
    /// too long.
    fn describe_by_fse(&mut self, weights: &[u8]) -> Option<usize> {
        let mut counts = [0; MOST_BITS + 2];
        weights.iter().for_each(|weight| counts[usize::from(*weight)] += 1);
        if counts.iter().filter(|count| **count > 0).count() < 2 {
            return None;
        }
        let symbols = counts.iter().rposition(|count| *count > 0)? + 1;
        let shares = fse::shares(&counts[..symbols], WEIGHT_LOG);
        self.table.build(&shares[..symbols], WEIGHT_LOG);
        // 256 weights of 6 bits and a description: twice what may be used.
        let mut room = [0; 320];
        let mut to = BitWriter::new(&mut room);
        fse::describe(&shares[..symbols], WEIGHT_LOG, &mut to);
        let mut states = [0; 2];
        for (i, weight) in weights.iter().enumerate().rev() {
            let state = &mut states[i % 2];
            if i + 2 >= weights.len() {
                *state = self.table.begin(usize::from(*weight));
            } else {
                self.table.go(state, usize::from(*weight), &mut to);
                to.flush();
            }
        }
        self.table.put(states[1], &mut to);
        self.table.put(states[0], &mut to);
        let bytes = to.end();
        if bytes > 127 {
            return None;
        }
        self.tree[1..=bytes].copy_from_slice(&room[..bytes]);
        Some(bytes)
    }
}

/// How many codes there are of each length.
type Lengths = [u32; MOST_BITS + 1];

/// Lengths of codes for counts that ascend (above 8 bits of each key), by the method of Moffat and Katajainen; those above the
/// most are counted with the most.
fn lengths(keys: &[u32]) -> Lengths {
    let mut a = [0; 256];
    let a = &mut a[..keys.len()];
    a.iter_mut().zip(keys).for_each(|(a, key)| *a = key >> 8);
    let (count, mut leaf, mut root) = (a.len(), 0, 0);
    // Inner nodes take the places of leaves that are used up: their sums first, then their parents.
    for next in 0..count - 1 {
        let mut sum = 0;
        for _ in 0..2 {
            if leaf >= count || (root < next && a[root] < a[leaf]) {
                sum += a[root];
                a[root] = next as u32;
                root += 1;
            } else {
                sum += a[leaf];
                leaf += 1;
            }
        }
        a[next] = sum;
    }
    // Depths of inner nodes; whatever is not inner at a depth is a leaf.
    a[count - 2] = 0;
    for next in (0..count - 2).rev() {
        a[next] = a[a[next] as usize] + 1;
    }
    let (mut lengths, mut open, mut nodes, mut depth) = ([0; MOST_BITS + 1], 1, count - 1, 0);
    while open > 0 {
        let inner = a[..nodes].iter().rev().take_while(|a| **a == depth).count() as u32;
        lengths[(depth as usize).min(MOST_BITS)] += open - inner;
        (open, nodes, depth) = (2 * inner, nodes - inner as usize, depth + 1);
    }
    lengths
}

/// Makes codes longer until all fit under the most, and gives back what is then left over.
fn limit(lengths: &mut Lengths) {
    const ALL: u32 = 1 << MOST_BITS;
    let share = |length: usize| ALL >> length;
    let mut used: u32 = lengths.iter().enumerate().map(|(length, many)| many * share(length)).sum();
    while used > ALL {
        let length = (1..MOST_BITS).rfind(|length| lengths[*length] > 0).expect("fewer codes than places");
        lengths[length] -= 1;
        lengths[length + 1] += 1;
        used -= share(length + 1);
    }
    for length in 2..=MOST_BITS {
        while lengths[length] > 0 && used + share(length) <= ALL {
            lengths[length] -= 1;
            lengths[length - 1] += 1;
            used += share(length);
        }
    }
    debug_assert_eq!(used, ALL, "readers take complete codes only");
}
