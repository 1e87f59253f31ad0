//! How the chunks of one level of a pyramid are made from those of the level above.
//!
//! Both lie in chunks of the same extents. A chunk holds `depth` frames one behind the other; a *frame* is one index along the
//! last append dimension, and what a chunk holds of it stands together. Along every halved dimension two neighbours become one;
//! at an odd edge the last one stays alone. What chunks hold past the edge of their level is the fill value.

use std::fmt;
use std::str::FromStr;

use crate::{DType, Fill};

/// What becomes of the samples of a window: 1 to 2 of them along each dimension that is halved.
///
/// The window's samples are taken in storage order, the last dimension fastest. Where a sample is NaN, so is the result, the
/// quiet NaN without a sign or a payload; for [`Reducer::Mode`] NaNs are one value, larger than all others, and
/// [`Reducer::Decimate`] hands on what there is, bit by bit. Zeros are told apart: -0 is less than 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reducer {
    /// The mean, rounded once, to nearest, ties to even. Integers are summed exactly; `float16` in `float32`, `float32` and
    /// `float64` in `float64`, in the window's order, and the quotient is held between the least and the largest sample, so
    /// that a constant stays what it is; of infinities of both signs it is NaN.
    Mean,
    /// The least sample.
    Min,
    /// The largest sample.
    Max,
    /// The sample in the middle; of two, the lower one.
    Median,
    /// The largest but one: a maximum that one bright outlier does not make. Of one sample that sample.
    SecondLargest,
    /// The least but one. Of one sample that sample.
    SecondSmallest,
    /// The sample that there is most of; of several, the least.
    Mode,
    /// The first sample.
    Decimate,
}

impl Reducer {
    /// All of them, in the order in which messages list them.
    pub const ALL: [Reducer; 8] = [
        Reducer::Mean,
        Reducer::Min,
        Reducer::Max,
        Reducer::Median,
        Reducer::SecondLargest,
        Reducer::SecondSmallest,
        Reducer::Mode,
        Reducer::Decimate,
    ];

    /// Its name, as the command line takes it and as metadata say it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Reducer::Mean => "mean",
            Reducer::Min => "min",
            Reducer::Max => "max",
            Reducer::Median => "median",
            Reducer::SecondLargest => "second-largest",
            Reducer::SecondSmallest => "second-smallest",
            Reducer::Mode => "mode",
            Reducer::Decimate => "decimate",
        }
    }

    /// Whether a sample of a level stands for all of its window, so that it lies in the window's middle.
    #[must_use]
    pub const fn is_centred(self) -> bool {
        !matches!(self, Reducer::Decimate)
    }
}

impl fmt::Display for Reducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no reducer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "reducer `{0}` is not one that forebay has: use mean, min, max, median, second-largest, second-smallest, mode or decimate"
)]
pub struct UnknownReducer(pub String);

impl FromStr for Reducer {
    type Err = UnknownReducer;

    fn from_str(text: &str) -> Result<Reducer, UnknownReducer> {
        Reducer::ALL.into_iter().find(|r| r.name() == text).ok_or_else(|| UnknownReducer(text.to_owned()))
    }
}

/// What happens along the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// Each frame by itself.
    Kept,
    /// Two neighbours become one, in one window with the other dimensions.
    Halved,
    /// Two neighbours become one, by a reducer of their own, after the other dimensions were reduced to elements of the type.
    Apart(Reducer),
}

/// One dimension of a frame, in storage order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReducedDim {
    /// Elements along it in the level above.
    pub from: u64,
    /// Elements along it in this level: as many, or half as many, rounded up.
    pub to: u64,
    /// Elements of a chunk along it, in both levels.
    pub chunk: u64,
    /// Whether two neighbours become one.
    pub halved: bool,
}

impl ReducedDim {
    /// Chunks along it in the level above, and in this one.
    #[must_use]
    pub const fn chunks(self) -> (u64, u64) {
        (self.from.div_ceil(self.chunk), self.to.div_ceil(self.chunk))
    }
}

/// How an epoch of one level is made from epochs of the level above.
///
/// Chunks of an epoch stand one behind the other, the last dimension fastest; element `(frame, i...)` of a chunk is number
/// `frame * frame_elements + ...`, again the last dimension fastest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reduction {
    /// Element type of both levels.
    pub dtype: DType,
    /// What becomes of a window.
    pub reducer: Reducer,
    /// What happens along the frames.
    pub frames: Frames,
    /// Dimensions of a frame; none where frames are single elements.
    pub dims: Vec<ReducedDim>,
    /// Frames of a chunk, in both levels.
    pub depth: u64,
    /// What chunks hold past the edge.
    pub fill: Fill,
}

impl Reduction {
    /// Elements of a chunk that are of one frame.
    #[must_use]
    pub fn frame_elements(&self) -> u64 {
        self.dims.iter().map(|d| d.chunk).product()
    }

    /// Elements of a chunk.
    #[must_use]
    pub fn chunk_elements(&self) -> u64 {
        self.depth * self.frame_elements()
    }

    /// Chunks of an epoch in the level above, and in this one.
    #[must_use]
    pub fn chunks(&self) -> (u64, u64) {
        let each = |of: fn((u64, u64)) -> u64| self.dims.iter().map(|d| of(d.chunks())).product();
        (each(|c| c.0), each(|c| c.1))
    }

    /// Bytes of an epoch in the level above, and in this one.
    #[must_use]
    pub fn epoch_bytes(&self) -> (u64, u64) {
        let (from, to) = self.chunks();
        let chunk = self.chunk_elements() * self.dtype.size() as u64;
        (from * chunk, to * chunk)
    }
}

/// Where a frame comes from that a window lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// There is none: the window is cut.
    Cut,
    /// Nobody appended it, and it is there all the same: it holds the fill value.
    Fill,
}

/// Which frames of an epoch are made, and from which.
///
/// With frames that are kept, frame `q` is made from frame `q`. With frames that are halved, from frames `2q + offset` and
/// `2q + offset + 1` of the epoch above: -1 is the last frame of the epoch before that; those from `valid` on are missing.
/// A window of which the first frame is missing too is all fill value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First frame that is made.
    pub first: u64,
    /// Behind the last frame that is made: at most the depth of a chunk.
    pub end: u64,
    /// Of the first frame of a window, less twice the frame that is made.
    pub offset: i64,
    /// Frames of the epoch above that there are. Where there are none, nothing of it is read.
    pub valid: u64,
    /// What stands for those that there are not.
    pub missing: Missing,
}
