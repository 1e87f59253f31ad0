//! Aggregate: chunks to packed order, one after another, with their offsets.

/// Gathers chunks `order[0], order[1], ..` of `source`, `stride` bytes apart, into `packed`; offset `i` of `index`
/// is where packed chunk `i` begins, the last is where all end.
///
/// # Panics
/// A table is shorter than `order` asks, or `packed` is too small.
pub fn aggregate(
    order: &[[u8; 4]],
    source: &[u8],
    stride: usize,
    size_of: &(dyn Fn(usize) -> usize + Sync),
    crc32c: bool,
    packed: &mut [u8],
    index: &mut [[u8; 8]],
) {
    let trailer = if crc32c { 4 } else { 0 };
    let mut at = 0u64;
    for (chunk, offset) in order.iter().zip(index.iter_mut()) {
        *offset = at.to_le_bytes();
        at += (size_of(u32::from_le_bytes(*chunk) as usize) + trailer) as u64;
    }
    index[order.len()] = at.to_le_bytes();
    let gather = Gather { source, stride, size_of, crc32c };
    gather.halves(order, &index[..=order.len()], &mut packed[..at as usize]);
}

struct Gather<'a> {
    source: &'a [u8],
    stride: usize,
    size_of: &'a (dyn Fn(usize) -> usize + Sync),
    crc32c: bool,
}

impl Gather<'_> {
    /// Splits the work until a piece is worth one task; the packed bytes are split with it.
    fn halves(&self, order: &[[u8; 4]], index: &[[u8; 8]], packed: &mut [u8]) {
        const TASK: usize = 1 << 20;
        if order.len() < 2 || packed.len() <= TASK {
            return self.pieces(order, packed);
        }
        let middle = order.len() / 2;
        let cut = u64::from_le_bytes(index[middle]) - u64::from_le_bytes(index[0]);
        let (left, right) = packed.split_at_mut(cut as usize);
        rayon::join(
            || self.halves(&order[..middle], &index[..=middle], left),
            || self.halves(&order[middle..], &index[middle..], right),
        );
    }

    fn pieces(&self, order: &[[u8; 4]], mut packed: &mut [u8]) {
        for chunk in order {
            let chunk = u32::from_le_bytes(*chunk) as usize;
            let bytes = &self.source[chunk * self.stride..][..(self.size_of)(chunk)];
            let (to, rest) = packed.split_at_mut(bytes.len());
            to.copy_from_slice(bytes);
            packed = rest;
            if self.crc32c {
                let (to, rest) = packed.split_at_mut(4);
                to.copy_from_slice(&crc32c::crc32c(bytes).to_le_bytes());
                packed = rest;
            }
        }
    }
}
