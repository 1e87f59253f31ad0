//! Aggregate: chunks to packed order, region by region, with their offsets.

/// What is gathered.
pub struct Gather<'a> {
    /// Source chunk of each packed position.
    pub order: &'a [[u8; 4]],
    /// First packed position, number of chunks and tail of each region.
    pub regions: &'a [[u8; 12]],
    /// Bytes that regions begin on multiples of.
    pub page: u64,
    /// Last bytes of each shard, a page apart, and their numbers.
    pub tails: (&'a [u8], &'a [[u8; 4]]),
    /// The chunks.
    pub source: &'a [u8],
    /// Bytes from one to the next.
    pub stride: usize,
    /// Bytes of each.
    pub size_of: &'a (dyn Fn(usize) -> usize + Sync),
    /// Whether a CRC-32C is put behind each.
    pub crc32c: bool,
}

/// A region of the table.
#[derive(Clone, Copy)]
struct Region {
    first: usize,
    chunks: usize,
    tail: u32,
}

impl Gather<'_> {
    /// Gathers into `packed`; `index` gets, region by region, the offset of each chunk and the end of the last, and `kept`,
    /// where it is asked for, what each region leaves of a page.
    ///
    /// # Panics
    /// A table is shorter than it says, or `packed` or `kept` is too small.
    pub fn run(&self, packed: &mut [u8], index: &mut [[u8; 8]], kept: Option<&mut [u8]>) {
        let mut at = 0;
        for r in 0..self.regions.len() {
            let region = self.region(r);
            at = self.place(region, at, packed, &mut index[region.first + r..]);
        }
        self.halves(0..self.order.len(), index, (0, &mut packed[..at as usize]));
        if let Some(kept) = kept {
            self.keep(packed, index, kept);
        }
    }

    /// Copies what regions leave of a page.
    fn keep(&self, packed: &[u8], index: &[[u8; 8]], kept: &mut [u8]) {
        let page = self.page as usize;
        for r in 0..self.regions.len() {
            let region = self.region(r);
            let end = u64::from_le_bytes(index[region.first + r + region.chunks]) as usize;
            kept[r * page..][..end % page].copy_from_slice(&packed[end - end % page..end]);
        }
    }

    fn region(&self, r: usize) -> Region {
        let word = |i: usize| u32::from_le_bytes(self.regions[r].as_chunks::<4>().0[i]);
        Region { first: word(0) as usize, chunks: word(1) as usize, tail: word(2) }
    }

    /// Copies the tail of a region that begins behind `at`, and notes where its chunks will be; where it ends.
    fn place(&self, region: Region, at: u64, packed: &mut [u8], index: &mut [[u8; 8]]) -> u64 {
        let mut at = at.next_multiple_of(self.page);
        let tail = self.tail(region.tail);
        packed[at as usize..][..tail.len()].copy_from_slice(tail);
        at += tail.len() as u64;
        let trailer = if self.crc32c { 4 } else { 0 };
        let chunks = &self.order[region.first..][..region.chunks];
        for (chunk, offset) in chunks.iter().zip(index.iter_mut()) {
            *offset = at.to_le_bytes();
            at += ((self.size_of)(u32::from_le_bytes(*chunk) as usize) + trailer) as u64;
        }
        index[region.chunks] = at.to_le_bytes();
        at
    }

    fn tail(&self, shard: u32) -> &[u8] {
        let (bytes, lengths) = self.tails;
        let known = if shard == device::NO_TAIL { None } else { lengths.get(shard as usize) };
        let length = known.map_or(0, |l| u32::from_le_bytes(*l) as usize);
        &bytes[..][known.map_or(0, |_| shard as usize * self.page as usize)..][..length]
    }

    /// Region of a packed position.
    fn region_of(&self, position: usize) -> usize {
        let first = |r: &[u8; 12]| u32::from_le_bytes(r.as_chunks::<4>().0[0]) as usize;
        self.regions.partition_point(|r| first(r) <= position) - 1
    }

    /// Splits the work until a piece is worth one task; the packed bytes, which begin at `base`, are split with it.
    fn halves(&self, chunks: std::ops::Range<usize>, index: &[[u8; 8]], (base, packed): (u64, &mut [u8])) {
        const TASK: usize = 1 << 20;
        if chunks.len() < 2 || packed.len() <= TASK {
            return self.pieces(chunks, index, (base, packed));
        }
        let middle = chunks.start + chunks.len() / 2;
        let cut = u64::from_le_bytes(index[middle + self.region_of(middle)]);
        let (left, right) = packed.split_at_mut((cut - base) as usize);
        rayon::join(
            || self.halves(chunks.start..middle, index, (base, left)),
            || self.halves(middle..chunks.end, index, (cut, right)),
        );
    }

    fn pieces(&self, chunks: std::ops::Range<usize>, index: &[[u8; 8]], (base, packed): (u64, &mut [u8])) {
        if chunks.is_empty() {
            return;
        }
        let mut r = self.region_of(chunks.start);
        for position in chunks {
            while position >= self.region(r).first + self.region(r).chunks {
                r += 1;
            }
            let at = (u64::from_le_bytes(index[position + r]) - base) as usize;
            let chunk = u32::from_le_bytes(self.order[position]) as usize;
            let bytes = &self.source[chunk * self.stride..][..(self.size_of)(chunk)];
            packed[at..][..bytes.len()].copy_from_slice(bytes);
            if self.crc32c {
                packed[at + bytes.len()..][..4].copy_from_slice(&crc32c::crc32c(bytes).to_le_bytes());
            }
        }
    }
}
