//! The writer: a configuration, a plan, a device, a store.

use std::sync::Arc;
use std::time::Duration;

use ::device::Device;
use plan::{Config, Facts, Memory, OwnMemory, Plan, Tuning};
use store::Store;

use crate::channels::{self, Ranges};
use crate::device::{self, Choice};
use crate::element::Element;
use crate::gather::Gathered;
use crate::metadata::Metadata;
use crate::metrics::{self, AppendTime, Metrics, Report};
use crate::reserve::{Registered, Reserved};
use crate::{DeviceChoice, Error, Options, Target, process};

/// Writes one array.
pub struct Writer {
    plan: Arc<Plan>,
    device: Arc<dyn Device>,
    store: Arc<dyn Store>,
    metadata: Arc<Metadata>,
    opened: Duration,
    notices: Vec<String>,
    /// Taken by the close.
    array: Option<flow::Array>,
    gathered: Gathered,
    /// Where the windows of channels are those of the data.
    ranges: Option<Ranges>,
}

/// The plan of a run to a path, as [`Writer::open`] would make it; opens nothing.
///
/// # Errors
/// The configuration is refused.
pub fn plan_for(array: &Config, options: &Options) -> Result<Plan, Error> {
    channels::list(array, options.channels.as_ref())?;
    let alignment = if options.direct { store::local::PAGE } else { 0 };
    let plan = |choice: &Choice| plan_with(array, options, choice, (alignment, options.gate));
    Ok(on_device(array, options, plan)?.1)
}

/// The device for a run.
pub(crate) fn choose(array: &Config, options: &Options) -> Result<Choice, Error> {
    let facts =
        Facts { memory: Memory::Host, alignment: 0, gate: true, process: 0, own: OwnMemory::default() };
    let free = Plan::new(array, &Tuning { memory: None, ..options.tuning }, facts)?;
    Choice::new(array, &free, options)
}

/// What `make` makes of the device that is chosen; of the host, where the choice is ours and the GPU cannot after all.
fn on_device<T>(
    array: &Config,
    options: &Options,
    make: impl Fn(&Choice) -> Result<T, Error>,
) -> Result<(Choice, T), Error> {
    let choice = choose(array, options)?;
    match make(&choice) {
        Err(why) if options.device == DeviceChoice::Auto && choice.is_gpu() => {
            let choice = choice.instead(array, &why);
            let made = make(&choice)?;
            Ok((choice, made))
        }
        made => made.map(|made| (choice, made)),
    }
}

/// The plan for a store that takes pages of `alignment` bytes and a device that has a gate, or has none.
fn plan_with(
    array: &Config,
    options: &Options,
    choice: &Choice,
    (alignment, gate): (u64, bool),
) -> Result<Plan, Error> {
    let facts = Facts { memory: choice.memory, alignment, gate, process: 0, own: choice.own };
    let array = Config { codec: choice.codec, ..array.clone() };
    let free = Plan::new(&array, &Tuning { memory: None, ..options.tuning }, facts)?;
    let tuning = Tuning { memory: options.tuning.memory.or_else(process::usual_cap), ..options.tuning };
    let process = process::overhead(&free, choice.host_threads(options.threads))?;
    Ok(Plan::new(&array, &tuning, Facts { process, ..facts })?)
}

/// Rows of the edge table that order such a run, and how each is kept: see `docs/edges.md`.
#[must_use]
pub fn live_rows(plan: &Plan) -> Vec<(&'static str, &'static str)> {
    flow::edges::summary(flow::table::Case::of(plan))
}

