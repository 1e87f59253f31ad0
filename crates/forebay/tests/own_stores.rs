//! Stores of one's own that fail, panic, write late, or never answer.

mod common;
mod desk;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use common::{Case, noise};
use desk::{FRAME, array, complete, now, until, write};
use forebay::store::{self, Memory, Store};
use forebay::{Array, Codec, Mode, Options, Pyramid, Reducer, Tuning, Writer};

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
            let tuning = Tuning { batch_bytes: Some(1), mode: Some(mode), ..Tuning::default() };
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

/// A store as a disk is: a thread of its own does the work, and whoever lets go last waits for it. What is told to end
/// never does, and the sixth object's first part fails.
struct Dead {
    inner: Memory,
    jobs: Mutex<Option<mpsc::Sender<store::Done>>>,
    thread: Option<std::thread::JoinHandle<()>>,
    made: AtomicU64,
}

struct DeadObject {
    number: u64,
    jobs: mpsc::Sender<store::Done>,
}

impl Dead {
    #[expect(clippy::disallowed_methods, reason = "a test's store has a thread of its own")]
    fn new() -> Dead {
        let (jobs, ends) = mpsc::channel::<store::Done>();
        let thread = std::thread::spawn(move || {
            if ends.recv().is_ok() {
                loop {
                    std::thread::park();
                }
            }
        });
        let (jobs, thread) = (Mutex::new(Some(jobs)), Some(thread));
        Dead { inner: Memory::new(), jobs, thread, made: AtomicU64::new(0) }
    }
}

impl Drop for Dead {
    fn drop(&mut self) {
        drop(self.jobs.lock().unwrap().take());
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Store for Dead {
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), store::Error> {
        self.inner.put(key, bytes)
    }

    reads_go_to_inner!();

    fn create(&self, _key: &str) -> Result<Box<dyn store::Object>, store::Error> {
        let number = self.made.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(Box::new(DeadObject { number, jobs: self.jobs.lock().unwrap().clone().unwrap() }))
    }
}

impl store::Object for DeadObject {
    fn append(&mut self, _offset: u64, part: store::Part) -> Result<(), store::Error> {
        let dead = || store::Error::new(store::Operation::Append, "c", "the disk is dead");
        part.returned(if self.number == 6 { Err(dead()) } else { Ok(()) });
        Ok(())
    }

    fn finalize(self: Box<Self>, _length: u64, done: store::Done) {
        self.jobs.send(done).unwrap();
    }
}

#[test]
fn a_store_that_never_ends_an_object_is_named_and_left_alone() {
    for close in [true, false] {
        let tuning = Tuning { batch_bytes: Some(1), ..Tuning::default() };
        let options = Options { tuning, ..Options::default() };
        let mut writer = Writer::open(Arc::new(Dead::new()) as Arc<dyn Store>, &array(), options).unwrap();
        until("the failure", || writer.append(&noise(FRAME)).is_err());
        let start = now();
        if close {
            let said = writer.close().unwrap_err().to_string();
            assert!(said.contains("the disk is dead") && said.contains("objects"), "{said}");
        } else {
            drop(writer);
        }
        assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    }
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
            let tuning = Tuning { batch_bytes: Some(1), mode: Some(mode), ..Tuning::default() };
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

/// Ends objects of the array itself later than those of its coarser levels, and keeps what the documents said, put by put.
struct LastFirst {
    inner: Memory,
    said: Arc<Mutex<Vec<(String, u64)>>>,
}

struct Lingering(Box<dyn store::Object>);

impl Store for LastFirst {
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), store::Error> {
        let document: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        if let Some(extent) = document["shape"][0].as_u64() {
            self.said.lock().unwrap().push((key.to_owned(), extent));
        }
        self.inner.put(key, bytes)
    }

    reads_go_to_inner!();

    fn create(&self, key: &str) -> Result<Box<dyn store::Object>, store::Error> {
        let object = self.inner.create(key)?;
        Ok(if key.starts_with("0/") { Box::new(Lingering(object)) } else { object })
    }
}

impl store::Object for Lingering {
    fn append(&mut self, offset: u64, part: store::Part) -> Result<(), store::Error> {
        self.0.append(offset, part)
    }

    #[expect(clippy::disallowed_methods, reason = "a test's store takes its time")]
    fn finalize(self: Box<Self>, length: u64, done: store::Done) {
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(400));
            self.0.finalize(length, done);
        });
    }
}

/// Whoever reads while a run goes on, or finds one that was cut off, sees each level half as long as the one above, or shorter.
#[test]
fn no_level_is_published_longer_than_half_the_one_above() {
    for halved in [&["t", "y", "x"][..], &["y", "x"]] {
        let dims = halved.iter().map(|&d| d.to_owned()).collect();
        let pyramid =
            Pyramid { dims, reducer: Reducer::Mean, append: None, levels: Some(2), keep_aspect: false };
        let said = Arc::new(Mutex::new(Vec::new()));
        let store = Arc::new(LastFirst { inner: Memory::new(), said: said.clone() });
        let array = Array { pyramid: Some(pyramid), ..array() };
        let mut writer = Writer::open(store.clone() as Arc<dyn Store>, &array, Options::default()).unwrap();
        for frames in [8, 16, 24] {
            writer.append(&noise(8 * FRAME)).unwrap();
            writer.flush().unwrap();
            let grown = || said.lock().unwrap().contains(&("0/zarr.json".to_owned(), frames));
            until("the array itself", grown);
        }
        writer.close().unwrap();
        let by = if halved.contains(&"t") { 2 } else { 1 };
        let mut now = [0; 3];
        for (key, extent) in &*said.lock().unwrap() {
            now[key[..1].parse::<usize>().unwrap()] = *extent;
            assert!(now[1] <= now[0].div_ceil(by) && now[2] <= now[1].div_ceil(by), "{now:?}");
        }
        assert_eq!(now, [24, 24u64.div_ceil(by), 24u64.div_ceil(by * by)]);
    }
}
