//! Steps of a pyramid, each element worked out by its definition: see [`plan::Reducer`], [`Reduction`] and [`Window`].

use std::sync::Arc;

use plan::{DType, Fill, Frames, Missing, ReducedDim, Reducer, Reduction, Window};

use super::{Bytes, noise};
use crate::{Device, Lane, ReduceJob};

/// Wide sums, signs, and floats of both lengths that the definition below knows.
const TYPES: [DType; 5] = [DType::U8, DType::U16, DType::I64, DType::F32, DType::F64];

/// Every reducer with every geometry and window, the types in turn.
pub(super) fn every_element_is_made(device: &dyn Device) {
    for (n, (frames, depth, dims, window, epochs)) in steps().into_iter().enumerate() {
        for (m, reducer) in Reducer::ALL.into_iter().enumerate() {
            let dtype = TYPES[(n + m) % TYPES.len()];
            let fill = Fill::parse("7", dtype).unwrap();
            let dims = dims.clone();
            check(device, &Reduction { dtype, reducer, frames, dims, depth, fill }, window, epochs);
        }
    }
}

type Step = (Frames, u64, Vec<ReducedDim>, Window, u32);

fn steps() -> Vec<Step> {
    let dim = |from: u64, chunk, halved| {
        let to = if halved { from.div_ceil(2) } else { from };
        ReducedDim { from, to, chunk, halved }
    };
    let (odd, whole) = (vec![dim(5, 2, true), dim(9, 3, true)], vec![dim(3, 2, false), dim(8, 4, true)]);
    let window = |first, end, offset, valid, missing| Window { first, end, offset, valid, missing };
    let (cut, fill) = (Missing::Cut, Missing::Fill);
    let apart = Frames::Apart;
    vec![
        (Frames::Kept, 3, odd.clone(), window(0, 3, 0, 3, cut), 2),
        (Frames::Kept, 4, whole.clone(), window(0, 4, 0, 2, fill), 1),
        // Chunks of even and of odd depth, the second half of a chunk, the frame that waited for its partner.
        (Frames::Halved, 4, odd.clone(), window(0, 2, 0, 4, cut), 1),
        (Frames::Halved, 4, whole.clone(), window(2, 4, -4, 3, cut), 1),
        (Frames::Halved, 3, odd.clone(), window(0, 2, -1, 3, fill), 1),
        (apart(Reducer::Max), 4, odd, window(0, 2, 0, 3, fill), 1),
        (apart(Reducer::Mean), 3, whole, window(1, 3, -2, 3, cut), 1),
        // Frames of one element, and the last of them for itself.
        (apart(Reducer::SecondSmallest), 5, vec![], window(0, 3, -1, 4, cut), 1),
    ]
}

fn check(device: &dyn Device, r: &Reduction, window: Window, epochs: u32) {
    let (above, here) = r.epoch_bytes();
    let (above, here) = (above as usize, here as usize);
    let bytes = |len: usize, seed| elements(r.dtype, len, seed);
    let (from, at_first) = (bytes(above * epochs as usize, 1), bytes(here * epochs as usize, 2));
    let before = (window.offset + 2 * (window.first as i64) < 0).then(|| bytes(above, 3));
    let mut want = at_first.clone();
    for epoch in 0..epochs as usize {
        let from = Above { before: before.as_deref(), here: &from[epoch * above..][..above] };
        make(r, window, &from, &mut want[epoch * here..][..here]);
    }
    let (up, to) = (Bytes::new(device, &from), Bytes::new(device, &at_first));
    let earlier = before.map(|bytes| Bytes::new(device, &bytes));
    let (reduction, before) = (Arc::new(r.clone()), earlier.as_ref().map(Bytes::read));
    let job = ReduceJob { reduction, epochs, window, before, from: up.read(), to: to.write() };
    device.reduce(Lane::Compute, job).unwrap();
    assert!(to.down() == want, "{r:?}, {window:?}");
}

