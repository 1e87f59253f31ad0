//! The fast coder: whatever chunks hold and however they are cut, libzstd and c-blosc read what it writes.

use std::collections::BTreeSet;

use forebay_host::codec::Prepared;
use plan::{Blosc, BloscInner, Codec, Shuffle};
use proptest::prelude::*;

use crate::blosc::check_ours;
use crate::data::{self, KINDS, Kind};

const SHUFFLES: [Shuffle; 3] = [Shuffle::No, Shuffle::Byte, Shuffle::Bit];

fn fast(shuffle: Shuffle, block: Option<u32>) -> Blosc {
    Blosc { inner: BloscInner::Fast, level: 1, shuffle, block }
}

fn word(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// The zstd frames of a Blosc frame, with the bytes that each stands for.
fn frames(blosc: &[u8]) -> Vec<(&[u8], usize)> {
    if blosc[2] & 0x02 != 0 {
        return Vec::new();
    }
    let (chunk, block) = (word(blosc, 4), word(blosc, 8));
    let frames = (0..chunk.div_ceil(block)).map(|index| {
        let (at, content) = (word(blosc, 16 + 4 * index), block.min(chunk - index * block));
        (&blosc[at + 4..at + 4 + word(blosc, at)], content)
    });
    frames.filter(|(frame, content)| frame.len() < *content).collect()
}

/// Has every reader read what becomes of a chunk. libzstd reads each block by itself: one frame, which says its size and has no
/// checksum. Gives what the frames consist of.
fn check(parameters: Blosc, element: usize, chunk: &[u8]) -> BTreeSet<String> {
    let blosc = check_ours(parameters, element, chunk);
    let mut seen = BTreeSet::new();
    for (frame, content) in frames(&blosc) {
        let what = || format!("{parameters:?}, elements of {element}, {} bytes", chunk.len());
        assert_eq!(zstd_safe::get_frame_content_size(frame).unwrap(), Some(content as u64), "{}", what());
        assert_eq!(zstd_safe::find_frame_compressed_size(frame), Ok(frame.len()), "{}", what());
        assert_eq!(frame[4] & 0x04, 0, "{}: a checksum", what());
        let mut out = vec![0; content];
        let size = zstd_safe::decompress(&mut out[..], frame).map_err(zstd_safe::get_error_name);
        assert_eq!(size, Ok(content), "{}", what());
        walk(frame, &mut seen);
    }
    seen
}

/// Reads headers of a frame's blocks, as RFC 8878, sections 3.1.1.2 and 3.1.1.3, lays them out.
fn walk(frame: &[u8], seen: &mut BTreeSet<String>) {
    let mut at = match frame[4] >> 5 {
        1 => 6,
        3 => 7,
        5 => 9,
        _ => 10,
    };
    seen.insert(format!("frame header of {at}"));
    loop {
        let header = u32::from_le_bytes([frame[at], frame[at + 1], frame[at + 2], 0]) as usize;
        let (kind, size) = (header >> 1 & 3, header >> 3);
        assert!(size <= 64 << 10);
        at += 3;
        match kind {
            0 => seen.insert("raw block".to_owned()),
            1 => seen.insert("block of one byte".to_owned()),
            _ => {
                sections(&frame[at..at + size], seen);
                true
            }
        };
        at += if kind == 1 { 1 } else { size };
        if header & 1 == 1 {
            return assert_eq!(at, frame.len());
        }
    }
}

/// Reads headers of the two sections of a block.
fn sections(block: &[u8], seen: &mut BTreeSet<String>) {
    let bits = (0..5.min(block.len())).fold(0, |bits, i| bits | (block[i] as usize) << (8 * i));
    let (kind, format) = (bits & 3, bits >> 2 & 3);
    seen.insert(format!("literals {kind}, size format {}", if kind < 2 && format == 2 { 0 } else { format }));
    let at = match (kind, format) {
        (0, 0 | 2) => 1 + (bits >> 3 & 31),
        (0, 1) => 2 + (bits >> 4 & 0xFFF),
        (0, _) => 3 + (bits >> 4 & 0xF_FFFF),
        (2, format) => {
            let (size_bits, header) = [(10, 3), (10, 3), (14, 4), (18, 5)][format];
            seen.insert(format!("tree {}", if block[header] < 128 { "by states" } else { "direct" }));
            header + (bits >> (4 + size_bits) & ((1 << size_bits) - 1))
        }
        _ => panic!("the tree of the block before"),
    };
    let (count, modes) = match block[at] {
        few @ ..128 => (usize::from(few), at + 1),
        many => (usize::from(many - 128) << 8 | usize::from(block[at + 1]), at + 2),
    };
    seen.insert(format!("count of {}", modes - at));
    if count > 0 {
        let modes = block[modes];
        assert_eq!(modes >> 4 & 3, 1, "offsets are one symbol");
        seen.insert(format!("literals' lengths {}", modes >> 6));
        seen.insert(format!("matches' lengths {}", modes >> 2 & 3));
    }
}

#[test]
fn every_kind_of_data_in_every_size_of_element() {
    let mut seen = BTreeSet::new();
    let elements = [1, 8, 100, 4096, 32_800, 70_001];
    for (i, element) in [1, 2, 4, 8, 3, 16].into_iter().enumerate() {
        for (k, kind) in KINDS.into_iter().enumerate() {
            for (n, count) in elements.into_iter().enumerate() {
                let tail = (i + k + n) % element.max(2);
                let chunk = data::chunk(kind, element, (count * element + tail).min(600_000));
                let block = [None, Some(1500), Some(128 << 10)][(i + n) % 3];
                seen.extend(check(fast(SHUFFLES[(i + k + n) % 3], block), element, &chunk));
            }
        }
    }
    // All that it can write was written here.
    let all: BTreeSet<_> = [
        "block of one byte",
        "count of 1",
        "count of 2",
        "frame header of 6",
        "frame header of 7",
        "frame header of 9",
        "literals 0, size format 0",
        "literals 0, size format 1",
        "literals 0, size format 3",
        "literals 2, size format 1",
        "literals 2, size format 2",
        "literals 2, size format 3",
        "literals' lengths 0",
        "literals' lengths 1",
        "literals' lengths 2",
        "matches' lengths 0",
        "matches' lengths 1",
        "matches' lengths 2",
        "raw block",
        "tree by states",
        "tree direct",
    ]
    .map(str::to_owned)
    .into();
    assert_eq!(seen, all, "{:?}", seen.symmetric_difference(&all));
}

#[test]
fn chunks_of_all_sizes() {
    for bytes in
        [1, 2, 15, 16, 17, 127, 128, 129, 130, 255, 256, 257, 1000, 65_535, 65_536, 65_537, 65_791, 65_792]
    {
        for (k, kind) in KINDS.into_iter().enumerate() {
            let chunk = data::chunk(kind, 2, bytes);
            check(fast(SHUFFLES[(k + bytes) % 3], None), 2, &chunk);
        }
    }
}

/// A block so large that its frame says a window.
#[test]
fn large_chunks() {
    let chunk = data::chunk(Kind::Camera, 2, (9 << 20) + 1);
    let seen = check(fast(Shuffle::Byte, Some(9 << 20)), 2, &chunk);
    assert!(seen.contains("frame header of 10"), "{seen:?}");
    check(fast(Shuffle::Byte, None), 2, &chunk);
}

/// A run that the first unit ends with goes on in the second, and lengths take all the bits that there are.
#[test]
fn runs_of_every_length() {
    for length in (1..300).chain([1000, 4095, 4096, 4097, 40_000, 65_534, 65_535, 65_536, 65_537, 131_073]) {
        let mut chunk = b"literals of which none are repeated".to_vec();
        for value in 0..20 {
            chunk.extend(vec![value; length]);
            chunk.extend((0..length / 3).map(|i| (i * 7 + i / 5) as u8));
        }
        check(fast(Shuffle::No, None), 1, &chunk);
    }
}

fn size(codec: Codec, chunk: &[u8]) -> usize {
    let prepared = Prepared::new(&codec, chunk.len(), 2).unwrap();
    let mut out = vec![0; prepared.worst_case()];
    prepared.encode(&mut prepared.context(), chunk, &mut out).unwrap()
}

#[test]
fn camera_data_shrinks_more_than_by_zstd_on_bytes_as_they_come() {
    let chunk = data::chunk(Kind::Camera, 2, 1 << 20);
    let (ours, zstd) = (fast(Shuffle::Byte, None), Codec::Zstd { level: 1 });
    let (ours, zstd) = (size(Codec::Blosc(ours), &chunk), size(zstd, &chunk));
    assert!(ours * 10 < zstd * 8, "{ours} and {zstd} bytes");
    assert!(size(Codec::Blosc(fast(Shuffle::Byte, None)), &vec![0; 1 << 20]) < 400);
}

/// Bytes of few kinds, of which many are repeated.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..200),
        (any::<u8>(), 1..400_usize).prop_map(|(byte, count)| vec![byte; count]),
        prop::collection::vec(0..4_u8, 1..600),
        (prop::collection::vec(any::<u8>(), 1..20), 1..30_usize)
            .prop_map(|(bytes, times)| bytes.repeat(times)),
        (any::<u64>(), 1..20_000_usize)
            .prop_map(|(seed, count)| { data::Random(seed).bytes(count, 1 << (seed % 9)) }),
    ];
    prop::collection::vec(piece, 1..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_go_through_and_back(
        chunk in bytes(),
        element in prop::sample::select(&[1, 2, 3, 4, 8, 16, 255][..]),
        shuffle in prop::sample::select(&SHUFFLES[..]),
        block in prop::option::of(128..300_000_u32),
    ) {
        check(fast(shuffle, block), element, &chunk);
    }
}
