//! Our own coder: how chunks are cut, what it works in, and its kernels, one after another (`kernels/coder.h`).
//!
//! It writes standard zstd frames, one for each chunk, or Blosc frames of blocks with one zstd frame each. The same chunk
//! gives the same bytes, whatever the batch, its place in it and the GPU.

use std::ops::Range;

use device::{EncodeJob, Error, Operation};
use plan::{BloscInner, Codec, Shuffle};

use crate::encoder::Workspace;
use crate::kernels::{Launcher, launch};

/// `UNIT`, `SMALL_PLANE` and `HEAD_ROOM` of coder.h.
const UNIT: u64 = 65_536;
const SMALL_PLANE: u64 = 4096;
const HEAD_ROOM: u64 = 384;
/// Bytes that a run takes at the least, with the one that it repeats.
const LEAST_RUN: u64 = 9;
/// Threads of a block, and bytes of its shared memory: as the kernels assert.
const FILTER: (u32, u32) = (256, 0);
const ANALYZE: (u32, u32) = (256, 29_056);
const TABLE: (u32, u32) = (128, 17_408);
const ENCODE: (u32, u32) = (512, 12_672);
/// The same for units that are so small that fewer threads do.
const ENCODE_SMALL: (u32, u32) = (128, 12_672);
const SMALL_UNIT: u64 = 8192;
const SEQUENCES: (u32, u32) = (128, 7_168);
const LZ4: (u32, u32) = (256, 32);
const MATCH: (u32, u32) = (256, 49_152);
const PLACE: (u32, u32) = (128, 0);
const ASSEMBLE: (u32, u32) = (256, 0);
const RESTORE: (u32, u32) = (256, 0);
/// Units, or chunks, that a block of threads takes.
const TABLE_UNITS: u64 = 4;
const PLACE_CHUNKS: u64 = 4;
/// Elements of a block of the filter's.
const FILTER_ELEMENTS: u64 = 256 * 16;
/// Bytes of a Blosc block where nothing else is asked for: planes of several units, and several blocks in a large chunk, so
/// that its readers can use threads.
const USUAL_BLOCK: u64 = 512 << 10;
/// The level that looks for runs only; all others look for matches too, where a probe says that they pay.
const RUNS: i32 = 1;
/// Blosc frames of fewer bytes are stored as they are.
const LEAST_TRIED: u64 = 128;
/// Bytes of a codec's own memory, for each byte of a batch and in all: larger batches go through it group by group, larger chunks
/// part by part. For small batches, what one chunk takes, up to so many.
const PER_BYTE: u64 = 4;
const MOST_WORKSPACE: u64 = 1 << 30;
const LEAST_WORKSPACE: u64 = 16 << 20;
/// Blocks of threads in a row, and rows, at the most.
const MOST_BLOCKS: u64 = i32::MAX as u64;
const MOST_ROWS: u64 = 65_535;
/// Bytes of a chunk at the most: of zstd so many that places in its frame, which has three bytes more for each unit, are numbers
/// of 32 bits; of Blosc what a frame holds.
const MOST_CHUNK: u64 = 2 << 30;
const MOST_BLOSC_CHUNK: u64 = i32::MAX as u64 - 16;

/// How a block of bytes is cut: `cut_of` of coder.h.
struct Cut {
    units: u64,
    /// Bytes of the largest.
    largest: u64,
}

