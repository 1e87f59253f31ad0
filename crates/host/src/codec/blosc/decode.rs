//! Reading one frame, which may be hostile.
//!
//! Why this is bounded: the header's chunk size is the output's, its frame size the input's, and its block size at
//! most the chunk's, before anything else is used. The table lies inside the input. Every block then writes only
//! its own part of the output, and all payloads together are no longer than the frame, so the work is bounded too.

use super::super::{Error, bitshuffle, shuffle, zstd};
use super::header::{HEADER, Header, LZ4, ZSTD, flag, get};

/// c-blosc splits a block into one stream per byte of its elements within these bounds only.
const MAX_STREAMS: usize = 16;
const MIN_STREAM: usize = 128;

#[derive(Clone, Copy)]
enum Compressor {
    Lz4,
    Zstd,
}

/// Undoes a filter: element size, filtered bytes, target.
type Unfilter = fn(usize, &[u8], &mut [u8]);

/// Decodes a frame into `out`; `scratch` holds one filtered block.
pub(in super::super) fn decode(
    encoded: &[u8],
    out: &mut [u8],
    scratch: &mut Vec<u8>,
    zstd: &mut zstd::Decoder,
) -> Result<(), Error> {
    let header = Header::read(encoded, out.len())?;
    if header.flags & flag::RAW != 0 {
        return raw(&header, encoded, out);
    }
    let compressor = compressor(header.flags)?;
    let table = 4 * header.chunk.div_ceil(header.block);
    if table > encoded.len() - HEADER {
        return Err(damaged("its table of blocks is longer than the frame"));
    }
    // Payload bytes that no block has used yet.
    let mut unused = encoded.len() - HEADER - table;
    let filter = filter(&header);
    if filter.is_some() && scratch.len() < header.block {
        scratch.resize(header.block, 0);
    }
    for (index, block) in out.chunks_mut(header.block).enumerate() {
        let start = get(encoded, HEADER + 4 * index).filter(|&start| start >= HEADER + table);
        let Some(mut payload) = start.and_then(|start| encoded.get(start..)) else {
            return Err(damaged(format!("block {index} starts outside the frame")));
        };
        let target = if filter.is_some() { &mut scratch[..block.len()] } else { &mut *block };
        let stream = target.len() / streams(&header, target.len())?;
        for target in target.chunks_mut(stream) {
            let Some(size) = get(payload, 0).filter(|&size| size <= payload.len() - 4) else {
                return Err(damaged(format!("block {index} ends outside the frame")));
            };
            let Some(left) = unused.checked_sub(4 + size) else {
                return Err(damaged("its blocks overlap"));
            };
            unused = left;
            expand(compressor, zstd, &payload[4..4 + size], target)
                .map_err(|what| damaged(format!("block {index}: {what}")))?;
            payload = &payload[4 + size..];
        }
        if let Some(unfilter) = filter {
            unfilter(usize::from(header.element), &scratch[..block.len()], block);
        }
    }
    Ok(())
}

fn raw(header: &Header, encoded: &[u8], out: &mut [u8]) -> Result<(), Error> {
    if header.frame != HEADER + header.chunk {
        return Err(damaged(format!("a raw frame of {} bytes for {}", header.frame, header.chunk)));
    }
    out.copy_from_slice(&encoded[HEADER..]);
    Ok(())
}

fn compressor(flags: u8) -> Result<Compressor, Error> {
    match flags >> 5 {
        LZ4 => Ok(Compressor::Lz4),
        ZSTD => Ok(Compressor::Zstd),
        0 => Err(Error::Unsupported { what: "a Blosc frame compressed with blosclz" }),
        2 => Err(Error::Unsupported { what: "a Blosc frame compressed with snappy" }),
        3 => Err(Error::Unsupported { what: "a Blosc frame compressed with zlib" }),
        code => Err(damaged(format!("compressor {code} does not exist"))),
    }
}

/// The inverse of the frame's filter. When both are flagged c-blosc undoes the byte shuffle, except for elements of
/// one byte.
fn filter(header: &Header) -> Option<Unfilter> {
    if header.flags & flag::SHUFFLE != 0 && header.element > 1 {
        Some(shuffle::backward)
    } else if header.flags & flag::BITSHUFFLE != 0 {
        Some(bitshuffle::backward)
    } else {
        None
    }
}

/// Streams of a block of `bytes` bytes; a short last block is never split.
fn streams(header: &Header, bytes: usize) -> Result<usize, Error> {
    let element = usize::from(header.element);
    let split = header.flags & flag::UNSPLIT == 0 && bytes == header.block;
    if !split || element > MAX_STREAMS || bytes / element < MIN_STREAM {
        return Ok(1);
    }
    if !bytes.is_multiple_of(element) {
        return Err(damaged(format!("blocks of {bytes} bytes split into {element} streams")));
    }
    Ok(element)
}

/// Decompresses one stream; it must fill `target` exactly.
fn expand(
    compressor: Compressor,
    zstd: &mut zstd::Decoder,
    payload: &[u8],
    target: &mut [u8],
) -> Result<(), String> {
    if payload.len() == target.len() {
        target.copy_from_slice(payload);
        return Ok(());
    }
    let size = match compressor {
        Compressor::Lz4 => {
            lz4_flex::block::decompress_into(payload, target).map_err(|error| error.to_string())?
        }
        Compressor::Zstd => zstd.decode_block(payload, target)?,
    };
    if size != target.len() {
        return Err(format!("it holds {size} bytes, not {}", target.len()));
    }
    Ok(())
}

fn damaged(what: impl Into<String>) -> Error {
    Error::damaged("blosc", what)
}
