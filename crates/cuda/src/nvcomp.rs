//! nvCOMP, opened at run time: its zstd, in versions 5 and 6.
//!
//! Its licence lets nobody else ship its headers or the library, so the few functions that are used are declared here, from
//! the documentation of nvCOMP 5.3 and 6.0 (batched zstd compression).

use std::ffi::{c_int, c_void};
use std::sync::{Mutex, OnceLock};

use device::{Error, Operation};
use libloading::{Library, Symbol};

/// Options of zstd: none yet, and zeroed as the documentation asks.
#[derive(Clone, Copy)]
#[repr(C)]
struct Options([u8; 64]);

const OPTIONS: Options = Options([0; 64]);

type MostOutput = unsafe extern "C" fn(usize, Options, *mut usize) -> c_int;
type Workspace5 = unsafe extern "C" fn(usize, usize, Options, *mut usize, usize) -> c_int;
type Workspace6 = unsafe extern "C" fn(usize, usize, Options, *mut usize, usize, *mut c_void) -> c_int;
type Compress = unsafe extern "C" fn(
    *const *const c_void,
    *const usize,
    usize,
    usize,
    *mut c_void,
    usize,
    *const *mut c_void,
    *mut usize,
    Options,
    *mut c_int,
    *mut c_void,
) -> c_int;

enum Workspace {
    Five(Workspace5),
    Six(Workspace6),
}

/// nvCOMP's zstd.
pub(crate) struct Nvcomp {
    most_output: MostOutput,
    workspace: Workspace,
    compress: Compress,
    /// Keeps the functions where they are.
    _library: Library,
}

/// Names that the library is looked for under, the newest first; and in a folder that `FOREBAY_NVCOMP` names.
const NAMES: [&str; 2] = ["libnvcomp.so.6", "libnvcomp.so.5"];

/// A batch to be compressed: addresses of the GPU.
pub(crate) struct Batch {
    pub(crate) chunks: usize,
    pub(crate) chunk_bytes: usize,
    pub(crate) from: u64,
    pub(crate) from_bytes: u64,
    pub(crate) workspace: (u64, usize),
    pub(crate) to: u64,
    pub(crate) sizes: u64,
    pub(crate) statuses: u64,
}

