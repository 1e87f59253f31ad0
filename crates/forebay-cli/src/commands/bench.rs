//! `forebay bench`: how fast it is here, and how fast it could be.

use std::path::PathBuf;

use forebay::Codec;

use crate::args::{Tune, codec, size};
use crate::bench::{self, Against, Asked, Changes, Fill, Ingest, Job, Outcome, Scenario, Sink};
use crate::interrupt::Stop;
use crate::{Failure, output};

/// Measure how fast it is here, beside what this machine can do at most
///
/// Streams a scenario from memory, several times, and in turn with it measures the limits that no writer passes:
/// copying the same bytes, compressing the same chunks, writing the same bytes to the same disk. The share of the
/// slowest of them that is reached is what this program can be blamed for. Close other programs first.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// What is streamed: 256cube, orca2, medfmt, smallepoch, two_streams or camera; with coarser levels
    /// 256cube_multiscale, orca2_multiscale and, where time is halved too, 256cube_multiscale_t, orca2_multiscale_t
    #[arg(value_name = "SCENARIO", value_parser = Scenario::parse)]
    scenario: &'static Scenario,

    /// Compression of a chunk, as in `write`
    #[arg(long, value_name = "CODEC", default_value = "blosc-zstd:1", value_parser = codec::parse)]
    codec: Codec,

    /// What the frames hold: xor (of the coordinates), rand (12 bits), zeros, camera, or a file of uint16 images
    /// (.npy, TIFF, raw frames) to be tiled
    #[arg(long, value_name = "FILL", default_value = "camera", value_parser = Fill::parse)]
    fill: Fill,

    /// Where chunks go: discard, or disk:PATH for a folder below PATH that is removed again
    #[arg(long, value_name = "SINK", default_value = "discard", value_parser = Sink::parse)]
    sink: Sink,

    /// Bytes of a chunk, with K, M or G, to which the scenario's shape is fitted [default: 1M; camera 8M]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    chunk_bytes: Option<u64>,

    /// How frames reach the writer
    #[arg(long, value_name = "WAY", default_value = "copy")]
    ingest: Ingest,

    /// Bytes of each append, with K, M or G [default: one frame]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    append: Option<u64>,

    /// Bytes of each stream, with K, M or G, rounded up to whole layers of chunks [default: 1G or more]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    bytes: Option<u64>,

    /// Rounds: in each, the run and every limit are measured once
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,

    /// Another forebay program, measured in turn with this one with the same arguments
    #[arg(long, value_name = "PROGRAM")]
    against: Option<PathBuf>,

    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,

    /// Axes of space are so many times smaller: a quick look, and no scenario any more
    #[arg(long, value_name = "N", default_value_t = 1, hide = true, value_parser = clap::value_parser!(u64).range(1..))]
    shrink: u64,

    #[command(flatten)]
    tuning: Tune,
}

const EXAMPLES: &str = "\
Examples:
  A camera of 2048 x 2048 pixels, without a disk
      forebay bench camera

  The same onto a disk, without compression
      forebay bench camera --codec none --sink disk:.

  What tiny appends cost
      forebay bench camera --codec none --append 64

  Two builds in turn, on the same machine in the same minutes
      forebay bench camera --against target/before/forebay

--memory and --threads are those of each writer; what the measurement itself holds comes on top.";

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let against = args.against.as_deref().map(Against::new).transpose()?;
    let stop = Stop::listen()?;
    let job = Job::prepare(args.asked())?;
    let measured = bench::measure(&job, against, &stop)?;
    let outcome = Outcome { job: &job, measured: &measured };
    match args.json {
        true => output::json(&outcome.json()),
        false => output::print(&outcome.text()),
    }
    Ok(())
}

impl Args {
    fn asked(&self) -> Asked {
        Asked {
            scenario: self.scenario,
            changes: Changes {
                codec: self.codec,
                chunk_bytes: self.chunk_bytes,
                bytes: self.bytes,
                shrink: self.shrink,
            },
            options: self.tuning.options(),
            fill: self.fill.clone(),
            ingest: self.ingest,
            sink: self.sink.clone(),
            append: self.append,
            runs: self.runs,
        }
    }
}
