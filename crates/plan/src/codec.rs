//! Codecs as plain data, and the largest size a chunk can have after them.

/// How one chunk is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Chunks are stored as they are.
    None,
    /// One zstd frame per chunk, with its content size.
    Zstd {
        /// 1 to 22 (0 is zstd's default, 3; negative levels are not written).
        level: i32,
    },
    /// One Blosc 1 frame per chunk.
    Blosc(Blosc),
}

/// Parameters of a Blosc 1 frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blosc {
    /// Compressor inside the frame.
    pub inner: BloscInner,
    /// 0 to 9, as Blosc counts them; with [`BloscInner::Fast`] it is 1.
    pub level: u8,
    /// Filter before the compressor.
    pub shuffle: Shuffle,
    /// Bytes of one Blosc block; `None`: chosen from chunk size, level and element size.
    pub block: Option<u32>,
}

/// Compressor inside a Blosc frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BloscInner {
    /// LZ4 blocks.
    Lz4,
    /// zstd frames.
    Zstd,
    /// zstd frames of entropy and runs only, by a coder of our own. It is how they are written, not what they are: arrays say
    /// zstd at level 1, and are read as such.
    Fast,
}

/// Filter of a Blosc frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shuffle {
    /// No filter.
    No,
    /// Bytes of equal significance together.
    Byte,
    /// Bits of equal significance together.
    Bit,
}

impl Codec {
    /// Largest encoded size of a chunk of `chunk` bytes.
    ///
    /// zstd: the library's documented bound, `ZSTD_compressBound`. Blosc: a frame that does not shrink is stored
    /// raw behind its 16-byte header.
    #[must_use]
    pub const fn worst_case(&self, chunk: u64) -> u64 {
        match self {
            Codec::None => chunk,
            Codec::Zstd { .. } => {
                let small = if chunk < 128 << 10 { ((128 << 10) - chunk) >> 11 } else { 0 };
                chunk + (chunk >> 8) + small
            }
            Codec::Blosc(_) => chunk + 16,
        }
    }

    /// Whether chunks keep their size, so that sizes are known before the data.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        matches!(self, Codec::None)
    }
}
