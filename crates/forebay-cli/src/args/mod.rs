//! What was typed, and what it comes to: an input that is open, and an array that is described.

mod channels;
pub(crate) mod codec;
pub(crate) mod dims;
mod pyramid;
mod scale;
pub(crate) mod size;

use std::path::{Path, PathBuf};

use forebay::{Array, Codec, CoderChoice, DType, DeviceChoice, Fill, Mode, Options, Tuning};
use serde_json::{Map, Value};

use crate::Failure;
use crate::input::{self, Hints, Source};

/// Arguments of `write` and `plan`.
#[derive(clap::Args)]
pub(crate) struct Request {
    /// The files to read, in order, and last the store to make
    ///
    /// Inputs are .npy files, TIFF files (also BigTIFF, OME-TIFF and ImageJ hyperstacks), and raw bytes in files
    /// of any other name or from standard input (`-`). Raw bytes need --dtype and the sizes of all dimensions.
    /// Several files follow one another in time.
    #[arg(num_args = 0.., value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Dimensions in the order in which the data arrive, slowest first
    ///
    /// Each is name:size:chunk:chunks-per-shard, and all but the name may be left out: what is missing comes from
    /// the input or is chosen, and printed. Size 0 (first dimension only) means as many as there are. Separate
    /// dimensions by commas, or give -d several times. To change only some dimensions of a file, name only these;
    /// to name all of them anew, give all in order.
    #[arg(short, long = "dim", value_name = "DIM", value_delimiter = ',', value_parser = dims::parse)]
    dims: Vec<dims::Given>,

    /// Compression of a chunk: none, zstd, blosc-zstd or blosc-lz4
    ///
    /// none; zstd[:LEVEL]; blosc-zstd and blosc-lz4[:LEVEL[:SHUFFLE[:BLOCK]]], where SHUFFLE is noshuffle, shuffle
    /// or bitshuffle. blosc-zstd:fast is zstd by a coder of our own that looks for runs only: faster than level 1.
    /// Examples: zstd:3, blosc-lz4:5:bitshuffle.
    #[arg(long, value_name = "CODEC", default_value = "blosc-zstd:1", value_parser = codec::parse)]
    codec: Codec,

    /// Put a CRC-32C checksum behind each chunk
    #[arg(long)]
    crc32c: bool,

    /// Element type of raw bytes: u8, u16, u32, u64, i8 .. i64, f16, f32, f64 (little-endian)
    #[arg(long, value_name = "TYPE")]
    dtype: Option<DType>,

    /// Order in which dimensions are stored, if another than that in which they arrive: t,c,z,y,x
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    order: Option<Vec<String>>,

    /// Distance between elements, with its unit: t=0.1s,z=2um,y=0.65um,x=0.65um
    #[arg(long, value_name = "NAME=SPACING", value_delimiter = ',', value_parser = scale::parse)]
    scale: Vec<scale::Scale>,

    /// Value that stands for elements which never arrived [default: 0]
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    fill_value: Option<String>,

    /// A JSON file with an object: attributes of the image
    #[arg(long, value_name = "FILE.json")]
    attributes: Option<PathBuf>,

    /// Write a plain Zarr array, without the metadata of an OME-Zarr image
    #[arg(long)]
    plain: bool,

    /// Replace a Zarr store that is already there
    #[arg(long)]
    overwrite: bool,

    #[command(flatten)]
    pyramid: pyramid::Asked,

    #[command(flatten)]
    channels: channels::Shown,

    /// Print one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    tuning: Tune,
}

/// Numbers that trade memory against speed.
#[derive(clap::Args)]
#[command(next_help_heading = "Memory and speed")]
pub(crate) struct Tune {
    /// Bytes that the whole process may hold, with K, M or G [default: a quarter of the machine's memory]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    memory: Option<u64>,

    /// Copies of each batch buffer, 2 to 8 [default: 2]
    #[arg(long, value_name = "N")]
    slots: Option<u32>,

    /// Where the work is done: auto (the first NVIDIA GPU that can, otherwise the host), host, cuda, or cuda:N for
    /// the GPU of that number [default: auto]
    #[arg(long, value_name = "DEVICE", value_parser = device)]
    device: Option<DeviceChoice>,

    /// Who compresses on a GPU: own (our kernels: zstd and Blosc; level 1 is the fastest, others look for matches too), or
    /// nvcomp (zstd, where it is installed) [default: own]
    #[arg(long, value_name = "CODER", value_parser = coder)]
    coder: Option<CoderChoice>,

    /// Threads that compress on the host [default: one for each core]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,

    /// Bytes that are compressed together, with K, M or G [default: 32M; on a GPU 256M, 512M with a codec]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    batch: Option<u64>,

    /// When packed batches are taken to the store: pipelined (beside the input), drain-before-kick or
    /// drain-after-kick (by the input's own thread; slower, with fewer threads and, for the last, less memory)
    /// [default: pipelined]
    #[arg(long, value_name = "MODE", value_parser = mode)]
    mode: Option<Mode>,

    /// Write shards with direct I/O, past the system's cache, in whole pages
    #[arg(long)]
    direct: bool,

    /// With --direct: do without the gate that lets batches be sent off before the last one is written
    #[arg(long)]
    no_gate: bool,

    /// Bytes of a buffer that takes in frames, with K, M or G [default: 8M; on a GPU 32M]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    staging: Option<u64>,
}

