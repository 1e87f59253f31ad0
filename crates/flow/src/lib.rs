//! The one orchestration: edge table, leases, scheduler, courier, keeper.
//!
//! Three threads work on a run. The *producer* is whoever appends: it fills staging, sends it off, and kicks a
//! batch when its epochs are there. The *courier* takes kicked batches, oldest first, and hands their packed runs to
//! the store. The *keeper* watches the clock: it kicks what has waited too long and publishes what is finished.
//! What orders them, and the device's lanes, is the [`table`], and nothing else.

mod array;
mod courier;
pub mod edges;
mod engine;
mod error;
mod keeper;
mod kick;
mod latency;
pub mod lease;
mod order;
mod producer;
pub mod proof;
mod reserve;
mod run;
pub mod table;

pub use array::{Array, Closed, Progress, Setup};
pub use engine::Engine;
pub use error::Error;
pub use latency::Latency;
pub use order::{Entered, Waited};
pub use reserve::{Registered, Reserved};
pub use run::Published;
