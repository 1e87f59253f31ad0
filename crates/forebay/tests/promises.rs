//! What a writer promises around its data: publication, flush, failure, what is already there.

mod common;

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use common::{Case, noise};
use forebay::store::{self, Failing, Memory, Store, Throttled};
use forebay::{Array, Codec, DType, Dim, Error, Mode, Options, Tuning, Writer};

const FRAME: usize = 40 * 30 * 2;

fn array() -> Array {
    let dims = vec![
        Dim::unbounded("t").chunk(2).chunks_per_shard(2),
        Dim::new("y", 40).chunk(16).chunks_per_shard(2),
        Dim::new("x", 30).chunk(16).chunks_per_shard(1),
    ];
    Array { codec: Codec::Zstd { level: 1 }, ..Array::new(DType::U16, dims) }
}

fn memory() -> Arc<dyn Store> {
    Arc::new(Memory::new())
}

#[expect(clippy::disallowed_methods, reason = "a test may look at the wall clock")]
fn now() -> Instant {
    Instant::now()
}

/// Waits until the condition holds; how long that took.
#[expect(
    clippy::disallowed_methods,
    reason = "a test may wait for something outside the process's own marks"
)]
fn until(what: &str, mut condition: impl FnMut() -> bool) -> Duration {
    let start = now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}: waited 20 s");
        std::thread::sleep(Duration::from_millis(5));
    }
    start.elapsed()
}

fn published(store: &Arc<dyn Store>) -> u64 {
    let bytes = store.get("0/zarr.json").unwrap().unwrap();
    serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()["shape"][0].as_u64().unwrap()
}

/// Bytes of shards, finished or not.
fn written(store: &Arc<dyn Store>) -> u64 {
    store.list("0/c").unwrap().iter().map(|e| e.size).sum()
}

#[test]
fn metadata_is_there_before_the_first_frame() {
    let store = memory();
    let writer = Writer::open(store.clone(), &array(), Options::default()).unwrap();
    assert_eq!(published(&store), 0);
    assert!(store.get("zarr.json").unwrap().is_some());
    drop(writer);
}

