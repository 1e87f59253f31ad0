//! `cargo xtask mutants` and `cargo xtask soak`: the simulator for longer than a test run, and what it says line by line.

use std::path::Path;

use crate::docs;
use crate::exec::{Outcome, cargo, lines, show};

/// Schedules of a soak where none are named.
const SCHEDULES: &str = "10000";

/// What the lines begin with that the tests say for this command.
const SAYS: &str = ":: ";

/// One line for each mutant; the last one is the total. Writes the report on rows that are left out, and what is built on
/// it.
pub(crate) fn mutants(root: &Path) -> Outcome {
    let args = ["test", "--release", "-p", "forebay-flow", "--test", "sim", "mutants::", "--"];
    let mut command = cargo(root);
    command.args(args).args(["--nocapture", "--test-threads", "1"]);
    command.env("FOREBAY_MUTANTS", root.join(docs::MUTANTS));
    let mut total = None;
    let ended = lines(&mut command, |line| {
        let Some(said) = line.strip_prefix(SAYS) else { return };
        // The total comes last, whatever is said after it.
        match said.strip_prefix("killed ").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        {
            true => total = Some(said.to_owned()),
            false => println!("{said}"),
        }
    });
    let written = ended.and_then(|()| docs::write(root));
    match total {
        Some(total) => println!("{total}"),
        None => return written.and(Err("the simulator gave no total: run its tests by hand".to_owned())),
    }
    written
}

/// Many random schedules of random plans; failures in some of them; and every state of every smallest scenario, walked on
/// from every meeting.
pub(crate) fn soak(root: &Path, schedules: Option<&str>) -> Outcome {
    let count = schedules.unwrap_or(SCHEDULES);
    if count.parse::<u64>().is_err() {
        return Err(format!("`{count}` is no number of schedules; give one, or none for {SCHEDULES}"));
    }
    let tests = |names: &[&str]| {
        let mut command = cargo(root);
        command.args(["test", "--release", "-p", "forebay-flow", "--test", "sim", "--"]);
        command.args(names).arg("--nocapture");
        command
    };
    show(tests(&["any_schedule", "faults::"]).env("FOREBAY_SCHEDULES", count))?;
    show(tests(&["every_state"]).env("FOREBAY_STATES", "all"))
}