/// The coder for chunks of one size.
#[derive(Clone, Debug)]
pub struct Coder {
    worst_case: u64,
    chunk: u64,
    element: u64,
    filter: Shuffle,
    blosc: bool,
    stored: bool,
    matching: bool,
    lz4: bool,
    block: u64,
    blocks: u64,
    block_units: u64,
    chunk_units: u64,
    slot: u64,
    /// Whether units are copied to slots of their own.
    filtered: bool,
    /// Chunks that go through the kernels at once; and grains of a chunk, where it does not go through as a whole.
    group: u64,
    part: Option<u64>,
    /// Units that there is room for.
    room: u64,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct CoderParams {
    chunks: u64,
    first: u64,
    count: u64,
    pool: u64,
    chunk_bytes: u64,
    element: u64,
    filter: u64,
    blosc: u64,
    stored: u64,
    matching: u64,
    lz4: u64,
    block_bytes: u64,
    blocks: u64,
    block_units: u64,
    chunk_units: u64,
    slot: u64,
    out_slot: u64,
    runs: u64,
    filtered: u64,
    literals: u64,
    out: u64,
    starts: u64,
    ends: u64,
    candidates: u64,
    matches: u64,
    most_matches: u64,
    counts: u64,
    units: u64,
    matched: u64,
    scratch: u64,
    stride: u64,
    sizes: u64,
}

/// Bytes of `Unit`.
const UNIT_RECORD: u64 = 68;
/// Lists that a group has, and bytes that each takes more than its units do: wide reads may go past the end of the last, and
/// places are rounded up.
const LISTS: u64 = 10;
const AROUND: u64 = 16;
const LIST_STEP: u64 = 256;
const ROUNDED: u64 = LISTS * (AROUND + LIST_STEP);
/// Parts of a unit in which matches are chosen, and bytes of the shortest.
const STRETCHES: u64 = 8;
const LEAST_MATCH: u64 = 5;

impl Coder {
    /// Prepares it for batches of `chunks` chunks of `chunk_bytes` bytes, of elements of `element` bytes. It works in at most four
    /// times the bytes of a batch, and 1 GiB; of small batches in what one chunk takes, up to 16 MiB; and at least in what one of
    /// Blosc's blocks takes, up to seven times its bytes.
    ///
    /// # Errors
    /// It has no such codec; chunks or elements of such a size are none of the codec's.
    pub fn new(codec: &Codec, chunks: u64, chunk_bytes: u64, element: u64) -> Result<Coder, Error> {
        let refused = |why: String| Err(Error::new(Operation::Prepare, why));
        let most = if matches!(codec, Codec::Blosc(_)) { MOST_BLOSC_CHUNK } else { MOST_CHUNK };
        if chunk_bytes == 0 || chunk_bytes > most {
            return refused(format!("chunks of {chunk_bytes} bytes: make them of 1 to {most}"));
        }
        let (filter, block, blosc, stored, matching) = match codec {
            Codec::Zstd { level } => (Shuffle::No, chunk_bytes, false, false, *level != RUNS),
            Codec::Blosc(b) => {
                if !(1..=255).contains(&element) {
                    return refused(format!("elements of {element} bytes: Blosc knows those of 1 to 255"));
                }
                // The bytes of an element of one byte are in order already.
                let filter = if element == 1 && b.shuffle == Shuffle::Byte { Shuffle::No } else { b.shuffle };
                let most = if b.inner == BloscInner::Lz4 { UNIT } else { u64::MAX };
                let wanted = b.block.filter(|block| *block > 0).map_or(USUAL_BLOCK, u64::from).min(most);
                let block = block_of(wanted, chunk_bytes, element, filter);
                let stored = b.level == 0 || chunk_bytes < LEAST_TRIED;
                (filter, block, true, stored, i32::from(b.level) != RUNS)
            }
            Codec::None => return refused("there is nothing to compress".to_owned()),
        };
        let element = if blosc { element } else { 1 };
        let lz4 = matches!(codec, Codec::Blosc(b) if b.inner == BloscInner::Lz4);
        let cut = |bytes| if lz4 { Cut { units: 1, largest: bytes } } else { cut(bytes, element, filter) };
        let (whole, blocks) = (cut(block), chunk_bytes.div_ceil(block));
        let last = cut(chunk_bytes - (blocks - 1) * block);
        let aligned = chunk_bytes.is_multiple_of(16) && block.is_multiple_of(16);
        let coder = Coder {
            worst_case: codec.worst_case(chunk_bytes),
            chunk: chunk_bytes,
            element,
            filter,
            blosc,
            stored,
            matching,
            lz4,
            block,
            blocks,
            block_units: whole.units,
            chunk_units: (blocks - 1) * whole.units + last.units,
            slot: whole.largest.max(last.largest).next_multiple_of(16),
            filtered: filter != Shuffle::No || !aligned,
            group: 1,
            part: None,
            room: 0,
        };
        let allowed = (PER_BYTE * chunks * chunk_bytes).max(coder.least()).min(MOST_WORKSPACE);
        Ok(coder.within(chunks, allowed))
    }

