//! Inputs as a whole: from files to the description and the bytes.

mod fixtures;
mod joined;
mod made;
mod npy_files;
mod refused;
mod tiff_bytes;

use std::fs;
use std::path::{Path, PathBuf};

use super::{Description, Hints, InputError, open};

/// A file that was made by tifffile, see `tests/data/README.md`.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Elements of an npy file that numpy wrote: all that follows the header.
fn oracle(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[10 + header..].to_vec()
}

/// Reads to the end in steps of `step` bytes.
fn read_in(paths: &[PathBuf], hints: &Hints, step: usize) -> Result<(Description, Vec<u8>), InputError> {
    let mut source = open(paths, hints)?;
    let description = source.description().clone();
    let (mut all, mut buf) = (Vec::new(), vec![0; step]);
    loop {
        match source.read(&mut buf)? {
            0 => break,
            n => all.extend_from_slice(&buf[..n]),
        }
    }
    assert_eq!(source.read(&mut buf)?, 0, "the end is the end");
    Ok((description, all))
}

fn read(path: &Path) -> Result<(Description, Vec<u8>), InputError> {
    read_in(&[path.to_owned()], &Hints::default(), 1 << 20)
}

/// `t=3 y=19`
fn axes(description: &Description) -> String {
    let axes: Vec<_> = description.axes.iter().map(|a| format!("{}={}", a.name, a.size)).collect();
    axes.join(" ")
}

/// `x=0.13 micrometer`, of the axes that have a spacing.
fn spacings(description: &Description) -> String {
    let axes = description.axes.iter().filter_map(|a| Some((a, a.scale?)));
    let axes = axes.map(|(a, scale)| format!("{}={scale} {}", a.name, a.unit.as_deref().unwrap_or("?")));
    axes.collect::<Vec<_>>().join(", ")
}

/// The message of the error holds all words.
#[track_caller]
fn refused(paths: &[PathBuf], hints: &Hints, words: &[&str]) {
    let message = match read_in(paths, hints, 4096) {
        Ok((description, _)) => panic!("not refused: {description:?}"),
        Err(e) => e.to_string(),
    };
    for word in words {
        assert!(message.contains(word), "no `{word}` in: {message}");
    }
}
