//! One run on a simulated device: a small plan, a script of appends and flushes, and what it must store.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use device::{Device, Lane};
use forebay_flow::table::Case;
use forebay_flow::{Array, Engine, Setup, proof};
use plan::{Codec, Config, DType, Dim, Facts, Fill, Memory, Mode, Plan, Pyramid, Reducer, Tuning};
use sim::{Chooser, Numbers, Outcome, Replay, Sim};

use crate::flawed::{Flawed, Seen, Wrong};
use crate::store::{Objects, SimStore};

/// Facts of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) mode: Mode,
    pub(crate) slots: u32,
    pub(crate) memory: Memory,
    pub(crate) compressed: bool,
    pub(crate) alignment: u64,
    pub(crate) pyramid: bool,
}

/// Extents of all levels that were published, in order.
type Extents = Arc<Mutex<Vec<Vec<u64>>>>;

/// What stands in the store and what was published is part of a state.
fn watch(sim: &Sim, store: &SimStore, extents: &Extents) {
    let (objects, extents) = (store.shared(), extents.clone());
    sim.watch(move |state| {
        for (key, bytes) in &*objects.lock().unwrap() {
            state.bytes(key.as_bytes());
            state.bytes(bytes);
        }
        extents.lock().unwrap().iter().flatten().for_each(|e| state.word(*e));
    });
}

/// What is done with an array that is being written.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// So many bytes more.
    Append(usize),
    Flush,
    /// Nothing for so long. Simulated time passes only while nobody else can do anything.
    Pause(Duration),
}

/// How much a smallest script does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// Every ring comes round.
    Whole,
    /// Two batches.
    Short,
}

/// A plan and what is done with it.
pub(crate) struct Script {
    plan: Arc<Plan>,
    bytes: Vec<u8>,
    acts: Vec<Act>,
    /// How long a whole epoch may wait.
    interval: Duration,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scenario { mode, slots, memory, compressed, alignment, pyramid } = *self;
        let (mode, codec) = (mode.name(), if compressed { "zstd" } else { "none" });
        let pages = if alignment > 0 { ", pages" } else { "" };
        let levels = if pyramid { ", pyramid" } else { "" };
        write!(f, "[{mode}, {slots} slots, memory of the {memory:?}, {codec}{pages}{levels}]")
    }
}

/// What became of a run.
#[derive(Debug, PartialEq)]
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    pub(crate) stored: Result<Objects, String>,
    /// What stands in the store, whole or not.
    pub(crate) objects: Objects,
    /// Extents of all levels that were published.
    pub(crate) extents: Vec<Vec<u64>>,
    pub(crate) seen: Seen,
    /// Batches that a close says were kicked.
    pub(crate) batches: Option<u64>,
    /// What is not over: lanes, threads, answers of the store.
    pub(crate) left: Vec<String>,
    /// Whether the device, and with it every buffer, was let go.
    pub(crate) is_free: bool,
    pub(crate) store_operations: u64,
    /// Pieces of work that lanes came to.
    pub(crate) work: u64,
}

impl Scenario {
    pub(crate) fn case(self) -> Case {
        Case {
            mode: self.mode,
            slots: if self.mode == Mode::DrainAfterKick { 1 } else { self.slots as u8 },
            memory: self.memory,
            compressed: self.compressed,
            aligned: self.alignment > 0,
            pyramid: self.pyramid,
        }
    }

    fn plan(self, dims: Vec<Dim>, fill: &str, batch_bytes: u64, pyramid: Option<Pyramid>) -> Plan {
        let codec = if self.compressed { Codec::Zstd { level: 1 } } else { Codec::None };
        let fill = Fill::parse(fill, DType::U16).ok();
        let config = Config { codec, plain: true, fill, pyramid, ..Config::new(DType::U16, dims) };
        let (mode, slots) = (Some(self.mode), self.slots);
        let batch_bytes = Some(batch_bytes);
        let tuning = Tuning { slots, batch_bytes, staging_bytes: Some(1), mode, memory: None };
        let facts = Facts {
            memory: self.memory,
            alignment: self.alignment,
            gate: true,
            process: 0,
            own: plan::OwnMemory::default(),
        };
        let plan = Plan::new(&config, &tuning, facts).unwrap();
        assert_eq!(Case::of(&plan), self.case());
        plan
    }

