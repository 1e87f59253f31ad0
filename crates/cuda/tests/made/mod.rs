//! Chunks of several kinds, for our coder's tests, and what becomes of them: on the emulator and on every GPU the same.

use std::fmt::Write as _;

use plan::{Blosc, BloscInner, Codec, Shuffle};

/// Codecs of our own coder's.
pub(crate) const OWN: [Codec; 7] = [
    Codec::Zstd { level: 1 },
    Codec::Zstd { level: 3 },
    blosc(BloscInner::Zstd, 5, Shuffle::No),
    blosc(BloscInner::Zstd, 1, Shuffle::Byte),
    blosc(BloscInner::Zstd, 5, Shuffle::Byte),
    blosc(BloscInner::Zstd, 5, Shuffle::Bit),
    blosc(BloscInner::Lz4, 5, Shuffle::Byte),
];

/// Level 1 takes runs, the others look for matches.
const fn blosc(inner: BloscInner, level: u8, shuffle: Shuffle) -> Codec {
    Codec::Blosc(Blosc { inner, level, shuffle, block: None })
}

/// A codec, bytes of a chunk and of an element and how many chunks, and kinds of them.
type More = (Codec, (usize, usize, usize), &'static [Kind]);

/// What those of [`OWN`] do not stand for.
const MORE: [More; 14] = [
    // Several blocks in a frame, the last of them smaller.
    (in_blocks(BloscInner::Zstd, 5, Shuffle::Byte, 50_000), (170_002, 2, 2), &MIXED),
    (in_blocks(BloscInner::Zstd, 1, Shuffle::No, 65_536), (170_002, 1, 2), &MIXED),
    (in_blocks(BloscInner::Zstd, 5, Shuffle::Bit, 40_000), (150_008, 8, 2), &MIXED),
    (in_blocks(BloscInner::Lz4, 5, Shuffle::Bit, 20_000), (100_002, 2, 2), &MIXED),
    // Elements that no kernel is made for.
    (blosc(BloscInner::Zstd, 5, Shuffle::Byte), (100_003, 3, 2), &MIXED),
    (blosc(BloscInner::Zstd, 5, Shuffle::Bit), (96_000, 3, 2), &MIXED),
    (blosc(BloscInner::Lz4, 5, Shuffle::Byte), (60_000, 3, 2), &MIXED),
    // What is stored.
    (blosc(BloscInner::Zstd, 0, Shuffle::Byte), (70_002, 2, 3), &[Kind::Text]),
    (blosc(BloscInner::Lz4, 0, Shuffle::Bit), (70_002, 2, 3), &[Kind::Text]),
    // Frames with a window, which go through in parts: of one zstd frame, of many blocks, and one that does not shrink. A block so large
    // goes through as a whole.
    (Codec::Zstd { level: 3 }, (LARGE, 2, 1), &[Kind::Half]),
    (in_blocks(BloscInner::Zstd, 1, Shuffle::Byte, LARGE as u32), (LARGE, 2, 1), &[Kind::Camera]),
    (blosc(BloscInner::Zstd, 1, Shuffle::Byte), (LARGE, 2, 1), &[Kind::Camera]),
    (blosc(BloscInner::Zstd, 5, Shuffle::No), (LARGE, 2, 1), &[Kind::Random]),
    // Groups of some chunks.
    (blosc(BloscInner::Zstd, 5, Shuffle::Byte), (1 << 20, 2, 9), &[Kind::Few]),
];

const LARGE: usize = (9 << 20) + 6;
const MIXED: [Kind; 3] = [Kind::Text, Kind::Random, Kind::Half];

const fn in_blocks(inner: BloscInner, level: u8, shuffle: Shuffle, block: u32) -> Codec {
    Codec::Blosc(Blosc { inner, level, shuffle, block: Some(block) })
}

/// A line for each kind and codec: its name, and a number of all bytes of all frames of chunks of some sizes (FNV-1a of 64 bits).
/// `encode` makes frames of the chunks of so many bytes, of elements of so many, that lie one after another.
pub(crate) fn fingerprints(mut encode: impl FnMut(&Codec, (usize, usize), &[u8]) -> Vec<Vec<u8>>) -> String {
    let sizes = [(16, 1), (100, 4), (4096, 2), (20_002, 2), (65_536, 2), (150_000, 8)];
    let mut lines = String::new();
    let mut line = |kind: Kind, codec: Codec, sizes: &[(usize, usize)], chunks: usize| {
        let mut number = 0xCBF2_9CE4_8422_2325_u64;
        for (size, element) in sizes {
            let data = kind.bytes(*element, chunks * size, *size as u64);
            for frame in encode(&codec, (*size, *element), &data) {
                let bytes = (frame.len() as u64).to_le_bytes().into_iter().chain(frame);
                number = bytes.fold(number, |n, b| (n ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3));
            }
        }
        let name = match codec {
            Codec::Blosc(b) => format!("blosc {:?}:{} {:?}", b.inner, b.level, b.shuffle),
            _ => format!("{codec:?}"),
        };
        let block = match codec {
            Codec::Blosc(Blosc { block: Some(block), .. }) => format!(" in blocks of {block}"),
            _ => String::new(),
        };
        let size = match sizes {
            [(size, element)] => format!(" {chunks} of {size} bytes, elements of {element}"),
            _ => String::new(),
        };
        writeln!(lines, "{kind:?} {name}{block}{size} {number:016x}").expect("a string takes it");
    };
    for (kind, codec) in KINDS.into_iter().flat_map(|kind| OWN.map(|codec| (kind, codec))) {
        line(kind, codec, &sizes, 2);
    }
    for (codec, (size, element, chunks), kinds) in MORE {
        kinds.iter().for_each(|kind| line(*kind, codec, &[(size, element)], chunks));
    }
    lines
}

/// What [`fingerprints`] are; the emulator's, which its test compares.
pub(crate) const FINGERPRINTS: &str = include_str!("fingerprints.txt");

/// Lines of `got` that are not those of the table.
pub(crate) fn others(got: &str) -> Vec<&str> {
    let known: Vec<_> = FINGERPRINTS.lines().collect();
    let strange = got.lines().enumerate().filter(|(i, line)| known.get(*i) != Some(line));
    strange.map(|(_, line)| line).collect()
}

/// What chunks look like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Zeros,
    Random,
    /// Twelve bits of noise.
    Twelve,
    Ramp,
    /// A dark frame with spots.
    Camera,
    /// Many short runs.
    Runs,
    Text,
    Few,
    /// Codes as long as they come.
    Steep,
    /// Some constant, some noise.
    Half,
}

