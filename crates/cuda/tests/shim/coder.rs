//! Our own coder on the emulator: whatever the chunks hold and however they are cut, libzstd and c-blosc read what it writes,
//! and it writes the same in every order of threads.

use std::path::{Path, PathBuf};

use cuda::coder::Coder;
use device::EncodeJob;
use forebay_cuda as cuda;
use plan::{Blosc, BloscInner, Codec, Shuffle};
use proptest::prelude::*;

use crate::emulator::Shim;
use crate::made::{self, KINDS, Kind};
use crate::{Bytes, c_blosc};

const ZSTD: Codec = Codec::Zstd { level: 1 };

fn blosc(shuffle: Shuffle, block: Option<u32>) -> Codec {
    Codec::Blosc(Blosc { inner: BloscInner::Zstd, level: 1, shuffle, block })
}

/// Encodes chunks that lie one after another; what each became.
pub(crate) fn encode(shim: &Shim, codec: &Codec, chunk: usize, element: usize, data: &[u8]) -> Vec<Vec<u8>> {
    let coder = coder(codec, chunk, element, data);
    encode_by(shim, &coder, chunk, data)
}

pub(crate) fn coder(codec: &Codec, chunk: usize, element: usize, data: &[u8]) -> Coder {
    Coder::new(codec, (data.len() / chunk) as u64, chunk as u64, element as u64).unwrap()
}

/// By a coder that may have less to work in.
pub(crate) fn encode_by(shim: &Shim, coder: &Coder, chunk: usize, data: &[u8]) -> Vec<Vec<u8>> {
    let chunks = data.len() / chunk;
    let stride = (coder.worst_case() as usize).next_multiple_of(16);
    // Chunks of coarser levels stand behind those of the array: anywhere.
    let front = vec![0x5A; chunk];
    let pool = Bytes::new(&[&front, data].concat());
    // Neither is zero, and behind each chunk's room lies what must stay.
    let (scratch, sizes) =
        (Bytes::new(&vec![0xEE; chunks * stride + 64]), Bytes::new(&vec![0xEE; 8 * chunks]));
    let guard = 256;
    let workspace = Bytes::new(&vec![0xA5; coder.workspace() as usize + 2 * guard]);
    let address = (workspace.write().address().addr() as u64).next_multiple_of(guard as u64);
    let job = EncodeJob {
        chunks: chunks as u32,
        pool: pool.read().part(front.len()..front.len() + data.len()),
        scratch: scratch.write(),
        stride: stride as u64,
        sizes: sizes.write(),
    };
    // SAFETY: everything lives until this returns, and so have the kernels.
    unsafe { coder.encode(shim, &job, address) }.unwrap();
    let front = (address - workspace.write().address().addr() as u64) as usize;
    assert!(workspace.get()[..front].iter().all(|b| *b == 0xA5), "it wrote before its workspace");
    let used = (address - workspace.write().address().addr() as u64 + coder.workspace()) as usize;
    assert!(workspace.get()[used..].iter().all(|b| *b == 0xA5), "it wrote behind its workspace");
    let out = scratch.get();
    assert!(out[chunks * stride..].iter().all(|b| *b == 0xEE), "it wrote behind the last chunk");
    let sizes = sizes.get();
    let sizes = sizes.as_chunks::<8>().0.iter().map(|s| u64::from_le_bytes(*s) as usize);
    let frames = sizes.enumerate().map(|(i, size)| {
        assert!(size as u64 <= coder.worst_case(), "chunk {i}: {size} of {} bytes", coder.worst_case());
        let room = &out[i * stride..][..stride];
        assert!(room[size..].iter().all(|b| *b == 0xEE), "chunk {i}: it wrote behind its frame");
        room[..size].to_vec()
    });
    frames.collect()
}

fn decode(codec: &Codec, frame: &[u8], chunk: usize) -> Result<Vec<u8>, String> {
    match codec {
        Codec::Blosc(_) => c_blosc::decode(frame, chunk, 1).map_err(|e| format!("c-blosc: {e}")),
        _ => {
            let mut out = vec![0; chunk + 1];
            let said = zstd_safe::get_frame_content_size(frame).ok().flatten();
            assert_eq!(said, Some(chunk as u64), "the frame says its content");
            assert_eq!(zstd_safe::find_frame_compressed_size(frame), Ok(frame.len()), "one frame");
            let size = zstd_safe::decompress(&mut out[..], frame).map_err(zstd_safe::get_error_name)?;
            out.truncate(size);
            Ok(out)
        }
    }
}

