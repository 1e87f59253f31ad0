//! How an array is laid out, for people and as JSON.

use forebay::{Dim, Plan};
use serde_json::{Value, json};

use crate::args::codec;
use crate::{human, levels};

/// Type, codec, order, a table of dimensions, and one of levels where there are several.
pub(crate) fn text(plan: &Plan) -> String {
    let crc = if plan.crc32c { " + crc32c" } else { "" };
    let mended = if plan.order.mended { " (OME-Zarr asks for this order)" } else { "" };
    let order: Vec<_> = plan.stored_dims().map(|d| d.name.as_str()).collect();
    let mut head = vec![
        vec!["type".to_owned(), plan.dtype.to_string()],
        vec!["codec".to_owned(), format!("{}{crc}", codec::name(&plan.codec))],
        vec!["stored as".to_owned(), format!("{}{mended}", order.join(" "))],
    ];
    head.push(vec!["memory".to_owned(), memory(plan)]);
    head.extend(plan.fitted.iter().map(|f| vec![String::new(), format!("made smaller to fit: {f}")]));
    let levels = levels::text(plan).map_or(String::new(), |text| format!("\n\n{text}"));
    format!("{}\n\n{}{levels}", human::table(&head, &[]), dims(plan))
}

fn memory(plan: &Plan) -> String {
    let cap = plan.cap.map_or("no cap".to_owned(), |c| format!("the cap is {}", human::memory(c)));
    let (device, host) = plan.budget.split();
    // The cap is on the host's.
    let there = if device > 0 { format!(", {} on the device", human::memory(device)) } else { String::new() };
    format!("{} ({cap}){there}", human::memory(host))
}

fn dims(plan: &Plan) -> String {
    let scaled = plan.dims.iter().any(|d| d.scale.is_some());
    let mut head = vec!["axis", "kind", "size", "chunk", "chunks/shard", "shard"];
    if scaled {
        head.push("spacing");
    }
    let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    for dim in &plan.dims {
        let (chunk, chunks) = extents(dim);
        let size = dim.size.map_or("unbounded".to_owned(), |s| s.to_string());
        let mut row = vec![dim.name.clone(), kind(dim).to_owned(), size];
        row.extend([chunk, chunks, chunk * chunks].map(|n| n.to_string()));
        if scaled {
            row.push(spacing(dim));
        }
        rows.push(row);
    }
    human::table(&rows, &[2, 3, 4, 5])
}

/// Elements of a chunk, chunks of a shard: a plan has filled both in.
fn extents(dim: &Dim) -> (u64, u64) {
    (dim.chunk.unwrap_or(1), dim.chunks_per_shard.unwrap_or(1))
}

fn kind(dim: &Dim) -> &'static str {
    match dim.axis_kind() {
        forebay::Kind::Time => "time",
        forebay::Kind::Channel => "channel",
        forebay::Kind::Space => "space",
        forebay::Kind::Other => "other",
    }
}

fn spacing(dim: &Dim) -> String {
    let unit = dim.unit.as_deref().unwrap_or_default();
    dim.scale.map_or(String::new(), |s| format!("{s} {unit}")).trim().to_owned()
}

/// The same as an object's fields.
pub(crate) fn json(plan: &Plan) -> Value {
    let dim = |d: &Dim| {
        let (chunk, chunks) = extents(d);
        json!({
            "name": d.name, "kind": kind(d), "size": d.size, "chunk": chunk, "chunks_per_shard": chunks,
            "shard": chunk * chunks, "scale": d.scale, "unit": d.unit,
        })
    };
    json!({
        "dtype": plan.dtype.name(),
        "codec": codec::name(&plan.codec),
        "crc32c": plan.crc32c,
        "dims": plan.dims.iter().map(dim).collect::<Vec<_>>(),
        "order": plan.stored_dims().map(|d| d.name.as_str()).collect::<Vec<_>>(),
        "order_mended": plan.order.mended,
        "chunk": plan.chunk_shape(),
        "shard": plan.shard_shape(),
    })
}
