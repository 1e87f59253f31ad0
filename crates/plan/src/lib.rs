//! Pure arithmetic of a run: dimensions, chunk grid, epochs, shards, batches, the byte budget.
//!
//! Everything about a run that can be known before its first frame is derived here, once, and everything that
//! can be refused is refused here, with an error that names the field, the value and the remedy. No I/O, no
//! threads, no clocks, no JSON.
//!
//! A [`Config`] is what was asked for; a [`Plan`] is what follows from it.
#![forbid(unsafe_code)]

mod axes;
mod batch;
mod budget;
mod cascade;
mod choose;
mod codec;
mod dims;
mod dtype;
mod error;
mod facts;
mod fit;
mod levels;
mod plan;
mod pyramid;
mod reduce;
mod scatter;
mod shards;

pub use axes::{Axes, Order};
pub use batch::{BatchLayout, Region};
pub use budget::{Budget, Holder};
pub use cascade::{Cascade, End, Part, Place, Step};
pub use codec::{Blosc, BloscInner, Codec, Shuffle};
pub use dims::{Config, Dim, Kind};
pub use dtype::{BadFill, DType, Fill, UnknownDType};
pub use error::Refusal;
pub use facts::{Facts, Memory, Mode, OwnMemory};
pub use levels::Level;
pub use plan::{INDEX_PAGES, Plan, REGION_BYTES, SMALL_APPEND, TAIL_LENGTH_BYTES, Tuning};
pub use pyramid::Pyramid;
pub use reduce::{Frames, Missing, ReducedDim, Reducer, Reduction, UnknownReducer, Window};
pub use scatter::{Scatter, ScatterDim};
pub use shards::ShardGrid;
