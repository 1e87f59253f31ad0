//! Thousands of orders in which a right run may go.

use std::collections::BTreeMap;
use std::fmt;

use plan::Reducer;
use sim::{Chooser, Numbers, Replay};

use crate::run::{Ran, Script};
use crate::{POINTS, chooser, with_pyramids};

/// How many schedules: 1,000, a quarter of that in debug builds, or as many as the environment says.
fn count() -> u64 {
    std::env::var("FOREBAY_SCHEDULES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(if cfg!(debug_assertions) { 250 } else { 1000 })
}

/// One schedule to run again: its number and the letters of its choices, with a colon between.
fn again() -> Option<(u64, String)> {
    let said = std::env::var("FOREBAY_REPLAY").ok()?;
    let (seed, letters) = said.split_once(':').expect("FOREBAY_REPLAY is a number, a colon, and letters");
    Some((seed.parse().expect("FOREBAY_REPLAY begins with a number"), letters.to_owned()))
}

/// How many plans had pyramids of each kind.
#[derive(Default)]
struct Pyramids {
    /// Of one, two and three coarser levels.
    levels: [u64; 3],
    reducers: BTreeMap<&'static str, u64>,
    /// Of frames, where it is another than that of the other dimensions.
    own: BTreeMap<&'static str, u64>,
}

impl Pyramids {
    fn add(&mut self, script: &Script) {
        let Some((levels, reducer, own)) = script.pyramid() else { return };
        self.levels[levels - 1] += 1;
        *self.reducers.entry(reducer.name()).or_default() += 1;
        own.into_iter().for_each(|own| *self.own.entry(own.name()).or_default() += 1);
    }

    fn has_all(&self) -> bool {
        let all = Reducer::ALL.len();
        self.levels.iter().all(|n| *n > 0) && self.reducers.len() == all && self.own.len() == all
    }
}

impl fmt::Display for Pyramids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pyramids { levels: [one, two, three], reducers, own } = self;
        write!(
            f,
            "pyramids of one level: {one}, of two: {two}, of three: {three}; reducers {reducers:?}, own {own:?}"
        )
    }
}

#[test]
fn any_schedule_is_ordered_and_stores_the_same() {
    let all = with_pyramids();
    let (mut steps, mut choices, mut kicks, mut carries, mut longer) = (0, 0, 0, 0, 0);
    let again = again();
    let mut pyramids = Pyramids::default();
    let seeds = again.as_ref().map_or(0..count(), |(seed, _)| *seed..seed + 1);
    for seed in seeds {
        let scenario = all[seed as usize % all.len()];
        let script = scenario.script(&mut Numbers(seed));
        // Twice, and compared: see `Script::run_with`.
        let chooser: Box<dyn Chooser> = match &again {
            Some((_, letters)) => Box::new(Replay::new(letters)),
            None => chooser(seed),
        };
        let Ran { outcome, stored, seen, .. } = script.run(chooser);
        let replay = || format!("{scenario}; again: FOREBAY_REPLAY={seed}:{}", outcome.choices);
        assert_eq!(outcome.verdict, None, "{}", replay());
        assert!(stored.as_ref() == Ok(&script.want()), "{}", replay());
        pyramids.add(&script);
        longer += u64::from(outcome.points > POINTS);
        steps += outcome.steps;
        choices += outcome.choices.len();
        let by_keeper = |(thread, stage, _): &&(String, _, _)| thread == "keeper" && *stage == "Kick";
        kicks += seen.entered.iter().filter(by_keeper).count();
        carries += seen.entered.iter().filter(|(_, stage, _)| *stage == "Carry").count();
    }
    let (count, all) = (count(), all.len());
    println!("{count} schedules of {all} combinations: {steps} steps, {choices} choices");
    println!("{kicks} batches kicked by the keeper, {carries} begun epochs carried over");
    println!("{pyramids}");
    println!("{longer} have more than the {POINTS} points of choice that priorities count on");
    assert!(again.is_some() || longer * 5 < count, "priorities change too early for most runs");
    assert!(again.is_some() || pyramids.has_all(), "no pyramid of some kind: {pyramids}");
    assert!(again.is_some() || kicks > 0 && carries > 0, "the keeper never had its turn");
}
