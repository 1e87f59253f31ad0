//! Random plans, streams and cuts against an independent reader.

use std::time::Duration;

use crate::common::{Case, noise};
use crate::plans::{Drawn, Run, number, runs, shards};
use forebay::{Array, Codec, DType, Dim, Mode, Tuning};
use proptest::prelude::*;

/// Random plans on the GPU for `FOREBAY_GPU_SECONDS` seconds, `FOREBAY_GPU_PLANS` plans at the most, by the seed
/// `FOREBAY_GPU_SEED`. `FOREBAY_GPU_GATE`: `yes` or `no` for whole pages with the gate, or with batches that are drained before
/// the next is kicked; otherwise as they are drawn. `FOREBAY_GPU_CODEC=none`: nothing is compressed; `own`: by our
/// own coder.
#[test]
#[ignore = "needs a GPU"]
fn streams_come_back_from_the_gpu() {
    #[expect(clippy::disallowed_methods, reason = "how long to try is for the person who waits")]
    let start = std::time::Instant::now();
    let (time, seed) =
        (Duration::from_secs(number("FOREBAY_GPU_SECONDS", 60)), number("FOREBAY_GPU_SEED", 1));
    let most = number("FOREBAY_GPU_PLANS", u64::MAX);
    let said = |name| std::env::var(name).unwrap_or_default();
    let (gate, codec) = (said("FOREBAY_GPU_GATE"), said("FOREBAY_GPU_CODEC"));
    let mut drawn = Drawn::new(seed);
    let (mut tried, mut on_gpu, mut gated, mut waiting) = (0, 0, 0, 0);
    while start.elapsed() < time && on_gpu < most {
        let run = drawn.next();
        let mut run = if codec == "own" { run.on_gpu_by_us() } else { run.on_gpu(tried % 4 == 0) };
        if !gate.is_empty() {
            run = run.into_pages(gate == "yes");
        }
        if codec == "none" {
            run.array.codec = Codec::None;
        }
        tried += 1;
        if forebay::device_for(&run.array, &run.options()).is_err() {
            // Chunks that its codec does not take; a GPU that is not there is found below.
            continue;
        }
        on_gpu += 1;
        match (run.alignment > 0, run.gate) {
            (true, true) if run.tuning.mode == Some(Mode::Pipelined) => gated += 1,
            (true, false) => waiting += 1,
            _ => {}
        }
        run.check().unwrap_or_else(|why| panic!("plan {tried} of seed {seed}, {why}"));
    }
    println!(
        "{on_gpu} of {tried} random plans of seed {seed} on the GPU in {:.0} s, {gated} with the gate, {waiting} without it, \
         none differs",
        start.elapsed().as_secs_f64()
    );
    assert!(on_gpu >= 10.min(most), "hardly any plan ran on a GPU");
    assert!(gate != "yes" || gated > 0, "no plan used the gate");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// What was appended is what is read, and the store's bytes depend neither on how the run was cut into appends,
    /// flushes and batches, nor on the mode, nor on where
    /// the buffers lie, nor on the pages that the store takes.
    #[test]
    fn streams_come_back(run in runs()) {
        let (store, bytes, report) = run.stream();
        let case = Case { array: run.array.clone(), options: run.options() };
        prop_assert!(case.read(&store) == run.want(&bytes, &report));
        let plain = Run {
            appends: vec![usize::MAX / 2],
            ways: vec![],
            flush_every: 0,
            interval: Duration::from_secs(60),
            device_memory: !run.device_memory,
            alignment: 0,
            tuning: Tuning { slots: 2, batch_bytes: Some(1 << 16), staging_bytes: Some(1 << 16), ..Tuning::default() },
            ..run
        };
        prop_assert!(shards(&store) == shards(&plain.stream().0));
    }
}

#[test]
fn thirty_two_dimensions() {
    let mut dims = vec![Dim::unbounded("d0").chunk(2).chunks_per_shard(2)];
    dims.extend((1..32).map(|d| Dim::new(format!("d{d}"), 1 + u64::from(d % 8 == 0)).chunk(1 + d % 2)));
    let case = Case::new(Array { plain: true, ..Array::new(DType::U16, dims) });
    let bytes = noise(7 * 8 * 2);
    let (report, store) = case.write(&bytes, 5);
    assert_eq!(report.shape[0], 7);
    assert_eq!(case.read(&store), bytes);
}
