//! zstd chunks: exactly one frame that says its size.

use forebay_host::codec::{Decoder, Error, Prepared};
use plan::Codec;
use proptest::prelude::*;

use crate::data::{self, KINDS, Kind};

const CODEC: Codec = Codec::Zstd { level: 3 };

fn encode(level: i32, chunk: &[u8]) -> Vec<u8> {
    let codec = Codec::Zstd { level };
    let prepared = Prepared::new(&codec, chunk.len(), 2).unwrap();
    let mut context = prepared.context();
    let mut out = vec![0x5A; prepared.worst_case() + 9];
    let size = prepared.encode(&mut context, chunk, &mut out).unwrap();
    assert!(size as u64 <= codec.worst_case(chunk.len() as u64));
    assert!(out[prepared.worst_case()..].iter().all(|&byte| byte == 0x5A));
    let mut again = vec![0; prepared.worst_case()];
    let other: Vec<u8> = chunk.iter().map(|byte| byte ^ 0x11).collect();
    prepared.encode(&mut context, &other, &mut again).unwrap();
    let repeated = prepared.encode(&mut context, chunk, &mut again).unwrap();
    assert_eq!(again[..repeated], out[..size], "not the same bytes again");
    out.truncate(size);
    out
}

fn decode(frame: &[u8], bytes: usize) -> Result<Vec<u8>, Error> {
    let mut chunk = vec![0; bytes];
    Decoder::new().decode(&CODEC, frame, &mut chunk).map(|()| chunk)
}

/// Reads the frame header by hand, as RFC 8878 section 3.1.1.1 lays it out.
fn check_header(frame: &[u8], bytes: usize) {
    assert_eq!(frame[..4], [0x28, 0xB5, 0x2F, 0xFD]);
    let descriptor = frame[4];
    assert_eq!(descriptor & 0x04, 0, "a checksum");
    assert_eq!(descriptor & 0x03, 0, "a dictionary");
    let single = descriptor & 0x20 != 0;
    let field = if single { 5 } else { 6 };
    let size = match descriptor >> 6 {
        0 if single => usize::from(frame[field]),
        0 => panic!("no content size"),
        1 => 256 + usize::from(u16::from_le_bytes(frame[field..field + 2].try_into().unwrap())),
        2 => u32::from_le_bytes(frame[field..field + 4].try_into().unwrap()) as usize,
        _ => u64::from_le_bytes(frame[field..field + 8].try_into().unwrap()) as usize,
    };
    assert_eq!(size, bytes);
    assert_eq!(zstd_safe::find_frame_compressed_size(frame), Ok(frame.len()), "more than one frame");
}

#[test]
fn one_frame_with_its_size_at_every_level() {
    for level in 0..=22 {
        for bytes in [1, 255, 256, 65_791, 65_792, 300_001] {
            let chunk = data::chunk(Kind::Camera, 2, bytes);
            let frame = encode(level, &chunk);
            check_header(&frame, bytes);
            assert_eq!(decode(&frame, bytes).unwrap(), chunk);
        }
    }
}

#[test]
fn level_zero_is_three() {
    let chunk = data::chunk(Kind::Camera, 2, 300_000);
    assert_eq!(encode(0, &chunk), encode(3, &chunk));
    assert!(encode(19, &chunk).len() < encode(1, &chunk).len(), "the level does nothing");
}

#[test]
fn the_worst_case_is_zstds_own_bound() {
    for bytes in [0, 1, 1000, 131_071, 131_072, 131_073, 5_000_000, 3 << 30] {
        assert_eq!(CODEC.worst_case(bytes), zstd_safe::compress_bound(bytes as usize) as u64);
    }
    for bytes in [1, 1000, 131_071, 131_072, 1_000_003] {
        let chunk = data::chunk(Kind::Random, 2, bytes);
        [1, 3, 12].into_iter().for_each(|level| assert!(encode(level, &chunk).len() >= bytes));
    }
}

#[test]
fn tensorstore_refuses_more_than_one_frame_and_so_do_we() {
    let chunk = data::chunk(Kind::Camera, 2, 5000);
    let frame = encode(3, &chunk);
    let skippable = [0x50, 0x2A, 0x4D, 0x18, 2, 0, 0, 0, 1, 1];
    let halves = [encode(3, &chunk[..2500]), encode(3, &chunk[2500..])].concat();
    let cases: [(&str, Vec<u8>); 6] = [
        ("two halves", halves),
        ("the frame twice", [&frame[..], &frame].concat()),
        ("a skippable frame behind", [&frame[..], &skippable].concat()),
        ("a skippable frame in front", [&skippable[..], &frame].concat()),
        ("one byte behind", [&frame[..], &[0]].concat()),
        ("nothing", Vec::new()),
    ];
    for (what, encoded) in cases {
        assert!(matches!(decode(&encoded, 5000), Err(Error::Damaged { .. })), "{what}");
    }
    assert!(decode(&frame, 4999).is_err());
    assert!(decode(&frame, 5001).is_err());
}

#[test]
fn foreign_frames() {
    let chunk = data::chunk(Kind::Camera, 2, 5000);
    let compress = |parameter| {
        let mut context = zstd_safe::CCtx::create();
        context.set_parameter(parameter).unwrap();
        let mut frame = vec![0; 6000];
        let size = context.compress2(&mut frame[..], &chunk).unwrap();
        frame.truncate(size);
        frame
    };
    let checked = compress(zstd_safe::CParameter::ChecksumFlag(true));
    assert_eq!(decode(&checked, 5000).unwrap(), chunk, "a checksum is read");
    let mut wrong = checked;
    *wrong.last_mut().unwrap() ^= 1;
    assert!(decode(&wrong, 5000).is_err(), "and believed");
    let sizeless = compress(zstd_safe::CParameter::ContentSizeFlag(false));
    assert!(decode(&sizeless, 5000).unwrap_err().to_string().contains("content size"));
}

proptest! {
    #[test]
    fn any_chunk_goes_through_and_back(
        bytes in 1..200_000_usize,
        kind in proptest::sample::select(&KINDS[..]),
        element in proptest::sample::select(&[1, 2, 3, 4, 8, 16][..]),
        level in 0..=7,
    ) {
        let chunk = data::chunk(kind, element, bytes);
        let frame = encode(level, &chunk);
        check_header(&frame, bytes);
        prop_assert!(decode(&frame, bytes).unwrap() == chunk);
    }
}
