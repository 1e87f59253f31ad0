//! What is said of reducers, one sentence after the other, with elements written down.

use forebay_host::kernels::reduce;
use plan::{DType, Fill, Frames, Missing, ReducedDim, Reducer, Reduction, Window};

use crate::data::{ends, nan, number, read, write};
use crate::draw::{Case, dim, whole};
use crate::oracle::float;

/// One window: as many samples as there are, a power of two.
fn of(dtype: DType, reducer: Reducer, samples: &[u64]) -> u64 {
    let dims = vec![dim(2, 2, true); samples.len().ilog2() as usize];
    let mut from = vec![0; samples.len() * dtype.size()];
    samples.iter().enumerate().for_each(|(i, bits)| write(dtype, &mut from, i, *bits));
    let Case { reduction, window, .. } = whole(dtype, reducer, Frames::Kept, 1, &dims);
    let mut to = vec![0; reduction.epoch_bytes().1 as usize];
    reduce(&reduction, window, 1, None, &from, &mut to);
    read(dtype, &to, 0)
}

const FLOATS: [DType; 3] = [DType::F16, DType::F32, DType::F64];

#[test]
fn a_constant_stays_what_it_is() {
    for dtype in DType::ALL {
        for reducer in Reducer::ALL {
            for bits in ends(dtype) {
                let is_nan = FLOATS.contains(&dtype) && float(dtype, bits).is_nan();
                let want = if is_nan && reducer != Reducer::Decimate { nan(dtype) } else { bits };
                let want = read(dtype, &want.to_le_bytes(), 0);
                for samples in [1, 2, 4, 8, 16, 256] {
                    let is = of(dtype, reducer, &vec![bits; samples]);
                    assert_eq!(is, want, "{samples} times {bits:#x}, {reducer} of {dtype}");
                }
            }
        }
    }
    // A number of which thrice is no number of the type, nor is seven times.
    let third = (1.0f64 / 3.0).to_bits();
    assert_eq!(of(DType::F64, Reducer::Mean, &[third; 8]), third);
}

#[test]
fn means_are_rounded_to_even() {
    let mean = |dtype: DType, samples: &[i64], want: i64| {
        let samples: Vec<u64> = samples.iter().map(|s| number(dtype, *s)).collect();
        let want = read(dtype, &number(dtype, want).to_le_bytes(), 0);
        assert_eq!(of(dtype, Reducer::Mean, &samples), want, "{samples:?} of {dtype}");
    };
    for dtype in DType::ALL.into_iter().filter(|d| d.integer_range().is_some()) {
        mean(dtype, &[0, 1], 0);
        mean(dtype, &[1, 2], 2);
        mean(dtype, &[2, 3], 2);
        mean(dtype, &[3, 3, 3, 5], 4);
        mean(dtype, &[2, 3, 2, 2], 2);
        mean(dtype, &[2, 3, 3, 3], 3);
        mean(dtype, &[2, 2, 3, 3], 2);
        if dtype.integer_range().unwrap().0 < 0 {
            mean(dtype, &[-1, 0], 0);
            mean(dtype, &[-1, -2], -2);
            mean(dtype, &[-2, -3], -2);
            mean(dtype, &[-3, -3, -4, -3], -3);
            mean(dtype, &[-3, -3, -4, -4], -4);
            mean(dtype, &[-128, 127, 127, -128], 0);
        }
    }
    mean(DType::U64, &[-1, -1, -1, -2], -1);
    mean(DType::U64, &[-1, -2], -2);
    mean(DType::I64, &[i64::MAX, i64::MAX - 1], i64::MAX - 1);
    mean(DType::I64, &[i64::MIN, i64::MIN, i64::MIN, i64::MIN + 1], i64::MIN);
    // 2049 is between two halves of a float; 2048 has the even last bit.
    let halves = |a: f32, b: f32| [a, b].map(|v| u64::from(half::f16::from_f32(v).to_bits()));
    let is = of(DType::F16, Reducer::Mean, &halves(2048.0, 2050.0));
    assert_eq!(is, halves(2048.0, 0.0)[0]);
    let is = of(DType::F16, Reducer::Mean, &halves(2050.0, 2052.0));
    assert_eq!(is, halves(2052.0, 0.0)[0]);
}

