//! `cargo xtask mutants` and `cargo xtask soak`: the simulator for longer than a test run, and what it says line by line.

use std::path::Path;

use crate::exec::{Outcome, cargo, output, show};

/// Schedules of a soak where none are named.
const SCHEDULES: &str = "10000";

/// One line for each mutant; the last one is the total.
pub(crate) fn mutants(root: &Path) -> Outcome {
    let args = ["test", "--release", "-p", "forebay-flow", "--test", "sim", "mutants::", "--"];
    let said = output(cargo(root).args(args).args(["--nocapture", "--test-threads", "1"]))?;
    // The harness writes the name of a test before its first line.
    let words = ["killed ", "slower ", "SURVIVED ", "pool_free: ", "tail_published: "];
    let line = |l: &str| words.iter().find_map(|w| l.find(w).map(|at| l[at..].to_owned()));
    let is_total = |l: &String| l.starts_with("killed ") && l.contains(" of ") && !l.contains("schedule");
    let (totals, mutants): (Vec<_>, Vec<_>) = said.lines().filter_map(line).partition(is_total);
    mutants.iter().for_each(|l| println!("{l}"));
    println!(
        "{} mutants are right and only slower",
        mutants.iter().filter(|l| l.starts_with("slower")).count()
    );
    totals.iter().for_each(|l| println!("{l}"));
    if totals.is_empty() {
        Err("the simulator gave no total: run its tests by hand".to_owned())
    } else {
        Ok(())
    }
}

/// Many random schedules of random plans; and every state of every smallest scenario, walked on from every meeting.
pub(crate) fn soak(root: &Path, schedules: Option<&str>) -> Outcome {
    let count = schedules.unwrap_or(SCHEDULES);
    if count.parse::<u64>().is_err() {
        return Err(format!("`{count}` is no number of schedules; give one, or none for {SCHEDULES}"));
    }
    let args =
        ["test", "--release", "-p", "forebay-flow", "--test", "sim", "any_schedule", "--", "--nocapture"];
    show(cargo(root).args(args).env("FOREBAY_SCHEDULES", count))?;
    let args =
        ["test", "--release", "-p", "forebay-flow", "--test", "sim", "every_state", "--", "--nocapture"];
    show(cargo(root).args(args).env("FOREBAY_STATES", "all"))
}
