//! c-blosc, the reference library, as an independent encoder and decoder.

use std::ffi::{CStr, c_int};
use std::sync::{Mutex, PoisonError};

/// How c-blosc splits blocks into streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// c-blosc's default: LZ4 split, zstd not.
    Usual,
    Never,
    Always,
}

/// c-blosc keeps its split mode in a global.
static SPLIT_MODE: Mutex<()> = Mutex::new(());

/// What c-blosc is asked to write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) compressor: &'static CStr,
    pub(crate) level: c_int,
    /// 0 none, 1 bytes, 2 bits.
    pub(crate) shuffle: c_int,
    pub(crate) element: usize,
    /// 0: chosen.
    pub(crate) block: usize,
    pub(crate) split: Split,
}

pub(crate) fn encode(request: &Request, chunk: &[u8]) -> Vec<u8> {
    let mode = match request.split {
        Split::Usual => blosc_src::BLOSC_FORWARD_COMPAT_SPLIT,
        Split::Never => blosc_src::BLOSC_NEVER_SPLIT,
        Split::Always => blosc_src::BLOSC_ALWAYS_SPLIT,
    };
    let mut frame = vec![0; chunk.len() + 16];
    let _alone = SPLIT_MODE.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: it only sets an integer, and the lock keeps every other user of it away.
    unsafe { blosc_src::blosc_set_splitmode(mode as c_int) };
    // SAFETY: both buffers live through the call with the lengths given, and the name ends with a zero.
    let size = unsafe {
        blosc_src::blosc_compress_ctx(
            request.level,
            request.shuffle,
            request.element,
            chunk.len(),
            chunk.as_ptr().cast(),
            frame.as_mut_ptr().cast(),
            frame.len(),
            request.compressor.as_ptr(),
            request.block,
            1,
        )
    };
    assert!(size > 0, "c-blosc refused to compress: {size}, {request:?}");
    frame.truncate(size as usize);
    frame
}

/// Decodes a frame that must be sound: c-blosc is not made for hostile ones.
pub(crate) fn decode(frame: &[u8], bytes: usize, threads: c_int) -> Result<Vec<u8>, c_int> {
    let mut says = 0;
    // SAFETY: the frame lives through the call with the length given.
    let valid =
        unsafe { blosc_src::blosc_cbuffer_validate(frame.as_ptr().cast(), frame.len(), &raw mut says) };
    assert_eq!((valid, says), (0, bytes), "blosc_cbuffer_validate");
    let mut chunk = vec![0xA5; bytes];
    // SAFETY: the frame was validated against its length, and the output has the length given.
    let size = unsafe {
        blosc_src::blosc_decompress_ctx(frame.as_ptr().cast(), chunk.as_mut_ptr().cast(), bytes, threads)
    };
    if size as usize == bytes { Ok(chunk) } else { Err(size) }
}

/// Decodes elements `start..start + count`, as readers of single pixels do.
pub(crate) fn items(frame: &[u8], element: usize, start: usize, count: usize) -> Vec<u8> {
    let mut items = vec![0; count * element];
    // SAFETY: the frame is one that `decode` accepted, and the output holds all items asked for.
    let size = unsafe {
        blosc_src::blosc_getitem(
            frame.as_ptr().cast(),
            start as c_int,
            count as c_int,
            items.as_mut_ptr().cast(),
        )
    };
    assert_eq!(size as usize, items.len(), "blosc_getitem");
    items
}
