//! `forebay info`: what this build can do, or what a store holds.

use std::path::{Path, PathBuf};

use forebay::{About, ArrayInfo, Axis, Channel, Downsampling, Image, Inspected, Kind, Window};
use serde_json::{Value, json};

use super::verify::{refused, unpublished_json};
use crate::{Failure, human, output};

/// Show what this build can do, or what a store holds
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder of a store; without it, devices, features and versions are shown
    store: Option<PathBuf>,

    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let Some(store) = &args.store else {
        about(args.json);
        return Ok(());
    };
    let held = forebay::inspect(store.as_path()).map_err(|e| refused(store, e))?;
    match args.json {
        true => output::json(&store_json(store, &held)),
        false => output::print(&store_text(store, &held)),
    }
    Ok(())
}

fn about(as_json: bool) {
    let About { version, devices, formats, codecs, cuda, .. } = forebay::about();
    if as_json {
        return output::json(&json!({
            "version": version, "devices": devices, "formats": formats, "codecs": codecs, "cuda": cuda,
        }));
    }
    output::print(&pairs(&[
        ("forebay", version.to_owned()),
        ("devices", devices.join("; ")),
        ("cuda", cuda.to_owned()),
        ("formats", formats.join("; ")),
        ("codecs", codecs.join("; ")),
    ]));
}

fn pairs(rows: &[(&str, String)]) -> String {
    let rows: Vec<_> = rows.iter().map(|(name, text)| vec![(*name).to_owned(), text.clone()]).collect();
    human::table(&rows, &[])
}

fn store_text(store: &Path, held: &Inspected) -> String {
    let mut parts: Vec<_> = held.images.iter().map(|i| image_text(store, i)).collect();
    parts.extend(held.arrays.iter().map(array_text));
    if !held.unpublished.is_empty() {
        let bytes = held.unpublished.iter().map(|u| u.size).fold(0, u64::saturating_add);
        let objects = held.unpublished.len();
        parts.push(format!("Not published\n  {} in objects: {objects}", human::data(bytes)));
    }
    parts.extend(held.notes.iter().map(|n| format!("note: {n}")));
    if held.arrays.is_empty() {
        parts.push("no arrays".to_owned());
    }
    parts.join("\n\n")
}

fn image_text(store: &Path, image: &Image) -> String {
    let mut rows: Vec<Vec<String>> = vec![];
    let levels = &image.multiscales.levels;
    for (n, axis) in image.multiscales.axes.iter().enumerate() {
        let steps: Vec<_> = levels.iter().filter_map(|l| Some(l.scale.get(n)?.to_string())).collect();
        let unit = axis.unit.as_deref().unwrap_or_default();
        rows.push(vec![axis.name.clone(), kind(axis).to_owned(), format!("{} {unit}", steps.join(", "))]);
    }
    rows.extend(
        image.multiscales.channels.iter().map(|c| vec![c.label.clone(), "shown".to_owned(), shown(c)]),
    );
    let name = image.multiscales.name.as_deref().filter(|n| !n.is_empty());
    let name = name.map_or(String::new(), |n| format!(" `{n}`"));
    let paths: Vec<_> = levels.iter().map(|l| l.path.as_str()).collect();
    let place = store.join(&image.path);
    let plural = if levels.len() == 1 { "" } else { "s" };
    let made = image.multiscales.downsampling.as_ref();
    let made = made.map_or(String::new(), |d| format!(" made by {}", d.method));
    format!(
        "Image{name} in {}, level{plural} {}{made}\n{}",
        place.display().to_string().trim_end_matches('/'),
        paths.join(", "),
        human::table(&rows, &[]),
    )
}

fn shown(channel: &Channel) -> String {
    let Window { start, end, .. } = channel.window;
    format!("{start} to {end} in {}", color(channel))
}

fn color(channel: &Channel) -> String {
    channel.color.map(|part| format!("{part:02X}")).concat()
}

const fn kind(axis: &Axis) -> &'static str {
    match axis.kind {
        Kind::Time => "time",
        Kind::Channel => "channel",
        Kind::Space => "space",
        Kind::Other => "",
    }
}

