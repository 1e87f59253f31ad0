//! After a failure nothing hangs and nothing is left behind, whatever stands where. Each test has a watchdog.
#![allow(clippy::disallowed_methods, reason = "watchdogs have threads of their own, and look at the clock")]

mod ruled;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Duration;

use device::Device;
use forebay_flow::{Array, Engine, Registered, Setup};
use plan::{Config, DType, Dim, Facts, Memory, Mode, Plan, Tuning};
use ruled::Ruled;
use store::Store;

fn plan(mode: Mode, memory: Memory, alignment: u64) -> Arc<Plan> {
    let dims = vec![
        Dim::unbounded("t").chunk(2).chunks_per_shard(3),
        Dim::new("y", 20).chunk(8).chunks_per_shard(2),
        Dim::new("x", 30).chunk(16).chunks_per_shard(1),
    ];
    let tuning =
        Tuning { batch_bytes: Some(1), staging_bytes: Some(4096), mode: Some(mode), ..Tuning::default() };
    let facts = Facts { memory, alignment, gate: true, process: 0, own: plan::OwnMemory::default() };
    Arc::new(Plan::new(&Config::new(DType::U16, dims), &tuning, facts).unwrap())
}

fn open(
    plan: &Arc<Plan>,
    device: Arc<dyn Device>,
    store: Arc<dyn Store>,
    interval: Duration,
) -> Result<Array, forebay_flow::Error> {
    let engine = Engine::open(device, plan)?;
    Array::open(Setup {
        engine,
        plan: plan.clone(),
        store,
        paths: vec!["0".into()],
        interval,
        published: Box::new(|_| Ok(())),
    })
}

/// Runs; `None`: it did not end in time.
fn within<T: Send + 'static>(seconds: u64, act: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (tx, rx) = mpsc::channel();
    std::thread::spawn(move || tx.send(act()));
    rx.recv_timeout(Duration::from_secs(seconds)).ok()
}

/// What a test's store does with an append: block for ever, or keep the part and answer when told.
#[derive(Default)]
struct Script {
    blocked: AtomicU64,
    release: (Mutex<bool>, Condvar),
    parts: Mutex<Vec<store::Part>>,
    block_from: u64,
    appends: AtomicU64,
}
struct Blocking {
    inner: store::Memory,
    script: Arc<Script>,
}
struct BlockingObject {
    script: Arc<Script>,
}
impl Store for Blocking {
    fn put(&self, k: &str, b: &[u8]) -> Result<(), store::Error> {
        self.inner.put(k, b)
    }
    fn get(&self, k: &str) -> Result<Option<Vec<u8>>, store::Error> {
        self.inner.get(k)
    }
    fn get_range(&self, k: &str, r: Range<u64>) -> Result<Vec<u8>, store::Error> {
        self.inner.get_range(k, r)
    }
    fn size(&self, k: &str) -> Result<Option<u64>, store::Error> {
        self.inner.size(k)
    }
    fn list(&self, p: &str) -> Result<Vec<store::Entry>, store::Error> {
        self.inner.list(p)
    }
    fn sync(&self) -> Result<(), store::Error> {
        Ok(())
    }
    fn alignment(&self) -> u64 {
        self.inner.alignment()
    }
    fn create(&self, _k: &str) -> Result<Box<dyn store::Object>, store::Error> {
        Ok(Box::new(BlockingObject { script: self.script.clone() }))
    }
}
impl store::Object for BlockingObject {
    fn append(&mut self, _o: u64, part: store::Part) -> Result<(), store::Error> {
        let s = &self.script;
        s.parts.lock().unwrap().push(part);
        if s.appends.fetch_add(1, SeqCst) + 1 >= s.block_from {
            s.blocked.fetch_add(1, SeqCst);
            let mut open = s.release.0.lock().unwrap();
            while !*open {
                open = s.release.1.wait(open).unwrap();
            }
        }
        Ok(())
    }
    fn finalize(self: Box<Self>, _l: u64, _d: store::Done) {}
}
fn blocking(block_from: u64) -> (Arc<Script>, Arc<dyn Store>) {
    let script = Arc::new(Script { block_from, ..Script::default() });
    (script.clone(), Arc::new(Blocking { inner: store::Memory::new(), script }))
}
fn until(mut f: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if f() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("never")
}

