//! `cargo xtask test`: every check, in order, up to the first that fails.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::exec::{Outcome, cargo, lines, show};
use crate::{kernels, readers, tidy};

/// What was asked on the command line.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Flags {
    quick: bool,
    no_readers: bool,
}

impl Flags {
    pub(crate) fn parse(words: &[&str]) -> Result<Flags, String> {
        let mut flags = Flags::default();
        for word in words {
            match *word {
                "--quick" => flags.quick = true,
                "--no-readers" => flags.no_readers = true,
                _ => {
                    return Err(format!("`{word}` is no flag of `test`: there are --quick and --no-readers"));
                }
            }
        }
        Ok(flags)
    }

    fn skips(&self, need: Need) -> bool {
        match need {
            Need::Always => false,
            Need::Thorough => self.quick,
            Need::Readers => self.quick || self.no_readers,
        }
    }
}

#[derive(Clone, Copy)]
enum Need {
    Always,
    Thorough,
    Readers,
}

struct Step {
    name: &'static str,
    need: Need,
    run: fn(&Path) -> Outcome,
    /// What to do when it fails.
    remedy: &'static str,
}

const STEPS: &[Step] = &[
    Step { name: "format", need: Need::Always, run: format, remedy: "run `cargo fmt --all`" },
    Step {
        name: "clippy",
        need: Need::Always,
        run: clippy,
        remedy: "see `cargo clippy --workspace --all-targets`",
    },
    Step {
        name: "documentation",
        need: Need::Always,
        run: documentation,
        remedy: "see `cargo doc --no-deps --workspace --lib`",
    },
    Step {
        name: "tidy",
        need: Need::Always,
        run: tidy::run,
        remedy: "each finding above names its remedy; `cargo xtask tidy` runs this alone",
    },
    Step {
        name: "kernels",
        need: Need::Readers,
        run: kernels::check,
        remedy: "`cargo xtask kernels` compiles them anew; `--no-readers` leaves this out, for it installs a compiler",
    },
    Step {
        name: "kernels on the CPU",
        need: Need::Thorough,
        run: shim,
        remedy: "see `cargo test --release -p forebay-cuda --features shim`",
    },
    Step { name: "tests (debug)", need: Need::Always, run: tests, remedy: "see `cargo test --workspace`" },
    Step {
        name: "tests (release)",
        need: Need::Thorough,
        run: release_tests,
        remedy: "see `cargo test --workspace --release`",
    },
    Step {
        name: "simulation",
        need: Need::Thorough,
        run: simulation,
        remedy: "see `cargo test -p forebay-flow --release --test sim`",
    },
    Step {
        name: "threads",
        need: Need::Thorough,
        run: threads,
        remedy: "see `cargo test -p forebay-flow --features shuttle --release --test threads`",
    },
    Step {
        name: "foreign readers",
        need: Need::Readers,
        run: readers::run,
        remedy: "`cargo xtask readers` runs this alone; `--no-readers` leaves it out",
    },
];

fn format(root: &Path) -> Outcome {
    show(cargo(root).args(["fmt", "--all", "--check"]))
}

fn clippy(root: &Path) -> Outcome {
    show(cargo(root).args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

/// Libraries only: the program and the facade are both called `forebay`, and one folder cannot hold both.
fn documentation(root: &Path) -> Outcome {
    let args = ["doc", "--no-deps", "--workspace", "--lib"];
    show(cargo(root).args(args).env("RUSTDOCFLAGS", "-D warnings"))
}

fn tests(root: &Path) -> Outcome {
    show(cargo(root).args(["test", "--workspace"]))
}

/// All but those of the next step.
fn release_tests(root: &Path) -> Outcome {
    let skips = COUNTING.iter().flat_map(|(test, _)| ["--skip", test]);
    show(cargo(root).args(["test", "--workspace", "--release", "--"]).args(skips))
}

/// Tests that say how much they have seen (states, steps, runs; schedules), and words of what each says.
const COUNTING: [(&str, &str); 2] =
    [("every_state_is_visited", "scenarios, every state: "), ("any_schedule_is_ordered", " schedules of ")];

/// Those tests by themselves, in release, so that a person sees what they say. Of the whole workspace, as the last step has built it: a
/// room by itself would be built anew, with other features.
fn simulation(root: &Path) -> Outcome {
    let mut command = cargo(root);
    command.args(["test", "--workspace", "--release", "--test", "sim", "--"]);
    command.args(COUNTING.map(|(test, _)| test)).arg("--nocapture");
    let mut said = [false; COUNTING.len()];
    lines(&mut command, |line| {
        println!("{line}");
        said.iter_mut().zip(COUNTING).for_each(|(said, (_, words))| *said |= line.contains(words));
    })?;
    let silent = COUNTING.iter().zip(said).find(|(_, said)| !said);
    silent.map_or(Ok(()), |((test, _), _)| Err(format!("no test `{test}` has said what it saw")))
}

/// A second build of a few rooms: with the feature, every lock is another one, and the other tests would not run.
fn threads(root: &Path) -> Outcome {
    let what = ["-p", "forebay-flow", "--features", "shuttle", "--release", "--test", "threads"];
    show(cargo(root).arg("clippy").args(what).args(["--", "-D", "warnings"]))?;
    show(cargo(root).arg("test").args(what))
}

/// The kernels' own sources, compiled for the CPU; of the whole workspace, so that the next steps find it built.
fn shim(root: &Path) -> Outcome {
    let what = ["--features", "forebay-cuda/shim", "--test", "shim"];
    show(cargo(root).args(["test", "--workspace", "--release"]).args(what))
}

/// Runs the steps and closes with a line that counts them.
pub(crate) fn run(root: &Path, flags: &Flags) -> Outcome {
    let mut passed = 0;
    let mut skipped = 0;
    let mut times = Vec::new();
    for step in STEPS {
        if flags.skips(step.need) {
            skipped += 1;
            println!("== {}: left out, as asked", step.name);
            continue;
        }
        println!("== {}", step.name);
        let (outcome, time) = timed(|| (step.run)(root));
        times.push((step.name, time));
        if let Err(message) = outcome {
            println!("== {}: FAILED after {:.1} s: {message}", step.name, time.as_secs_f64());
            println!("\n{passed} passed, 1 failed");
            return Err(format!("{} failed: {}", step.name, step.remedy));
        }
        println!("== {}: ok, {:.1} s", step.name, time.as_secs_f64());
        passed += 1;
    }
    close(&times, passed, skipped);
    Ok(())
}

fn close(times: &[(&str, Duration)], passed: usize, skipped: usize) {
    println!();
    for (name, time) in times {
        println!("{name:<16} {:>7.1} s", time.as_secs_f64());
    }
    let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    println!("\n{passed} passed, 0 failed{skipped}");
}

#[expect(clippy::disallowed_methods, reason = "a tool that tells a person how long a step took")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_leave_out_what_they_say() {
        let skipped = |words: &[&str]| {
            let flags = Flags::parse(words).unwrap();
            STEPS.iter().filter(|s| flags.skips(s.need)).map(|s| s.name).collect::<Vec<_>>()
        };
        assert!(skipped(&[]).is_empty());
        assert_eq!(skipped(&["--no-readers"]), ["kernels", "foreign readers"]);
        assert_eq!(
            skipped(&["--quick"]),
            ["kernels", "kernels on the CPU", "tests (release)", "simulation", "threads", "foreign readers"]
        );
        assert!(Flags::parse(&["--quik"]).unwrap_err().contains("--quik"));
    }
}
