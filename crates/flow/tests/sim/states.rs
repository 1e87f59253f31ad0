//! Every reachable state of the smallest scenarios: each is visited, in none does anything race or block, and every run
//! that comes to its end stores the same bytes.

use std::sync::Mutex;

use device::Lane;
use forebay_flow::table::Stage;
use plan::{Memory, Mode};
use sim::{Chooser, Counts, Explorer};

use crate::flawed::{Flaw, Wrong};
use crate::run::{Fails, Length, Ran, Scenario, Script};
use crate::store::Objects;

/// Epochs of a shard: all of a script's, so that each row is one shard, and one object.
const PER_SHARD: u64 = 8;

/// Walks by chance over the states of a scenario, to meet one that was not visited.
const WALKS: u64 = 200;

/// One in so many meetings is walked on from where not all are.
const WALKED: u64 = 64;

/// How much of it is done: all scenarios in release builds; in a soak, all walks too.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Share {
    Debug,
    Release,
    Soak,
}

impl Share {
    fn asked() -> Share {
        match std::env::var_os("FOREBAY_STATES") {
            Some(all) if all == "all" => Share::Soak,
            _ if cfg!(debug_assertions) => Share::Debug,
            _ => Share::Release,
        }
    }

    /// Of the meetings with a visited state, one in so many is walked on from.
    fn walks_one_in(self) -> u64 {
        if self == Share::Soak { 1 } else { WALKED }
    }

    /// Of the visits, one in so many is made twice and compared.
    fn visits_twice_one_in(self) -> u64 {
        if self == Share::Debug { 8 } else { 1 }
    }

    /// The same of walks: no more of them in a soak than otherwise, for each walk already does a visit's steps again.
    fn walks_twice_one_in(self) -> u64 {
        WALKED / self.walks_one_in()
    }
}

/// A smallest scenario, and the least share in which it is explored.
type Smallest = (Scenario, Length, Share);

/// The smallest scenarios, those with the most states first; behind them those with a pyramid. Two levels store more objects, whose
/// answers may come in any order: where batches overlap only short ones have few enough states.
fn smallest() -> Vec<Smallest> {
    let mut all = Vec::new();
    for mode in [Mode::Pipelined, Mode::DrainBeforeKick, Mode::DrainAfterKick] {
        for memory in [Memory::Device, Memory::Host] {
            for (compressed, alignment) in [(true, 16), (false, 16), (true, 0), (false, 0)] {
                let scenario = Scenario { mode, slots: 2, memory, compressed, alignment, pyramid: false };
                let share = match (mode, memory) {
                    (Mode::Pipelined, _) | (Mode::DrainBeforeKick, Memory::Device) => Share::Release,
                    _ => Share::Debug,
                };
                all.push((scenario, Length::Whole, share));
            }
        }
    }
    let pyramids: Vec<_> = all.iter().filter_map(|(scenario, ..)| with_pyramid(*scenario)).collect();
    all.extend(pyramids);
    all
}

/// The same with a pyramid, where that is feasible.
fn with_pyramid(scenario: Scenario) -> Option<Smallest> {
    let Scenario { mode, memory, compressed, alignment, .. } = scenario;
    let (length, share) = match (mode, memory, compressed, alignment > 0) {
        (Mode::Pipelined, Memory::Host, true, false) => (Length::Short, Share::Release),
        (Mode::Pipelined, Memory::Host, false, false) => (Length::Whole, Share::Soak),
        (Mode::DrainBeforeKick, Memory::Host, true, true) => (Length::Short, Share::Release),
        (Mode::DrainBeforeKick, Memory::Host, false, _) => (Length::Whole, Share::Soak),
        (Mode::DrainBeforeKick, Memory::Device, false, false) => (Length::Short, Share::Soak),
        (Mode::DrainAfterKick, Memory::Host, ..) => (Length::Whole, Share::Debug),
        (Mode::DrainAfterKick, Memory::Device, ..) => (Length::Whole, Share::Release),
        _ => return None,
    };
    Some((Scenario { pyramid: true, ..scenario }, length, share))
}

/// What holds at the end of a run that nobody stopped.
fn check(scenario: Scenario, want: &Objects, ran: &Ran) {
    let said = || format!("{scenario}, choices {}", ran.outcome.choices);
    assert_eq!(ran.outcome.verdict, None, "{}", said());
    assert!(ran.is_free, "buffers are let go: {}", said());
    if !ran.outcome.stopped {
        assert!(ran.stored.as_ref() == Ok(want), "{:?}; {}", ran.stored.as_ref().err(), said());
        assert!(ran.left.is_empty(), "{:?} left; {}", ran.left, said());
    }
}

/// One run; made twice, and compared, where its number is due.
fn run(script: &Script, chooser: Box<dyn Chooser>, number: u64, twice_one_in: u64) -> Ran {
    let (wrong, fails) = (Wrong::default(), Fails::default());
    if number.is_multiple_of(twice_one_in) {
        script.run_with(chooser, &wrong, fails)
    } else {
        script.run_once(chooser, &wrong, fails)
    }
}