/// A kernel of the next batch fails on its lane, and somebody sees it.
fn meet_failure(array: &Array, memory: &mut Registered) {
    array.append_registered(memory, 800).unwrap();
    // At the latest the second one waits for that kernel; a fast lane has failed by the first.
    let appended = (0..2).try_for_each(|_| array.append_registered(memory, 100));
    appended.unwrap_err();
}

/// A lane of the device fails while the courier stands in a store that does not answer.
#[test]
fn a_store_that_blocks_does_not_hold_a_drop_after_a_failure_of_the_device() {
    let (script, store) = blocking(1);
    let seen = script.clone();
    let ended = within(15, move || {
        let plan = plan(Mode::Pipelined, Memory::Host, 0);
        let device = Ruled::new(Memory::Host, |what, n| what == "lane scatter" && n == 2);
        let array = open(&plan, device, store, Duration::from_secs(60)).unwrap();
        let mut memory = array.register(vec![1; 2400]).unwrap();
        // One batch: the courier blocks in the store.
        array.append_registered(&mut memory, 2400).unwrap();
        until(|| seen.blocked.load(SeqCst) > 0);
        meet_failure(&array, &mut memory);
        array.abandon().map_err(|e| e.to_string())
    });
    *script.release.0.lock().unwrap() = true;
    script.release.1.notify_all();
    assert!(ended.is_some(), "abandon (what Drop does after an error) hung");
}

/// Drained inline: the keeper holds the producer's lock and stands in the store; a part that comes back with an error
/// fails the run.
#[test]
fn a_keeper_in_a_store_that_blocks_does_not_hold_a_close_after_a_failure() {
    for mode in [Mode::DrainBeforeKick, Mode::DrainAfterKick] {
        let (script, store) = blocking(2);
        let seen = script.clone();
        let ended = within(15, move || {
            let plan = plan(mode, Memory::Host, 0);
            let device = Ruled::new(Memory::Host, |_, _| false);
            let array = open(&plan, device, store, Duration::from_millis(50)).unwrap();
            // A whole epoch, staged only: the keeper kicks it by the clock.
            array.append(&vec![1u8; 20 * 30 * 2 * 2]).unwrap();
            until(|| seen.blocked.load(SeqCst) > 0);
            let part = seen.parts.lock().unwrap().remove(0);
            part.returned(Err(store::Error::new(store::Operation::Append, "x", "the disk is dead")));
            assert!(array.check().is_err(), "the run has failed");
            array.close().map(drop).unwrap_err().to_string()
        });
        *script.release.0.lock().unwrap() = true;
        script.release.1.notify_all();
        assert!(ended.is_some(), "{mode:?}: close hung after a failure");
    }
}

/// The keeper's thread cannot be made: open says so, and the courier goes, with every buffer.
#[test]
fn an_open_that_fails_leaves_nothing_behind() {
    let device = Ruled::new(Memory::Host, |what, _| what == "spawn keeper");
    let weak = Arc::downgrade(&device);
    let plan = plan(Mode::Pipelined, Memory::Host, 0);
    assert!(open(&plan, device, Arc::new(store::Memory::new()), Duration::from_secs(60)).is_err());
    // Not at once: the courier ends when it likes.
    until(|| weak.strong_count() == 0);
}

/// The probe of the gate: whatever fails behind the wait, the gate is opened.
#[test]
fn a_probe_that_fails_parks_no_lane() {
    for rule in ["record Compress", "wait_until"] {
        let ended = within(10, move || {
            let device = Ruled::new(Memory::Host, move |what, n| what == rule && n == 1);
            let works = device::gate_works(&*device);
            device.synchronize().unwrap();
            works
        });
        assert!(ended.is_some(), "{rule} failed once in the probe: the compress lane is parked");
    }
}

/// Recording one row fails: the others of the stage, a gate among them, are recorded.
#[test]
fn a_record_that_fails_on_the_courier_leaves_no_gate_shut() {
    for n in 1..40 {
        let ended = within(15, move || {
            let plan = plan(Mode::Pipelined, Memory::Host, 512);
            let device = Ruled::new(Memory::Host, move |what, k| what == "record Courier" && k == n);
            let store = Arc::new(store::Memory::with_alignment(512));
            let array = open(&plan, device, store, Duration::from_secs(60)).unwrap();
            let frame = vec![1u8; 20 * 30 * 2];
            for _ in 0..30 {
                if array.append(&frame).is_err() {
                    break;
                }
            }
            array.close().map(drop).is_err()
        });
        assert!(ended.is_some(), "n = {n}: hang");
    }
}

