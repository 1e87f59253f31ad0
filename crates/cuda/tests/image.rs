//! The embedded kernels were made of the sources that lie beside them, and hold every kernel.

use std::path::Path;

use forebay_cuda::kernels;

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

#[test]
fn the_embedded_kernels_are_those_of_the_sources() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
    let lock = std::fs::read_to_string(folder.join("kernels.lock")).unwrap();
    let mut known = Vec::new();
    for line in lock.lines().filter(|l| !l.starts_with('#')) {
        let (hash, name) = line.split_once(' ').unwrap();
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let stale = "the kernels are stale: run `cargo xtask kernels`";
        assert_eq!(format!("{:016x}", fnv(&bytes)), hash, "{name}: {stale}");
        known.push(name.to_owned());
    }
    for entry in std::fs::read_dir(&folder).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        assert!(
            !name.ends_with(".cu") || known.contains(&name),
            "{name} is in no lock: run `cargo xtask kernels`"
        );
    }
    assert!(known.iter().any(|n| n == "kernels.fatbin"));
}

#[test]
fn every_kernel_has_a_source() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
    let files = std::fs::read_dir(&folder).unwrap().flatten().map(|e| e.path());
    let sources: String = files
        .filter(|path| path.extension().is_some_and(|e| e == "cu"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    for name in kernels::names() {
        // Those of several types or widths are named by what is before these.
        let is_width = |c: char| c.is_ascii_digit();
        let family = name.trim_end_matches(is_width).trim_end_matches(['w', 'f']).trim_end_matches('_');
        assert!(sources.contains(family), "{name}");
    }
    assert!(kernels::IMAGE.len() > 10_000);
}
