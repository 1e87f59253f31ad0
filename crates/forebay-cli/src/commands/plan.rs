//! `forebay plan`: what `write` would do, without doing it.

use forebay::{Array, Plan};
use serde_json::json;

use crate::args::{Job, Request};
use crate::{Failure, human, layout, levels, output};

/// Show what `write` would do: layout, memory, and what orders the run; writes nothing
#[derive(clap::Args)]
#[command(override_usage = "forebay plan [OPTIONS] INPUT... STORE")]
pub(crate) struct Args {
    #[command(flatten)]
    request: Request,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let Job { array, options, mut notes, .. } = args.request.prepare()?;
    let plan = forebay::plan_for(&array, &options)?;
    notes.extend(levels::none(&array, &plan));
    if args.request.json {
        output::json(&as_json(&plan, &array, &notes));
        return Ok(());
    }
    for note in &notes {
        output::say(&format!("  note: {note}"));
    }
    let parts = [layout::text(&plan), sizes(&plan), budget(&plan), rows(&plan)];
    output::print(&parts.join("\n\n"));
    Ok(())
}

fn sizes(plan: &Plan) -> String {
    let shard = plan.grid.chunks_per_shard * plan.chunk_bytes;
    let batch = plan.batch_chunks() * plan.chunk_bytes;
    let row = |name: &str, bytes, text: String| vec![name.to_owned(), human::memory(bytes), text];
    let plural = |n: u64, what: &str| format!("{} {what}{}", human::count(n), if n == 1 { "" } else { "s" });
    let mut rows = vec![
        row("chunk", plan.chunk_bytes, String::new()),
        row("shard", shard, plural(plan.grid.chunks_per_shard, "chunk")),
        row("frame", plan.frame_bytes, String::new()),
        row("epoch", plan.epoch_bytes, plural(plan.grid.chunks_per_epoch, "chunk")),
        row("batch", batch, plural(plan.batch_epochs.into(), "epoch")),
        row("staging", plan.staging_bytes, "the most that can be reserved at once".to_owned()),
    ];
    if !plan.coarser.is_empty() {
        let what = "of the coarser levels, behind the batch in each of its buffers";
        rows.push(row("levels", levels::batch_bytes(plan), what.to_owned()));
    }
    rows.extend(plan.total_bytes.map(|t| row("array", t, String::new())));
    format!("Sizes before compression\n{}", human::table(&rows, &[1]))
}

fn budget(plan: &Plan) -> String {
    let holder = |h: &forebay::Holder| {
        vec![
            h.name.to_owned(),
            format!("{} x", h.copies),
            human::memory(h.bytes),
            human::memory(h.copies * h.bytes),
            if h.on_device { "on the device".to_owned() } else { String::new() },
        ]
    };
    let mut rows: Vec<_> = plan.budget.holders.iter().map(holder).collect();
    let mut sum = |name: &str, bytes| {
        rows.push(vec![name.to_owned(), String::new(), String::new(), human::memory(bytes)]);
    };
    let (device, host) = plan.budget.split();
    if device > 0 {
        sum("on the host", host);
        sum("on the device", device);
    }
    sum("total", plan.budget.total());
    let cap = plan.cap.map_or(String::new(), |c| format!(", at most {}", human::memory(c)));
    format!("Memory of the whole process{cap}\n{}", human::table(&rows, &[1, 2, 3]))
}

fn rows(plan: &Plan) -> String {
    let rows: Vec<_> = forebay::live_rows(plan)
        .into_iter()
        .map(|(row, kept)| vec![row.to_owned(), kept.to_owned()])
        .collect();
    let mode = plan.mode.name();
    format!("What orders the run ({mode}), and how it is kept (docs/edges.md)\n{}", human::table(&rows, &[]))
}

fn as_json(plan: &Plan, array: &Array, notes: &[String]) -> serde_json::Value {
    let holder = |h: &forebay::Holder| json!({ "name": h.name, "copies": h.copies, "bytes": h.bytes, "on_device": h.on_device });
    let mut object = layout::json(plan);
    object["bytes"] = json!({
        "chunk": plan.chunk_bytes,
        "shard": plan.grid.chunks_per_shard * plan.chunk_bytes,
        "frame": plan.frame_bytes,
        "epoch": plan.epoch_bytes,
        "batch": plan.batch_chunks() * plan.chunk_bytes,
        "batch_levels": levels::batch_bytes(plan),
        "staging": plan.staging_bytes,
        "array": plan.total_bytes,
    });
    object["levels"] = levels::json(plan, array);
    object["batch_epochs"] = json!(plan.batch_epochs);
    object["mode"] = json!(plan.mode.name());
    object["slots"] = json!(plan.slots);
    object["budget"] = json!({
        "total": plan.budget.total(),
        "on_device": plan.budget.split().0,
        "cap": plan.cap,
        "fitted": plan.fitted,
        "holders": plan.budget.holders.iter().map(holder).collect::<Vec<_>>(),
    });
    let row = |(row, kept)| json!({ "row": row, "kept_by": kept });
    object["rows"] = forebay::live_rows(plan).into_iter().map(row).collect();
    object["notes"] = json!(notes);
    object
}
