//! Bytes as the Zarr v3 and OME-NGFF 0.5 specifications say.
//!
//! What forebay writes it also reads back, and reads a little more: stores of other writers, as far as forebay's
//! own features go. Everything else is refused by an [`Error`] that names the field and its value, never guessed.
//! This crate opens no file and compresses nothing.
#![forbid(unsafe_code)]

mod array;
mod codecs;
mod error;
mod fill;
mod group;
mod index;
mod json;
mod keys;
mod ome;

pub use array::Array;
pub use codecs::IndexLocation;
pub use error::Error;
pub use group::Group;
pub use index::{Entry, decode, encode, encoded_len};
pub use keys::{Separator, shard_key, shard_key_under};
pub use ome::{Axis, AxisKind, Channel, Downsampling, Level, Multiscales, Spacing, Window};
