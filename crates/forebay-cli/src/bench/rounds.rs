//! Rounds: a run, each limit once, and another build once, in turn, so that what else the machine does meets all of
//! them alike.

use super::run::{Run, run};
use super::yardsticks::{Limit, Yardsticks};
use super::{Against, Job, Place};
use crate::Failure;
use crate::interrupt::Stop;
use crate::progress::Steps;

/// All that was measured.
pub(crate) struct Measured {
    pub(crate) runs: Vec<Run>,
    pub(crate) limits: Vec<Limit>,
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
    yardsticks.stores(run(job, &place, stop)?.bytes_out);
    let mut runs = Vec::new();
    for round in 1..=rounds {
        let of = format!("round {round} of {rounds}");
        steps.next(&of);
        for (turn, name) in turns(round, &yardsticks, against.is_some()) {
            steps.detail(&of, name);
            match (turn, &mut against) {
                (Turn::Limit(at), _) => yardsticks.take(at)?,
                (Turn::Other, Some(other)) => other.round(job.bytes_in(), stop)?,
                _ => runs.push(run(job, &place, stop)?),
            }
            if stop.asked() {
                return Err(Failure::Interrupted);
            }
        }
    }
    let threads = yardsticks.threads();
    Ok(Measured { runs, limits: yardsticks.done(), threads, against })
}

/// What is measured next.
enum Turn {
    Forebay,
    Limit(usize),
    Other,
}

/// Every second round goes backwards, so that what one leaves behind, a disk that is still busy or a processor that is
/// hot, is not always met by the same one.
fn turns(round: u32, yardsticks: &Yardsticks<'_>, other: bool) -> Vec<(Turn, &'static str)> {
    let limits = yardsticks.names().into_iter().map(|(at, name)| (Turn::Limit(at), name));
    let other = other.then_some((Turn::Other, "the other build"));
    let mut turns: Vec<_> = [(Turn::Forebay, "forebay")].into_iter().chain(limits).chain(other).collect();
    if round.is_multiple_of(2) {
        turns.reverse();
    }
    turns
}
