//! A run that is drawn by chance, and what must come of it.

use std::cell::RefCell;
use std::fmt::Debug;
use std::sync::Mutex as Plain;
use std::time::Duration;

use device::Device;
use device::sync::{Arc, Condvar, Mutex, thread};
use forebay_flow::{Array, Engine, Error, Setup};
use plan::{Blosc, BloscInner, Codec, Config, DType, Dim, Facts, Memory, Mode, Plan, Shuffle, Tuning};
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::RoundRobinScheduler;

use crate::ruled::Ruled;
use crate::sink::{Objects, Sink};

/// Bytes of a frame.
const FRAME: usize = 6;
/// Frames that each of the two threads appends.
const FRAMES: usize = 3;
/// Frames in a row of shards, and shards in a row.
const ROW: u64 = 2;
const SHARDS: usize = 2;
/// An interval of the keeper's that passes while a few frames are appended.
const SOON: Duration = Duration::from_millis(20);

fn below(n: usize) -> usize {
    thread_rng().gen_range(0..n)
}

fn one_of<T: Clone>(some: &[T]) -> T {
    some[below(some.len())].clone()
}

fn codecs() -> [Codec; 3] {
    let blosc = Blosc { inner: BloscInner::Lz4, level: 5, shuffle: Shuffle::Byte, block: None };
    [Codec::None, Codec::Zstd { level: 1 }, Codec::Blosc(blosc)]
}

/// What fails.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    None,
    /// The operation of the store of a number.
    Store(u64),
    /// The call of the device of a name, of a number.
    Device(&'static str, u64),
    /// The publication of a number.
    Publish(usize),
}

impl Fault {
    pub(crate) fn of_store() -> Fault {
        match below(8) {
            0 => Fault::Publish(below(3)),
            _ => Fault::Store(1 + below(24) as u64),
        }
    }

    pub(crate) fn of_device() -> Fault {
        let calls = [
            "lane scatter",
            "record Producer",
            "record Courier",
            "record Sink",
            "record Compress",
            "copy",
            "aggregate",
            "wait",
            "wait_either",
            "wait_until",
        ];
        Fault::Device(one_of(&calls), 1 + below(16) as u64)
    }

    pub(crate) fn any() -> Fault {
        match below(3) {
            0 => Fault::None,
            1 => Fault::of_store(),
            _ => Fault::of_device(),
        }
    }
}

/// A run: its facts, what fails in it, and its device.
#[derive(Clone, Debug)]
pub(crate) struct Drawn {
    mode: Mode,
    memory: Memory,
    /// Its place in [`codecs`].
    codec: usize,
    alignment: u64,
    /// Epochs in a batch.
    batch: u64,
    interval: Duration,
    fault: Fault,
    device: fn(Memory, Fault) -> Arc<dyn Device>,
}

/// What came of it.
pub(crate) struct Came {
    drawn: Drawn,
    /// Frames that were to be appended.
    frames: usize,
    /// Whether it was to be closed.
    closed: bool,
    /// What the calls said that failed.
    said: Vec<String>,
    objects: Objects,
    extents: Vec<u64>,
}

/// Extents that were published, for who waits for one.
#[derive(Default)]
struct Extents(Mutex<Vec<u64>>, Condvar);

/// What each codec stores, for each order in which two threads may append.
pub(crate) type Wants = [Vec<Objects>; 3];

/// Both threads' frames, in every order that keeps each thread's own.
fn orders() -> Vec<Vec<(u8, u8)>> {
    fn go(left: [usize; 2], so_far: &mut Vec<(u8, u8)>, all: &mut Vec<Vec<(u8, u8)>>) {
        if left == [0, 0] {
            all.push(so_far.clone());
        }
        for k in (0..2).filter(|&k| left[k] > 0) {
            let mut after = left;
            after[k] -= 1;
            so_far.push((k as u8, (FRAMES - left[k]) as u8));
            go(after, so_far, all);
            so_far.pop();
        }
    }
    let mut all = Vec::new();
    go([FRAMES; 2], &mut Vec::new(), &mut all);
    all
}

fn frame((k, n): (u8, u8)) -> [u8; FRAME] {
    std::array::from_fn(|i| 16 * k + 4 * n + (i / 2) as u8 + 1)
}

/// One thread after another, one batch at a time, into a store that answers at once.
pub(crate) fn wants() -> Arc<Wants> {
    let wants = Arc::new(Plain::new(Wants::default()));
    let made = wants.clone();
    crate::run(RoundRobinScheduler::new(1), move || {
        for (codec, wants) in made.lock().unwrap().iter_mut().enumerate() {
            wants.extend(orders().iter().map(|order| orderly(codec, order)));
        }
    });
    let wants = std::mem::take(&mut *wants.lock().unwrap());
    Arc::new(wants)
}

