//! Any step: all reducers for a geometry, a window and an element type that are drawn.

use forebay_host::kernels::reduce;
use plan::{DType, Fill, Frames, Missing, ReducedDim, Reducer, Reduction, Window};
use proptest::prelude::*;

use crate::data::{self, Kind, Random};
use crate::oracle;

/// A step, and what it reads.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) reduction: Reduction,
    pub(crate) window: Window,
    pub(crate) epochs: u32,
    pub(crate) before: bool,
    pub(crate) kind: Kind,
    pub(crate) seed: u64,
}

impl Case {
    /// Makes it, and compares all bytes: those past the edge, and those that stay what they were.
    pub(crate) fn check(&self) {
        let Case { reduction: r, window, epochs, kind, .. } = self;
        let mut random = Random(self.seed);
        let (above, here) = r.epoch_bytes();
        let mut bytes = |len: u64| data::bytes(*kind, r.dtype, len as usize, &mut random);
        let from = bytes(above * u64::from(*epochs));
        let before = self.before.then(|| bytes(above));
        let mut to = bytes(here * u64::from(*epochs));
        let mut want = to.clone();
        oracle::step(r, *window, *epochs, before.as_deref(), &from, &mut want);
        reduce(r, *window, *epochs, before.as_deref(), &from, &mut to);
        if let Some(i) = (0..to.len() / r.dtype.size())
            .find(|i| oracle::read(r.dtype, &to, *i) != oracle::read(r.dtype, &want, *i))
        {
            let (is, want) = (oracle::read(r.dtype, &to, i), oracle::read(r.dtype, &want, i));
            panic!("element {i} is {is:#x}, not {want:#x}: {self:?}");
        }
    }
}

pub(crate) fn dim(from: u64, chunk: u64, halved: bool) -> ReducedDim {
    ReducedDim { from, to: if halved { from.div_ceil(2) } else { from }, chunk, halved }
}

fn dims() -> impl Strategy<Value = Vec<ReducedDim>> {
    let extent = prop_oneof![6 => 1..8u64, 2 => 8..20u64, 1 => 20..90u64];
    let one = (extent, any::<prop::sample::Index>(), any::<bool>()).prop_map(|(extent, chunk, halved)| {
        // As long as a chunk, longer, or shorter.
        dim(extent, 1 + chunk.index(extent as usize + 2) as u64, halved)
    });
    let small = |dims: &Vec<ReducedDim>| dims.iter().map(|d| d.chunks().0 * d.chunk).product::<u64>() <= 600;
    prop::collection::vec(one, 0..5).prop_filter("too large to check each element", small)
}

fn frames() -> impl Strategy<Value = Frames> {
    let by = prop::sample::select(Reducer::ALL.to_vec());
    prop_oneof![Just(Frames::Kept), Just(Frames::Halved), by.prop_map(Frames::Apart)]
}

/// A window that reads no frame before the one before, and whether that is there.
fn window(frames: Frames, depth: u64) -> impl Strategy<Value = (Window, bool)> {
    let ends = (0..=depth, 0..=depth).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let missing = prop::sample::select(vec![Missing::Cut, Missing::Fill]);
    (ends, 0..=depth, missing, any::<bool>()).prop_flat_map(move |((first, end), valid, missing, before)| {
        let least = if frames == Frames::Kept { -9 } else { -2 * first as i64 - i64::from(before) };
        // Most windows begin with the first frame that there is.
        let offset = prop_oneof![2 => Just(least), 1 => least..least + 4, 1 => Just(0)];
        offset.prop_map(move |offset| {
            let offset = offset.max(least);
            (Window { first, end, offset, valid, missing }, before)
        })
    })
}

