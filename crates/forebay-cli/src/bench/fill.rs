//! What the elements of a source are.

use std::path::PathBuf;

use super::images::Images;
use crate::Failure;
use crate::camera::{Camera, SplitMix};

/// What the elements are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// The exclusive or of the coordinates: regular, and no two chunks alike.
    Xor,
    /// 12 bits without any order: what no codec can make smaller than three quarters.
    Rand,
    /// Nothing: what a codec does at its fastest.
    Zeros,
    /// Spots on an offset, with shot noise.
    Camera,
    /// Images of a file, tiled.
    File(PathBuf),
}

impl Fill {
    /// Reads a fill. That a file can be read is found out when it is.
    pub(crate) fn parse(text: &str) -> Result<Fill, String> {
        Ok(match text {
            "xor" => Fill::Xor,
            "rand" => Fill::Rand,
            "zeros" => Fill::Zeros,
            "camera" => Fill::Camera,
            file if file != "-" && std::path::Path::new(file).exists() => Fill::File(file.into()),
            _ => {
                return Err(format!(
                    "`{text}` is neither xor, rand, zeros nor camera, and no file; give one of those or a file that exists"
                ));
            }
        })
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Fill::Xor => "xor".to_owned(),
            Fill::Rand => "rand".to_owned(),
            Fill::Zeros => "zeros".to_owned(),
            Fill::Camera => "camera".to_owned(),
            Fill::File(path) => path.display().to_string(),
        }
    }

    /// Makes a source of `bytes` bytes, elements of `axes` (name and size, outermost first) as they arrive. Every byte
    /// is written: memory that the system has only promised would all be one page in the cache.
    pub(crate) fn make(&self, axes: &[(&str, u64)], bytes: usize) -> Result<Vec<u8>, Failure> {
        let mut source = vec![0; bytes];
        let sizes: Vec<_> = axes.iter().map(|a| a.1).collect();
        let to = &mut source;
        match self {
            Fill::Xor => each(&sizes, to, |at, _| at.iter().fold(0, |v, c| v ^ c) as u16),
            Fill::Rand => each(&sizes, to, |_, n| (SplitMix::from(n).next() >> 52) as u16),
            Fill::Zeros => each(&sizes, to, |_, _| 0),
            Fill::Camera | Fill::File(_) => {
                let (y, x) = plane(axes);
                let images = self.images(sizes[y], sizes[x], bytes)?;
                let number = |at: &[u64]| {
                    let others = (0..at.len()).filter(|d| *d != y && *d != x);
                    others.fold(0, |n, d| n * sizes[d] + at[d])
                };
                each(&sizes, to, |at, _| images.pixel(number(at), at[y], at[x]));
            }
        }
        Ok(source)
    }

    fn images(&self, height: u64, width: u64, bytes: usize) -> Result<Images, Failure> {
        match self {
            Fill::File(path) => Images::open(path, height, width, bytes),
            _ => {
                // A film of more pixels says nothing more, and takes longer to make.
                let side = height.max(width).clamp(64, 2048) as usize;
                Ok(Images::film(Camera::new(side), side))
            }
        }
    }
}

/// Positions of `y` and `x`.
fn plane(axes: &[(&str, u64)]) -> (usize, usize) {
    let of = |name| axes.iter().position(|a| a.0 == name);
    (of("y").unwrap_or(0), of("x").unwrap_or(axes.len() - 1))
}

/// Elements of one task.
const TASK: usize = 1 << 18;

/// Sets every element to what `value` says of its coordinates and its number, on all cores.
fn each(sizes: &[u64], to: &mut [u8], value: impl Fn(&[u64], u64) -> u16 + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let elements = to.as_chunks_mut::<2>().0;
    let tasks = std::sync::Mutex::new(elements.chunks_mut(TASK).enumerate());
    let next = || tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((task, part)) = next() {
                    walk(sizes, (task * TASK) as u64, part, &value);
                }
            });
        }
    });
}

/// Elements from number `first` on, with coordinates that count up.
fn walk(sizes: &[u64], first: u64, part: &mut [[u8; 2]], value: &impl Fn(&[u64], u64) -> u16) {
    let mut at = vec![0; sizes.len()];
    let mut rest = first;
    for d in (1..sizes.len()).rev() {
        at[d] = rest % sizes[d];
        rest /= sizes[d];
    }
    at[0] = rest;
    for (n, element) in (first..).zip(part) {
        *element = value(&at, n).to_le_bytes();
        let mut d = sizes.len() - 1;
        at[d] += 1;
        while d > 0 && at[d] == sizes[d] {
            at[d] = 0;
            d -= 1;
            at[d] += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXES: &[(&str, u64)] = &[("t", 0), ("z", 5), ("y", 70), ("x", 90), ("c", 3)];

    fn made(fill: &Fill, frames: usize) -> Vec<u16> {
        let bytes = fill.make(AXES, frames * 5 * 70 * 90 * 3 * 2).unwrap();
        bytes.as_chunks::<2>().0.iter().map(|e| u16::from_le_bytes(*e)).collect()
    }

    fn number(t: usize, z: usize, y: usize, x: usize, c: usize) -> usize {
        (((t * 5 + z) * 70 + y) * 90 + x) * 3 + c
    }

    #[test]
    fn xor_is_that_of_the_coordinates() {
        let made = made(&Fill::Xor, 4);
        for (t, z, y, x, c) in [(0, 0, 0, 0, 0), (3, 4, 69, 89, 2), (1, 2, 33, 64, 1), (2, 0, 69, 0, 2)] {
            assert_eq!(usize::from(made[number(t, z, y, x, c)]), t ^ z ^ y ^ x ^ c);
        }
    }

    #[test]
    fn rand_is_12_bits_of_the_published_sequence() {
        let made = made(&Fill::Rand, 3);
        // splitmix64 of seed 0, as the C program of its authors prints it.
        assert_eq!(made[..3], [0xe220, 0x6e78, 0x06c4].map(|n| n >> 4));
        assert!(made.iter().all(|v| *v < 4096));
        let mean = made.iter().map(|v| f64::from(*v)).sum::<f64>() / made.len() as f64;
        assert!((2040.0..2055.0).contains(&mean), "{mean}");
        assert_eq!(made, self::made(&Fill::Rand, 3));
    }

    #[test]
    fn zeros_are_zeros() {
        assert!(made(&Fill::Zeros, 1).iter().all(|v| *v == 0));
    }

    #[test]
    fn the_camera_exposes_each_plane() {
        let made = made(&Fill::Camera, 2);
        let camera = Camera::new(90);
        let pixel = |frame: usize, y: usize, x: usize| camera.frame(frame)[y * 90 + x];
        // Plane (t, z, c) is frame ((t * 5) + z) * 3 + c.
        assert_eq!(made[number(0, 0, 7, 11, 0)], pixel(0, 7, 11));
        assert_eq!(made[number(1, 2, 69, 89, 1)], pixel((5 + 2) * 3 + 1, 69, 89));
    }

    #[test]
    fn what_is_no_fill_is_refused_with_what_is() {
        assert_eq!(Fill::parse("xor"), Ok(Fill::Xor));
        for text in ["noise", "-", ""] {
            assert!(Fill::parse(text).unwrap_err().contains("camera"), "{text}");
        }
    }
}
