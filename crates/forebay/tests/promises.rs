//! What a writer promises around its data: publication, flush, failure, what is already there.

mod common;
mod desk;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use common::{Case, noise};
use desk::{FRAME, array, check_prefix, complete, memory, published, until, write};
use forebay::store::{Counting, Failing, Memory, Operation, Store, Throttled};
use forebay::{Array, Codec, DType, Dim, Mode, Options, Pyramid, Reducer, Tuning, Writer};

#[test]
fn metadata_is_there_before_the_first_frame() {
    let store = memory();
    let writer = Writer::open(store.clone(), &array(), Options::default()).unwrap();
    assert_eq!(published(&store), 0);
    assert!(store.get("zarr.json").unwrap().is_some());
    drop(writer);
}

#[test]
fn flush_writes_whole_layers_and_appending_goes_on() {
    let store = memory();
    let mut writer = Writer::open(store.clone(), &array(), Options::default()).unwrap();
    let frames = noise(11 * FRAME);
    for (n, frame) in frames.chunks(FRAME).enumerate() {
        writer.append(frame).unwrap();
        writer.flush().unwrap();
        let (layers, objects) = (n.div_ceil(2), store.list("0/c").unwrap());
        assert_eq!(objects.is_empty(), layers == 0, "after {} frames", n + 1);
        assert_eq!(writer.metrics().bytes_chunked, layers as u64 * 2 * 48 * 32 * 2);
    }
    writer.close().unwrap();
    assert_eq!(Case::new(array()).read(&store), frames);
}

#[test]
fn every_store_operation_that_fails_is_reported_and_nothing_hangs_or_lies() {
    let frames = noise(19 * FRAME);
    let tuning = Tuning { batch_bytes: Some(1), staging_bytes: Some(4096), ..Tuning::default() };
    let codecs = [(Codec::None, false), (Codec::Zstd { level: 1 }, true)];
    let cases = codecs.into_iter().flat_map(|c| Mode::ALL.map(|m| (c, m)));
    for (((codec, device_memory), mode), alignment) in cases.flat_map(|c| [(c, 0), (c, 512)]) {
        let tuning = Tuning { mode: Some(mode), ..tuning };
        let mut n = 1;
        loop {
            let inner: Arc<dyn Store> = Arc::new(Memory::with_alignment(alignment));
            let options = Options { tuning, device_memory, ..Options::default() };
            let failing = Arc::new(Failing::new(inner.clone(), n));
            let store: Arc<dyn Store> = failing.clone();
            let ended = write(&store, &Array { codec, ..array() }, options, &frames);
            if failing.operations() < n {
                ended.unwrap();
                break;
            }
            assert!(ended.is_err(), "operation {n} failed and nobody was told");
            check_prefix(&inner, &frames);
            n += 1;
        }
        assert!(n > 20, "the run had only {n} operations");
    }
}

#[test]
fn later_calls_return_the_first_error() {
    let store: Arc<dyn Store> = Arc::new(Failing::new(memory(), 3));
    let tuning = Tuning { batch_bytes: Some(1), ..Tuning::default() };
    let options = Options { tuning, publish_interval: Duration::ZERO, ..Options::default() };
    let mut writer = Writer::open(store, &array(), options).unwrap();
    let first = loop {
        if let Err(error) = writer.append(&noise(2 * FRAME)).and_then(|()| writer.flush()) {
            break error.to_string();
        }
    };
    assert_eq!(writer.append(&[0]).unwrap_err().to_string(), first);
    assert_eq!(writer.flush().unwrap_err().to_string(), first);
    assert_eq!(writer.close().unwrap_err().to_string(), first);
}

#[test]
fn a_slow_store_holds_the_producer_back_and_loses_nothing() {
    let inner = memory();
    let slow: Arc<dyn Store> = Arc::new(Throttled::new(inner.clone(), NonZeroU64::new(400_000).unwrap()));
    let tuning = Tuning { batch_bytes: Some(1), staging_bytes: Some(4096), ..Tuning::default() };
    let options = Options { tuning, ..Options::default() };
    let frames = noise(60 * FRAME);
    write(&slow, &Array { codec: Codec::None, ..array() }, options, &frames).unwrap();
    assert_eq!(Case::new(array()).read(&inner), frames);
}

#[test]
fn what_is_there_is_not_touched_unless_it_is_a_store_to_be_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.zarr");
    let open =
        |overwrite| Writer::open(path.as_path(), &array(), Options { overwrite, ..Options::default() });
    open(false).unwrap().close().unwrap();
    let said = open(false).map(drop).unwrap_err().to_string();
    assert!(said.contains("run.zarr") && said.contains("overwrite"), "{said}");
    std::fs::write(path.join("stale"), "x").unwrap();
    open(true).unwrap().close().unwrap();
    assert!(!path.join("stale").exists(), "the old store is gone");

    let other = folder.path().join("photos");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("cat.jpg"), "meow").unwrap();
    let options = Options { overwrite: true, ..Options::default() };
    let said = Writer::open(other.as_path(), &array(), options).map(drop).unwrap_err().to_string();
    assert!(said.contains("zarr.json") && other.join("cat.jpg").exists(), "{said}");
}

#[test]
fn a_refused_run_writes_and_removes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.zarr");
    Writer::open(path.as_path(), &array(), Options::default()).unwrap().close().unwrap();
    let before = std::fs::read(path.join("0/zarr.json")).unwrap();
    let mut bad = array();
    bad.dims[1].chunk = Some(0);
    let overwrite = Options { overwrite: true, ..Options::default() };
    assert!(Writer::open(path.as_path(), &bad, overwrite.clone()).is_err());
    let attributes = serde_json::from_str(r#"{"ome": 1}"#).unwrap();
    assert!(Writer::open(path.as_path(), &array(), Options { attributes, ..overwrite }).is_err());
    assert_eq!(std::fs::read(path.join("0/zarr.json")).unwrap(), before);
    let fresh = folder.path().join("new.zarr");
    assert!(Writer::open(fresh.as_path(), &bad, Options::default()).is_err());
    assert!(!fresh.exists());
}