    /// A script by chance: chunks, shards and batches of one to three, cut in any way.
    pub(crate) fn script(self, numbers: &mut Numbers) -> Script {
        let runs = self.pyramid && numbers.below(3) == 0;
        let mut some = |most| 1 + numbers.below(most);
        let dims = match runs {
            // Frames along z, in runs that end in mid-batch.
            true => vec![
                Dim::unbounded("t").chunk(1).chunks_per_shard(some(3)),
                Dim::new("z", 1 + some(6)).chunk(1).chunks_per_shard(some(2)),
                Dim::new("y", 5).chunk(3).chunks_per_shard(some(2)),
            ],
            false => vec![
                Dim::unbounded("t").chunk(some(2)).chunks_per_shard(some(3)),
                Dim::new("y", 3 + some(4)).chunk(3).chunks_per_shard(some(2)),
                Dim::new("x", 4 + some(3)).chunk(4).chunks_per_shard(some(2)),
            ],
        };
        let fill = if numbers.below(2) == 0 { "0" } else { "7" };
        let batch = 1 + numbers.below(600);
        let pyramid = self.pyramid.then(|| pyramid_by_chance(runs, numbers));
        let mut plan = self.plan(dims, fill, batch, pyramid);
        // Smaller than a plan makes it, so that a few frames go round the ring.
        plan.staging_bytes = plan.frame_bytes + numbers.below(plan.frame_bytes);
        plan.dispatch_bytes = plan.staging_bytes;
        let bytes = (plan.slice_bytes * (8 + numbers.below(24)) + numbers.below(7)) as usize;
        let bytes: Vec<u8> = (0..bytes).map(|_| numbers.below(5) as u8).collect();
        let interval = if numbers.below(2) == 0 { Duration::MAX } else { milliseconds(1 + numbers.below(3)) };
        let acts = acts_by_chance(bytes.len(), interval, numbers);
        Script { plan: Arc::new(plan), bytes, acts, interval }
    }

    /// The smallest script in which every ring comes round, a begun epoch moves on, somebody flushes, and the keeper
    /// kicks.
    pub(crate) fn smallest_with_all(self) -> Script {
        let dims = vec![
            Dim::unbounded("t").chunk(1).chunks_per_shard(2),
            Dim::new("y", 4).chunk(3).chunks_per_shard(2),
            Dim::new("x", 4).chunk(4),
        ];
        let names = || ["t", "y"].map(str::to_owned).to_vec();
        let (reducer, append, levels) = (Reducer::Mean, None, Some(1));
        let pyramid = || Pyramid { dims: names(), reducer, append, levels, keep_aspect: false };
        let mut plan = self.plan(dims, "7", 2 * 2 * 24, self.pyramid.then(pyramid));
        let frame = plan.frame_bytes as usize;
        plan = Plan { staging_bytes: plan.frame_bytes, dispatch_bytes: plan.frame_bytes, ..plan };
        assert_eq!((plan.epoch_bytes, plan.batch_epochs), (plan.frame_bytes, 2), "{self}");
        let (epoch, interval) = (frame, milliseconds(1));
        let mut acts =
            vec![Act::Append(epoch + epoch / 2), Act::Flush, Act::Append(epoch), Act::Pause(2 * interval)];
        acts.extend([Act::Append(2 * epoch)].repeat(self.case().slots as usize - 1));
        let append = |act: &Act| if let Act::Append(bytes) = act { *bytes } else { 0 };
        let bytes = acts.iter().map(append).sum::<usize>();
        let bytes = (0..bytes).map(|i| (i % 5) as u8).collect();
        Script { plan: Arc::new(plan), bytes, acts, interval }
    }