/// The same at a level that looks for matches.
fn with_matches(codec: &Codec) -> Codec {
    match *codec {
        Codec::Blosc(blosc) => Codec::Blosc(Blosc { level: 5, ..blosc }),
        _ => Codec::Zstd { level: 3 },
    }
}

/// The same with LZ4 inside.
fn with_lz4(codec: &Codec) -> Codec {
    match *codec {
        Codec::Blosc(blosc) => Codec::Blosc(Blosc { inner: BloscInner::Lz4, ..blosc }),
        codec => codec,
    }
}

/// Encodes, decodes and compares, without matches and with, and with LZ4 in place of zstd; how many bytes all frames have without and with.
fn check(codec: &Codec, chunk: usize, element: usize, data: &[u8]) -> (usize, usize) {
    if let Codec::Blosc(_) = codec {
        check_one(&with_lz4(codec), chunk, element, data);
        check_one(&with_lz4(&with_matches(codec)), chunk, element, data);
    }
    (check_one(codec, chunk, element, data), check_one(&with_matches(codec), chunk, element, data))
}

fn check_one(codec: &Codec, chunk: usize, element: usize, data: &[u8]) -> usize {
    let data = &data[..data.len() / chunk * chunk];
    let frames = encode(&Shim::new(), codec, chunk, element, data);
    compare(codec, (chunk, element), data, &frames);
    frames.iter().map(Vec::len).sum()
}

/// Frames hold the chunks that lie one after another.
pub(crate) fn compare(codec: &Codec, (chunk, element): (usize, usize), data: &[u8], frames: &[Vec<u8>]) {
    for (i, (frame, want)) in frames.iter().zip(data.chunks(chunk)).enumerate() {
        let what = || format!("{codec:?}, chunk {i} of {chunk} bytes, elements of {element}");
        let got = decode(codec, frame, chunk).unwrap_or_else(|why| panic!("{}: {why}", what()));
        let differs = got.iter().zip(want).position(|(a, b)| a != b);
        assert!(got == want, "{}: {} bytes, different at {differs:?}", what(), got.len());
    }
}

const SHUFFLES: [Shuffle; 3] = [Shuffle::No, Shuffle::Byte, Shuffle::Bit];

#[test]
fn small_and_odd_chunks() {
    let sizes = [1, 2, 7, 15, 16, 17, 24, 31, 48, 64, 100, 127, 128, 129, 255, 257, 1000, 4095, 8200, 20_003];
    for (i, chunk) in sizes.into_iter().enumerate() {
        for (k, kind) in KINDS.into_iter().enumerate() {
            let data = kind.bytes(2, 2 * chunk, chunk as u64);
            check_one(&ZSTD, chunk, 2, &data);
            // In turn: each filter meets each kind and about each size.
            check(&blosc(SHUFFLES[(i + k) % 3], None), chunk, 2, &data);
        }
    }
}

#[test]
fn every_size_of_element() {
    for (i, element) in [1, 2, 3, 4, 8, 16].into_iter().enumerate() {
        for (k, kind) in KINDS.into_iter().enumerate() {
            let elements = [1000, 4096, 30_000, 70_008];
            let chunk = element * if element > 2 { elements[k % 3] } else { elements[1 + k % 3] };
            let data = kind.bytes(element.min(8), chunk, element as u64);
            check(&blosc(SHUFFLES[(i + k) % 3], None), chunk, element, &data);
            check_one(&blosc(SHUFFLES[(i + k + 1) % 3], None), chunk, element, &data);
        }
    }
}

#[test]
fn large_chunks() {
    for kind in [Kind::Camera, Kind::Runs, Kind::Text, Kind::Zeros, Kind::Half] {
        let data = kind.bytes(2, 1_300_002, 3);
        check(&ZSTD, 1_300_002, 2, &data);
        check(&ZSTD, 65_536, 2, &data[..262_144]);
        for shuffle in SHUFFLES {
            check_one(&blosc(shuffle, None), 1_300_002, 2, &data);
            check_one(&blosc(shuffle, Some(100_000)), 500_002, 2, &data);
        }
    }
    // Larger than what is its own window.
    let data = Kind::Half.bytes(2, 9 << 20, 4);
    check_one(&ZSTD, 9 << 20, 2, &data);
    check_one(&blosc(Shuffle::Byte, Some(9 << 20)), 9 << 20, 2, &data);
}