impl Tune {
    /// Options of a run, with all else as it is by default.
    pub(crate) fn options(&self) -> Options {
        let usual = Tuning::default();
        let tuning = Tuning {
            slots: self.slots.unwrap_or(usual.slots),
            batch_bytes: self.batch,
            staging_bytes: self.staging,
            mode: self.mode,
            memory: self.memory,
        };
        let (direct, gate) = (self.direct, !self.no_gate);
        let device = self.device.unwrap_or_default();
        let coder = self.coder.unwrap_or_default();
        Options { tuning, threads: self.threads, direct, gate, device, coder, ..Options::default() }
    }
}

/// Reads a device.
fn device(text: &str) -> Result<DeviceChoice, String> {
    let number = text.strip_prefix("cuda:").map(str::parse);
    match (text, number) {
        ("auto", _) => Ok(DeviceChoice::Auto),
        ("host", _) => Ok(DeviceChoice::Host),
        ("cuda", _) => Ok(DeviceChoice::Cuda(0)),
        (_, Some(Ok(ordinal))) => Ok(DeviceChoice::Cuda(ordinal)),
        _ => Err(format!("`{text}` is no device; use auto, host, cuda, or cuda:N with the number of a GPU")),
    }
}

/// Reads a coder.
fn coder(text: &str) -> Result<CoderChoice, String> {
    match text {
        "own" => Ok(CoderChoice::Own),
        "nvcomp" => Ok(CoderChoice::Nvcomp),
        _ => Err(format!("`{text}` is no coder; use own or nvcomp")),
    }
}

/// Reads a mode.
fn mode(text: &str) -> Result<Mode, String> {
    let names = || Mode::ALL.map(Mode::name).join(", ");
    let found = Mode::ALL.into_iter().find(|m| m.name() == text);
    found.ok_or_else(|| format!("`{text}` is no mode; use one of {}", names()))
}

/// A run that is ready to start: nothing is refused after this but by the store.
pub(crate) struct Job {
    pub(crate) source: Box<dyn Source>,
    pub(crate) array: Array,
    pub(crate) options: Options,
    pub(crate) store: PathBuf,
    /// What was assumed, for the user.
    pub(crate) notes: Vec<String>,
}

impl Request {
    /// Opens the input and settles what it leaves open.
    pub(crate) fn prepare(&self) -> Result<Job, Failure> {
        let (inputs, store) = self.places()?;
        let attributes = self.attributes.as_deref().map_or_else(|| Ok(Map::new()), attributes)?;
        let axes = self.dims.iter().map(|d| (d.name.clone(), d.size.unwrap_or(0))).collect();
        let source = input::open(inputs, &Hints { dtype: self.dtype, axes })?;
        let mut notes = source.description().notes.clone();
        let array = self.array(source.as_ref(), &mut notes).map_err(Failure::Input)?;
        let mut options = self.tuning.options();
        options.overwrite = self.overwrite;
        options.name = image_name(store);
        options.channels = self.channels.request();
        options.attributes = attributes;
        Ok(Job { source, array, options, store: store.to_owned(), notes })
    }

    fn places(&self) -> Result<(&[PathBuf], &Path), Failure> {
        match self.paths.split_last() {
            Some((store, inputs)) if !inputs.is_empty() => Ok((inputs, store)),
            only => {
                let found = only.map_or("nothing is given".to_owned(), |(p, _)| {
                    format!("only `{}` is given", p.display())
                });
                Err(Failure::Input(format!(
                    "{found}; give the input and, last, the store to make: `stack.tif stack.ome.zarr`"
                )))
            }
        }
    }

    fn array(&self, source: &dyn Source, notes: &mut Vec<String>) -> Result<Array, String> {
        let about = source.description();
        if let Some(dtype) = self.dtype.filter(|d| *d != about.dtype) {
            let held = about.dtype;
            return Err(format!("--dtype {dtype} is given, the input holds {held}; leave --dtype out"));
        }
        let mut dims = dims::agree(&about.axes, &self.dims, notes)?;
        scale::apply(&mut dims, &self.scale)?;
        let names: Vec<_> = dims.iter().map(|d| d.name.as_str()).collect();
        let pyramid = self.pyramid.request(&names)?;
        let fill = self.fill_value.as_ref().map(|text| Fill::parse(text, about.dtype));
        Ok(Array {
            order: self.order.clone(),
            codec: self.codec,
            crc32c: self.crc32c,
            fill: fill.transpose().map_err(|e| e.to_string())?,
            plain: self.plain,
            pyramid,
            ..Array::new(about.dtype, dims)
        })
    }
}

fn attributes(path: &Path) -> Result<Map<String, Value>, Failure> {
    let bad = |what: String| Failure::Input(format!("--attributes {}: {what}", path.display()));
    let text = std::fs::read(path)
        .map_err(|e| bad(format!("cannot be read: {e}; give a file that holds a JSON object")))?;
    match serde_json::from_slice(&text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(bad("is not an object; write {\"name\": value, ..}".to_owned())),
        Err(e) => Err(bad(format!("is no JSON: {e}; write {{\"name\": value, ..}}"))),
    }
}

/// Name of an image: that of its folder, without what says that it is a Zarr store.
pub(crate) fn image_name(store: &Path) -> String {
    let name = store.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = name.strip_suffix(".zarr").unwrap_or(&name);
    stem.strip_suffix(".ome").unwrap_or(stem).to_owned()
}
