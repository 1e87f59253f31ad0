//! The orchestration on real threads under a checker: a row that is not kept is found in one run, however the threads
//! happen to run; and where all are kept nothing is found.

use std::ops::Range;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use device::{
    AggregateJob, Busy, Checked, CopyJob, Device, Encoder, Error, FillJob, Home, HostThread, Lane, Mark,
    Name, Region, ScatterJob,
};
use forebay_flow::table::{Case, Mechanism, rows};
use forebay_flow::{Array, Engine, Setup, proof};
use host::Host;
use plan::{Codec, Config, DType, Dim, Facts, Memory, Mode, Plan, Tuning};

/// A checked host on which nobody waits for one row.
struct Loose {
    inner: Checked<Host>,
    /// The row's marks: the orchestration asks for those of its rows in the order of the table.
    dropped: Range<u32>,
}

/// Marks of a row: see `order`.
const RING: u32 = 8;

impl Loose {
    fn new(case: Case, without: Option<&str>) -> Loose {
        let (mut next, mut dropped) = (0, 0..0);
        for (_, row) in rows(case).filter(|(_, r)| r.mechanism(case).costs()) {
            let marks = if row.mechanism(case) == Mechanism::Gate { 1 } else { RING };
            if Some(row.name) == without {
                dropped = next..next + marks;
            }
            next += marks;
        }
        assert_eq!(without.is_none(), dropped.is_empty(), "{without:?} is a row that costs something");
        let host = Host::open(1).unwrap().with_memory(case.memory);
        Loose { inner: Checked::new(host), dropped }
    }
}

impl Device for Loose {
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
        self.inner.enter(stage, generation, at);
    }
    fn pass(&self, lane: Lane, taken: bool) {
        self.inner.pass(lane, taken);
    }
    fn copy(&self, on: Lane, job: CopyJob<'_>) -> Result<(), Error> {
        self.inner.copy(on, job)
    }
    fn fill(&self, on: Lane, job: FillJob<'_>) -> Result<(), Error> {
        self.inner.fill(on, job)
    }
    fn scatter(&self, on: Lane, job: ScatterJob<'_>) -> Result<(), Error> {
        self.inner.scatter(on, job)
    }
    fn aggregate(&self, on: Lane, job: AggregateJob<'_>) -> Result<(), Error> {
        self.inner.aggregate(on, job)
    }
    fn prepare(
        &self,
        codec: &Codec,
        chunks: u64,
        chunk: usize,
        element: usize,
    ) -> Result<Arc<dyn Encoder>, Error> {
        self.inner.prepare(codec, chunks, chunk, element)
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

fn a_plan(mode: Mode, memory: Memory, codec: Codec, alignment: u64) -> Arc<Plan> {
    let dims = vec![
        Dim::unbounded("t").chunk(2).chunks_per_shard(3),
        Dim::new("y", 20).chunk(8).chunks_per_shard(2),
        Dim::new("x", 30).chunk(16).chunks_per_shard(1),
    ];
    // Several dispatches for each batch: its waits must not stand in for those of the staging.
    let tuning = Tuning { batch_bytes: 1 << 15, staging_bytes: 1, mode: Some(mode), ..Tuning::default() };
    let facts = Facts { memory, alignment, gate: true, process: 0, own: plan::OwnMemory::default() };
    let config = Config { codec, ..Config::new(DType::U16, dims) };
    Arc::new(Plan::new(&config, &tuning, facts).unwrap())
}

/// Streams 120 frames; what the run says, and what the checker does.
fn stream(
    plan: &Arc<Plan>,
    without: Option<&str>,
) -> (Result<(), forebay_flow::Error>, Result<(), device::Error>) {
    let device = Arc::new(Loose::new(Case::of(plan), without));
    let ended = write(plan, device.clone());
    (ended, device.inner.verdict())
}

fn write(plan: &Arc<Plan>, device: Arc<Loose>) -> Result<(), forebay_flow::Error> {
    let store = store::Memory::with_alignment(plan.facts.alignment);
    let array = Array::open(Setup {
        engine: Engine::open(device, plan)?,
        plan: plan.clone(),
        store: Arc::new(store),
        path: "0".to_owned(),
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
    array.close().map(drop)
}

const MODES: [Mode; 3] = [Mode::Pipelined, Mode::DrainBeforeKick, Mode::DrainAfterKick];

fn plans() -> impl Iterator<Item = Arc<Plan>> {
    let memories = MODES.into_iter().flat_map(|mode| [Memory::Host, Memory::Device].map(|m| (mode, m)));
    let codecs = memories.flat_map(|(mode, m)| [Codec::None, Codec::Zstd { level: 1 }].map(|c| (mode, m, c)));
    codecs.flat_map(|(mode, m, c)| [0, 512].map(|pages| a_plan(mode, m, c, pages)))
}

#[test]
fn where_all_rows_are_kept_nothing_is_found() {
    for plan in plans() {
        let (ended, verdict) = stream(&plan, None);
        ended.unwrap_or_else(|e| panic!("{:?}: {e}", Case::of(&plan)));
        verdict.unwrap();
    }
}

/// The two that the reference lost.
#[test]
fn the_pool_and_the_tail_are_named_with_their_rows() {
    for memory in [Memory::Host, Memory::Device] {
        let plan = a_plan(Mode::Pipelined, memory, Codec::Zstd { level: 1 }, 512);
        for (row, buffer, reader) in
            [("pool_free", "chunk pool", "Compress"), ("tail_published", "tail", "Aggregate")]
        {
            let error = stream(&plan, Some(row)).0.unwrap_err();
            println!("{row}: {error}");
            let forebay_flow::Error::Unordered { race, rows } = error else { panic!("{row}: {error}") };
            let race = race.race().unwrap();
            assert_eq!(race.buffer.buffer, buffer, "{race}");
            assert!([race.first.stage, race.second.stage].contains(&reader), "{race}");
            assert!(rows.contains(&row), "{row}: {rows:?}");
        }
    }
}

/// Rows that say when offsets are there: who takes them too early takes what stands there, and may fail before he is told.
const OFFSETS: [&str; 2] = ["packed", "index_down"];

/// Every row in turn but `handed`, without which the courier goes home and the producer waits for it: the run fails. That
/// a race is found does not depend on when things run; whether the run fails of offsets that are not there yet does.
#[test]
fn every_row_that_is_not_kept_is_found_in_one_run() {
    let (mut races, mut others) = (0, 0);
    for plan in plans() {
        let case = Case::of(&plan);
        for (_, row) in rows(case).filter(|(_, r)| r.mechanism(case).costs() && r.name != "handed") {
            let (ended, verdict) = stream(&plan, Some(row.name));
            let found = verdict.expect_err(row.name);
            let named = proof::missing(case, found.race().unwrap());
            assert!(named.contains(&row.name), "{case:?} {}: {found}; {named:?}", row.name);
            races += 1;
            match ended.expect_err(row.name) {
                forebay_flow::Error::Unordered { rows, .. } => assert_eq!(rows, named),
                error => {
                    println!("{case:?} {}: {error}", row.name);
                    assert!(OFFSETS.contains(&row.name), "{case:?} {}: {error}, not the race", row.name);
                    others += 1;
                }
            }
        }
    }
    println!("{races} races, of which in {others} runs something else was said first");
    assert_eq!(races, 166);
    assert!(others <= 12, "{others}");
}
