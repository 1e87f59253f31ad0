//! The explorer visits every state of small programs, and notices what it must not believe.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use device::{Device, Lane, Mark, Read, Write};
use forebay_sim::{Chooser, Explorer, Numbers, Outcome, Sim};
use plan::Memory;

type Program<'a> = &'a dyn Fn(&Sim);

fn run(program: Program<'_>, chooser: Box<dyn Chooser>) -> Outcome {
    let sim = Sim::open(Memory::Host, chooser);
    program(&sim);
    sim.settle();
    sim.outcome()
}

/// Visits every state; the explorer, and the verdicts of all runs.
fn explore(program: Program<'_>, reduces: bool) -> (Explorer, Vec<Option<String>>) {
    let explorer = Explorer::new(reduces, 1);
    let mut verdicts = Vec::new();
    while let Some(chooser) = explorer.next() {
        verdicts.push(run(program, chooser).verdict);
    }
    (explorer, verdicts)
}

/// Every walk from a meeting, and some by chance; what was found not to be so.
fn walk(program: Program<'_>, explorer: &Explorer) -> Option<String> {
    (0..explorer.kept()).for_each(|n| drop(run(program, explorer.walk(Some(n), 0))));
    (0..20).for_each(|seed| drop(run(program, explorer.walk(None, seed))));
    explorer.broken()
}

/// `steps` records on each of two lanes.
fn two_lanes(sim: &Sim, steps: u64) {
    for lane in [Lane::H2d, Lane::Compute] {
        let mark = sim.mark().unwrap();
        (0..steps).for_each(|g| sim.record(lane, mark, g).unwrap());
    }
    // Ends with an error where the run is stopped.
    let _ = sim.synchronize();
}

type Act = Arc<dyn Fn(&Sim) + Send + Sync>;

/// Threads that each do one thing when it is their turn; returns when all have.
fn threads(sim: &Sim, each: &[Act]) {
    let start = |act: &Act| {
        let (act, inside) = (act.clone(), sim.clone());
        sim.spawn("one", Box::new(move || act(&inside))).unwrap()
    };
    let started: Vec<_> = each.iter().map(start).collect();
    started.into_iter().for_each(|t| t.join().unwrap());
}

#[test]
fn every_state_of_two_lanes_is_counted_once() {
    // A grid of what each lane has done, and the end.
    for steps in 1..6 {
        let program = |sim: &Sim| two_lanes(sim, steps);
        for reduces in [false, true] {
            let (explorer, verdicts) = explore(&program, reduces);
            let counts = explorer.counts();
            assert_eq!(counts.states, (steps + 1) * (steps + 1) + 1, "{counts}");
            assert_eq!(counts.deepest, 2 * steps + 1, "{counts}");
            assert!(verdicts.iter().all(Option::is_none));
            assert_eq!(walk(&program, &explorer), None);
            // All orders but one lead to states that were visited.
            let edges = if reduces { counts.states - 1 } else { 2 * steps * (steps + 1) + 1 };
            assert_eq!(counts.transitions, edges, "{counts}");
        }
    }
}

#[test]
fn who_blocks_in_one_order_only_is_found() {
    let program = |sim: &Sim| {
        let (mark, late) = (sim.mark().unwrap(), Arc::new(AtomicBool::new(false)));
        let seen = late.clone();
        let waits = move |sim: &Sim| {
            seen.store(true, Ordering::Relaxed);
            let _ = sim.wait(Lane::Producer, mark, 0);
        };
        let records = move |sim: &Sim| {
            if !late.load(Ordering::Relaxed) {
                sim.record(Lane::Producer, mark, 0).unwrap();
            }
        };
        threads(sim, &[Arc::new(waits), Arc::new(records)]);
    };
    let (_, verdicts) = explore(&program, true);
    let blocked = verdicts.iter().flatten().filter(|v| v.starts_with("deadlock")).count();
    assert!(blocked > 0 && blocked < verdicts.len(), "{verdicts:?}");
}

/// The store answers twice: it says that it is done, and reads a buffer. Only if it says so last, it has seen the read.
fn writes_after_both(sim: &Sim) {
    let (buffer, marks) = (sim.register(vec![0; 8]).unwrap(), [(); 2].map(|()| sim.mark().unwrap()));
    let (inside, read) = (sim.clone(), buffer.clone());
    sim.later(move || inside.record(Lane::Sink, marks[0], 0).unwrap());
    let inside = sim.clone();
    sim.later(move || {
        inside.record(Lane::Producer, marks[1], 0).unwrap();
        // SAFETY: one thread goes at a time; whether more orders this read is what is looked for.
        assert_eq!(unsafe { Read::mint(&read, 0..8) }.bytes().unwrap(), [0; 8]);
    });
    if marks.iter().all(|m| sim.wait(Lane::Producer, *m, 0).is_ok()) {
        // SAFETY: as above.
        unsafe { Write::mint(&buffer, 0..8) }.bytes().unwrap().fill(1);
    }
}

#[test]
fn states_that_differ_in_what_was_seen_are_two() {
    let (explorer, verdicts) = explore(&writes_after_both, true);
    assert_eq!(explorer.broken(), None);
    let races = verdicts.iter().flatten().filter(|v| v.starts_with("race")).count();
    assert!(races > 0 && races < verdicts.len(), "one of the two orders races: {verdicts:?}");
}

