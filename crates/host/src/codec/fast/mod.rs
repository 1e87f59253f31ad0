//! A coder of our own, for bytes that a filter has put in order: one standard zstd frame for each block, of entropy and runs.
//!
//! It is fast because it looks for little. A block is cut into units of at most 64 KiB that never mix planes of the filter
//! (unless those are small), and each unit becomes a block of zstd's. A run of equal bytes is a match with offset 1; all other
//! bytes are literals, and get codes of at most 11 bits by how often they are there. Nothing else is looked for: in a camera's
//! filtered bytes there is nothing else. The coder of a GPU looks for the same at its level 1.
//!
//! The size of literals is known before they are written; what does not shrink all the same is copied over them.

mod bits;
mod codes;
mod fse;
mod literals;
mod runs;
mod sequences;

use literals::Literals;
use runs::{Finder, Run};
use sequences::Sequences;

/// Bytes of a unit at the most.
const UNIT: usize = 64 << 10;
/// Planes of fewer bytes go together.
const SMALL_PLANE: usize = 4 << 10;
/// What every frame begins with.
const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// Bytes of a frame's header at the most, and of a block's.
const FRAME_HEADER: usize = 10;
const BLOCK_HEADER: usize = 3;
/// Frames of more bytes say that a window of 128 KiB is enough: readers may refuse one of that size.
const MOST_SINGLE: usize = 8 << 20;
const WINDOW_128K: u8 = 7 << 3;

/// Kinds of blocks, as zstd numbers them.
#[derive(Clone, Copy)]
enum Kind {
    Raw = 0,
    Same = 1,
    Coded = 2,
}

/// How filtered bytes lie: planes one after another, then bytes that no filter took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planes {
    pub(super) count: usize,
    pub(super) bytes: usize,
}

/// Scratch of one thread.
pub(super) struct Encoder {
    finder: Finder,
    literals: Literals,
    sequences: Sequences,
    /// Frames whose room may be too small are written here first.
    spill: Vec<u8>,
}

impl Encoder {
    /// For blocks of at most so many bytes.
    pub(super) fn new(block: usize) -> Encoder {
        Encoder {
            finder: Finder::new(),
            literals: Literals::new(),
            sequences: Sequences::new(),
            spill: vec![0; most(block)],
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.finder.bytes() + size_of::<Literals>() + size_of::<Sequences>() + self.spill.len()
    }

    /// Compresses a block to a frame in the first `capacity` bytes of `room`; `None` where it has more. Whatever is behind
    /// them may be overwritten.
    pub(super) fn encode_within(
        &mut self,
        block: &[u8],
        planes: Planes,
        room: &mut [u8],
        capacity: usize,
    ) -> Option<usize> {
        if room.len() >= most(block.len()) {
            return Some(self.frame(block, planes, room)).filter(|size| *size <= capacity);
        }
        let mut spill = std::mem::take(&mut self.spill);
        let size = self.frame(block, planes, &mut spill);
        let fits = size <= capacity;
        if fits {
            room[..size].copy_from_slice(&spill[..size]);
        }
        self.spill = spill;
        fits.then_some(size)
    }

    fn frame(&mut self, block: &[u8], planes: Planes, to: &mut [u8]) -> usize {
        let mut at = put_frame_header(block.len(), to);
        let (whole, rest) = block.split_at(planes.count * planes.bytes);
        // As many planes as make a unit worth its codes.
        let together = SMALL_PLANE.div_ceil(planes.bytes).clamp(1, planes.count);
        let stretches = whole.chunks(together * planes.bytes);
        let mut left = block.len();
        for unit in stretches.flat_map(pieces).chain(pieces(rest)) {
            left -= unit.len();
            at += self.unit(unit, left == 0, &mut to[at..]);
        }
        at
    }

    /// Writes a unit as a block; gives its bytes.
    fn unit(&mut self, unit: &[u8], is_last: bool, to: &mut [u8]) -> usize {
        let parts = self.finder.find(unit);
        if let ([byte], [Run { .. }]) = (parts.literals, parts.runs) {
            to[BLOCK_HEADER] = *byte;
            return put_block_header(Kind::Same, unit.len(), 1, is_last, to);
        }
        let body = &mut to[BLOCK_HEADER..];
        let literals = match (self.literals.are_coded(parts.literals), parts.runs) {
            (true, _) => self.literals.write_coded(parts.literals, body),
            (false, []) => unit.len(),
            (false, _) => literals::write_raw(parts.literals, body),
        };
        let size = literals + self.sequences.write(parts.runs, &mut body[literals..]);
        if size < unit.len() {
            return put_block_header(Kind::Coded, size, size, is_last, to);
        }
        body[..unit.len()].copy_from_slice(unit);
        put_block_header(Kind::Raw, unit.len(), unit.len(), is_last, to)
    }
}

/// Units of a stretch of planes, of nearly the same size.
fn pieces(stretch: &[u8]) -> std::slice::Chunks<'_, u8> {
    let pieces = stretch.len().div_ceil(UNIT).max(1);
    stretch.chunks(stretch.len().div_ceil(pieces).max(1))
}

/// Bytes that a frame of so many bytes may touch: each unit stays below its own size but for its header, and the one that is
/// just written may be found to be larger.
const fn most(block: usize) -> usize {
    let units = block / SMALL_PLANE + 2;
    FRAME_HEADER + block + BLOCK_HEADER * units + literals::ROOM + sequences::most(0)
}

/// Writes a frame's header with the size of its content; gives its bytes.
fn put_frame_header(content: usize, to: &mut [u8]) -> usize {
    const SINGLE: u8 = 1 << 5;
    to[..4].copy_from_slice(&MAGIC);
    let mut put = |descriptor: u8, at: usize, size: usize, bytes: usize| {
        to[4] = descriptor;
        to[at..at + bytes].copy_from_slice(&size.to_le_bytes()[..bytes]);
        at + bytes
    };
    match content {
        ..256 => put(SINGLE, 5, content, 1),
        256..0x1_0100 => put(1 << 6 | SINGLE, 5, content - 256, 2),
        0x1_0100..=MOST_SINGLE => put(2 << 6 | SINGLE, 5, content, 4),
        _ => {
            let end = put(2 << 6, 6, content, 4);
            to[5] = WINDOW_128K;
            end
        }
    }
}

/// Writes a block's header; gives its bytes with those of its body.
fn put_block_header(kind: Kind, size: usize, body: usize, is_last: bool, to: &mut [u8]) -> usize {
    let bits = usize::from(is_last) | (kind as usize) << 1 | size << 3;
    to[..BLOCK_HEADER].copy_from_slice(&bits.to_le_bytes()[..BLOCK_HEADER]);
    BLOCK_HEADER + body
}