/// In `f32` the small ones would be lost one after another, and so they would in another order.
#[test]
fn floats_are_summed_in_a_wider_type_in_order() {
    let small = 2f64.powi(-24);
    let samples = [1.0, small, small, small].map(|v| u64::from((v as f32).to_bits()));
    let want = ((1.0 + 3.0 * small) / 4.0) as f32;
    assert_eq!(of(DType::F32, Reducer::Mean, &samples), want.to_bits().into());
    assert_ne!(want, 0.25);
    let tiny = 2f64.powi(-53);
    let mean = |samples: [f64; 4]| f64::from_bits(of(DType::F64, Reducer::Mean, &samples.map(f64::to_bits)));
    assert_eq!(mean([1.0, tiny, tiny, tiny]), 0.25);
    assert_eq!(mean([tiny, tiny, tiny, 1.0]), (1.0 + 3.0 * tiny) / 4.0);
}

#[test]
fn sums_that_overflow_stay_between_their_samples() {
    let mean = |samples: &[f64]| {
        let samples: Vec<u64> = samples.iter().map(|s| s.to_bits()).collect();
        f64::from_bits(of(DType::F64, Reducer::Mean, &samples))
    };
    assert_eq!(mean(&[f64::MAX, f64::MAX.next_down()]), f64::MAX);
    assert_eq!(mean(&[f64::MIN; 8]), f64::MIN);
    assert_eq!(mean(&[f64::INFINITY, 1.0]), f64::INFINITY);
    assert_eq!(mean(&[f64::NEG_INFINITY, f64::MAX]), f64::NEG_INFINITY);
}

#[test]
fn nan_decides() {
    for dtype in FLOATS {
        let sign = 1 << (8 * dtype.size() - 1);
        let number = |v| number(dtype, v);
        for odd in [nan(dtype), nan(dtype) | 7, nan(dtype) | sign] {
            for at in 0..4 {
                let mut samples = [1, 2, 2, 3].map(number);
                samples[at] = odd;
                for reducer in Reducer::ALL {
                    let want = match reducer {
                        Reducer::Decimate => samples[0],
                        // One of the twos may be gone: then all are alone.
                        Reducer::Mode if at == 0 || at == 3 => number(2),
                        Reducer::Mode => number(1),
                        _ => nan(dtype),
                    };
                    assert_eq!(of(dtype, reducer, &samples), want, "{reducer} of {dtype}, {odd:#x} at {at}");
                }
            }
            // NaNs are one value, and larger than others.
            let mode = |samples: &[u64]| of(dtype, Reducer::Mode, samples);
            assert_eq!(mode(&[odd, nan(dtype) | 1, number(1), number(2)]), nan(dtype));
            assert_eq!(mode(&[odd, nan(dtype) | 1, number(2), number(2)]), number(2));
            assert_eq!(mode(&[odd, number(5)]), number(5));
        }
        let infinities = [f64::INFINITY, f64::NEG_INFINITY].map(|v| match dtype {
            DType::F16 => half::f16::from_f64(v).to_bits().into(),
            DType::F32 => (v as f32).to_bits().into(),
            _ => v.to_bits(),
        });
        assert_eq!(of(dtype, Reducer::Mean, &infinities), nan(dtype));
        assert_eq!(of(dtype, Reducer::Min, &infinities), infinities[1]);
    }
}

#[test]
fn zeros_are_told_apart() {
    for dtype in FLOATS {
        let (plus, minus) = (0, 1 << (8 * dtype.size() - 1));
        let check = |reducer, samples: &[u64], want: u64| {
            assert_eq!(of(dtype, reducer, samples), want, "{reducer} of {dtype}, {samples:x?}");
        };
        for both in [[plus, minus], [minus, plus]] {
            check(Reducer::Min, &both, minus);
            check(Reducer::Max, &both, plus);
            check(Reducer::Median, &both, minus);
            check(Reducer::SecondLargest, &both, minus);
            check(Reducer::SecondSmallest, &both, plus);
            check(Reducer::Mode, &both, minus);
            check(Reducer::Mean, &both, plus);
        }
        check(Reducer::Mode, &[minus, plus, plus, 1], plus);
        check(Reducer::Mean, &[minus; 4], minus);
    }
}

