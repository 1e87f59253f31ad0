//! What was asked for, settled: nothing is refused after this but by the system.

use forebay::limits::Gpu;
use forebay::{Options, Plan};

use super::pieces::Pieces;
use super::{Changes, Fill, Ingest, Scenario, Sink};
use crate::Failure;
use crate::bench::machine::Machine;

/// What was asked for.
pub(crate) struct Asked {
    pub(crate) scenario: &'static Scenario,
    pub(crate) changes: Changes,
    pub(crate) options: Options,
    pub(crate) fill: Fill,
    pub(crate) ingest: Ingest,
    pub(crate) sink: Sink,
    /// Bytes of an append.
    pub(crate) append: Option<u64>,
    pub(crate) runs: u32,
}

/// What is measured.
pub(crate) struct Job {
    pub(crate) asked: Asked,
    pub(crate) array: forebay::Array,
    pub(crate) options: Options,
    /// The plan of a writer that is alone in the process.
    pub(crate) plan: Plan,
    /// The GPU that it runs on.
    pub(crate) gpu: Option<Gpu>,
    pub(crate) machine: Machine,
    /// Whole layers, as they arrive.
    pub(crate) source: Vec<u8>,
    /// Bytes of an append.
    pub(crate) append: usize,
    /// Bytes of each stream.
    bytes: u64,
}

/// Writers at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) streams: usize,
    /// Bytes of each.
    pub(crate) bytes: u64,
}

impl Load {
    /// Bytes of all.
    pub(crate) fn bytes_in(self) -> u64 {
        self.bytes * self.streams as u64
    }
}

/// Staging slots that a bench hands back untouched come to as much, where nothing is said: more than a cache holds.
pub(crate) const RING: u64 = 1 << 30;

/// Registered memory comes in pieces of at least this, where nothing is said.
const LEAST_REGISTERED: u64 = 64 << 10;
/// Pieces that are registered, at the most.
const MOST_REGISTERED: u64 = 1 << 16;

impl Job {
    /// Settles everything and makes the source.
    pub(crate) fn prepare(mut asked: Asked) -> Result<Job, Failure> {
        asked.sink.check()?;
        let machine = Machine::here();
        let shaped = asked.scenario.shape(&asked.changes).map_err(Failure::Input)?;
        let bytes = shaped.layers * shaped.layer;
        let source = machine.least_source().div_ceil(shaped.layer).min(shaped.layers) * shaped.layer;
        let append = asked.append(shaped.frame, source)?;
        if asked.ingest == Ingest::Reserve {
            // Two slots; a run that is shorter than both uses each once.
            asked.options.tuning.staging_bytes.get_or_insert((bytes.min(RING) / 2).max(1));
        }
        let plan = forebay::plan_for(&shaped.array, &asked.options)?;
        if asked.ingest == Ingest::Reserve && append as u64 > plan.staging_bytes {
            return Err(Failure::Input(format!(
                "--append {append}: --ingest reserve lends at most {} at once; give less, or more --staging",
                plan.staging_bytes
            )));
        }
        let mut options = asked.options.clone();
        let gpu = Gpu::of(&plan, &options);
        let held = asked.held(source, &plan) + gpu.map_or(0, |_| super::gpu::held(&plan));
        options.tuning.memory = plan.cap.map(|cap| cap.saturating_add(held));
        let sizes = shaped.array.dims.iter().map(|d| (d.name.as_str(), d.size.unwrap_or(0)));
        let source = asked.fill.make(&sizes.collect::<Vec<_>>(), source as usize)?;
        Ok(Job { asked, array: shaped.array, options, plan, gpu, machine, source, append, bytes })
    }

    /// What stream `stream` of a load appends. Each begins at another place, so that none finds in the cache what another
    /// has just read.
    pub(crate) fn pieces(&self, load: Load, stream: usize) -> Pieces<'_> {
        let frame = self.plan.frame_bytes.max(1) as usize;
        let start = self.source.len() * stream / load.streams / frame * frame;
        Pieces::new(&self.source, start, self.append, load.bytes)
    }

    /// What is measured.
    pub(crate) fn load(&self) -> Load {
        Load { streams: self.streams(), bytes: self.bytes }
    }

    /// As many bytes by one writer, where there are several: what their sum is held against.
    pub(crate) fn alone(&self) -> Option<Load> {
        (self.streams() > 1).then(|| Load { streams: 1, bytes: self.bytes_in() })
    }

    /// Writers at once.
    pub(crate) fn streams(&self) -> usize {
        self.asked.scenario.streams
    }

    /// Bytes of all streams.
    pub(crate) fn bytes_in(&self) -> u64 {
        self.load().bytes_in()
    }

    /// Chunks of all levels of all streams.
    pub(crate) fn chunks(&self) -> u64 {
        let epochs = self.bytes / self.plan.epoch_bytes;
        // Where frames are halved, so many epochs make one.
        let made = |level: usize| epochs.div_ceil(1 << self.plan.frame_halvings(level));
        let chunks = |level: usize| made(level) * self.plan.grid_of(level).chunks_per_epoch;
        (0..self.plan.levels()).map(chunks).sum::<u64>() * self.streams() as u64
    }

    /// What a reader of the rates should know.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if (self.source.len() as u64) < self.machine.least_source() {
            notes.push(format!(
                "the source is shorter than {} bytes, so that it may come from the cache; give more --bytes",
                self.machine.least_source()
            ));
        }
        notes
    }
}

impl Asked {
    /// Bytes of an append.
    fn append(&self, frame: u64, source: u64) -> Result<usize, Failure> {
        let registered = self.ingest == Ingest::Registered;
        let frames = if registered { LEAST_REGISTERED.div_ceil(frame) } else { 1 };
        let append = self.append.unwrap_or(frame * frames);
        if append == 0 {
            return Err(Failure::Input("--append 0: give 1 byte or more, or leave it out".to_owned()));
        }
        if registered && source.div_ceil(append) > MOST_REGISTERED {
            let least = source.div_ceil(MOST_REGISTERED);
            return Err(Failure::Input(format!(
                "--append {append}: --ingest registered would need {} pieces of memory for its source; give {least} \
                 or more",
                source.div_ceil(append)
            )));
        }
        Ok(usize::try_from(append).unwrap_or(usize::MAX))
    }

    /// Bytes that the bench holds beside a writer: `--memory` is each writer's own, as in `write`.
    fn held(&self, source: u64, plan: &Plan) -> u64 {
        let streams = self.scenario.streams as u64;
        let registered = if self.ingest == Ingest::Registered { streams } else { 0 };
        // The source, where a copy of it goes, and its chunks.
        (3 + registered) * source + (streams - 1) * plan.budget.total()
    }
}
