//! `forebay write`: files or standard input into a store.

use std::time::Duration;

use forebay::{Plan, Report, Writer};
use serde_json::json;

use crate::args::{Job, Request};
use crate::feed::{BLOCKS, Feed, Next};
use crate::input::InputError;
use crate::interrupt::Stop;
use crate::progress::Progress;
use crate::report::Outcome;
use crate::{Failure, layout, levels, output};

/// Time after which Ctrl-C is looked for when the input says nothing.
const PATIENCE: Duration = Duration::from_millis(100);

/// Write files, or what a program prints, into a store
///
/// What you leave out is taken from the input or chosen, and printed: sizes, chunks, shards, order, codec.
/// Ctrl-C ends the run properly: what has arrived until then is a complete store.
#[derive(clap::Args)]
#[command(override_usage = "forebay write [OPTIONS] INPUT... STORE", after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    request: Request,
}

const EXAMPLES: &str = "\
Examples:
  A TIFF stack
      forebay write stack.tif stack.ome.zarr

  One file for each point in time, another codec, chunks of 256 x 256
      forebay write frames/*.tif run.ome.zarr --codec blosc-lz4 -d y::256,x::256

  Raw bytes from a program, for as long as it runs
      camera | forebay write - run.ome.zarr --dtype u16 -d t:0,y:2048,x:2048";

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let Job { source, array, options, store, mut notes } = args.request.prepare()?;
    let stop = Stop::listen()?;
    let mut writer = Writer::open(store.as_path(), &array, options)?;
    let plan = writer.plan().clone();
    notes.extend(writer.notices().iter().cloned());
    notes.extend(levels::none(&array, &plan));
    introduce(&plan, &notes);
    let mut progress = Progress::new(plan.frame_bytes, plan.total_bytes);
    let end = copy(&Feed::start(source)?, &mut writer, &stop, &mut progress);
    progress.closing();
    let closed = end.and_then(|end| close(writer, end));
    progress.clear();
    let (end, report) = closed?;
    let outcome = Outcome { store: &store, plan: &plan, report: &report };
    let short = shortfall(&plan, &report);
    output::say(&outcome.text());
    say_notes(&short);
    notes.extend(short);
    conclude(&outcome, end, &notes, args.request.json)
}

/// How the copying ended.
enum End {
    /// The input was over.
    Over,
    /// The user asked.
    Interrupted,
    /// The input cannot be read further.
    Broken(InputError),
    /// The input goes on past the size that was given.
    TooLong,
}

fn introduce(plan: &Plan, notes: &[String]) {
    output::say(&layout::text(plan));
    say_notes(notes);
    output::say("");
}

fn say_notes(notes: &[String]) {
    for note in notes {
        output::say(&format!("  note: {note}"));
    }
}

/// Appends all there is.
fn copy(feed: &Feed, writer: &mut Writer, stop: &Stop, progress: &mut Progress) -> Result<End, Failure> {
    let total = writer.plan().total_bytes.unwrap_or(u64::MAX);
    let mut taken = 0;
    while !stop.asked() {
        if let Some(end) = step(feed, writer, PATIENCE, total, &mut taken)? {
            return Ok(end);
        }
        progress.show(&writer.metrics(), taken);
    }
    // What had been read before Ctrl-C is not thrown away.
    for _ in 0..BLOCKS {
        if step(feed, writer, Duration::ZERO, total, &mut taken)?.is_some() {
            break;
        }
    }
    Ok(End::Interrupted)
}

/// Appends the next block, if there is one in time.
fn step(
    feed: &Feed,
    writer: &mut Writer,
    patience: Duration,
    total: u64,
    taken: &mut u64,
) -> Result<Option<End>, Failure> {
    match feed.next(patience) {
        Next::Bytes(block) => {
            let room = usize::try_from(total - *taken).unwrap_or(usize::MAX);
            let fits = room.min(block.bytes().len());
            writer.append(&block.bytes()[..fits])?;
            *taken += fits as u64;
            if fits < block.bytes().len() {
                return Ok(Some(End::TooLong));
            }
            feed.give_back(block);
        }
        // An error of the run is not left waiting for the next frame.
        Next::Nothing => writer.append(&[])?,
        Next::End => return Ok(Some(End::Over)),
        Next::Broken(error) => return Ok(Some(End::Broken(error))),
    }
    Ok(None)
}

/// A source that broke, or ended within a frame, leaves a store that says so.
fn close(writer: Writer, end: End) -> Result<(End, Report), Failure> {
    let whole = match end {
        End::Broken(_) => false,
        End::Over => writer.metrics().bytes_in.is_multiple_of(writer.plan().frame_bytes),
        // As much as somebody wanted.
        End::Interrupted | End::TooLong => true,
    };
    let report = if whole { writer.close()? } else { writer.close_incomplete()? };
    Ok((end, report))
}

/// What the store lacks of what was planned.
fn shortfall(plan: &Plan, report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    let (name, held) = (&plan.dims[0].name, report.shape[0]);
    if let Some(size) = plan.dims[0].size.filter(|s| *s > held) {
        notes.push(format!("`{name}` ends at {held} of {size}: the input held no more"));
    }
    if report.missing_bytes > 0 {
        let missing = report.missing_bytes;
        notes.push(format!("the last `{name}` is incomplete: {missing} bytes of it hold the fill value"));
    }
    notes
}

/// Says whether it went well, and prints the object.
fn conclude(outcome: &Outcome<'_>, end: End, notes: &[String], json: bool) -> Result<(), Failure> {
    let failure = judge(outcome, end);
    if json {
        let mut object = outcome.json(notes);
        object["interrupted"] = json!(matches!(failure, Some(Failure::Interrupted)));
        if let Some(Failure::Reported(message)) = &failure {
            object["error"] = json!({ "message": message, "exit": 1 });
        }
        output::json(&object);
    }
    if matches!(failure, Some(Failure::Interrupted)) {
        output::say("interrupted: the store is complete up to here");
    }
    failure.map_or(Ok(()), Err)
}

fn judge(outcome: &Outcome<'_>, end: End) -> Option<Failure> {
    let plan = outcome.plan;
    let rest = outcome.report.metrics.bytes_in % plan.frame_bytes;
    match end {
        End::Interrupted => Some(Failure::Interrupted),
        End::Broken(error) => Some(Failure::of_broken(&error)),
        End::TooLong => {
            let (name, size) = (&plan.dims[0].name, outcome.report.shape[0]);
            Some(Failure::Reported(format!(
                "the input goes on past `{name}` = {size}; the store is complete up to there; give `-d {name}:0` to \
                 take all there is"
            )))
        }
        End::Over if rest > 0 => Some(Failure::Reported(format!(
            "the input ended within a frame: {rest} of its {} bytes came; the store is closed, with the fill value in \
             the rest, and says that it is not complete; check --dtype and the sizes, or what wrote the input",
            plan.frame_bytes
        ))),
        End::Over => None,
    }
}
