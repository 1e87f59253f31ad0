//! The project's own tools: `cargo xtask` lists them.
#![forbid(unsafe_code)]

mod docs;
mod exec;
mod gpu;
mod kernels;
mod readers;
mod simulate;
mod suite;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test [--quick] [--no-readers]
            everything: format, clippy, documentation, tidy, tests in debug and in release,
            the threads under shuttle, foreign readers
            --quick       leave out the release tests, the simulation, the threads and the foreign readers
            --no-readers  leave out the foreign readers (they install packages)
  tidy      room arrows, unsafe code, dependencies, licences, generated files, words
  docs      write the generated documents anew
  kernels   compile the GPU's kernels anew, with a compiler that it installs under target/
  gpu-pack [--images]
            a folder with what a GPU host needs to run the tests that need a GPU
            --images      take the large images along
  mutants   break every row of the edge table, in every mode, and see it found: a line each, and the total
  soak [N]  N random schedules of random plans on the simulated device (10,000), failures in some, and every
            state of every smallest scenario
  readers   write stores of many shapes and read them back with other people's programs
  readers --stores ARCHIVE
            read those that a GPU host has written, as its `run.sh` leaves them";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match command(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn command(words: &[&str]) -> exec::Outcome {
    let root = exec::root();
    match words {
        ["test", flags @ ..] => suite::run(&root, &suite::Flags::parse(flags)?),
        ["tidy"] => tidy::run(&root),
        ["docs"] => docs::write(&root),
        ["gpu-pack"] => gpu::pack(&root, false),
        ["gpu-pack", "--images"] => gpu::pack(&root, true),
        ["kernels"] => kernels::write(&root),
        ["mutants"] => simulate::mutants(&root),
        ["soak"] => simulate::soak(&root, None),
        ["soak", schedules] => simulate::soak(&root, Some(schedules)),
        ["readers"] => readers::run(&root),
        ["readers", "--stores", archive] => readers::check_elsewhere(&root, std::path::Path::new(archive)),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(format!("`{}` is no command\n\n{USAGE}", words.join(" "))),
    }
}
