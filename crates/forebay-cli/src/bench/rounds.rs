//! Rounds: a run, each limit once, and another build once, in turn, so that what else the machine does meets all of
//! them alike.

use forebay::limits::Kernels;

use super::run::{DeviceMemory, Run, run};
use super::series::Series;
use super::yardsticks::{Limit, Yardsticks};
use super::{Against, Job, Place};
use crate::Failure;
use crate::interrupt::Stop;
use crate::progress::Steps;

/// All that was measured.
pub(crate) struct Measured {
    pub(crate) runs: Vec<Run>,
    /// Of the warm-up run: the GPU's memory as the first who uses it meets it.
    pub(crate) first_memory: Option<DeviceMemory>,
    /// Seconds that one writer took for the bytes of all, where there are several.
    pub(crate) alone: Option<Series>,
    pub(crate) limits: Vec<Limit>,
    /// What the kernels of our own coder took, where it compresses on a GPU.
    pub(crate) kernels: Result<Option<Kernels>, String>,
    /// Threads that limits were measured with.
    pub(crate) threads: usize,
    pub(crate) against: Option<Against>,
}

/// Measures; a warm-up run comes first, and is thrown away.
pub(crate) fn measure(job: &Job, mut against: Option<Against>, stop: &Stop) -> Result<Measured, Failure> {
    let place = Place::open(&job.asked.sink)?;
    let rounds = job.asked.runs;
    let steps = Steps::new(u64::from(rounds) + 1);
    steps.next("warm-up run");
    let mut yardsticks = Yardsticks::new(job, place.folder())?;
    let first = run(job, job.load(), &place, stop)?;
    yardsticks.saw(&first);
    let mut runs = Vec::new();
    let mut alone = job.alone().map(|load| (load, Series::default()));
    for round in 1..=rounds {
        let of = format!("round {round} of {rounds}");
        steps.next(&of);
        for (turn, name) in turns(round, &yardsticks, (alone.is_some(), against.is_some())) {
            steps.detail(&of, name);
            match (turn, &mut against, &mut alone) {
                (Turn::Limit(at), ..) => yardsticks.take(at)?,
                (Turn::Other, Some(other), _) => other.round(job.bytes_in(), stop)?,
                (Turn::Alone, _, Some((load, seconds))) => {
                    seconds.push(run(job, *load, &place, stop)?.seconds);
                }
                _ => runs.push(run(job, job.load(), &place, stop)?),
            }
            if stop.asked() {
                return Err(Failure::Interrupted);
            }
        }
    }
    steps.detail("the end", "kernels of the coder");
    let (threads, kernels) = (yardsticks.threads(), yardsticks.kernels());
    let (first_memory, alone) = (first.memory, alone.map(|(_, seconds)| seconds));
    Ok(Measured { runs, first_memory, alone, limits: yardsticks.done(), kernels, threads, against })
}

/// What is measured next.
enum Turn {
    Forebay,
    /// One writer, where there are several.
    Alone,
    Limit(usize),
    Other,
}

/// Every second round goes backwards, so that what one leaves behind, a disk that is still busy or a processor that is
/// hot, is not always met by the same one.
fn turns(round: u32, yardsticks: &Yardsticks<'_>, (alone, other): (bool, bool)) -> Vec<(Turn, &'static str)> {
    let limits = yardsticks.names().into_iter().map(|(at, name)| (Turn::Limit(at), name));
    let other = other.then_some((Turn::Other, "the other build"));
    let alone = alone.then_some((Turn::Alone, "one stream"));
    let forebay = [(Turn::Forebay, "forebay")].into_iter().chain(alone);
    let mut turns: Vec<_> = forebay.chain(limits).chain(other).collect();
    if round.is_multiple_of(2) {
        turns.reverse();
    }
    turns
}
