//! What a store holds, and what this build can do.

use format::Multiscales;
use plan::{Blosc, BloscInner, Codec, DType, Shuffle};

use crate::contents::{Contents, Unpublished};
use crate::hierarchy::{self, Found, Hierarchy};
use crate::layout::Layout;
use crate::verify::{complete, layouts};
use crate::{Error, Target};

/// What a store holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Inspected {
    /// Its images, by path.
    pub images: Vec<Image>,
    /// Its arrays, by path.
    pub arrays: Vec<ArrayInfo>,
    /// Objects that readers do not see, because no document publishes them.
    pub unpublished: Vec<Unpublished>,
    /// Metadata that forebay does not understand.
    pub notes: Vec<String>,
}

/// An OME-Zarr image of a store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Image {
    /// Path of its group below the store; empty for the root.
    pub path: String,
    /// Name, axes and levels. Paths of levels are below the group.
    pub multiscales: Multiscales,
}

/// One array of a store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ArrayInfo {
    /// Its path below the store; empty for the root.
    pub path: String,
    /// Element type.
    pub dtype: DType,
    /// Extents in elements, as published.
    pub shape: Vec<u64>,
    /// Extents of a chunk in elements.
    pub chunk_shape: Vec<u64>,
    /// Extents of a shard in elements.
    pub shard_shape: Vec<u64>,
    /// Names of the dimensions; empty where there are none.
    pub dimension_names: Vec<String>,
    /// How chunks are compressed.
    pub codec: Codec,
    /// Whether each chunk carries a CRC-32C.
    pub crc32c: bool,
    /// Bytes of all elements inside the shape.
    pub element_bytes: u128,
    /// Chunks inside the shape.
    pub chunks: u128,
    /// Shards inside the shape.
    pub shards: u128,
    /// Shards of these that are stored.
    pub stored_shards: u64,
    /// Their bytes.
    pub stored_bytes: u64,
    /// Whether the run that wrote it was closed; `None` where forebay did not write it.
    pub complete: Option<bool>,
    /// Version of forebay that wrote it.
    pub writer: Option<String>,
}

/// What this build of forebay is and can do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct About {
    /// Version of forebay.
    pub version: &'static str,
    /// Devices that can be opened, in words.
    pub devices: Vec<String>,
    /// Formats that are written and read.
    pub formats: Vec<&'static str>,
    /// Codecs that are written and read, in words.
    pub codecs: Vec<&'static str>,
    /// Whether CUDA can be used, in words.
    pub cuda: &'static str,
}

/// Reads the documents of a store and lists its objects; reads no shard.
///
/// # Errors
/// There is no store; it cannot be listed; a document is broken, or an array has a feature that forebay does not
/// read.
pub fn inspect(target: impl Into<Target>) -> Result<Inspected, Error> {
    let store = hierarchy::open(&target.into())?;
    let Hierarchy { arrays, images, broken, notes } = Hierarchy::read(&*store)?;
    if let Some(broken) = broken.into_iter().next() {
        return Err(Error::Metadata { key: broken.key, message: broken.what });
    }
    let layouts = layouts(&arrays)?;
    let contents = Contents::sort(&arrays, &layouts, store.list("")?);
    let mut infos: Vec<_> = arrays.into_iter().zip(&layouts).map(|(a, l)| ArrayInfo::new(a, l)).collect();
    for (info, shards) in infos.iter_mut().zip(&contents.shards) {
        info.stored_shards = shards.len() as u64;
        info.stored_bytes = shards.iter().map(|s| s.size).sum();
    }
    Ok(Inspected { images, arrays: infos, unpublished: contents.unpublished, notes })
}

/// What this build of forebay is and can do; opens no device.
#[must_use]
pub fn about() -> About {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    About {
        version: env!("CARGO_PKG_VERSION"),
        devices: vec![format!("host, {threads} threads")],
        formats: vec!["Zarr v3, sharded", "OME-Zarr 0.5"],
        codecs: vec!["none", "zstd", "blosc (lz4 or zstd; no, byte or bit shuffle)", "crc32c"],
        cuda: "not built in",
    }
}

impl ArrayInfo {
    fn new(found: Found, layout: &Layout) -> ArrayInfo {
        let Found { path, array } = found;
        let product = |n: u128, e: u64| n.saturating_mul(u128::from(e));
        let chunks = array.shape.iter().zip(&array.chunk_shape).map(|(s, c)| s.div_ceil(*c));
        let writer = array.attributes.get("forebay").and_then(|f| f.get("version")?.as_str());
        ArrayInfo {
            path,
            dtype: array.dtype,
            element_bytes: array.shape.iter().copied().fold(array.dtype.size() as u128, product),
            chunks: chunks.fold(1, product),
            shards: layout.shards(),
            stored_shards: 0,
            stored_bytes: 0,
            complete: complete(&array),
            writer: writer.map(str::to_owned),
            codec: array.codec,
            crc32c: array.crc32c,
            shape: array.shape,
            chunk_shape: array.chunk_shape,
            shard_shape: array.shard_shape,
            dimension_names: array.dimension_names,
        }
    }

    /// How chunks are stored, in words: `blosc, lz4 level 5, byte shuffle, crc32c`.
    #[must_use]
    pub fn codec_words(&self) -> String {
        let words = match self.codec {
            Codec::None => "no compression".to_owned(),
            Codec::Zstd { level } => format!("zstd level {level}"),
            Codec::Blosc(blosc) => blosc_words(blosc),
        };
        if self.crc32c { words + ", crc32c" } else { words }
    }
}

fn blosc_words(Blosc { inner, level, shuffle, .. }: Blosc) -> String {
    let inner = match inner {
        BloscInner::Lz4 => "lz4",
        BloscInner::Zstd | BloscInner::Fast => "zstd",
    };
    let shuffle = match shuffle {
        Shuffle::No => "no shuffle",
        Shuffle::Byte => "byte shuffle",
        Shuffle::Bit => "bit shuffle",
    };
    format!("blosc, {inner} level {level}, {shuffle}")
}
