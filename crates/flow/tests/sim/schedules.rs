//! Thousands of orders in which a right run may go.

use sim::Numbers;

use crate::run::Ran;
use crate::{chooser, scenarios};

/// How many schedules: 1,000, a quarter of that in debug builds, or as many as the environment says.
fn count() -> u64 {
    std::env::var("FOREBAY_SCHEDULES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(if cfg!(debug_assertions) { 250 } else { 1000 })
}

#[test]
fn any_schedule_is_ordered_and_stores_the_same() {
    let all = scenarios();
    let (mut steps, mut choices, mut kicks, mut carries) = (0, 0, 0, 0);
    for seed in 0..count() {
        let scenario = all[seed as usize % all.len()];
        let script = scenario.script(&mut Numbers(seed));
        // Twice, and compared: see `Script::run_with`.
        let Ran { outcome, stored, seen, .. } = script.run(chooser(seed));
        let replay = || format!("{scenario:?}, seed {seed}, choices {}", outcome.choices);
        assert_eq!(outcome.verdict, None, "{}", replay());
        assert!(stored.as_ref() == Ok(&script.want()), "{}", replay());
        steps += outcome.steps;
        choices += outcome.choices.len();
        let by_keeper = |(thread, stage, _): &&(String, _, _)| thread == "keeper" && *stage == "Kick";
        kicks += seen.entered.iter().filter(by_keeper).count();
        carries += seen.entered.iter().filter(|(_, stage, _)| *stage == "Carry").count();
    }
    let (count, all) = (count(), all.len());
    println!("{count} schedules of {all} combinations: {steps} steps, {choices} choices");
    println!("{kicks} batches kicked by the keeper, {carries} begun epochs carried over");
    assert!(kicks > 0 && carries > 0, "the keeper never had its turn");
}
