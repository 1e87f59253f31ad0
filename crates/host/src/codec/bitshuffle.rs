//! The bit shuffle of Blosc: bit 0 of byte 0 of every element, then bit 1, up to bit 7 of the last byte. The first
//! element is the lowest bit of the first byte of each row.
//!
//! c-blosc shuffles only where the elements are a multiple of 8 and copies every other block as it is; so does this.
//! Bytes behind the last whole element stay where they are.

/// Groups of 8 elements handled at a time: bytes are gathered plane by plane, 8 x 8 bits are turned as one `u64`,
/// and each of the 8 rows receives `GROUPS` bytes. Small enough to live in registers and first-level cache.
const GROUPS: usize = 32;

/// Splits `source`, elements of `element` bytes, into bit rows.
///
/// # Panics
/// When the two slices differ in length.
pub fn forward(element: usize, source: &[u8], rows: &mut [u8]) {
    assert_eq!(source.len(), rows.len(), "a filter keeps the size");
    match shuffled(element, source.len()) {
        None => rows.copy_from_slice(source),
        Some(whole) => {
            rows[whole..].copy_from_slice(&source[whole..]);
            let (source, rows) = (&source[..whole], &mut rows[..whole]);
            match element {
                1 => forward_fixed::<1>(source, rows),
                2 => forward_fixed::<2>(source, rows),
                4 => forward_fixed::<4>(source, rows),
                8 => forward_fixed::<8>(source, rows),
                _ => forward_tiles(element, source, rows, |tile, byte, plane| {
                    for (to, from) in plane.iter_mut().zip(tile.chunks_exact(element)) {
                        *to = from[byte];
                    }
                }),
            }
        }
    }
}

/// The inverse of [`forward`].
///
/// # Panics
/// When the two slices differ in length.
pub fn backward(element: usize, rows: &[u8], target: &mut [u8]) {
    assert_eq!(rows.len(), target.len(), "a filter keeps the size");
    match shuffled(element, target.len()) {
        None => target.copy_from_slice(rows),
        Some(whole) => {
            target[whole..].copy_from_slice(&rows[whole..]);
            let (rows, target) = (&rows[..whole], &mut target[..whole]);
            match element {
                1 => backward_fixed::<1>(rows, target),
                2 => backward_fixed::<2>(rows, target),
                4 => backward_fixed::<4>(rows, target),
                8 => backward_fixed::<8>(rows, target),
                _ => backward_tiles(element, rows, target, |plane, byte, tile| {
                    for (to, from) in tile.chunks_exact_mut(element).zip(plane) {
                        to[byte] = *from;
                    }
                }),
            }
        }
    }
}

/// Bytes that take part, or `None` where c-blosc leaves the block alone.
fn shuffled(element: usize, bytes: usize) -> Option<usize> {
    let elements = bytes.checked_div(element)?;
    elements.is_multiple_of(8).then_some(elements * element)
}

fn forward_fixed<const N: usize>(source: &[u8], rows: &mut [u8]) {
    forward_tiles(N, source, rows, |tile, byte, plane| {
        for (to, from) in plane.iter_mut().zip(tile.as_chunks::<N>().0) {
            *to = from[byte];
        }
    });
}

fn backward_fixed<const N: usize>(rows: &[u8], target: &mut [u8]) {
    backward_tiles(N, rows, target, |plane, byte, tile| {
        for (to, from) in tile.as_chunks_mut::<N>().0.iter_mut().zip(plane) {
            to[byte] = *from;
        }
    });
}

/// `gather` takes one byte plane out of a tile of elements.
#[inline(always)]
fn forward_tiles(element: usize, source: &[u8], rows: &mut [u8], gather: impl Fn(&[u8], usize, &mut [u8])) {
    let row = source.len() / element / 8;
    for (index, tile) in source.chunks(8 * GROUPS * element).enumerate() {
        let groups = tile.len() / element / 8;
        for byte in 0..element {
            let mut plane = [0; 8 * GROUPS];
            gather(tile, byte, &mut plane);
            let mut bits = [0; GROUPS];
            for (turned, group) in bits.iter_mut().zip(plane.as_chunks::<8>().0) {
                *turned = transpose(u64::from_le_bytes(*group));
            }
            for bit in 0..8 {
                let to = &mut rows[(8 * byte + bit) * row + index * GROUPS..][..groups];
                for (to, turned) in to.iter_mut().zip(&bits) {
                    *to = (turned >> (8 * bit)) as u8;
                }
            }
        }
    }
}

/// `scatter` puts one byte plane into a tile of elements.
#[inline(always)]
fn backward_tiles(element: usize, rows: &[u8], target: &mut [u8], scatter: impl Fn(&[u8], usize, &mut [u8])) {
    let row = target.len() / element / 8;
    for (index, tile) in target.chunks_mut(8 * GROUPS * element).enumerate() {
        let groups = tile.len() / element / 8;
        for byte in 0..element {
            let mut bits = [0_u64; GROUPS];
            for bit in 0..8 {
                let from = &rows[(8 * byte + bit) * row + index * GROUPS..][..groups];
                for (turned, from) in bits.iter_mut().zip(from) {
                    *turned |= u64::from(*from) << (8 * bit);
                }
            }
            let mut plane = [0; 8 * GROUPS];
            for (group, turned) in plane.as_chunks_mut::<8>().0.iter_mut().zip(bits) {
                *group = transpose(turned).to_le_bytes();
            }
            scatter(&plane, byte, tile);
        }
    }
}

/// Swaps bit i of byte j with bit j of byte i: three rounds of exchanging 1, 2 and 4 bit squares across the diagonal
/// (Hacker's Delight, section 7-3). It is its own inverse.
#[inline(always)]
fn transpose(x: u64) -> u64 {
    let swap = |x: u64, distance: u32, mask: u64| {
        let t = (x ^ (x >> distance)) & mask;
        x ^ t ^ (t << distance)
    };
    let x = swap(x, 7, 0x00AA_00AA_00AA_00AA);
    let x = swap(x, 14, 0x0000_CCCC_0000_CCCC);
    swap(x, 28, 0x0000_0000_F0F0_F0F0)
}