/// Some hundred units, with and without matches, and of any number of bytes: many blocks of a zstd frame, many of a Blosc frame,
/// and a Blosc block of which a plane has hundreds of units.
#[test]
fn chunks_of_many_megabytes() {
    let chunk = (20 << 20) + 7;
    let data = [
        Kind::Camera.bytes(2, 3 << 20, 5),
        Kind::Text.bytes(1, 1 << 20, 6),
        Kind::Random.bytes(2, 1 << 20, 7),
    ];
    let data: Vec<u8> = data.concat().into_iter().cycle().take(chunk).collect();
    check_one(&with_matches(&ZSTD), chunk, 2, &data);
    check_one(&blosc(Shuffle::Byte, None), chunk, 2, &data);
    check_one(&blosc(Shuffle::No, Some(chunk as u32)), chunk, 2, &data);
    check_one(&with_lz4(&blosc(Shuffle::Bit, None)), chunk, 2, &data);
}

/// Whatever the order of threads, and wherever in whatever batch a chunk is: the same bytes.
#[test]
fn the_same_bytes_in_every_order() {
    for kind in KINDS {
        let (chunk, data) = (70_000, kind.bytes(2, 140_000, 9));
        let codecs = [ZSTD, blosc(Shuffle::Byte, None), blosc(Shuffle::Bit, Some(20_000))];
        for codec in codecs
            .into_iter()
            .chain([with_matches(&ZSTD), with_matches(&codecs[1])])
            .chain([with_lz4(&with_matches(&codecs[1]))])
        {
            let first = encode(&Shim::seeded(1), &codec, chunk, 2, &data);
            for seed in 2..5 {
                assert!(encode(&Shim::seeded(seed), &codec, chunk, 2, &data) == first, "{kind:?}, {codec:?}");
            }
            let alone = encode(&Shim::seeded(7), &codec, chunk, 2, &data[chunk..]);
            assert!(alone[0] == first[1], "{kind:?}, {codec:?}: alone");
        }
    }
}

/// However little it may work in: chunks that go through it unit by unit, block by block, and some at a time, become what they
/// become as a whole; also those that turn out not to shrink after some of their blocks were written.
#[test]
fn the_same_bytes_in_parts() {
    let (mut parts, mut stored) = (0, 0);
    let mut same = |codec: &Codec, (chunk, element): (usize, usize), data: &[u8]| {
        let whole = coder(codec, chunk, element, data);
        let chunks = (data.len() / chunk) as u64;
        let want = encode_by(&Shim::new(), &whole, chunk, data);
        compare(codec, (chunk, element), data, &want);
        // The least there is, and what some parts of a chunk take.
        for bytes in [0, whole.workspace() / 6, whole.workspace() / 3] {
            let cut = whole.clone().within(chunks, bytes);
            assert!(cut.workspace() <= whole.workspace());
            parts += usize::from(cut.workspace() < whole.workspace());
            let got = encode_by(&Shim::new(), &cut, chunk, data);
            assert!(
                got == want,
                "{codec:?}, {chunk} bytes, elements of {element}, in {} bytes",
                cut.workspace()
            );
        }
        stored +=
            want.iter().filter(|frame| matches!(codec, Codec::Blosc(_)) && frame.len() == chunk + 16).count();
    };
    // The last piece has matches where the first has none, the other way round, and noise before and behind what shrinks.
    let kinds = [
        [Kind::Camera, Kind::Text],
        [Kind::Text, Kind::Random],
        [Kind::Random, Kind::Zeros],
        [Kind::Random; 2],
    ];
    for kinds in kinds {
        let data = kinds.map(|kind| kind.bytes(2, 170_003, 3)).concat();
        for chunk in [340_006, 327_680] {
            same(&ZSTD, (chunk, 1), &data[..chunk]);
            same(&with_matches(&ZSTD), (chunk, 1), &data[..chunk]);
        }
        for (i, block) in [Some(50_000), Some(100_002), Some(65_536), None].into_iter().enumerate() {
            for (k, element) in [2, 1, 4, 3].into_iter().enumerate() {
                let codec = with_matches(&blosc(SHUFFLES[(i + k) % 3], block));
                if (i + k) % 2 == 0 {
                    same(&codec, (170_003, element), &data[..170_003]);
                } else {
                    same(&with_lz4(&codec), (340_006, element), &data);
                }
            }
        }
    }
    // Matches, and behind them a few runs that no probe finds: these must know of those.
    let mut few = Kind::Random.bytes(1, 140_000, 5);
    (500..139_000).step_by(1500).for_each(|at| few[at..at + 12].fill(9));
    let data = [Kind::Text.bytes(1, 60_000, 5), few].concat();
    same(&with_matches(&ZSTD), (200_000, 1), &data);
    // Almost all noise, so that it shrinks up to the last block; frames that are given up at each of their blocks.
    for blocks in 1..8 {
        let data = [Kind::Zeros.bytes(1, 56, 1), Kind::Random.bytes(1, 8000 * blocks, 2)].concat();
        let data = [data, Kind::Zeros.bytes(1, 8000 * (8 - blocks) - 56, 1)].concat();
        same(&blosc(Shuffle::No, Some(400)), (64_000, 1), &data);
        same(&blosc(Shuffle::No, Some(8000)), (8000 * blocks, 1), &data[..8000 * blocks]);
    }
    let level_0 =
        Codec::Blosc(Blosc { inner: BloscInner::Zstd, level: 0, shuffle: Shuffle::Byte, block: Some(1000) });
    same(&level_0, (10_001, 2), &Kind::Text.bytes(2, 20_002, 1));
    assert!(parts > 70 && stored > 20, "{parts} in parts, {stored} stored");
    println!("{parts} in parts, {stored} chunks stored");
}

