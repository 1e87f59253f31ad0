//! Writing one frame.

use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};
use plan::{BloscInner, Shuffle};

use super::super::{Error, bitshuffle, fast, shuffle, zstd};
use super::Layout;
use super::header::{HEADER, Header, flag, put};

/// Scratch of one thread: one filtered block, and what the compressor keeps.
pub(in super::super) struct Encoder {
    filtered: Vec<u8>,
    compressor: Compressor,
}

enum Compressor {
    Lz4(Lz4),
    Zstd(zstd::Encoder),
    Fast(Box<fast::Encoder>),
}

struct Lz4 {
    table: CompressTable,
    /// `lz4_flex` refuses outputs below its worst case: near the end of a frame it writes here instead.
    spill: Vec<u8>,
}

impl Encoder {
    pub(in super::super) fn new(layout: &Layout) -> Encoder {
        let block = if layout.raw() { 0 } else { layout.block() };
        let filtered = if layout.shuffle() == Shuffle::No { 0 } else { block };
        let compressor = match layout.inner() {
            BloscInner::Lz4 => Compressor::Lz4(Lz4::new(block)),
            BloscInner::Zstd => Compressor::Zstd(zstd::Encoder::new(layout.zstd_level())),
            BloscInner::Fast => Compressor::Fast(Box::new(fast::Encoder::new(block))),
        };
        Encoder { filtered: vec![0; filtered], compressor }
    }

    pub(in super::super) fn bytes(&self) -> usize {
        let compressor = match &self.compressor {
            Compressor::Lz4(lz4) => lz4.spill.len() + Lz4::TABLE,
            Compressor::Zstd(encoder) => encoder.bytes(),
            Compressor::Fast(encoder) => encoder.bytes(),
        };
        self.filtered.len() + compressor
    }

    /// `out` is 16 bytes longer than `chunk`.
    pub(in super::super) fn encode(
        &mut self,
        layout: &Layout,
        chunk: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let compressed = if layout.raw() { None } else { self.blocks(layout, chunk, out)? };
        let raw = if compressed.is_none() { flag::RAW } else { 0 };
        let header = Header {
            flags: layout.flags() | raw,
            element: layout.element(),
            chunk: chunk.len(),
            block: layout.block(),
            frame: compressed.unwrap_or(HEADER + chunk.len()),
        };
        header.write(out);
        if compressed.is_none() {
            out[HEADER..].copy_from_slice(chunk);
        }
        Ok(header.frame)
    }

    /// Table and blocks; `None` as soon as they cannot be smaller than the raw frame, which is as long as `out`.
    fn blocks(&mut self, layout: &Layout, chunk: &[u8], out: &mut [u8]) -> Result<Option<usize>, Error> {
        let limit = out.len() - 1;
        let mut end = HEADER + 4 * layout.blocks();
        for (index, block) in chunk.chunks(layout.block()).enumerate() {
            let Some(room) = out.get_mut(end + 4..limit) else {
                return Ok(None);
            };
            let Some(size) = self.block(layout, block, room)? else {
                return Ok(None);
            };
            put(out, HEADER + 4 * index, end);
            put(out, end, size);
            end += 4 + size;
        }
        Ok(Some(end))
    }

    /// Filters and compresses one block into `room`; `None` when neither it nor its filtered bytes fit.
    fn block(&mut self, layout: &Layout, block: &[u8], room: &mut [u8]) -> Result<Option<usize>, Error> {
        let element = usize::from(layout.element());
        let filtered = match (layout.shuffle(), self.filtered.get_mut(..block.len())) {
            (Shuffle::Byte, Some(filtered)) if element > 1 => {
                shuffle::forward(element, block, filtered);
                filtered
            }
            (Shuffle::Bit, Some(filtered)) => {
                bitshuffle::forward(element, block, filtered);
                filtered
            }
            _ => block,
        };
        // One byte less than the block: a payload as long as the block means "not compressed".
        let capacity = room.len().min(filtered.len() - 1);
        let compressed = match &mut self.compressor {
            Compressor::Lz4(lz4) => lz4.encode_within(filtered, room, capacity),
            Compressor::Zstd(encoder) => encoder.encode_within(filtered, &mut room[..capacity])?,
            Compressor::Fast(encoder) => {
                encoder.encode_within(filtered, layout.planes(filtered.len()), room, capacity)
            }
        };
        if compressed.is_some() {
            return Ok(compressed);
        }
        let stored = room.get_mut(..filtered.len());
        Ok(stored.map(|room| room.copy_from_slice(filtered)).map(|()| filtered.len()))
    }
}

impl Lz4 {
    /// Bytes of `lz4_flex`'s large table; its size is fixed.
    const TABLE: usize = 16 << 10;

    fn new(block: usize) -> Lz4 {
        // The large table for every size: no block then makes it grow.
        Lz4 { table: CompressTable::large(), spill: vec![0; get_maximum_output_size(block)] }
    }

    /// Compresses `block` into the first `capacity` bytes of `room`; whatever is behind them may be overwritten.
    fn encode_within(&mut self, block: &[u8], room: &mut [u8], capacity: usize) -> Option<usize> {
        let direct = room.len() >= get_maximum_output_size(block.len());
        let to = if direct { &mut *room } else { &mut self.spill[..] };
        let size = compress_into_with_table(block, to, &mut self.table)
            .expect("both outputs hold lz4_flex's worst case");
        if size > capacity {
            return None;
        }
        if !direct {
            room[..size].copy_from_slice(&self.spill[..size]);
        }
        Some(size)
    }
}
