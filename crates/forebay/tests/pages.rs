//! Whole pages, the same bytes every time, and rows that all order something.

mod common;
mod desk;

use std::sync::Arc;

use common::noise;
use desk::{FRAME, array, memory, write};
use forebay::store::{self, Memory, Store};
use forebay::{Array, Codec, DType, Dim, Mode, Options, Tuning, Writer};

#[test]
fn pages_that_cannot_be_written_are_refused_before_anything_is() {
    let open = |alignment, options| {
        let store = Arc::new(store::Discard::new(alignment));
        let said = Writer::open(store.clone() as Arc<dyn Store>, &array(), options).map(drop).unwrap_err();
        assert_eq!(store.get("zarr.json").unwrap(), None);
        said.to_string()
    };
    let said = open(8192, Options::default());
    assert!(said.contains("8192") && said.contains("4096"), "{said}");
    let said = open(600, Options::default());
    assert!(said.contains("600") && said.contains("power of two"), "{said}");
    let tuning = Tuning { mode: Some(Mode::Pipelined), ..Tuning::default() };
    let said = open(4096, Options { tuning, gate: false, ..Options::default() });
    assert!(said.contains("pipelined") && said.contains("drain-before-kick"), "{said}");
}

/// The case on which the reference proves its tail: each batch of two epochs leaves 1024 bytes of a page in each shard, so
/// that a stale tail shows from the second batch on.
#[test]
fn what_is_left_of_a_page_is_carried_from_batch_to_batch() {
    let dims = vec![
        Dim::new("z", 32).chunk(1).chunks_per_shard(16),
        Dim::new("y", 144).chunk(72).chunks_per_shard(2),
        Dim::new("x", 80).chunk(40).chunks_per_shard(2),
    ];
    let batch = 2 * 144 * 80 * 2;
    assert_eq!(batch % 4096, 1024);
    let frames = noise(32 * 144 * 80 * 2);
    for (codec, mode) in
        [Codec::None, Codec::Zstd { level: 1 }].into_iter().flat_map(|c| Mode::ALL.map(|m| (c, m)))
    {
        let array = Array { codec, ..Array::new(DType::U16, dims.clone()) };
        let bytes = |alignment: u64, device_memory: bool, slots: u32| {
            let store: Arc<dyn Store> = Arc::new(Memory::with_alignment(alignment));
            let tuning =
                Tuning { batch_bytes: Some(batch as u64), slots, mode: Some(mode), ..Tuning::default() };
            let options = Options { tuning, device_memory, ..Options::default() };
            let mut writer = Writer::open(store.clone(), &array, options).unwrap();
            assert_eq!(writer.plan().batch_epochs, 2);
            frames.chunks(7777).for_each(|part| writer.append(part).unwrap());
            writer.close().unwrap();
            let keys = store.list("0/c").unwrap();
            assert_eq!(keys.len(), 2);
            keys.into_iter().map(|e| store.get(&e.key).unwrap().unwrap()).collect::<Vec<_>>()
        };
        let plain = bytes(0, false, 2);
        for round in 0..8 {
            for device_memory in [false, true] {
                let got = bytes(4096, device_memory, 2 + round % 3);
                assert!(got == plain, "{codec:?} {mode:?}, device memory {device_memory}, round {round}");
            }
        }
    }
}

#[test]
fn zstd_is_the_same_every_time() {
    let frames = noise(40 * FRAME);
    let run = || {
        let store = memory();
        let tuning = Tuning { batch_bytes: Some(1), ..Tuning::default() };
        write(&store, &array(), Options { tuning, ..Options::default() }, &frames).unwrap();
        let keys = store.list("0/c").unwrap().into_iter();
        keys.map(|e| store.get(&e.key).unwrap().unwrap()).collect::<Vec<_>>()
    };
    let first = run();
    (0..7).for_each(|round| assert!(run() == first, "run {round}"));
}

/// A run that went once round every ring has used every live row; a shorter one says which it has not.
#[test]
fn every_live_row_orders_something() {
    for (codec, mode) in
        [Codec::None, Codec::Zstd { level: 1 }].into_iter().flat_map(|c| Mode::ALL.map(|m| (c, m)))
    {
        for (device_memory, alignment) in [(false, 0), (true, 0), (false, 512), (true, 512)] {
            let run = |frames: usize| {
                let store: Arc<dyn Store> = Arc::new(Memory::with_alignment(alignment));
                let tuning = Tuning {
                    batch_bytes: Some(1),
                    staging_bytes: Some(1),
                    mode: Some(mode),
                    ..Tuning::default()
                };
                let options = Options { tuning, device_memory, ..Options::default() };
                let array = Array { codec, ..array() };
                let mut writer = Writer::open(store, &array, options).unwrap();
                writer.append(&noise(frames * FRAME)).unwrap();
                let rows = forebay::live_rows(writer.plan()).len();
                (writer.close().unwrap().unreached, rows)
            };
            let (unreached, rows) = run(40);
            assert_eq!(unreached, Vec::<&str>::new(), "{codec:?} {mode:?} {device_memory} {alignment}");
            assert!(rows >= 11);
            let (short, _) = run(1);
            assert!(short.contains(&"staging_free"), "{short:?}");
            assert!(!short.contains(&"staged"), "{short:?}");
        }
    }
}

#[test]
fn direct_writing_to_disk_is_the_same_bytes() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    if let Err(refusal) = store::local::check_direct(folder.path()) {
        println!("skipped: {refusal}");
        return;
    }
    let frames = noise(60 * FRAME);
    let run = |direct, gate, mode| {
        let path = folder.path().join("run.zarr");
        let tuning = Tuning { batch_bytes: Some(1), mode, ..Tuning::default() };
        let options = Options { tuning, direct, gate, overwrite: true, ..Options::default() };
        let mut writer = Writer::open(path.as_path(), &array(), options).unwrap();
        let mode = writer.plan().mode;
        frames.chunks(4001).for_each(|part| writer.append(part).unwrap());
        writer.close().unwrap();
        let files = local_files(&path.join("0/c"));
        assert_eq!(files.len(), 15 * 2 * 2);
        (mode, files)
    };
    let (_, plain) = run(false, true, None);
    for (gate, mode, want) in [
        (true, None, Mode::Pipelined),
        (false, None, Mode::DrainBeforeKick),
        (true, Some(Mode::DrainBeforeKick), Mode::DrainBeforeKick),
        (false, Some(Mode::DrainAfterKick), Mode::DrainAfterKick),
    ] {
        let (mode, files) = run(true, gate, mode);
        assert_eq!(mode, want);
        assert!(files == plain, "{mode:?}");
    }
}

/// Files below a folder, by name, with their bytes.
fn local_files(folder: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(local_files(&path));
        } else {
            found.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}
