//! The filters against their definitions, bit by bit.

use forebay_host::codec::{bitshuffle, shuffle};
use proptest::prelude::*;

use crate::data::{self, Kind};

fn defined_shuffle(element: usize, source: &[u8]) -> Vec<u8> {
    let count = source.len() / element;
    let place = |at: usize| {
        if at < count * element { at % count * element + at / count } else { at }
    };
    (0..source.len()).map(|at| source[place(at)]).collect()
}

fn defined_bitshuffle(element: usize, source: &[u8]) -> Vec<u8> {
    let count = source.len() / element;
    let mut rows = source.to_vec();
    if !count.is_multiple_of(8) {
        return rows;
    }
    rows[..count * element].fill(0);
    for bit in 0..count * element * 8 {
        let (at, row) = (bit / (8 * element), bit % (8 * element));
        let to = row * count + at;
        rows[to / 8] |= (source[bit / 8] >> (bit % 8) & 1) << (to % 8);
    }
    rows
}

fn check(element: usize, bytes: usize) {
    let source = data::chunk(Kind::Random, 8, bytes);
    let (mut filtered, mut back) = (vec![0; bytes], vec![0; bytes]);
    shuffle::forward(element, &source, &mut filtered);
    assert!(filtered == defined_shuffle(element, &source), "shuffle, {element}, {bytes}");
    shuffle::backward(element, &filtered, &mut back);
    assert!(back == source, "shuffle back, {element}, {bytes}");
    bitshuffle::forward(element, &source, &mut filtered);
    assert!(filtered == defined_bitshuffle(element, &source), "bit shuffle, {element}, {bytes}");
    bitshuffle::backward(element, &filtered, &mut back);
    assert!(back == source, "bit shuffle back, {element}, {bytes}");
}

#[test]
fn every_short_length() {
    for element in [1, 2, 3, 4, 5, 8, 16, 255] {
        (0..600).for_each(|bytes| check(element, bytes));
    }
}

#[test]
fn lengths_around_the_tiles() {
    for element in 1..=20 {
        for elements in [255, 256, 257, 264, 2047, 2048, 2049, 2056, 4096, 10_000] {
            (0..element).for_each(|tail| check(element, elements * element + tail));
        }
    }
}

proptest! {
    #[test]
    fn any_length(element in 1..=255_usize, bytes in 0..100_000_usize) {
        check(element, bytes);
    }
}
