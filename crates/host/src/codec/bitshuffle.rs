//! The bit shuffle of Blosc: bit 0 of byte 0 of every element, then bit 1, up to bit 7 of the last byte. The first
//! element is the lowest bit of the first byte of each row.
//!
//! c-blosc shuffles only where the elements are a multiple of 8 and copies every other block as it is; so does this.
//! Bytes behind the last whole element stay where they are.
//!
//! A tile of elements is byte-shuffled first. Of a byte plane, 64 bytes are then 8 words of 8 bytes of 8 bits, and
//! the rows wanted are the same cube with its axes turned: (word, byte, bit) becomes (bit, word, byte). Exchanging
//! words with bytes, then words with bits, turns it. Each exchange is three rounds of swapping parts between pairs
//! of words, which the compiler does for several words at once.

use super::shuffle;

/// Cubes turned side by side.
const LANES: usize = 16;
/// Plane bytes of that many cubes.
const CUBES: usize = 64 * LANES;
/// Bytes of the byte-shuffled tile: it and its source stay in the first-level cache.
const TILE: usize = 16 << 10;

type Words = [u64; LANES];
type Cubes = [Words; 8];

/// Splits `source`, elements of `element` bytes, into bit rows. Elements of more than 256 bytes, which Blosc does not
/// know, are copied.
///
/// # Panics
/// When the two slices differ in length.
pub fn forward(element: usize, source: &[u8], rows: &mut [u8]) {
    assert_eq!(source.len(), rows.len(), "a filter keeps the size");
    let Some(whole) = shuffled(element, source.len()) else { return rows.copy_from_slice(source) };
    rows[whole..].copy_from_slice(&source[whole..]);
    let (source, row, tile) = (&source[..whole], whole / element / 8, tile(element));
    let mut planes = [0; TILE];
    for (index, source) in source.chunks(tile * element).enumerate() {
        let planes = &mut planes[..source.len()];
        shuffle::forward(element, source, planes);
        for (byte, plane) in planes.chunks(source.len() / element).enumerate() {
            for (part, bytes) in plane.chunks(CUBES).enumerate() {
                let at = 8 * byte * row + (index * tile + part * CUBES) / 8;
                let mut cubes = from_plane(bytes);
                turn(&mut cubes, |words| bits(self::bytes(words)));
                for (bit, words) in cubes.iter().enumerate() {
                    store(words, &mut rows[at + bit * row..][..bytes.len() / 8]);
                }
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
    let Some(whole) = shuffled(element, target.len()) else { return target.copy_from_slice(rows) };
    target[whole..].copy_from_slice(&rows[whole..]);
    let (target, row, tile) = (&mut target[..whole], whole / element / 8, tile(element));
    let mut planes = [0; TILE];
    for (index, target) in target.chunks_mut(tile * element).enumerate() {
        let planes = &mut planes[..target.len()];
        for (byte, plane) in planes.chunks_mut(target.len() / element).enumerate() {
            for (part, bytes) in plane.chunks_mut(CUBES).enumerate() {
                let at = 8 * byte * row + (index * tile + part * CUBES) / 8;
                let mut cubes = std::array::from_fn(|bit| load(&rows[at + bit * row..][..bytes.len() / 8]));
                turn(&mut cubes, |words| self::bytes(bits(words)));
                to_plane(&cubes, bytes);
            }
        }
        shuffle::backward(element, planes, target);
    }
}

/// Bytes that take part, or `None` where c-blosc leaves the block alone.
fn shuffled(element: usize, bytes: usize) -> Option<usize> {
    let elements = bytes.checked_div(element)?;
    // Elements larger than any that Blosc knows would not fit in a tile.
    (elements.is_multiple_of(8) && element <= TILE / 64).then_some(elements * element)
}

/// Elements of one tile: whole cubes.
fn tile(element: usize) -> usize {
    TILE / element / 64 * 64
}

/// Turns every cube. One lane is one iteration, and lanes are contiguous: that is the loop that becomes vectors.
#[inline(never)]
fn turn(cubes: &mut Cubes, rounds: impl Fn([u64; 8]) -> [u64; 8]) {
    let [a, b, c, d, e, f, g, h] = cubes;
    for lane in 0..LANES {
        let words = [a[lane], b[lane], c[lane], d[lane], e[lane], f[lane], g[lane], h[lane]];
        [a[lane], b[lane], c[lane], d[lane], e[lane], f[lane], g[lane], h[lane]] = rounds(words);
    }
}

/// Exchanges words with bytes.
#[inline(always)]
fn bytes(words: [u64; 8]) -> [u64; 8] {
    rounds::<32, 16, 8>(words, [0x0000_0000_FFFF_FFFF, 0x0000_FFFF_0000_FFFF, 0x00FF_00FF_00FF_00FF])
}

/// Exchanges words with bits.
#[inline(always)]
fn bits(words: [u64; 8]) -> [u64; 8] {
    rounds::<4, 2, 1>(words, [0x0F0F_0F0F_0F0F_0F0F, 0x3333_3333_3333_3333, 0x5555_5555_5555_5555])
}

/// Swaps parts between words that are 4, then 2, then 1 apart. It is its own inverse.
#[inline(always)]
fn rounds<const FOUR: u32, const TWO: u32, const ONE: u32>(
    [a, b, c, d, e, f, g, h]: [u64; 8],
    [four, two, one]: [u64; 3],
) -> [u64; 8] {
    let ((a, e), (b, f)) = (swap::<FOUR>(a, e, four), swap::<FOUR>(b, f, four));
    let ((c, g), (d, h)) = (swap::<FOUR>(c, g, four), swap::<FOUR>(d, h, four));
    let ((a, c), (b, d)) = (swap::<TWO>(a, c, two), swap::<TWO>(b, d, two));
    let ((e, g), (f, h)) = (swap::<TWO>(e, g, two), swap::<TWO>(f, h, two));
    let ((a, b), (c, d)) = (swap::<ONE>(a, b, one), swap::<ONE>(c, d, one));
    let ((e, f), (g, h)) = (swap::<ONE>(e, f, one), swap::<ONE>(g, h, one));
    [a, b, c, d, e, f, g, h]
}

/// Swaps the high parts of `first` with the low parts of `second`. `low` has the low parts, `SHIFT` bits below the
/// high ones.
#[inline(always)]
fn swap<const SHIFT: u32>(first: u64, second: u64, low: u64) -> (u64, u64) {
    let difference = ((first >> SHIFT) ^ second) & low;
    (first ^ (difference << SHIFT), second ^ difference)
}

/// Words of up to `CUBES` plane bytes; absent ones are zero.
#[inline(always)]
fn from_plane(plane: &[u8]) -> Cubes {
    let mut padded = [0; CUBES];
    let plane = plane.first_chunk::<CUBES>().unwrap_or_else(|| {
        padded[..plane.len()].copy_from_slice(plane);
        &padded
    });
    let mut cubes = [[0; LANES]; 8];
    for (lane, cube) in plane.as_chunks::<64>().0.iter().enumerate() {
        let words = cube.as_chunks::<8>().0;
        for word in 0..8 {
            cubes[word][lane] = u64::from_le_bytes(words[word]);
        }
    }
    cubes
}

/// The inverse of `from_plane`.
#[inline(always)]
fn to_plane(cubes: &Cubes, plane: &mut [u8]) {
    let mut bytes = [0; CUBES];
    for (lane, cube) in bytes.as_chunks_mut::<64>().0.iter_mut().enumerate() {
        let words = cube.as_chunks_mut::<8>().0;
        for word in 0..8 {
            words[word] = cubes[word][lane].to_le_bytes();
        }
    }
    plane.copy_from_slice(&bytes[..plane.len()]);
}

/// Writes the front of a row part.
#[inline(always)]
fn store(words: &Words, row: &mut [u8]) {
    let bytes = words.map(u64::to_le_bytes);
    match row.first_chunk_mut::<{ 8 * LANES }>() {
        Some(row) => row.copy_from_slice(bytes.as_flattened()),
        None => row.copy_from_slice(&bytes.as_flattened()[..row.len()]),
    }
}

/// Reads the front of a row part; absent bytes are zero.
#[inline(always)]
fn load(row: &[u8]) -> Words {
    let mut bytes = [[0; 8]; LANES];
    match row.first_chunk::<{ 8 * LANES }>() {
        Some(row) => bytes.as_flattened_mut().copy_from_slice(row),
        None => bytes.as_flattened_mut()[..row.len()].copy_from_slice(row),
    }
    bytes.map(u64::from_le_bytes)
}
