//! Steps of a pyramid, drawn as in the host's tests: the GPU makes of them, bit by bit, what the host does, which is compared
//! with the definition there.

use std::cell::Cell;
use std::sync::Arc;

use cuda::Cuda;
use device::{CopyJob, Device, Home, Lane, Mark, Name, ReduceJob, Region, Write};
use forebay_cuda as cuda;
use plan::{DType, Frames, ReducedDim, Reducer};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::data::{self, Kind};
use crate::draw::{Case, cases, dim, each_way, long_cases, whole};
use crate::{read, write};

/// Bytes on the GPU, and how they get there and back.
struct There<'a> {
    device: &'a Cuda,
    bytes: Region,
}

impl There<'_> {
    fn new<'a>(device: &'a Cuda, bytes: &[u8]) -> There<'a> {
        let on = |home| device.allocate(home, bytes.len(), Name::of("test")).unwrap();
        let (here, there) = (on(Home::Host), on(Home::Device));
        write(&here).bytes().unwrap().copy_from_slice(bytes);
        device.copy(Lane::Compute, CopyJob { from: read(&here), to: write(&there) }).unwrap();
        There { device, bytes: there }
    }

    fn get(&self) -> Vec<u8> {
        let here = self.device.allocate(Home::Host, self.bytes.len(), Name::of("test")).unwrap();
        self.device.copy(Lane::Compute, CopyJob { from: read(&self.bytes), to: write(&here) }).unwrap();
        self.device.synchronize().unwrap();
        read(&here).bytes().unwrap().to_vec()
    }
}

fn check(device: &Cuda, case: &Case) {
    let (from, before, to) = case.bytes();
    let made = There::new(device, &to);
    {
        let (from, before) = (There::new(device, &from), before.as_ref().map(|b| There::new(device, b)));
        let job = ReduceJob {
            reduction: Arc::new(case.reduction.clone()),
            epochs: case.epochs,
            window: case.window,
            before: before.as_ref().map(|b| read(&b.bytes)),
            from: read(&from.bytes),
            to: write(&made.bytes),
        };
        device.reduce(Lane::Compute, job).unwrap();
    }
    assert!(made.get() == by_host(case, &from, before.as_deref(), &to), "{case:?}");
}

fn by_host(case: &Case, from: &[u8], before: Option<&[u8]>, to: &[u8]) -> Vec<u8> {
    let host = host::Host::open(1).unwrap();
    let region = |bytes: &[u8]| {
        let region = host.allocate(Home::Host, bytes.len(), Name::of("test")).unwrap();
        write(&region).bytes().unwrap().copy_from_slice(bytes);
        region
    };
    let (from, before, to) = (region(from), before.map(region), region(to));
    let job = ReduceJob {
        reduction: Arc::new(case.reduction.clone()),
        epochs: case.epochs,
        window: case.window,
        before: before.as_ref().map(read),
        from: read(&from),
        to: write(&to),
    };
    host::kernels::run_reduce(job).unwrap();
    read(&to).bytes().unwrap().to_vec()
}

/// Every type and reducer, steps as they are drawn.
#[test]
#[ignore = "needs a GPU"]
fn steps_of_a_pyramid_are_the_hosts() {
    let device = Cuda::open(0).unwrap();
    let mut runner = TestRunner::new_with_rng(
        ProptestConfig::default(),
        TestRng::from_seed(RngAlgorithm::ChaCha, &[9; 32]),
    );
    for dtype in DType::ALL {
        let drawn = (0..24).map(|i| {
            let of = if i % 2 == 0 { cases(dtype).boxed() } else { long_cases(dtype).boxed() };
            of.new_tree(&mut runner).unwrap().current()
        });
        for case in drawn.chain(each_way(dtype)) {
            for reducer in Reducer::ALL {
                let mut case = case.clone();
                case.reduction.reducer = reducer;
                check(&device, &case);
            }
        }
    }
}

