//! Steps of a pyramid, drawn as in the host's tests: what the host makes of them is compared with the definition there.

use std::sync::Arc;

use device::ReduceJob;
use forebay_cuda::reduce;
use plan::{DType, Frames, Reducer};
use proptest::prelude::*;

use crate::Bytes;
use crate::data::Kind;
use crate::draw::{Case, cases, dim, each_way, long_cases, whole};
use crate::emulator::Shim;

fn check(case: &Case) {
    check_behind(case, 0);
}

/// All that is read and written lies behind so many bytes.
fn check_behind(case: &Case, skipped: usize) {
    let (from, before, to) = case.bytes();
    let behind = |bytes: &[u8]| Bytes::behind(skipped, bytes);
    let (from, before) = (behind(&from), before.map(|before| behind(&before)));
    let (ours, theirs) = (behind(&to), behind(&to));
    let job = |to| ReduceJob {
        reduction: Arc::new(case.reduction.clone()),
        epochs: case.epochs,
        window: case.window,
        before: before.as_ref().map(Bytes::read),
        from: from.read(),
        to,
    };
    // SAFETY: everything lives until this returns, and so has the kernel.
    unsafe { reduce::level(&Shim::new(), &job(ours.write())) }.unwrap();
    host::kernels::run_reduce(job(theirs.write())).unwrap();
    assert!(ours.get() == theirs.get(), "{case:?}");
}

fn any_type() -> impl Strategy<Value = Case> {
    let of = |dtype| prop_oneof![cases(dtype), long_cases(dtype)];
    prop::sample::select(DType::ALL.to_vec()).prop_flat_map(of)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn steps_are_the_hosts(case in any_type()) {
        for reducer in Reducer::ALL {
            let mut case = case.clone();
            case.reduction.reducer = reducer;
            check(&case);
        }
    }
}

/// Rows may be whole where memory is not aligned.
#[test]
fn each_way_aligned_and_not() {
    for case in DType::ALL.into_iter().flat_map(each_way) {
        for reducer in Reducer::ALL {
            let mut case = case.clone();
            case.reduction.reducer = reducer;
            [0, 8].into_iter().for_each(|skipped| check_behind(&case, skipped));
        }
    }
}

/// The largest windows that there are; rows of blocks that go round.
#[test]
fn large_windows_and_many_frames() {
    let frames = [Frames::Kept, Frames::Halved, Frames::Apart(Reducer::Median)];
    for (dtype, frames) in DType::ALL.into_iter().flat_map(|dtype| frames.map(|frames| (dtype, frames))) {
        for reducer in Reducer::ALL {
            let seven = [dim(3, 2, true); 7];
            check(&Case { kind: Kind::Few, ..whole(dtype, reducer, frames, 2, &seven) });
            check(&Case { kind: Kind::Ends, ..whole(dtype, reducer, frames, 2, &seven[..5]) });
        }
    }
    check(&whole(DType::U8, Reducer::Max, Frames::Kept, 150_000, &[dim(2, 2, true)]));
}

/// What the kernel cannot do is refused before it is launched.
#[test]
fn what_leaves_the_views_is_refused() {
    let check = |case: &Case, cut: usize, want: &str| {
        let (from, before, to) = case.bytes();
        let (from, to) = (Bytes::new(&from), Bytes::new(&to[cut..]));
        let before = before.map(|before| Bytes::new(&before));
        let job = ReduceJob {
            reduction: Arc::new(case.reduction.clone()),
            epochs: case.epochs,
            window: case.window,
            before: before.as_ref().map(Bytes::read),
            from: from.read(),
            to: to.write(),
        };
        // SAFETY: as in `check`.
        let refused = unsafe { reduce::level(&Shim::new(), &job) }.unwrap_err().to_string();
        assert!(refused.contains(want), "{refused}");
    };
    let case = whole(DType::U16, Reducer::Mean, Frames::Halved, 4, &[dim(6, 4, true)]);
    check(&case, 2, "the level that is made: 30 of 32 bytes");
    let mut early = case.clone();
    early.window.offset = -1;
    check(&early, 0, "frame -1 of the epoch above");
    let mut late = case.clone();
    late.window.valid = 5;
    check(&late, 0, "from 5 of 4");
    let eight = whole(DType::U8, Reducer::Mean, Frames::Halved, 2, &[dim(2, 1, true); 8]);
    check(&eight, 0, "windows of 2^9 samples");
}
