//! The codec `sharding_indexed` with the chain of codecs inside it, as JSON.
//!
//! Codecs are always written as objects: zarr-python 3.1.6 refuses `"crc32c"` as a bare string. Both forms are
//! read.

use plan::{Blosc, BloscInner, Codec, DType, Shuffle};
use serde_json::{Value, json};

use crate::json::Field;
use crate::{Array, Error};

/// Where in a shard its index stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IndexLocation {
    /// Before the chunks.
    Start,
    /// Behind the chunks; what forebay writes.
    #[default]
    End,
}

/// What the codecs of an array say.
pub(crate) struct Sharding {
    pub(crate) chunk_shape: Vec<u64>,
    pub(crate) codec: Codec,
    pub(crate) crc32c: bool,
    pub(crate) index: IndexLocation,
}

pub(crate) fn to_json(array: &Array) -> Value {
    let mut chain = vec![bytes(array.dtype.size())];
    chain.extend(compressor(array));
    chain.extend(array.crc32c.then(crc32c));
    let configuration = json!({
        "chunk_shape": array.chunk_shape,
        "codecs": chain,
        "index_codecs": [bytes(8), crc32c()],
        "index_location": match array.index {
            IndexLocation::Start => "start",
            IndexLocation::End => "end",
        },
    });
    json!([{ "name": "sharding_indexed", "configuration": configuration }])
}

/// Elements of one byte have no order of bytes.
fn bytes(size: usize) -> Value {
    if size == 1 {
        json!({ "name": "bytes" })
    } else {
        json!({ "name": "bytes", "configuration": { "endian": "little" } })
    }
}

fn crc32c() -> Value {
    json!({ "name": "crc32c" })
}

fn compressor(array: &Array) -> Option<Value> {
    match array.codec {
        Codec::None => None,
        Codec::Zstd { level } => {
            Some(json!({ "name": "zstd", "configuration": { "level": level, "checksum": false } }))
        }
        Codec::Blosc(blosc) => Some(json!({ "name": "blosc", "configuration": {
            "typesize": array.dtype.size(),
            "cname": inner_name(blosc.inner),
            "clevel": blosc.level,
            "shuffle": shuffle_name(blosc.shuffle),
            "blocksize": array.blosc_block.or(blosc.block).unwrap_or(0),
        } })),
    }
}

const fn inner_name(inner: BloscInner) -> &'static str {
    match inner {
        BloscInner::Lz4 => "lz4",
        BloscInner::Zstd | BloscInner::Fast => "zstd",
    }
}

const fn shuffle_name(shuffle: Shuffle) -> &'static str {
    match shuffle {
        Shuffle::No => "noshuffle",
        Shuffle::Byte => "shuffle",
        Shuffle::Bit => "bitshuffle",
    }
}

/// Reads the codecs of an array. What has no part in decoding (zstd's checksum, Blosc's element size: both stand
/// in each frame) is passed over.
pub(crate) fn parse(codecs: &Field<'_>, dtype: DType) -> Result<Sharding, Error> {
    let items = codecs.items()?;
    let Some((sharding, rest)) = items.split_first() else {
        return Err(codecs.invalid("give one codec, `sharding_indexed`"));
    };
    if sharding.name()? != "sharding_indexed" {
        return Err(
            sharding.unsupported("it reads sharded arrays only, whose one codec is `sharding_indexed`")
        );
    }
    if let Some(more) = rest.first() {
        return Err(more.unsupported("it reads arrays with nothing behind `sharding_indexed`"));
    }
    check_index(&sharding.setting("index_codecs")?)?;
    let (codec, crc32c) = parse_chain(&sharding.setting("codecs")?, dtype)?;
    let index = match sharding.find_setting("index_location") {
        Some(place) => parse_location(&place)?,
        None => IndexLocation::End,
    };
    Ok(Sharding { chunk_shape: sharding.setting("chunk_shape")?.wholes()?, codec, crc32c, index })
}

fn parse_location(place: &Field<'_>) -> Result<IndexLocation, Error> {
    match place.text()? {
        "start" => Ok(IndexLocation::Start),
        "end" => Ok(IndexLocation::End),
        _ => Err(place.invalid("give `start` or `end`")),
    }
}

fn check_index(codecs: &Field<'_>) -> Result<(), Error> {
    const REMEDY: &str = "it reads indexes of little-endian bytes with a CRC-32C behind them";
    let items = codecs.items()?;
    let [bytes, crc32c] = items.as_slice() else {
        return Err(codecs.unsupported(REMEDY));
    };
    check_bytes(bytes, 8)?;
    if crc32c.name()? == "crc32c" { Ok(()) } else { Err(crc32c.unsupported(REMEDY)) }
}

fn check_bytes(codec: &Field<'_>, size: usize) -> Result<(), Error> {
    if codec.name()? != "bytes" {
        return Err(codec.unsupported("the first codec must be `bytes`"));
    }
    if size == 1 {
        return Ok(());
    }
    codec.setting("endian")?.must_be(&"little".into(), "it reads little-endian elements")
}

fn parse_chain(codecs: &Field<'_>, dtype: DType) -> Result<(Codec, bool), Error> {
    let items = codecs.items()?;
    let Some((bytes, rest)) = items.split_first() else {
        return Err(codecs.invalid("give `bytes` at least"));
    };
    check_bytes(bytes, dtype.size())?;
    let (rest, crc32c) = match rest.split_last() {
        Some((last, before)) if last.name()? == "crc32c" => (before, true),
        _ => (rest, false),
    };
    match rest {
        [] => Ok((Codec::None, crc32c)),
        [one] => Ok((parse_compressor(one)?, crc32c)),
        [_, two, ..] => {
            Err(two.unsupported("it reads `bytes`, then at most one of zstd and blosc, then crc32c"))
        }
    }
}

fn parse_compressor(codec: &Field<'_>) -> Result<Codec, Error> {
    match codec.name()? {
        "zstd" => Ok(Codec::Zstd { level: codec.setting("level")?.narrow("give a whole number")? }),
        "blosc" => Ok(Codec::Blosc(parse_blosc(codec)?)),
        _ => Err(codec.unsupported("it reads zstd, blosc and crc32c")),
    }
}

fn parse_blosc(codec: &Field<'_>) -> Result<Blosc, Error> {
    let (cname, clevel) = (codec.setting("cname")?, codec.setting("clevel")?);
    let inner = [BloscInner::Lz4, BloscInner::Zstd];
    let inner = inner.into_iter().find(|i| cname.value() == inner_name(*i));
    let level = clevel.narrow("give 0 to 9")?;
    if level > 9 {
        return Err(clevel.invalid("give 0 to 9"));
    }
    Ok(Blosc {
        inner: inner.ok_or_else(|| cname.unsupported("it reads Blosc frames of lz4 and zstd"))?,
        level,
        shuffle: parse_shuffle(&codec.setting("shuffle")?)?,
        block: parse_block(codec.find_setting("blocksize"))?,
    })
}

fn parse_shuffle(shuffle: &Field<'_>) -> Result<Shuffle, Error> {
    [Shuffle::No, Shuffle::Byte, Shuffle::Bit]
        .into_iter()
        .find(|s| shuffle.value() == shuffle_name(*s))
        .ok_or_else(|| shuffle.invalid("give `noshuffle`, `shuffle` or `bitshuffle`"))
}

/// 0 and none: chosen by Blosc.
fn parse_block(block: Option<Field<'_>>) -> Result<Option<u32>, Error> {
    let size = block.map(|b| b.narrow("give 0 or a size in bytes")).transpose()?;
    Ok(size.filter(|s| *s > 0))
}
