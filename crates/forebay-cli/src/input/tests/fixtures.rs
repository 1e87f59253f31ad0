//! Files of tifffile: what is read is what tifffile reads.

use std::path::{Path, PathBuf};

use super::*;

#[test]
fn pixels_are_those_that_tifffile_reads() {
    let check = |name: &str, dtype: &str, want: &str| {
        let tif = fixture(&format!("{name}.tif"));
        let pixels = oracle(&fixture(&format!("{name}.npy")));
        // A page at a time, a page in pieces, several pages in one buffer.
        for step in [1 << 20, 100, 1] {
            let (description, bytes) = read_in(std::slice::from_ref(&tif), &Hints::default(), step).unwrap();
            assert_eq!((axes(&description).as_str(), description.dtype.short()), (want, dtype), "{name}");
            assert!(bytes == pixels, "{name} differs when read in steps of {step} bytes");
        }
    };
    check("strips_u16_be", "u16", "t=3 y=19 x=23");
    check("bigtiff_u16_be", "u16", "t=3 y=19 x=23");
    check("strips_i16_deflate_predictor", "i16", "t=2 y=20 x=21");
    check("strips_f32_predictor3_be", "f32", "t=2 y=20 x=21");
    check("tiled_u8_deflate", "u8", "t=2 y=37 x=45");
    check("tiled_u16_lzw_predictor_be", "u16", "t=2 y=37 x=45");
    check("tiled_f32_predictor3", "f32", "y=37 x=45");
    check("white_is_zero_u16", "u16", "t=2 y=12 x=13");
    check("resolution_cm", "u8", "y=12 x=13");
    check("imagej_hyperstack", "u16", "t=2 z=3 c=2 y=17 x=19");
    check("imagej_one_directory", "u16", "t=5 y=17 x=19");
    check("ome_hyperstack", "u16", "t=2 c=2 z=3 y=17 x=19");
    check("ome_pyramid", "u16", "z=3 y=32 x=48");
    check("thumbnail_between", "u8", "t=2 y=16 x=18");
}

#[test]
fn spacing_comes_from_the_metadata() {
    let check = |name: &str, want: &str| {
        let (description, _) = read(&fixture(name)).unwrap();
        assert_eq!(spacings(&description), want, "{name}");
    };
    check("imagej_hyperstack.tif", "t=2.5 second, z=0.5 micrometer, y=0.26 micrometer, x=0.13 micrometer");
    check("imagej_one_directory.tif", "y=100 nanometer, x=100 nanometer");
    check("ome_hyperstack.tif", "t=250 millisecond, z=0.5 micrometer, y=130 nanometer, x=0.13 micrometer");
    check("resolution_cm.tif", "y=1 micrometer, x=0.5 micrometer");
    check("strips_u16_be.tif", "");
}

#[test]
fn what_is_skipped_is_noted() {
    let check = |name: &str, word: &str| {
        let (description, _) = read(&fixture(name)).unwrap();
        assert!(description.notes.iter().any(|n| n.contains(word)), "{word} in {:?}", description.notes);
    };
    check("thumbnail_between.tif", "1 page(s) of reduced resolution");
    check("ome_pyramid.tif", "pyramid");
    check("white_is_zero_u16.tif", "white is stored as zero");
    check("strips_u16_be.tif", "points in time");
}

/// A file cut anywhere is refused, or was cut behind its last pixel. Nothing panics.
#[test]
fn a_cut_file_never_gives_other_pixels() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "strips_u16_be",
        "tiled_u8_deflate",
        "bigtiff_u16_be",
        "strips_f32_predictor3_be",
        "imagej_one_directory",
    ] {
        let whole = std::fs::read(fixture(&format!("{name}.tif"))).unwrap();
        let pixels = oracle(&fixture(&format!("{name}.npy")));
        let path = folder.path().join("cut.tif");
        for length in (0..whole.len()).step_by(7) {
            std::fs::write(&path, &whole[..length]).unwrap();
            match read(&path) {
                Ok((_, bytes)) => assert!(bytes == pixels, "{name} cut to {length} bytes"),
                Err(e) => assert!(e.to_string().contains("cut.tif"), "{e}"),
            }
        }
    }
}

/// Damage may go unseen in pixels, but nothing panics and no tag makes memory grow beyond reason.
#[test]
fn a_damaged_file_does_not_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.tif");
    for name in [
        "strips_u16_be",
        "tiled_u16_lzw_predictor_be",
        "ome_pyramid",
        "tiled_f32_predictor3",
        "imagej_one_directory",
    ] {
        let whole = std::fs::read(fixture(&format!("{name}.tif"))).unwrap();
        for at in (0..whole.len()).filter(|at| *at < 450 || at % 29 == 0) {
            for flip in [0xff, 0x01] {
                let mut damaged = whole.clone();
                damaged[at] ^= flip;
                std::fs::write(&path, &damaged).unwrap();
                let _ = read(&path);
            }
        }
    }
}

/// The images of the project's shared folder, where it is there.
#[test]
fn real_images_are_read() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("FOREBAY_SHARED").map_or(beside, PathBuf::from).join("data");
    let check = |name: &str, want: &str, dtype: &str, sum: i64| {
        let path = shared.join(name);
        if !path.exists() {
            println!("skipped: {} is not there", path.display());
            return;
        }
        let (description, bytes) = read(&path).unwrap();
        assert_eq!((axes(&description).as_str(), description.dtype.short()), (want, dtype));
        assert_eq!(total(&bytes, dtype), sum, "sum of {name}, as numpy has it");
    };
    check("brownian-u8-t96-y424-x640.tif", "t=96 y=424 x=640", "u8", BROWNIAN);
    check("zebrafish-u16-y1024-x1024.tif", "y=1024 x=1024", "u16", ZEBRAFISH);
    check("mri-i16-t2-z24-y96-x128.npy", "t=2 z=24 y=96 x=128", "i16", MRI);
}

/// The crops that come with the repository, see `tests/data/README.md` at its root.
#[test]
fn crops_of_real_images_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data");
    let check = |name: &str, want: &str, dtype: &str, sum: i64| {
        let path = folder.join(name);
        if !path.exists() {
            println!("skipped: {} is not there", path.display());
            return;
        }
        let (description, bytes) = read(&path).unwrap();
        assert_eq!((axes(&description).as_str(), description.dtype.short()), (want, dtype));
        assert_eq!(total(&bytes, dtype), sum, "sum of {name}, as numpy has it");
    };
    check("brownian-u8-t12-y106-x159.tif", "t=12 y=106 x=159", "u8", 31_138_298);
    check("zebrafish-u16-y301-x333.tif", "y=301 x=333", "u16", 36_356_604);
    check("mri-i16-t2-z11-y61-x77.npy", "t=2 z=11 y=61 x=77", "i16", 38_395_417);
}

fn total(bytes: &[u8], dtype: &str) -> i64 {
    let pairs = || bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    match dtype {
        "u8" => bytes.iter().map(|b| i64::from(*b)).sum(),
        "u16" => pairs().map(|b| i64::from(u16::from_le_bytes(b))).sum(),
        _ => pairs().map(|b| i64::from(i16::from_le_bytes(b))).sum(),
    }
}

const BROWNIAN: i64 = 3_901_046_904;
const ZEBRAFISH: i64 = 342_217_708;
const MRI: i64 = 101_985_356;
