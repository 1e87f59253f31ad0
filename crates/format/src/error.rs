//! Bytes that cannot be read, and values that cannot be written.

/// Metadata or an index that is broken, or that uses a feature which forebay has not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no JSON.
    #[error("zarr.json is no JSON ({0}): write it again, or restore it from a copy")]
    Json(#[source] serde_json::Error),
    /// A field that the specification demands is absent.
    #[error("`{field}` is missing: add it, the specification demands it")]
    Missing {
        /// Where the field should stand, as `codecs[0].configuration.chunk_shape`.
        field: String,
    },
    /// A field has a value that the specification forbids.
    #[error("`{field}` is {value}: {remedy}")]
    Invalid {
        /// Where the field stands.
        field: String,
        /// Its value, as JSON.
        value: String,
        /// What to give instead.
        remedy: &'static str,
    },
    /// A field has a value that is valid, but that forebay does not read.
    #[error("`{field}` is {value}, which forebay does not read: {remedy}")]
    Unsupported {
        /// Where the field stands.
        field: String,
        /// Its value, as JSON.
        value: String,
        /// What forebay reads instead.
        remedy: &'static str,
    },
    /// The index of a shard has an impossible length.
    #[error(
        "shard index of {0} bytes is no list of 16-byte entries with a 4-byte checksum: write the shard again"
    )]
    IndexLength(usize),
    /// The index of a shard is not what was written.
    #[error("shard index has checksum {found:#010x}, its bytes have {computed:#010x}: write the shard again")]
    IndexChecksum {
        /// CRC-32C that stands behind the entries.
        found: u32,
        /// CRC-32C of the entries.
        computed: u32,
    },
    /// An entry is neither a place in the shard nor the mark of a missing chunk.
    #[error(
        "shard index, chunk {chunk}: offset {offset} and size {size} end beyond 2^64: write the shard again"
    )]
    IndexEntry {
        /// Position in the index.
        chunk: usize,
        /// Offset of the entry.
        offset: u64,
        /// Size of the entry.
        size: u64,
    },
}
