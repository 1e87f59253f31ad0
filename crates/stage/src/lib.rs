//! Payload of each stage: given views and the plan, enqueues work on the lane handed in.
//!
//! A stage owns no buffer and knows no pool, edge or mark: this crate does not import `flow`, so it cannot name
//! them. What it is given is ordered; what it queues runs on the lane that it is told.
//!
//! A stage can name the seam, and not the orchestration:
//!
//! ```
//! use device::{Lane, Read, Write};
//! ```
//!
//! ```compile_fail,E0432
//! use flow::lease::Lease;
//! ```
//!
//! ```compile_fail,E0432
//! use forebay_flow::table::Stage;
//! ```
#![forbid(unsafe_code)]

mod deliver;
mod pack;
mod pyramid;
mod scatter;
mod tail;

pub use deliver::{Finished, Parts, Shards, Tail};
pub use pack::{
    Sources, aggregate, compress, index_bytes, offset_bytes, packed_bytes, scratch_bytes, table_bytes,
    write_tables,
};
pub use pyramid::{At, Touched, Views, pyramid_step, touched};
pub use scatter::{carry, pad, scatter};
pub use tail::{keep_tail, left_by, tail_of, upload_tails};
