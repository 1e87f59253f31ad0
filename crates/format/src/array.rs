//! `zarr.json` of a sharded array (Zarr v3 core specification, "Array metadata").

use plan::{Codec, DType, Fill};
use serde_json::{Map, Value, json};

use crate::codecs::{self, IndexLocation};
use crate::json::{self, Field};
use crate::{Error, Separator, fill};

/// Metadata of one sharded array.
///
/// [`Array::to_json`] writes what stands here: that shapes fit each other is the plan's business.
/// [`Array::parse`] trusts nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Extents in elements.
    pub shape: Vec<u64>,
    /// Extents of a shard in elements; what `zarr.json` calls the chunk grid.
    pub shard_shape: Vec<u64>,
    /// Extents of a chunk in elements.
    pub chunk_shape: Vec<u64>,
    /// Element type.
    pub dtype: DType,
    /// Value of elements that are not stored.
    pub fill: Fill,
    /// How chunks are compressed.
    pub codec: Codec,
    /// Whether each chunk carries its CRC-32C behind it.
    pub crc32c: bool,
    /// Bytes of a Blosc block to record; `None`: the one in `codec`, and 0 (automatic) where that is `None`.
    pub blosc_block: Option<u32>,
    /// Where the index of a shard stands.
    pub index: IndexLocation,
    /// What stands between the parts of a shard's key.
    pub separator: Separator,
    /// Names of the dimensions, empty for a dimension without a name; an empty list is not written.
    pub dimension_names: Vec<String>,
    /// Attributes of the user.
    pub attributes: Map<String, Value>,
}

const KNOWN: [&str; 11] = [
    "zarr_format",
    "node_type",
    "shape",
    "data_type",
    "chunk_grid",
    "chunk_key_encoding",
    "fill_value",
    "codecs",
    "attributes",
    "dimension_names",
    "storage_transformers",
];

impl Array {
    /// The document, keys in the order of the specification.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut root = json!({
            "zarr_format": 3,
            "node_type": "array",
            "shape": self.shape,
            "data_type": self.dtype.name(),
            "chunk_grid": { "name": "regular", "configuration": { "chunk_shape": self.shard_shape } },
            "chunk_key_encoding": {
                "name": "default",
                "configuration": { "separator": self.separator.as_char().to_string() },
            },
            "fill_value": fill::to_json(&self.fill),
            "codecs": codecs::to_json(self),
            "attributes": self.attributes,
        });
        if !self.dimension_names.is_empty() {
            let name = |n: &String| {
                if n.is_empty() { Value::Null } else { n.as_str().into() }
            };
            root["dimension_names"] = self.dimension_names.iter().map(name).collect();
        }
        root
    }

    /// The document as `zarr.json` holds it: indented, with a newline at the end.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        json::pretty(&self.to_json())
    }

    /// Reads a document of any writer.
    ///
    /// # Errors
    /// The document is broken, or uses a feature that forebay does not read: an array without shards, a codec
    /// other than zstd, blosc and crc32c, an extension that must be understood.
    pub fn parse(bytes: &[u8]) -> Result<Array, Error> {
        let document = json::document(bytes)?;
        let root = Field::root("", &document);
        json::check_node(&root, "array", "give the zarr.json of an array")?;
        root.refuse_unknown(&KNOWN)?;
        if let Some(transformers) = root.find("storage_transformers") {
            transformers.must_be(&json!([]), "it reads arrays without storage transformers")?;
        }
        let shape = root.get("shape")?.wholes()?;
        let dtype = parse_dtype(&root.get("data_type")?)?;
        let (grid, codecs) = (root.get("chunk_grid")?, root.get("codecs")?);
        let sharding = codecs::parse(&codecs, dtype)?;
        let shard_shape = parse_grid(&grid, shape.len())?;
        check_chunks(&codecs, &sharding.chunk_shape, &shard_shape)?;
        Ok(Array {
            dtype,
            fill: fill::parse(&root.get("fill_value")?, dtype)?,
            codec: sharding.codec,
            crc32c: sharding.crc32c,
            blosc_block: recorded_block(&sharding.codec),
            index: sharding.index,
            separator: parse_separator(&root.get("chunk_key_encoding")?)?,
            dimension_names: root
                .find("dimension_names")
                .map_or(Ok(vec![]), |n| parse_names(&n, shape.len()))?,
            attributes: root.find("attributes").map_or(Ok(Map::new()), |a| a.object().cloned())?,
            chunk_shape: sharding.chunk_shape,
            shard_shape,
            shape,
        })
    }
}

fn parse_dtype(field: &Field<'_>) -> Result<DType, Error> {
    let name = field.name()?;
    let known = DType::ALL.into_iter().find(|d| d.name() == name);
    known.ok_or_else(|| field.unsupported("it reads integers of 8 to 64 bits and floats of 16 to 64 bits"))
}

fn parse_grid(grid: &Field<'_>, rank: usize) -> Result<Vec<u64>, Error> {
    if grid.name()? != "regular" {
        return Err(grid.unsupported("it reads the chunk grid `regular`"));
    }
    let shape = grid.setting("chunk_shape")?;
    let extents = shape.wholes()?;
    if extents.len() != rank || extents.contains(&0) {
        return Err(shape.invalid("give one number above 0 for each dimension of the array"));
    }
    Ok(extents)
}

fn check_chunks(codecs: &Field<'_>, chunk: &[u64], shard: &[u64]) -> Result<(), Error> {
    let fits = |(chunk, shard): (&u64, &u64)| *chunk > 0 && shard.is_multiple_of(*chunk);
    if chunk.len() == shard.len() && chunk.iter().zip(shard).all(fits) {
        return Ok(());
    }
    Err(codecs.items()?[0].setting("chunk_shape")?.invalid("give a divisor of each extent of the chunk grid"))
}

fn parse_separator(encoding: &Field<'_>) -> Result<Separator, Error> {
    if encoding.name()? != "default" {
        return Err(encoding.unsupported("it reads the chunk key encoding `default`"));
    }
    let Some(separator) = encoding.find_setting("separator") else {
        return Ok(Separator::Slash);
    };
    match separator.text()? {
        "/" => Ok(Separator::Slash),
        "." => Ok(Separator::Dot),
        _ => Err(separator.invalid("give `/` or `.`")),
    }
}

fn parse_names(names: &Field<'_>, rank: usize) -> Result<Vec<String>, Error> {
    let items = names.items()?;
    if items.len() != rank {
        return Err(names.invalid("give one name or null for each dimension of the array"));
    }
    let name = |n: &Field<'_>| {
        if n.value().is_null() { Ok(String::new()) } else { n.text().map(str::to_owned) }
    };
    items.iter().map(name).collect()
}

const fn recorded_block(codec: &Codec) -> Option<u32> {
    match codec {
        Codec::Blosc(blosc) => blosc.block,
        Codec::None | Codec::Zstd { .. } => None,
    }
}
