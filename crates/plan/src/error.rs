//! Refusals: bad input, named before anything is opened.

/// Input that cannot be planned. The message names the field, the value and the remedy.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No dimension, or more than 32.
    #[error("dimensions: {0} given; give 1 to 32")]
    Rank(usize),
    /// A name that is empty or stands twice.
    #[error("dimension {position}: the name `{name}` is {fault}; give each dimension a name of its own")]
    Name {
        /// Position in acquisition order.
        position: usize,
        /// The name.
        name: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A number of a dimension that makes no sense.
    #[error("dimension `{name}`: {field} {value} {remedy}")]
    Dim {
        /// Name of the dimension.
        name: String,
        /// Which number.
        field: &'static str,
        /// Its value.
        value: String,
        /// What to give instead.
        remedy: &'static str,
    },
    /// A storage order that is no permutation of the dimensions, or moves the first.
    #[error("order `{order}`: {fault}; {remedy}")]
    Order {
        /// The order as given.
        order: String,
        /// What is wrong with it.
        fault: String,
        /// What to give instead.
        remedy: String,
    },
    /// Axes that are no OME-Zarr 0.5 image, and that no order of these dimensions mends.
    #[error(
        "axes `{axes}` are no OME-Zarr 0.5 image: {fault}; give another order of dimensions (time, then at most \
         one channel or other axis, then two or three of space), or write a plain Zarr array (`--plain`)"
    )]
    Axes {
        /// Stored axes, by name.
        axes: String,
        /// The rule that they break.
        fault: &'static str,
    },
    /// A codec parameter out of range.
    #[error("codec: {field} {value} {remedy}")]
    Codec {
        /// Which parameter.
        field: &'static str,
        /// Its value.
        value: String,
        /// What to give instead.
        remedy: &'static str,
    },
    /// A tuning number out of range.
    #[error("{field}: {value} {remedy}")]
    Tuning {
        /// Which number.
        field: &'static str,
        /// Its value.
        value: u64,
        /// What to give instead.
        remedy: &'static str,
    },
    /// A pyramid that cannot be made.
    #[error("pyramid: {field} `{value}` {remedy}")]
    Pyramid {
        /// Which part of what was asked.
        field: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it, and what to give instead.
        remedy: String,
    },
    /// The fill value is not of the array's type.
    #[error("fill value: it is of type {fill}, the array is {dtype}; give a fill value of the array's type")]
    FillType {
        /// Type of the fill value.
        fill: &'static str,
        /// Type of the array.
        dtype: &'static str,
    },
    /// Pages of a size that buffers do not begin on.
    #[error(
        "alignment: the store takes writes in pages of {0} bytes; forebay writes pages of 1 to 4096 bytes, a power of two"
    )]
    Alignment(u64),
    /// Pipelined writing of whole pages without what orders it.
    #[error(
        "mode pipelined: whole pages are written (direct), and without the gate nothing orders what is left of a page \
         before the next batch; allow the gate, or choose drain-before-kick or drain-after-kick"
    )]
    Gate,
    /// The smallest arrangement does not fit the memory cap.
    #[error(
        "{place}: the cap is {cap} bytes, the smallest arrangement (one epoch a batch, slots: {slots}) takes {least}, of \
         which {holder} takes {held}; {remedy}"
    )]
    Memory {
        /// Which memory: the host's, or that of the device's own.
        place: &'static str,
        /// The cap.
        cap: u64,
        /// What the smallest arrangement takes.
        least: u64,
        /// Copies of each batch buffer in it: 1, or 2 where a mode was asked for that needs them.
        slots: u32,
        /// Its largest holder.
        holder: &'static str,
        /// What that takes.
        held: u64,
        /// A chunk shape that would fit, or more memory.
        remedy: String,
    },
    /// A product that does not fit 64 bits, or a count that does not fit its field.
    #[error("{what} is too large: {remedy}")]
    TooLarge {
        /// The quantity.
        what: String,
        /// What to make smaller.
        remedy: &'static str,
    },
}

/// Product of counts, refused when it does not fit.
pub(crate) fn product(
    factors: impl IntoIterator<Item = u64>,
    what: &str,
    remedy: &'static str,
) -> Result<u64, Refusal> {
    factors
        .into_iter()
        .try_fold(1u64, u64::checked_mul)
        .filter(|p| i64::try_from(*p).is_ok())
        .ok_or_else(|| Refusal::TooLarge { what: what.to_owned(), remedy })
}
