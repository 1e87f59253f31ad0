//! Any step: all reducers for a geometry, a window and an element type that are drawn.

use forebay_host::kernels::reduce;
use plan::{DType, Frames, ReducedDim, Reducer};
use proptest::prelude::*;

use crate::data::{Kind, read};
use crate::draw::{Case, cases, dim, each_way, long_cases, whole};
use crate::oracle;

/// Makes it, and compares all bytes: those past the edge, and those that stay what they were.
fn check(case: &Case) {
    let Case { reduction: r, window, epochs, .. } = case;
    let (from, before, mut to) = case.bytes();
    let mut want = to.clone();
    oracle::step(r, *window, *epochs, before.as_deref(), &from, &mut want);
    reduce(r, *window, *epochs, before.as_deref(), &from, &mut to);
    let differs = |i: &usize| read(r.dtype, &to, *i) != read(r.dtype, &want, *i);
    if let Some(i) = (0..to.len() / r.dtype.size()).find(differs) {
        panic!("element {i} is {:#x}, not {:#x}: {case:?}", read(r.dtype, &to, i), read(r.dtype, &want, i));
    }
}

fn check_all(case: &Case) {
    for reducer in Reducer::ALL {
        let mut case = case.clone();
        case.reduction.reducer = reducer;
        check(&case);
    }
}

macro_rules! each_type {
    ($($name:ident: $dtype:ident;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
            $(
                #[test]
                fn $name(case in prop_oneof![15 => cases(DType::$dtype), 1 => long_cases(DType::$dtype)]) {
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

#[test]
fn each_way_of_a_gpu() {
    DType::ALL.into_iter().flat_map(each_way).for_each(|case| check_all(&case));
}

/// Rows longer than what loops and tasks take at once, groups of some elements, and windows of up to 256 samples.
#[test]
fn long_rows_and_large_windows() {
    let seven = [dim(3, 2, true); 7];
    let shapes: [&[ReducedDim]; 9] = [
        &[dim(5001, 4200, true)],
        &[dim(3, 2, true), dim(2500, 1250, true)],
        &[dim(3, 2, true), dim(901, 501, true), dim(3, 3, false)],
        &[dim(700, 350, true), dim(5, 4, false)],
        &[dim(300, 201, true), dim(3, 2, false), dim(3, 2, false)],
        &[dim(6, 3, true), dim(40, 33, false), dim(30, 20, false)],
        &[dim(270, 270, false), dim(150, 130, false)],
        &[dim(40000, 39999, false)],
        &seven,
    ];
    for (shape, dims) in shapes.iter().enumerate() {
        for (kind, dtype) in [(Kind::Near, DType::U8), (Kind::Few, DType::F32)] {
            // Of the large ones only some: the definition is slow.
            let some = [Reducer::Mean, Reducer::Mode];
            for reducer in if shape < 5 { &Reducer::ALL[..] } else { &some } {
                let frames = if shape % 2 == 0 { Frames::Halved } else { Frames::Kept };
                check(&Case { kind, ..whole(dtype, *reducer, frames, 2, dims) });
            }
        }
    }
}
