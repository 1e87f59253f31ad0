//! The byte shuffle of Blosc and HDF5: byte 0 of every element, then byte 1 of every element, and so on. Bytes behind
//! the last whole element stay where they are.

/// Elements handled at a time, so that the source is still in the first-level cache when the next plane reads it.
const TILE: usize = 2048;

/// Splits `source`, elements of `element` bytes, into byte planes.
///
/// # Panics
/// When the two slices differ in length.
pub fn forward(element: usize, source: &[u8], planes: &mut [u8]) {
    assert_eq!(source.len(), planes.len(), "a filter keeps the size");
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has these instructions.
        return unsafe { forward_wide(element, source, planes) };
    }
    forward_by(element, source, planes);
}

/// The same, compiled for wider vectors.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn forward_wide(element: usize, source: &[u8], planes: &mut [u8]) {
    forward_by(element, source, planes);
}

#[inline(always)]
fn forward_by(element: usize, source: &[u8], planes: &mut [u8]) {
    match element {
        0 | 1 => planes.copy_from_slice(source),
        2 => forward_fixed(source, planes, |element, byte| (u16::from_le_bytes(element) >> (8 * byte)) as u8),
        4 => forward_fixed(source, planes, |element, byte| (u32::from_le_bytes(element) >> (8 * byte)) as u8),
        8 => forward_fixed(source, planes, |element, byte| (u64::from_le_bytes(element) >> (8 * byte)) as u8),
        _ => forward_any(element, source, planes),
    }
}

/// The inverse of [`forward`].
///
/// # Panics
/// When the two slices differ in length.
pub fn backward(element: usize, planes: &[u8], target: &mut [u8]) {
    assert_eq!(planes.len(), target.len(), "a filter keeps the size");
    match element {
        0 | 1 => target.copy_from_slice(planes),
        2 => backward_fixed::<2>(planes, target),
        4 => backward_fixed::<4>(planes, target),
        8 => backward_fixed::<8>(planes, target),
        _ => backward_any(element, planes, target),
    }
}

/// `byte` takes one byte of an element by shifting the whole element: the compiler makes vectors of that, and does not
/// of indexing.
#[inline(always)]
fn forward_fixed<const N: usize>(source: &[u8], planes: &mut [u8], byte: impl Fn([u8; N], usize) -> u8) {
    let (elements, tail) = source.as_chunks::<N>();
    let count = elements.len();
    planes[count * N..].copy_from_slice(tail);
    for (index, tile) in elements.chunks(TILE).enumerate() {
        for which in 0..N {
            let plane = &mut planes[which * count + index * TILE..][..tile.len()];
            for (to, from) in plane.iter_mut().zip(tile) {
                *to = byte(*from, which);
            }
        }
    }
}

fn backward_fixed<const N: usize>(planes: &[u8], target: &mut [u8]) {
    let (elements, tail) = target.as_chunks_mut::<N>();
    let count = elements.len();
    tail.copy_from_slice(&planes[count * N..]);
    for (index, tile) in elements.chunks_mut(TILE).enumerate() {
        let rows: [&[u8]; N] =
            std::array::from_fn(|byte| &planes[byte * count + index * TILE..][..tile.len()]);
        for (at, to) in tile.iter_mut().enumerate() {
            *to = std::array::from_fn(|byte| rows[byte][at]);
        }
    }
}

fn forward_any(element: usize, source: &[u8], planes: &mut [u8]) {
    let count = source.len() / element;
    let (whole, tail) = source.split_at(count * element);
    planes[count * element..].copy_from_slice(tail);
    for (index, tile) in whole.chunks(TILE * element).enumerate() {
        for byte in 0..element {
            let plane = &mut planes[byte * count + index * TILE..];
            for (to, from) in plane.iter_mut().zip(tile.chunks_exact(element)) {
                *to = from[byte];
            }
        }
    }
}

fn backward_any(element: usize, planes: &[u8], target: &mut [u8]) {
    let count = target.len() / element;
    let (whole, tail) = target.split_at_mut(count * element);
    tail.copy_from_slice(&planes[count * element..]);
    for (index, tile) in whole.chunks_mut(TILE * element).enumerate() {
        for byte in 0..element {
            let plane = &planes[byte * count + index * TILE..];
            for (to, from) in tile.chunks_exact_mut(element).zip(plane) {
                to[byte] = *from;
            }
        }
    }
}
