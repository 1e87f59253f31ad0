//! Ranges of channels against the definition, element by element, however the elements are cut.

use forebay_host::kernels::Ranges;
use plan::DType;
use proptest::prelude::*;

/// An element as a number; floats that are not finite are none.
fn number(dtype: DType, raw: &[u8]) -> Option<f64> {
    let mut wide = [0; 8];
    wide[..raw.len()].copy_from_slice(raw);
    let bits = u64::from_le_bytes(wide);
    let value = match dtype {
        DType::I8 => f64::from(bits as i8),
        DType::I16 => f64::from(bits as i16),
        DType::I32 => f64::from(bits as i32),
        DType::I64 => bits as i64 as f64,
        DType::F16 => half::f16::from_bits(bits as u16).to_f64(),
        DType::F32 => f64::from(f32::from_bits(bits as u32)),
        DType::F64 => f64::from_bits(bits),
        _ => bits as f64,
    };
    value.is_finite().then_some(value)
}

/// By the definition: element `i` is of channel `i / run % channels`.
fn want(dtype: DType, channels: usize, run: u64, bytes: &[u8]) -> Vec<Option<(f64, f64)>> {
    let elements = || bytes.chunks(dtype.size()).enumerate();
    let of = |channel| {
        let mine = elements().filter(move |(i, _)| *i / run as usize % channels == channel);
        let numbers = mine.filter_map(|(_, raw)| number(dtype, raw));
        numbers.fold(None, |range: Option<(f64, f64)>, x| {
            Some(range.map_or((x, x), |(least, most)| (least.min(x), most.max(x))))
        })
    };
    (0..channels).map(of).collect()
}

fn check(dtype: DType, channels: usize, run: u64, bytes: &[u8], cut: usize) {
    let mut ranges = Ranges::new(dtype, channels, run);
    let (first, second) = bytes.split_at(cut.min(bytes.len() / dtype.size()) * dtype.size());
    ranges.add(0, first);
    ranges.add((first.len() / dtype.size()) as u64, second);
    let found: Vec<_> = ranges.found().collect();
    assert_eq!(found, want(dtype, channels, run, bytes), "{dtype}, {channels} channels, runs of {run}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any bits: also NaN, infinities and numbers too small to be normal.
    #[test]
    fn any_elements_in_any_runs(
        dtype in prop::sample::select(DType::ALL.to_vec()),
        (channels, run) in (1..5usize, 1..200u64),
        words in prop::collection::vec(any::<u64>(), 0..300),
        cut in 0..600usize,
    ) {
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        check(dtype, channels, run, &bytes, cut);
    }
}

#[test]
fn ends_of_types_and_what_is_no_number() {
    let floats = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
    check(DType::F32, 1, 1, &floats(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]), 1);
    check(DType::F32, 1, 1, &floats(&[f32::MIN, f32::NAN, f32::MAX, -0.0]), 2);
    check(DType::F32, 2, 1, &floats(&[-1.0, f32::NAN, -2.0, f32::INFINITY, -1.5]), 3);
    check(DType::F32, 1, 1, &[], 0);
    for dtype in DType::ALL {
        // All ones and all zeros: the ends of integers, and NaN among floats.
        check(dtype, 1, 1, &[&[0xFF; 512][..], &[0; 512]].concat(), 3);
        check(dtype, 3, 2, &[&[0x7F; 800][..], &[0x80; 800]].concat(), 70);
    }
}

/// Throughput, for the figures in the documentation:
/// `cargo test --release -p forebay-host --test range -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn throughput() {
    for (mib, rounds) in [(8, 40), (256, 5)] {
        let bytes: Vec<u8> = (0..mib << 20u32).map(|i| ((i * 31) >> 5) as u8).collect();
        for dtype in DType::ALL {
            for (channels, run) in [(1, 1), (3, 1), (3, 1 << 20)] {
                let mut ranges = Ranges::new(dtype, channels, run);
                #[expect(clippy::disallowed_methods, reason = "a measurement, not part of a device")]
                let start = std::time::Instant::now();
                (0..rounds).for_each(|_| ranges.add(0, &bytes));
                let rate = f64::from(rounds) * bytes.len() as f64 / 1e9 / start.elapsed().as_secs_f64();
                println!("{mib} MiB of {dtype}, {channels} channels in runs of {run}: {rate:.1} GB/s");
            }
        }
    }
}
