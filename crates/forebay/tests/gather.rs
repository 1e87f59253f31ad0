//! Appends of a few bytes are gathered, and nobody can tell.

mod common;
mod desk;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use common::{Case, noise};
use desk::{memory, now};
use forebay::store::{Failing, Store, Throttled};
use forebay::{Array, Codec, DType, Dim, Options, Tuning, Writer};

/// Bytes of a slice, and two of them are a layer of chunks.
const SLICE: usize = 2000;

fn array(slices: Option<u64>) -> Array {
    let first = slices.map_or(Dim::unbounded("t"), |t| Dim::new("t", t));
    let dims = vec![
        first.chunk(2).chunks_per_shard(3),
        Dim::new("y", 40).chunk(16).chunks_per_shard(2),
        Dim::new("x", 50).chunk(25).chunks_per_shard(1),
    ];
    Array { codec: Codec::None, ..Array::new(DType::U8, dims) }
}

#[test]
fn every_way_in_keeps_its_place_and_is_counted() {
    let (store, frames) = (memory(), noise(60 * SLICE));
    let mut writer = Writer::open(store.clone(), &array(None), Options::default()).unwrap();
    let (mut at, mut calls) = (0, 0);
    // Small, large and lent pieces in turn; 2048 bytes is the largest that is gathered.
    for (n, bytes) in [3, 1, 2048, 5000, 7, 2049, 900, 64, 0, 1].into_iter().cycle().enumerate() {
        let piece = &frames[at..(at + bytes).min(frames.len())];
        if n % 7 == 5 {
            let mut room = writer.reserve(piece.len()).unwrap();
            room.copy_from_slice(piece);
            room.commit(piece.len()).unwrap();
        } else if n % 11 == 8 {
            let mut memory = writer.register(piece.to_vec()).unwrap();
            writer.append_registered(&mut memory, piece.len()).unwrap();
        } else {
            writer.append(piece).unwrap();
        }
        (at, calls) = (at + piece.len(), calls + 1);
        if n % 13 == 12 {
            writer.flush().unwrap();
        }
        let metrics = writer.metrics();
        assert_eq!((metrics.bytes_in, metrics.appends.count), (at as u64, calls), "call {n}");
        let stage = metrics.stages.iter().find(|s| s.name == "append").unwrap();
        assert_eq!((stage.bytes_in, stage.count), (at as u64, calls), "call {n}");
        if at == frames.len() {
            break;
        }
    }
    let report = writer.close().unwrap();
    assert_eq!((report.metrics.bytes_in, report.metrics.appends.count), (at as u64, calls));
    assert_eq!(Case::new(array(None)).read(&store), frames);
}

#[test]
fn what_a_bounded_array_has_no_room_for_is_refused_alone() {
    let (store, frames) = (memory(), noise(3 * SLICE));
    let mut writer = Writer::open(store.clone(), &array(Some(3)), Options::default()).unwrap();
    frames[..3 * SLICE - 10].chunks(33).for_each(|piece| writer.append(piece).unwrap());
    let said = writer.append(&frames[..11]).unwrap_err().to_string();
    assert!(said.contains("11 bytes are given, the array has room for 10;"), "{said}");
    writer.append(&frames[3 * SLICE - 10..]).unwrap();
    assert!(writer.append(&[1]).is_err());
    writer.close().unwrap();
    assert_eq!(Case::new(array(Some(3))).read(&store), frames);
}

#[test]
fn they_return_the_first_error_at_once() {
    // The documents are written; the first shard is not begun.
    let counting = Arc::new(Failing::new(memory(), u64::MAX));
    let opened = Writer::open(counting.clone() as Arc<dyn Store>, &array(None), Options::default()).unwrap();
    let failing: Arc<dyn Store> = Arc::new(Failing::new(memory(), counting.operations() + 1));
    drop(opened);
    let mut writer = Writer::open(failing, &array(None), Options::default()).unwrap();
    writer.append(&noise(2 * SLICE)).unwrap();
    writer.append(&[1; 5]).unwrap();
    let first = writer.flush().unwrap_err().to_string();
    assert_eq!(writer.metrics().bytes_in, 2 * SLICE as u64 + 5, "what was given was given");
    for _ in 0..3 {
        assert_eq!(writer.append(&[1]).unwrap_err().to_string(), first);
    }
    assert_eq!(writer.close().unwrap_err().to_string(), first);
}

/// A store that holds up a run holds up whoever appends next, and that is seen in the times.
#[test]
fn passing_on_is_part_of_the_call_that_does_it() {
    let slow = Arc::new(Throttled::new(memory(), NonZeroU64::new(20_000).unwrap()));
    let tuning = Tuning { batch_bytes: Some(1), staging_bytes: Some(4096), slots: 2, ..Tuning::default() };
    let options = Options { tuning, ..Options::default() };
    let mut writer = Writer::open(slow as Arc<dyn Store>, &array(None), options).unwrap();
    let layer = noise(2 * SLICE);
    let mut slowest = Duration::ZERO;
    for _ in 0..6 {
        writer.append(&layer[..1500]).unwrap();
        let start = now();
        writer.append(&layer[1500..]).unwrap();
        slowest = slowest.max(start.elapsed());
    }
    // Half: the writer's clock and this one are read a moment apart, and a busy machine may be away between them.
    assert!(writer.metrics().appends.max * 2 > slowest, "{:?} of {slowest:?}", writer.metrics().appends);
    writer.close().unwrap();
}
