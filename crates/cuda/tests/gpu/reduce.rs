//! Steps of a pyramid, drawn as in the host's tests: the GPU makes of them, bit by bit, what the host does, which is compared
//! with the definition there.

use std::sync::Arc;

use cuda::Cuda;
use device::{CopyJob, Device, Home, Lane, Name, ReduceJob, Region};
use forebay_cuda as cuda;
use plan::{DType, Frames, Reducer};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::data::Kind;
use crate::draw::{Case, cases, dim, whole};
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
        for _ in 0..12 {
            let drawn = cases(dtype).new_tree(&mut runner).unwrap().current();
            for reducer in Reducer::ALL {
                let mut case = drawn.clone();
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
}