#[test]
fn a_writer_that_is_dropped_closes_as_close_does() {
    let store = memory();
    let mut writer = Writer::open(store.clone(), &array(), Options::default()).unwrap();
    writer.append(&noise(5 * FRAME)).unwrap();
    drop(writer);
    assert_eq!(Case::new(array()).read(&store), noise(5 * FRAME));
}

#[test]
fn a_reservation_is_exact_and_refusals_leave_the_run_as_it_was() {
    let store = memory();
    let dims = vec![Dim::new("t", 3).chunk(2), Dim::new("y", 40), Dim::new("x", 30)];
    let array = Array::new(DType::U16, dims);
    let mut writer = Writer::open(store.clone(), &array, Options::default()).unwrap();
    let most = writer.plan().staging_bytes as usize;
    assert!(most >= FRAME);
    let said = writer.reserve(most + 1).map(drop).unwrap_err().to_string();
    assert!(said.contains(&(most + 1).to_string()) && said.contains(&most.to_string()), "{said}");
    // An element that is cut, and still a whole slot stands together.
    writer.append(&[7]).unwrap();
    assert_eq!(writer.reserve(most).unwrap().len(), most);
    let said = writer.reserve(8).unwrap().commit(9).unwrap_err().to_string();
    assert!(said.contains("9 bytes") && said.contains("of 8"), "{said}");
    let said = writer.reserve(4 * FRAME).unwrap().commit(3 * FRAME).unwrap_err().to_string();
    assert!(said.contains("room for"), "{said}");
    let mut memory = writer.register(vec![7; 10]).unwrap();
    assert!(writer.append_registered(&mut memory, 11).is_err());
    writer.append_registered(&mut memory, 10).unwrap();
    memory.bytes_mut().unwrap().fill(9);
    writer.append(&vec![7; 3 * FRAME - 11]).unwrap();
    let other = Writer::open(self::memory(), &array, Options::default()).unwrap();
    let mut foreign = other.register(vec![0; 10]).unwrap();
    let said = writer.append_registered(&mut foreign, 0).unwrap_err().to_string();
    assert!(said.contains("another writer"), "{said}");
    writer.close().unwrap();
    assert_eq!(Case::new(array).read(&store), vec![7; 3 * FRAME]);
}

#[test]
fn typed_slices_are_checked_against_the_array() {
    let store = memory();
    let mut writer = Writer::open(store.clone(), &array(), Options::default()).unwrap();
    let said = writer.append_slice(&[1.0f32]).unwrap_err().to_string();
    assert!(said.contains("float32") && said.contains("uint16"), "{said}");
    writer.append_slice(&vec![7u16; FRAME / 2]).unwrap();
    assert_eq!(writer.close().unwrap().shape, [1, 40, 30]);
}

#[test]
fn an_interval_of_for_ever_still_publishes_what_is_finished() {
    let store = memory();
    let options = Options { publish_interval: Duration::MAX, ..Options::default() };
    let mut writer = Writer::open(store.clone(), &array(), options).unwrap();
    writer.append(&noise(4 * FRAME)).unwrap();
    writer.flush().unwrap();
    until("the shard", || published(&store) == 4);
    writer.close().unwrap();
}

/// A coarse level that is halved along `t` grows half as often as the one above; each document is made durable.
#[test]
fn only_documents_of_levels_that_grew_are_written_anew() {
    let halved = Pyramid {
        dims: vec!["t".into()],
        reducer: Reducer::Mean,
        append: None,
        levels: Some(2),
        keep_aspect: false,
    };
    let counting = Arc::new(Counting::new(memory()));
    let store = counting.clone() as Arc<dyn Store>;
    let array = Array { pyramid: Some(halved), ..array() };
    let mut writer = Writer::open(store.clone(), &array, Options::default()).unwrap();
    for row in 1..=4 {
        writer.append(&noise(4 * FRAME)).unwrap();
        writer.flush().unwrap();
        until("the shard", || published(&store) == 4 * row);
    }
    assert_eq!(writer.close().unwrap().shape, [16, 40, 30]);
    // At the open of the group and three arrays, four growths and two and one, and the end of all three.
    let puts = counting.counts().operations(Operation::Put);
    // And two more, should a level be looked at while it grows.
    assert!(puts <= 4 + 7 + 3 + 2, "{puts} puts");
    assert!(complete(&*store));
}

#[test]
fn a_writer_that_is_dropped_in_a_panic_stops_and_claims_nothing() {
    for round in 0..60 {
        let store = memory();
        let tuning = Tuning { batch_bytes: Some(1), staging_bytes: Some(4096), ..Tuning::default() };
        let publish_interval = Duration::from_micros(50 * (round % 7));
        let options = Options { tuning, publish_interval, ..Options::default() };
        let run = std::panic::AssertUnwindSafe(|| {
            let mut writer = Writer::open(store.clone(), &array(), options).unwrap();
            for _ in 0..=round % 5 {
                writer.append(&noise(2 * FRAME)).unwrap();
            }
            std::panic::resume_unwind(Box::new("the caller panics"));
        });
        assert!(std::panic::catch_unwind(run).is_err());
        assert!(!complete(&*store), "round {round}");
        let whole = noise(2 * FRAME).repeat(5);
        check_prefix(&store, &whole);
    }
}
