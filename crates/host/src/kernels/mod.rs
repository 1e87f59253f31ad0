//! Reference kernels: plain functions on slices.

mod aggregate;
mod jobs;
mod range;
mod reduce;
mod scatter;

pub use aggregate::Gather;
pub use jobs::{run_aggregate, run_copy, run_fill, run_reduce, run_scatter};
pub use range::Ranges;
pub use reduce::reduce;
pub use scatter::{Elements, scatter};

/// Sets every element of `to` to `element`; bytes past the last whole one stay.
pub fn fill(element: &[u8], to: &mut [u8]) {
    let (first, whole) = (element[0], to.len() / element.len() * element.len());
    if element.iter().all(|byte| *byte == first) {
        return to[..whole].fill(first);
    }
    for place in to.chunks_exact_mut(element.len()) {
        place.copy_from_slice(element);
    }
}