fn array_text(array: &ArrayInfo) -> String {
    let title = if array.path.is_empty() { "Array".to_owned() } else { format!("Array {}", array.path) };
    let rows = [
        ("shape", format!("{}  of {}, {}", named(array), array.dtype.name(), large(array.element_bytes))),
        ("chunk", times(&array.chunk_shape)),
        ("shard", times(&array.shard_shape)),
        ("codec", array.codec_words()),
        ("stored", stored(array)),
        ("run", run_words(array)),
    ];
    format!("{title}\n{}", pairs(&rows))
}

fn named(array: &ArrayInfo) -> String {
    if array.dimension_names.is_empty() {
        return times(&array.shape);
    }
    let name = |n: usize| array.dimension_names.get(n).map_or("", String::as_str);
    let axes =
        array.shape.iter().enumerate().map(|(n, size)| format!("{} {size}", name(n)).trim().to_owned());
    axes.collect::<Vec<_>>().join("  ")
}

fn times(extents: &[u64]) -> String {
    extents.iter().map(u64::to_string).collect::<Vec<_>>().join(" x ")
}

fn stored(array: &ArrayInfo) -> String {
    let ratio = array.element_bytes as f64 / array.stored_bytes as f64;
    let ratio = if ratio.is_finite() { format!(", ratio {ratio:.2}") } else { String::new() };
    let [stored, shards] = [u128::from(array.stored_shards), array.shards].map(number);
    let (bytes, chunks) = (human::data(array.stored_bytes), number(array.chunks));
    format!("{bytes} in {stored} of {shards} shards ({chunks} chunks){ratio}")
}

fn number(n: u128) -> String {
    u64::try_from(n).map_or_else(|_| n.to_string(), human::count)
}

fn large(bytes: u128) -> String {
    human::data(u64::try_from(bytes).unwrap_or(u64::MAX))
}

fn run_words(array: &ArrayInfo) -> String {
    let writer = || array.writer.as_deref().map_or("forebay".to_owned(), |v| format!("forebay {v}"));
    match array.complete {
        Some(true) => format!("complete, written by {}", writer()),
        Some(false) => format!("cut off, or still going on; written by {}", writer()),
        None => "not written by forebay".to_owned(),
    }
}

fn store_json(store: &Path, held: &Inspected) -> Value {
    json!({
        "store": store.to_string_lossy(),
        "images": held.images.iter().map(image_json).collect::<Value>(),
        "arrays": held.arrays.iter().map(array_json).collect::<Value>(),
        "unpublished": held.unpublished.iter().map(unpublished_json).collect::<Value>(),
        "notes": held.notes,
    })
}

fn image_json(image: &Image) -> Value {
    let axis =
        |a: &Axis| json!({ "name": a.name, "type": Some(kind(a)).filter(|k| !k.is_empty()), "unit": a.unit });
    let level =
        |l: &forebay::Level| json!({ "path": l.path, "scale": l.scale, "translation": l.translation });
    let channel = |c: &Channel| {
        let Window { min, max, start, end } = c.window;
        let window = json!({ "min": min, "max": max, "start": start, "end": end });
        json!({ "label": c.label, "color": color(c), "window": window })
    };
    let made = |d: &Downsampling| json!({ "type": d.method, "metadata": d.metadata });
    json!({
        "path": image.path,
        "name": image.multiscales.name,
        "axes": image.multiscales.axes.iter().map(axis).collect::<Value>(),
        "levels": image.multiscales.levels.iter().map(level).collect::<Value>(),
        "downsampling": image.multiscales.downsampling.as_ref().map(made),
        "channels": image.multiscales.channels.iter().map(channel).collect::<Value>(),
    })
}

fn array_json(array: &ArrayInfo) -> Value {
    let count = |n: u128| u64::try_from(n).unwrap_or(u64::MAX);
    json!({
        "path": array.path,
        "data_type": array.dtype.name(),
        "shape": array.shape,
        "chunk_shape": array.chunk_shape,
        "shard_shape": array.shard_shape,
        "dimension_names": array.dimension_names,
        "codec": array.codec_words(),
        "crc32c": array.crc32c,
        "element_bytes": count(array.element_bytes),
        "chunks": count(array.chunks),
        "shards": count(array.shards),
        "stored_shards": array.stored_shards,
        "stored_bytes": array.stored_bytes,
        "complete": array.complete,
        "writer": array.writer,
    })
}
