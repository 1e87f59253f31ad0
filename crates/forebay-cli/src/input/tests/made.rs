//! TIFF files made here: with the encoder of the `tiff` crate, and byte by byte.

use std::io::Cursor;
use std::path::PathBuf;

use ::tiff::encoder::colortype::{ColorType, Gray8, Gray16, Gray32Float, GrayI16};
use ::tiff::encoder::compression::DeflateLevel;
use ::tiff::encoder::{
    Compression, Predictor, TiffEncoder, TiffKind, TiffKindBig, TiffKindStandard, TiffValue,
};

use super::tiff_bytes::{Page, Value, file};
use super::*;

fn save(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made.tif");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

const WIDTH: u32 = 13;
const HEIGHT: u32 = 11;
const PAGES: usize = 3;

fn encoded<C: ColorType, K: TiffKind>(
    pixels: &[C::Inner],
    compression: Compression,
    predictor: Predictor,
) -> Vec<u8>
where
    [C::Inner]: TiffValue,
{
    let mut out = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::<_, K>::new_generic(&mut out).unwrap();
    encoder = encoder.with_compression(compression).with_predictor(predictor);
    for page in pixels.chunks((WIDTH * HEIGHT) as usize) {
        let mut image = encoder.new_image::<C>(WIDTH, HEIGHT).unwrap();
        image.rows_per_strip(4).unwrap();
        image.write_data(page).unwrap();
    }
    out.into_inner()
}

fn values() -> impl Iterator<Item = i32> {
    (0..WIDTH as i32 * HEIGHT as i32 * PAGES as i32).map(|i| i * 37 % 4001 - 2000)
}

fn check_encoded<C: ColorType>(pixels: &[C::Inner], want: &[u8], dtype: &str)
where
    [C::Inner]: TiffValue,
{
    let mut ways = vec![(Compression::Uncompressed, Predictor::None)];
    for compression in [Compression::Lzw, Compression::Deflate(DeflateLevel::Balanced)] {
        ways.push((compression, Predictor::None));
        if dtype != "f32" {
            ways.push((compression, Predictor::Horizontal));
        }
    }
    for (i, (compression, predictor)) in ways.into_iter().enumerate() {
        let classic = encoded::<C, TiffKindStandard>(pixels, compression, predictor);
        let big = encoded::<C, TiffKindBig>(pixels, compression, predictor);
        for bytes in [classic, big] {
            let (_folder, path) = save(&bytes);
            let (description, read) = read(&path).unwrap();
            assert_eq!((axes(&description).as_str(), description.dtype.short()), ("t=3 y=11 x=13", dtype));
            assert!(read == want, "{dtype}, way {i}");
        }
    }
}

#[test]
fn all_types_and_compressions_are_read() {
    let u8s: Vec<u8> = values().map(|v| v as u8).collect();
    check_encoded::<Gray8>(&u8s, &u8s, "u8");
    let u16s: Vec<u16> = values().map(|v| v as u16).collect();
    check_encoded::<Gray16>(&u16s, &u16s.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>(), "u16");
    let i16s: Vec<i16> = values().map(|v| v as i16).collect();
    check_encoded::<GrayI16>(&i16s, &i16s.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>(), "i16");
    let f32s: Vec<f32> = values().map(|v| v as f32 / 7.0).collect();
    check_encoded::<Gray32Float>(
        &f32s,
        &f32s.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>(),
        "f32",
    );
}

#[test]
fn deflate_has_two_numbers() {
    let u8s: Vec<u8> = values().map(|v| v as u8).collect();
    let bytes =
        encoded::<Gray8, TiffKindStandard>(&u8s, Compression::Deflate(DeflateLevel::Fast), Predictor::None);
    let (new, old) = ([3, 1, 3, 0, 1, 0, 0, 0, 8, 0], [3, 1, 3, 0, 1, 0, 0, 0, 0xb2, 0x80]);
    let mut patched = bytes.clone();
    for at in 0..patched.len() - new.len() {
        if patched[at..].starts_with(&new) {
            patched[at..at + new.len()].copy_from_slice(&old);
        }
    }
    assert!(patched != bytes);
    let (_folder, path) = save(&patched);
    assert!(read(&path).unwrap().1 == u8s);
}

fn page(value: u16, big_endian: bool) -> Page {
    let pixels = (0..20).flat_map(|i| {
        let v = value * 100 + i;
        if big_endian { v.to_be_bytes() } else { v.to_le_bytes() }
    });
    Page::gray(5, 4, 16, 1, pixels.collect())
}

/// First pixels of the pages that were read, by which [`page`] tells them.
fn order(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks(40).map(|p| u16::from_le_bytes([p[0], p[1]]) / 100).collect()
}

#[test]
fn both_byte_orders_and_both_sizes_of_offsets_are_read() {
    for (big_endian, bigtiff) in [(false, false), (false, true), (true, false), (true, true)] {
        let pages: Vec<_> = (0..4).map(|v| page(v, big_endian)).collect();
        let (_folder, path) = save(&file(&pages, big_endian, bigtiff));
        let (description, bytes) = read(&path).unwrap();
        assert_eq!(axes(&description), "t=4 y=4 x=5");
        assert_eq!(order(&bytes), [0, 1, 2, 3]);
        let want: Vec<u8> =
            (0..4u16).flat_map(|p| (0..20).flat_map(move |i| (p * 100 + i).to_le_bytes())).collect();
        assert!(bytes == want);
    }
}

#[test]
fn tiles_are_put_together() {
    // 5 by 4 pixels in tiles of 16 by 16 would be one; 20 by 18 takes two by two.
    let (width, height) = (20u16, 18u16);
    let pixel = |y: u16, x: u16| if y < height && x < width { (y * width + x) as u8 } else { 0xee };
    let tile = |ty: u16, tx: u16| (0..256).map(|i| pixel(ty * 16 + i / 16, tx * 16 + i % 16)).collect();
    let mut tiled = Page::gray(width, height, 8, 1, Vec::new());
    tiled.tags.retain(|(tag, _)| *tag != 278);
    tiled.segments = vec![tile(0, 0), tile(0, 1), tile(1, 0), tile(1, 1)];
    tiled.offsets = 324;
    let tiled = tiled.with(322, Value::Short(vec![16])).with(323, Value::Short(vec![16]));
    let (_folder, path) = save(&file(&[tiled], true, false));
    let want: Vec<u8> = (0..width * height).map(|i| i as u8).collect();
    assert!(read(&path).unwrap().1 == want);
}

fn described(text: &str, pages: u16) -> Vec<u8> {
    let mut pages: Vec<_> = (0..pages).map(|v| page(v, false)).collect();
    pages[0] = pages[0].clone().with(270, Value::Text(text.to_owned()));
    file(&pages, false, false)
}

fn ome(attributes: &str, inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><OME xmlns=\"http://www.openmicroscopy.org/Schemas/OME/2016-06\"><Image><Pixels \
         SizeX=\"5\" SizeY=\"4\" Type=\"uint16\" {attributes}>{inner}</Pixels></Image></OME>"
    )
}

