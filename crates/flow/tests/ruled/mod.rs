//! A device with calls that fail where a test says so.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use device::{
    AggregateJob, Busy, Checked, CopyJob, Device, Encoder, Error, FillJob, Home, HostThread, Lane, Mark,
    Name, Operation, ReduceJob, Region, ScatterJob, Source,
};
use host::Host;
use plan::{Codec, Memory};

type Rule = Box<dyn Fn(&str, u64) -> bool + Send + Sync>;

/// A device whose calls fail by a rule over (method, number of the call).
pub(crate) struct Ruled<D> {
    inner: D,
    rule: Rule,
    counts: Mutex<std::collections::HashMap<String, u64>>,
}

impl Ruled<Host> {
    /// The host, under a checker.
    pub(crate) fn new(
        memory: Memory,
        rule: impl Fn(&str, u64) -> bool + Send + Sync + 'static,
    ) -> Arc<Checked<Ruled<Host>>> {
        let inner = Host::open(1).unwrap().with_memory(memory);
        Arc::new(Checked::new(Ruled { inner, rule: Box::new(rule), counts: Mutex::default() }))
    }
}

impl<D: Device> Ruled<D> {
    fn hit(&self, what: &str) -> bool {
        let mut counts = self.counts.lock().unwrap();
        let n = counts.entry(what.to_owned()).or_default();
        *n += 1;
        (self.rule)(what, *n)
    }
    fn next(&self, what: &str) -> Result<(), Error> {
        if self.hit(what) { Err(Error::new(Operation::Open, format!("injected {what}"))) } else { Ok(()) }
    }
}

impl<D: Device> Device for Ruled<D> {
    fn name(&self) -> String {
        self.inner.name()
    }
    fn memory(&self) -> Memory {
        self.inner.memory()
    }
    fn has_gate(&self) -> bool {
        true
    }
    fn allocate(&self, h: Home, b: usize, n: Name) -> Result<Region, Error> {
        self.next("allocate")?;
        self.inner.allocate(h, b, n)
    }
    fn register(&self, b: Vec<u8>) -> Result<Region, Error> {
        self.next("register")?;
        self.inner.register(b)
    }
    fn mark(&self) -> Result<Mark, Error> {
        self.next("mark")?;
        self.inner.mark()
    }
    fn gate(&self) -> Result<Mark, Error> {
        self.next("gate")?;
        self.inner.gate()
    }
    fn record(&self, on: Lane, m: Mark, g: u64) -> Result<(), Error> {
        self.next(&format!("record {on:?}"))?;
        self.inner.record(on, m, g)
    }
    fn wait(&self, on: Lane, m: Mark, g: u64) -> Result<(), Error> {
        self.next("wait")?;
        self.inner.wait(on, m, g)
    }
    fn wait_until(&self, on: Lane, m: Mark, g: u64, d: Duration) -> Result<bool, Error> {
        self.next("wait_until")?;
        self.inner.wait_until(on, m, g, d)
    }
    fn wait_either(&self, on: Lane, a: (Mark, u64), b: (Mark, u64)) -> Result<bool, Error> {
        self.next("wait_either")?;
        self.inner.wait_either(on, a, b)
    }
    fn parked(&self, m: Mark) -> Option<(u64, Duration)> {
        self.inner.parked(m)
    }
    fn pass(&self, lane: Lane, taken: bool) {
        self.inner.pass(lane, taken);
    }
    fn copy(&self, on: Lane, j: CopyJob<'_>) -> Result<(), Error> {
        self.next("copy")?;
        self.inner.copy(on, j)
    }
    fn fill(&self, on: Lane, j: FillJob<'_>) -> Result<(), Error> {
        self.next("fill")?;
        self.inner.fill(on, j)
    }
    fn scatter(&self, on: Lane, mut j: ScatterJob<'_>) -> Result<(), Error> {
        if self.hit("lane scatter") {
            j.first = j.geometry.epoch_elements + 7;
            j.source = Source::Fill([0; 8]);
        }
        self.inner.scatter(on, j)
    }
    fn reduce(&self, on: Lane, j: ReduceJob<'_>) -> Result<(), Error> {
        self.inner.reduce(on, j)
    }
    fn aggregate(&self, on: Lane, j: AggregateJob<'_>) -> Result<(), Error> {
        self.next("aggregate")?;
        self.inner.aggregate(on, j)
    }
    fn prepare(&self, c: &Codec, m: u64, n: usize, e: usize) -> Result<Arc<dyn Encoder>, Error> {
        self.inner.prepare(c, m, n, e)
    }
    fn synchronize(&self) -> Result<(), Error> {
        self.inner.synchronize()
    }
    fn spawn(&self, n: &str, b: Box<dyn FnOnce() + Send>) -> Result<Box<dyn HostThread>, Error> {
        if self.hit(&format!("spawn {n}")) {
            return Err(Error::new(Operation::Open, "the system gives no more threads"));
        }
        self.inner.spawn(n, b)
    }
    fn now(&self) -> Duration {
        self.inner.now()
    }
    fn busy(&self) -> Vec<Busy> {
        self.inner.busy()
    }
}
