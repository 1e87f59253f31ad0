//! Reference kernels: plain functions on slices.

mod aggregate;
mod scatter;

pub use aggregate::aggregate;
pub use scatter::{Elements, scatter};