#[test]
fn pages_come_in_the_order_of_tiff_data() {
    let data: String = (0..6)
        .map(|ifd| format!("<TiffData IFD=\"{ifd}\" FirstT=\"{}\" FirstC=\"{}\"/>", ifd % 3, ifd / 3))
        .collect();
    let text = ome("DimensionOrder=\"XYCTZ\" SizeZ=\"1\" SizeC=\"2\" SizeT=\"3\"", &data);
    let (_folder, path) = save(&described(&text, 6));
    let (description, bytes) = read(&path).unwrap();
    assert_eq!(axes(&description), "t=3 c=2 y=4 x=5");
    assert_eq!(order(&bytes), [0, 3, 1, 4, 2, 5]);
}

#[test]
fn pages_that_ome_does_not_describe_are_left_out_with_a_note() {
    let text = ome(
        "DimensionOrder=\"XYZCT\" SizeZ=\"2\" SizeC=\"1\" SizeT=\"1\"",
        "<TiffData IFD=\"1\" PlaneCount=\"2\"/>",
    );
    let (_folder, path) = save(&described(&text, 4));
    let (description, bytes) = read(&path).unwrap();
    assert_eq!((axes(&description).as_str(), order(&bytes)), ("z=2 y=4 x=5", vec![1, 2]));
    assert!(description.notes[0].contains("2 page(s)"), "{:?}", description.notes);
}