#[test]
fn a_slow_camera_loses_nothing_and_a_finished_shard_is_published_within_a_second() {
    let store = memory();
    let interval = Duration::from_millis(300);
    let options = Options { publish_interval: interval, ..Options::default() };
    let mut writer = Writer::open(store.clone(), &array(), options).unwrap();
    // One layer of chunks and a half: the layer is written by the clock, without another append.
    writer.append(&noise(3 * FRAME)).unwrap();
    assert_eq!(written(&store), 0, "a full batch would hold much more");
    let took = until("the layer", || written(&store) > 0);
    assert!(took < interval + Duration::from_secs(1), "{took:?}");
    assert_eq!(published(&store), 0, "the shard is not finished");
    // The rest of the shard, and the begun layer is not lost.
    writer.append(&noise(6 * FRAME)[3 * FRAME..5 * FRAME]).unwrap();
    let took = until("the shard", || published(&store) == 4);
    assert!(took < interval + Duration::from_secs(1), "{took:?}");
    writer.append(&noise(6 * FRAME)[5 * FRAME..]).unwrap();
    writer.close().unwrap();
    assert_eq!(Case::new(array()).read(&store), noise(6 * FRAME));
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
    let tuning = Tuning { batch_bytes: 1, staging_bytes: 4096, ..Tuning::default() };
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

fn write(store: &Arc<dyn Store>, array: &Array, options: Options, frames: &[u8]) -> Result<(), Error> {
    let mut writer = Writer::open(store.clone(), array, options)?;
    for frame in frames.chunks(FRAME) {
        writer.append(frame)?;
    }
    writer.close().map(drop)
}

/// What is published is true, in whole shards.
fn check_prefix(store: &Arc<dyn Store>, frames: &[u8]) {
    if store.get("0/zarr.json").unwrap().is_none() {
        return;
    }
    let extent = published(store) as usize;
    assert!(extent.is_multiple_of(4) || extent == 19, "{extent} frames are no whole shards");
    assert!(Case::new(array()).read(store) == frames[..extent * FRAME]);
}

#[test]
fn later_calls_return_the_first_error() {
    let store: Arc<dyn Store> = Arc::new(Failing::new(memory(), 3));
    let tuning = Tuning { batch_bytes: 1, ..Tuning::default() };
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
    let tuning = Tuning { batch_bytes: 1, staging_bytes: 4096, ..Tuning::default() };
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

/// What a store around another one does not change.
macro_rules! reads_go_to_inner {
    () => {
        fn get(&self, key: &str) -> Result<Option<Vec<u8>>, store::Error> {
            self.inner.get(key)
        }

        fn get_range(&self, key: &str, range: std::ops::Range<u64>) -> Result<Vec<u8>, store::Error> {
            self.inner.get_range(key, range)
        }

        fn size(&self, key: &str) -> Result<Option<u64>, store::Error> {
            self.inner.size(key)
        }

        fn list(&self, prefix: &str) -> Result<Vec<store::Entry>, store::Error> {
            self.inner.list(prefix)
        }

        fn sync(&self) -> Result<(), store::Error> {
            self.inner.sync()
        }

        fn alignment(&self) -> u64 {
            self.inner.alignment()
        }
    };
}

/// A store of one's own whose puts do what they are told, by number.
struct Told {
    inner: Memory,
    puts: AtomicU64,
    act: fn(u64) -> Result<(), Trouble>,
}

enum Trouble {
    Fails,
    Panics,
}

impl Told {
    fn new(act: fn(u64) -> Result<(), Trouble>) -> Arc<Told> {
        Arc::new(Told { inner: Memory::new(), puts: AtomicU64::new(0), act })
    }
}

impl Store for Told {
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), store::Error> {
        match (self.act)(self.puts.fetch_add(1, Ordering::SeqCst) + 1) {
            Ok(()) => self.inner.put(key, bytes),
            Err(Trouble::Fails) => Err(store::Error::new(store::Operation::Put, key, "no room")),
            Err(Trouble::Panics) => panic!("a store of one's own has a bug"),
        }
    }

    reads_go_to_inner!();

    fn create(&self, key: &str) -> Result<Box<dyn store::Object>, store::Error> {
        self.inner.create(key)
    }
}

fn complete(store: &dyn Store) -> bool {
    let bytes = store.get("0/zarr.json").unwrap().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    document["attributes"]["forebay"]["complete"].as_bool().unwrap()
}

/// Puts 1 and 2 are the metadata at open; the keeper's come after.
#[test]
fn a_publication_that_fails_is_reported_once_and_not_tried_for_ever() {
    for act in [(|n| if n > 2 { Err(Trouble::Fails) } else { Ok(()) }) as fn(u64) -> _, |n| {
        if n > 2 { Err(Trouble::Panics) } else { Ok(()) }
    }] {
        let store = Told::new(act);
        let mut writer = Writer::open(store.clone() as Arc<dyn Store>, &array(), Options::default()).unwrap();
        writer.append(&noise(4 * FRAME)).unwrap();
        // The batch is kicked; its shards end, and the keeper tries to publish them.
        let _ = writer.flush();
        until("the failure", || writer.append(&[]).is_err());
        let tried = store.puts.load(Ordering::SeqCst);
        assert!(tried <= 4, "{tried} puts");
        assert!(writer.close().is_err());
        assert!(!complete(&*store));
    }
}

#[test]
fn a_failure_of_the_keeper_at_the_very_end_is_not_lost() {
    for round in 0..40 {
        let store = Told::new(|n| if n == 3 { Err(Trouble::Fails) } else { Ok(()) });
        let mut writer = Writer::open(store.clone() as Arc<dyn Store>, &array(), Options::default()).unwrap();
        writer.append(&noise(4 * FRAME)).unwrap();
        assert!(writer.close().is_err(), "round {round}: put 3 failed and close said nothing");
        assert!(!complete(&*store));
    }
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

#[test]
fn a_writer_that_is_dropped_in_a_panic_stops_and_claims_nothing() {
    for round in 0..60 {
        let store = memory();
        let tuning = Tuning { batch_bytes: 1, staging_bytes: 4096, ..Tuning::default() };
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

#[test]
fn pages_that_cannot_be_written_are_refused_before_anything_is() {
    let open = |alignment, options| {
        let store = Arc::new(store::Discard::new(alignment));
        let said = Writer::open(store.clone() as Arc<dyn Store>, &array(), options).map(drop).unwrap_err();
        assert_eq!(store.get("zarr.json").unwrap(), None);
        said.to_string()
    };
    let said = open(8192, Options::default());
    assert!(said.contains("8192") && said.contains("4096"), "{said}");
    let said = open(600, Options::default());
    assert!(said.contains("600") && said.contains("power of two"), "{said}");
    let tuning = Tuning { mode: Some(Mode::Pipelined), ..Tuning::default() };
    let said = open(4096, Options { tuning, gate: false, ..Options::default() });
    assert!(said.contains("pipelined") && said.contains("drain-before-kick"), "{said}");
}

/// The case on which the reference proves its tail: each batch of two epochs leaves 1024 bytes of a page in each shard, so
/// that a stale tail shows from the second batch on.
#[test]
fn what_is_left_of_a_page_is_carried_from_batch_to_batch() {
    let dims = vec![
        Dim::new("z", 32).chunk(1).chunks_per_shard(16),
        Dim::new("y", 144).chunk(72).chunks_per_shard(2),
        Dim::new("x", 80).chunk(40).chunks_per_shard(2),
    ];
    let batch = 2 * 144 * 80 * 2;
    assert_eq!(batch % 4096, 1024);
    let frames = noise(32 * 144 * 80 * 2);
    for (codec, mode) in
        [Codec::None, Codec::Zstd { level: 1 }].into_iter().flat_map(|c| Mode::ALL.map(|m| (c, m)))
    {
        let array = Array { codec, ..Array::new(DType::U16, dims.clone()) };
        let bytes = |alignment: u64, device_memory: bool, slots: u32| {
            let store: Arc<dyn Store> = Arc::new(Memory::with_alignment(alignment));
            let tuning = Tuning { batch_bytes: batch as u64, slots, mode: Some(mode), ..Tuning::default() };
            let options = Options { tuning, device_memory, ..Options::default() };
            let mut writer = Writer::open(store.clone(), &array, options).unwrap();
            assert_eq!(writer.plan().batch_epochs, 2);
            frames.chunks(7777).for_each(|part| writer.append(part).unwrap());
            writer.close().unwrap();
            let keys = store.list("0/c").unwrap();
            assert_eq!(keys.len(), 2);
            keys.into_iter().map(|e| store.get(&e.key).unwrap().unwrap()).collect::<Vec<_>>()
        };
        let plain = bytes(0, false, 2);
        for round in 0..8 {
            for device_memory in [false, true] {
                let got = bytes(4096, device_memory, 2 + round % 3);
                assert!(got == plain, "{codec:?} {mode:?}, device memory {device_memory}, round {round}");
            }
        }
    }
}

#[test]
fn zstd_is_the_same_every_time() {
    let frames = noise(40 * FRAME);
    let run = || {
        let store = memory();
        let tuning = Tuning { batch_bytes: 1, ..Tuning::default() };
        write(&store, &array(), Options { tuning, ..Options::default() }, &frames).unwrap();
        let keys = store.list("0/c").unwrap().into_iter();
        keys.map(|e| store.get(&e.key).unwrap().unwrap()).collect::<Vec<_>>()
    };
    let first = run();
    (0..7).for_each(|round| assert!(run() == first, "run {round}"));
}

/// A run that went once round every ring has used every live row; a shorter one says which it has not.
#[test]
fn every_live_row_orders_something() {
    for (codec, mode) in
        [Codec::None, Codec::Zstd { level: 1 }].into_iter().flat_map(|c| Mode::ALL.map(|m| (c, m)))
    {
        for (device_memory, alignment) in [(false, 0), (true, 0), (false, 512), (true, 512)] {
            let run = |frames: usize| {
                let store: Arc<dyn Store> = Arc::new(Memory::with_alignment(alignment));
                let tuning =
                    Tuning { batch_bytes: 1, staging_bytes: 1, mode: Some(mode), ..Tuning::default() };
                let options = Options { tuning, device_memory, ..Options::default() };
                let array = Array { codec, ..array() };
                let mut writer = Writer::open(store, &array, options).unwrap();
                writer.append(&noise(frames * FRAME)).unwrap();
                let rows = forebay::live_rows(writer.plan()).len();
                (writer.close().unwrap().unreached, rows)
            };
            let (unreached, rows) = run(40);
            assert_eq!(unreached, Vec::<&str>::new(), "{codec:?} {mode:?} {device_memory} {alignment}");
            assert!(rows >= 11);
            let (short, _) = run(1);
            assert!(short.contains(&"staging_free"), "{short:?}");
            assert!(!short.contains(&"staged"), "{short:?}");
        }
    }
}

/// A store that fails one part and never answers for the others.
struct Mute {
    inner: Memory,
    parts: Arc<Mutex<Vec<store::Part>>>,
}

struct MuteObject {
    key: String,
    parts: Arc<Mutex<Vec<store::Part>>>,
}

impl Store for Mute {
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), store::Error> {
        self.inner.put(key, bytes)
    }

    reads_go_to_inner!();

    fn create(&self, key: &str) -> Result<Box<dyn store::Object>, store::Error> {
        Ok(Box::new(MuteObject { key: key.to_owned(), parts: self.parts.clone() }))
    }
}

impl store::Object for MuteObject {
    fn append(&mut self, _offset: u64, part: store::Part) -> Result<(), store::Error> {
        let mut parts = self.parts.lock().unwrap();
        if parts.len() == 2 {
            let error = store::Error::new(store::Operation::Append, &self.key, "the line is dead");
            part.returned(Err(error.clone()));
            return Err(error);
        }
        parts.push(part);
        Ok(())
    }

    fn finalize(self: Box<Self>, _length: u64, _done: store::Done) {}
}

#[test]
fn what_a_store_never_answers_for_is_said_and_not_freed() {
    for mode in Mode::ALL {
        for device_memory in [false, true] {
            let parts = Arc::new(Mutex::new(Vec::new()));
            let store = Arc::new(Mute { inner: Memory::new(), parts: parts.clone() });
            let tuning = Tuning { batch_bytes: 1, mode: Some(mode), ..Tuning::default() };
            let options = Options { tuning, device_memory, ..Options::default() };
            let array = Array { codec: Codec::None, ..array() };
            let mut writer = Writer::open(store.clone() as Arc<dyn Store>, &array, options).unwrap();
            let frames = noise(8 * FRAME);
            let _ = writer.append(&frames);
            let start = now();
            let said = writer.close().unwrap_err().to_string();
            assert!(said.contains("the line is dead") && said.contains("still holds"), "{said}");
            assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
            // What was handed over can still be read: it is what was appended.
            let held = parts.lock().unwrap();
            assert_eq!(held.len(), 2);
            assert_eq!(held[0].bytes()[..32], frames[..32], "the first row of the first chunk");
            assert!(!complete(&*store));
        }
    }
}

#[test]
fn direct_writing_to_disk_is_the_same_bytes() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    if let Err(refusal) = store::local::check_direct(folder.path()) {
        println!("skipped: {refusal}");
        return;
    }
    let frames = noise(60 * FRAME);
    let run = |direct, gate, mode| {
        let path = folder.path().join("run.zarr");
        let tuning = Tuning { batch_bytes: 1, mode, ..Tuning::default() };
        let options = Options { tuning, direct, gate, overwrite: true, ..Options::default() };
        let mut writer = Writer::open(path.as_path(), &array(), options).unwrap();
        let mode = writer.plan().mode;
        frames.chunks(4001).for_each(|part| writer.append(part).unwrap());
        writer.close().unwrap();
        let files = local_files(&path.join("0/c"));
        assert_eq!(files.len(), 15 * 2 * 2);
        (mode, files)
    };
    let (_, plain) = run(false, true, None);
    for (gate, mode, want) in [
        (true, None, Mode::Pipelined),
        (false, None, Mode::DrainBeforeKick),
        (true, Some(Mode::DrainBeforeKick), Mode::DrainBeforeKick),
        (false, Some(Mode::DrainAfterKick), Mode::DrainAfterKick),
    ] {
        let (mode, files) = run(true, gate, mode);
        assert_eq!(mode, want);
        assert!(files == plain, "{mode:?}");
    }
}

/// Files below a folder, by name, with their bytes.
fn local_files(folder: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(local_files(&path));
        } else {
            found.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

/// A store that takes parts at once and writes them a while later, as a slow disk with a deep queue does.
struct Late {
    inner: Memory,
    queue: mpsc::Sender<Later>,
}

type Later = Box<dyn FnOnce() + Send>;

/// An object under construction; the queue and the user share it, and use it one after another.
struct LateObject {
    inner: Arc<Mutex<Option<Box<dyn store::Object>>>>,
    queue: mpsc::Sender<Later>,
}

impl Late {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's store has a thread of its own, and takes its time"
    )]
    fn new(alignment: u64) -> (Arc<Late>, Memory) {
        let (queue, jobs) = mpsc::channel::<Later>();
        std::thread::spawn(move || {
            for job in jobs {
                std::thread::sleep(Duration::from_micros(300));
                job();
            }
        });
        let inner = Memory::with_alignment(alignment);
        (Arc::new(Late { inner: inner.clone(), queue }), inner)
    }
}

impl Store for Late {
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), store::Error> {
        self.inner.put(key, bytes)
    }

    reads_go_to_inner!();

    fn create(&self, key: &str) -> Result<Box<dyn store::Object>, store::Error> {
        let inner = Arc::new(Mutex::new(Some(self.inner.create(key)?)));
        Ok(Box::new(LateObject { inner, queue: self.queue.clone() }))
    }
}

