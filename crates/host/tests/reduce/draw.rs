//! Steps that are drawn, and some that are not: geometries, windows, and what elements there are.

use plan::{DType, Fill, Frames, Missing, ReducedDim, Reducer, Reduction, Window};
use proptest::prelude::*;

use crate::data::{self, Kind, Random};

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
    /// The epochs that it reads, the one before them, and what those that it makes hold at first.
    pub(crate) fn bytes(&self) -> (Vec<u8>, Option<Vec<u8>>, Vec<u8>) {
        let mut random = Random(self.seed);
        let (above, here) = self.reduction.epoch_bytes();
        let mut bytes = |len: u64| data::bytes(self.kind, self.reduction.dtype, len as usize, &mut random);
        // Where no frame is there, there need be no epoch.
        let from = if self.window.valid == 0 { Vec::new() } else { bytes(above * u64::from(self.epochs)) };
        let before = self.before.then(|| bytes(above));
        (from, before, bytes(here * u64::from(self.epochs)))
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

/// Dimensions as frames of cameras have them: rows longer than a register of sixteen bytes, of whole ones and others, most
/// of them halved; few indexes along the others, of which the last may be one that a chunk has one index of.
fn long_rows() -> impl Strategy<Value = Vec<ReducedDim>> {
    let often = || prop::bool::weighted(0.8);
    let chunk = prop_oneof![2 => prop::sample::select(vec![8u64, 16, 32, 64]), 1 => 3..40u64];
    let row =
        (chunk, 0..3u64, any::<prop::sample::Index>(), often()).prop_map(|(chunk, whole, rest, halved)| {
            // Often some whole chunks.
            let rest = rest.index(2 * chunk as usize) as u64;
            dim((chunk * whole + rest.saturating_sub(chunk)).max(1), chunk, halved)
        });
    let few =
        |most: u64| (1..6u64, 1..=most, often()).prop_map(|(from, chunk, halved)| dim(from, chunk, halved));
    let inner = prop_oneof![4 => Just(None), 1 => few(1).prop_map(Some)];
    (prop::collection::vec(few(3), 0..4), row, inner)
        .prop_map(|(outer, row, inner)| outer.into_iter().chain([row]).chain(inner).collect())
}

pub(crate) fn cases(dtype: DType) -> impl Strategy<Value = Case> {
    drawn(dtype, dims().boxed())
}

/// Steps of rows that a GPU takes several elements of at once.
pub(crate) fn long_cases(dtype: DType) -> impl Strategy<Value = Case> {
    let small = |dims: &Vec<ReducedDim>| dims.iter().map(|d| d.chunks().0 * d.chunk).product::<u64>() <= 4000;
    drawn(dtype, long_rows().prop_filter("too large to be quick", small).boxed())
}

fn drawn(dtype: DType, dims: BoxedStrategy<Vec<ReducedDim>>) -> impl Strategy<Value = Case> {
    let kinds = prop::sample::select(Kind::ALL.to_vec());
    let geometry = (dims, frames(), 1..6u64, kinds, any::<u64>(), 1..4u32);
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

/// A step for each way that a GPU has to make one, for it is seldom that all are drawn: windows of two samples along each dimension, rows
/// that are whole and others, frames one after another, and two of them joined by each reducer.
pub(crate) fn each_way(dtype: DType) -> Vec<Case> {
    let rows = |chunk| [dim(5, 3, true), dim(2 * chunk + 6, chunk, true)];
    let two: [(Frames, [ReducedDim; 2]); 3] = [
        (Frames::Kept, [dim(5, 3, true), dim(70, 32, false)]),
        (Frames::Kept, [dim(3, 3, false), dim(71, 32, true)]),
        (Frames::Halved, [dim(3, 2, false), dim(70, 32, false)]),
    ];
    let joint = [16, 17].map(|chunk| (Frames::Halved, rows(chunk)));
    let apart =
        Reducer::ALL.into_iter().flat_map(|by| [16, 17].map(|chunk| (Frames::Apart(by), rows(chunk))));
    let ways = two.into_iter().chain(joint).chain(apart);
    let cube = [dim(3, 2, true), dim(5, 3, true), dim(39, 17, true)];
    let all = ways.map(|(frames, dims)| (frames, dims.to_vec())).chain([(Frames::Halved, cube.to_vec())]);
    let fill = fills(dtype)[1];
    let cases = all.flat_map(|(frames, dims)| {
        let reduction = Reduction { dtype, reducer: Reducer::Mean, frames, dims, depth: 7, fill };
        // All frames; and some, of which the first is in the epoch before, where frames are halved, and one that is missing holds the fill value.
        let whole = Window { first: 0, end: 7, offset: 0, valid: 7, missing: Missing::Cut };
        let begun = Window { first: 1, end: 5, offset: -3, valid: 6, missing: Missing::Fill };
        let window = |window, before, kind| Case {
            reduction: reduction.clone(),
            window,
            epochs: 1,
            before,
            kind,
            seed: 3,
        };
        [window(whole, false, Kind::Few), window(begun, true, Kind::Ends)]
    });
    cases.collect()
}
