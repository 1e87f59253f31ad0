//! What is refused before the first chunk, and misuse afterwards.

use forebay_host::codec::{Decoder, Error, Prepared};
use plan::{Blosc, BloscInner, Codec, Shuffle};

const LZ4: Blosc = Blosc { inner: BloscInner::Lz4, level: 5, shuffle: Shuffle::Byte, block: None };

fn check(codec: Codec, chunk: usize, element: usize, field: &str) {
    match Prepared::new(&codec, chunk, element) {
        Err(Error::Parameter { field: refused, remedy, .. }) => {
            assert_eq!(refused, field);
            assert!(!remedy.is_empty());
        }
        other => panic!("{codec:?}, {chunk} bytes, {other:?}"),
    }
}

#[test]
fn parameters() {
    check(Codec::None, 0, 2, "chunk");
    check(Codec::Zstd { level: 23 }, 100, 2, "zstd level");
    check(Codec::Zstd { level: -1 }, 100, 2, "zstd level");
    check(Codec::Blosc(Blosc { level: 10, ..LZ4 }), 100, 2, "blosc clevel");
    check(Codec::Blosc(LZ4), 100, 0, "element bytes (blosc)");
    check(Codec::Blosc(LZ4), 100, 256, "element bytes (blosc)");
    check(Codec::Blosc(Blosc { block: Some(127), ..LZ4 }), 1000, 2, "blosc blocksize");
    check(Codec::Blosc(Blosc { block: Some(715_827_543), ..LZ4 }), 1000, 2, "blosc blocksize");
    check(Codec::Blosc(LZ4), i32::MAX as usize - 15, 2, "chunk bytes (blosc)");
    assert!(Prepared::new(&Codec::Blosc(LZ4), i32::MAX as usize - 16, 2).is_ok());
}

#[test]
fn resolved_parameters_can_be_asked_for() {
    let zstd = Blosc { inner: BloscInner::Zstd, ..LZ4 };
    let of = |codec: Codec| Prepared::new(&codec, 1 << 20, 2).unwrap();
    assert_eq!(of(Codec::Blosc(LZ4)).block_bytes(), Some(128 << 10));
    assert_eq!(of(Codec::Blosc(zstd)).block_bytes(), Some(256 << 10));
    assert_eq!(of(Codec::Blosc(Blosc { block: Some(1001), ..LZ4 })).block_bytes(), Some(1000));
    assert_eq!(of(Codec::Blosc(Blosc { block: Some(0), ..LZ4 })).block_bytes(), Some(128 << 10));
    assert_eq!(of(Codec::Blosc(Blosc { block: Some(4 << 20), ..LZ4 })).block_bytes(), Some(1 << 20));
    assert_eq!(of(Codec::Blosc(LZ4)).zstd_level(), None);
    let levels = [1, 5, 8, 9].map(|level| of(Codec::Blosc(Blosc { level, ..zstd })).zstd_level());
    assert_eq!(levels, [1, 9, 15, 22].map(Some));
    assert_eq!(of(Codec::Zstd { level: 0 }).zstd_level(), Some(3));
}

#[test]
fn misuse() {
    let prepared = Prepared::new(&Codec::Blosc(LZ4), 1000, 2).unwrap();
    let other = Prepared::new(&Codec::Blosc(LZ4), 1002, 2).unwrap();
    let mut context = prepared.context();
    let mut out = [0; 2000];
    assert!(matches!(prepared.encode(&mut context, &[0; 999], &mut out), Err(Error::Size { .. })));
    assert!(matches!(prepared.encode(&mut context, &[0; 1000], &mut out[..1015]), Err(Error::Size { .. })));
    assert!(matches!(prepared.encode(&mut other.context(), &[0; 1000], &mut out), Err(Error::Context)));
    assert!(prepared.encode(&mut context, &[0; 1000], &mut out[..1016]).is_ok());
}

#[test]
fn no_codec_keeps_the_bytes() {
    let prepared = Prepared::new(&Codec::None, 5, 2).unwrap();
    let mut out = [0; 7];
    assert_eq!(prepared.encode(&mut prepared.context(), b"pixel", &mut out).unwrap(), 5);
    assert_eq!(&out, b"pixel\0\0");
    assert!(Decoder::new().decode(&Codec::None, &out, &mut [0; 5]).is_err());
    let mut back = [0; 5];
    Decoder::new().decode(&Codec::None, &out[..5], &mut back).unwrap();
    assert_eq!(&back, b"pixel");
}

/// zstd takes its workspace with the first chunk; nothing is taken afterwards.
#[test]
fn a_context_stops_growing_after_its_first_chunk() {
    let zstd = Blosc { inner: BloscInner::Zstd, ..LZ4 };
    for codec in [Codec::None, Codec::Zstd { level: 5 }, Codec::Blosc(LZ4), Codec::Blosc(zstd)] {
        let prepared = Prepared::new(&codec, 500_000, 2).unwrap();
        let mut context = prepared.context();
        let mut out = vec![0; prepared.worst_case()];
        let mut random = crate::data::Random(1);
        prepared.encode(&mut context, &vec![0; 500_000], &mut out).unwrap();
        let held = context.bytes();
        for _ in 0..5 {
            let chunk: Vec<u8> = (0..500_000).map(|_| random.next() as u8 & 0x1F).collect();
            prepared.encode(&mut context, &chunk, &mut out).unwrap();
        }
        assert_eq!(context.bytes(), held, "{codec:?}");
    }
}
