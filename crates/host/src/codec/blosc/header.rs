//! The 16 bytes in front of every frame.

use super::super::Error;

/// Bytes of the header.
pub(super) const HEADER: usize = 16;
/// Largest chunk: the frame's size is an `i32`.
pub(super) const MAX_CHUNK: usize = i32::MAX as usize - HEADER;
/// Largest block that c-blosc reads.
pub(super) const MAX_BLOCK: usize = 715_827_542;

/// Flags of the third byte. Its upper three bits are the compressor.
pub(super) mod flag {
    pub(in super::super) const SHUFFLE: u8 = 0x01;
    pub(in super::super) const RAW: u8 = 0x02;
    pub(in super::super) const BITSHUFFLE: u8 = 0x04;
    /// Reserved; set in Blosc 2 frames.
    pub(in super::super) const RESERVED: u8 = 0x08;
    pub(in super::super) const UNSPLIT: u8 = 0x10;
}

pub(super) const LZ4: u8 = 1;
pub(super) const ZSTD: u8 = 4;

const VERSION: u8 = 2;
const CODEC_VERSION: u8 = 1;

/// The header, decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) flags: u8,
    pub(super) element: u8,
    pub(super) chunk: usize,
    pub(super) block: usize,
    pub(super) frame: usize,
}

impl Header {
    /// Every size is at most `i32::MAX`: `Layout::new` refuses larger chunks.
    pub(super) fn write(&self, out: &mut [u8]) {
        out[..4].copy_from_slice(&[VERSION, CODEC_VERSION, self.flags, self.element]);
        for (at, size) in [(4, self.chunk), (8, self.block), (12, self.frame)] {
            put(out, at, size);
        }
    }

    /// Reads the header and checks all that it says about itself.
    pub(super) fn read(encoded: &[u8], chunk: usize) -> Result<Header, Error> {
        let damaged = |what: String| Err(Error::damaged("blosc", what));
        let Some(&[version, codec, flags, element, ..]) = encoded.get(..HEADER) else {
            return damaged(format!("{} bytes are less than its header", encoded.len()));
        };
        if version != VERSION || codec != CODEC_VERSION {
            return damaged(format!("versions {version} and {codec} where Blosc 1 has 2 and 1"));
        }
        if flags & flag::RESERVED != 0 {
            return damaged(format!("its flags {flags:#04x} have the reserved bit"));
        }
        let sizes = (get(encoded, 4), get(encoded, 8), get(encoded, 12));
        let (Some(bytes), Some(block), Some(frame)) = sizes else {
            return damaged("its header has a negative size".into());
        };
        if bytes != chunk {
            return damaged(format!("its header says {bytes} bytes, not {chunk}"));
        }
        if frame != encoded.len() {
            return damaged(format!(
                "its header says a frame of {frame} bytes, but there are {}",
                encoded.len()
            ));
        }
        if element == 0 || block == 0 || block > bytes.min(MAX_BLOCK) {
            return damaged(format!("elements of {element} bytes in blocks of {block}"));
        }
        Ok(Header { flags, element, chunk, block, frame })
    }
}

/// Writes a size as a little-endian `i32`.
pub(super) fn put(out: &mut [u8], at: usize, size: usize) {
    out[at..at + 4].copy_from_slice(&(size as u32).to_le_bytes());
}

/// Reads a little-endian `i32`; `None` outside the slice or below zero.
pub(super) fn get(bytes: &[u8], at: usize) -> Option<usize> {
    let raw = bytes.get(at..)?.first_chunk::<4>()?;
    usize::try_from(i32::from_le_bytes(*raw)).ok()
}
