//! Streams frames into sharded Zarr v3 and OME-Zarr 0.5, in bounded memory.
//!
//! Frames are appended as bytes or typed slices; they are cut into chunks, compressed, packed into shards and
//! written while more arrive. Other programs can read what is finished while the run goes on.
//!
//! ```
//! use forebay::{Array, DType, Dim, Options, Writer};
//!
//! let folder = tempfile::tempdir()?;
//! let array = Array::new(DType::U16, vec![
//!     Dim::unbounded("t").scale(0.1, "second"),
//!     Dim::new("y", 64).scale(0.65, "micrometer"),
//!     Dim::new("x", 96).scale(0.65, "micrometer"),
//! ]);
//! let mut writer = Writer::open(folder.path().join("run.ome.zarr"), &array, Options::default())?;
//! for t in 0..10u16 {
//!     writer.append_slice(&vec![t; 64 * 96])?;
//! }
//! let report = writer.close()?;
//! assert_eq!(report.shape, [10, 64, 96]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

#[cfg(target_endian = "big")]
compile_error!(
    "forebay stores little-endian elements as they lie in memory: build for a little-endian machine"
);

mod channels;
mod contents;
mod device;
mod element;
mod error;
mod gather;
mod hierarchy;
mod inspect;
mod layout;
pub mod limits;
mod metadata;
mod metrics;
mod options;
mod process;
mod readback;
mod reserve;
mod target;
mod verify;
mod writer;

pub use channels::{Channels, NamedChannel, WindowOf};
pub use contents::Unpublished;
pub use device::device_for;
pub use element::Element;
pub use error::Error;
pub use format::{Axis, Channel, Downsampling, Level, Multiscales, Spacing, Window};
pub use inspect::{About, ArrayInfo, Image, Inspected, about, inspect};
pub use metrics::{AppendTime, Metrics, Report, StageTime, WaitTime};
pub use options::{CoderChoice, DeviceChoice, Options};
pub use plan::{
    Blosc, BloscInner, Budget, Codec, Config as Array, DType, Dim, Fill, Holder, Kind, Mode, Order, Plan,
    Pyramid, Reducer, Refusal, Shuffle, Tuning, UnknownReducer,
};
pub use reserve::{Registered, Reserved};
pub use target::Target;
pub use verify::{ArrayCheck, Damage, Verified, verify};
pub use writer::{Writer, live_rows, plan_for};

/// Stores: where objects go, and how to make one of your own.
pub use store;
