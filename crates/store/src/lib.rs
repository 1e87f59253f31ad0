//! Objects: put whole, append in order, finalize; memory, discard, local disk.
//!
//! A [`Store`] holds objects under keys such as `c/0/0`. A small object is [put](Store::put) whole. A large
//! one is [created](Store::create), appended to in order, and finalized; until then nobody sees it under its
//! key. That is what a local file and a multipart upload have in common, so both fit the one trait.
//!
//! Bytes are handed over as a [`Part`]: it goes in by value and comes back, exactly once, with the result of
//! its write. A caller that counts its parts therefore knows when a buffer is free again, whatever failed.
//!
//! This crate knows nothing of Zarr or of devices, and it reads no key's meaning.
//!
//! ```
//! use forebay_store::{Memory, Store};
//!
//! let store = Memory::new();
//! store.put("zarr.json", b"{}")?;
//! assert_eq!(store.get("zarr.json")?.as_deref(), Some(&b"{}"[..]));
//! # Ok::<(), forebay_store::Error>(())
//! ```
#![forbid(unsafe_code)]

mod error;
mod part;
mod refusal;
mod store;

mod aligned;
mod claims;
mod cursor;
mod key;
mod lock;
mod tally;

mod discard;
pub mod local;
mod memory;

pub mod contract;
pub mod decorate;

pub use decorate::{Counting, Counts, Failing, Throttled};
pub use discard::Discard;
pub use error::{Error, Operation};
pub use local::LocalDisk;
pub use memory::Memory;
pub use part::{Done, Part, Payload, refuse};
pub use store::{Entry, Object, Store};