impl store::Object for LateObject {
    fn append(&mut self, offset: u64, part: store::Part) -> Result<(), store::Error> {
        let inner = self.inner.clone();
        let job = move || inner.lock().unwrap().as_mut().unwrap().append(offset, part).unwrap();
        self.queue.send(Box::new(job)).unwrap();
        Ok(())
    }

    fn finalize(self: Box<Self>, length: u64, done: store::Done) {
        let LateObject { inner, queue } = *self;
        let job = move || inner.lock().unwrap().take().unwrap().finalize(length, done);
        queue.send(Box::new(job)).unwrap();
    }
}

#[test]
fn a_store_that_writes_late_still_finds_what_was_packed() {
    for (codec, mode) in
        [Codec::None, Codec::Zstd { level: 1 }].into_iter().flat_map(|c| Mode::ALL.map(|m| (c, m)))
    {
        for (device_memory, alignment) in [(false, 0), (true, 0), (false, 512), (true, 512)] {
            let (late, inner) = Late::new(alignment);
            let store: Arc<dyn Store> = late;
            let tuning = Tuning { batch_bytes: 1, mode: Some(mode), ..Tuning::default() };
            let options = Options { tuning, device_memory, ..Options::default() };
            let frames = noise(60 * FRAME);
            write(&store, &Array { codec, ..array() }, options, &frames).unwrap();
            let stored: Arc<dyn Store> = Arc::new(inner);
            assert!(
                Case::new(array()).read(&stored) == frames,
                "{codec:?} {mode:?} device {device_memory} page {alignment}"
            );
        }
    }
}