/// The table that GPUs are held against is what the emulator makes.
#[test]
fn fingerprints_are_those_of_the_table() {
    let mut divided = 0;
    let got = made::fingerprints(|codec, (size, element), data| {
        let coder = coder(codec, size, element, data);
        let whole = coder.clone().within((data.len() / size) as u64, u64::MAX);
        divided += usize::from(coder.workspace() < whole.workspace());
        let frames = encode_by(&Shim::new(), &coder, size, data);
        if size > 200_000 {
            compare(codec, (size, element), data, &frames);
        }
        frames
    });
    assert!(divided >= 4, "{divided} batches go through in groups or in parts");
    // To write it anew where the coder makes other bytes: then it is looked at by whoever asked.
    if std::env::var_os("FOREBAY_FINGERPRINTS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/made/fingerprints.txt");
        std::fs::write(path, &got).unwrap();
        return println!("written anew");
    }
    let others = made::others(&got);
    assert!(others.is_empty(), "{} lines are not the table's:\n{}", others.len(), others.join("\n"));
    assert_eq!(got.lines().count(), made::FINGERPRINTS.lines().count());
}

/// What it promises of sizes: constants vanish, noise costs a header, camera frames shrink by what their entropy says.
#[test]
fn ratios() {
    let chunk = 262_144;
    let both = |codec: &Codec, kind: Kind| check(codec, chunk, 2, &kind.bytes(2, chunk, 1));
    let size = |codec: &Codec, kind: Kind| {
        let (runs, matches) = both(codec, kind);
        assert!(matches <= runs + runs / 100, "{codec:?}, {kind:?}: {runs} without matches, {matches} with");
        matches
    };
    assert!(size(&ZSTD, Kind::Zeros) < 32);
    assert!(size(&blosc(Shuffle::Byte, None), Kind::Zeros) < 80);
    assert!(size(&ZSTD, Kind::Random) < chunk + 32);
    assert!(size(&blosc(Shuffle::Byte, None), Kind::Random) <= chunk + 16);
    let camera = size(&blosc(Shuffle::Byte, None), Kind::Camera);
    assert!(camera < chunk * 36 / 100, "{camera}");
    let twelve = size(&blosc(Shuffle::Byte, None), Kind::Twelve);
    assert!(twelve < chunk * 753 / 1000, "{twelve}");
    // Bytes as they are: at least what nvCOMP 5.3 makes of them in chunks of so many bytes (`docs/measurements`).
    let others = [
        (Kind::Camera, 2.226),
        (Kind::Twelve, 1.168),
        (Kind::Steep, 4.257),
        (Kind::Half, 1.995),
        (Kind::Text, 4.654),
        (Kind::Few, 3.978),
    ];
    for (kind, least) in others {
        let ratio = chunk as f64 / both(&ZSTD, kind).1 as f64;
        println!("{kind:?}: {ratio:.3}, of nvCOMP {least}");
        assert!(ratio >= least, "{kind:?}: {ratio}");
    }
    let lz4 = |shuffle, kind: Kind| {
        let codec = with_lz4(&with_matches(&blosc(shuffle, None)));
        check_one(&codec, chunk, 2, &kind.bytes(2, chunk, 1))
    };
    let text = lz4(Shuffle::No, Kind::Text);
    assert!(text * 5 < chunk * 2, "{text}");
    let twelve = lz4(Shuffle::Bit, Kind::Twelve);
    assert!(twelve < chunk * 76 / 100, "{twelve}");
    assert!(lz4(Shuffle::Byte, Kind::Zeros) < chunk / 100);
}

