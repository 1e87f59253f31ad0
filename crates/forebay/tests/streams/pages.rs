//! Whole pages, the same bytes every time, and rows that all order something.

use std::sync::Arc;

use crate::common::{Case, noise};
use crate::desk::{FRAME, array, write};
use forebay::store::{self, Memory, Store};
use forebay::{Array, Codec, CoderChoice, DType, DeviceChoice, Dim, Mode, Options, Tuning, Writer};

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

/// Runs that must all store the same.
const ROUNDS: u32 = 8;

/// The case on which the reference proves its tail: each batch of two epochs leaves 1024 bytes of a page in each shard, so
/// that a stale tail shows from the second batch on. `on`: device and gate.
fn a_tail_is_carried(on: &Options, mode: Option<Mode>, codec: Codec) -> Vec<Vec<u8>> {
    let dims = vec![
        Dim::new("z", 32).chunk(1).chunks_per_shard(16),
        Dim::new("y", 144).chunk(72).chunks_per_shard(2),
        Dim::new("x", 80).chunk(40).chunks_per_shard(2),
    ];
    let batch = 2 * 144 * 80 * 2;
    assert_eq!(batch % 4096, 1024);
    let frames = noise(32 * 144 * 80 * 2);
    let array = Array { codec, ..Array::new(DType::U16, dims) };
    let bytes = |alignment: u64, slots: u32, tuned: Tuning| {
        let store: Arc<dyn Store> = Arc::new(Memory::with_alignment(alignment));
        let tuning = Tuning { batch_bytes: Some(batch as u64), slots, ..tuned };
        let mut writer = Writer::open(store.clone(), &array, Options { tuning, ..on.clone() }).unwrap();
        assert_eq!(writer.plan().batch_epochs, 2);
        let gated = alignment > 0 && writer.plan().mode == Mode::Pipelined;
        frames.chunks(7777).for_each(|part| writer.append(part).unwrap());
        writer.close().unwrap();
        let keys = store.list("0/c").unwrap();
        assert_eq!(keys.len(), 2);
        let shards: Vec<_> = keys.into_iter().map(|e| store.get(&e.key).unwrap().unwrap()).collect();
        (gated, shards, store)
    };
    let (_, plain, store) = bytes(0, 2, Tuning::default());
    assert!(Case { array: array.clone(), options: on.clone() }.read(&store) == frames);
    for round in 0..ROUNDS {
        let (gated, got, _) = bytes(4096, 2 + round % 3, Tuning { mode, ..Tuning::default() });
        assert!(got == plain, "{codec:?} {mode:?}, gate {}, round {round}", on.gate);
        assert_eq!(gated, on.gate && mode.is_none_or(|m| m == Mode::Pipelined), "{mode:?}");
    }
    println!("tail carry: {ROUNDS} of {ROUNDS}, {codec:?}, mode {mode:?}, gate {}", on.gate);
    plain
}

/// In each mode; without the gate in those that do without it. What is stored where chunks are not compressed.
fn tails_are_carried(on: &Options) -> Vec<Vec<u8>> {
    let modes: Vec<_> = match on.gate {
        true => Mode::ALL.into_iter().map(Some).collect(),
        false => vec![None, Some(Mode::DrainBeforeKick), Some(Mode::DrainAfterKick)],
    };
    let mut stored = Vec::new();
    for mode in modes {
        a_tail_is_carried(on, mode, Codec::Zstd { level: 0 });
        stored = a_tail_is_carried(on, mode, Codec::None);
    }
    stored
}

fn host(device_memory: bool, gate: bool) -> Options {
    Options { device_memory, gate, device: DeviceChoice::Host, ..Options::default() }
}

fn gpu(gate: bool) -> Options {
    Options { gate, device: DeviceChoice::Cuda(0), ..Options::default() }
}

#[test]
fn what_is_left_of_a_page_is_carried_from_batch_to_batch() {
    for (device_memory, gate) in [(false, true), (true, true), (false, false), (true, false)] {
        tails_are_carried(&host(device_memory, gate));
    }
}

#[test]
#[ignore = "needs a GPU"]
fn a_gpu_carries_tails_with_the_gate() {
    let want = tails_are_carried(&host(false, true));
    assert!(tails_are_carried(&gpu(true)) == want);
    assert!(tails_are_carried(&Options { coder: CoderChoice::Nvcomp, ..gpu(true) }) == want);
}

#[test]
#[ignore = "needs a GPU"]
fn a_gpu_carries_tails_without_the_gate() {
    let want = tails_are_carried(&host(false, true));
    assert!(tails_are_carried(&gpu(false)) == want);
    assert!(tails_are_carried(&Options { coder: CoderChoice::Nvcomp, ..gpu(false) }) == want);
}

/// Where streams share queues there is no gate: nobody asked for the fallback, and it is there. The queues are the process's,
/// so this runs in one of its own.
#[test]
#[ignore = "needs a GPU"]
fn a_gpu_with_few_queues_carries_tails_without_a_gate() {
    let (queues, few) = ("CUDA_DEVICE_MAX_CONNECTIONS", "8");
    if std::env::var(queues).is_ok_and(|set| set == few) {
        let array = Array { codec: Codec::None, ..array() };
        let store: Arc<dyn Store> = Arc::new(Memory::with_alignment(4096));
        let frames = noise(40 * FRAME);
        let mut writer = Writer::open(store.clone(), &array, gpu(true)).unwrap();
        assert_eq!(writer.plan().mode, Mode::DrainBeforeKick);
        writer.append(&frames).unwrap();
        writer.close().unwrap();
        assert!(Case { array, options: gpu(true) }.read(&store) == frames);
        return;
    }
    let name = "a_gpu_with_few_queues_carries_tails_without_a_gate";
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    let ended = again.args(["--exact", name, "--ignored", "--nocapture"]).env(queues, few).status().unwrap();
    assert!(ended.success(), "{ended}");
}

/// The same stream again and again: every object is the same, and holds what was sent.
fn the_same_every_time(on: &Options, alignment: u64) {
    let frames = noise(40 * FRAME);
    let run = || {
        let store: Arc<dyn Store> = Arc::new(Memory::with_alignment(alignment));
        let tuning = Tuning { batch_bytes: Some(1), ..Tuning::default() };
        write(&store, &array(), Options { tuning, ..on.clone() }, &frames).unwrap();
        assert!(Case { array: array(), options: on.clone() }.read(&store) == frames);
        let keys = store.list("").unwrap().into_iter().map(|e| e.key);
        keys.map(|k| (k.clone(), store.get(&k).unwrap().unwrap())).collect::<Vec<_>>()
    };
    let first = run();
    (1..ROUNDS).for_each(|round| assert!(run() == first, "run {round}"));
    println!("zstd: {ROUNDS} of {ROUNDS} the same, pages of {alignment}");
}

#[test]
fn zstd_is_the_same_every_time() {
    [0, 4096].into_iter().for_each(|alignment| the_same_every_time(&host(false, true), alignment));
}

#[test]
#[ignore = "needs a GPU"]
fn zstd_of_a_gpu_is_the_same_every_time() {
    [0, 4096].into_iter().for_each(|alignment| the_same_every_time(&gpu(true), alignment));
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