#[test]
fn ome_that_contradicts_the_pages_is_refused() {
    let check = |attributes: &str, words: &[&str]| {
        let (_folder, path) = save(&described(&ome(attributes, ""), 2));
        refused(&[path], &Hints::default(), words);
    };
    check("DimensionOrder=\"XYZCT\" SizeZ=\"3\" SizeC=\"1\" SizeT=\"1\"", &["z=3", "2 page(s)", "bfconvert"]);
    let wrong =
        ome("DimensionOrder=\"XYZCT\" SizeZ=\"2\" SizeC=\"1\" SizeT=\"1\"", "").replace("uint16", "int16");
    let (_folder, path) = save(&described(&wrong, 2));
    refused(&[path], &Hints::default(), &["int16", "uint16"]);
    let wrong = ome("DimensionOrder=\"XYZCT\" SizeZ=\"2\" SizeC=\"1\" SizeT=\"1\"", "")
        .replace("SizeX=\"5\"", "SizeX=\"6\"");
    let (_folder, path) = save(&described(&wrong, 2));
    refused(&[path], &Hints::default(), &["6 by 4", "5 by 4"]);
}

#[test]
fn imagej_in_latin_1_is_read() {
    // `described` writes UTF-8; one byte for the micro sign is what old programs wrote.
    let mut bytes = described("ImageJ=1.53\nimages=2\nslices=2\nunit=@m\nspacing=3\n", 2);
    let at = bytes.iter().position(|b| *b == b'@').unwrap();
    bytes[at] = 0xb5;
    let (_folder, path) = save(&bytes);
    let (description, _) = read(&path).unwrap();
    assert_eq!(
        (axes(&description).as_str(), spacings(&description).as_str()),
        ("z=2 y=4 x=5", "z=3 micrometer")
    );
}

#[test]
fn imagej_that_contradicts_the_pages_is_refused() {
    let (_folder, path) = save(&described("ImageJ=1.53\nimages=7\nframes=7\n", 2));
    refused(&[path], &Hints::default(), &["images=7", "2 page(s)"]);
    let one = described("ImageJ=1.53\nimages=7\nframes=7\n", 1);
    let (_folder, path) = save(&one);
    refused(&[path], &Hints::default(), &["page 1", "of 7 images", "truncated"]);
}

#[test]
fn holes_and_short_strips_are_refused() {
    let check = |page: Page, words: &[&str]| {
        let (_folder, path) = save(&file(&[page], false, false));
        refused(&[path], &Hints::default(), words);
    };
    check(page(1, false).with(273, Value::Long(vec![0])), &["page 1", "sparse"]);
    check(page(1, false).with(279, Value::Long(vec![0])), &["page 1"]);
    check(page(1, false).with(279, Value::Long(vec![39])), &["39 bytes instead of 40"]);
    check(page(1, false).with(273, Value::Long(vec![100_000])), &["truncated"]);
    check(page(1, false).with(317, Value::Short(vec![2])), &["uncompressed with predictor 2"]);
    check(page(1, false).with(266, Value::Short(vec![2])), &["FillOrder"]);
    check(
        page(1, false)
            .with(257, Value::Short(vec![65_000]))
            .with(256, Value::Short(vec![65_000]))
            .with(278, Value::Short(vec![65_000])),
        &["65000 by 65000", "damaged"],
    );
}

#[test]
fn directories_in_a_circle_are_refused() {
    let mut bytes = file(&[page(1, false), page(2, false)], false, false);
    let first = bytes[4..8].to_vec();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&first);
    let (_folder, path) = save(&bytes);
    refused(&[path], &Hints::default(), &["cycle", "page 3"]);
}
