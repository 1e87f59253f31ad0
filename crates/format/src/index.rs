//! Index of a shard: where each chunk lies (codec `sharding_indexed`, "Binary shard format").
//!
//! Per chunk, in C order of the chunks in the shard, offset and size as two little-endian 64-bit numbers; both
//! are 2^64 - 1 for a chunk that is not stored. Behind them their CRC-32C, little-endian.

use crate::Error;

const ENTRY: usize = 16;
const CHECKSUM: usize = 4;
const MISSING: u64 = u64::MAX;

/// Place of one chunk in its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// First byte, counted from the start of the shard.
    pub offset: u64,
    /// Bytes as stored, a checksum behind them included.
    pub size: u64,
}

/// Bytes of the index of a shard of `chunks` chunks.
#[must_use]
pub const fn encoded_len(chunks: u64) -> u64 {
    chunks * ENTRY as u64 + CHECKSUM as u64
}

/// Appends an index to `out`; allocates nothing where the capacity suffices. `None` is a chunk that is not stored.
pub fn encode(entries: impl IntoIterator<Item = Option<Entry>>, out: &mut Vec<u8>) {
    let start = out.len();
    for entry in entries {
        let Entry { offset, size } = entry.unwrap_or(Entry { offset: MISSING, size: MISSING });
        out.extend_from_slice(&offset.to_le_bytes());
        out.extend_from_slice(&size.to_le_bytes());
    }
    let checksum = crc32c::crc32c(&out[start..]);
    out.extend_from_slice(&checksum.to_le_bytes());
}

/// Reads an index back. Whether the places lie in the shard is for the caller to check.
///
/// # Errors
/// The length or the checksum is wrong, or an entry ends beyond 2^64.
pub fn decode(bytes: &[u8]) -> Result<Vec<Option<Entry>>, Error> {
    let (entries, found) = bytes.split_last_chunk::<CHECKSUM>().ok_or(Error::IndexLength(bytes.len()))?;
    let (entries, rest) = entries.as_chunks::<ENTRY>();
    // The checksum of no entries is 0, so four bytes of a hole in a file would pass for an empty index.
    if entries.is_empty() || !rest.is_empty() {
        return Err(Error::IndexLength(bytes.len()));
    }
    let (found, computed) = (u32::from_le_bytes(*found), crc32c::crc32c(entries.as_flattened()));
    if found != computed {
        return Err(Error::IndexChecksum { found, computed });
    }
    entries.iter().enumerate().map(|(chunk, bytes)| entry(chunk, bytes)).collect()
}

fn entry(chunk: usize, bytes: &[u8; ENTRY]) -> Result<Option<Entry>, Error> {
    let both = u128::from_le_bytes(*bytes);
    let (offset, size) = (both as u64, (both >> 64) as u64);
    if offset == MISSING && size == MISSING {
        return Ok(None);
    }
    if offset.checked_add(size).is_none() {
        return Err(Error::IndexEntry { chunk, offset, size });
    }
    Ok(Some(Entry { offset, size }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CRC-32C bit by bit: polynomial 0x1EDC6F41 reflected, inverted before and after.
    fn bitwise(bytes: &[u8]) -> u32 {
        let step = |crc: u32| {
            if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 }
        };
        !bytes.iter().fold(!0, |crc, b| (0..8).fold(crc ^ u32::from(*b), |crc, _| step(crc)))
    }

    fn some(offset: u64, size: u64) -> Option<Entry> {
        Some(Entry { offset, size })
    }

    #[test]
    fn the_reference_checksum_gives_the_published_check_value() {
        assert_eq!(bitwise(b"123456789"), 0xE306_9283);
    }

    #[test]
    fn an_index_has_the_bytes_of_the_specification() {
        let mut out = vec![9, 9];
        encode([some(0, 5), None, some(0x0102_0304_0506_0708, 1)], &mut out);
        let index = &out[2..];
        let mut want = [0; 48];
        want[8] = 5;
        want[16..32].fill(0xFF);
        want[32..40].copy_from_slice(&[8, 7, 6, 5, 4, 3, 2, 1]);
        want[40] = 1;
        assert_eq!(index[..48], want);
        assert_eq!(index[48..], bitwise(&want).to_le_bytes());
        assert_eq!(index.len() as u64, encoded_len(3));
    }

    #[test]
    fn an_index_is_read_back_and_fits_the_room_kept_for_it() {
        let check = |entries: &[Option<Entry>]| {
            let mut out = Vec::with_capacity(encoded_len(entries.len() as u64) as usize);
            let room = out.as_ptr();
            encode(entries.iter().copied(), &mut out);
            assert_eq!(out.as_ptr(), room);
            assert_eq!(decode(&out).unwrap(), entries);
        };
        check(&[None]);
        check(&[some(0, 0), some(u64::MAX - 1, 1), None, some(4096, 1 << 40)]);
    }

    #[test]
    fn every_flipped_bit_and_every_lost_byte_is_noticed() {
        let mut good = Vec::new();
        encode([some(0, 5), None], &mut good);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(decode(&bad), Err(Error::IndexChecksum { .. })), "bit {bit}");
        }
        for len in 0..good.len() {
            assert!(decode(&good[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn half_a_missing_mark_is_refused() {
        for half in [some(u64::MAX, 1), some(1, u64::MAX)] {
            let mut bytes = Vec::new();
            encode([None, half], &mut bytes);
            assert!(matches!(decode(&bytes), Err(Error::IndexEntry { chunk: 1, .. })));
        }
    }
}