impl Writer {
    /// Opens a new store and writes its metadata; nothing is written when anything is refused.
    ///
    /// # Errors
    /// The configuration is refused; something is already there; the device or the store cannot be opened.
    pub fn open(target: impl Into<Target>, array: &Config, options: Options) -> Result<Writer, Error> {
        let target = target.into();
        let alignment = target.alignment(options.direct);
        let channels = channels::list(array, options.channels.as_ref())?;
        let ranges = Ranges::new(array, options.channels.as_ref(), &channels);
        // Memory and codec too: all that can fail without touching the store comes before it.
        let ready = |choice: &Choice| {
            let device = choice.open(options.threads)?;
            let opened = device.now();
            // Tried only where it matters: the try takes a moment.
            let gate = options.gate && (alignment == 0 || ::device::gate_works(&*device));
            let plan = Arc::new(plan_with(array, &options, choice, (alignment, gate))?);
            let engine = flow::Engine::open(device.clone(), &plan)?;
            Ok((device, opened, plan, engine))
        };
        let (choice, (device, opened, plan, engine)) = on_device(array, &options, ready)?;
        let requested = device::requested(array, &choice);
        let Options { publish_interval, overwrite, name, attributes, direct, .. } = options;
        // Attributes are checked before the store is touched: a refused run must not have removed anything.
        let probe = Metadata::new(plan.clone(), Arc::new(store::Memory::new()), array, name, attributes)?
            .with_request(requested)
            .with_channels(channels);
        probe.group()?;
        let store = target.create(overwrite, direct)?;
        let metadata = Arc::new(probe.into_store(store.clone()));
        let publisher = metadata.clone();
        let setup = flow::Setup {
            plan: plan.clone(),
            engine,
            store: store.clone(),
            paths: metadata.paths(),
            interval: publish_interval,
            published: Box::new(move |extents| publisher.publish(extents, false).map_err(|e| e.to_string())),
        };
        let array = Some(flow::Array::open(setup)?);
        metadata.begin()?;
        let notices = choice.notices;
        notices.iter().for_each(|n| tracing::info!("{n}"));
        let gathered = Gathered::new(&plan);
        Ok(Writer { plan, device, store, metadata, opened, notices, array, gathered, ranges })
    }

    /// The plan of this run.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Name of the device that does the work.
    #[must_use]
    pub fn device(&self) -> String {
        self.device.name()
    }

