//! What is not read, and that the message names it.

use std::path::PathBuf;

use super::*;

#[test]
fn pages_of_other_kinds_are_named() {
    let check = |name: &str, words: &[&str]| {
        let name = format!("refused_{name}.tif");
        refused(&[fixture(&name)], &Hints::default(), &[&[name.as_str()], words].concat());
    };
    check("rgb", &["page 1", "RGB", "one channel per page"]);
    check("palette", &["page 1", "palette"]);
    check("u32", &["page 1", "32-bit unsigned", ".npy"]);
    check("f64", &["page 1", "64-bit floating", ".npy"]);
    check("i8", &["page 1", "8-bit signed"]);
    check("bilevel", &["page 1", "1-bit"]);
    check("packbits", &["page 1", "PackBits", "LZW or Deflate"]);
    check("zstd", &["page 1", "Zstandard"]);
    check("jpeg", &["page 1", "JPEG"]);
    check("white_i16", &["page 1", "int16", "white as zero"]);
    check("sizes", &["page 2", "12 by 12", "13 by 12", "page 1"]);
    check("types", &["page 2", "uint16", "uint8"]);
    check("two_images", &["page 2", "page 1"]);
}

#[test]
fn a_stack_with_one_directory_that_tifffile_wrote_is_not_read_as_one_page() {
    refused(
        &[fixture("shaped_one_directory.tif")],
        &Hints::default(),
        &["[5,17,19]", "1 page(s)", "truncate=False"],
    );
}

#[test]
fn paths_that_are_no_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let none = folder.path().join("none.tif");
    refused(&[none], &Hints::default(), &["none.tif", "cannot open"]);
    refused(&[folder.path().to_owned()], &Hints::default(), &["directory", "folder/*.tif"]);
    let wrong = folder.path().join("wrong.tif");
    std::fs::write(&wrong, b"not a tiff").unwrap();
    refused(std::slice::from_ref(&wrong), &Hints::default(), &["wrong.tif", "no TIFF"]);
    std::fs::write(&wrong, b"").unwrap();
    refused(&[wrong], &Hints::default(), &["wrong.tif"]);
}

#[test]
fn standard_input_needs_hints_and_stands_alone() {
    let input = PathBuf::from("-");
    refused(std::slice::from_ref(&input), &Hints::default(), &["standard input", "--dtype", "-d name:size"]);
    refused(&[input, fixture("strips_u16_be.tif")], &Hints::default(), &["together"]);
    refused(&[], &Hints::default(), &["no input"]);
}
