//! Image inputs: npy, raw bytes, standard input, and TIFF with the metadata of OME and ImageJ.
//!
//! An input is opened, described, and then read as one stream of little-endian elements in C order.
//! All that can be refused is refused in [`open`], before the first byte is asked for. Pages of a TIFF are
//! decoded one at a time, so memory is bounded by one page.

mod elements;
mod error;
mod imagej;
mod join;
mod npy;
mod ome_xml;
mod pages;
mod raw;
#[cfg(test)]
mod tests;
mod tiff;
mod units;

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use forebay::DType;

pub(crate) use error::InputError;
use error::Place;

/// What an input says of itself before its first frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Description {
    /// Element type; the bytes are little-endian whatever the file has.
    pub(crate) dtype: DType,
    /// Axes in the order in which the bytes come, outermost first.
    pub(crate) axes: Vec<Axis>,
    /// What was assumed, skipped or left out: sentences for the user.
    pub(crate) notes: Vec<String>,
}

/// One axis of an input.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    /// Name; `t`, `c`, `z`, `y`, `x` where the input or a convention tells.
    pub(crate) name: String,
    /// Elements along the axis; 0 = unknown, only for the outermost axis of raw bytes.
    pub(crate) size: u64,
    /// Unit as OME-Zarr spells it: `micrometer`, `second`.
    pub(crate) unit: Option<String>,
    /// Distance between neighbours, in `unit`.
    pub(crate) scale: Option<f64>,
}

impl Axis {
    /// An axis of which no distance is known.
    pub(crate) fn new(name: impl Into<String>, size: u64) -> Axis {
        Axis { name: name.into(), size, unit: None, scale: None }
    }

    /// With a distance between neighbours, if there is one.
    fn spaced(self, spacing: Option<Spacing>) -> Axis {
        let (scale, unit) = spacing.map_or((None, None), |s| (Some(s.scale), s.unit.map(str::to_owned)));
        Axis { scale, unit, ..self }
    }
}

/// Distance between neighbours along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spacing {
    scale: f64,
    unit: Option<&'static str>,
}

/// A stream of frames with a description.
pub(crate) trait Source: Send {
    /// What the input says of itself.
    fn description(&self) -> &Description;

    /// Fills `buf` from its start with the next bytes and says how many; `Ok(0)` at the end.
    /// Fewer bytes than `buf` holds do not mean the end.
    ///
    /// # Errors
    /// The input cannot be read or decoded, or is shorter than its header promises.
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, InputError>;
}

/// What the command line says of inputs that do not describe themselves: raw bytes and standard input.
/// npy and TIFF files do, and ignore it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hints {
    /// `--dtype`.
    pub(crate) dtype: Option<DType>,
    /// Names and sizes of `-d name:size`, outermost first; size 0 of the first = as much as there is.
    pub(crate) axes: Vec<(String, u64)>,
}

/// How several files of one kind become one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joint {
    /// The outermost axis goes on.
    Outermost,
    /// Each file is one point in time: there is a new outermost axis `t`.
    NewTime,
}

/// An input and how it goes on in a next file.
struct Opened {
    source: Box<dyn Source>,
    joint: Joint,
    /// The sizes came from the hints, not from the file.
    hinted: bool,
}

/// Opens one input, or several that follow one another.
///
/// # Errors
/// An input cannot be opened, is of a kind that is not read, or does not fit the others.
pub(crate) fn open(inputs: &[PathBuf], hints: &Hints) -> Result<Box<dyn Source>, InputError> {
    match inputs {
        [] => Err(InputError::Usage {
            found: "no input is given".to_owned(),
            remedy: "name files (.npy, .tif, .raw), or `-` for standard input".to_owned(),
        }),
        [one] => open_one(one, hints).map(|opened| opened.source),
        [_, _, ..] if inputs.iter().any(|p| p.as_os_str() == "-") => Err(InputError::Usage {
            found: "standard input (`-`) is given together with other inputs".to_owned(),
            remedy: "give `-` alone, or concatenate in the shell: `cat a.raw b.raw | forebay ... -`"
                .to_owned(),
        }),
        [first, rest @ ..] => join::open(first, rest, hints),
    }
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Npy,
    Tiff,
    Raw,
}

fn open_one(path: &Path, hints: &Hints) -> Result<Opened, InputError> {
    if path.as_os_str() == "-" {
        return raw::open_stdin(hints);
    }
    let place = Place::file(path);
    let meta = fs::metadata(path).map_err(InputError::io(&place, "open the file"))?;
    if meta.is_dir() {
        return Err(InputError::Refused {
            place,
            found: "this is a directory".to_owned(),
            remedy: "name its files in order, for instance with the shell: `folder/*.tif`".to_owned(),
        });
    }
    match format(path, meta.is_file())? {
        Format::Npy => npy::open(path),
        Format::Tiff => tiff::open(path),
        Format::Raw => raw::open(path, meta.is_file().then_some(meta.len()), hints),
    }
}

/// The extension decides; a file of another extension is raw unless it begins as npy or TIFF does.
fn format(path: &Path, regular: bool) -> Result<Format, InputError> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("npy") => Ok(Format::Npy),
        Some("tif" | "tiff" | "btf" | "tf2" | "tf8") => Ok(Format::Tiff),
        Some("raw" | "bin") => Ok(Format::Raw),
        // Looking into a pipe would eat its first bytes.
        _ if !regular => Ok(Format::Raw),
        _ => sniff(path),
    }
}

fn sniff(path: &Path) -> Result<Format, InputError> {
    let place = Place::file(path);
    let mut head = Vec::new();
    let file = File::open(path).map_err(InputError::io(&place, "open the file"))?;
    file.take(6).read_to_end(&mut head).map_err(InputError::io(&place, "read the first bytes"))?;
    Ok(match head.as_slice() {
        b"\x93NUMPY" => Format::Npy,
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Format::Tiff,
        _ => Format::Raw,
    })
}
