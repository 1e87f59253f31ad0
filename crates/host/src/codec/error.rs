/// Why a chunk could not be encoded or decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter that no encoder accepts; found before the first chunk.
    #[error("{field} = {value} is refused: {remedy}")]
    Parameter {
        /// The field, as configurations spell it.
        field: &'static str,
        /// What it was set to.
        value: i64,
        /// What to write instead.
        remedy: &'static str,
    },
    /// A buffer of the wrong size.
    #[error("{buffer} of {got} bytes where {want} are needed: {remedy}")]
    Size {
        /// Which buffer.
        buffer: &'static str,
        /// Its bytes.
        got: usize,
        /// The bytes asked for.
        want: usize,
        /// What to do instead.
        remedy: &'static str,
    },
    /// `encode` was given the context of another codec or chunk size.
    #[error(
        "this context was made for another codec or chunk size: call `context` on the `Prepared` that encodes"
    )]
    Context,
    /// The zstd library failed to compress.
    #[error("zstd could not compress the chunk: {0}; more free memory or a lower level may help")]
    Zstd(&'static str),
    /// Encoded bytes that are not what the codec says.
    #[error("damaged {codec} chunk: {what}; write the chunk again or restore its shard from a copy")]
    Damaged {
        /// The codec that read it.
        codec: &'static str,
        /// What is inconsistent.
        what: String,
    },
    /// Encoded bytes that may be sound, but that only other libraries read.
    #[error(
        "{what} is not read by forebay: open the store with zarr-python or another reader that has c-blosc"
    )]
    Unsupported {
        /// The feature.
        what: &'static str,
    },
}

impl Error {
    pub(super) fn damaged(codec: &'static str, what: impl Into<String>) -> Error {
        Error::Damaged { codec, what: what.into() }
    }
}
