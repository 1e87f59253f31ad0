//! npy files made here, byte by byte, and raw files.

use std::path::PathBuf;

use forebay::DType;

use super::*;

fn npy(version: u8, descr: &str, shape: &str, elements: &[u8]) -> Vec<u8> {
    let mut dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let fixed = if version == 1 { 10 } else { 12 };
    while (dict.len() + fixed) % 64 != 0 {
        dict.insert(dict.len() - 1, ' ');
    }
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    let length = u32::try_from(dict.len()).unwrap().to_le_bytes();
    bytes.extend(if version == 1 { &length[..2] } else { &length[..] });
    bytes.extend(dict.as_bytes());
    bytes.extend(elements);
    bytes
}

fn save(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn hints(dtype: &str, axes: &[(&str, u64)]) -> Hints {
    let axes = axes.iter().map(|(n, s)| ((*n).to_owned(), *s)).collect();
    Hints { dtype: dtype.parse::<DType>().ok(), axes }
}

#[test]
fn all_versions_types_and_byte_orders_are_read() {
    for version in 1..=3 {
        for dtype in DType::ALL {
            let letters = format!("{}{}", &dtype.short()[..1], dtype.size());
            let elements: Vec<u8> = (0..24 * dtype.size()).map(|i| (i * 7) as u8).collect();
            let turned: Vec<u8> =
                elements.chunks(dtype.size()).flat_map(|e| e.iter().rev().copied()).collect();
            for (order, stored) in [("<", &elements), (">", &turned)] {
                let (_folder, path) =
                    save("a.npy", &npy(version, &format!("{order}{letters}"), "(2, 3, 4)", stored));
                let (description, bytes) = read(&path).unwrap();
                assert_eq!((description.dtype, axes(&description).as_str()), (dtype, "t=2 y=3 x=4"));
                assert!(bytes == elements, "{order}{letters}, version {version}");
                assert!(description.notes[0].contains("t y x assumed"));
            }
        }
    }
}

#[test]
fn npy_files_that_do_not_hold_what_they_say_are_refused() {
    let check = |bytes: &[u8], words: &[&str]| {
        let (_folder, path) = save("a.npy", bytes);
        refused(&[path], &Hints::default(), words);
    };
    check(&npy(1, "<u2", "(2, 3)", &[0; 11]), &["a.npy", "12 bytes", "11 follow", "truncated"]);
    check(&npy(1, "<u2", "(2, 0)", &[]), &["[2, 0]", "no frames"]);
    check(&npy(1, "<u2", "()", &[0; 2]), &["no frames"]);
    check(&npy(1, "<u2", "(99999999999, 99999999999)", &[0; 2]), &["more than a file can hold"]);
    check(&npy(4, "<u2", "(1, 1)", &[0; 2]), &["version 4.0"]);
    check(b"\x93NUM", &["npy header", "truncated"]);
    check(b"something else", &["no npy file", "numpy.save"]);
    check(&npy(1, "<c8", "(1, 1)", &[0; 8]), &["complex"]);
    let mut fortran = npy(1, "<u2", "(1, 2)", &[0; 4]);
    let at = fortran.windows(5).position(|w| w == b"False").unwrap();
    fortran[at..at + 5].copy_from_slice(b"True ");
    check(&fortran, &["Fortran", "ascontiguousarray"]);
}

#[test]
fn raw_bytes_are_what_the_command_line_says() {
    let (_folder, path) = save("a.raw", &[7; 61]);
    let check = |hints: &Hints, want: &str, notes: usize| {
        let (description, bytes) = read_in(std::slice::from_ref(&path), hints, 8).unwrap();
        assert_eq!((axes(&description).as_str(), bytes.len(), description.notes.len()), (want, 61, notes));
    };
    check(&hints("u16", &[("t", 0), ("y", 2), ("x", 5)]), "t=0 y=2 x=5", 1);
    check(&hints("u16", &[("t", 9), ("y", 2), ("x", 5)]), "t=9 y=2 x=5", 1);
    check(&hints("u8", &[("t", 61)]), "t=61", 0);
    check(&hints("u8", &[("t", 0)]), "t=61", 0);
    refused(std::slice::from_ref(&path), &Hints::default(), &["a.raw", "--dtype", "-d t:0"]);
    refused(
        std::slice::from_ref(&path),
        &hints("u8", &[("t", 2), ("y", 5), ("x", 6)]),
        &["61 bytes", "60", "-d t:0"],
    );
}

#[test]
fn the_beginning_tells_files_without_an_extension() {
    let (_folder, path) = save("image", &npy(1, "<u2", "(1, 2)", &[1, 2, 3, 4]));
    assert_eq!(axes(&read(&path).unwrap().0), "y=1 x=2");
    let (_folder, path) = save("image", &std::fs::read(fixture("strips_u16_be.tif")).unwrap());
    assert_eq!(axes(&read(&path).unwrap().0), "t=3 y=19 x=23");
    let (_folder, path) = save("image.czi", b"ZISRAWFILE");
    refused(&[path], &Hints::default(), &[".czi", "TIFF", "--dtype"]);
}