    /// The smallest script in which every ring comes round, with bytes in each slot: one dispatch for each batch where there
    /// are two slots, two where there is one; one shard for each row, one chunk for each frame, two frames for a batch, which are
    /// two epochs. With a pyramid they are one epoch of two chunks, and of both frames and chunks two become one: every second
    /// batch completes an epoch of the coarse level, and the last one ends what is begun of it. A short one has two batches, so
    /// that no slot of two is used again.
    pub(crate) fn smallest(self, per_shard: u64, length: Length) -> Script {
        let (depth, chunks) = if self.pyramid { (2, 2) } else { (1, 1) };
        let dims = vec![
            Dim::unbounded("t").chunk(depth).chunks_per_shard(per_shard),
            Dim::new("y", 3 * chunks).chunk(3).chunks_per_shard(chunks),
            Dim::new("x", 4).chunk(4).chunks_per_shard(1),
        ];
        let names = || ["t", "y"].map(str::to_owned).to_vec();
        let (reducer, append, levels) = (Reducer::Mean, Some(Reducer::Max), Some(1));
        let asked = || Pyramid { dims: names(), reducer, append, levels, keep_aspect: false };
        let pyramid = self.pyramid.then(asked);
        let codec = if self.compressed { Codec::Zstd { level: 1 } } else { Codec::None };
        let config = Config { codec, plain: true, pyramid, ..Config::new(DType::U16, dims) };
        let frame = 24 * chunks;
        let tuning = Tuning {
            slots: self.slots,
            batch_bytes: Some(2 * frame),
            staging_bytes: Some(1),
            mode: Some(self.mode),
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
        assert_eq!((plan.frame_bytes, plan.epoch_bytes), (frame, frame * depth));
        assert_eq!(u64::from(plan.batch_epochs) * depth, 2);
        let (frames, staged) = if plan.slots == 1 { (3, 1) } else { (5, 2) };
        let frames = if length == Length::Short { 3 } else { frames };
        plan.staging_bytes = staged * frame;
        plan.dispatch_bytes = plan.staging_bytes;
        let bytes: Vec<u8> = (0..frames * frame).map(|b| (b * b % 251) as u8).collect();
        let acts = vec![Act::Append(bytes.len())];
        Script { plan: Arc::new(plan), bytes, acts, interval: Duration::MAX }
    }
}

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Some dimensions halved by any reducers, one to three times.
fn pyramid_by_chance(runs: bool, numbers: &mut Numbers) -> Pyramid {
    let halved = match runs {
        true => [&["z"][..], &["y"], &["z", "y"], &["z"], &["z", "y"]],
        false => [&["t"][..], &["y"], &["t", "y"], &["y", "x"], &["t", "y", "x"]],
    };
    let dims = halved[numbers.below(5) as usize];
    let mut reducer = || Reducer::ALL[numbers.below(8) as usize];
    let (reducer, own) = (reducer(), reducer());
    let append = (matches!(dims[0], "t" | "z") && numbers.below(2) == 0).then_some(own);
    let levels = Some(1 + numbers.below(3) as u32);
    Pyramid {
        dims: dims.iter().map(|d| (*d).to_owned()).collect(),
        reducer,
        append,
        levels,
        keep_aspect: false,
    }
}

/// Appends of all bytes, with flushes and, where the keeper watches the clock, pauses between.
fn acts_by_chance(bytes: usize, interval: Duration, numbers: &mut Numbers) -> Vec<Act> {
    let (mut acts, mut left) = (Vec::new(), bytes);
    while left > 0 {
        acts.push(match numbers.below(12) {
            0 => Act::Flush,
            // Often as long as an epoch may wait: then keeper and producer wake at the same moment.
            1 | 2 if interval < Duration::MAX => Act::Pause(milliseconds(1 + numbers.below(3))),
            _ => Act::Append(left.min(1 + numbers.below(300) as usize)),
        });
        if let Some(Act::Append(bytes)) = acts.last() {
            left -= bytes;
        }
    }
    acts
}

/// What goes wrong besides the device.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fails {
    /// The operation of the store of this number fails.
    pub(crate) store: Option<u64>,
    /// The piece of work of this number fails on its lane.
    pub(crate) work: Option<u64>,
}