/// A reservation that is forgotten holds the producer's lock for ever.
#[test]
fn a_forgotten_reservation_does_not_hold_a_drop() {
    let ended = within(10, || {
        let plan = plan(Mode::Pipelined, Memory::Host, 0);
        let array = open(
            &plan,
            Ruled::new(Memory::Host, |_, _| false),
            Arc::new(store::Memory::new()),
            Duration::from_secs(60),
        )
        .unwrap();
        std::mem::forget(array.reserve(8).unwrap());
        array.abandon().map_err(|e| e.to_string())
    });
    assert!(ended.is_some(), "abandon hung after mem::forget(Reserved)");
}

/// What `reserve` sends off may hold whole epochs beyond a batch.
#[test]
fn whole_epochs_that_reserve_sends_off_are_kicked_by_the_clock() {
    let dims = vec![Dim::unbounded("t").chunk(1).chunks_per_shard(4), Dim::new("x", 64)];
    let tuning = Tuning { batch_bytes: Some(3 * 64), staging_bytes: Some(16384), ..Tuning::default() };
    let facts =
        Facts { memory: Memory::Host, alignment: 0, gate: true, process: 0, own: plan::OwnMemory::default() };
    let plan =
        Arc::new(Plan::new(&Config { plain: true, ..Config::new(DType::U8, dims) }, &tuning, facts).unwrap());
    let array = open(
        &plan,
        Ruled::new(Memory::Host, |_, _| false),
        Arc::new(store::Memory::new()),
        Duration::from_millis(300),
    )
    .unwrap();
    // 100 whole epochs staged: 33 batches of 3 and one epoch more. A large reservation needs the next slot.
    array.append(&vec![1; 100 * 64]).unwrap();
    drop(array.reserve(16384).unwrap());
    // By the clock: nobody appends any more.
    until(|| array.progress().chunks == 100);
}

/// A device failure and a store that is merely slow.
#[test]
fn after_a_device_failure_a_slow_store_is_given_time() {
    let (script, store) = blocking(u64::MAX);
    let ended = within(15, move || {
        let plan = plan(Mode::Pipelined, Memory::Host, 0);
        let device = Ruled::new(Memory::Host, |what, n| what == "lane scatter" && n == 2);
        let array = open(&plan, device, store, Duration::from_secs(60)).unwrap();
        let mut memory = array.register(vec![1; 2400]).unwrap();
        array.append_registered(&mut memory, 2400).unwrap();
        until(|| script.parts.lock().unwrap().len() == 4);
        meet_failure(&array, &mut memory);
        let s2 = script.clone();
        let late = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            let all: Vec<_> = s2.parts.lock().unwrap().drain(..).collect();
            for p in all {
                p.returned(Ok(()));
            }
        });
        let said = array.close().map(drop).unwrap_err().to_string();
        late.join().unwrap();
        said
    })
    .expect("hang");
    assert!(!ended.contains("still holds"), "the store answers after 0.3 s, close gave up at once: {ended}");
}

/// The bell of the keeper cannot be rung once.
#[test]
fn a_bell_that_fails_at_the_stop_does_not_hold_a_close() {
    let total = Arc::new(AtomicU64::new(0));
    let run = |fail: u64, total: Arc<AtomicU64>| {
        move || {
            let plan = plan(Mode::DrainAfterKick, Memory::Host, 0);
            let device = Ruled::new(Memory::Host, move |what, n| {
                if what == "record Producer" {
                    total.store(n, SeqCst);
                    n == fail
                } else {
                    false
                }
            });
            let array = open(&plan, device, Arc::new(store::Memory::new()), Duration::from_secs(60)).unwrap();
            let appended = (0..2).try_for_each(|_| array.append(&[1; 20 * 30 * 2]));
            let _ = appended.and_then(|()| array.flush());
            std::thread::sleep(Duration::from_millis(600));
            array.close().map(drop).is_err()
        }
    };
    within(10, run(0, total.clone())).unwrap();
    let all = total.load(SeqCst);
    let hung: Vec<u64> =
        (all.saturating_sub(6)..=all).filter(|&n| within(8, run(n, Arc::default())).is_none()).collect();
    assert!(
        hung.is_empty(),
        "of {all} records on the producer lane, a failure of number {hung:?} alone hangs close"
    );
}
