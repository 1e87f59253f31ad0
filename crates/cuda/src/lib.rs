//! An NVIDIA GPU as a device: five streams, events, pinned memory, kernels, compression by them or by nvCOMP.
//!
//! It is built without CUDA and starts without a driver: both are looked for at run time, and what is missing is said.

pub mod coder;
mod device;
mod driver;
mod encoder;
pub mod kernels;
mod lanes;
pub mod limits;
mod memory;
mod nvcomp;
mod quiet;
pub mod reduce;

pub use crate::device::{Cuda, is_present, memory, name, probe, takes, workspace};
pub use crate::encoder::{CoderChoice, Workspace};
