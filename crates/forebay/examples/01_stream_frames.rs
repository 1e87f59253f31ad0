//! Streams frames of a (made up) camera into an OME-Zarr image.
//!
//! `cargo run --release -p forebay --example 01_stream_frames -- /tmp/spots.ome.zarr`

use forebay::{Array, Blosc, BloscInner, Codec, DType, Dim, Options, Shuffle, Writer};

const SIDE: u64 = 512;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "spots.ome.zarr".to_owned());
    let array = Array {
        // Camera pixels: their bytes sorted by significance first, then zstd.
        codec: Codec::Blosc(Blosc { inner: BloscInner::Zstd, level: 1, shuffle: Shuffle::Byte, block: None }),
        ..Array::new(
            DType::U16,
            vec![
                // Time goes on for as long as frames arrive; chunk and shard shapes are chosen.
                Dim::unbounded("t").scale(0.05, "second"),
                Dim::new("y", SIDE).scale(0.65, "micrometer"),
                Dim::new("x", SIDE).scale(0.65, "micrometer"),
            ],
        )
    };
    let options = Options { overwrite: true, name: "drifting spots".to_owned(), ..Options::default() };
    let mut writer = Writer::open(path.as_str(), &array, options)?;
    for t in 0..200 {
        writer.append_slice(&frame(t))?;
    }
    let report = writer.close()?;
    println!("{path}: shape {:?}, ratio {:.2}", report.shape, report.metrics.ratio().unwrap_or(1.0));
    Ok(())
}

/// Spots that drift to the right, one pixel a frame.
fn frame(t: u64) -> Vec<u16> {
    let spot = |y: u64, x: u64| {
        let (dy, dx) = ((y % 64).abs_diff(32), ((x + SIDE - t % SIDE) % 64).abs_diff(32));
        800 * 16 / (16 + dy * dy + dx * dx)
    };
    (0..SIDE * SIDE).map(|i| (100 + spot(i / SIDE, i % SIDE)) as u16).collect()
}
