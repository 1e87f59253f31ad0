//! The orchestration on a simulated device: in any order that its lanes, threads and store allow, every access is
//! ordered, nobody waits for ever, and the bytes are the same.

mod flawed;
mod run;
mod store;

use flawed::Flaw;
use forebay_flow::table::{Case, Mechanism, Row, rows};
use plan::{Memory, Mode};
use run::{Numbers, Scenario};
use sim::{Chooser, Priorities, Random, Replay};

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
                all.push(Scenario { mode, slots, memory, compressed, alignment });
            }
        }
    }
    all
}

fn chooser(seed: u64) -> Box<dyn Chooser> {
    if seed.is_multiple_of(2) { Box::new(Random::new(seed)) } else { Box::new(Priorities::new(seed)) }
}

/// 1,000 schedules of random plans, over all combinations.
#[test]
fn any_schedule_is_ordered_and_stores_the_same() {
    let all = scenarios();
    let (mut steps, mut choices) = (0, 0);
    for seed in 0..1000u64 {
        let scenario = all[seed as usize % all.len()];
        let script = scenario.script(&mut Numbers(seed));
        let (outcome, stored) = script.run(chooser(seed));
        let replay = || format!("{scenario:?}, seed {seed}, choices {}", outcome.choices);
        assert_eq!(outcome.verdict, None, "{}", replay());
        assert!(stored.unwrap() == script.want(), "{}", replay());
        steps += outcome.steps;
        choices += outcome.choices.len();
    }
    println!("1000 schedules of {} combinations: {steps} steps, {choices} choices", all.len());
}

#[test]
fn a_schedule_is_replayed_from_its_letters() {
    for (seed, scenario) in scenarios().into_iter().enumerate() {
        let script = scenario.script(&mut Numbers(seed as u64));
        let first = script.run(chooser(seed as u64));
        let again = script.run(chooser(seed as u64));
        assert!(first.0 == again.0, "{scenario:?}: the same choices, the same run");
        let replayed = script.run(Box::new(Replay::new(&first.0.choices)));
        assert_eq!((first.0.choices, first.0.steps), (replayed.0.choices, replayed.0.steps), "{scenario:?}");
        assert!(first.1.unwrap() == replayed.1.unwrap());
    }
}

/// Why a run with a flaw is wrong; `None` where nothing shows.
fn verdict(scenario: Scenario, seed: u64, flaw: Flaw, names: &[&'static str]) -> Option<String> {
    let script = scenario.script(&mut Numbers(seed));
    let (outcome, stored) = script.run_with(chooser(seed), Some(flaw), names);
    match (outcome.verdict, stored) {
        (Some(verdict), _) => Some(verdict),
        (None, Err(error)) => Some(format!("error: {error}")),
        (None, Ok(objects)) if objects != script.want() => Some("wrong bytes".to_owned()),
        _ => None,
    }
}

/// Flaws that a row can have.
fn flaws(row: Row, case: Case) -> Vec<Flaw> {
    let gate = row.mechanism(case) == Mechanism::Gate;
    let mut flaws = vec![Flaw::Dropped, Flaw::Looser];
    if row.depth(case) > 0 && !gate {
        flaws.push(Flaw::Tighter);
    }
    if !row.from.lane(case).is_host() {
        flaws.push(Flaw::Early);
    }
    if gate {
        flaws.extend([Flaw::Twice, Flaw::Never]);
    }
    flaws
}

/// Every row that costs an operation is load-bearing, in each combination in which it is live: whatever is wrong with it
/// is found.
#[test]
fn whatever_is_wrong_with_a_row_is_found() {
    let (mut killed, mut all, mut safe) = (0, 0, 0);
    for scenario in scenarios() {
        let case = scenario.script(&mut Numbers(0)).case();
        for (_, row) in rows(case).filter(|(_, r)| r.mechanism(case).costs()) {
            for flaw in flaws(row, case) {
                let tries = if flaw == Flaw::Tighter { 6 } else { 60 };
                let found = (0..tries).find_map(|n| Some((n, verdict(scenario, n, flaw, &[row.name])?)));
                all += 1;
                match found {
                    Some((seed, why)) => {
                        killed += 1;
                        println!("{scenario:?} {flaw:?} {}: seed {seed}: {why}", row.name);
                    }
                    None if flaw == Flaw::Tighter => safe += 1,
                    None => println!("SURVIVES {scenario:?} {flaw:?} {}", row.name),
                }
            }
        }
    }
    println!("killed {killed} of {all}, {safe} only slower");
    assert_eq!(killed + safe, all);
}