/// All of them.
pub(crate) const KINDS: [Kind; 10] = [
    Kind::Zeros,
    Kind::Random,
    Kind::Twelve,
    Kind::Ramp,
    Kind::Camera,
    Kind::Runs,
    Kind::Text,
    Kind::Few,
    Kind::Steep,
    Kind::Half,
];

pub(crate) fn mix(n: u64) -> u64 {
    let z = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Kind {
    /// So many bytes of it, the same each time.
    pub(crate) fn bytes(self, element: usize, bytes: usize, seed: u64) -> Vec<u8> {
        let words = [
            "the ", "chunk ", "of ", "a ", "frame ", "goes ", "down ", "stream, ", "and ", "every ", "lane ",
            "waits. ",
        ];
        let mut out = Vec::with_capacity(bytes + 16);
        let mut i = seed << 32;
        while out.len() < bytes {
            i += 1;
            let random = mix(i);
            let value = match self {
                Kind::Zeros => 0,
                Kind::Random => random,
                Kind::Twelve => random & 0xFFF,
                Kind::Ramp => i,
                Kind::Camera => {
                    let noise: u64 = (0..4).map(|k| mix(i.wrapping_mul(4).wrapping_add(k)) % 16).sum();
                    (if element == 1 { 20 } else { 110 }) + noise + if i % 500 < 20 { 60 } else { 0 }
                }
                // Values of nine to thirty bytes, and long ones now and then.
                Kind::Runs => {
                    let long = if random.is_multiple_of(97) { 400 + random % 3000 } else { 9 + random % 22 };
                    out.extend(std::iter::repeat_n((random >> 32) as u8, long as usize));
                    continue;
                }
                Kind::Text => {
                    out.extend_from_slice(words[(random % 12) as usize].as_bytes());
                    continue;
                }
                Kind::Few => (random % 3) << 8 | random >> 40 & 1,
                // Each byte half as often as the one before it: codes as long as they come.
                Kind::Steep => u64::from(random.trailing_zeros()) * 0x0101_0101_0101_0101,
                Kind::Half => {
                    if i % 4000 < 2000 {
                        7
                    } else {
                        random
                    }
                }
            };
            out.extend_from_slice(&value.to_le_bytes()[..element]);
        }
        out.truncate(bytes);
        out
    }
}
