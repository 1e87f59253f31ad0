//! `--codec`: how chunks are compressed.

use forebay::{Blosc, BloscInner, Codec, Shuffle};

use super::size;

/// What there is to choose from.
const KNOWN: &str = "none, zstd[:LEVEL], blosc-zstd[:LEVEL|fast[:SHUFFLE[:BLOCK]]] or \
                     blosc-lz4[:LEVEL[:SHUFFLE[:BLOCK]]], where SHUFFLE is noshuffle, shuffle or bitshuffle";
/// Level of a Blosc-LZ4 frame where none is given; also that of numcodecs.
const LZ4_LEVEL: u8 = 5;
/// Level of a Blosc-zstd frame where none is given: Blosc's 5 is zstd's 9, which no camera waits for.
const ZSTD_LEVEL: u8 = 1;

/// In the place of a level: zstd by our own coder.
const FAST: &str = "fast";

/// Reads a codec. Levels that no codec has are left to the plan, which names the range.
pub(crate) fn parse(text: &str) -> Result<Codec, String> {
    let mut fields = text.split(':');
    let name = fields.next().unwrap_or_default();
    let rest: Vec<_> = fields.collect();
    match name {
        "none" if rest.is_empty() => Ok(Codec::None),
        "none" => Err(format!("`{text}`: none has no parameters; write `none`")),
        "zstd" => zstd(text, &rest),
        "blosc-lz4" => blosc(text, BloscInner::Lz4, &rest),
        "blosc-zstd" => blosc(text, BloscInner::Zstd, &rest),
        "lz4" => {
            Err("raw LZ4 blocks are no Zarr codec; use `blosc-lz4`, which every reader knows".to_owned())
        }
        "blosc" => Err("Blosc is a container; say what is in it: `blosc-lz4` or `blosc-zstd`".to_owned()),
        _ => Err(format!("`{name}` is no codec that forebay writes; use {KNOWN}")),
    }
}

fn zstd(text: &str, rest: &[&str]) -> Result<Codec, String> {
    match rest {
        [] => Ok(Codec::Zstd { level: 1 }),
        [FAST] => Err(format!("`{text}`: the fast coder wants bytes in order; write `blosc-zstd:fast`")),
        [level] => Ok(Codec::Zstd { level: number(text, "level", level)? }),
        _ => Err(format!("`{text}`: zstd takes a level only; write `zstd:3`")),
    }
}

fn blosc(text: &str, inner: BloscInner, rest: &[&str]) -> Result<Codec, String> {
    let level = if inner == BloscInner::Lz4 { LZ4_LEVEL } else { ZSTD_LEVEL };
    let mut blosc = Blosc { inner, level, shuffle: Shuffle::Byte, block: None };
    if rest.len() > 3 {
        return Err(format!("`{text}` has more than a level, a shuffle and a block size; use {KNOWN}"));
    }
    match rest.first() {
        Some(&FAST) if inner == BloscInner::Zstd => blosc.inner = BloscInner::Fast,
        Some(level) => blosc.level = number(text, "level", level)?,
        None => {}
    }
    if let Some(name) = rest.get(1) {
        blosc.shuffle = shuffle(text, name)?;
    }
    if let Some(block) = rest.get(2) {
        let bytes = size::parse(block)?;
        let fits = u32::try_from(bytes)
            .map_err(|_| format!("`{text}`: block size {bytes} is too large; give less than 4G"))?;
        blosc.block = Some(fits);
    }
    Ok(Codec::Blosc(blosc))
}

fn shuffle(text: &str, name: &str) -> Result<Shuffle, String> {
    match name {
        "noshuffle" => Ok(Shuffle::No),
        "shuffle" => Ok(Shuffle::Byte),
        "bitshuffle" => Ok(Shuffle::Bit),
        _ => Err(format!("`{text}`: `{name}` is no shuffle; use noshuffle, shuffle or bitshuffle")),
    }
}

fn number<T: std::str::FromStr>(text: &str, what: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| {
        format!("`{text}`: {what} `{value}` is no number in range; zstd takes 0 to 22, Blosc 0 to 9")
    })
}

/// The codec as `--codec` would take it.
pub(crate) fn name(codec: &Codec) -> String {
    match codec {
        Codec::None => "none".to_owned(),
        Codec::Zstd { level } => format!("zstd:{level}"),
        Codec::Blosc(Blosc { inner, level, shuffle, block }) => {
            let inner = match inner {
                BloscInner::Lz4 => format!("lz4:{level}"),
                BloscInner::Zstd => format!("zstd:{level}"),
                BloscInner::Fast => format!("zstd:{FAST}"),
            };
            let shuffle = match shuffle {
                Shuffle::No => "noshuffle",
                Shuffle::Byte => "shuffle",
                Shuffle::Bit => "bitshuffle",
            };
            let block = block.map_or(String::new(), |b| format!(":{b}"));
            format!("blosc-{inner}:{shuffle}{block}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_read_and_named_alike() {
        let check = |text: &str, want: &str| assert_eq!(parse(text).map(|c| name(&c)), Ok(want.to_owned()));
        check("none", "none");
        check("zstd", "zstd:1");
        check("zstd:19", "zstd:19");
        check("blosc-lz4", "blosc-lz4:5:shuffle");
        check("blosc-zstd:3", "blosc-zstd:3:shuffle");
        check("blosc-lz4:9:bitshuffle", "blosc-lz4:9:bitshuffle");
        check("blosc-zstd:1:noshuffle:256K", "blosc-zstd:1:noshuffle:262144");
        check("blosc-zstd:fast", "blosc-zstd:fast:shuffle");
        check("blosc-zstd:fast:bitshuffle:1M", "blosc-zstd:fast:bitshuffle:1048576");
    }

    #[test]
    fn what_is_no_codec_is_refused_with_what_is() {
        let check = |text: &str, word: &str| {
            let said = parse(text).unwrap_err();
            assert!(said.contains(word), "{said}");
        };
        check("lz4", "blosc-lz4");
        check("blosc", "blosc-zstd");
        check("gzip", "zstd[:LEVEL]");
        check("", "zstd[:LEVEL]");
        check("none:3", "no parameters");
        check("zstd:fast", "blosc-zstd:fast");
        check("zstd:faster", "`faster`");
        check("blosc-lz4:fast", "`fast`");
        check("zstd:1:2", "zstd:3");
        check("blosc-lz4:5:bits", "bitshuffle");
        check("blosc-lz4:300", "0 to 9");
        check("blosc-lz4:5:shuffle:1:2", "more than");
        check("blosc-lz4:5:shuffle:9G", "too large");
    }
}
