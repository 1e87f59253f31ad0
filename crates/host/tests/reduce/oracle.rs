//! The definition of a step, taken literally: each element is looked for by its index in the level, its window by their
//! indexes in the level above, and samples are added in the widest type that there is or sorted. It is slow and plain.

use plan::{DType, Frames, Missing, Reducer, Reduction, Window};

use crate::data::{nan, read, write};

/// Bits of an element, in the low bytes.
type Bits = u64;

fn is_float(dtype: DType) -> bool {
    dtype.integer_range().is_none()
}

fn whole(dtype: DType, bits: Bits) -> i128 {
    match dtype {
        DType::I8 => i128::from(bits as i8),
        DType::I16 => i128::from(bits as i16),
        DType::I32 => i128::from(bits as i32),
        DType::I64 => i128::from(bits as i64),
        _ => i128::from(bits),
    }
}

pub(crate) fn float(dtype: DType, bits: Bits) -> f64 {
    match dtype {
        DType::F16 => half::f16::from_bits(bits as u16).to_f64(),
        DType::F32 => f64::from(f32::from_bits(bits as u32)),
        _ => f64::from_bits(bits),
    }
}

/// Samples of a window to one element.
pub(crate) fn reduce(dtype: DType, reducer: Reducer, samples: &[Bits]) -> Bits {
    if reducer == Reducer::Decimate {
        return samples[0];
    }
    let is_nan = |bits: &Bits| is_float(dtype) && float(dtype, *bits).is_nan();
    if reducer != Reducer::Mode && samples.iter().any(is_nan) {
        return nan(dtype);
    }
    let mut sorted: Vec<Bits> = samples.iter().map(|s| if is_nan(s) { nan(dtype) } else { *s }).collect();
    sorted.sort_by(|a, b| match is_float(dtype) {
        true => float(dtype, *a).total_cmp(&float(dtype, *b)),
        false => whole(dtype, *a).cmp(&whole(dtype, *b)),
    });
    let last = sorted.len() - 1;
    match reducer {
        Reducer::Min => sorted[0],
        Reducer::Max => sorted[last],
        Reducer::Median => sorted[last / 2],
        Reducer::SecondLargest => sorted[last.saturating_sub(1)],
        Reducer::SecondSmallest => sorted[last.min(1)],
        Reducer::Mode => {
            let count = |value: &Bits| sorted.iter().filter(|other| *other == value).count();
            let most = sorted.iter().map(count).max().unwrap();
            *sorted.iter().find(|value| count(value) == most).unwrap()
        }
        _ if is_float(dtype) => {
            float_mean(dtype, samples, float(dtype, sorted[0]), float(dtype, sorted[last]))
        }
        _ => whole_mean(dtype, samples),
    }
}

fn whole_mean(dtype: DType, samples: &[Bits]) -> Bits {
    let n = samples.len() as i128;
    let sum: i128 = samples.iter().map(|s| whole(dtype, *s)).sum();
    let (below, rest) = (sum.div_euclid(n), sum.rem_euclid(n));
    let up = match (2 * rest).cmp(&n) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => below % 2 != 0,
        std::cmp::Ordering::Greater => true,
    };
    let mask = u64::MAX >> (64 - 8 * dtype.size());
    (below + i128::from(up)) as u64 & mask
}

fn float_mean(dtype: DType, samples: &[Bits], least: f64, most: f64) -> Bits {
    let each = || samples.iter().map(|s| float(dtype, *s));
    let n = samples.len();
    if dtype == DType::F16 {
        let sum = each().map(|v| v as f32).reduce(|a, b| a + b).unwrap();
        let mean = sum / n as f32;
        let mean = half::f16::from_f32(mean.max(least as f32).min(most as f32));
        return if (sum / n as f32).is_nan() { nan(dtype) } else { mean.to_bits().into() };
    }
    let mean = each().reduce(|a, b| a + b).unwrap() / n as f64;
    if mean.is_nan() {
        return nan(dtype);
    }
    // A zero is left alone: its sign is that of the sum.
    let mean = if mean == 0.0 { mean } else { mean.max(least).min(most) };
    match dtype {
        DType::F32 => (mean as f32).to_bits().into(),
        _ => mean.to_bits(),
    }
}

