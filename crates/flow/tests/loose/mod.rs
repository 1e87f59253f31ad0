//! A device on which nobody waits for one row of the table, or one of whose lanes is slow, and a run on it.

pub(crate) mod brake;
pub(crate) mod checks;

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use device::{
    AggregateJob, Busy, CopyJob, Device, EncodeJob, Encoder, Error, FillJob, Home, HostThread, Lane, Mark,
    Name, ReduceJob, Region, ScatterJob,
};
use forebay_flow::table::{Case, Mechanism, rows};
use forebay_flow::{Array, Engine, Setup};
use plan::{Codec, Config, DType, Dim, Facts, Memory, Mode, Plan, Tuning};
use store::Store;

use brake::{Brake, Overtaker};

/// Another device, with a flaw or two.
pub(crate) struct Loose<D> {
    inner: Arc<D>,
    /// Marks of the row that nobody waits for: the orchestration asks for those of its rows first, in the order of the table.
    dropped: Range<u32>,
    /// What makes a lane slow.
    brake: Option<Arc<Brake<D>>>,
}

/// Marks of a row: see `order`.
const RING: u32 = 8;

impl<D: Device + 'static> Loose<D> {
    /// `inner` is new: it has made no marks.
    pub(crate) fn new(inner: D, case: Case, without: Option<&str>) -> Loose<D> {
        let (mut next, mut dropped) = (0, 0..0);
        for (_, row) in rows(case).filter(|(_, r)| r.mechanism(case).costs()) {
            let marks = if row.mechanism(case) == Mechanism::Gate { 1 } else { RING };
            if Some(row.name) == without {
                dropped = next..next + marks;
            }
            next += marks;
        }
        assert_eq!(without.is_none(), dropped.is_empty(), "{without:?} is a row that costs something");
        Loose { inner: Arc::new(inner), dropped, brake: None }
    }

    /// Makes a lane slow: before each piece of its work but fills and scatters it stands still, until it is overtaken where a
    /// row is left out.
    pub(crate) fn slow(self, lane: Lane, by: Overtaker) -> Loose<D> {
        let brake = Brake::new(self.inner.clone(), (lane, by), !self.dropped.is_empty());
        Loose { brake: Some(Arc::new(brake)), ..self }
    }

    /// The device below.
    pub(crate) fn inner(&self) -> Arc<D> {
        self.inner.clone()
    }

    fn press(&self, on: Lane) -> Result<(), Error> {
        self.brake.as_ref().map_or(Ok(()), |brake| brake.press(on))
    }

    fn queued(&self, on: Lane, work: Overtaker) -> Result<(), Error> {
        self.brake.as_ref().map_or(Ok(()), |brake| brake.queued(on, work))
    }
}

struct SlowEncoder<D> {
    inner: Arc<dyn Encoder>,
    brake: Arc<Brake<D>>,
}

impl<D: Device + 'static> Encoder for SlowEncoder<D> {
    fn worst_case(&self) -> usize {
        self.inner.worst_case()
    }
    fn encode(&self, on: Lane, job: EncodeJob<'_>) -> Result<(), Error> {
        self.brake.press(on)?;
        self.inner.encode(on, job)
    }
}