    /// The same, for batches of `chunks` chunks, working in at most `bytes` bytes, or in what the smallest part of a chunk takes. It
    /// writes the same.
    #[must_use]
    pub fn within(mut self, chunks: u64, bytes: u64) -> Coder {
        let units = bytes.saturating_sub(ROUNDED).checked_div(self.per_unit()).unwrap_or(u64::MAX);
        let whole = (units / self.chunk_units).min(MOST_BLOCKS / self.chunk_units.max(self.blocks));
        self.group = whole.clamp(1, chunks.max(1));
        self.room = self.group * self.chunk_units;
        self.part = None;
        if whole == 0 {
            let (grain, grains) = self.grains();
            // The last of a chunk may have more units than the others.
            let more = self.chunk_units.saturating_sub(grain * grains);
            let most = (units.saturating_sub(more) / grain).clamp(1, grains);
            // As even as may be.
            let part = grains.div_ceil(grains.div_ceil(most));
            self.room = (part * grain + more).min(self.chunk_units);
            self.part = Some(part);
        }
        self
    }

    /// What a chunk may be cut into: units, for Blosc those of whole blocks. So many in each, and so many of them.
    fn grains(&self) -> (u64, u64) {
        if self.blosc { (self.block_units, self.blocks) } else { (1, self.chunk_units) }
    }

    /// Bytes that it works in for the smallest batch.
    fn least(&self) -> u64 {
        let (grain, grains) = self.grains();
        let more = self.chunk_units.saturating_sub(grain * grains);
        let taken = |units| ROUNDED + units * self.per_unit();
        taken(self.chunk_units).min(LEAST_WORKSPACE.max(taken(grain + more)))
    }

    /// Largest encoded size of a chunk.
    #[must_use]
    pub fn worst_case(&self) -> u64 {
        self.worst_case
    }

    /// Bytes of the GPU's memory that it works in.
    #[must_use]
    pub fn workspace(&self) -> u64 {
        self.lists(0).1
    }

    /// Bytes that it works in at the most, for batches of any size.
    #[must_use]
    pub fn needs(&self) -> Workspace {
        let (least, whole) = (self.least(), self.chunk_units * self.per_unit());
        let per_chunk = whole.min(PER_BYTE * self.chunk);
        let fixed = least.saturating_sub(per_chunk).max(ROUNDED);
        Workspace { fixed, per_chunk, most: Some(least.max(MOST_WORKSPACE)) }
    }

    /// Bytes that each unit of a group takes, in all lists.
    fn per_unit(&self) -> u64 {
        self.each().iter().sum()
    }

    /// Bytes from one unit's output to the next.
    fn out_slot(&self) -> u64 {
        self.slot + HEAD_ROOM + 64
    }

    fn runs(&self) -> u64 {
        (self.slot / LEAST_RUN + 1).next_multiple_of(2)
    }

    fn most_matches(&self) -> u64 {
        let stretch = self.slot.div_ceil(STRETCHES).next_multiple_of(32);
        (STRETCHES * (stretch / LEAST_MATCH + 2)).next_multiple_of(2)
    }