/// Where an element of a frame is among the chunks of an epoch.
fn position(r: &Reduction, above: bool, frame: usize, at: &[usize]) -> usize {
    let (mut chunk, mut inside) = (0, frame);
    for (dim, i) in r.dims.iter().zip(at) {
        let extent = if above { dim.from } else { dim.to };
        chunk = chunk * extent.div_ceil(dim.chunk) as usize + i / dim.chunk as usize;
        inside = inside * dim.chunk as usize + i % dim.chunk as usize;
    }
    chunk * r.chunk_elements() as usize + inside
}

/// All indexes below some extents, the last fastest.
fn indexes(extents: &[usize]) -> Vec<Vec<usize>> {
    extents.iter().fold(vec![vec![]], |all, extent| {
        all.iter().flat_map(|at| (0..*extent).map(move |i| [&at[..], &[i]].concat())).collect()
    })
}

/// Samples in one frame of a window; `None`: the frame holds the fill value.
fn samples(r: &Reduction, epoch: Option<(&[u8], usize)>, at: &[usize]) -> Vec<Bits> {
    let window: Vec<usize> = r.dims.iter().map(|d| if d.halved { 2 } else { 1 }).collect();
    let above = indexes(&window)
        .into_iter()
        .map(|w| at.iter().zip(&window).zip(w).map(|((i, n), w)| n * i + w).collect::<Vec<_>>());
    let inside = above.filter(|at| at.iter().zip(&r.dims).all(|(i, d)| *i < d.from as usize));
    inside
        .map(|at| match epoch {
            Some((bytes, frame)) => read(r.dtype, bytes, position(r, true, frame, &at)),
            None => read(r.dtype, r.fill.bytes(), 0),
        })
        .collect()
}

/// An element of frame `q` of an epoch, which lies inside of the level.
fn element(
    r: &Reduction,
    window: Window,
    before: Option<&[u8]>,
    from: &[u8],
    q: usize,
    at: &[usize],
) -> Bits {
    let fill = read(r.dtype, r.fill.bytes(), 0);
    let there = |frame: i64| frame < window.valid as i64;
    let of = |frame: i64| match (there(frame), frame) {
        (false, _) => samples(r, None, at),
        (true, -1) => samples(r, Some((before.unwrap(), r.depth as usize - 1)), at),
        (true, _) => samples(r, Some((from, frame as usize)), at),
    };
    if r.frames == Frames::Kept {
        return if there(q as i64) { reduce(r.dtype, r.reducer, &of(q as i64)) } else { fill };
    }
    let first = 2 * q as i64 + window.offset;
    if !there(first) {
        return fill;
    }
    let mut frames = vec![of(first)];
    if there(first + 1) || window.missing == Missing::Fill {
        frames.push(of(first + 1));
    }
    let Frames::Apart(by) = r.frames else { return reduce(r.dtype, r.reducer, &frames.concat()) };
    let mut each: Vec<Bits> = frames.iter().map(|f| reduce(r.dtype, r.reducer, f)).collect();
    if let Some(second) = each.get_mut(1).filter(|_| !there(first + 1)) {
        *second = fill;
    }
    reduce(r.dtype, by, &each)
}

/// What `forebay_host::kernels::reduce` is to do.
pub(crate) fn step(
    r: &Reduction,
    window: Window,
    epochs: u32,
    before: Option<&[u8]>,
    from: &[u8],
    to: &mut [u8],
) {
    let (above, here) = r.epoch_bytes();
    let size = |of: fn(&plan::ReducedDim) -> u64| r.dims.iter().map(|d| of(d) as usize).collect::<Vec<_>>();
    let (level, grid) = (size(|d| d.to), size(|d| d.chunks().1 * d.chunk));
    for epoch in 0..epochs as usize {
        let from = if window.valid == 0 { from } else { &from[epoch * above as usize..][..above as usize] };
        let to = &mut to[epoch * here as usize..][..here as usize];
        for q in window.first as usize..window.end as usize {
            for at in indexes(&grid) {
                let inside = at.iter().zip(&level).all(|(i, n)| i < n);
                let bits = if inside {
                    element(r, window, before, from, q, &at)
                } else {
                    read(r.dtype, r.fill.bytes(), 0)
                };
                // Past the edge chunks go on as if the level did.
                write(r.dtype, to, position(r, false, q, &at), bits);
            }
        }
    }
}
