//! Thousands of orders in which a right run may go.

use sim::Numbers;

use crate::run::Ran;
use crate::{chooser, scenarios};

/// How many schedules: 1,000, or as many as the environment says.
fn count() -> u64 {
    std::env::var("FOREBAY_SCHEDULES").ok().and_then(|n| n.parse().ok()).unwrap_or(1000)
}

#[test]
fn any_schedule_is_ordered_and_stores_the_same() {
    let all = scenarios();
    let (mut steps, mut choices) = (0, 0);
    for seed in 0..count() {
        let scenario = all[seed as usize % all.len()];
        let script = scenario.script(&mut Numbers(seed));
        // Twice, and compared: see `Script::run_with`.
        let Ran { outcome, stored, .. } = script.run(chooser(seed));
        let replay = || format!("{scenario:?}, seed {seed}, choices {}", outcome.choices);
        assert_eq!(outcome.verdict, None, "{}", replay());
        assert!(stored.as_ref() == Ok(&script.want()), "{}", replay());
        steps += outcome.steps;
        choices += outcome.choices.len();
    }
    println!("{} schedules of {} combinations: {steps} steps, {choices} choices", count(), all.len());
}
