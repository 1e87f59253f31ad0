//! CPU codecs: [`plan::Codec`] says which, [`Prepared`] decides everything that depends on the chunk size once,
//! [`Context`] is the scratch of one thread.
//!
//! Equal chunks give equal bytes, whatever came before on the same context and however large the output buffer
//! is. After the first chunk of a context nothing that holds pixels is allocated (zstd takes its workspace on that
//! first chunk and keeps it; [`Context::bytes`] reports it).

pub mod bitshuffle;
mod blosc;
mod error;
mod fast;
pub mod shuffle;
mod zstd;

pub use error::Error;

use plan::{BloscInner, Codec};

/// A codec prepared for one chunk size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared {
    codec: Codec,
    chunk: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    None,
    Zstd(zstd::Level),
    Blosc(blosc::Layout),
}

/// Reusable scratch of one thread, made by [`Prepared::context`].
pub struct Context {
    made_by: Prepared,
    scratch: Scratch,
}

enum Scratch {
    None,
    Zstd(zstd::Encoder),
    Blosc(blosc::Encoder),
}

impl Prepared {
    /// Prepares `codec` for chunks of `chunk_bytes` bytes with elements of `element` bytes.
    ///
    /// # Errors
    /// [`Error::Parameter`]: a level, block size, element size or chunk size outside what the codec's format holds.
    pub fn new(codec: &Codec, chunk_bytes: usize, element: usize) -> Result<Prepared, Error> {
        if chunk_bytes == 0 {
            return Err(refused("chunk", 0, "a chunk holds at least one element"));
        }
        let kind = match codec {
            Codec::None => Kind::None,
            Codec::Zstd { level } => Kind::Zstd(zstd::Level::of_chunk(*level)?),
            Codec::Blosc(parameters) => Kind::Blosc(blosc::Layout::new(parameters, chunk_bytes, element)?),
        };
        Ok(Prepared { codec: *codec, chunk: chunk_bytes, kind })
    }

    /// Scratch for one thread that encodes with this `Prepared`.
    #[must_use]
    pub fn context(&self) -> Context {
        let scratch = match &self.kind {
            Kind::None => Scratch::None,
            Kind::Zstd(level) => Scratch::Zstd(zstd::Encoder::new(*level)),
            Kind::Blosc(layout) => Scratch::Blosc(blosc::Encoder::new(layout)),
        };
        Context { made_by: *self, scratch }
    }

    /// Encodes one chunk into the front of `out` and returns the encoded size. Bytes of `out` behind that size may
    /// have been overwritten.
    ///
    /// # Errors
    /// [`Error::Size`] when `chunk` is not the prepared size or `out` is smaller than [`Prepared::worst_case`],
    /// [`Error::Context`] for a foreign context, [`Error::Zstd`] when that library runs out of memory.
    pub fn encode(&self, context: &mut Context, chunk: &[u8], out: &mut [u8]) -> Result<usize, Error> {
        let (got, want) = (chunk.len(), self.chunk);
        if got != want {
            let remedy = "prepare the codec for this chunk size";
            return Err(Error::Size { buffer: "chunk", got, want, remedy });
        }
        let (got, want) = (out.len(), self.worst_case());
        // A fixed length, so that the caller's buffer cannot change what is written.
        let Some(out) = out.get_mut(..want) else {
            let remedy = "give the output buffer the codec's worst case";
            return Err(Error::Size { buffer: "output", got, want, remedy });
        };
        if context.made_by != *self {
            return Err(Error::Context);
        }
        match (&self.kind, &mut context.scratch) {
            (Kind::None, Scratch::None) => {
                out.copy_from_slice(chunk);
                Ok(chunk.len())
            }
            (Kind::Zstd(_), Scratch::Zstd(encoder)) => encoder.encode(chunk, out),
            (Kind::Blosc(layout), Scratch::Blosc(encoder)) => encoder.encode(layout, chunk, out),
            _ => Err(Error::Context),
        }
    }

    /// Bytes that `out` must have: [`Codec::worst_case`] of the chunk.
    #[must_use]
    pub fn worst_case(&self) -> usize {
        // A chunk is in memory, so its size and 1/256 more fit in a usize.
        self.codec.worst_case(self.chunk as u64) as usize
    }

    /// Bytes of one Blosc block as written to the frame; `None` for other codecs.
    #[must_use]
    pub fn block_bytes(&self) -> Option<usize> {
        match &self.kind {
            Kind::Blosc(layout) => Some(layout.block()),
            _ => None,
        }
    }

    /// The level given to zstd; `None` where zstd is not used.
    #[must_use]
    pub fn zstd_level(&self) -> Option<i32> {
        match &self.kind {
            Kind::None => None,
            Kind::Zstd(level) => Some(level.get()),
            Kind::Blosc(layout) if layout.inner() == BloscInner::Zstd => Some(layout.zstd_level().get()),
            Kind::Blosc(_) => None,
        }
    }
}

impl Context {
    /// Memory held now, in bytes. zstd's share appears with the first chunk.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.scratch {
            Scratch::None => 0,
            Scratch::Zstd(encoder) => encoder.bytes(),
            Scratch::Blosc(encoder) => encoder.bytes(),
        }
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("made_by", &self.made_by).field("bytes", &self.bytes()).finish()
    }
}

/// Reusable scratch for decoding; one serves every codec and size.
///
/// Input may be hostile: decoding never panics, writes nothing outside `out`, and allocates at most one Blosc
/// block, which is never larger than `out`.
#[derive(Default)]
pub struct Decoder {
    zstd: zstd::Decoder,
    block: Vec<u8>,
}

impl Decoder {
    /// An empty scratch.
    #[must_use]
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// Decodes one chunk into `out`, whose length is the chunk's. Only the codec's kind is used: levels, filter and
    /// element size come from the encoded bytes, because other writers' stores may have chosen differently.
    ///
    /// # Errors
    /// [`Error::Damaged`] when `encoded` is not exactly one such chunk, [`Error::Unsupported`] for Blosc frames
    /// with a compressor other than LZ4 and zstd. `out` is then partly written.
    pub fn decode(&mut self, codec: &Codec, encoded: &[u8], out: &mut [u8]) -> Result<(), Error> {
        match codec {
            Codec::None if encoded.len() == out.len() => {
                out.copy_from_slice(encoded);
                Ok(())
            }
            Codec::None => {
                let what = format!("{} bytes where {} belong", encoded.len(), out.len());
                Err(Error::damaged("uncompressed", what))
            }
            Codec::Zstd { .. } => self.zstd.decode(encoded, out),
            Codec::Blosc(_) => blosc::decode(encoded, out, &mut self.block, &mut self.zstd),
        }
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("block", &self.block.len()).finish_non_exhaustive()
    }
}

fn refused(field: &'static str, value: i64, remedy: &'static str) -> Error {
    Error::Parameter { field, value, remedy }
}