/// Frames of 4 x 4 with one pixel that is not zero, at each place.
#[test]
fn a_single_bright_pixel() {
    let dims = [dim(4, 4, true), dim(4, 3, true)];
    for at in 0..16 {
        for (reducer, want) in [
            (Reducer::Mean, 50),
            (Reducer::Min, 0),
            (Reducer::Max, 200),
            (Reducer::Median, 0),
            (Reducer::SecondLargest, 0),
            (Reducer::SecondSmallest, 0),
            (Reducer::Mode, 0),
            (Reducer::Decimate, if at / 4 % 2 == 0 && at % 2 == 0 { 200 } else { 0 }),
        ] {
            let Case { reduction, window, .. } = whole(DType::U8, reducer, Frames::Kept, 1, &dims);
            let (y, x) = (at / 4, at % 4);
            let mut from = vec![9; 24];
            (0..16).for_each(|i| from[i % 4 / 3 * 12 + i / 4 * 3 + i % 4 % 3] = 0);
            from[x / 3 * 12 + y * 3 + x % 3] = 200;
            let mut to = [255; 12];
            reduce(&reduction, window, 1, None, &from, &mut to);
            let mut expected = [0; 12];
            expected[y / 2 * 3 + x / 2] = want;
            assert_eq!(to, expected, "{reducer}, {at}");
        }
    }
}

/// A step of single elements a frame.
fn points(dims: Vec<ReducedDim>, frames: Frames, depth: u64) -> Reduction {
    let fill = Fill::parse("9", DType::U8).unwrap();
    Reduction { dtype: DType::U8, reducer: Reducer::Max, frames, dims, depth, fill }
}

#[test]
fn frames_that_no_window_names_stay_what_they_are() {
    let r = points(vec![dim(3, 2, false)], Frames::Kept, 4);
    let from: Vec<u8> = (1..=32).collect();
    let mut to = [100; 32];
    let window = Window { first: 1, end: 3, offset: 0, valid: 2, missing: Missing::Cut };
    reduce(&r, window, 2, None, &from, &mut to);
    let chunk = |a: u8, b: u8| [100, 100, a, b, 9, 9, 100, 100];
    let want = [chunk(3, 4), chunk(11, 9), chunk(19, 20), chunk(27, 9)];
    assert_eq!(to, *want.as_flattened());
}

#[test]
fn frames_of_two_epochs_make_one() {
    let before = [1, 2, 30];
    let make = |window: Window, frames: Frames| {
        let mut to = [100; 3];
        reduce(&points(vec![], frames, 3), window, 1, Some(&before), &[4, 5, 6], &mut to);
        to
    };
    let window = Window { first: 1, end: 3, offset: -3, valid: 3, missing: Missing::Cut };
    for frames in [Frames::Halved, Frames::Apart(Reducer::Max)] {
        assert_eq!(make(window, frames), [100, 30, 6]);
        let two = Window { valid: 2, ..window };
        assert_eq!(make(two, frames), [100, 30, 5]);
        assert_eq!(make(Window { missing: Missing::Fill, ..two }, frames), [100, 30, 9]);
        assert_eq!(make(Window { valid: 1, ..window }, frames), [100, 30, 9]);
        let none = Window { valid: 0, ..window };
        assert_eq!(make(none, frames), [100, 30, 9]);
        assert_eq!(make(Window { first: 1, end: 2, missing: Missing::Fill, ..none }, frames), [100, 30, 100]);
    }
}

#[test]
fn frames_apart_are_reduced_to_the_type_first() {
    let dims = vec![dim(2, 2, true)];
    let r = Reduction { reducer: Reducer::Mean, ..points(dims, Frames::Apart(Reducer::Mean), 2) };
    let window = Window { first: 0, end: 1, offset: 0, valid: 2, missing: Missing::Cut };
    let mut to = [100; 4];
    // 2.5 becomes 2; of 2 and 3 that is 2 again. Of all four it would be 2.75, and so 3.
    reduce(&r, window, 1, None, &[2, 3, 2, 4], &mut to);
    assert_eq!(to, [2, 9, 100, 100]);
}

#[test]
#[should_panic(expected = "frame -1 of the epoch above")]
fn an_epoch_before_that_is_not_there_is_missed() {
    let window = Window { first: 0, end: 1, offset: -1, valid: 1, missing: Missing::Cut };
    reduce(&points(vec![], Frames::Halved, 1), window, 1, None, &[1], &mut [0]);
}
