//! Bytes without a header, from a file or from standard input: the command line says what they are.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use forebay::DType;

use super::error::{InputError, Place, Refusal};
use super::{Axis, Description, Hints, Joint, Opened, Source};

struct Raw {
    place: Place,
    description: Description,
    reader: Box<dyn Read + Send>,
}

impl Source for Raw {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, InputError> {
        loop {
            match self.reader.read(buf) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map_err(InputError::io(&self.place, "read the next bytes")),
            }
        }
    }
}

/// Opens standard input.
pub(super) fn open_stdin(hints: &Hints) -> Result<Opened, InputError> {
    let place = Place::file(Path::new("-"));
    let shape = Shape::new(hints).map_err(|missing| missing.refusal("it is a stream of bytes").at(&place))?;
    let description = Description { dtype: shape.dtype, axes: shape.axes, notes: Vec::new() };
    Ok(Opened {
        source: Box::new(Raw { place, description, reader: Box::new(io::stdin()) }),
        joint: Joint::Outermost,
        hinted: true,
    })
}

/// Opens a file; its length is known unless it is a pipe or a device.
pub(super) fn open(path: &Path, length: Option<u64>, hints: &Hints) -> Result<Opened, InputError> {
    let place = Place::file(path);
    let shape = Shape::new(hints).map_err(|missing| missing.refusal(&kind(path)).at(&place))?;
    let file = File::open(path).map_err(InputError::io(&place, "open the file"))?;
    let still = shape.axes.len() == 2 && shape.axes.iter().all(|axis| axis.name != "t");
    let joint = if still { Joint::NewTime } else { Joint::Outermost };
    let description = shape.measured(length).map_err(|refusal| refusal.at(&place))?;
    Ok(Opened { source: Box::new(Raw { place, description, reader: Box::new(file) }), joint, hinted: true })
}

/// Formats that people may take for readable, so that the message does not talk of raw bytes only.
const FOREIGN: &[&str] = &[
    "czi", "dm3", "dm4", "dv", "gz", "h5", "hdf5", "ims", "jp2", "jpeg", "jpg", "lif", "lsm", "mrc", "nd2",
    "nii", "nrrd", "npz", "oib", "oif", "oir", "png", "vsi", "zarr", "zip",
];

fn kind(path: &Path) -> String {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    if FOREIGN.contains(&extension.as_str()) {
        format!(
            "`.{extension}` is no format that forebay knows (convert it to TIFF or npy), so it is read as raw bytes"
        )
    } else {
        "it is read as raw bytes".to_owned()
    }
}

/// What the hints say, complete.
struct Shape {
    dtype: DType,
    axes: Vec<Axis>,
    /// Bytes of one step along the outermost axis.
    frame: u64,
}

/// What the hints lack.
struct Missing(Vec<&'static str>);

impl Missing {
    fn refusal(&self, kind: &str) -> Refusal {
        Refusal::new(
            format!(
                "{kind} and says nothing of itself, and the command line does not give {}",
                self.0.join(" and ")
            ),
            "give `--dtype` and every axis, outermost first: `--dtype u16 -d t:0 -d y:1024 -d x:1024` (0 = as many as come)",
        )
    }
}

impl Shape {
    fn new(hints: &Hints) -> Result<Shape, Missing> {
        let inner = hints.axes.get(1..).unwrap_or_default();
        let frame = inner
            .iter()
            .try_fold(hints.dtype.map_or(1, DType::size) as u64, |all, (_, n)| all.checked_mul(*n));
        let mut missing = Vec::new();
        if hints.dtype.is_none() {
            missing.push("the element type (`--dtype`)");
        }
        if hints.axes.is_empty() {
            missing.push("the axes (`-d name:size`)");
        }
        if frame.is_none_or(|bytes| bytes == 0) {
            missing.push("a size for each inner axis (`-d name:size`)");
        }
        match (hints.dtype, frame) {
            (Some(dtype), Some(frame)) if missing.is_empty() => {
                let axes = hints.axes.iter().map(|(name, size)| Axis::new(name, *size)).collect();
                Ok(Shape { dtype, axes, frame })
            }
            _ => Err(Missing(missing)),
        }
    }

    /// Compares the sizes with those of the file. A shorter file is the writer's to report.
    fn measured(mut self, length: Option<u64>) -> Result<Description, Refusal> {
        let mut notes = Vec::new();
        if let Some(length) = length {
            let asked = self.axes[0].size.saturating_mul(self.frame);
            if self.axes[0].size == 0 && length % self.frame == 0 {
                self.axes[0].size = length / self.frame;
            } else if self.axes[0].size != 0 && length > asked {
                let found = format!("the file holds {length} bytes, but `--dtype` and `-d` describe {asked}");
                let outer = &self.axes[0].name;
                return Err(Refusal::new(
                    found,
                    format!("correct them, or give `-d {outer}:0` to take all there is"),
                ));
            }
            if length % self.frame != 0 {
                notes.push(format!(
                    "the last frame is incomplete: {} of its {} bytes are there",
                    length % self.frame,
                    self.frame
                ));
            }
        }
        Ok(Description { dtype: self.dtype, axes: self.axes, notes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(dtype: Option<DType>, axes: &[(&str, u64)]) -> Hints {
        Hints { dtype, axes: axes.iter().map(|(n, s)| ((*n).to_owned(), *s)).collect() }
    }

    #[test]
    fn what_is_missing_is_named() {
        let check = |hints: Hints, words: &[&str]| {
            let refusal = Shape::new(&hints).err().unwrap().refusal("it is raw");
            for word in words {
                assert!(refusal.found.contains(word), "{word} in {refusal:?}");
            }
        };
        check(hints(None, &[]), &["--dtype", "-d name:size"]);
        check(hints(Some(DType::U8), &[]), &["-d name:size"]);
        check(hints(None, &[("t", 0), ("y", 3)]), &["--dtype"]);
        check(hints(Some(DType::U8), &[("t", 0), ("y", 0)]), &["inner axis"]);
    }

    #[test]
    fn sizes_are_compared_with_the_file() {
        let of = |t: u64, length| {
            Shape::new(&hints(Some(DType::U16), &[("t", t), ("y", 3), ("x", 5)]))
                .ok()
                .unwrap()
                .measured(length)
        };
        let check = |t, length, size: u64, notes: usize| {
            let d = of(t, length).unwrap();
            assert_eq!((d.axes[0].size, d.notes.len()), (size, notes), "t={t}, {length:?} bytes");
        };
        check(0, Some(90), 3, 0);
        check(0, Some(91), 0, 1);
        check(0, None, 0, 0);
        check(4, None, 4, 0);
        check(4, Some(100), 4, 1);
        check(4, Some(120), 4, 0);
        assert!(of(4, Some(121)).unwrap_err().found.contains("121"));
    }
}
