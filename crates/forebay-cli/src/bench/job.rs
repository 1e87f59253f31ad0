//! What was asked for, settled: nothing is refused after this but by the system.

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
    pub(crate) machine: Machine,
    /// Whole layers, as they arrive.
    pub(crate) source: Vec<u8>,
    /// Bytes of an append.
    pub(crate) append: usize,
    /// Bytes of each stream.
    pub(crate) bytes: u64,
}

/// Registered memory comes in pieces of at least this, where nothing is said.
const LEAST_REGISTERED: u64 = 64 << 10;
/// Pieces that are registered, at the most.
const MOST_REGISTERED: u64 = 1 << 16;

impl Job {
    /// Settles everything and makes the source.
    pub(crate) fn prepare(asked: Asked) -> Result<Job, Failure> {
        asked.sink.check()?;
        let machine = Machine::here();
        let shaped = asked.scenario.shape(&asked.changes).map_err(Failure::Input)?;
        let bytes = shaped.layers * shaped.layer;
        let source = machine.least_source().div_ceil(shaped.layer).min(shaped.layers) * shaped.layer;
        let append = asked.append(shaped.frame, source)?;
        let plan = forebay::plan_for(&shaped.array, &asked.options)?;
        if asked.ingest == Ingest::Reserve && append as u64 > plan.staging_bytes {
            return Err(Failure::Input(format!(
                "--append {append}: --ingest reserve lends at most {} at once; give less, or more --staging",
                plan.staging_bytes
            )));
        }
        let mut options = asked.options.clone();
        options.tuning.memory = plan.cap.map(|cap| cap.saturating_add(asked.held(source, &plan)));
        let sizes = shaped.array.dims.iter().map(|d| (d.name.as_str(), d.size.unwrap_or(0)));
        let source = asked.fill.make(&sizes.collect::<Vec<_>>(), source as usize)?;
        Ok(Job { asked, array: shaped.array, options, plan, machine, source, append, bytes })
    }

    /// What stream `stream` appends. Each begins at another place, so that none finds in the cache what another has
    /// just read.
    pub(crate) fn pieces(&self, stream: usize) -> Pieces<'_> {
        let frame = self.plan.frame_bytes.max(1) as usize;
        let start = self.source.len() * stream / self.streams() / frame * frame;
        Pieces::new(&self.source, start, self.append, self.bytes)
    }

    /// Writers at once.
    pub(crate) fn streams(&self) -> usize {
        self.asked.scenario.streams
    }

    /// Bytes of all streams.
    pub(crate) fn bytes_in(&self) -> u64 {
        self.bytes * self.streams() as u64
    }

    /// Chunks of all streams.
    pub(crate) fn chunks(&self) -> u64 {
        self.bytes_in() / self.plan.epoch_bytes * self.plan.grid.chunks_per_epoch
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
