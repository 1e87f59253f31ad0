//! The host device: lanes on threads, reference kernels, CPU codecs.

pub mod codec;
mod device;
mod encoder;
pub mod kernels;
mod lanes;
mod memory;

pub use crate::device::Host;
