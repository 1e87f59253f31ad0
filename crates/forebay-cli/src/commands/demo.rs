//! `forebay demo`: a synthetic camera into a store, to see it work.

use std::path::{Path, PathBuf};
use std::time::Duration;

use forebay::{Array, Codec, DType, Dim, Metrics, Options, Pyramid, Reducer, Writer};
use serde_json::json;

use crate::args::{Tune, codec, image_name};
use crate::camera::Camera;
use crate::interrupt::Stop;
use crate::progress::Progress;
use crate::report::Outcome;
use crate::{Failure, layout, levels, output};

/// Bytes on disk at which the demo stops, however many seconds are left.
const MOST_BYTES: u64 = 2_000_000_000;

/// See it work: a synthetic camera streams for ten seconds (at most 2 GB on disk)
///
/// The camera shows moving spots with offset and shot noise. Coarser levels, for viewers to zoom, are written as well where
/// a frame is larger than a chunk, 512 pixels along each side. It is as fast as the writer lets it be, so the rate that is
/// shown is what this machine can take with this codec.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The store to make
    #[arg(default_value = "forebay-demo.ome.zarr")]
    out: PathBuf,

    /// Seconds to stream for
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,

    /// Compression of a chunk, as in `write`
    #[arg(long, value_name = "CODEC", default_value = "blosc-zstd:1", value_parser = codec::parse)]
    codec: Codec,

    /// Pixels along each side of a frame
    #[arg(long, value_name = "PIXELS", default_value_t = 2048, value_parser = clap::value_parser!(u64).range(64..=8192))]
    size: u64,

    /// Write the frames only, without coarser levels: faster
    #[arg(long)]
    no_pyramid: bool,

    /// Replace a Zarr store that is already there
    #[arg(long)]
    overwrite: bool,

    /// Print one JSON object on standard output when done
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    tuning: Tune,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut options = args.tuning.options();
    options.overwrite = args.overwrite;
    options.name = image_name(&args.out);
    let array = args.array();
    let plan = forebay::plan_for(&array, &options)?;
    refuse_early(&args.out, &options)?;
    let stop = Stop::listen()?;
    output::say(&format!("{}\n", layout::text(&plan)));
    levels::none(&array, &plan).iter().for_each(|note| output::say(&format!("  note: {note}\n")));
    let camera = Camera::new(args.size as usize);
    let mut writer = Writer::open(args.out.as_path(), &array, options)?;
    let mut progress = Progress::new(plan.frame_bytes, Some(args.seconds * 1000));
    let streamed = stream(&camera, &mut writer, args.seconds, &stop, &mut progress);
    progress.closing();
    let closed = streamed.and_then(|()| Ok(writer.close()?));
    progress.clear();
    let outcome = Outcome { store: &args.out, plan: &plan, report: &closed? };
    conclude(&outcome, stop.asked(), args.json)
}

impl Args {
    /// What is written: frames, with coarser levels where they are wanted.
    fn array(&self) -> Array {
        let halved = ["y", "x"].map(str::to_owned).to_vec();
        let levels =
            Pyramid { dims: halved, reducer: Reducer::Mean, append: None, levels: None, keep_aspect: false };
        let dims = vec![
            Dim::unbounded("t").scale(0.01, "second"),
            Dim::new("y", self.size).scale(0.108, "micrometer"),
            Dim::new("x", self.size).scale(0.108, "micrometer"),
        ];
        let pyramid = (!self.no_pyramid).then_some(levels);
        Array { codec: self.codec, pyramid, ..Array::new(DType::U16, dims) }
    }
}

/// Says at once what [`Writer::open`] would say after the frames are made.
fn refuse_early(out: &Path, options: &Options) -> Result<(), Failure> {
    if options.overwrite || !out.join("zarr.json").exists() {
        return Ok(());
    }
    Err(forebay::Error::Exists { path: out.to_owned(), what: "a Zarr store is already there" }.into())
}

fn stream(
    camera: &Camera,
    writer: &mut Writer,
    seconds: u64,
    stop: &Stop,
    progress: &mut Progress,
) -> Result<(), Failure> {
    // Opening may take a while where others are at work: the time is that of the frames.
    let opened = writer.metrics().elapsed;
    for i in 0.. {
        let metrics = writer.metrics();
        let elapsed = metrics.elapsed.saturating_sub(opened);
        if stop.asked() || elapsed >= Duration::from_secs(seconds) || most_on_disk(&metrics) > MOST_BYTES {
            break;
        }
        progress.show(&metrics, elapsed.as_millis() as u64);
        writer.append_slice(camera.frame(i))?;
    }
    Ok(())
}

/// What the store can come to, if nothing of what is on its way can be compressed. All coarser levels together have a third
/// of the bytes, and less than half whatever their edges are.
fn most_on_disk(metrics: &Metrics) -> u64 {
    let coming = metrics.bytes_in.saturating_sub(metrics.bytes_chunked);
    metrics.bytes_out + coming + coming / 2
}

fn conclude(outcome: &Outcome<'_>, interrupted: bool, json: bool) -> Result<(), Failure> {
    output::say(&outcome.text());
    output::say(&opening(outcome.store));
    if json {
        let mut object = outcome.json(&[]);
        object["interrupted"] = json!(interrupted);
        output::json(&object);
    }
    if interrupted { Err(Failure::Interrupted) } else { Ok(()) }
}

fn opening(store: &Path) -> String {
    let store = store.display();
    format!(
        "\nOpen it:\n  python   import zarr; a = zarr.open(\"{store}\", mode=\"r\")[\"0\"]; print(a.info)\n  \
         napari   napari --plugin napari-ome-zarr {store}\n  check    forebay verify {store}"
    )
}
