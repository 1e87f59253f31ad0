//! Chunks of several kinds, for our coder's tests.

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

fn mix(n: u64) -> u64 {
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
                    let noise: u64 = (0..4).map(|k| mix(i * 4 + k) % 16).sum();
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
