//! What a run is doing, on standard error: live lines in a terminal, a line now and then in a log.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::time::Duration;

use forebay::Metrics;
use indicatif::{ProgressBar, ProgressStyle};

use crate::{human, output};

/// Time between two pictures in a terminal.
const PICTURE: Duration = Duration::from_millis(100);
/// Time between two lines in a log.
const LINE: Duration = Duration::from_secs(10);
/// Time over which rates are taken.
const WINDOW: Duration = Duration::from_secs(2);

/// The display of one run.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    frame_bytes: u64,
    shown: Duration,
    /// Time, bytes in and bytes out of the last pictures.
    window: VecDeque<(Duration, u64, u64)>,
}

impl Progress {
    /// `goal`: bytes, or milliseconds, or whatever [`Progress::show`] is told; `None` if the end is not known.
    pub(crate) fn new(frame_bytes: u64, goal: Option<u64>) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| bar(goal));
        Progress { bar, frame_bytes, shown: Duration::ZERO, window: VecDeque::from([(Duration::ZERO, 0, 0)]) }
    }

    /// Shows the metrics if it is time to; `done` counts towards the goal.
    pub(crate) fn show(&mut self, metrics: &Metrics, done: u64) {
        let every = if self.bar.is_some() { PICTURE } else { LINE };
        if metrics.elapsed < self.shown + every {
            return;
        }
        self.shown = metrics.elapsed;
        self.window.push_back((metrics.elapsed, metrics.bytes_in, metrics.bytes_out));
        while self.window.len() > 2 && self.window[1].0 + WINDOW < metrics.elapsed {
            self.window.pop_front();
        }
        let (rates, state) = (self.rates(metrics), state(metrics));
        match &self.bar {
            Some(bar) => {
                bar.set_position(done);
                bar.set_message(format!("{rates}\n  {state}\n  {}", appends(metrics)));
                bar.tick();
            }
            None => output::say(&format!("  {:>7}   {rates}   {state}", human::time(metrics.elapsed))),
        }
    }

    /// How fast it goes. Like [`state`] at most 76 columns, so that it stands on one line in any terminal.
    fn rates(&self, metrics: &Metrics) -> String {
        let (then, bytes_in, bytes_out) = self.window[0];
        let time = metrics.elapsed.saturating_sub(then);
        let taken = metrics.bytes_in - bytes_in;
        let frames = human::per_second(taken, time) / self.frame_bytes.max(1) as f64;
        let rate = human::rate(taken, time);
        let out = human::rate(metrics.bytes_out - bytes_out, time);
        let ratio = metrics.ratio().map_or(String::new(), |r| format!("   ratio {r:.2}"));
        format!("in {rate}, {} frames/s   out {out}{ratio}", human::count(frames.round() as u64))
    }

    /// Takes the live lines away.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Says that the run is being ended, which may take a while.
    pub(crate) fn closing(&self) {
        if let Some(bar) = &self.bar {
            bar.set_message("writing what is left");
            bar.tick();
        }
    }
}

/// The display of a measurement: it must not take part in what is measured, so it only says what is under way.
pub(crate) struct Steps {
    bar: Option<ProgressBar>,
}

impl Steps {
    pub(crate) fn new(count: u64) -> Steps {
        let bar = std::io::stderr().is_terminal().then(|| bar(Some(count)));
        Steps { bar }
    }

    /// Begins the next step: a line in a log.
    pub(crate) fn next(&self, name: &str) {
        match &self.bar {
            Some(bar) => {
                bar.inc(u64::from(!bar.message().is_empty()));
                self.detail(name, "");
            }
            None => output::say(&format!("  {name}")),
        }
    }

    /// What of a step is under way, where it can be shown and taken away again.
    pub(crate) fn detail(&self, step: &str, what: &str) {
        if let Some(bar) = &self.bar {
            let colon = if what.is_empty() { "" } else { ": " };
            bar.set_message(format!("{step}{colon}{what}"));
            bar.tick();
        }
    }
}

impl Drop for Steps {
    /// Takes the live lines away, whatever came of it.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How long appends take, and how much the store holds.
fn appends(metrics: &Metrics) -> String {
    let a = metrics.appends;
    let times = [("p50", a.p50), ("p99", a.p99), ("max", a.max)];
    let times = times.map(|(name, t)| format!("{name} {}", human::time(t))).join(", ");
    let (now, most) = (human::memory(metrics.in_flight), human::memory(metrics.peak_in_flight));
    format!("appends {times}   at the store {now}, at most {most}")
}

/// Where memory and time go.
fn state(metrics: &Metrics) -> String {
    let memory = resident().unwrap_or(metrics.buffers);
    let slowest = metrics.slowest().map_or(String::new(), |s| format!("   slowest stage {}", s.name));
    // Of what the threads of the run wait for, the input is what a user brings and the device what the stages say.
    let waits = metrics.waits_by_reason().into_iter();
    let longest =
        waits.filter(|(reason, _)| !matches!(*reason, "input" | "device")).find(|(_, t)| !t.is_zero());
    let share = |time: Duration| 100.0 * time.as_secs_f64() / metrics.elapsed.as_secs_f64();
    let waits = longest.map_or(String::new(), |(reason, t)| format!("   waits: {reason} {:.0} %", share(t)));
    format!("memory {}{slowest}{waits}", human::memory(memory))
}

fn bar(goal: Option<u64>) -> ProgressBar {
    let (bar, template) = match goal {
        Some(goal) => (ProgressBar::new(goal), "  {bar:40.cyan/dim} {percent:>3} %  {elapsed}\n  {msg}"),
        None => (ProgressBar::new_spinner(), "  {spinner:.cyan} {elapsed}\n  {msg}"),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("━━─"));
    bar
}

/// Memory of this process that is in RAM; `None` where the system does not say.
pub(crate) fn resident() -> Option<u64> {
    status("VmRSS:")
}

/// The most memory that was in RAM at a time.
pub(crate) fn peak() -> Option<u64> {
    status("VmHWM:")
}

fn status(field: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix(field))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}