impl Script {
    /// Runs it on a right device.
    pub(crate) fn run(&self, chooser: Box<dyn Chooser>) -> Ran {
        self.run_with(chooser, &Wrong::default(), Fails::default())
    }

    /// The same on a device with something wrong. Each run is made twice: the second time from the letters of its choices,
    /// and everything about it must be the same, each step and each access in its place.
    pub(crate) fn run_with(&self, chooser: Box<dyn Chooser>, wrong: &Wrong, fails: Fails) -> Ran {
        let ran = self.run_once(chooser, wrong, fails);
        let again = self.run_once(Box::new(Replay::of(&ran.outcome)), wrong, fails);
        // After a verdict, or a stop, threads go their own ways out, side by side: what was done up to there is the same.
        let is_whole = ran.outcome.verdict.is_none() && !ran.outcome.stopped;
        let same =
            if is_whole { ran == again } else { (&ran.outcome, &ran.seen) == (&again.outcome, &again.seen) };
        assert!(same, "the same choices, another run: {ran:?}\n{again:?}");
        ran
    }

    /// Runs it once.
    pub(crate) fn run_once(&self, chooser: Box<dyn Chooser>, wrong: &Wrong, fails: Fails) -> Ran {
        let sim = Sim::open(self.plan.facts.memory, chooser);
        if let Some(number) = fails.work {
            sim.fail_work(number);
        }
        if wrong.fails.is_some() || fails.store.is_some() || fails.work.is_some() {
            sim.trust_memory();
        }
        let store = Arc::new(SimStore::new(sim.clone(), self.plan.facts.alignment, fails.store));
        let (device, seen) = Flawed::new(sim.clone(), Case::of(&self.plan), wrong.clone());
        let device = Arc::new(device);
        let weak = Arc::downgrade(&device);
        let extents: Extents = Arc::default();
        watch(&sim, &store, &extents);
        let closed = self.stream(device, &sim, store.clone(), &extents);
        sim.settle();
        let (stored, batches) = match closed {
            Ok((objects, batches)) => (Ok(objects), Some(batches)),
            Err(error) => (Err(error), None),
        };
        let extents = extents.lock().unwrap().clone();
        let seen = seen.lock().unwrap().clone();
        Ran {
            outcome: self.explained(sim.outcome(), &seen.marks),
            stored,
            objects: store.objects(),
            extents,
            batches,
            seen,
            left: sim.left(),
            is_free: weak.upgrade().is_none(),
            store_operations: store.operations(),
            work: sim.work(),
        }
    }