/// Two threads write their names; who joins them does something else when the second came first.
fn hidden(sim: &Sim, says: bool) {
    let log = Arc::new(Mutex::new(Vec::new()));
    if says {
        let log = log.clone();
        sim.watch(move |state| log.lock().unwrap().iter().for_each(|n| state.word(*n)));
    }
    let writes = |name: u64| {
        let log = log.clone();
        Arc::new(move |_: &Sim| log.lock().unwrap().push(name)) as Act
    };
    threads(sim, &[writes(1), writes(2)]);
    if log.lock().unwrap()[..] == [2, 1] {
        let _ = sim.turn();
    }
}

#[test]
fn what_the_key_does_not_tell_is_noticed() {
    let program = |sim: &Sim| hidden(sim, false);
    let (explorer, _) = explore(&program, true);
    assert_eq!(explorer.broken(), None, "both orders end in what looks like one state");
    let said = walk(&program, &explorer).unwrap();
    assert!(
        said.contains("elsewhere") || said.contains("can go on") || said.contains("not visited"),
        "{said}"
    );
    let program = |sim: &Sim| hidden(sim, true);
    let (explorer, _) = explore(&program, true);
    assert_eq!(walk(&program, &explorer), None, "a test that says more tells them apart");
}

#[test]
fn a_program_that_chance_decides_is_noticed() {
    let runs = AtomicU64::new(0);
    let program = |sim: &Sim| two_lanes(sim, 2 + runs.fetch_add(1, Ordering::Relaxed) % 2);
    // Without a replica's help each order is run.
    let again = |sim: &Sim| {
        let _ = sim.turn();
        program(sim);
        threads(sim, &[Arc::new(|_: &Sim| ()), Arc::new(|_: &Sim| ())]);
    };
    let (explorer, _) = explore(&again, true);
    let said = explorer.broken().unwrap();
    assert!(said.contains("the same choices"), "{said}");
}

#[test]
fn a_mark_that_two_lanes_reach_is_refused() {
    let program = |sim: &Sim| {
        let mark = sim.mark().unwrap();
        sim.record(Lane::H2d, mark, 0).unwrap();
        sim.record(Lane::Compute, mark, 1).unwrap();
        let _ = sim.synchronize();
    };
    assert!(explore(&program, true).0.broken().unwrap().contains("two lanes"));
}

#[test]
fn a_state_that_was_left_out_is_noticed() {
    let program = |sim: &Sim| {
        threads(sim, &[Arc::new(|sim: &Sim| drop(sim.turn())), Arc::new(|sim: &Sim| drop(sim.turn()))]);
    };
    let explorer = Explorer::new(true, 1);
    run(&program, explorer.next().unwrap());
    let said = walk(&program, &explorer).unwrap();
    assert!(said.contains("not visited"), "{said}");
}

/// What a thread of a program by chance does: any order of records and waits, wrong ones too.
fn act(sim: &Sim, marks: [Mark; 3], numbers: &mut Numbers) {
    let (any, mark, generation) = (numbers.below(2), marks[numbers.below(3) as usize], numbers.below(2));
    let lane = [Lane::H2d, Lane::Compute][any as usize];
    // Errors are part of it: a record out of order, a wait before its record, the end of the run.
    match numbers.below(6) {
        0 => drop(sim.turn()),
        1 => drop(sim.record(lane, marks[any as usize], generation)),
        2 => drop(sim.wait(lane, mark, generation)),
        3 => drop(sim.record(Lane::Producer, marks[2], generation)),
        4 => {
            let inside = sim.clone();
            sim.later(move || drop(inside.record(Lane::Sink, marks[2], generation)));
        }
        _ => {
            let first = sim.wait_either(Lane::Producer, (mark, generation), (marks[1], 0));
            if first.is_ok_and(|first| first) {
                drop(sim.turn());
            }
        }
    }
}

#[test]
fn programs_by_chance_have_the_same_states_with_sleep_sets() {
    let (mut states, mut runs) = (0, [0, 0]);
    for seed in 20..50 {
        let program = |sim: &Sim| {
            let marks = [(); 3].map(|()| sim.mark().unwrap());
            let does = |thread: u64| -> Act {
                Arc::new(move |sim: &Sim| {
                    let mut numbers = Numbers(seed * 2 + thread);
                    (0..4).for_each(|_| act(sim, marks, &mut numbers));
                })
            };
            threads(sim, &[does(0), does(1)]);
        };
        let [all, reduced] = [false, true].map(|reduces| explore(&program, reduces).0);
        assert_eq!(walk(&program, &all), None, "seed {seed}");
        assert_eq!(walk(&program, &reduced), None, "seed {seed}");
        assert!(all.keys() == reduced.keys(), "seed {seed}: {} and {}", all.counts(), reduced.counts());
        states += all.counts().states;
        runs[0] += all.counts().executions;
        runs[1] += reduced.counts().executions;
    }
    println!("{states} states in {} runs, with sleep sets in {}", runs[0], runs[1]);
    assert!(runs[1] < runs[0]);
}
