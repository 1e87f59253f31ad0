//! The seam between the orchestration and what runs it: lanes, marks, memory, views, kernels, time.
//!
//! A [`Device`] runs work on *lanes*. A lane runs in order; lanes run beside each other. The only order between
//! lanes is made by *marks*: a lane records a generation of a mark, another lane waits for it. A device decides
//! nothing: which mark a stage waits for is the business of the edge table in `flow`.
//!
//! Memory is reached through [`Read`] and [`Write`] views. Minting one is `unsafe`, because whoever mints it
//! vouches that the work which uses it is ordered against all other work on the same bytes:
//!
//! ```
//! fn vouched_for(region: &forebay_device::Region) -> forebay_device::Read<'_> {
//!     // SAFETY: (who says `unsafe` says here which row orders the work).
//!     unsafe { forebay_device::Read::mint(region, 0..1) }
//! }
//! ```
//!
//! ```compile_fail,E0133
//! fn without_a_word(region: &forebay_device::Region) -> forebay_device::Read<'_> {
//!     forebay_device::Read::mint(region, 0..1)
//! }
//! ```
//!
//! ```compile_fail,E0133
//! fn without_a_word(region: &forebay_device::Region) -> forebay_device::Write<'_> {
//!     forebay_device::Write::mint(region, 0..1)
//! }
//! ```
//!
//! Nor is there another way from a region to its bytes:
//!
//! ```compile_fail,E0599
//! fn around(region: &forebay_device::Region) -> *mut u8 {
//!     region.base()
//! }
//! ```

pub mod check;
mod checked;
pub mod contract;
mod error;
mod gate;
mod jobs;
mod lane;
pub mod marks;
mod memory;
mod meters;
mod seam;
pub mod sync;
mod thread;

pub use checked::{Checked, UNWRITTEN};
pub use error::{Error, Operation};
pub use gate::gate_works;
pub use jobs::{
    AggregateJob, CopyJob, EncodeJob, FillJob, NO_TAIL, ReduceJob, ScatterJob, Sizes, Source, Tails,
};
pub use lane::{Lane, Mark};
pub use memory::{Backing, Home, Name, Read, Region, Write};
pub use meters::Meters;
pub use seam::{Busy, Device, Encoder, HostThread};
pub use thread::{OnLane, is_on, on, panic_text, start};