impl<D: Device + 'static> Device for Loose<D> {
    fn wait(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        if self.dropped.contains(&mark.0) { Ok(()) } else { self.inner.wait(on, mark, generation) }
    }
    fn wait_either(&self, on: Lane, first: (Mark, u64), or: (Mark, u64)) -> Result<bool, Error> {
        if self.dropped.contains(&first.0.0) { Ok(true) } else { self.inner.wait_either(on, first, or) }
    }
    fn name(&self) -> String {
        self.inner.name()
    }
    fn memory(&self) -> Memory {
        self.inner.memory()
    }
    fn has_gate(&self) -> bool {
        self.inner.has_gate()
    }
    fn allocate(&self, home: Home, bytes: usize, name: Name) -> Result<Region, Error> {
        self.inner.allocate(home, bytes, name)
    }
    fn register(&self, bytes: Vec<u8>) -> Result<Region, Error> {
        self.inner.register(bytes)
    }
    fn mark(&self) -> Result<Mark, Error> {
        self.inner.mark()
    }
    fn gate(&self) -> Result<Mark, Error> {
        self.inner.gate()
    }
    fn record(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        self.inner.record(on, mark, generation)
    }
    fn wait_until(&self, on: Lane, mark: Mark, generation: u64, deadline: Duration) -> Result<bool, Error> {
        self.inner.wait_until(on, mark, generation, deadline)
    }
    fn parked(&self, mark: Mark) -> Option<(u64, Duration)> {
        self.inner.parked(mark)
    }
    fn enter(&self, stage: &'static str, generation: u64, at: &'static Location<'static>) {
        brake::enter(generation);
        self.inner.enter(stage, generation, at);
    }
    fn pass(&self, lane: Lane, taken: bool) {
        self.inner.pass(lane, taken);
    }
    fn take(&self, from: &[u8], to: device::Write<'_>) -> Result<(), Error> {
        self.inner.take(from, to)
    }
    fn copy(&self, on: Lane, job: CopyJob<'_>) -> Result<(), Error> {
        self.press(on)?;
        self.inner.copy(on, job)
    }
    fn fill(&self, on: Lane, job: FillJob<'_>) -> Result<(), Error> {
        self.inner.fill(on, job)
    }
    fn scatter(&self, on: Lane, job: ScatterJob<'_>) -> Result<(), Error> {
        self.inner.scatter(on, job)?;
        self.queued(on, Overtaker::Scatter)
    }
    fn reduce(&self, on: Lane, job: ReduceJob<'_>) -> Result<(), Error> {
        self.inner.reduce(on, job)
    }
    fn aggregate(&self, on: Lane, job: AggregateJob<'_>) -> Result<(), Error> {
        self.press(on)?;
        self.inner.aggregate(on, job)?;
        self.queued(on, Overtaker::Aggregate)
    }
    fn prepare(
        &self,
        codec: &Codec,
        chunks: u64,
        chunk: usize,
        element: usize,
    ) -> Result<Arc<dyn Encoder>, Error> {
        let inner = self.inner.prepare(codec, chunks, chunk, element)?;
        Ok(match &self.brake {
            Some(brake) => Arc::new(SlowEncoder { inner, brake: brake.clone() }),
            None => inner,
        })
    }
    fn synchronize(&self) -> Result<(), Error> {
        self.inner.synchronize()
    }
    fn spawn(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> Result<Box<dyn HostThread>, Error> {
        self.inner.spawn(name, body)
    }
    fn now(&self) -> Duration {
        self.inner.now()
    }
    fn busy(&self) -> Vec<Busy> {
        self.inner.busy()
    }
}

/// Three dimensions, several batches, shards that begin in mid-batch, and regions that end within a page.
pub(crate) fn a_plan(mode: Mode, memory: Memory, codec: Codec, alignment: u64) -> Arc<Plan> {
    planned((mode, memory, alignment), codec, 3, 1 << 15)
}

/// One row of shards, and, after the flush, batches that add whole pages to each shard where chunks are not compressed: each
/// leaves as much of a page as the one before. So a tail that is too old has the right length, and nothing but its bytes is wrong.
pub(crate) fn a_steady_plan(codec: Codec) -> Arc<Plan> {
    let plan = planned((Mode::Pipelined, Memory::Device, 4096), codec, 64, 8 * 6 * CHUNK);
    assert_eq!((plan.batch_epochs, plan.chunk_bytes), (8, CHUNK));
    plan
}

/// Bytes of a chunk.
const CHUNK: u64 = 2 * 8 * 16 * 2;

fn planned(
    (mode, memory, alignment): (Mode, Memory, u64),
    codec: Codec,
    per_shard: u64,
    batch_bytes: u64,
) -> Arc<Plan> {
    let dims = vec![
        Dim::unbounded("t").chunk(2).chunks_per_shard(per_shard),
        Dim::new("y", 20).chunk(8).chunks_per_shard(2),
        Dim::new("x", 30).chunk(16).chunks_per_shard(1),
    ];
    // Several dispatches for each batch: its waits must not stand in for those of the staging.
    let tuning = Tuning {
        batch_bytes: Some(batch_bytes),
        staging_bytes: Some(1),
        mode: Some(mode),
        ..Tuning::default()
    };
    let facts = Facts { memory, alignment, gate: true, process: 0, own: plan::OwnMemory::default() };
    let config = Config { codec, ..Config::new(DType::U16, dims) };
    Arc::new(Plan::new(&config, &tuning, facts).unwrap())
}

/// What is stored, by name.
pub(crate) type Objects = BTreeMap<String, Vec<u8>>;

/// Streams 120 frames; what is stored, or what the run says.
pub(crate) fn stream(
    device: impl Device + 'static,
    plan: &Arc<Plan>,
) -> Result<Objects, forebay_flow::Error> {
    let store = Arc::new(store::Memory::with_alignment(plan.facts.alignment));
    let array = Array::open(Setup {
        engine: Engine::open(Arc::new(device), plan)?,
        plan: plan.clone(),
        store: store.clone(),
        paths: vec!["0".to_owned()],
        interval: Duration::from_secs(60),
        published: Box::new(|_| Ok(())),
    })?;
    let frames: Vec<u8> = (0..120 * 20 * 30 * 2u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
    for (n, part) in frames.chunks(1777).enumerate() {
        array.append(part)?;
        if n == 5 {
            array.flush()?;
        }
    }
    array.close()?;
    let keys = store.list("").unwrap().into_iter().map(|e| e.key);
    Ok(keys.map(|k| (k.clone(), store.get(&k).unwrap().unwrap())).collect())
}