    /// Bytes of a unit in each list.
    fn each(&self) -> [u64; LISTS as usize - 1] {
        if self.stored {
            return Default::default();
        }
        let filtered = if self.filtered { self.slot } else { 0 };
        let runs = 2 * self.runs();
        let (candidates, matches) =
            if self.matching { (2 * self.slot, 6 * self.most_matches()) } else { (0, 0) };
        [filtered, self.slot, self.out_slot(), runs, runs, candidates, matches, 512, UNIT_RECORD]
    }

    /// Where each list lies, the flag of matches behind them, and where that ends.
    fn lists(&self, base: u64) -> ([u64; LISTS as usize], u64) {
        let mut places = [0; LISTS as usize];
        let mut end = base;
        for (place, bytes) in places.iter_mut().zip(self.each().into_iter().chain([0])) {
            *place = end;
            end = (end + self.room * bytes + AROUND).next_multiple_of(LIST_STEP);
        }
        (places, end)
    }

    /// Queues the kernels that encode a batch, working in `workspace`.
    ///
    /// # Errors
    /// A kernel cannot be launched; the job does not fit.
    ///
    /// # Safety
    /// As for [`Launcher::launch`], for the job's views and for [`Coder::workspace`] bytes at a multiple of 256.
    pub unsafe fn encode(
        &self,
        launcher: &dyn Launcher,
        job: &EncodeJob<'_>,
        workspace: u64,
    ) -> Result<(), Error> {
        let (chunks, pool) = (u64::from(job.chunks), job.pool.address().addr() as u64);
        let fits = job.stride >= self.worst_case
            && job.pool.len() as u64 >= chunks * self.chunk
            && job.scratch.len() as u64 >= chunks * job.stride
            && job.sizes.len() as u64 >= 8 * chunks;
        if !fits {
            let why = format!("{chunks} chunks at {pool:#x}, {} bytes apart, do not fit", job.stride);
            return Err(Error::new(Operation::Encode, why));
        }
        let mut first = 0;
        while first < chunks {
            let group = self.group.min(chunks - first);
            let mut on = self.params(workspace, job);
            on.chunks = group;
            on.pool = pool + first * self.chunk;
            on.scratch += first * job.stride;
            on.sizes += 8 * first;
            for units in self.parts(group) {
                // SAFETY: the caller vouches for it; groups and parts share the workspace in the order of the lane.
                unsafe { self.group(launcher, &self.part_of(on, units))? };
            }
            if self.part.is_some() && self.blosc && !self.stored {
                let pieces = self.chunk.div_ceil(UNIT) as u32;
                // SAFETY: as above.
                unsafe { launch(launcher, "coder_restore", (pieces, 1), RESTORE, &on)? };
            }
            first += group;
        }
        Ok(())
    }

    /// Units that go through the kernels at once: those of so many chunks, or one part of a chunk after another.
    fn parts(&self, group: u64) -> impl Iterator<Item = Range<u64>> {
        let (grain, grains) = self.grains();
        let all = group * self.chunk_units;
        let (parts, step) = match self.part {
            Some(part) => (grains.div_ceil(part), part * grain),
            None => (1, all),
        };
        (0..parts).map(move |i| i * step..if i + 1 < parts { (i + 1) * step } else { all })
    }

    /// The same for some of the units: lists begin where the first unit of the chunk would have its place, and the first of these has
    /// the first.
    fn part_of(&self, on: CoderParams, units: Range<u64>) -> CoderParams {
        let first = units.start;
        let mut params = CoderParams { first, count: units.end - first, ..on };
        let lists = [
            &mut params.filtered,
            &mut params.literals,
            &mut params.out,
            &mut params.starts,
            &mut params.ends,
            &mut params.candidates,
            &mut params.matches,
            &mut params.counts,
            &mut params.units,
        ];
        for (list, bytes) in lists.into_iter().zip(self.each()) {
            *list = list.wrapping_sub(first * bytes);
        }
        params
    }

