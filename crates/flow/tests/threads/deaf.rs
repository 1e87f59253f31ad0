//! A device with a fault that only some schedules show: its bell rings unheard.

use std::time::Duration;

use device::sync::{Arc, Condvar, Mutex};
use device::{
    AggregateJob, Busy, CopyJob, Device, Encoder, Error, FillJob, Home, HostThread, Lane, Mark, Name,
    ReduceJob, Region, ScatterJob,
};
use host::Host;
use plan::{Codec, Memory};

use crate::drawn::Fault;

/// A host whose `wait_until` looks, lets go of the lock, and only then listens. Finite deadlines are its own.
struct Deaf {
    inner: Host,
    rung: (Mutex<()>, Condvar),
}

pub(crate) fn device(memory: Memory, _: Fault) -> Arc<dyn Device> {
    let inner = Host::open(1).unwrap().with_memory(memory);
    Arc::new(Deaf { inner, rung: Default::default() })
}

impl Device for Deaf {
    fn record(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        let ended = self.inner.record(on, mark, generation);
        self.rung.1.notify_all();
        ended
    }
    fn wait_until(&self, on: Lane, mark: Mark, generation: u64, deadline: Duration) -> Result<bool, Error> {
        if deadline != Duration::MAX {
            return self.inner.wait_until(on, mark, generation, deadline);
        }
        while !self.inner.wait_until(on, mark, generation, Duration::ZERO)? {
            let listens = self.rung.0.lock().unwrap();
            drop(self.rung.1.wait(listens).unwrap());
        }
        Ok(true)
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
    fn wait(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        self.inner.wait(on, mark, generation)
    }
    fn wait_either(&self, on: Lane, first: (Mark, u64), or: (Mark, u64)) -> Result<bool, Error> {
        self.inner.wait_either(on, first, or)
    }
    fn parked(&self, mark: Mark) -> Option<(u64, Duration)> {
        self.inner.parked(mark)
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
    fn reduce(&self, on: Lane, job: ReduceJob<'_>) -> Result<(), Error> {
        self.inner.reduce(on, job)
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
