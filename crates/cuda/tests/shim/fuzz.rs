//! Arbitrary bytes through our own coder on the emulator, for as long as one likes: they come back, nothing is written where it does
//! not belong, and another order of threads gives the same bytes, in less memory too. `FOREBAY_FUZZ_SECONDS` says how long (5), `FOREBAY_FUZZ_SEED`
//! where to begin (1): a failure names the seed of its case.

use std::time::{Duration, Instant};

use plan::{Blosc, BloscInner, Codec, Shuffle};

use crate::coder::{coder, compare, encode, encode_by};
use crate::emulator::Shim;
use crate::made::{self, KINDS};

/// Numbers by a seed.
struct Draw(u64);

impl Draw {
    /// Less than so many.
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(1);
        (made::mix(self.0) % most as u64) as usize
    }

    /// About as often small as large, and often near a power of two: up to so many.
    fn size(&mut self, most: usize) -> usize {
        let power = 1 << self.below(most.ilog2() as usize + 1);
        let near = match self.below(3) {
            0 => power + self.below(5),
            1 => power.saturating_sub(self.below(5)),
            _ => power + self.below(power),
        };
        near.clamp(1, most)
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Puts some bytes behind the others: anything that a coder may stumble over.
    fn piece(&mut self, data: &mut Vec<u8>, most: usize) {
        let (bytes, seed) = (self.size(most), self.0);
        match self.below(7) {
            // Noise of few values or many, evenly or not.
            0 => {
                let values = self.size(256);
                data.extend((0..bytes).map(|_| (self.below(values) & self.below(values)) as u8));
            }
            // Again what was there, from anywhere, as it was or with mistakes.
            1 | 2 if !data.is_empty() => {
                let (from, wrong) = (self.below(data.len()), self.size(1 << 16));
                for i in from..from + bytes {
                    let byte = data[i] ^ u8::from(self.below(wrong) == 0);
                    data.push(byte);
                }
            }
            // What a few bytes repeat.
            3 => {
                let word: Vec<u8> = (0..self.size(40)).map(|_| self.below(256) as u8).collect();
                data.extend(word.iter().cycle().take(bytes));
            }
            _ => {
                let element = self.one_of(&[1, 2, 4, 8]);
                data.extend(self.one_of(&KINDS).bytes(element, bytes, seed >> 32));
            }
        }
    }

    fn codec(&mut self, chunk: usize) -> Codec {
        if self.below(3) == 0 {
            return Codec::Zstd { level: self.one_of(&[1, 3]) };
        }
        // Thousands of blocks take minutes.
        let block = (self.below(3) == 0).then(|| self.size(2 * chunk).max(chunk / 100) as u32);
        Codec::Blosc(Blosc {
            inner: self.one_of(&[BloscInner::Zstd, BloscInner::Zstd, BloscInner::Lz4]),
            level: self.one_of(&[0, 1, 1, 1, 5, 5, 5, 9]),
            shuffle: self.one_of(&[Shuffle::No, Shuffle::Byte, Shuffle::Bit]),
            block,
        })
    }
}

/// One case; how many bytes it had.
fn case(seed: u64) -> usize {
    let mut draw = Draw(seed << 32);
    let chunk = draw.size(300_000);
    let (codec, element) = (draw.codec(chunk), draw.one_of(&[1, 1, 2, 2, 2, 3, 4, 8, 8, 16]));
    let chunks = 1 + draw.below(3);
    let mut data = Vec::new();
    while data.len() < chunks * chunk {
        draw.piece(&mut data, (chunks * chunk).max(16));
    }
    data.truncate(chunks * chunk);
    println!("case {seed}: {codec:?}, {chunks} chunks of {chunk} bytes, elements of {element}");
    let frames = encode(&Shim::seeded(2 * seed), &codec, chunk, element, &data);
    compare(&codec, (chunk, element), &data, &frames);
    let coder = coder(&codec, chunk, element, &data);
    let less = draw.below(coder.workspace() as usize) as u64;
    let coder = coder.within(chunks as u64, less);
    let again = encode_by(&Shim::seeded(2 * seed + 1), &coder, chunk, &data);
    assert!(again == frames, "another order of threads, in {less} bytes, gives other bytes");
    data.len()
}

#[expect(clippy::disallowed_methods, reason = "how long to try is for the person who waits")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn arbitrary_bytes_come_back() {
    let number = |name, usual| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(usual);
    let (seconds, first) = (number("FOREBAY_FUZZ_SECONDS", 5), number("FOREBAY_FUZZ_SEED", 1));
    let end = now() + Duration::from_secs(seconds);
    let (mut seed, mut bytes) = (first, 0);
    while seed == first || now() < end {
        bytes += case(seed);
        seed += 1;
    }
    println!(
        "fuzz: {} cases, seeds {first} to {}, {:.1} MB, none differs",
        seed - first,
        seed - 1,
        bytes as f64 / 1e6
    );
}
