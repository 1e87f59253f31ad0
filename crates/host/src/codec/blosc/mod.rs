//! Blosc 1 frames.
//!
//! A frame is a 16-byte header, a table with the position of each block, and the blocks, each an `i32` size with its
//! payload; all integers little-endian. Blocks are filtered and compressed independently. A payload as long as its
//! block is the filtered block itself, not compressed. A frame that would not be smaller is stored raw: the
//! header, then the chunk as it was, unfiltered.
//!
//! Blocks are never split into one stream per byte plane (flag 0x10); frames that are split are read. Levels mean
//! what they mean in c-blosc, with one difference: for LZ4, c-blosc sets both the block size and LZ4's acceleration
//! (10 - level) from the level. `lz4_flex` has no acceleration (it always searches as LZ4 does at acceleration 1), so
//! here the level of LZ4 chooses only the block size, and level 0 stores raw. The fast coder (`super::fast`) has one level,
//! and blocks of its own size.

mod decode;
mod encode;
mod header;
mod layout;

pub(super) use decode::decode;
pub(super) use encode::Encoder;
pub(super) use layout::Layout;
