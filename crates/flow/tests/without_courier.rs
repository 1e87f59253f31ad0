//! A system that gives no thread for the courier: the producer does its work.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use device::{
    AggregateJob, Busy, CopyJob, Device, Encoder, Error, FillJob, Home, HostThread, Lane, Mark, Operation,
    Region, ScatterJob,
};
use forebay_flow::{Array, Engine, Setup};
use host::Host;
use plan::{Codec, Config, DType, Dim, Facts, Memory, Plan, Tuning};
use store::Store;

/// The host, but no thread of the given name can be made.
struct Without(Host, &'static str);

impl Device for Without {
    fn name(&self) -> String {
        self.0.name()
    }

    fn memory(&self) -> Memory {
        self.0.memory()
    }

    fn has_gate(&self) -> bool {
        self.0.has_gate()
    }

    fn allocate(&self, home: Home, bytes: usize) -> Result<Region, Error> {
        self.0.allocate(home, bytes)
    }

    fn register(&self, bytes: Vec<u8>) -> Result<Region, Error> {
        self.0.register(bytes)
    }

    fn mark(&self) -> Result<Mark, Error> {
        self.0.mark()
    }

    fn gate(&self) -> Result<Mark, Error> {
        self.0.gate()
    }

    fn wait_either(&self, on: Lane, first: (Mark, u64), or: (Mark, u64)) -> Result<bool, Error> {
        self.0.wait_either(on, first, or)
    }

    fn parked(&self, mark: Mark) -> Option<(u64, Duration)> {
        self.0.parked(mark)
    }

    fn record(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        self.0.record(on, mark, generation)
    }

    fn wait(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        self.0.wait(on, mark, generation)
    }

    fn wait_until(&self, on: Lane, mark: Mark, generation: u64, deadline: Duration) -> Result<bool, Error> {
        self.0.wait_until(on, mark, generation, deadline)
    }

    fn copy(&self, on: Lane, job: CopyJob<'_>) -> Result<(), Error> {
        self.0.copy(on, job)
    }

    fn fill(&self, on: Lane, job: FillJob<'_>) -> Result<(), Error> {
        self.0.fill(on, job)
    }

    fn scatter(&self, on: Lane, job: ScatterJob<'_>) -> Result<(), Error> {
        self.0.scatter(on, job)
    }

    fn aggregate(&self, on: Lane, job: AggregateJob<'_>) -> Result<(), Error> {
        self.0.aggregate(on, job)
    }

    fn prepare(&self, codec: &Codec, chunk: usize, element: usize) -> Result<Arc<dyn Encoder>, Error> {
        self.0.prepare(codec, chunk, element)
    }

    fn synchronize(&self) -> Result<(), Error> {
        self.0.synchronize()
    }

    fn spawn(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> Result<Box<dyn HostThread>, Error> {
        if name == self.1 {
            return Err(Error::new(Operation::Open, "the system gives no more threads"));
        }
        self.0.spawn(name, body)
    }

    fn now(&self) -> Duration {
        self.0.now()
    }

    fn busy(&self) -> Vec<Busy> {
        self.0.busy()
    }
}

/// Shards and their bytes, by key.
type Objects = Vec<(String, Vec<u8>)>;

/// Streams 21 frames; the shards by key, and the extents that were published.
fn stream(without: &'static str, memory: Memory, alignment: u64) -> Result<(Objects, Vec<u64>), String> {
    let dims = vec![
        Dim::unbounded("t").chunk(2).chunks_per_shard(3),
        Dim::new("y", 20).chunk(8).chunks_per_shard(2),
        Dim::new("x", 30).chunk(16).chunks_per_shard(1),
    ];
    let tuning = Tuning { batch_bytes: 1, staging_bytes: 4096, ..Tuning::default() };
    let facts = Facts { memory, alignment, gate: true, process: 0 };
    let plan = Arc::new(Plan::new(&Config::new(DType::U16, dims), &tuning, facts).unwrap());
    let device: Arc<dyn Device> = Arc::new(Without(Host::open(2).unwrap().with_memory(memory), without));
    let (store, extents) = (store::Memory::with_alignment(alignment), Arc::new(Mutex::new(Vec::new())));
    let seen = extents.clone();
    let array = Array::open(Setup {
        engine: Engine::open(device, &plan).map_err(|e| e.to_string())?,
        plan,
        store: Arc::new(store.clone()),
        path: "0".to_owned(),
        interval: Duration::from_secs(60),
        published: Box::new(move |extent| {
            seen.lock().unwrap().push(extent);
            Ok(())
        }),
    })
    .map_err(|e| e.to_string())?;
    let frames: Vec<u8> = (0..21 * 20 * 30 * 2u32).map(|i| ((i * i) >> 7) as u8).collect();
    for (n, part) in frames.chunks(1777).enumerate() {
        array.append(part).unwrap();
        if n == 5 {
            array.flush().unwrap();
        }
    }
    let closed = array.close().unwrap();
    assert_eq!((closed.extent, closed.unreached), (21, vec![]));
    let keys = store.list("").unwrap();
    let objects = keys.into_iter().map(|e| (e.key.clone(), store.get(&e.key).unwrap().unwrap()));
    let extents = extents.lock().unwrap().clone();
    Ok((objects.collect(), extents))
}

#[test]
fn the_producer_takes_over_and_the_bytes_are_the_same() {
    for (memory, alignment) in [Memory::Host, Memory::Device].into_iter().flat_map(|m| [(m, 0), (m, 512)]) {
        let (with, _) = stream("nothing", memory, alignment).unwrap();
        let (without, extents) = stream("courier", memory, alignment).unwrap();
        assert!(with.len() > 10 && with == without);
        assert_eq!(extents.last(), Some(&21));
    }
}

#[test]
fn without_a_keeper_nothing_could_be_published_in_time_and_open_says_so() {
    let said = stream("keeper", Memory::Host, 0).unwrap_err();
    assert!(said.contains("no more threads"), "{said}");
}
