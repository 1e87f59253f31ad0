//! What `forebay bench` measures, and against what.

mod against;
#[cfg(test)]
mod codecs;
mod fill;
mod fit;
mod gpu;
mod images;
mod ingest;
mod job;
mod kernels;
mod machine;
mod pieces;
mod report;
mod rounds;
mod run;
mod scenario;
mod series;
mod sink;
mod yardsticks;

use std::time::Instant;

pub(crate) use against::Against;
pub(crate) use fill::Fill;
pub(crate) use ingest::{Ingest, slots};
pub(crate) use job::{Asked, Job, Load, RING};
pub(crate) use report::Outcome;
pub(crate) use rounds::measure;
pub(crate) use scenario::{Changes, Scenario};
pub(crate) use sink::{Place, Sink};

/// The clock of every measurement here.
#[expect(clippy::disallowed_methods, reason = "a measurement from outside, where there is no seam")]
fn clock() -> Instant {
    Instant::now()
}
