//! Chunks of several kinds, the same on every run.

use std::sync::LazyLock;

static CAMERA: LazyLock<Camera> = LazyLock::new(Camera::new);

/// What a chunk looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Zeros,
    Constant,
    Ramp,
    Random,
    Camera,
    /// Elements that are repeated, some a few times, some often.
    Runs,
    Text,
    /// Each byte half as often as the one before it: codes as long as they come.
    Steep,
    /// Some constant, some noise.
    Half,
}

pub(crate) const KINDS: [Kind; 9] = [
    Kind::Zeros,
    Kind::Constant,
    Kind::Ramp,
    Kind::Random,
    Kind::Camera,
    Kind::Runs,
    Kind::Text,
    Kind::Steep,
    Kind::Half,
];

const WORDS: [&str; 12] = [
    "the ", "chunk ", "of ", "a ", "frame ", "goes ", "down ", "stream, ", "and ", "every ", "lane ",
    "waits. ",
];

/// splitmix64: small, seeded, and good enough to be incompressible.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// So many bytes of so many kinds.
    pub(crate) fn bytes(&mut self, count: usize, kinds: usize) -> Vec<u8> {
        (0..count).map(|_| self.below(kinds) as u8).collect()
    }

    /// Nearly normal, mean 0, deviation 1.
    fn normal(&mut self) -> f64 {
        let uniform = |random: &mut Random| (random.next() >> 11) as f64 / (1_u64 << 53) as f64;
        (0..12).map(|_| uniform(self)).sum::<f64>() - 6.0
    }
}

/// `bytes` bytes of little-endian elements; the last may be cut.
pub(crate) fn chunk(kind: Kind, element: usize, bytes: usize) -> Vec<u8> {
    let mut random = Random(bytes as u64);
    let mut chunk = Vec::with_capacity(bytes + element);
    if matches!(kind, Kind::Text) {
        while chunk.len() < bytes {
            chunk.extend_from_slice(WORDS[random.below(WORDS.len())].as_bytes());
        }
        chunk.truncate(bytes);
        return chunk;
    }
    let (mut repeated, mut left) = (0, 0);
    for index in 0..bytes.div_ceil(element) {
        if left == 0 {
            let longest = if random.below(50) == 0 { 3000 } else { 40 };
            (repeated, left) = (random.next(), 1 + random.below(longest));
        }
        left -= 1;
        let value = match kind {
            Kind::Runs => repeated,
            Kind::Text => unreachable!("made above"),
            Kind::Steep => u64::from(random.next().trailing_zeros()) * 0x0101_0101_0101_0101,
            Kind::Half if index % 40_000 < 20_000 => 7,
            Kind::Half => random.next(),
            Kind::Zeros => 0,
            Kind::Constant => 0x0102_0304_0506_0758,
            Kind::Ramp => index as u64,
            Kind::Random => random.next(),
            Kind::Camera => CAMERA.count(index, &mut random) >> if element == 1 { 4 } else { 0 },
        };
        let fill = if matches!(kind, Kind::Random) { random.next() } else { 0 };
        let wide = [value, fill].map(u64::to_le_bytes);
        chunk.extend((0..element).map(|byte| wide.as_flattened()[byte % 16]));
    }
    chunk.truncate(bytes);
    chunk
}

/// A 16-bit camera: smooth spots on an offset of 100 counts, shot noise and 2 counts of read noise.
struct Camera {
    /// Mean photons of each pixel of one frame; every frame has its own noise.
    photons: Vec<f64>,
}

impl Camera {
    const WIDTH: usize = 512;

    fn new() -> Camera {
        let mut random = Random(7);
        let mut photons = vec![5.0; Camera::WIDTH * Camera::WIDTH];
        for _ in 0..60 {
            let (centre, peak) = (random.below(photons.len()), 50.0 + random.below(800) as f64);
            for (y, x) in (-30..=30).flat_map(|y| (-30..=30).map(move |x| (y, x))) {
                let at = centre.wrapping_add_signed(y * Camera::WIDTH as isize + x);
                if let Some(photons) = photons.get_mut(at) {
                    *photons += peak * (-((y * y + x * x) as f64) / 150.0).exp();
                }
            }
        }
        Camera { photons }
    }

    fn count(&self, index: usize, random: &mut Random) -> u64 {
        let photons = self.photons[index % self.photons.len()];
        let noisy = 100.0 + photons + photons.sqrt() * random.normal() + 2.0 * random.normal();
        noisy.clamp(0.0, 65535.0) as u64
    }
}
