//! What was measured, for people and as an object.

mod object;

use std::time::Duration;

use forebay::{AppendTime, Plan};

use super::rounds::Measured;
use super::run::Run;
use super::series::Series;
use super::yardsticks::Limit;
use super::{Ingest, Job, RING, kernels, slots};
use crate::args::codec;
use crate::{human, levels, progress};

/// A measurement that is over.
pub(crate) struct Outcome<'a> {
    pub(crate) job: &'a Job,
    pub(crate) measured: &'a Measured,
}

impl Outcome<'_> {
    /// The tables.
    pub(crate) fn text(&self) -> String {
        let head: Vec<_> = self.head().into_iter().map(|(name, text)| vec![name.to_owned(), text]).collect();
        let mut parts = vec![human::table(&head, &[]), human::table(&self.rates(), &[1, 2, 3, 4])];
        parts.extend(self.kernels().map(|shares| human::table(&kernels::rows(&shares), &[1, 2, 3])));
        parts.extend(
            self.measured.limits.iter().filter_map(|l| l.absent.clone()).map(|a| format!("  note: {a}")),
        );
        parts.extend(self.notes().into_iter().map(|n| format!("  note: {n}")));
        parts.join("\n\n")
    }

    fn head(&self) -> Vec<(&'static str, String)> {
        let (job, plan) = (self.job, self.plan());
        let scenario = job.asked.scenario;
        let shape = |shape: Vec<u64>| shape.iter().map(u64::to_string).collect::<Vec<_>>().join("x");
        let axes: Vec<_> = job.array.dims.iter().map(axis).collect();
        let streams =
            if job.streams() > 1 { format!(" in {} streams at once", job.streams()) } else { String::new() };
        let batch = plan.batch_chunks() * plan.chunk_bytes;
        let shard = plan.grid.chunks_per_shard * plan.chunk_bytes;
        let mut head = vec![
            ("scenario", format!("{}: {} of {}", scenario.name, axes.join(" "), plan.dtype)),
            (
                "input",
                format!(
                    "{}{streams}, {} an append",
                    human::data(job.bytes_in()),
                    human::data(job.append as u64)
                ),
            ),
            (
                "source",
                format!("{}, {}, in turn", job.asked.fill.name(), human::memory(job.source.len() as u64)),
            ),
            ("ingest", format!("{}: {}", job.asked.ingest.name(), job.asked.ingest.text())),
            ("appends", self.appends()),
            ("output", self.output()),
            ("codec", codec::name(&plan.codec)),
            ("chunk", format!("{} ({})", shape(plan.chunk_shape()), human::memory(plan.chunk_bytes))),
            ("levels", levels::words(plan)),
            (
                "shard",
                format!(
                    "{} ({}), {} open at once",
                    shape(plan.shard_shape()),
                    human::memory(shard),
                    self.open()
                ),
            ),
            (
                "batch",
                format!(
                    "{}, epochs {}, slots {}, {}",
                    human::memory(batch),
                    plan.batch_epochs,
                    plan.slots,
                    plan.mode.name()
                ),
            ),
            (
                "threads",
                format!("{} of each writer, {} of each limit", self.threads(), self.measured.threads),
            ),
            (
                "memory",
                format!("{} of buffers; the process at most {}", human::memory(self.buffers()), self.peak()),
            ),
            ("device", self.first().device.clone()),
            ("machine", job.machine.text()),
            (
                "rounds",
                format!("{} after a warm-up; opening took {}", self.measured.runs.len(), self.opening()),
            ),
        ];
        head.retain(|(_, text)| !text.is_empty());
        head.extend(self.memory().map(|memory| ("device memory", memory.text())));
        head
    }

    /// How long appends took: the middle round of each.
    fn appends(&self) -> String {
        let of = |time: fn(&AppendTime) -> Duration| {
            let seconds = self.of_runs(|r| time(&r.appends).as_secs_f64()).median();
            human::time(Duration::from_secs_f64(seconds))
        };
        let times = [
            ("p50", of(|a| a.p50)),
            ("p99", of(|a| a.p99)),
            ("p99.9", of(|a| a.p999)),
            ("max", of(|a| a.max)),
        ];
        let words: Vec<_> = times.iter().map(|(name, time)| format!("{name} {time}")).collect();
        format!("{}: {}", human::count(self.first().appends.count), words.join(", "))
    }

    /// What is to be known of the memory that a bench lends and gets back untouched.
    fn slots(&self) -> Option<(u64, u64)> {
        (self.job.asked.ingest == Ingest::Reserve).then(|| slots(self.plan()))
    }

    /// What the writers take of a GPU's memory, and what was planned.
    fn memory(&self) -> Option<Memory> {
        let rounds: Option<Vec<_>> = self.measured.runs.iter().map(|r| r.memory).collect();
        let (rounds, first) = (rounds?, self.measured.first_memory?);
        let mut used = Series::default();
        rounds.iter().for_each(|m| used.push(m.used as f64));
        Some(Memory { used, planned: rounds[0].planned, kept: first.free.saturating_sub(rounds[0].free) })
    }

    fn output(&self) -> String {
        let (sink, run) = (self.job.asked.sink.name(), self.first());
        let shards = human::count(run.shards);
        format!("{} in {shards} shards, ratio {:.2}, to {sink}", human::data(run.bytes_out), self.ratio())
    }

    /// Rates in billions of bytes of input a second.
    fn rates(&self) -> Vec<Vec<String>> {
        let row = |name: &str, rate: &Series, last: [String; 2]| {
            let numbers = [rate.median(), rate.min(), rate.max()].map(gigabytes);
            [name.to_owned()].into_iter().chain(numbers).chain(last).collect::<Vec<_>>()
        };
        let head = ["GB/s of input", "median", "least", "most", "forebay reaches", ""].map(str::to_owned);
        let mut rows = vec![head.to_vec(), row("forebay", &self.rate(), [String::new(), String::new()])];
        if let Some(alone) = self.alone() {
            let share = format!("{:.0} %", 100.0 * self.rate().median() / alone.median());
            rows.push(row("one stream", &alone, [share, "as many bytes by one writer".to_owned()]));
        }
        let binds = self.binds().map(|l| l.name);
        for limit in self.measured.limits.iter().filter(|l| l.absent.is_none()) {
            let rate = self.in_input(limit);
            let mark = match limit.applies {
                true if binds == Some(limit.name) => "<- binds",
                true => "",
                false => "not how the store writes",
            };
            let share = format!("{:.0} %", 100.0 * self.rate().median() / rate.median());
            rows.push(row(limit.name, &rate, [share, mark.to_owned()]));
        }
        if let Some(other) = &self.measured.against {
            let share = format!("{:.0} %", 100.0 * self.rate().median() / other.rates.median());
            rows.push(row("the other build", &other.rates, [share, other.program.display().to_string()]));
        }
        rows
    }

    /// What kernels of our own coder take of the GPU.
    fn kernels(&self) -> Option<Vec<kernels::Share>> {
        Some(kernels::shares(self.measured.kernels.as_ref().ok()?.as_ref()?, self.ratio()))
    }

    /// What is reached of the slowest of them, round by round.
    fn share(&self) -> Option<Series> {
        let limit = self.in_input(self.binds()?);
        Some(self.rate().with(&limit, |rate, limit| rate / limit))
    }

    /// Rate of one writer with the bytes of all.
    fn alone(&self) -> Option<Series> {
        self.measured.alone.as_ref().map(|seconds| seconds.map(|s| self.billions() / s))
    }

    /// The slowest of those that apply.
    fn binds(&self) -> Option<&Limit> {
        let apply = self.measured.limits.iter().filter(|l| l.applies && l.absent.is_none());
        apply.max_by(|a, b| a.seconds.median().total_cmp(&b.seconds.median()))
    }

    /// How fast forebay was, in billions of bytes of input a second.
    fn rate(&self) -> Series {
        self.seconds().map(|s| self.billions() / s)
    }

    fn in_input(&self, limit: &Limit) -> Series {
        limit.seconds.map(|s| self.billions() / s)
    }

    fn billions(&self) -> f64 {
        self.job.bytes_in() as f64 / 1e9
    }

    fn seconds(&self) -> Series {
        self.of_runs(|r| r.seconds)
    }

    fn of_runs(&self, of: impl Fn(&Run) -> f64) -> Series {
        let mut series = Series::default();
        self.measured.runs.iter().for_each(|r| series.push(of(r)));
        series
    }

    /// There is at least one.
    fn first(&self) -> &Run {
        &self.measured.runs[0]
    }

    fn plan(&self) -> &Plan {
        &self.first().plan
    }

    fn ratio(&self) -> f64 {
        self.job.bytes_in() as f64 / self.first().bytes_out.max(1) as f64
    }

    fn open(&self) -> u64 {
        self.plan().grid.shards_per_row
    }

    fn threads(&self) -> usize {
        match (self.job.gpu, self.job.options.threads) {
            // They copy what is appended; none compresses.
            (Some(gpu), _) => gpu.copiers(),
            (None, 0) => self.job.machine.cores,
            (None, given) => given,
        }
    }

    /// Bytes of all writers' buffers.
    fn buffers(&self) -> u64 {
        (self.plan().budget.total() - self.plan().facts.process) * self.job.streams() as u64
    }

    fn peak(&self) -> String {
        progress::peak().map_or("an unknown amount".to_owned(), human::memory)
    }

    fn opening(&self) -> String {
        let opened = self.of_runs(|r| r.opened).median();
        format!("{}, not in the time", human::time(std::time::Duration::from_secs_f64(opened)))
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = self.job.notes();
        notes.extend(self.slots().map(|(count, bytes)| {
            let few = if bytes < RING { ": so few that they may lie in the cache" } else { "" };
            format!(
                "{count} slots, {} in all, filled once before the clock started and handed back untouched{few}",
                human::memory(bytes)
            )
        }));
        notes.extend(self.plan().fitted.iter().map(|f| format!("made smaller to fit the memory: {f}")));
        let unknown = self.measured.kernels.as_ref().err();
        notes.extend(
            unknown.map(|why| format!("what the kernels of the coder take could not be measured: {why}")),
        );
        notes
    }
}

/// A GPU's memory over all rounds.
struct Memory {
    /// Bytes that all writers take, round by round.
    used: Series,
    /// Bytes that their plans say.
    planned: u64,
    /// Bytes that the driver keeps since the first run: its own, for kernels.
    kept: u64,
}

impl Memory {
    fn ratio(&self) -> f64 {
        self.used.median() / self.planned.max(1) as f64
    }

    fn text(&self) -> String {
        let [used, planned, kept] = [self.used.median() as u64, self.planned, self.kept].map(human::memory);
        let ratio = self.ratio();
        format!(
            "{used} beyond the bare context, planned {planned} ({ratio:.3} of it); the driver keeps {kept} since the first run"
        )
    }
}

fn axis(dim: &forebay::Dim) -> String {
    let size = dim.size.map_or("n".to_owned(), |s| s.to_string());
    format!("{}={size}", dim.name)
}

fn gigabytes(rate: f64) -> String {
    let decimals = if rate < 0.1 { 4 } else { 2 };
    format!("{rate:.decimals$}")
}
