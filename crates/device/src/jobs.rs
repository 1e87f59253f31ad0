//! What kernels are asked to do: views and numbers, nothing else.

use std::sync::Arc;

use plan::{Reduction, Scatter, Window};

use crate::check::Touch;
use crate::memory::{Read, Write};

/// Copies `from` to `to`; both are of one length.
pub struct CopyJob<'a> {
    /// Bytes to read.
    pub from: Read<'a>,
    /// Bytes to write.
    pub to: Write<'a>,
}

/// Sets every element of `to` to the same value.
pub struct FillJob<'a> {
    /// The element; its first `size` bytes count.
    pub element: [u8; 8],
    /// Bytes of an element: 1, 2, 4 or 8.
    pub size: usize,
    /// Bytes to write.
    pub to: Write<'a>,
}

/// Where scattered elements come from.
pub enum Source<'a> {
    /// Elements as they arrived.
    Elements(Read<'a>),
    /// The same element again and again (its first bytes count).
    Fill([u8; 8]),
}

/// Scatters elements `first .. first + count` into the chunks of the epochs that they are of.
pub struct ScatterJob<'a> {
    /// Where elements go.
    pub geometry: Arc<Scatter>,
    /// First element, counted from the beginning of an epoch.
    pub first: u64,
    /// Number of elements.
    pub count: u64,
    /// The elements.
    pub source: Source<'a>,
    /// All chunks of that epoch, and of those behind it that are touched.
    pub pool: Write<'a>,
}

/// Makes epochs of one level of a pyramid from epochs of the level above.
pub struct ReduceJob<'a> {
    /// How.
    pub reduction: Arc<Reduction>,
    /// Epochs that are made, each from one; more than one only where frames are kept.
    pub epochs: u32,
    /// Which frames are made, and from which: the same in each epoch.
    pub window: Window,
    /// The epoch before the first that is read, of which the last frame is paired with the first of that; `None` where no
    /// window needs it.
    pub before: Option<Read<'a>>,
    /// All chunks of the epochs of the level above.
    pub from: Read<'a>,
    /// All chunks of the epochs that are made. Frames that the window does not name stay what they are.
    pub to: Write<'a>,
}

/// Compresses chunks that lie one after another into slots of worst-case size.
pub struct EncodeJob<'a> {
    /// Number of chunks.
    pub chunks: u32,
    /// The chunks.
    pub pool: Read<'a>,
    /// Chunk `i` goes to `i * stride`.
    pub scratch: Write<'a>,
    /// Bytes from one to the next there: at least the worst case, and a multiple of 16.
    pub stride: u64,
    /// Its size goes here: one u64 per chunk.
    pub sizes: Write<'a>,
}

/// Sizes of the chunks that are packed.
pub enum Sizes<'a> {
    /// All have this one.
    Fixed(u64),
    /// One u64 per chunk, in the order of the source.
    Each(Read<'a>),
}

/// What the batches before left of the pages of a row's shards.
pub struct Tails<'a> {
    /// The last bytes of each shard, one page apart.
    pub bytes: Read<'a>,
    /// How many they are: one u32 per shard of the row.
    pub lengths: Read<'a>,
}

/// Gathers chunks into packed order, region by region.
///
/// A region begins on a page, with what is left of its shard's last one; its chunks follow without a gap.
pub struct AggregateJob<'a> {
    /// Number of chunks.
    pub chunks: u32,
    /// Number of regions.
    pub regions: u32,
    /// Source chunk of each packed position: one u32 each.
    pub order: Read<'a>,
    /// Of each region its first packed position, its number of chunks, and the shard of the row whose tail it begins
    /// with ([`NO_TAIL`]: none): three u32 each.
    pub table: Read<'a>,
    /// Bytes that regions begin on multiples of; 1: none is left out.
    pub page: u64,
    /// The tails; `None` where pages are single bytes.
    pub tails: Option<Tails<'a>>,
    /// The chunks.
    pub source: Read<'a>,
    /// Bytes from a chunk to the next in the source.
    pub stride: u64,
    /// Their sizes.
    pub sizes: Sizes<'a>,
    /// Whether a CRC-32C is put behind each chunk.
    pub crc32c: bool,
    /// Packed chunks.
    pub packed: Write<'a>,
    /// For each region the offset of each of its chunks, then the end of the last: `chunks + regions` u64.
    pub index: Write<'a>,
    /// For each region what it leaves of a page, `page` bytes apart: its last bytes behind the last multiple of a page.
    /// `None`: nobody asks.
    pub kept: Option<Write<'a>>,
}