fn cases(dtype: DType) -> impl Strategy<Value = Case> {
    let kinds = prop::sample::select(Kind::ALL.to_vec());
    let geometry = (dims(), frames(), 1..6u64, kinds, any::<u64>(), 1..4u32);
    geometry.prop_flat_map(move |(dims, frames, depth, kind, seed, epochs)| {
        let fill = fills(dtype);
        let epochs = if frames == Frames::Kept { epochs } else { 1 };
        (window(frames, depth), prop::sample::select(fill)).prop_map(move |((window, before), fill)| Case {
            reduction: Reduction { dtype, reducer: Reducer::Mean, frames, dims: dims.clone(), depth, fill },
            window,
            epochs,
            before,
            kind,
            seed,
        })
    })
}

/// Fill values: one that samples have too, one among them, and one that decides.
pub(crate) fn fills(dtype: DType) -> Vec<Fill> {
    let texts: &[&str] = match dtype {
        DType::F16 | DType::F32 | DType::F64 => &["0", "-0", "1.5", "NaN", "Infinity"],
        DType::U8 | DType::U16 | DType::U32 | DType::U64 => &["0", "7", "117"],
        _ => &["0", "-7", "17"],
    };
    texts.iter().map(|text| Fill::parse(text, dtype).unwrap()).collect()
}

fn check_all(case: &Case) {
    for reducer in Reducer::ALL {
        let mut case = case.clone();
        case.reduction.reducer = reducer;
        case.check();
    }
}

macro_rules! each_type {
    ($($name:ident: $dtype:ident;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
            $(
                #[test]
                fn $name(case in cases(DType::$dtype)) {
                    check_all(&case);
                }
            )*
        }
    };
}

each_type! {
    steps_of_u8: U8;
    steps_of_u16: U16;
    steps_of_u32: U32;
    steps_of_u64: U64;
    steps_of_i8: I8;
    steps_of_i16: I16;
    steps_of_i32: I32;
    steps_of_i64: I64;
    steps_of_f16: F16;
    steps_of_f32: F32;
    steps_of_f64: F64;
}

/// A step of whole epochs, two frames to one.
pub(crate) fn whole(dtype: DType, reducer: Reducer, frames: Frames, depth: u64, dims: &[ReducedDim]) -> Case {
    let (end, fill) = (if frames == Frames::Kept { depth } else { depth.div_ceil(2) }, Fill::zero(dtype));
    Case {
        reduction: Reduction { dtype, reducer, frames, dims: dims.to_vec(), depth, fill },
        window: Window { first: 0, end, offset: 0, valid: depth, missing: Missing::Cut },
        epochs: 1,
        before: false,
        kind: Kind::Any,
        seed: 1,
    }
}

/// Rows longer than what loops and tasks take at once, groups of some elements, and windows of up to 256 samples.
#[test]
fn long_rows_and_large_windows() {
    let seven = [dim(3, 2, true); 7];
    let shapes: [&[ReducedDim]; 9] = [
        &[dim(7001, 5000, true)],
        &[dim(5, 3, true), dim(2500, 1250, true)],
        &[dim(9, 5, true), dim(1501, 801, true), dim(3, 3, false)],
        &[dim(700, 350, true), dim(5, 4, false)],
        &[dim(300, 201, true), dim(3, 2, false), dim(3, 2, false)],
        &[dim(6, 3, true), dim(40, 33, false), dim(30, 20, false)],
        &[dim(270, 270, false), dim(150, 130, false)],
        &[dim(40000, 39999, false)],
        &seven,
    ];
    for (shape, dims) in shapes.iter().enumerate() {
        for (kind, dtype) in [(Kind::Near, DType::U8), (Kind::Few, DType::F32), (Kind::Any, DType::I64)] {
            let reducers = [Reducer::Mean, Reducer::Median, Reducer::Mode, Reducer::SecondSmallest];
            for reducer in if shape < 5 { &Reducer::ALL[..] } else { &reducers } {
                let frames = if shape % 2 == 0 { Frames::Halved } else { Frames::Kept };
                Case { kind, ..whole(dtype, *reducer, frames, 2, dims) }.check();
            }
        }
    }
}