fn orderly(codec: usize, order: &[(u8, u8)]) -> Objects {
    let (mode, memory, interval) = (Mode::DrainBeforeKick, Memory::Host, Duration::MAX);
    let drawn =
        Drawn { mode, memory, codec, alignment: 0, batch: 1, interval, fault: Fault::None, device: ruled };
    let store = store::Memory::new();
    let array = drawn.open(Arc::new(store.clone()), Box::new(|_| Ok(()))).unwrap();
    order.iter().for_each(|&which| array.append(&frame(which)).unwrap());
    array.close().unwrap();
    let read = |e: store::Entry| {
        let bytes = store::Store::get(&store, &e.key).unwrap().unwrap();
        (e.key, bytes)
    };
    store::Store::list(&store, "").unwrap().into_iter().map(read).collect()
}

fn ruled(memory: Memory, fault: Fault) -> Arc<dyn Device> {
    Ruled::new(memory, move |call, n| matches!(fault, Fault::Device(c, k) if c == call && k == n))
}

thread_local! {
    /// What the last schedule drew: all threads of a schedule are one of the system's.
    pub(crate) static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

impl Drawn {
    pub(crate) fn new(fault: Fault) -> Drawn {
        Drawn {
            mode: one_of(&[Mode::Pipelined, Mode::Pipelined, Mode::DrainBeforeKick, Mode::DrainAfterKick]),
            memory: one_of(&[Memory::Host, Memory::Device]),
            codec: below(3),
            alignment: one_of(&[0, 64]),
            batch: one_of(&[1, 1, 3]),
            interval: one_of(&[Duration::ZERO, SOON, Duration::MAX]),
            fault,
            device: ruled,
        }
    }

    /// The same on another device.
    pub(crate) fn on(self, device: fn(Memory, Fault) -> Arc<dyn Device>) -> Drawn {
        Drawn { device, ..self }
    }

    fn plan(&self) -> Plan {
        let dims = vec![
            Dim::unbounded("t").chunk(1).chunks_per_shard(ROW),
            Dim::new("x", FRAME as u64).chunk(4).chunks_per_shard(1),
        ];
        let config = Config { codec: codecs()[self.codec], plain: true, ..Config::new(DType::U8, dims) };
        let mode = Some(self.mode);
        let tuning = Tuning {
            slots: 2,
            batch_bytes: Some(8 * self.batch),
            staging_bytes: Some(1),
            mode,
            memory: None,
        };
        let facts = Facts {
            memory: self.memory,
            alignment: self.alignment,
            gate: true,
            process: 0,
            own: plan::OwnMemory::default(),
        };
        let mut plan = Plan::new(&config, &tuning, facts).unwrap();
        // Smaller than a plan makes it, so that a few frames go round the ring.
        plan.staging_bytes = plan.frame_bytes;
        plan.dispatch_bytes = plan.staging_bytes;
        plan
    }

    fn open(&self, store: Arc<dyn store::Store>, published: forebay_flow::Published) -> Result<Array, Error> {
        let plan = Arc::new(self.plan());
        let engine = Engine::open((self.device)(self.memory, self.fault), &plan)?;
        let interval = self.interval;
        Array::open(Setup { plan, engine, store, paths: vec![String::new()], interval, published })
    }

    /// Streams all frames, and closes.
    pub(crate) fn close(self) -> Came {
        self.stream([FRAMES; 2], |array, _| array.close().map(drop))
    }

    /// A batch that only the clock fills up: nobody appends until its frames are published, and then it closes.
    pub(crate) fn wait(self) -> Came {
        // A few looks at the clock are enough for the shorter one: then the keeper finds the lock taken.
        let interval = one_of(&[Duration::from_millis(6), SOON]);
        let drawn = Drawn { batch: 3, interval, ..self };
        drawn.stream([1, 1], |array, extents| {
            let mut published = extents.0.lock().unwrap();
            while published.last() != Some(&ROW) {
                published = extents.1.wait(published).unwrap();
            }
            drop(published);
            array.close().map(drop)
        })
    }

    /// Closes at once.
    pub(crate) fn close_empty(self) -> Came {
        self.stream([0; 2], |array, _| array.close().map(drop))
    }

    /// Streams some frames, and goes away.
    pub(crate) fn leave(self) -> Came {
        let came = self.stream([below(FRAMES + 1), below(FRAMES + 1)], |array, _| leave(array));
        Came { closed: false, ..came }
    }

    /// One of both.
    pub(crate) fn end(self) -> Came {
        if below(3) == 0 { self.leave() } else { self.close() }
    }

    /// Two threads append so many frames each, a third flushes and asks how it goes, and then it ends.
    fn stream(self, frames: [usize; 2], end: fn(Array, &Extents) -> Result<(), Error>) -> Came {
        LAST.set(format!("{self:?}, frames {frames:?}"));
        let fails = if let Fault::Store(n) = self.fault { Some(n) } else { None };
        let sink = Sink::new(self.alignment, fails);
        let extents = Arc::new(Extents::default());
        let (mut said, drawn, frames_of) = (Vec::new(), self.clone(), frames.iter().sum());
        match self.open(sink.clone(), published(&self, &extents, &sink)) {
            Ok(array) => {
                let (array, ended) = feed(array, frames);
                let first = array.check();
                let ended = [ended, vec![first, end(array, &extents)]].concat();
                said.extend(ended.into_iter().filter_map(Result::err).map(|e| e.to_string()));
            }
            Err(error) => said.push(error.to_string()),
        }
        sink.end();
        // Who cannot ring a thread, or wait for it, leaves it to end by itself, as the end of the schedule sees.
        let left = matches!(self.fault, Fault::Device("wait_until" | "record Producer", _));
        assert!(left || Arc::strong_count(&sink) == 1, "{self:?}: somebody holds the store");
        let extents = extents.0.lock().unwrap().clone();
        Came { drawn, frames: frames_of, closed: true, said, objects: sink.objects(), extents }
    }
}

/// Keeps the extents; what is published is in the store.
fn published(drawn: &Drawn, extents: &Arc<Extents>, sink: &Arc<Sink>) -> forebay_flow::Published {
    let (extents, seen) = (extents.clone(), sink.seen());
    let fault = drawn.fault;
    Box::new(move |levels: &[u64]| {
        // There is one level.
        let extent = levels[0];
        let whole = SHARDS * extent.div_ceil(ROW) as usize;
        let stored =
            seen.lock().unwrap().keys().take(whole).filter(|k| row(k) < extent.div_ceil(ROW)).count();
        assert_eq!(stored, whole, "{extent} slices are published");
        let mut published = extents.0.lock().unwrap();
        published.push(extent);
        extents.1.notify_all();
        if matches!(fault, Fault::Publish(n) if n + 1 == published.len()) {
            return Err("injected into the publication".to_owned());
        }
        Ok(())
    })
}

fn row(key: &str) -> u64 {
    key.split('/').nth(1).and_then(|r| r.parse().ok()).unwrap()
}

/// Two threads append, a third flushes and asks how it goes: how the calls ended. An array goes from thread to thread, but
/// is not shared without a lock of its user's.
fn feed(array: Array, frames: [usize; 2]) -> (Array, Vec<Result<(), Error>>) {
    let array = Mutex::new(array);
    let ended = thread::scope(|scope| {
        let append = |k: usize| {
            let array = &array;
            scope.spawn(move || append(array, k as u8, frames[k]))
        };
        let flush = || {
            let array = &array;
            scope.spawn(move || (0..below(3)).map(|_| flush(array)).collect::<Vec<_>>())
        };
        let (threads, flushes) = ([append(0), append(1)], flush());
        // This one only joins: of `shuttle`, the last to end wakes it whatever it sleeps for.
        let mut ended = flushes.join().unwrap();
        ended.extend(threads.map(|t| t.join().unwrap()));
        ended
    });
    (array.into_inner().unwrap(), ended)
}

fn flush(array: &Mutex<Array>) -> Result<(), Error> {
    let array = array.lock().unwrap();
    let flushed = array.flush();
    let _ = array.progress();
    flushed
}

/// Appends frames, each in a way of chance.
fn append(array: &Mutex<Array>, k: u8, frames: usize) -> Result<(), Error> {
    let array = || array.lock().unwrap();
    let mut own = array().register(vec![0; FRAME])?;
    for frame in (0..frames).map(|n| frame((k, n as u8))) {
        match below(3) {
            0 => array().append(&frame)?,
            1 => {
                let array = array();
                let mut lent = array.reserve(FRAME)?;
                lent.copy_from_slice(&frame);
                lent.commit(FRAME)?;
            }
            _ => match own.bytes_mut() {
                Ok(bytes) => {
                    bytes.copy_from_slice(&frame);
                    array().append_registered(&mut own, FRAME)?;
                }
                // A wait that failed here does not end the run.
                Err(_) => array().append(&frame)?,
            },
        }
    }
    Ok(())
}

/// Drops it, or says so.
fn leave(array: Array) -> Result<(), Error> {
    if below(2) == 0 {
        return array.abandon();
    }
    drop(array);
    Ok(())
}

impl Came {
    /// All of it is as it must be.
    pub(crate) fn agrees(self, wants: &Wants) {
        let Came { drawn, frames, closed, said, objects, extents } = &self;
        assert!(extents.is_sorted(), "{drawn:?}: {extents:?}");
        // What is there is what an orderly run stores, and all of it after a close.
        let is_part = |want: &Objects| objects.iter().all(|(k, b)| want.get(k) == Some(b));
        assert!(wants[drawn.codec].iter().any(is_part), "{drawn:?}: other bytes: {objects:?}");
        if *closed && said.is_empty() {
            assert_eq!(objects.len(), SHARDS * frames.div_ceil(ROW as usize), "{drawn:?}");
            assert_eq!(extents.last(), Some(&(*frames as u64)), "{drawn:?}");
        }
        let is_cause = |s: &String| s.contains("injected") || s.contains("the pool has");
        assert!(said.iter().all(|s| is_cause(s) && *s == said[0]), "{drawn:?}: {said:?}");
        assert!(said.is_empty() || !matches!(drawn.fault, Fault::None), "{drawn:?}: {said:?}");
    }
}