    fn params(&self, workspace: u64, job: &EncodeJob<'_>) -> CoderParams {
        let ([filtered, literals, out, starts, ends, candidates, matches, counts, units, matched], _) =
            self.lists(workspace);
        CoderParams {
            chunks: 0,
            first: 0,
            count: 0,
            pool: 0,
            chunk_bytes: self.chunk,
            element: self.element,
            filter: match self.filter {
                Shuffle::No => 0,
                Shuffle::Byte => 1,
                Shuffle::Bit => 2,
            },
            blosc: u64::from(self.blosc),
            stored: u64::from(self.stored),
            matching: u64::from(self.matching),
            lz4: u64::from(self.lz4),
            block_bytes: self.block,
            blocks: self.blocks,
            block_units: self.block_units,
            chunk_units: self.chunk_units,
            slot: self.slot,
            out_slot: self.out_slot(),
            runs: self.runs(),
            filtered: if self.filtered { filtered } else { 0 },
            literals,
            out,
            starts,
            ends,
            candidates,
            matches,
            most_matches: self.most_matches(),
            counts,
            units,
            matched,
            scratch: job.scratch.address().addr() as u64,
            stride: job.stride,
            sizes: job.sizes.address().addr() as u64,
        }
    }

    /// # Safety
    /// As for [`Coder::encode`].
    unsafe fn group(&self, launcher: &dyn Launcher, params: &CoderParams) -> Result<(), Error> {
        let (units, first) = (params.count, params.first);
        // Of a part of a zstd frame, the one that it belongs to.
        let blocks = match self.part {
            Some(_) if self.blosc => {
                (first + units).div_ceil(self.block_units).min(self.blocks) - first / self.block_units
            }
            _ => params.chunks * self.blocks,
        };
        let bytes = self.block.min(units * self.slot);
        let rows = bytes.div_ceil(self.element * FILTER_ELEMENTS).clamp(1, MOST_ROWS) as u32;
        let filter = match self.element {
            1 => "coder_filter_1",
            2 => "coder_filter_2",
            4 => "coder_filter_4",
            8 => "coder_filter_8",
            _ => "coder_filter_0",
        };
        let encode = if self.slot <= SMALL_UNIT { ENCODE_SMALL } else { ENCODE };
        let kernels = [
            (filter, (blocks as u32, rows), FILTER),
            ("coder_analyze", (units as u32, 1), ANALYZE),
            ("coder_match", (units as u32, 1), MATCH),
            ("coder_table", (units.div_ceil(TABLE_UNITS) as u32, 1), TABLE),
            ("coder_encode", (units as u32, 1), encode),
            ("coder_sequences", (units as u32, 1), SEQUENCES),
            ("coder_lz4", (units as u32, 1), LZ4),
            ("coder_place", (params.chunks.div_ceil(PLACE_CHUNKS) as u32, 1), PLACE),
            ("coder_assemble", (units as u32, 1), ASSEMBLE),
        ];
        for (kernel, grid, block) in kernels {
            let needed = match kernel {
                _ if kernel == filter => self.filtered && !self.stored,
                "coder_match" => self.matching && !self.stored,
                "coder_lz4" => self.lz4 && !self.stored,
                "coder_table" | "coder_encode" | "coder_sequences" => !self.lz4 && !self.stored,
                "coder_place" | "coder_assemble" => true,
                _ => !self.stored,
            };
            if needed {
                // SAFETY: the caller vouches for it; units lie in the slots that were counted.
                unsafe { launch(launcher, kernel, grid, block, params)? };
            }
        }
        Ok(())
    }
}

/// Bytes of a Blosc block: whole elements, for the bit filter whole groups of eight of them.
fn block_of(wanted: u64, chunk: u64, element: u64, filter: Shuffle) -> u64 {
    let grain = if filter == Shuffle::Bit { 8 * element } else { element };
    let block = wanted.min(chunk);
    if block < grain { chunk.min(grain) } else { block / grain * grain }
}

/// Units of a block of so many bytes: `cut_of` of coder.h.
fn cut(bytes: u64, element: u64, filter: Shuffle) -> Cut {
    let elements = bytes / element;
    let (planes, plane) = match filter {
        Shuffle::Byte if elements > 0 => (element, elements),
        Shuffle::Bit if elements > 0 && elements.is_multiple_of(8) => (8 * element, elements / 8),
        _ => (1, bytes),
    };
    let rest = bytes - planes * plane;
    let together = if planes > 1 { SMALL_PLANE.div_ceil(plane).min(planes) } else { 1 };
    let (units, largest) = if together > 1 {
        (planes.div_ceil(together), together * plane)
    } else {
        let piece = plane.div_ceil(plane.div_ceil(UNIT)).next_multiple_of(16);
        (planes * plane.div_ceil(piece), piece)
    };
    Cut { units: units + u64::from(rest > 0), largest: largest.max(rest) }
}

#[cfg(test)]
mod tests {
    use plan::Blosc;