impl Nvcomp {
    /// Opens it, once in a process.
    ///
    /// # Errors
    /// It is not installed, or of another version.
    pub(crate) fn get() -> Result<&'static Nvcomp, Error> {
        static OPENED: OnceLock<Result<Nvcomp, Error>> = OnceLock::new();
        // Not kept where it fails: another writer may have stood at a gate too long.
        static READY: Mutex<bool> = Mutex::new(false);
        let library = OPENED.get_or_init(Nvcomp::open).as_ref().map_err(Clone::clone)?;
        let mut ready = READY.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !*ready {
            // Asked for its workspace it loads its kernels.
            crate::quiet::exclusive(|| library.workspace(1, 4096))?;
            *ready = true;
        }
        Ok(library)
    }

    fn open() -> Result<Nvcomp, Error> {
        let folder = std::env::var_os("FOREBAY_NVCOMP").map(std::path::PathBuf::from);
        let mut missing = String::new();
        for name in NAMES {
            let path = folder.as_ref().map_or_else(|| name.into(), |f| f.join(name));
            // SAFETY: a library of this name runs the initialisers of nvCOMP, which are sound to run.
            match unsafe { Library::new(&path) } {
                Ok(library) => return Nvcomp::bind(library, name),
                Err(error) => missing = error.to_string(),
            }
        }
        let why = format!(
            "zstd on the GPU needs nvCOMP 5 or 6, which was not found ({missing}): install it (on PyPI: \
             nvidia-libnvcomp-cu13) and name its folder in FOREBAY_NVCOMP, or run on the host"
        );
        Err(Error::new(Operation::Prepare, why))
    }

    fn bind(library: Library, name: &'static str) -> Result<Nvcomp, Error> {
        let find = |e: libloading::Error| Error::new(Operation::Prepare, format!("{name}: {e}"));
        // SAFETY: declared as the documentation of these versions does.
        let most: Symbol<'_, MostOutput> =
            unsafe { library.get(b"nvcompBatchedZstdCompressGetMaxOutputChunkSize\0") }.map_err(find)?;
        // SAFETY: as above.
        let compress: Symbol<'_, Compress> =
            unsafe { library.get(b"nvcompBatchedZstdCompressAsync\0") }.map_err(find)?;
        let workspace = if name.ends_with('6') {
            // SAFETY: as above, of version 6.
            let six: Symbol<'_, Workspace6> =
                unsafe { library.get(b"nvcompBatchedZstdCompressGetTempSize\0") }.map_err(find)?;
            Workspace::Six(*six)
        } else {
            // SAFETY: as above, of version 5.
            let five: Symbol<'_, Workspace5> =
                unsafe { library.get(b"nvcompBatchedZstdCompressGetTempSizeAsync\0") }.map_err(find)?;
            Workspace::Five(*five)
        };
        let (most_output, compress) = (*most, *compress);
        Ok(Nvcomp { most_output, workspace, compress, _library: library })
    }

    /// Largest number of bytes of an encoded chunk.
    pub(crate) fn most_output(&self, chunk_bytes: usize) -> Result<usize, Error> {
        let mut most = 0;
        // SAFETY: points to a variable of its type; the call looks at numbers only.
        let status = unsafe { (self.most_output)(chunk_bytes, OPTIONS, &raw mut most) };
        check(status, "the largest encoded chunk")?;
        Ok(most)
    }

    /// Bytes of GPU memory that it works in.
    pub(crate) fn workspace(&self, chunks: usize, chunk_bytes: usize) -> Result<usize, Error> {
        let (mut bytes, all) = (0, chunks.saturating_mul(chunk_bytes));
        let status = match self.workspace {
            // SAFETY: points to a variable of its type; the call looks at numbers only.
            Workspace::Five(ask) => unsafe { ask(chunks, chunk_bytes, OPTIONS, &raw mut bytes, all) },
            // SAFETY: as above; the default stream always is.
            Workspace::Six(ask) => unsafe {
                ask(chunks, chunk_bytes, OPTIONS, &raw mut bytes, all, std::ptr::null_mut())
            },
        };
        check(status, "its workspace")?;
        Ok(bytes)
    }

    /// Queues the compression of a batch.
    ///
    /// # Safety
    /// All addresses are the GPU's, as large as the batch says, allocated until the work has run, and used by nothing else
    /// unordered.
    pub(crate) unsafe fn compress(&self, batch: &Batch, stream: *mut c_void) -> Result<(), Error> {
        let at = |address: u64| std::ptr::without_provenance_mut::<c_void>(address as usize);
        // SAFETY: the caller vouches for it.
        let status = unsafe {
            (self.compress)(
                at(batch.from).cast(),
                at(batch.from_bytes).cast(),
                batch.chunk_bytes,
                batch.chunks,
                at(batch.workspace.0),
                batch.workspace.1,
                at(batch.to).cast(),
                at(batch.sizes).cast(),
                OPTIONS,
                at(batch.statuses).cast(),
                stream,
            )
        };
        let (chunks, bytes, room) = (batch.chunks, batch.chunk_bytes, batch.workspace.1);
        check(status, &format!("compressing {chunks} chunks of {bytes} bytes with {room} bytes to work in"))
    }
}

/// nvCOMP's status as a result.
fn check(status: c_int, what: &str) -> Result<(), Error> {
    let name = match status {
        0 => return Ok(()),
        10 => "invalid value",
        11 => "not supported",
        12 => "cannot decompress",
        13 => "bad checksum",
        14 => "cannot verify checksums",
        15 => "output buffer too small",
        16 => "wrong header length",
        17 => "alignment",
        18 => "chunk size too large",
        19 => "cannot compress",
        20 => "wrong input length",
        21 => "batch size too large",
        24 => "output alignment too small",
        1000 => "CUDA error",
        _ => "internal error",
    };
    Err(Error::new(Operation::Encode, format!("nvCOMP, {what}: {name} ({status})")))
}