/// Elements of which many are alike; among floats zeros of both signs, infinity, and what is no number.
fn elements(dtype: DType, len: usize, seed: usize) -> Vec<u8> {
    const FLOATS: [f32; 8] = [0.0, -0.0, 1.5, -3.25, 1e30, f32::NAN, f32::INFINITY, 0.1];
    let random = &noise(len + seed)[seed..];
    match dtype {
        DType::F32 => random.chunks(4).flat_map(|b| FLOATS[b[0] as usize % 8].to_le_bytes()).collect(),
        DType::F64 => {
            random.chunks(8).flat_map(|b| f64::from(FLOATS[b[0] as usize % 8]).to_le_bytes()).collect()
        }
        // The high bytes are those of few numbers, of both signs.
        _ => random.chunks(dtype.size()).flat_map(|b| b.iter().map(|byte| byte & 0x83)).collect(),
    }
}

/// The level above: an epoch, and the one before it.
struct Above<'a> {
    before: Option<&'a [u8]>,
    here: &'a [u8],
}

fn make(r: &Reduction, window: Window, from: &Above<'_>, to: &mut [u8]) {
    let size = r.dtype.size();
    let grid: Vec<u64> = r.dims.iter().map(|d| d.chunks().1 * d.chunk).collect();
    for frame in window.first..window.end {
        for at in indexes(&grid) {
            let inside = at.iter().zip(&r.dims).all(|(i, d)| *i < d.to);
            let key =
                if inside { element(r, window, from, frame, &at) } else { read(r.dtype, r.fill.bytes()) };
            let place = position(r, |d| d.chunks().1, frame, &at) * size;
            write(r.dtype, key, &mut to[place..][..size]);
        }
    }
}

/// All indexes below some extents, the last fastest.
fn indexes(extents: &[u64]) -> Vec<Vec<u64>> {
    let with = |all: Vec<Vec<u64>>, extent: &u64| {
        all.iter().flat_map(|at| (0..*extent).map(move |i| [&at[..], &[i]].concat())).collect()
    };
    extents.iter().fold(vec![vec![]], with)
}

fn position(r: &Reduction, chunks: fn(&ReducedDim) -> u64, frame: u64, at: &[u64]) -> usize {
    let (mut chunk, mut inside) = (0, frame);
    for (d, i) in r.dims.iter().zip(at) {
        chunk = chunk * chunks(d) + i / d.chunk;
        inside = inside * d.chunk + i % d.chunk;
    }
    (chunk * r.chunk_elements() + inside) as usize
}

/// An element of the level, by the frames of its window.
fn element(r: &Reduction, window: Window, from: &Above<'_>, frame: u64, at: &[u64]) -> Element {
    let fill = read(r.dtype, r.fill.bytes());
    let there = |frame: i64| frame < window.valid as i64;
    let whole = |keys: &[Element]| reduce(r.dtype, r.reducer, keys);
    if r.frames == Frames::Kept {
        return if there(frame as i64) { whole(&samples(r, from, frame as i64, at)) } else { fill };
    }
    let first = 2 * frame as i64 + window.offset;
    if !there(first) {
        return fill;
    }
    let one = samples(r, from, first, at);
    let second = match (there(first + 1), window.missing) {
        (true, _) => samples(r, from, first + 1, at),
        (false, Missing::Fill) => vec![fill; one.len()],
        (false, Missing::Cut) => vec![],
    };
    match r.frames {
        Frames::Apart(by) if second.is_empty() => reduce(r.dtype, by, &[whole(&one)]),
        // What nobody appended is the fill value, whatever the first reducer makes of it.
        Frames::Apart(by) if !there(first + 1) => reduce(r.dtype, by, &[whole(&one), fill]),
        Frames::Apart(by) => reduce(r.dtype, by, &[whole(&one), whole(&second)]),
        _ => whole(&[one, second].concat()),
    }
}

/// Samples of a window that are of one frame.
fn samples(r: &Reduction, from: &Above<'_>, frame: i64, at: &[u64]) -> Vec<Element> {
    let window: Vec<u64> = r.dims.iter().map(|d| if d.halved { 2 } else { 1 }).collect();
    let place = |w: Vec<u64>| at.iter().zip(&window).zip(w).map(|((i, n), w)| n * i + w).collect::<Vec<_>>();
    let above = indexes(&window).into_iter().map(place);
    let inside = above.filter(|at| at.iter().zip(&r.dims).all(|(i, d)| *i < d.from));
    let (epoch, frame) =
        if frame < 0 { (from.before.unwrap(), r.depth - 1) } else { (from.here, frame as u64) };
    let size = r.dtype.size();
    inside
        .map(|at| read(r.dtype, &epoch[position(r, |d| d.chunks().0, frame, &at) * size..][..size]))
        .collect()
}

