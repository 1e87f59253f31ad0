//! Launches kernels on the emulator, each time in another order of threads.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use cuda::kernels::Launcher;
use device::{Error, Operation};
use forebay_cuda as cuda;

unsafe extern "C" {
    fn forebay_shim(
        name: *const c_char,
        grid_x: u32,
        grid_y: u32,
        block: u32,
        shared: u32,
        seed: u64,
        params: *const c_void,
        why: *mut c_char,
        room: usize,
    ) -> c_int;
}

/// Runs kernels on the CPU, in orders that are drawn.
pub(crate) struct Shim {
    /// The seed of each launch; `None`: another one each time.
    seed: Option<u64>,
}

impl Shim {
    /// Another order at each launch. `FOREBAY_SHIM_SEED` gives all the same one, which a failure has printed.
    pub(crate) fn new() -> Shim {
        static SEED: LazyLock<Option<u64>> =
            LazyLock::new(|| std::env::var("FOREBAY_SHIM_SEED").ok()?.parse().ok());
        Shim { seed: *SEED }
    }

    /// Always the same order.
    pub(crate) fn seeded(seed: u64) -> Shim {
        Shim { seed: Some(seed) }
    }
}

impl Launcher for Shim {
    /// Few, so that a thread does the work of several where it can.
    fn enough_threads(&self) -> u64 {
        20
    }

    unsafe fn launch(
        &self,
        kernel: &str,
        grid: (u32, u32),
        (block, shared): (u32, u32),
        params: *const c_void,
    ) -> Result<(), Error> {
        /// CUDA's words are globals in the shim: one launch at a time.
        static ONE: Mutex<()> = Mutex::new(());
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let name = CString::new(kernel).unwrap();
        let seed = self.seed.unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed));
        let mut why = [0; 512];
        let (text, room) = (why.as_mut_ptr(), why.len());
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the caller vouches for the parameters; the name ends with a zero, and the text has the room that is said.
        let ran =
            unsafe { forebay_shim(name.as_ptr(), grid.0, grid.1, block, shared, seed, params, text, room) };
        if ran == 0 {
            return Ok(());
        }
        // SAFETY: the text is zeros where nothing was written, and what is written ends with a zero.
        let why = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
        Err(Error::new(Operation::Open, if ran == 1 { format!("no kernel {kernel}") } else { why }))
    }
}
