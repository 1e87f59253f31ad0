//! zstd frames: one per chunk, its size in the header, no checksum, no dictionary.

use zstd_safe::{CCtx, CParameter, DCtx, zstd_sys::ZSTD_ErrorCode};

use super::{Error, refused};

/// A level that zstd accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level(i32);

impl Level {
    /// The level of whole-chunk frames, as configured.
    pub(super) fn of_chunk(level: i32) -> Result<Level, Error> {
        if !(0..=22).contains(&level) {
            return Err(refused("zstd level", level.into(), "use 1 to 22, or 0 for zstd's default (3)"));
        }
        Ok(Level(if level == 0 { 3 } else { level }))
    }

    /// What c-blosc gives to zstd for a Blosc level of 1 to 9, so that levels mean what users know.
    pub(super) fn of_blosc(level: u8) -> Level {
        Level(if level < 9 { 2 * i32::from(level) - 1 } else { 22 }.max(1))
    }

    pub(super) fn get(self) -> i32 {
        self.0
    }
}

/// A compression context whose parameters are set once.
pub(super) struct Encoder(CCtx<'static>);

impl Encoder {
    pub(super) fn new(level: Level) -> Encoder {
        let mut context = CCtx::create();
        let parameters = [
            CParameter::CompressionLevel(level.0),
            CParameter::ContentSizeFlag(true),
            CParameter::ChecksumFlag(false),
            CParameter::DictIdFlag(false),
        ];
        for parameter in parameters {
            context.set_parameter(parameter).expect("a level of 1 to 22 and three flags are always accepted");
        }
        Encoder(context)
    }

    /// Compresses a chunk into `out`, which has zstd's bound.
    pub(super) fn encode(&mut self, chunk: &[u8], out: &mut [u8]) -> Result<usize, Error> {
        self.0.compress2(out, chunk).map_err(|code| Error::Zstd(zstd_safe::get_error_name(code)))
    }

    /// As `encode`, but `None` when the frame does not fit in `out`.
    pub(super) fn encode_within(&mut self, block: &[u8], out: &mut [u8]) -> Result<Option<usize>, Error> {
        match self.0.compress2(out, block) {
            Ok(size) => Ok(Some(size)),
            Err(code) if zstd_safe::is_error_kind(code, ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall) => {
                Ok(None)
            }
            Err(code) => Err(Error::Zstd(zstd_safe::get_error_name(code))),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.sizeof()
    }
}

/// A decompression context; made when the first frame comes.
#[derive(Default)]
pub(super) struct Decoder(Option<DCtx<'static>>);

/// What every frame begins with. Checked here, because a zstd library built with `legacy` also reads older formats,
/// and every one of them reads skippable frames.
const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();

impl Decoder {
    /// Decodes exactly one frame with its content size, and nothing behind it.
    pub(super) fn decode(&mut self, encoded: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let damaged = |what: String| Err(Error::damaged("zstd", what));
        if !encoded.starts_with(&MAGIC) {
            return damaged("it does not begin with zstd's magic number".into());
        }
        match zstd_safe::get_frame_content_size(encoded) {
            Ok(Some(size)) if size == out.len() as u64 => {}
            Ok(Some(size)) => return damaged(format!("its header says {size} bytes, not {}", out.len())),
            Ok(None) => return damaged("its header has no content size".into()),
            Err(_) => return damaged("its frame header is unreadable".into()),
        }
        match zstd_safe::find_frame_compressed_size(encoded) {
            Ok(size) if size == encoded.len() => {}
            Ok(size) => return damaged(format!("{} bytes follow the frame", encoded.len() - size)),
            Err(code) => return damaged(zstd_safe::get_error_name(code).into()),
        }
        match self.decode_block(encoded, out) {
            Ok(size) if size == out.len() => Ok(()),
            Ok(size) => damaged(format!("it holds {size} bytes, not {}", out.len())),
            Err(name) => damaged(name.into()),
        }
    }

    /// Decodes the payload of one Blosc stream; the error is zstd's name for it.
    pub(super) fn decode_block(&mut self, encoded: &[u8], out: &mut [u8]) -> Result<usize, &'static str> {
        let context = self.0.get_or_insert_default();
        context.decompress(out, encoded).map_err(zstd_safe::get_error_name)
    }
}