impl ReduceJob<'_> {
    /// What it uses, where a device checks it.
    pub fn touches(&self) -> impl IntoIterator<Item = Option<Touch>> + use<> {
        [self.before.as_ref().and_then(Read::touch), self.from.touch(), self.to.touch()]
    }
}

impl EncodeJob<'_> {
    /// What it uses, where a device checks it.
    pub fn touches(&self) -> impl IntoIterator<Item = Option<Touch>> + use<> {
        [self.pool.touch(), self.scratch.touch(), self.sizes.touch()]
    }
}

impl AggregateJob<'_> {
    /// What it uses at most, where a device checks it.
    pub fn touches(&self) -> impl IntoIterator<Item = Option<Touch>> + use<> {
        let sizes = match &self.sizes {
            Sizes::Fixed(_) => None,
            Sizes::Each(read) => read.touch(),
        };
        let tails = self.tails.as_ref().map(|t| (t.bytes.touch(), t.lengths.touch()));
        let (bytes, lengths) = tails.unwrap_or_default();
        let reads = [self.order.touch(), self.table.touch(), self.source.touch(), sizes, bytes, lengths];
        let kept = self.kept.as_ref().and_then(Write::touch);
        reads.into_iter().chain([self.packed.touch(), self.index.touch(), kept])
    }
}

/// Stands for a region that begins its shard.
pub const NO_TAIL: u32 = u32::MAX;

/// The same job for a lane that runs it later.
macro_rules! detach {
    ($job:ident { views: $($view:ident),*; rest: $($rest:ident),* }) => {
        impl $job<'_> {
            /// The same job for a lane that runs it after the borrows have ended.
            ///
            /// # Safety
            /// As for [`Read::detach`] and [`Write::detach`]: it ends before any of the bytes is used again. Whoever
            /// minted the views has vouched for that.
            #[must_use]
            pub unsafe fn detach(self) -> $job<'static> {
                $(
                    // SAFETY: the caller vouches for it.
                    let $view = unsafe { self.$view.detach() };
                )*
                $job { $($view,)* $($rest: self.$rest,)* }
            }
        }
    };
}

detach!(CopyJob { views: from, to; rest: });
detach!(FillJob { views: to; rest: element, size });
detach!(ReduceJob { views: before, from, to; rest: reduction, epochs, window });
detach!(EncodeJob { views: pool, scratch, sizes; rest: chunks, stride });
detach!(ScatterJob { views: source, pool; rest: geometry, first, count });
detach!(Tails { views: bytes, lengths; rest: });
detach!(AggregateJob {
    views: order, table, tails, source, sizes, packed, index, kept;
    rest: chunks, regions, page, stride, crc32c
});

impl Source<'_> {
    /// # Safety
    /// As for [`Read::detach`].
    unsafe fn detach(self) -> Source<'static> {
        match self {
            // SAFETY: the caller vouches for it.
            Source::Elements(read) => Source::Elements(unsafe { read.detach() }),
            Source::Fill(element) => Source::Fill(element),
        }
    }
}

impl Sizes<'_> {
    /// # Safety
    /// As for [`Read::detach`].
    unsafe fn detach(self) -> Sizes<'static> {
        match self {
            Sizes::Fixed(size) => Sizes::Fixed(size),
            // SAFETY: the caller vouches for it.
            Sizes::Each(read) => Sizes::Each(unsafe { read.detach() }),
        }
    }
}

/// Views that may be missing.
trait Maybe {
    type Later;

    /// # Safety
    /// As for [`Read::detach`].
    unsafe fn detach(self) -> Self::Later;
}

impl Maybe for Option<Tails<'_>> {
    type Later = Option<Tails<'static>>;

    unsafe fn detach(self) -> Self::Later {
        // SAFETY: the caller vouches for it.
        self.map(|tails| unsafe { tails.detach() })
    }
}

impl Maybe for Option<Write<'_>> {
    type Later = Option<Write<'static>>;

    unsafe fn detach(self) -> Self::Later {
        // SAFETY: the caller vouches for it.
        self.map(|write| unsafe { write.detach() })
    }
}

impl Maybe for Option<Read<'_>> {
    type Later = Option<Read<'static>>;

    unsafe fn detach(self) -> Self::Later {
        // SAFETY: the caller vouches for it.
        self.map(|read| unsafe { read.detach() })
    }
}
