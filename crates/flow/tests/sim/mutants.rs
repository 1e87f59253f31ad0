//! One thing wrong at a time: a row that is not kept as the table says, work on another lane. Whatever is wrong is found
//! by an ordering verdict: an unordered access, nobody being able to go on, a wait before its record, or wrong bytes.

use device::Lane;
use forebay_flow::proof::{self, Variant};
use forebay_flow::table::{Case, Mechanism, Row, Stage, rows};
use plan::{Memory, Mode};
use sim::Numbers;

use crate::flawed::{Flaw, Wrong};
use crate::run::Scenario;
use crate::{chooser, scenarios};

/// Schedules in which a mutant must be found.
const TRIES: u64 = 60;
/// Schedules of a mutant that may be right and only slower.
const TRIES_SLOWER: u64 = 12;

/// Why a run is wrong; `None` where nothing shows. And how often waits for its flawed rows were not met at once.
fn verdict(scenario: Scenario, seed: u64, wrong: &Wrong) -> (Option<String>, u64) {
    let script = scenario.script(&mut Numbers(seed));
    let ran = script.run_with(chooser(seed), wrong.clone(), None);
    let blocked = ran.seen.blocked.load(std::sync::atomic::Ordering::Relaxed);
    let why = match (ran.outcome.verdict, ran.stored) {
        (Some(verdict), _) => Some(verdict),
        // What a device says of a wait before its record.
        (None, Err(error)) => Some(error),
        (None, Ok(objects)) if objects != script.want() => Some("wrong bytes".to_owned()),
        _ => None,
    };
    (why, blocked)
}

/// The first schedule that finds it.
fn hunt(scenario: Scenario, wrong: &Wrong, tries: u64) -> Option<(u64, String)> {
    (0..tries).find_map(|seed| Some((seed, verdict(scenario, seed, wrong).0?)))
}

fn row_flaw(flaw: Flaw, row: &'static str) -> Wrong {
    Wrong { flaw: Some((flaw, vec![row])), ..Wrong::default() }
}

/// Flaws that a row can have.
fn flaws(row: Row, case: Case) -> Vec<Flaw> {
    let gate = row.mechanism(case) == Mechanism::Gate;
    let on_host = row.from.lane(case).is_host();
    let mut flaws = vec![Flaw::Dropped, Flaw::Looser];
    if row.depth(case) > 0 && !gate {
        flaws.push(Flaw::Tighter);
    }
    if !on_host {
        flaws.push(Flaw::Early);
    }
    if on_host && row.mechanism(case) != Mechanism::HandOff {
        flaws.push(Flaw::Ahead);
    }
    if gate {
        flaws.extend([Flaw::Twice, Flaw::Never]);
    }
    flaws
}

/// One line for each mutant, and the totals.
#[derive(Default)]
struct Tally {
    killed: u32,
    slower: u32,
    survivors: Vec<String>,
}

impl Tally {
    fn take(&mut self, scenario: Scenario, name: &str, found: Option<(u64, String)>) {
        match found {
            Some((seed, why)) => {
                self.killed += 1;
                println!("killed    {scenario} {name}: schedule {seed}: {why}");
            }
            None => {
                println!("SURVIVED  {scenario} {name}");
                self.survivors.push(format!("{scenario} {name}"));
            }
        }
    }

    /// A ring that is one shorter may be right: then it is waited for more often.
    fn take_tighter(&mut self, scenario: Scenario, row: &'static str) {
        let wrong = row_flaw(Flaw::Tighter, row);
        if let Some(found) = hunt(scenario, &wrong, TRIES_SLOWER) {
            return self.take(scenario, &format!("Tighter {row}"), Some(found));
        }
        // `Never` leaves all rows but a gate as they are: it only counts.
        let blocked =
            |flaw| (0..TRIES_SLOWER).map(|s| verdict(scenario, s, &row_flaw(flaw, row)).1).sum::<u64>();
        let (before, after) = (blocked(Flaw::Never), blocked(Flaw::Tighter));
        self.slower += 1;
        println!("slower    {scenario} Tighter {row}: waits that are not met at once {before} -> {after}");
    }
}

#[test]
fn whatever_is_wrong_is_found() {
    let mut tally = Tally::default();
    for scenario in scenarios() {
        let case = scenario.script(&mut Numbers(0)).case();
        for (_, row) in rows(case).filter(|(_, r)| r.mechanism(case).costs()) {
            // The static check and the simulator agree: both miss the row.
            assert!(proof::sound(Variant::of(case).without(row.name)).is_err(), "{case:?} {}", row.name);
            for flaw in flaws(row, case) {
                match flaw {
                    Flaw::Tighter => tally.take_tighter(scenario, row.name),
                    _ => {
                        let found = hunt(scenario, &row_flaw(flaw, row.name), TRIES);
                        tally.take(scenario, &format!("{flaw:?} {}", row.name), found);
                    }
                }
            }
        }
    }
    moved_stages(&mut tally);
    let all = tally.killed + tally.survivors.len() as u32;
    println!("{} mutants are right and only slower", tally.slower);
    println!("killed {} of {all}", tally.killed);
    assert_eq!(tally.survivors, Vec::<String>::new());
}

/// Payload copies and tail uploads behind the next batch's index: the reason for the drain lane.
fn moved_stages(tally: &mut Tally) {
    for scenario in scenarios() {
        let case = scenario.script(&mut Numbers(0)).case();
        // With the tail: without it the next aggregate waits for nobody who waits for the copies.
        let parks = case.aligned && case.compressed && case.memory == Memory::Device;
        if !parks || case.mode != Mode::Pipelined {
            continue;
        }
        assert!(proof::sound(Variant::of(case).moving(Stage::Payload, Lane::D2h)).is_err(), "{case:?}");
        let wrong = Wrong { moved: Some((Lane::Drain, Lane::D2h)), ..Wrong::default() };
        tally.take(scenario, "drain on d2h", hunt(scenario, &wrong, TRIES));
    }
}

/// The two that shipped in the reference: the pool zeroed while it is still packed, and a tail that the next batch did
/// not wait for. One run each, no search, and the right buffer and row are named.
#[test]
fn the_references_two_losses_are_found_at_once() {
    let scenario =
        Scenario { mode: Mode::Pipelined, slots: 2, memory: Memory::Device, compressed: true, alignment: 64 };
    for (row, writer, reader) in [
        ("pool_free", ["Zero", "Scatter", "Carry"], "Compress"),
        ("tail_published", ["TailUpload"; 3], "Aggregate"),
    ] {
        let (why, _) = verdict(scenario, 0, &row_flaw(Flaw::Dropped, row));
        let why = why.expect(row);
        assert!(writer.iter().any(|w| why.contains(w)) && why.contains(reader), "{row}: {why}");
        assert!(why.split("; rows ").nth(1).is_some_and(|rows| rows.contains(row)), "{row}: {why}");
        println!("{row}: {why}");
    }
}

/// A canary: a flaw in no row is not found, or the harness would find anything.
#[test]
fn nothing_wrong_is_not_found() {
    for scenario in scenarios() {
        for seed in 0..4 {
            let nothing = Wrong { flaw: Some((Flaw::Dropped, vec![])), ..Wrong::default() };
            assert_eq!(verdict(scenario, seed, &nothing).0, None, "{scenario}");
        }
    }
}
