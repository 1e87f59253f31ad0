//! Throughput of steps on all cores, beside copies of the same bytes, for the figures in the documentation:
//! `cargo test --release -p forebay-host --test reduce -- --ignored --nocapture throughput`

use std::time::Instant;

use forebay_host::kernels::reduce;
use plan::{DType, Frames, ReducedDim, Reducer};
use rayon::prelude::*;

use crate::data::{self, Kind, Random};
use crate::draw::{dim, whole};

/// Best of several runs, in GB/s of what is read.
fn rate(bytes: usize, mut work: impl FnMut()) -> f64 {
    work();
    let best = (0..9)
        .map(|_| {
            #[expect(clippy::disallowed_methods, reason = "a measurement, not part of a device")]
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    bytes as f64 / 1e9 / best
}

/// Of whole epochs, side by side with a copy of all that is read.
fn report(name: &str, dtype: DType, frames: Frames, depth: u64, dims: &[ReducedDim], reducers: &[Reducer]) {
    for reducer in reducers {
        let case = whole(dtype, *reducer, frames, depth, dims);
        let r = &case.reduction;
        let (above, here) = r.epoch_bytes();
        let from = data::bytes(Kind::Near, dtype, above as usize, &mut Random(1));
        let (mut copy, mut to) = (vec![0; above as usize], vec![0; here as usize]);
        let copied = rate(from.len(), || {
            copy.par_chunks_mut(1 << 16)
                .zip(from.par_chunks(1 << 16))
                .for_each(|(to, from)| to.copy_from_slice(from));
        });
        let made = rate(from.len(), || reduce(r, case.window, 1, None, &from, &mut to));
        println!("{name:<44} {reducer:<16} {made:6.2} GB/s, copied {copied:6.2}: {:.2}", made / copied);
    }
}

#[test]
#[ignore = "a measurement"]
fn throughput() {
    use Reducer::{Decimate, Max, Mean, Median};
    let halved = |n: u64, chunk: u64| dim(n, chunk, true);
    let frame = [halved(2048, 2048), halved(2048, 2048)];
    let usual = [Mean, Max, Median];
    report("u16, yx, 8 frames, one chunk", DType::U16, Frames::Kept, 8, &frame, &Reducer::ALL);
    report("f32, yx, 8 frames, one chunk", DType::F32, Frames::Kept, 8, &frame, &usual);
    let tiles = [halved(2048, 256), halved(2048, 256)];
    report("u16, yx, 8 frames, chunks of 256", DType::U16, Frames::Kept, 8, &tiles, &usual);
    report("u8, yx, 8 frames, chunks of 256", DType::U8, Frames::Kept, 8, &tiles, &[Mean, Max]);
    for dtype in [DType::I32, DType::U64, DType::F16, DType::F64] {
        report(&format!("{dtype}, yx, 8 frames, chunks of 256"), dtype, Frames::Kept, 8, &tiles, &usual);
    }
    report("u16, tyx, 8 frames, chunks of 256", DType::U16, Frames::Halved, 8, &tiles, &[Mean, Max]);
    report("u16, yx then t, chunks of 256", DType::U16, Frames::Apart(Max), 8, &tiles, &[Mean]);
    let kept = [dim(2048, 256, false), dim(2048, 256, false)];
    report("u16, t, 8 frames, chunks of 256", DType::U16, Frames::Halved, 8, &kept, &[Mean, Max]);
    let cube = [halved(256, 64), halved(256, 64), halved(256, 64)];
    report("u16, zyx, 256 cubed, chunks of 64", DType::U16, Frames::Kept, 1, &cube, &[Mean, Max]);
    report("u16, tzyx, 256 cubed, chunks of 64", DType::U16, Frames::Halved, 2, &cube, &[Mean, Max]);
    let small = [halved(256, 16), halved(256, 16), halved(256, 16)];
    report("u16, zyx, 256 cubed, chunks of 16", DType::U16, Frames::Kept, 1, &small, &[Mean, Max, Decimate]);
    let odd = [halved(2047, 255), halved(2047, 255)];
    report("u16, yx, chunks of 255", DType::U16, Frames::Kept, 8, &odd, &[Mean]);
    let colours = [halved(2048, 256), halved(2048, 256), dim(3, 3, false)];
    report("u8, yx, three colours together", DType::U8, Frames::Kept, 8, &colours, &[Mean, Max]);
}

#[test]
#[ignore = "a measurement"]
fn throughput_of_sorting() {
    let tiles = [dim(2048, 256, true), dim(2048, 256, true)];
    let sorted = [Reducer::Median, Reducer::Mode];
    for dtype in [DType::U8, DType::U16, DType::U32, DType::U64, DType::F32] {
        report(&format!("{dtype}, yx, 4 samples"), dtype, Frames::Kept, 8, &tiles, &sorted);
    }
    report("u16, tyx, 8 samples", DType::U16, Frames::Halved, 8, &tiles, &sorted);
    let cube = [dim(256, 64, true), dim(256, 64, true), dim(256, 64, true)];
    report("u16, tzyx, 16 samples", DType::U16, Frames::Halved, 2, &cube, &sorted);
}
