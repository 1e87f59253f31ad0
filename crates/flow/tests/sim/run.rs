//! One run on a simulated device: a small plan, a script of appends and flushes, and what it must store.

use std::sync::Arc;
use std::time::Duration;

use device::Device;
use forebay_flow::table::Case;
use forebay_flow::{Array, Engine, Setup};
use plan::{Codec, Config, DType, Dim, Facts, Memory, Mode, Plan, Tuning};
use sim::{Chooser, Outcome, Sim};

use crate::flawed::{Flaw, Flawed};
use crate::store::{Objects, SimStore};

/// SplitMix64.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

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
        let facts = Facts { memory: self.memory, alignment: self.alignment, gate: true, process: 0 };
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
        self.run_with(chooser, None, &[])
    }

    /// The same on a device that does not keep some rows as the table says.
    pub(crate) fn run_with(
        &self,
        chooser: Box<dyn Chooser>,
        flaw: Option<Flaw>,
        rows: &[&'static str],
    ) -> (Outcome, Result<Objects, String>) {
        let sim = Sim::open(self.plan.facts.memory, chooser);
        let store = Arc::new(SimStore::new(sim.clone(), self.plan.facts.alignment));
        let device = Flawed::new(sim.clone(), Case::of(&self.plan), flaw, rows.to_vec());
        let stored = self.stream(Arc::new(device), store);
        (sim.outcome(), stored)
    }

    pub(crate) fn case(&self) -> Case {
        Case::of(&self.plan)
    }

    fn stream(&self, device: Arc<dyn Device>, store: Arc<SimStore>) -> Result<Objects, String> {
        let said = |e: forebay_flow::Error| e.to_string();
        let array = Array::open(Setup {
            engine: Engine::open(device, &self.plan).map_err(said)?,
            plan: self.plan.clone(),
            store: store.clone(),
            path: String::new(),
            interval: Duration::MAX,
            published: Box::new(|_| Ok(())),
        })
        .map_err(said)?;
        let mut rest = &self.bytes[..];
        for &act in &self.acts {
            if act == 0 {
                array.flush().map_err(said)?;
                continue;
            }
            let (part, after) = rest.split_at(act);
            array.append(part).map_err(said)?;
            rest = after;
        }
        array.close().map_err(said)?;
        Ok(store.objects())
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
