//! The order of calls that the static check takes for granted (`proof/order.rs`) is that of the real producer and courier.

use std::collections::{BTreeMap, BTreeSet};

use forebay_flow::proof;
use forebay_flow::table::{Case, Clock, Stage};
use plan::Mode;
use sim::Numbers;

use crate::flawed::Seen;
use crate::{chooser, scenarios};

/// Runs of each combination.
const RUNS: u64 = 6;

/// When each stage was first entered, generation by generation. Stages that touch no memory are not seen.
fn first_entered(seen: &Seen) -> BTreeMap<(usize, u64), usize> {
    let mut first = BTreeMap::new();
    for (at, (_, name, generation)) in seen.entered.iter().enumerate() {
        let stage = Stage::ALL.into_iter().position(|s| s.name() == *name).unwrap();
        first.entry((stage, *generation)).or_insert(at);
    }
    first
}

/// Pairs of stages in a run, counted by batches, with whether the order of calls that the static check knows is the most
/// that holds: a generation less, and it did not.
fn compare(case: Case, first: &BTreeMap<(usize, u64), usize>, tight: &mut BTreeMap<(usize, usize), bool>) {
    let by_batch: Vec<_> =
        first.iter().filter(|((s, _), _)| Stage::ALL[*s].clock() == Clock::Batch).collect();
    let depth_of = |a: usize| Stage::ALL.map(|b| proof::called_before(case, Stage::ALL[a], b));
    let depths: Vec<_> = (0..Stage::ALL.len()).map(depth_of).collect();
    for ((a, generation), at) in &by_batch {
        for ((b, later), then) in &by_batch {
            let Some(depth) = depths[*a][*b] else { continue };
            let apart = *later as i16 - *generation as i16;
            let (first, second) = (Stage::ALL[*a], Stage::ALL[*b]);
            assert!(
                apart < depth || at < then || (a, generation) == (b, later),
                "{case:?}: {first:?} {generation} is called before {second:?} {later}, and was not"
            );
            // One that writes a slot once is not seen for long enough.
            let once = first.writes_once() || second.writes_once();
            let broken = once || (apart == depth - 1 && then <= at);
            *tight.entry((*a, *b)).or_default() |= broken;
        }
    }
}

#[test]
fn the_programs_call_as_the_static_check_says() {
    for mode in Mode::ALL {
        let mut tight = BTreeMap::new();
        for (n, scenario) in scenarios().into_iter().filter(|s| s.mode == mode).enumerate() {
            for seed in (0..RUNS).map(|run| n as u64 * RUNS + run) {
                let script = if seed % RUNS == 0 {
                    scenario.smallest_with_all()
                } else {
                    scenario.script(&mut Numbers(seed))
                };
                let ran = script.run(chooser(seed));
                assert_eq!(ran.outcome.verdict, None, "{scenario}");
                compare(scenario.case(), &first_entered(&ran.seen), &mut tight);
            }
        }
        let stages: BTreeSet<_> = tight.keys().map(|(a, _)| Stage::ALL[*a].name()).collect();
        println!("{}: {} pairs of {stages:?}", mode.name(), tight.len());
        let loose = tight.iter().filter(|(_, tight)| !**tight);
        let loose: Vec<_> = loose.map(|((a, b), _)| (Stage::ALL[*a], Stage::ALL[*b])).collect();
        assert!(loose.is_empty(), "{mode:?}: the programs keep more order than the check knows: {loose:?}");
    }
}
