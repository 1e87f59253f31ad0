//! Streams frames into sharded Zarr v3 and OME-Zarr 0.5.
#![forbid(unsafe_code)]

pub use plan::{DType, Fill};
