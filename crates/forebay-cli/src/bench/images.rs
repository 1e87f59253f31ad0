//! Images that a source is tiled with: those of the synthetic camera, or of a file.

use std::path::Path;

use forebay::DType;

use crate::Failure;
use crate::camera::Camera;
use crate::input::{self, Hints};

/// Images of one size, that follow one another in a ring.
pub(crate) struct Images {
    pixels: Pixels,
    height: usize,
    width: usize,
}

enum Pixels {
    Film(Camera),
    Read(Vec<u16>),
}

impl Images {
    pub(crate) fn film(camera: Camera, side: usize) -> Images {
        Images { pixels: Pixels::Film(camera), height: side, width: side }
    }

    /// Reads at most `most` bytes of a file, whole images; raw bytes are taken for images of `height` x `width`.
    pub(crate) fn open(path: &Path, height: u64, width: u64, most: usize) -> Result<Images, Failure> {
        let bad = |what: String| Failure::Input(format!("--fill {}: {what}", path.display()));
        let axes =
            [("t", 0), ("y", height), ("x", width)].map(|(name, size)| (name.to_owned(), size)).to_vec();
        let hints = Hints { dtype: Some(DType::U16), axes };
        let mut source = input::open(&[path.to_owned()], &hints)?;
        let about = source.description().clone();
        if about.dtype != DType::U16 {
            return Err(bad(format!(
                "it holds {}, the scenarios are of uint16; give such a file",
                about.dtype
            )));
        }
        let [.., y, x] = about.axes.as_slice() else {
            return Err(bad("it has one axis; give a file of images".to_owned()));
        };
        let (height, width) = (y.size as usize, x.size as usize);
        let image = height.saturating_mul(width).saturating_mul(2);
        let mut bytes = vec![0; most.max(image)];
        let mut read = 0;
        while read < bytes.len() {
            match source.read(&mut bytes[read..])? {
                0 => break,
                more => read += more,
            }
        }
        if image == 0 || read < image {
            return Err(bad(format!("it holds {read} bytes, less than an image of {height} x {width}")));
        }
        let whole = &bytes[..read / image * image];
        let pixels = whole.as_chunks::<2>().0.iter().map(|p| u16::from_le_bytes(*p)).collect();
        Ok(Images { pixels: Pixels::Read(pixels), height, width })
    }

    /// The pixel of image `number`, which begins again where it ends, as the ring does.
    pub(crate) fn pixel(&self, number: u64, y: u64, x: u64) -> u16 {
        let at = y as usize % self.height * self.width + x as usize % self.width;
        match &self.pixels {
            Pixels::Film(camera) => camera.frame(number as usize)[at],
            Pixels::Read(pixels) => {
                let image = self.height * self.width;
                pixels[number as usize % (pixels.len() / image) * image + at]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(name: &str, bytes: &[u8], most: usize) -> Result<Images, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Images::open(&path, 2, 3, most)
    }

    #[test]
    fn raw_bytes_are_images_of_the_scenario_in_a_ring() {
        let bytes: Vec<u8> = (0..2 * 6u16).flat_map(u16::to_le_bytes).collect();
        let images = opened("a.raw", &bytes, 1000).unwrap();
        assert_eq!((images.pixel(1, 1, 2), images.pixel(3, 1, 2), images.pixel(0, 2, 3)), (11, 11, 0));
        let first = opened("a.raw", &bytes, 15).unwrap();
        assert_eq!(first.pixel(1, 1, 2), 5, "no more is read than is needed");
    }

    #[test]
    fn files_of_other_types_and_empty_ones_are_refused() {
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2, 3), }";
        let npy = [b"\x93NUMPY\x01\0".as_slice(), &[header.len() as u8, 0], header.as_bytes(), &[0; 6]];
        let Err(Failure::Input(said)) = opened("a.npy", &npy.concat(), 100) else { panic!() };
        assert!(said.contains("uint8") && said.contains("uint16"), "{said}");
        assert!(opened("a.raw", &[0; 5], 100).is_err());
    }
}