/// The exclusive or of the coordinates, as `bench` fills arrays with: pixels whose bytes are not apart, chunks of `256cube`.
#[test]
fn the_xor_of_coordinates() {
    // t, z, y, x of chunks of 64 KiB, 256 KiB and 1 MiB; and the least ratios.
    let shapes = [([4_usize, 16, 16, 32], 11.5), ([4, 32, 32, 32], 10.5), ([4, 32, 64, 64], 8.5)];
    for ([t, z, y, x], least) in shapes {
        let chunk = 2 * t * z * y * x;
        let at = |i: usize| (i / (x * y * z)) ^ (i / (x * y) % z) ^ (i / x % y) ^ (i % x);
        // Not the first chunk of the array: some higher bits are set.
        let data: Vec<u8> = (0..chunk / 2).flat_map(|i| (at(i) as u16 | 0x1C0).to_le_bytes()).collect();
        let (runs, matches) = check(&ZSTD, chunk, 2, &data);
        let ratio = chunk as f64 / matches as f64;
        println!(
            "xor, chunks of {chunk}: {:.3} without matches, {ratio:.3} with",
            chunk as f64 / runs as f64
        );
        assert!(ratio > least, "chunks of {chunk}: {ratio}");
    }
}

/// Real images, where there are any beside the repository or where `FOREBAY_SHARED` says: as small as entropy and runs make
/// them.
#[test]
fn real_images() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("FOREBAY_SHARED").map_or(beside, PathBuf::from);
    if !folder.join("data").is_dir() {
        return println!("{} has no folder `data`: no real images", folder.display());
    }
    // Their headers are of no account: they are bytes like others.
    let images = [
        // Of nvCOMP, bytes as they are: 2.319.
        ("zebrafish-u16-y1024-x1024.tif", 2, 262_144, 3.05, 2.36),
        ("mri-i16-t2-z24-y96-x128.npy", 2, 262_144, 4.15, 3.45),
    ];
    for (name, element, chunk, least, plain) in images {
        let mut data = std::fs::read(folder.join("data").join(name)).unwrap();
        data.truncate(4 << 20);
        let whole = data.len() / chunk * chunk;
        for codec in [ZSTD, blosc(Shuffle::No, None), blosc(Shuffle::Byte, None), blosc(Shuffle::Bit, None)] {
            let (runs, size) = check(&codec, chunk, element, &data);
            let ratio = whole as f64 / size as f64;
            println!("{name}, {codec:?}: {:.3} without matches, {ratio:.3} with", whole as f64 / runs as f64);
            let is_byte = matches!(codec, Codec::Blosc(Blosc { shuffle: Shuffle::Byte, .. }));
            assert!(!is_byte || ratio > least, "{name}: {ratio}");
            assert!(codec != ZSTD || ratio > plain, "{name}, bytes as they are: {ratio}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn any_chunk_comes_back(
        chunk in 16..150_000usize,
        kinds in prop::collection::vec((prop::sample::select(KINDS.to_vec()), 1..60_000usize), 1..6),
        element in prop::sample::select(vec![1usize, 2, 4, 8]),
        which in 0..4usize,
        block in prop::option::of(128..200_000u32),
        seed: u64,
    ) {
        let mut data = Vec::new();
        while data.len() < 2 * chunk {
            for (kind, bytes) in &kinds {
                data.extend(kind.bytes(element, *bytes, seed >> 32));
            }
        }
        let codec = if which == 3 { ZSTD } else { blosc(SHUFFLES[which], block) };
        check(&codec, chunk, element, &data[..2 * chunk]);
    }
}
