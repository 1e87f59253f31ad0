//! Single-thread throughput, for the figures in the documentation:
//! `cargo test --release -p forebay-host --test codec -- --ignored --nocapture throughput`

use std::time::Instant;

use forebay_host::codec::{Decoder, Prepared, bitshuffle, shuffle};
use plan::{Blosc, BloscInner, Codec, Shuffle};

use crate::c_blosc::{self, Request, Split};
use crate::data::{self, Kind};

const BYTES: usize = 4 << 20;

/// Best of several runs, in MB/s of uncompressed data.
fn rate(runs: usize, mut work: impl FnMut()) -> f64 {
    work();
    let best = (0..runs)
        .map(|_| {
            #[expect(clippy::disallowed_methods, reason = "a measurement, not part of a device")]
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    BYTES as f64 / 1e6 / best
}

fn report(name: &str, codec: Codec, chunk: &[u8]) {
    let prepared = Prepared::new(&codec, BYTES, 2).unwrap();
    let mut context = prepared.context();
    let mut out = vec![0; prepared.worst_case()];
    let mut size = 0;
    let encoded = rate(5, || {
        size = prepared.encode(&mut context, chunk, &mut out).unwrap();
    });
    let (mut decoder, mut back) = (Decoder::new(), vec![0; BYTES]);
    let decoded = rate(5, || decoder.decode(&codec, &out[..size], &mut back).unwrap());
    let (ratio, held) = (BYTES as f64 / size as f64, context.bytes() >> 10);
    println!("{name:<40} encode {encoded:7.0} MB/s  decode {decoded:7.0} MB/s  ratio {ratio:.3}  {held} KiB");
}

#[test]
#[ignore = "a measurement"]
fn throughput_of_filters() {
    let mut to = vec![0; BYTES];
    for element in [1, 2, 3, 4, 8, 16] {
        let chunk = data::chunk(Kind::Camera, element, BYTES);
        // Block by block, as in frames.
        let mut each = |filter: fn(usize, &[u8], &mut [u8])| {
            rate(20, || {
                let block = (128 << 10) / element / 8 * element * 8;
                chunk
                    .chunks(block)
                    .zip(to.chunks_mut(block))
                    .for_each(|(from, to)| filter(element, from, to));
            })
        };
        let rates =
            [shuffle::forward, shuffle::backward, bitshuffle::forward, bitshuffle::backward].map(&mut each);
        println!(
            "element {element:2}: shuffle {:6.0} back {:6.0}, bit shuffle {:6.0} back {:6.0} MB/s",
            rates[0], rates[1], rates[2], rates[3]
        );
    }
}

#[test]
#[ignore = "a measurement"]
fn throughput_of_codecs() {
    let chunk = data::chunk(Kind::Camera, 2, BYTES);
    report("none", Codec::None, &chunk);
    for level in [1, 3, 5, 9] {
        report(&format!("zstd {level}"), Codec::Zstd { level }, &chunk);
    }
    let inners =
        [(BloscInner::Lz4, vec![1, 5, 9]), (BloscInner::Zstd, vec![1, 3, 5]), (BloscInner::Fast, vec![1])];
    for (inner, levels) in inners {
        for shuffle in [Shuffle::No, Shuffle::Byte, Shuffle::Bit] {
            for &level in &levels {
                let codec = Codec::Blosc(Blosc { inner, level, shuffle, block: None });
                report(&format!("blosc {inner:?} {level} {shuffle:?}"), codec, &chunk);
            }
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn throughput_of_block_sizes() {
    let chunk = data::chunk(Kind::Camera, 2, BYTES);
    for (inner, level) in
        [(BloscInner::Lz4, 5), (BloscInner::Zstd, 1), (BloscInner::Zstd, 3), (BloscInner::Fast, 1)]
    {
        for shuffle in [Shuffle::Byte, Shuffle::Bit] {
            for kib in [16, 32, 64, 128, 256, 512, 1024, 4096] {
                let codec = Codec::Blosc(Blosc { inner, level, shuffle, block: Some(kib << 10) });
                report(&format!("blosc {inner:?} {level} {shuffle:?}, {kib} KiB blocks"), codec, &chunk);
            }
        }
    }
}

/// LZ4 alone: `lz4_flex` against C LZ4 inside c-blosc, both unsplit and without a filter of their own.
#[test]
#[ignore = "a measurement"]
fn throughput_of_lz4_and_c_lz4() {
    let camera = data::chunk(Kind::Camera, 2, BYTES);
    let (mut bytes, mut bits) = (vec![0; BYTES], vec![0; BYTES]);
    for block in 0..BYTES >> 17 {
        let at = block << 17..(block + 1) << 17;
        shuffle::forward(2, &camera[at.clone()], &mut bytes[at.clone()]);
        bitshuffle::forward(2, &camera[at.clone()], &mut bits[at]);
    }
    let ramp = data::chunk(Kind::Ramp, 2, BYTES);
    for (name, chunk) in [("camera", camera), ("bytes", bytes), ("bits", bits), ("ramp", ramp)] {
        for level in [1, 5, 9] {
            let block = 128 << 10;
            let blosc = Blosc { inner: BloscInner::Lz4, level, shuffle: Shuffle::No, block: Some(block) };
            report(&format!("{name}: lz4_flex (level {level})"), Codec::Blosc(blosc), &chunk);
            let (level, block) = (level.into(), block as usize);
            let split = Split::Never;
            let request = Request { compressor: c"lz4", level, shuffle: 0, element: 2, block, split };
            let mut frame = Vec::new();
            let encoded = rate(5, || frame = c_blosc::encode(&request, &chunk));
            let decoded = rate(5, || drop(c_blosc::decode(&frame, BYTES, 1).unwrap()));
            let ratio = BYTES as f64 / frame.len() as f64;
            println!(
                "{name}: C LZ4, level {level}{:18} encode {encoded:7.0} MB/s  decode {decoded:7.0} MB/s  ratio {ratio:.3}",
                ""
            );
        }
    }
}
