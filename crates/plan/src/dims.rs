//! What a user asks for: dimensions, type, codec.

use crate::{Blosc, BloscInner, Codec, DType, Fill, Pyramid, Shuffle};

/// What an axis measures (OME-Zarr 0.5, "axes" metadata).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Time.
    Time,
    /// Channel.
    Channel,
    /// Space.
    Space,
    /// Anything else; written without a type.
    Other,
}

impl Kind {
    /// The kind that a name implies: `t` time, `c` channel, `z`, `y`, `x` space, anything else other.
    #[must_use]
    pub fn of_name(name: &str) -> Kind {
        match name {
            "t" => Kind::Time,
            "c" => Kind::Channel,
            "z" | "y" | "x" => Kind::Space,
            _ => Kind::Other,
        }
    }
}

/// One dimension, in acquisition order. What is `None` is chosen by the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Dim {
    /// Name, unique in the array.
    pub name: String,
    /// Extent in elements; `None`: unbounded (dimension 0 only).
    pub size: Option<u64>,
    /// Extent of a chunk in elements.
    pub chunk: Option<u64>,
    /// Chunks of a shard along this dimension.
    pub chunks_per_shard: Option<u64>,
    /// Kind of axis; `None`: from the name.
    pub kind: Option<Kind>,
    /// Unit, a UDUNITS-2 name (`micrometer`, `second`).
    pub unit: Option<String>,
    /// Spacing of elements in that unit.
    pub scale: Option<f64>,
}

impl Dim {
    /// A dimension of `size` elements; everything else is chosen.
    #[must_use]
    pub fn new(name: impl Into<String>, size: u64) -> Dim {
        Dim { size: Some(size), ..Dim::unbounded(name) }
    }

    /// A dimension that grows for as long as data arrive (dimension 0 only).
    #[must_use]
    pub fn unbounded(name: impl Into<String>) -> Dim {
        let (size, chunk, chunks_per_shard) = (None, None, None);
        Dim { name: name.into(), size, chunk, chunks_per_shard, kind: None, unit: None, scale: None }
    }

    /// Sets the extent of a chunk, in elements.
    #[must_use]
    pub fn chunk(self, chunk: u64) -> Dim {
        Dim { chunk: Some(chunk), ..self }
    }

    /// Sets how many chunks a shard holds along this dimension.
    #[must_use]
    pub fn chunks_per_shard(self, chunks: u64) -> Dim {
        Dim { chunks_per_shard: Some(chunks), ..self }
    }

    /// Sets the kind of axis, where the name does not say it.
    #[must_use]
    pub fn kind(self, kind: Kind) -> Dim {
        Dim { kind: Some(kind), ..self }
    }

    /// Sets spacing and unit.
    #[must_use]
    pub fn scale(self, scale: f64, unit: impl Into<String>) -> Dim {
        Dim { scale: Some(scale), unit: Some(unit.into()), ..self }
    }

    /// The kind given, or the one that the name implies.
    #[must_use]
    pub fn axis_kind(&self) -> Kind {
        self.kind.unwrap_or_else(|| Kind::of_name(&self.name))
    }
}

/// What a user asks of an array.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Element type.
    pub dtype: DType,
    /// Dimensions in acquisition order, outermost first.
    pub dims: Vec<Dim>,
    /// Names in storage order; `None`: as acquired, mended where OME-Zarr asks for another order.
    pub order: Option<Vec<String>>,
    /// Compression of a chunk.
    pub codec: Codec,
    /// Whether each chunk carries a CRC-32C behind it.
    pub crc32c: bool,
    /// Value of elements that were never appended; `None`: zero.
    pub fill: Option<Fill>,
    /// A plain Zarr array: the axes need not be an OME-Zarr image.
    pub plain: bool,
    /// Coarser levels beside it; `None`: there are none.
    pub pyramid: Option<Pyramid>,
}

impl Config {
    /// Blosc with zstd level 1 behind a byte shuffle (faster and smaller than zstd alone on camera pixels), no
    /// checksum, zero fill, an OME-Zarr image.
    #[must_use]
    pub fn new(dtype: DType, dims: Vec<Dim>) -> Config {
        let (inner, shuffle) = (BloscInner::Zstd, Shuffle::Byte);
        let codec = Codec::Blosc(Blosc { inner, level: 1, shuffle, block: None });
        Config { dtype, dims, order: None, codec, crc32c: false, fill: None, plain: false, pyramid: None }
    }
    /// Whether the array stands at the root of the store: it is plain, and no levels were asked for. Otherwise it is level `0`
    /// of a group.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.plain && self.pyramid.is_none()
    }
}