/// The largest windows that there are, and frames as cameras have them.
#[test]
#[ignore = "needs a GPU"]
fn large_windows_and_frames_are_the_hosts() {
    let device = Cuda::open(0).unwrap();
    for dtype in DType::ALL {
        for reducer in Reducer::ALL {
            let seven = [dim(3, 2, true); 7];
            let frames = Frames::Apart(Reducer::Median);
            check(&device, &Case { kind: Kind::Few, ..whole(dtype, reducer, frames, 2, &seven) });
            let camera = [dim(201, 64, true), dim(333, 48, true)];
            check(&device, &whole(dtype, reducer, Frames::Halved, 5, &camera));
        }
    }
    // So many that a thread makes some frames one after another, of one epoch and of the next.
    let frame = [dim(1000, 256, true), dim(1000, 256, true)];
    for reducer in [Reducer::Mean, Reducer::Median, Reducer::SecondLargest] {
        check(&device, &Case { epochs: 7, ..whole(DType::U8, reducer, Frames::Kept, 25, &frame) });
        check(&device, &whole(DType::U16, reducer, Frames::Halved, 150, &frame));
        // Of two samples, so that a thread makes twice as much.
        let kept = frame.map(|d| dim(d.from, d.chunk, false));
        check(&device, &whole(DType::U8, reducer, Frames::Halved, 280, &kept));
    }
}

/// What each reducer of each type takes, for windows of 2 to 16 samples, beside a copy on the GPU of what it reads; in GB/s of all
/// that is moved, read and written, and as a share of what the copy moves. A table on standard output.
#[test]
#[ignore = "needs a GPU"]
fn reduce_measured() {
    let bench = Bench::new();
    let tiles = |halved| [dim(4096, 256, halved), dim(4096, 256, halved)];
    let cube = [dim(256, 64, true), dim(256, 64, true), dim(256, 64, true)];
    let shapes: [(&str, Frames, &[ReducedDim]); 8] = [
        ("t", Frames::Halved, &tiles(false)),
        ("y", Frames::Kept, &[dim(4096, 256, true), dim(4096, 256, false)]),
        ("x", Frames::Kept, &[dim(4096, 256, false), dim(4096, 256, true)]),
        ("y x", Frames::Kept, &tiles(true)),
        ("z y x", Frames::Kept, &cube),
        ("t y x", Frames::Halved, &tiles(true)),
        ("t z y x", Frames::Halved, &cube),
        ("y x, then t by its maximum", Frames::Apart(Reducer::Max), &tiles(true)),
    ];
    println!("type, halved: the copy, GB/s; reducers: GB/s moved (median of 9), share of the copy");
    for dtype in DType::ALL {
        bench.fill(dtype);
        for (name, frames, dims) in shapes {
            bench.measure(name, dtype, frames, dims, &Reducer::ALL);
        }
    }
    // Rows that are not whole: windows that lie in two chunks, and at the edge are cut.
    let odd = [dim(4095, 255, true), dim(4095, 255, true)];
    let odd_cube = [dim(255, 51, true), dim(255, 51, true), dim(255, 51, true)];
    let reducers = [Reducer::Mean, Reducer::Median, Reducer::Mode];
    for dtype in [DType::U8, DType::U16, DType::U32] {
        bench.fill(dtype);
        bench.measure("y x, chunks of 255", dtype, Frames::Kept, &odd, &reducers);
        bench.measure("z y x, chunks of 51", dtype, Frames::Kept, &odd_cube, &reducers);
    }
}

/// Memory on the GPU, longer than any cache.
struct Bench {
    device: Cuda,
    some: Region,
    from: Region,
    copied: Region,
    to: Region,
    done: Mark,
    generation: Cell<u64>,
}

impl Bench {
    const BYTES: usize = 1 << 30;
    const SOME: usize = 32 << 20;