/// Visits every state, then walks over them.
fn explore((scenario, length): (Scenario, Length), explorer: &Explorer, share: Share) {
    let script = scenario.smallest(PER_SHARD, length);
    let want = script.want();
    for number in 0.. {
        let Some(chooser) = explorer.next() else { break };
        check(scenario, &want, &run(&script, chooser, number, share.visits_twice_one_in()));
    }
    assert_eq!(explorer.broken(), None, "{scenario}");
    let again = (0..explorer.kept()).map(|n| explorer.walk(Some(n), n as u64));
    let walks = again.chain((0..WALKS).map(|seed| explorer.walk(None, seed)));
    for (number, walk) in (0..).zip(walks) {
        check(scenario, &want, &run(&script, walk, number, share.walks_twice_one_in()));
        assert_eq!(explorer.broken(), None, "{scenario}");
    }
}

#[test]
fn every_state_is_visited_and_none_races_or_blocks() {
    let share = Share::asked();
    let due: Vec<_> = smallest().into_iter().filter(|(.., least)| *least <= share).collect();
    let (todo, total) = (Mutex::new(due.iter()), Mutex::new(Counts::default()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let work = |worker| {
        stay_on_one_core(worker);
        loop {
            let Some(&(scenario, length, _)) = todo.lock().unwrap().next() else { return };
            let explorer = Explorer::new(true, share.walks_one_in());
            explore((scenario, length), &explorer, share);
            println!("{scenario}, {length:?}: {}; walked on from {}", explorer.counts(), explorer.kept());
            *total.lock().unwrap() += explorer.counts();
        }
    };
    std::thread::scope(|scope| {
        let work = &work;
        (0..workers).for_each(|worker| drop(scope.spawn(move || work(worker))));
    });
    println!("{} of {} scenarios, every state: {}", due.len(), smallest().len(), total.into_inner().unwrap());
}

/// Of the threads of a run one goes at a time: on one core they change in half the time. Where the system does not allow
/// it, it is slower, and that is all.
#[cfg(target_os = "linux")]
fn stay_on_one_core(worker: usize) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let cores: Vec<_> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    let mut one = CpuSet::new();
    one.set(cores[worker % cores.len()]);
    let _ = sched_setaffinity(None, &one);
}

#[cfg(not(target_os = "linux"))]
fn stay_on_one_core(_worker: usize) {}

/// The smallest of all: one slot, memory of the host.
const TINIEST: Scenario = Scenario {
    mode: Mode::DrainAfterKick,
    slots: 2,
    memory: Memory::Host,
    compressed: false,
    alignment: 0,
    pyramid: false,
};

#[test]
fn sleep_sets_leave_out_runs_and_no_state() {
    let [with, without] = [true, false].map(|reduces| {
        let explorer = Explorer::new(reduces, WALKED);
        explore((TINIEST, Length::Whole), &explorer, Share::Release);
        explorer
    });
    assert!(with.keys() == without.keys(), "{} and {}", with.counts(), without.counts());
    assert!(with.counts().executions < without.counts().executions);
    println!("with sleep sets {}; without {}", with.counts(), without.counts());
}

/// The first verdict among all states.
fn hunt(script: &Script, wrong: &Wrong) -> Option<String> {
    let explorer = Explorer::new(true, WALKED);
    let visits = std::iter::from_fn(|| explorer.next());
    visits.map(|c| script.run_with(c, wrong, Fails::default())).find_map(|ran| ran.outcome.verdict)
}

#[test]
fn a_row_that_is_left_out_is_found() {
    let pipelined = |alignment| Scenario {
        mode: Mode::Pipelined,
        slots: 2,
        memory: Memory::Host,
        compressed: false,
        alignment,
        pyramid: false,
    };
    for (row, scenario) in [("pool_free", pipelined(0)), ("tail_published", pipelined(16))] {
        let wrong = Wrong { flaw: Some((Flaw::Dropped, vec![row])), ..Wrong::default() };
        let verdict = hunt(&scenario.smallest(PER_SHARD, Length::Whole), &wrong).unwrap_or_default();
        assert!(verdict.starts_with("race"), "{row}: {verdict:?}");
    }
}

/// The coarser levels, left unordered: by the row `reduced` left out, and by a lane of their own.
#[test]
fn a_pyramid_that_nobody_waits_for_is_found() {
    let scenario = Scenario { pyramid: true, ..TINIEST };
    let script = scenario.smallest(PER_SHARD, Length::Whole);
    let dropped = Wrong { flaw: Some((Flaw::Dropped, vec!["reduced"])), ..Wrong::default() };
    let moved = Wrong { misplaced: Some((Stage::Reduce, Lane::H2d)), ..Wrong::default() };
    for wrong in [dropped, moved] {
        let verdict = hunt(&script, &wrong).unwrap_or_default();
        let is_found = verdict.starts_with("race") || verdict.contains("nobody wrote them");
        assert!(is_found && verdict.contains("chunk pool"), "{verdict:?}");
    }
}

#[test]
fn work_of_the_drain_lane_on_the_lane_of_the_index_is_found() {
    let scenario = Scenario {
        mode: Mode::Pipelined,
        slots: 2,
        memory: Memory::Device,
        compressed: true,
        alignment: 16,
        pyramid: false,
    };
    let wrong = Wrong { misplaced: Some((Stage::TailUpload, Lane::D2h)), ..Wrong::default() };
    let verdict = hunt(&scenario.smallest(PER_SHARD, Length::Whole), &wrong).unwrap_or_default();
    assert!(verdict.starts_with("deadlock"), "{verdict:?}");
}
