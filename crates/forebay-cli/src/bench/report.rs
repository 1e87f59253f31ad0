//! What was measured, for people and as an object.

mod object;

use forebay::Plan;

use super::Job;
use super::rounds::Measured;
use super::run::Run;
use super::series::Series;
use super::yardsticks::Limit;
use crate::args::codec;
use crate::{human, progress};

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
        vec![
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
            ("output", self.output()),
            ("codec", codec::name(&plan.codec)),
            ("chunk", format!("{} ({})", shape(plan.chunk_shape()), human::memory(plan.chunk_bytes))),
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
            ("machine", job.machine.text()),
            (
                "rounds",
                format!("{} after a warm-up; opening took {}", self.measured.runs.len(), self.opening()),
            ),
        ]
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
        match self.job.options.threads {
            0 => self.job.machine.cores,
            given => given,
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
        notes.extend(self.plan().fitted.iter().map(|f| format!("made smaller to fit the memory: {f}")));
        notes
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
