//! `forebay verify`: reads a whole store back.

use std::path::{Path, PathBuf};
use std::time::Duration;

use forebay::{ArrayCheck, Damage, Unpublished, Verified};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::{Failure, human, output};

const LONG_ABOUT: &str = "\
Read a whole store back, and say whether it is sound.

Every shard's index and every chunk is read, its checksum and its place are checked, and it is decoded. Without \
checksums (`crc32c`) a byte that changed inside a chunk is noticed only where the codec notices it.";

/// Read a whole store back, and say whether it is sound
#[derive(clap::Args)]
#[command(long_about = LONG_ABOUT)]
pub(crate) struct Args {
    /// Folder of the store: an OME-Zarr image, an array, or a group of them
    store: PathBuf,

    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// Lines of one kind that are printed; JSON has them all.
const MOST: usize = 100;

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let bar = bar();
    let progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let verified = forebay::verify(args.store.as_path(), &progress);
    let time = bar.elapsed();
    bar.finish_and_clear();
    let verified = verified.map_err(|e| refused(&args.store, e))?;
    match args.json {
        true => output::json(&as_json(&args.store, &verified, time)),
        false => output::print(&lines(&verified, time).join("\n")),
    }
    if verified.is_sound() { Ok(()) } else { Err(Failure::Reported(verdict(&verified))) }
}

/// A store that is not there, or that forebay does not read, is the user's to change.
pub(super) fn refused(store: &Path, error: forebay::Error) -> Failure {
    match error {
        forebay::Error::Metadata { key, message } if store.to_string_lossy() == key => {
            Failure::Input(format!("{key}: {message}"))
        }
        forebay::Error::Metadata { key, message } => {
            Failure::Input(format!("{}: {message}", store.join(key).display()))
        }
        error => error.into(),
    }
}

/// Hidden where standard error is no terminal.
fn bar() -> ProgressBar {
    let template = "  {bar:40.cyan/dim} {percent:>3} %  {decimal_bytes} of {decimal_total_bytes}  {elapsed}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style.progress_chars("━━─"))
}

fn lines(verified: &Verified, time: Duration) -> Vec<String> {
    let damage: Vec<_> = verified.damage.iter().map(|d| format!("DAMAGED {}: {}", d.key, d.what)).collect();
    let mut lines = shortened(damage);
    lines.extend(shortened(verified.unpublished.iter().map(unpublished).collect()));
    lines.extend(verified.notes.iter().map(|n| format!("note: {n}")));
    lines.extend(verified.arrays.iter().flat_map(notes));
    if !verified.unknown.is_empty() {
        lines.push(format!("note: {} of no array", plural(verified.unknown.len() as u64, "object")));
    }
    if verified.is_sound() {
        lines.push(format!("sound: {}", totals(verified, time)));
    } else {
        lines.push(format!("read: {}", totals(verified, time)));
    }
    lines
}

fn shortened(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        lines.truncate(MOST);
        lines.push(format!("... and {} more: `--json` lists them all", human::count(more as u64)));
    }
    lines
}

fn unpublished(object: &Unpublished) -> String {
    let why = if object.unfinished { "unfinished" } else { "beyond the shape" };
    format!("unpublished {}: {}, {why}", object.key, human::data(object.size))
}

/// What is worth knowing of an array, and no damage.
fn notes(array: &ArrayCheck) -> Vec<String> {
    let path = if array.path.is_empty() { "the array" } else { &array.path };
    let mut notes = Vec::new();
    if array.complete == Some(false) {
        notes.push(format!("note: {path}: the run was cut off, or is still going on"));
    }
    if array.complete.is_none() && array.absent_shards > 0 {
        let absent = array.absent_shards;
        notes.push(format!("note: {path}: shards left out, which hold the fill value: {absent}"));
    }
    if !array.crc32c && array.chunks > 0 {
        notes.push(format!(
            "note: {path}: its chunks carry no checksums (crc32c), so that a changed byte in one may go unnoticed"
        ));
    }
    notes
}

fn totals(verified: &Verified, time: Duration) -> String {
    let sum = |of: fn(&ArrayCheck) -> u64| verified.arrays.iter().map(of).fold(0, u64::saturating_add);
    format!(
        "{}, {}, {} decoded to {} in {}",
        plural(sum(|a| a.shards), "shard"),
        plural(sum(|a| a.chunks), "chunk"),
        human::data(sum(|a| a.stored_bytes)),
        human::data(sum(|a| a.decoded_bytes)),
        human::time(time),
    )
}

fn verdict(verified: &Verified) -> String {
    let mut keys: Vec<_> = verified.damage.iter().map(|d| &d.key).collect();
    keys.sort();
    keys.dedup();
    let objects = plural(keys.len() as u64, "damaged object");
    format!("{objects}; restore from a copy, or write the store again")
}

fn plural(n: u64, what: &str) -> String {
    format!("{} {what}{}", human::count(n), if n == 1 { "" } else { "s" })
}

fn as_json(store: &Path, verified: &Verified, time: Duration) -> Value {
    let damage = |d: &Damage| json!({ "key": d.key, "what": d.what });
    let array = |a: &ArrayCheck| {
        json!({
            "path": a.path,
            "shape": a.shape,
            "crc32c": a.crc32c,
            "complete": a.complete,
            "shards": a.shards,
            "absent_shards": u64::try_from(a.absent_shards).unwrap_or(u64::MAX),
            "chunks": a.chunks,
            "absent_chunks": a.absent_chunks,
            "stored_bytes": a.stored_bytes,
            "decoded_bytes": a.decoded_bytes,
        })
    };
    json!({
        "store": store.to_string_lossy(),
        "sound": verified.is_sound(),
        "seconds": time.as_secs_f64(),
        "arrays": verified.arrays.iter().map(array).collect::<Value>(),
        "damage": verified.damage.iter().map(damage).collect::<Value>(),
        "unpublished": verified.unpublished.iter().map(unpublished_json).collect::<Value>(),
        "unknown": verified.unknown,
        "notes": verified.notes,
    })
}

pub(super) fn unpublished_json(object: &Unpublished) -> Value {
    json!({ "key": object.key, "size": object.size, "unfinished": object.unfinished })
}