    use super::*;

    /// Sizes round those where a frame changes, up to the largest.
    fn sizes() -> impl Iterator<Item = u64> {
        let near = |at: u64| at.saturating_sub(3).max(1)..=(at + 3).min(MOST_CHUNK);
        (0..=31).flat_map(move |log| near(1 << log)).chain([100_002, 3 << 29])
    }

    fn codecs() -> impl Iterator<Item = Codec> {
        let blosc = |inner, shuffle, block| Codec::Blosc(Blosc { inner, level: 5, shuffle, block });
        let shuffles = [Shuffle::No, Shuffle::Byte, Shuffle::Bit];
        let blocks = [None, Some(128), Some(1 << 30)];
        let inners = [BloscInner::Lz4, BloscInner::Zstd, BloscInner::Fast];
        let all = inners.into_iter().flat_map(move |inner| shuffles.map(|shuffle| (inner, shuffle)));
        let all = all.flat_map(move |(inner, shuffle)| blocks.map(|block| blosc(inner, shuffle, block)));
        all.chain([Codec::Zstd { level: 3 }])
    }

    /// Whatever the size of a chunk: all places in its frame are numbers of 32 bits, what cannot shrink has room, no unit is larger
    /// than zstd's blocks may be here, and kernels are launched with as many blocks as there may be.
    #[test]
    fn chunks_of_every_size_are_counted() {
        let mut largest = 0;
        for (codec, chunk) in codecs().flat_map(|codec| sizes().map(move |chunk| (codec, chunk))) {
            for element in [1, 2, 4, 8] {
                let Ok(coder) = Coder::new(&codec, 1 << 20, chunk, element) else {
                    assert!(chunk > MOST_BLOSC_CHUNK, "{codec:?}, {chunk} bytes");
                    continue;
                };
                let what = format!("{codec:?}, {chunk} bytes, elements of {element}: {coder:?}");
                // What cannot shrink: of zstd raw blocks behind the largest header; of Blosc the chunk itself.
                let raw = if coder.blosc { 16 + chunk } else { 10 + 3 * coder.chunk_units + chunk };
                assert!(raw <= coder.worst_case, "{what}");
                assert!(raw <= u64::from(u32::MAX), "{what}");
                // Also while it is found out that it does not: a header for each unit and each block.
                let tried = chunk + 3 * coder.chunk_units + 18 * coder.blocks + 16;
                assert!(tried <= u64::from(u32::MAX), "{what}");
                assert!(coder.slot <= UNIT && coder.slot * coder.chunk_units >= chunk, "{what}");
                assert!(coder.group * coder.chunk_units.max(coder.blocks) <= MOST_BLOCKS, "{what}");
                largest = largest.max(chunk);
            }
        }
        assert_eq!(largest, MOST_CHUNK);
    }
}
