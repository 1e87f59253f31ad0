//! One run on a simulated device: a small plan, a script of appends and flushes, and what it must store.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use device::Device;
use forebay_flow::table::Case;
use forebay_flow::{Array, Engine, Setup};
use plan::{Codec, Config, DType, Dim, Facts, Memory, Mode, Plan, Tuning};
use sim::{Chooser, Numbers, Outcome, Sim};

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
}

/// A plan and what is done with it.
pub(crate) struct Script {
    plan: Arc<Plan>,
    bytes: Vec<u8>,
    /// Bytes of each append; 0 is a flush.
    acts: Vec<usize>,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scenario { mode, slots, memory, compressed, alignment } = *self;
        let (mode, codec) = (mode.name(), if compressed { "zstd" } else { "none" });
        let pages = if alignment > 0 { ", pages" } else { "" };
        write!(f, "[{mode}, {slots} slots, memory of the {memory:?}, {codec}{pages}]")
    }
}

/// What became of a run.
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    pub(crate) stored: Result<Objects, String>,
    /// What stands in the store, whole or not.
    pub(crate) objects: Objects,
    /// Extents that were published.
    pub(crate) extents: Vec<u64>,
    pub(crate) seen: Arc<Seen>,
    /// What is not over: lanes, threads, answers of the store.
    pub(crate) left: Vec<String>,
    /// Whether the device, and with it every buffer, was let go.
    pub(crate) is_free: bool,
    pub(crate) store_operations: u64,
}

impl Scenario {
    /// A script by chance: chunks, shards and batches of one to three, cut in any way.
    pub(crate) fn script(self, numbers: &mut Numbers) -> Script {
        let mut some = |most| 1 + numbers.below(most);
        let dims = vec![
            Dim::unbounded("t").chunk(some(2)).chunks_per_shard(some(3)),
            Dim::new("y", 3 + some(4)).chunk(3).chunks_per_shard(some(2)),
            Dim::new("x", 4 + some(3)).chunk(4).chunks_per_shard(some(2)),
        ];
        let codec = if self.compressed { Codec::Zstd { level: 1 } } else { Codec::None };
        let config = Config { codec, plain: true, ..Config::new(DType::U16, dims) };
        let tuning = Tuning {
            slots: self.slots,
            batch_bytes: 1 + numbers.below(600),
            staging_bytes: 1,
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
        // Smaller than a plan makes it, so that a few frames go round the ring.
        plan.staging_bytes = plan.frame_bytes + numbers.below(plan.frame_bytes);
        let bytes = (plan.slice_bytes * (8 + numbers.below(24)) + numbers.below(7)) as usize;
        let bytes: Vec<u8> = (0..bytes).map(|_| numbers.below(5) as u8).collect();
        let mut acts = Vec::new();
        let mut left = bytes.len();
        while left > 0 {
            let act = if numbers.below(12) == 0 { 0 } else { left.min(1 + numbers.below(300) as usize) };
            acts.push(act);
            left -= act;
        }
        Script { plan: Arc::new(plan), bytes, acts }
    }
}

impl Script {
    /// Runs it; what came of it, and what was stored or why not.
    pub(crate) fn run(&self, chooser: Box<dyn Chooser>) -> (Outcome, Result<Objects, String>) {
        let ran = self.run_with(chooser, Wrong::default(), None);
        (ran.outcome, ran.stored)
    }

    /// The same on a device with something wrong, to a store whose operation of a number fails.
    pub(crate) fn run_with(&self, chooser: Box<dyn Chooser>, wrong: Wrong, store_fails: Option<u64>) -> Ran {
        let sim = Sim::open(self.plan.facts.memory, chooser);
        let store = Arc::new(SimStore::new(sim.clone(), self.plan.facts.alignment, store_fails));
        let (device, seen) = Flawed::new(sim.clone(), Case::of(&self.plan), wrong);
        let device = Arc::new(device);
        let weak = Arc::downgrade(&device);
        let (stored, extents) = self.stream(device, store.clone());
        sim.settle();
        Ran {
            outcome: sim.outcome(),
            stored,
            objects: store.objects(),
            extents,
            seen,
            left: sim.left(),
            is_free: weak.upgrade().is_none(),
            store_operations: store.operations(),
        }
    }

    /// The stored objects that rows up to an extent must be, by what the whole run stores.
    pub(crate) fn rows_of(&self, extent: u64, want: &Objects) -> Objects {
        let rows = extent.div_ceil(self.plan.shard_shape()[0]);
        let row = |key: &str| key.split('/').nth(1).and_then(|r| r.parse::<u64>().ok());
        want.iter()
            .filter(|(k, _)| row(k).is_some_and(|r| r < rows))
            .map(|(k, b)| (k.clone(), b.clone()))
            .collect()
    }

    pub(crate) fn case(&self) -> Case {
        Case::of(&self.plan)
    }

    /// Streams the script; what was stored, and every extent that was published.
    fn stream(&self, device: Arc<dyn Device>, store: Arc<SimStore>) -> (Result<Objects, String>, Vec<u64>) {
        let extents = Arc::new(Mutex::new(Vec::new()));
        let published = extents.clone();
        let setup = |engine| Setup {
            engine,
            plan: self.plan.clone(),
            store: store.clone(),
            path: String::new(),
            interval: Duration::MAX,
            published: Box::new(move |extent| {
                published.lock().unwrap().push(extent);
                Ok(())
            }),
        };
        let opened = Engine::open(device, &self.plan).and_then(|engine| Array::open(setup(engine)));
        let ended = opened.and_then(|array| self.feed(array));
        let stored = ended.map(|()| store.objects()).map_err(|e| e.to_string());
        let extents = extents.lock().unwrap().clone();
        (stored, extents)
    }

    fn feed(&self, array: Array) -> Result<(), forebay_flow::Error> {
        let mut rest = &self.bytes[..];
        for &act in &self.acts {
            if act == 0 {
                array.flush()?;
                continue;
            }
            let (part, after) = rest.split_at(act);
            array.append(part)?;
            rest = after;
        }
        array.close().map(drop)
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
            path: String::new(),
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
