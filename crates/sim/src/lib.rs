//! A device that runs one step at a time, in an order that a [`Chooser`] picks, and reports every access that nothing
//! orders.
//!
//! The orchestration runs unchanged: the same producer, courier and keeper, each on a thread of its own, of which one
//! runs at a time. Wherever one of them waits or queues work, the chooser says who goes on: that thread, another, the
//! next step of a device lane, or a part that the store gives back ([`Sim::later`]). Kernels are those of the host, on
//! real bytes.
//!
//! What a thread does from one point of choice to the next is one step of its own, and so is an answer of the store. In
//! it a thread queues records and waits of device lanes without a point between: a lane that takes them sooner does what it
//! would have done had they been queued sooner. [`Explorer`] visits every state that such steps can reach.
//!
//! Each lane, thread and answer of the store has a vector clock. A record carries the clock of its lane, a wait joins it.
//! Of every byte range of every buffer the last write and the reads since are kept; a new access must have seen those it
//! conflicts with, whatever order they happened to run in. So one schedule is often enough to find a missing row.
//! (`device::check`; `device::Checked` does the same around a device that runs by itself.)
//!
//! Memory is poisoned until it is written: each kernel and the host say exactly which bytes they read, and to read one that
//! nobody wrote is reported too. A copy hands the poison on.
//!
//! Not for production: it is slow, and its clock moves only when nothing else can.

mod choose;
mod clock;
mod deeds;
mod device;
mod digest;
mod encoder;
mod explore;
mod key;
mod machine;
mod memory;
mod step;
mod written;

pub use choose::{Chooser, Next, Numbers, Priorities, Random, Replay};
pub use device::{Moment, Outcome, Sim};
pub use digest::Digest;
pub use explore::{Counts, Explorer, Point};
