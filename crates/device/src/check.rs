//! For devices that check the order of accesses: what is known of every byte, and who has seen it.
//!
//! Whoever acts (a lane, a thread) has a vector clock ([`Clock`]). What it publishes by a record carries its clock, and a
//! wait joins it. [`Regions`] keeps of every byte range of every region the last write and the reads since: a new access
//! must have seen those it conflicts with, whatever order they happened to run in. Otherwise it is a [`Race`].

mod clock;
mod ledger;
mod race;
mod regions;
mod shadow;

pub use clock::{Actor, Clock};
pub(crate) use ledger::{Ledger, Step};
pub use race::{Race, Use};
pub use regions::{Regions, Touch};
pub use shadow::{Access, Known};
