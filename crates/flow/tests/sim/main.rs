//! The orchestration on a simulated device: in any order that its lanes, threads and store allow, every access is
//! ordered, nobody waits for ever, and the bytes are the same; and whatever is wrong with a row is found.

mod faults;
mod flawed;
mod hunt;
mod moved;
mod mutants;
mod program;
mod report;
mod run;
mod schedules;
mod states;
mod store;

use plan::{Memory, Mode};
use run::Scenario;
use sim::{Chooser, Priorities, Random};

/// Every combination of facts that changes which rows are live.
fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    for (mode, slots) in [
        (Mode::Pipelined, 2),
        (Mode::Pipelined, 3),
        (Mode::Pipelined, 4),
        (Mode::DrainBeforeKick, 2),
        (Mode::DrainAfterKick, 2),
    ] {
        for memory in [Memory::Host, Memory::Device] {
            for (compressed, alignment) in [(false, 0), (true, 0), (false, 64), (true, 64)] {
                all.push(Scenario { mode, slots, memory, compressed, alignment, pyramid: false });
            }
        }
    }
    all
}

/// The same, each also with coarser levels.
fn with_pyramids() -> Vec<Scenario> {
    let both = |s: Scenario| [s, Scenario { pyramid: true, ..s }];
    scenarios().into_iter().flat_map(both).collect()
}

/// Points of choice of a run by chance: one in ten has more (`schedules` counts them).
const POINTS: u64 = 1000;

/// Half of the schedules with equal chances at each point, half by priorities, for faults of depth 1 to 4.
fn chooser(seed: u64) -> Box<dyn Chooser> {
    match seed % 2 {
        0 => Box::new(Random::new(seed)),
        _ => Box::new(Priorities::new(seed, 1 + seed / 2 % 4, POINTS)),
    }
}
