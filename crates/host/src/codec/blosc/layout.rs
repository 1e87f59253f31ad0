//! All that follows from chunk size, element size and parameters: refusals and the block size.

use plan::{Blosc, BloscInner, Shuffle};

use super::super::fast::Planes;
use super::super::{Error, refused, zstd};
use super::header::{LZ4, MAX_BLOCK, MAX_CHUNK, ZSTD, flag};

/// Chunks and blocks below this are not worth a table; c-blosc's constant.
const SMALL: usize = 128;
/// Of the fast coder: units of 64 KiB, two for each plane of 16-bit elements, and a block that stays in the second-level cache.
/// Larger ones gain nothing (`throughput_of_block_sizes`): units are coded apart.
const FAST_BLOCK: usize = 256 << 10;

/// A frame's parameters, resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Layout {
    inner: BloscInner,
    shuffle: Shuffle,
    level: u8,
    element: u8,
    chunk: usize,
    block: usize,
}

impl Layout {
    pub(in super::super) fn new(parameters: &Blosc, chunk: usize, element: usize) -> Result<Layout, Error> {
        let &Blosc { inner, level, shuffle, block } = parameters;
        if chunk > MAX_CHUNK {
            let remedy =
                "Blosc frames hold at most 2147483631 bytes; use smaller chunks, or zstd without Blosc";
            return Err(refused("chunk bytes (blosc)", chunk as i64, remedy));
        }
        if level > 9 {
            return Err(refused("blosc clevel", level.into(), "use 0 (stored) to 9"));
        }
        let Some(byte) = u8::try_from(element).ok().filter(|&element| element > 0) else {
            return Err(refused(
                "element bytes (blosc)",
                element as i64,
                "Blosc knows elements of 1 to 255 bytes",
            ));
        };
        let wanted = match block.map(|block| block as usize) {
            None | Some(0) => usual_block(inner, level),
            Some(block @ SMALL..=MAX_BLOCK) => block,
            Some(block) => {
                let remedy = "use 128 to 715827542, or leave it out to have it chosen";
                return Err(refused("blosc blocksize", block as i64, remedy));
            }
        };
        let block = fit(wanted, chunk, element, shuffle);
        Ok(Layout { inner, shuffle, level, element: byte, chunk, block })
    }

    /// Bytes of one block; the last may be shorter.
    pub(in super::super) fn block(&self) -> usize {
        self.block
    }

    /// What zstd's own level is, if zstd is inside.
    pub(in super::super) fn zstd_level(&self) -> zstd::Level {
        zstd::Level::of_blosc(self.level)
    }

    pub(in super::super) fn inner(&self) -> BloscInner {
        self.inner
    }

    /// How the filter leaves a block of so many bytes.
    pub(super) fn planes(&self, block: usize) -> Planes {
        let element = usize::from(self.element);
        let elements = block / element;
        let count = match self.shuffle {
            Shuffle::Byte if elements > 0 => element,
            Shuffle::Bit if elements > 0 && elements.is_multiple_of(8) => 8 * element,
            _ => 1,
        };
        Planes { count, bytes: if count > 1 { element * elements / count } else { block } }
    }

    pub(super) fn shuffle(&self) -> Shuffle {
        self.shuffle
    }

    pub(super) fn element(&self) -> u8 {
        self.element
    }

    pub(super) fn blocks(&self) -> usize {
        self.chunk.div_ceil(self.block)
    }

    /// Whether every chunk is stored raw without trying.
    pub(super) fn raw(&self) -> bool {
        self.level == 0 || self.chunk < SMALL
    }

    /// The header's flags, before a frame turns out to be raw.
    pub(super) fn flags(&self) -> u8 {
        let filter = match self.shuffle {
            Shuffle::No => 0,
            // Also for elements of one byte, as c-blosc writes it; readers ignore it there.
            Shuffle::Byte => flag::SHUFFLE,
            Shuffle::Bit => flag::BITSHUFFLE,
        };
        let compressor = match self.inner {
            BloscInner::Lz4 => LZ4,
            BloscInner::Zstd | BloscInner::Fast => ZSTD,
        };
        filter | flag::UNSPLIT | compressor << 5
    }
}

/// c-blosc's block sizes for unsplit blocks: from its 32 KiB, twice that for zstd, more with the level.
///
/// Measured (`throughput_of_block_sizes`: 4 MiB of 16-bit camera frames, byte shuffle, one thread of a busy Xeon at
/// 2.8 GHz with 2 cores, November 2026): LZ4 gains 0.7 % of ratio from 16 to 128 KiB blocks and 0.3 % from there to the
/// whole chunk, while its speed falls from 2.2 GB/s to 1.4 and 0.9; zstd at level 1 gains 0.8 % from 64 to 512 KiB
/// and nothing beyond, at 0.6 to 0.7 GB/s throughout. So c-blosc's sizes lose little, and several blocks per chunk
/// let a reader use as many threads.
fn usual_block(inner: BloscInner, level: u8) -> usize {
    if inner == BloscInner::Fast {
        return FAST_BLOCK;
    }
    let zstd = inner == BloscInner::Zstd;
    let base = if zstd { 64 << 10 } else { 32 << 10 };
    match level {
        0 => base / 4,
        1 => base / 2,
        2 => base,
        3 => base * 2,
        4 | 5 => base * 4,
        9 if zstd => base * 16,
        _ => base * 8,
    }
}

/// Cuts a block to the chunk and to whole elements. For the bit shuffle, to whole groups of 8 elements, since a block
/// with an odd number of elements would not be shuffled at all (c-blosc's own blocks of 3-byte elements are such).
fn fit(wanted: usize, chunk: usize, element: usize, shuffle: Shuffle) -> usize {
    let block = wanted.min(chunk);
    let grain = if shuffle == Shuffle::Bit { 8 * element } else { element };
    [grain, element, 1]
        .into_iter()
        .map(|grain| block / grain * grain)
        .find(|&block| block > 0)
        .unwrap_or(block)
}