    /// What people should know of this run: why it is not on the GPU, or what that does otherwise than it was asked.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Appends any number of bytes: little-endian elements, dimensions in acquisition order. Blocks while all
    /// buffers are in use.
    ///
    /// # Errors
    /// The first error of the run. Bytes past a bounded size are refused, and none of that call is taken.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if bytes.len() as u64 > plan::SMALL_APPEND {
            let (start, array) = self.passed_on()?;
            array.append_since(start, bytes)?;
        } else {
            let array = self.array.as_ref().ok_or(Error::Closed)?;
            self.gathered.append(array, bytes)?;
        }
        self.see(bytes);
        Ok(())
    }

    /// Bytes that were taken.
    fn see(&mut self, bytes: &[u8]) {
        if let Some(ranges) = &mut self.ranges {
            ranges.see(bytes);
        }
    }

    /// Lends exactly `bytes` contiguous bytes of the writer's own memory, to be filled in place: no copy is made of them
    /// later. At most [`Plan::staging_bytes`](crate::Plan::staging_bytes), which holds a frame or more. Blocks as
    /// [`Writer::append`] does. Nothing is taken until [`Reserved::commit`]; dropping it takes nothing.
    ///
    /// What the bytes hold before they are written is not defined. While the loan lasts, the writer's own timer sends
    /// nothing off: fill it and commit.
    ///
    /// # Errors
    /// More bytes than that; the first error of the run.
    pub fn reserve(&mut self, bytes: usize) -> Result<Reserved<'_>, Error> {
        let start = self.passed_on()?.0;
        let array = self.array.as_ref().ok_or(Error::Closed)?;
        Ok(Reserved { memory: array.reserve_since(start, bytes)?, ranges: self.ranges.as_mut() })
    }

    /// Takes over memory of the caller's, once, so that it can be appended again and again without a copy.
    ///
    /// # Errors
    /// The device cannot reach the memory.
    pub fn register(&self, bytes: Vec<u8>) -> Result<Registered, Error> {
        Ok(Registered(self.open_array()?.register(bytes)?))
    }

    /// Appends the first `bytes` bytes of registered memory, which is read where it lies.
    /// [`Registered::bytes_mut`] gives it back when it may be filled again.
    ///
    /// # Errors
    /// More bytes than it holds; memory that another writer registered; otherwise as [`Writer::append`].
    pub fn append_registered(&mut self, memory: &mut Registered, bytes: usize) -> Result<(), Error> {
        let (start, array) = self.passed_on()?;
        array.append_registered_since(start, &mut memory.0, bytes)?;
        if self.ranges.is_some() {
            self.see(memory.0.first(bytes)?);
        }
        Ok(())
    }

    /// The run, which only a close takes away.
    fn open_array(&self) -> Result<&flow::Array, Error> {
        self.array.as_ref().ok_or(Error::Closed)
    }

    /// The same, when it has got all that was appended before; and when that began, for it is part of the call.
    fn passed_on(&mut self) -> Result<(Duration, &flow::Array), Error> {
        let array = self.array.as_ref().ok_or(Error::Closed)?;
        let start = array.now();
        self.gathered.pass_on(array)?;
        Ok((start, array))
    }

    /// Appends typed elements.
    ///
    /// # Errors
    /// The elements are of another type than the array's; otherwise as [`Writer::append`].
    pub fn append_slice<T: Element>(&mut self, elements: &[T]) -> Result<(), Error> {
        if T::DTYPE != self.plan.dtype {
            return Err(Error::ElementType { given: T::DTYPE.name(), array: self.plan.dtype.name() });
        }
        self.append(bytemuck::cast_slice(elements))
    }

    /// Returns when every whole layer of chunks appended so far is written. Cuts no chunk and ends no shard;
    /// appending goes on.
    ///
    /// # Errors
    /// The first error of the run.
    pub fn flush(&mut self) -> Result<(), Error> {
        Ok(self.passed_on()?.1.flush()?)
    }

    /// What the run has done so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.array.as_ref().map_or_else(Metrics::default, |a| self.describe(a.progress()))
    }

    /// Writes what is left, finishes every shard, publishes the final shape, and makes it durable.
    ///
    /// # Errors
    /// The first error of the run; then the store is visibly short, never wrong.
    pub fn close(mut self) -> Result<Report, Error> {
        self.end(true)
    }

    /// Ends as [`Writer::close`] does, where the source broke: all that came is written and can be read, and the store
    /// says that the run is not complete.
    ///
    /// # Errors
    /// Those of [`Writer::close`].
    pub fn close_incomplete(mut self) -> Result<Report, Error> {
        self.end(false)
    }

    fn end(&mut self, complete: bool) -> Result<Report, Error> {
        // An error of it is the run's: the close says it.
        let _ = self.passed_on();
        let Some(array) = self.array.take() else {
            return Err(Error::Closed);
        };
        let closed = array.close().inspect_err(|error| self.keep_what_is_held(error))?;
        self.store.sync()?;
        if let Some(ranges) = &self.ranges {
            self.metadata.show(ranges)?;
        }
        self.metadata.publish(&self.plan.extents(closed.extent), complete)?;
        // Its memory goes only now: it does not keep readers waiting.
        Ok(Report {
            shape: self.plan.shape(0, closed.extent),
            missing_bytes: closed.missing,
            unreached: closed.unreached,
            metrics: self.describe(closed.progress),
        })
    }

    /// A store that has not answered may wait for its own threads when it goes away: then it stays.
    fn keep_what_is_held(&self, error: &flow::Error) {
        if let flow::Error::Unanswered { .. } = error {
            std::mem::forget(self.store.clone());
        }
    }

    fn describe(&self, mut progress: flow::Progress) -> Metrics {
        progress.appended += self.gathered.len();
        progress.latency.merge(self.gathered.times());
        let latency = &progress.latency;
        let appends = AppendTime {
            count: latency.count(),
            p50: latency.quantile(0.5),
            p99: latency.quantile(0.99),
            p999: latency.quantile(0.999),
            max: latency.max(),
        };
        Metrics {
            elapsed: self.device.now().saturating_sub(self.opened),
            bytes_in: progress.appended,
            bytes_out: progress.stored,
            bytes_chunked: progress.chunks * self.plan.chunk_bytes,
            batches: progress.batches,
            shards: progress.shards,
            buffers: self.plan.budget.total() - self.plan.facts.process,
            in_flight: progress.in_flight,
            peak_in_flight: progress.peak_in_flight,
            appends,
            stages: metrics::stages(&progress),
            waits: progress.waited.iter().map(metrics::wait).collect(),
        }
    }
}

impl Drop for Writer {
    /// Closes as [`Writer::close`] does, waits as it does, and logs the result. After an error, or in a panic, it only
    /// stops: it gives the store two seconds to answer for what it holds, and says what it holds after that.
    fn drop(&mut self) {
        let fine = self.array.as_ref().is_some_and(|a| a.check().is_ok());
        if fine && !std::thread::panicking() {
            match self.end(true) {
                Ok(report) => tracing::info!(shape = ?report.shape, "closed when dropped"),
                Err(error) => tracing::error!(%error, "could not be closed when dropped"),
            }
            return;
        }
        let Some(array) = self.array.take() else { return };
        if let Err(error) = array.abandon() {
            self.keep_what_is_held(&error);
            tracing::error!(%error, "stopped without a close");
        }
    }
}
