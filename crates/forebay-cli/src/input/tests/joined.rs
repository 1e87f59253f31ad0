//! Several files, one input.

use std::path::PathBuf;

use forebay::DType;

use super::*;

fn both(names: &[&str]) -> (Description, Vec<u8>) {
    let paths: Vec<_> = names.iter().map(|n| fixture(n)).collect();
    read_in(&paths, &Hints::default(), 1000).unwrap()
}

#[test]
fn series_go_on_and_single_pages_become_points_in_time() {
    let (description, bytes) = both(&["strips_u16_be.tif", "bigtiff_u16_be.tif"]);
    assert_eq!(axes(&description), "t=6 y=19 x=23");
    let want = [oracle(&fixture("strips_u16_be.npy")), oracle(&fixture("bigtiff_u16_be.npy"))].concat();
    assert!(bytes == want);

    let (description, bytes) = both(&["tiled_f32_predictor3.tif"; 3]);
    assert_eq!(axes(&description), "t=3 y=37 x=45");
    assert!(bytes == oracle(&fixture("tiled_f32_predictor3.npy")).repeat(3));
}

#[test]
fn npy_goes_on_after_tiff() {
    let (description, bytes) = both(&["strips_u16_be.tif", "strips_u16_be.npy"]);
    assert_eq!(axes(&description), "t=6 y=19 x=23");
    assert!(bytes == oracle(&fixture("strips_u16_be.npy")).repeat(2));
}

#[test]
fn volumes_of_which_the_metadata_say_one_point_in_time_become_a_series() {
    let (description, _) = both(&["ome_pyramid.tif", "ome_pyramid.tif"]);
    assert_eq!(axes(&description), "t=2 z=3 y=32 x=48");
    let (description, _) = both(&["ome_hyperstack.tif", "ome_hyperstack.tif"]);
    assert_eq!(axes(&description), "t=4 c=2 z=3 y=17 x=19");
    assert_eq!(
        spacings(&description),
        "t=250 millisecond, z=0.5 micrometer, y=130 nanometer, x=0.13 micrometer"
    );
}

#[test]
fn files_that_differ_are_named() {
    let check = |a: &str, b: &str, words: &[&str]| {
        refused(&[fixture(a), fixture(b)], &Hints::default(), &[&[b, a], words].concat());
    };
    check("strips_u16_be.tif", "tiled_u8_deflate.tif", &["element type", "uint8", "uint16"]);
    check(
        "strips_u16_be.tif",
        "tiled_u16_lzw_predictor_be.tif",
        &["size of a frame", "y=37 x=45", "y=19 x=23"],
    );
    check("ome_hyperstack.tif", "imagej_hyperstack.tif", &["order of axes"]);
    check("white_is_zero_u16.tif", "ome_pyramid.tif", &["order of axes"]);
}

#[test]
fn raw_files_are_whole_but_for_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: usize| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, vec![bytes as u8; bytes]).unwrap();
        path
    };
    let hints = |t| Hints {
        dtype: Some(DType::U8),
        axes: vec![("t".to_owned(), t), ("y".to_owned(), 2), ("x".to_owned(), 5)],
    };
    let (whole, part) = (file("whole.raw", 30), file("part.raw", 25));
    let size =
        |paths: &[PathBuf], t| read_in(paths, &hints(t), 7).map(|(d, bytes)| (d.axes[0].size, bytes.len()));
    assert_eq!(size(&[whole.clone(), whole.clone()], 0).unwrap(), (6, 60));
    assert_eq!(size(&[whole.clone(), whole.clone()], 8).unwrap(), (8, 60));
    assert_eq!(size(&[whole.clone(), part.clone()], 0).unwrap(), (0, 55));
    refused(&[whole.clone(), whole.clone()], &hints(5), &["t=6", "-d t:5", "-d t:0"]);
    refused(&[part, whole], &hints(0), &["part.raw", "within a frame"]);
}