    fn new() -> Bench {
        let device = Cuda::open(0).unwrap();
        let on = |home, bytes| device.allocate(home, bytes, Name::of("test")).unwrap();
        let there = || on(Home::Device, Bench::BYTES);
        let (some, from, copied, to) = (on(Home::Host, Bench::SOME), there(), there(), there());
        let done = device.mark().unwrap();
        Bench { device, some, from, copied, to, done, generation: Cell::new(0) }
    }

    /// Elements of any bits; of floats such that are not mostly NaN.
    fn fill(&self, dtype: DType) {
        let kind = if dtype.integer_range().is_some() { Kind::Any } else { Kind::Near };
        let bytes = data::bytes(kind, dtype, Bench::SOME, &mut data::Random(1));
        write(&self.some).bytes().unwrap().copy_from_slice(&bytes);
        for at in (0..Bench::BYTES).step_by(Bench::SOME) {
            let to = part(&self.from, at..at + Bench::SOME);
            self.device.copy(Lane::Compute, CopyJob { from: read(&self.some), to }).unwrap();
        }
        self.device.synchronize().unwrap();
    }

    fn measure(&self, name: &str, dtype: DType, frames: Frames, dims: &[ReducedDim], reducers: &[Reducer]) {
        let frame = whole(dtype, Reducer::Mean, Frames::Kept, 1, dims).reduction.epoch_bytes().0;
        let depth = Bench::BYTES as u64 / frame / 2 * 2;
        let case = whole(dtype, Reducer::Mean, frames, depth, dims);
        let (above, here) = case.reduction.epoch_bytes();
        let copy = self.timed("copy", || {
            let to = part(&self.copied, 0..Bench::BYTES);
            self.device.copy(Lane::Compute, CopyJob { from: read(&self.from), to }).unwrap();
        });
        let rate = |bytes: u64, time: f64| bytes as f64 / time / 1e9;
        let ceiling = rate(2 * Bench::BYTES as u64, copy);
        let mut line = format!("{dtype}, {name}: {ceiling:.0}");
        for reducer in reducers {
            let reduction = Arc::new(plan::Reduction { reducer: *reducer, ..case.reduction.clone() });
            let took = self.timed("reduce", || {
                let job = ReduceJob {
                    reduction: reduction.clone(),
                    epochs: 1,
                    window: case.window,
                    before: None,
                    from: read(&self.from),
                    to: write(&self.to),
                };
                self.device.reduce(Lane::Compute, job).unwrap();
            });
            // Of what is decimated a row in two is read along each dimension, with all of its elements, or a frame in two.
            let rows = dims.iter().rev().skip(1).filter(|d| d.halved).count()
                + usize::from(frames == Frames::Halved);
            let read = if *reducer == Reducer::Decimate { above >> rows } else { above };
            let written = here * case.window.end / depth;
            let moved = rate(read + written, took);
            line += &format!("; {reducer} {moved:.0}, {:.2}", moved / ceiling);
        }
        println!("{line}");
    }

    /// Seconds that the GPU is busy with one such piece of work: the median of nine after one that does not count.
    fn timed(&self, name: &str, queue: impl Fn()) -> f64 {
        let busy = || -> f64 {
            // Who watches a lane counts its time before it reaches the mark.
            let generation = self.generation.replace(self.generation.get() + 1);
            self.device.record(Lane::Compute, self.done, generation).unwrap();
            self.device.wait(Lane::Producer, self.done, generation).unwrap();
            let of = self.device.busy().into_iter().filter(|b| b.lane == Lane::Compute && b.name == name);
            of.map(|b| b.time.as_secs_f64()).sum()
        };
        queue();
        let mut times: Vec<f64> = (0..9)
            .map(|_| {
                let before = busy();
                queue();
                busy() - before
            })
            .collect();
        times.sort_by(f64::total_cmp);
        times[4]
    }
}

fn part(region: &Region, bytes: std::ops::Range<usize>) -> Write<'_> {
    // SAFETY: one lane does everything, in order.
    unsafe { Write::mint(region, bytes) }
}
