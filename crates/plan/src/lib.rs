//! Pure arithmetic of a run: dimensions, chunk grid, epochs, shards, batches, the byte budget.
//!
//! Everything about a run that can be known before its first frame is derived here, once, and everything that
//! can be refused is refused here, with an error that names the field, the value and the remedy. No I/O, no
//! threads, no clocks, no JSON.
#![forbid(unsafe_code)]

mod dtype;
mod codec;

pub use codec::{Blosc, BloscInner, Codec, Shuffle};
pub use dtype::{DType, Fill};
