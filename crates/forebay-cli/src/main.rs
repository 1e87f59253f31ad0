//! The forebay command.
#![forbid(unsafe_code)]

mod args;
mod bench;
mod camera;
mod commands;
mod failure;
mod feed;
mod human;
mod input;
mod interrupt;
mod layout;
mod levels;
mod output;
mod progress;
mod report;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub(crate) use failure::Failure;

const LONG_ABOUT: &str = "\
Streams image frames into sharded Zarr v3 and OME-Zarr 0.5, in bounded memory.

Frames are cut into chunks, compressed, packed into shards and written while more arrive. What is finished can \
be read by other programs while the run goes on.";

const EXAMPLES: &str = "\
Examples:
  See it work, without a file or a camera
      forebay demo

  Turn a TIFF stack into OME-Zarr
      forebay write stack.tif stack.ome.zarr

  Record what a program prints, for as long as it runs
      camera | forebay write - run.ome.zarr --dtype u16 -d t:0,y:2048,x:2048

Exit codes: 0 all is well; 1 the run failed; 2 the input was refused and nothing was written; 130 interrupted, \
with the store closed properly.";

#[derive(Parser)]
#[command(name = "forebay", version, about = "Streams image frames into sharded Zarr v3 and OME-Zarr 0.5", long_about = LONG_ABOUT)]
#[command(after_long_help = EXAMPLES, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Write(commands::write::Args),
    Plan(commands::plan::Args),
    Verify(commands::verify::Args),
    Info(commands::info::Args),
    Demo(commands::demo::Args),
    Bench(commands::bench::Args),
}

impl Command {
    fn run(&self) -> Result<(), Failure> {
        match self {
            Command::Write(args) => commands::write::run(args),
            Command::Plan(args) => commands::plan::run(args),
            Command::Verify(args) => commands::verify::run(args),
            Command::Info(args) => commands::info::run(args),
            Command::Demo(args) => commands::demo::run(args),
            Command::Bench(args) => commands::bench::run(args),
        }
    }
}

fn main() -> ExitCode {
    let json = std::env::args_os().any(|arg| arg == "--json");
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(&error, json),
    };
    match cli.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.show(json);
            ExitCode::from(failure.exit())
        }
    }
}

/// Arguments that clap refuses, and `--help` and `--version`, which it reports the same way.
fn misused(error: &clap::Error, json: bool) -> ExitCode {
    // Nothing is left to be done when the terminal is gone.
    let _ = error.print();
    if json && error.use_stderr() {
        let text = error.render().to_string();
        // What follows the first paragraph is usage, for people.
        let first = text.split("\n\n").next().unwrap_or_default();
        output::json(&failure::json(first.strip_prefix("error: ").unwrap_or(first), 2));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