    /// Says which row a race lacks, and for which rows everybody waits in a deadlock.
    fn explained(&self, outcome: Outcome, marks: &[(u32, &'static str)]) -> Outcome {
        let rows = outcome.race.as_ref().map(|race| proof::missing(Case::of(&self.plan), race));
        let verdict = outcome.verdict.map(|v| rows.map_or(v.clone(), |rows| format!("{v}; rows {rows:?}")));
        let named = |said: String| {
            marks.iter().fold(said, |said, (mark, row)| {
                said.replace(&format!("Mark({mark})"), row)
                    .replace(&format!("mark {mark} of"), &format!("{row} of"))
            })
        };
        Outcome { verdict: verdict.map(named), ..outcome }
    }

    /// How many coarser levels it makes; their reducer, and that of the frames where it is another.
    pub(crate) fn pyramid(&self) -> Option<(usize, Reducer, Option<Reducer>)> {
        let first = &self.plan.coarser.first()?.reduction;
        Some((self.plan.coarser.len(), first.reducer, self.plan.append_reducer()))
    }

    /// Where the arrays of the levels stand.
    fn paths(&self) -> Vec<String> {
        (0..self.plan.levels()).map(|level| level.to_string()).collect()
    }

    /// The stored objects that rows up to these extents must be, by what the whole run stores.
    pub(crate) fn rows_of(&self, extents: &[u64], want: &Objects) -> Objects {
        let covered = self.plan.shard_shape()[0];
        let part = |key: &str, n| key.split('/').nth(n).and_then(|r| r.parse::<u64>().ok());
        let promised = |key: &str| {
            let (level, row) = part(key, 0).zip(part(key, 2))?;
            Some(row < extents.get(level as usize)?.div_ceil(covered))
        };
        let kept = want.iter().filter(|(k, _)| promised(k) == Some(true));
        kept.map(|(k, b)| (k.clone(), b.clone())).collect()
    }

    /// The extent that a whole run has.
    pub(crate) fn extent(&self) -> u64 {
        (self.bytes.len() as u64).div_ceil(self.plan.slice_bytes)
    }

    /// Streams the script; what was stored, and batches that were kicked.
    fn stream(
        &self,
        device: Arc<dyn Device>,
        sim: &Sim,
        store: Arc<SimStore>,
        extents: &Extents,
    ) -> Result<(Objects, u64), String> {
        let published = extents.clone();
        let setup = |engine| Setup {
            engine,
            plan: self.plan.clone(),
            store: store.clone(),
            paths: self.paths(),
            interval: self.interval,
            published: Box::new(move |extents| {
                published.lock().unwrap().push(extents.to_vec());
                Ok(())
            }),
        };
        let opened = Engine::open(device, &self.plan).and_then(|engine| Array::open(setup(engine)));
        let ended = opened.and_then(|array| self.feed(array, sim));
        ended.map(|batches| (store.objects(), batches)).map_err(|e| e.to_string())
    }

    fn feed(&self, array: Array, sim: &Sim) -> Result<u64, forebay_flow::Error> {
        let mut rest = &self.bytes[..];
        for &act in &self.acts {
            match act {
                Act::Flush => array.flush()?,
                Act::Pause(time) => pause(sim, time)?,
                Act::Append(bytes) => {
                    let (part, after) = rest.split_at(bytes);
                    array.append(part)?;
                    rest = after;
                }
            }
        }
        let closed = array.close()?;
        assert_eq!(closed.extent, self.extent(), "what a close claims");
        Ok(closed.progress.batches)
    }

    /// What a host with one batch at a time stores.
    pub(crate) fn want(&self) -> Objects {
        let mut plan = (*self.plan).clone();
        plan.facts.alignment = 0;
        let device = host::Host::open(1).unwrap().with_memory(plan.facts.memory);
        let inner = store::Memory::new();
        let array = Array::open(Setup {
            engine: Engine::open(Arc::new(device), &plan).unwrap(),
            plan: Arc::new(plan),
            store: Arc::new(inner.clone()),
            paths: self.paths(),
            interval: Duration::MAX,
            published: Box::new(|_| Ok(())),
        })
        .unwrap();
        array.append(&self.bytes).unwrap();
        array.close().unwrap();
        let read = |e: store::Entry| {
            let bytes = store::Store::get(&inner, &e.key).unwrap().unwrap();
            (e.key, bytes)
        };
        store::Store::list(&inner, "").unwrap().into_iter().map(read).collect()
    }
}

/// Does nothing until so much time has passed: a wait for what nobody records.
fn pause(sim: &Sim, time: Duration) -> Result<(), device::Error> {
    let never = sim.mark()?;
    sim.wait_until(Lane::Producer, never, 0, sim.now() + time).map(drop)
}