/// An element, by its bits.
type Element = u64;

fn read(dtype: DType, bytes: &[u8]) -> Element {
    let mut wide = [0; 8];
    wide[..dtype.size()].copy_from_slice(&bytes[..dtype.size()]);
    u64::from_le_bytes(wide)
}

fn write(dtype: DType, element: Element, to: &mut [u8]) {
    to.copy_from_slice(&element.to_le_bytes()[..dtype.size()]);
}

fn float(dtype: DType, element: Element) -> Option<f64> {
    match dtype {
        DType::F32 => Some(f64::from(f32::from_bits(element as u32))),
        DType::F64 => Some(f64::from_bits(element)),
        _ => None,
    }
}

fn of_float(dtype: DType, value: f64) -> Element {
    match dtype {
        _ if value.is_nan() => not_a_number(dtype),
        DType::F32 => u64::from((value as f32).to_bits()),
        _ => value.to_bits(),
    }
}

fn not_a_number(dtype: DType) -> Element {
    if dtype == DType::F32 { 0x7FC0_0000 } else { 0x7FF8_0000_0000_0000 }
}

/// In the order of the type; what is no number comes last.
fn rank(dtype: DType, element: Element) -> i128 {
    match (float(dtype, element), dtype) {
        (Some(x), _) if x.is_nan() => i128::MAX,
        // As a double it is ordered as it is as a float.
        (Some(x), _) => {
            let bits = x.to_bits() as i64;
            i128::from(if bits < 0 { i64::MIN.wrapping_sub(bits).wrapping_sub(1) } else { bits })
        }
        (None, DType::I64) => i128::from(element as i64),
        (None, _) => i128::from(element),
    }
}

fn reduce(dtype: DType, reducer: Reducer, samples: &[Element]) -> Element {
    let is_nan = |x: &Element| float(dtype, *x).is_some_and(f64::is_nan);
    if reducer == Reducer::Decimate {
        return samples[0];
    }
    if reducer != Reducer::Mode && samples.iter().any(is_nan) {
        return not_a_number(dtype);
    }
    let one = |x: &Element| if is_nan(x) { not_a_number(dtype) } else { *x };
    let mut sorted: Vec<_> = samples.iter().map(one).collect();
    sorted.sort_by_key(|x| rank(dtype, *x));
    let last = sorted.len() - 1;
    match reducer {
        Reducer::Min => sorted[0],
        Reducer::Max => sorted[last],
        Reducer::Median => sorted[last / 2],
        Reducer::SecondLargest => sorted[last.saturating_sub(1)],
        Reducer::SecondSmallest => sorted[last.min(1)],
        Reducer::Mode => most_frequent(&sorted),
        _ => mean(dtype, samples, (sorted[0], sorted[last])),
    }
}

/// The first of those that there is most of.
fn most_frequent(sorted: &[Element]) -> Element {
    let count = |x: &Element| sorted.iter().filter(|y| *y == x).count();
    let most = sorted.iter().map(count).max();
    *sorted.iter().find(|x| Some(count(x)) == most).unwrap()
}

fn mean(dtype: DType, samples: &[Element], (least, most): (Element, Element)) -> Element {
    let n = samples.len();
    if let Some(values) = samples.iter().map(|x| float(dtype, *x)).collect::<Option<Vec<_>>>() {
        let mean = values.into_iter().reduce(|a, b| a + b).unwrap() / n as f64;
        let ends = [least, most].map(|x| float(dtype, x).unwrap());
        // The sign of zero is that of the sum.
        let held = if mean == 0.0 || mean.is_nan() { mean } else { mean.clamp(ends[0], ends[1]) };
        return of_float(dtype, held);
    }
    let (sum, n) = (samples.iter().map(|x| rank(dtype, *x)).sum::<i128>(), n as i128);
    let (below, twice) = (sum.div_euclid(n), 2 * sum.rem_euclid(n));
    let up = twice > n || twice == n && below % 2 != 0;
    let bits = 8 * dtype.size() as u32;
    (below + i128::from(up)) as u64 & (u64::MAX >> (64 - bits))
}
