//! Damaged and invented input: an error or other pixels, never a panic, never a write outside.

use forebay_host::codec::{Decoder, Error, Prepared};
use plan::{Blosc, BloscInner, Codec, Shuffle};

use crate::c_blosc::{self, Request, Split};
use crate::data::{self, Kind, Random};

const BYTES: usize = 12_345;

fn blosc(inner: BloscInner, shuffle: Shuffle) -> Codec {
    Codec::Blosc(Blosc { inner, level: 3, shuffle, block: Some(3000) })
}

/// Frames of all forms, each with the codec that reads it.
fn frames() -> Vec<(Codec, Vec<u8>)> {
    let chunk = data::chunk(Kind::Camera, 2, BYTES);
    let mut codecs = vec![Codec::Zstd { level: 3 }];
    for inner in [BloscInner::Lz4, BloscInner::Zstd] {
        codecs.extend([Shuffle::No, Shuffle::Byte, Shuffle::Bit].map(|shuffle| blosc(inner, shuffle)));
    }
    let ours = codecs.into_iter().map(|codec| {
        let prepared = Prepared::new(&codec, BYTES, 2).unwrap();
        let mut out = vec![0; prepared.worst_case()];
        let size = prepared.encode(&mut prepared.context(), &chunk, &mut out).unwrap();
        (codec, out[..size].to_vec())
    });
    let theirs = [(c"lz4", 1), (c"zstd", 1), (c"lz4", 2), (c"lz4", 0)].map(|(compressor, shuffle)| {
        let request =
            Request { compressor, level: 1, shuffle, element: 2, block: 3000, split: Split::Always };
        (blosc(BloscInner::Lz4, Shuffle::No), c_blosc::encode(&request, &chunk))
    });
    ours.chain(theirs).collect()
}

fn damage(frame: &mut Vec<u8>, random: &mut Random) {
    match random.below(8) {
        0 => frame.truncate(random.below(frame.len() + 1)),
        1 => frame.extend((0..random.below(40)).map(|_| 0xFF)),
        // A field of a Blosc header or table.
        2 | 3 if frame.len() > 64 => {
            let at = 4 * random.below(16);
            let value = [0, 1, 4, 0x7FFF_FFFF, 0x8000_0000, u32::MAX, BYTES as u32][random.below(7)];
            frame[at..at + 4].copy_from_slice(&value.wrapping_add(random.below(3) as u32).to_le_bytes());
        }
        4 if frame.len() > 4 => frame[2] = random.next() as u8,
        _ if !frame.is_empty() => {
            for _ in 0..=random.below(4) {
                let at = random.below(frame.len());
                frame[at] = random.next() as u8;
            }
        }
        _ => {}
    }
    // Let the damage get past the first check, often enough.
    if frame.len() >= 16 && random.below(2) == 0 {
        let size = frame.len() as u32;
        frame[12..16].copy_from_slice(&size.to_le_bytes());
    }
}

#[test]
fn random_damage_never_panics() {
    let (mut refused, mut read) = (0, 0);
    let mut decoder = Decoder::new();
    for (which, (codec, sound)) in frames().into_iter().enumerate() {
        for seed in 0..6000 {
            let mut random = Random(seed * 100 + which as u64);
            let mut frame = sound.clone();
            damage(&mut frame, &mut random);
            let mut out = vec![0; BYTES];
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                decoder.decode(&codec, &frame, &mut out)
            }));
            match outcome.unwrap_or_else(|_| panic!("frame {which}, seed {seed}, {codec:?}")) {
                Ok(()) => read += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 1000 && read > 100, "the damage is too much or too little: {refused}, {read}");
}

#[test]
fn invented_frames_never_panic() {
    let mut decoder = Decoder::new();
    for seed in 0..20_000_u64 {
        let mut random = Random(seed);
        let bytes = 1 + random.below(600);
        let mut frame: Vec<u8> = (0..random.below(300)).map(|_| random.next() as u8).collect();
        if frame.len() >= 20 {
            let element = [1, 2, 3, 255][random.below(4)];
            frame[..4].copy_from_slice(&[2, 1, [0x20, 0x31, 0x84, 0x95, 0x22][random.below(5)], element]);
            for (at, size) in [(4, bytes), (8, 1 + random.below(bytes)), (12, frame.len()), (16, 20)] {
                frame[at..at + 4].copy_from_slice(&(size as u32).to_le_bytes());
            }
        }
        let mut out = vec![0; bytes];
        let _ = decoder.decode(&blosc(BloscInner::Lz4, Shuffle::No), &frame, &mut out);
        frame.splice(..0, [0x28, 0xB5, 0x2F, 0xFD]);
        let _ = decoder.decode(&Codec::Zstd { level: 0 }, &frame, &mut out);
    }
}

#[test]
fn every_truncation_is_refused() {
    let mut decoder = Decoder::new();
    for (codec, frame) in frames() {
        let mut out = vec![0; BYTES];
        for size in 0..frame.len() {
            assert!(decoder.decode(&codec, &frame[..size], &mut out).is_err(), "{codec:?}, {size}");
        }
        assert!(decoder.decode(&codec, &frame, &mut out).is_ok());
        assert!(decoder.decode(&codec, &frame, &mut out[1..]).is_err(), "a smaller chunk");
    }
}

/// Many blocks that all point at one long payload would decompress it once each.
#[test]
fn blocks_may_not_share_a_payload() {
    let (codec, mut frame) = frames().swap_remove(1);
    let field = |at: usize| u32::from_le_bytes(frame[at..at + 4].try_into().unwrap()) as usize;
    let longest = (0..4).map(|block| field(16 + 4 * block)).max_by_key(|&start| field(start)).unwrap();
    for block in 0..4 {
        frame[16 + 4 * block..][..4].copy_from_slice(&(longest as u32).to_le_bytes());
    }
    let outcome = Decoder::new().decode(&codec, &frame, &mut vec![0; BYTES]);
    assert!(matches!(&outcome, Err(Error::Damaged { what, .. }) if what.contains("overlap")), "{outcome:?}");
}

#[test]
fn compressors_that_we_do_not_read_are_named() {
    let chunk = data::chunk(Kind::Ramp, 2, BYTES);
    let split = Split::Usual;
    let request = Request { compressor: c"blosclz", level: 5, shuffle: 1, element: 2, block: 0, split };
    let frame = c_blosc::encode(&request, &chunk);
    let outcome = Decoder::new().decode(&blosc(BloscInner::Lz4, Shuffle::Byte), &frame, &mut vec![0; BYTES]);
    assert!(
        matches!(&outcome, Err(error @ Error::Unsupported { .. }) if error.to_string().contains("blosclz"))
    );
}
