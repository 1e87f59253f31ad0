//! The driver's functions that are used here, as safe as a function of C can be made: each checks what it returns.
//!
//! It is opened at run time. Without one [`Context::open`] says so, and nothing else here can be called: everything else
//! needs a context.

use std::ffi::{CStr, CString, c_void};
use std::sync::{Arc, OnceLock};

use cudarc::driver::sys;
use device::{Error, Operation};

/// What a call to the driver returned, as a result: the error has the driver's name for it and its text.
fn check(result: sys::CUresult, what: Operation, call: &str) -> Result<(), Error> {
    match result {
        sys::CUresult::CUDA_SUCCESS => Ok(()),
        error => Err(Error::new(what, format!("{call}: {}", describe(error)))),
    }
}

fn describe(error: sys::CUresult) -> String {
    let (mut name, mut text) = (std::ptr::null(), std::ptr::null());
    // SAFETY: both point to variables that it fills with strings of the driver's own, or leaves null.
    let _ = unsafe { sys::cuGetErrorName(error, &raw mut name) };
    // SAFETY: as above.
    let _ = unsafe { sys::cuGetErrorString(error, &raw mut text) };
    let read = |s: *const std::ffi::c_char| {
        // SAFETY: a string of the driver's, which lives as long as the program.
        (!s.is_null()).then(|| unsafe { CStr::from_ptr(s) }.to_string_lossy().into_owned())
    };
    let name = read(name).unwrap_or_else(|| format!("error {}", error as u32));
    read(text).map_or(name.clone(), |text| format!("{name}: {text}"))
}

/// Hardware queues that streams are spread over; and modules are loaded at once, because a kernel that is loaded when it
/// is first launched may wait for lanes that stand at a gate.
const SETTINGS: [(&str, &str); 2] = [("CUDA_DEVICE_MAX_CONNECTIONS", "32"), ("CUDA_MODULE_LOADING", "EAGER")];

/// Whether a driver is installed.
pub(crate) fn is_present() -> bool {
    // SAFETY: it only looks for the library, and runs its initialisers.
    unsafe { sys::is_culib_present() }
}

/// Loads the driver, once in a process.
fn load() -> Result<(), Error> {
    static LOADED: OnceLock<Result<(), Error>> = OnceLock::new();
    let load = || {
        if !is_present() {
            let why = "no NVIDIA driver (libcuda) is installed: install one, or run on the host";
            return Err(Error::new(Operation::Open, why));
        }
        for (name, value) in SETTINGS {
            if std::env::var_os(name).is_none() {
                // SAFETY: done once, before the driver reads it. A thread that reads the environment through libc at this
                // very moment would race with it; Rust's own readers hold a lock. Who has such threads sets both names
                // before, and then nothing is written here.
                unsafe { std::env::set_var(name, value) };
            }
        }
        // SAFETY: no arguments that could be wrong.
        check(unsafe { sys::cuInit(0) }, Operation::Open, "cuInit")?;
        check_version()
    };
    LOADED.get_or_init(load).clone()
}

/// The kernels, and some functions that are called, are of this version.
const LEAST_VERSION: i32 = 13_000;

fn check_version() -> Result<(), Error> {
    let mut version = 0;
    // SAFETY: points to a variable of its type.
    check(unsafe { sys::cuDriverGetVersion(&raw mut version) }, Operation::Open, "cuDriverGetVersion")?;
    if version >= LEAST_VERSION {
        return Ok(());
    }
    let why = format!(
        "the NVIDIA driver is of CUDA {}.{}, and 13.0 is needed: install driver 580 or later, or run on the host",
        version / 1000,
        version % 1000 / 10
    );
    Err(Error::new(Operation::Open, why))
}

/// Whether the streams of all devices have hardware queues of their own.
pub(crate) fn has_queues() -> bool {
    let (name, wanted) = SETTINGS[0];
    std::env::var(name).is_ok_and(|value| value.parse::<u32>().ok() >= wanted.parse().ok())
}

/// The primary context of a GPU.
pub(crate) struct Context {
    raw: sys::CUcontext,
    device: sys::CUdevice,
}

// SAFETY: the driver's handles may be used on any thread; each binds the context before (see `bind`).
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Context {
    /// Opens the GPU of a number.
    pub(crate) fn open(ordinal: u32) -> Result<Arc<Context>, Error> {
        load()?;
        let (mut device, mut raw) = (0, std::ptr::null_mut());
        // SAFETY: points to a variable of its type.
        let found = unsafe { sys::cuDeviceGet(&raw mut device, ordinal as i32) };
        check(found, Operation::Open, "cuDeviceGet")?;
        // SAFETY: as above.
        let retained = unsafe { sys::cuDevicePrimaryCtxRetain(&raw mut raw, device) };
        check(retained, Operation::Open, "cuDevicePrimaryCtxRetain")?;
        Ok(Arc::new(Context { raw, device }))
    }

    /// Makes this the context of the calling thread.
    pub(crate) fn bind(&self) -> Result<(), Error> {
        // SAFETY: retained until this is dropped.
        check(unsafe { sys::cuCtxSetCurrent(self.raw) }, Operation::Open, "cuCtxSetCurrent")
    }

    /// Number of the GPU.
    pub(crate) fn ordinal(&self) -> u32 {
        self.device as u32
    }

    /// The GPU's name.
    pub(crate) fn name(&self) -> String {
        let mut name = [0u8; 128];
        // SAFETY: room for as many bytes as it is told; the last one stays zero.
        let got = unsafe { sys::cuDeviceGetName(name.as_mut_ptr().cast(), 127, self.device) };
        let text = CStr::from_bytes_until_nul(&name).unwrap_or(c"GPU").to_string_lossy();
        if check(got, Operation::Open, "cuDeviceGetName").is_ok() {
            text.into_owned()
        } else {
            "GPU".to_owned()
        }
    }

    /// An attribute of the GPU; 0 where the driver does not know it.
    pub(crate) fn attribute(&self, which: sys::CUdevice_attribute) -> i32 {
        let mut value = 0;
        // SAFETY: points to a variable of its type.
        let got = unsafe { sys::cuDeviceGetAttribute(&raw mut value, which, self.device) };
        if check(got, Operation::Open, "cuDeviceGetAttribute").is_ok() { value } else { 0 }
    }

    /// Bytes of the GPU's memory that are free, and that there are.
    pub(crate) fn memory(&self) -> Result<(u64, u64), Error> {
        self.bind()?;
        let (mut free, mut total) = (0, 0);
        // SAFETY: both point to variables of their type.
        let got = unsafe { sys::cuMemGetInfo_v2(&raw mut free, &raw mut total) };
        check(got, Operation::Open, "cuMemGetInfo")?;
        Ok((free as u64, total as u64))
    }

    /// Gives memory that was freed, and that the driver keeps for the next who asks, back to the GPU. Not to be called
    /// while a lane stands at a gate.
    pub(crate) fn trim(&self) -> Result<(), Error> {
        self.bind()?;
        let mut pool = std::ptr::null_mut();
        // SAFETY: points to a variable of its type.
        let got = unsafe { sys::cuDeviceGetDefaultMemPool(&raw mut pool, self.device) };
        check(got, Operation::Allocate, "cuDeviceGetDefaultMemPool")?;
        // What is freed is freed in the order of the default stream.
        // SAFETY: the default stream always is.
        let done = unsafe { sys::cuStreamSynchronize(std::ptr::null_mut()) };
        check(done, Operation::Allocate, "cuStreamSynchronize")?;
        // SAFETY: the pool of this GPU, which lives as long as the driver.
        check(unsafe { sys::cuMemPoolTrimTo(pool, 0) }, Operation::Allocate, "cuMemPoolTrimTo")
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: retained once in `open`; streams, events and memory keep this alive, so none is left.
        let _ = unsafe { sys::cuDevicePrimaryCtxRelease_v2(self.device) };
    }
}

/// A stream.
pub(crate) struct Stream {
    raw: sys::CUstream,
    context: Arc<Context>,
}

// SAFETY: streams may be used on any thread, and by several at once.
unsafe impl Send for Stream {}
// SAFETY: as above.
unsafe impl Sync for Stream {}

impl Stream {
    /// A stream that waits for no other unless it is told to. Kernels of one that is `urgent` go first, where blocks of
    /// several could begin.
    pub(crate) fn new(context: &Arc<Context>, urgent: bool) -> Result<Stream, Error> {
        context.bind()?;
        let (mut least, mut greatest) = (0, 0);
        // SAFETY: both point to variables of their type.
        let got = unsafe { sys::cuCtxGetStreamPriorityRange(&raw mut least, &raw mut greatest) };
        check(got, Operation::Open, "cuCtxGetStreamPriorityRange")?;
        let mut raw = std::ptr::null_mut();
        let flags = sys::CUstream_flags::CU_STREAM_NON_BLOCKING as u32;
        let priority = if urgent { greatest } else { least };
        // SAFETY: points to a variable of its type.
        let made = unsafe { sys::cuStreamCreateWithPriority(&raw mut raw, flags, priority) };
        check(made, Operation::Open, "cuStreamCreateWithPriority")?;
        Ok(Stream { raw, context: context.clone() })
    }

    /// The handle, for a library that queues work on it.
    pub(crate) fn raw(&self) -> *mut c_void {
        self.raw.cast()
    }

    pub(crate) fn synchronize(&self) -> Result<(), Error> {
        self.context.bind()?;
        // SAFETY: the stream lives.
        check(unsafe { sys::cuStreamSynchronize(self.raw) }, Operation::Wait, "cuStreamSynchronize")
    }

    pub(crate) fn record(&self, event: &Event) -> Result<(), Error> {
        self.context.bind()?;
        // SAFETY: both live.
        check(unsafe { sys::cuEventRecord(event.raw, self.raw) }, Operation::Record, "cuEventRecord")
    }

    /// What is queued from now on waits for what the event was last recorded after.
    pub(crate) fn wait(&self, event: &Event) -> Result<(), Error> {
        self.context.bind()?;
        // SAFETY: both live.
        check(unsafe { sys::cuStreamWaitEvent(self.raw, event.raw, 0) }, Operation::Wait, "cuStreamWaitEvent")
    }

    /// What is queued from now on waits until the number is at least `least`.
    pub(crate) fn wait_number(&self, number: &Number, least: u64) -> Result<(), Error> {
        self.context.bind()?;
        let flags = sys::CUstreamWaitValue_flags::CU_STREAM_WAIT_VALUE_GEQ as u32;
        // SAFETY: the address is that of mapped memory, which the caller keeps until the lane has passed.
        let queued = unsafe { sys::cuStreamWaitValue64_v2(self.raw, number.address(), least, flags) };
        check(queued, Operation::Wait, "cuStreamWaitValue64")
    }

    /// Copies bytes; which way follows from the addresses.
    ///
    /// # Safety
    /// Both ranges stay allocated until the copy has run, and nothing else uses them unordered.
    pub(crate) unsafe fn copy(&self, to: u64, from: u64, bytes: usize) -> Result<(), Error> {
        self.context.bind()?;
        // SAFETY: the caller vouches for it.
        check(unsafe { sys::cuMemcpyAsync(to, from, bytes, self.raw) }, Operation::Copy, "cuMemcpyAsync")
    }

    /// Launches a kernel.
    ///
    /// # Safety
    /// `params` points to what the kernel takes, and what that points to is as for [`Stream::copy`].
    pub(crate) unsafe fn launch(&self, launch: &Launch, params: *const c_void) -> Result<(), Error> {
        self.context.bind()?;
        let mut params = [params.cast_mut()];
        let (grid, shared, none) = (launch.grid, launch.shared, std::ptr::null_mut());
        let list = params.as_mut_ptr();
        // SAFETY: the caller vouches for the parameters; the function belongs to a module that is never unloaded before
        // the context.
        let queued = unsafe {
            sys::cuLaunchKernel(
                launch.function.0,
                grid.0,
                grid.1,
                1,
                launch.block,
                1,
                1,
                shared,
                self.raw,
                list,
                none,
            )
        };
        check(queued, Operation::Scatter, "cuLaunchKernel")
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A context that cannot be bound has failed, and takes its streams with it.
        if self.context.bind().is_ok() {
            // SAFETY: made in `new`, destroyed once; work on it still runs to its end.
            let _ = unsafe { sys::cuStreamDestroy_v2(self.raw) };
        }
    }
}

/// How a kernel is launched.
pub(crate) struct Launch {
    pub(crate) function: Function,
    pub(crate) grid: (u32, u32),
    pub(crate) block: u32,
    pub(crate) shared: u32,
}

/// A place in a stream.
pub(crate) struct Event {
    raw: sys::CUevent,
    context: Arc<Context>,
}

// SAFETY: events may be used on any thread, and by several at once.
unsafe impl Send for Event {}
// SAFETY: as above.
unsafe impl Sync for Event {}

impl Event {
    /// An event; one that is timed costs a little more.
    pub(crate) fn new(context: &Arc<Context>, timed: bool) -> Result<Event, Error> {
        context.bind()?;
        let sleeps = sys::CUevent_flags::CU_EVENT_BLOCKING_SYNC as u32;
        let untimed = sys::CUevent_flags::CU_EVENT_DISABLE_TIMING as u32;
        let (mut raw, flags) = (std::ptr::null_mut(), if timed { sleeps } else { sleeps | untimed });
        // SAFETY: points to a variable of its type.
        check(unsafe { sys::cuEventCreate(&raw mut raw, flags) }, Operation::Record, "cuEventCreate")?;
        Ok(Event { raw, context: context.clone() })
    }

    /// Blocks until what it was last recorded after is done; at once where it never was.
    pub(crate) fn synchronize(&self) -> Result<(), Error> {
        self.context.bind()?;
        // SAFETY: the event lives.
        check(unsafe { sys::cuEventSynchronize(self.raw) }, Operation::Wait, "cuEventSynchronize")
    }

    /// Milliseconds from `start` to this; both are over, and timed.
    pub(crate) fn since(&self, start: &Event) -> Result<f32, Error> {
        let mut milliseconds = 0.0;
        // SAFETY: both live, and the variable has its type.
        let got = unsafe { sys::cuEventElapsedTime_v2(&raw mut milliseconds, start.raw, self.raw) };
        check(got, Operation::Wait, "cuEventElapsedTime")?;
        Ok(milliseconds)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: made in `new`, destroyed once.
            let _ = unsafe { sys::cuEventDestroy_v2(self.raw) };
        }
    }
}

/// Memory of the GPU.
pub(crate) struct DeviceMemory {
    pub(crate) address: u64,
    pub(crate) len: usize,
    context: Arc<Context>,
}

impl DeviceMemory {
    /// So many bytes, which hold anything.
    pub(crate) fn new(context: &Arc<Context>, len: usize) -> Result<DeviceMemory, Error> {
        context.bind()?;
        let (mut address, size) = (0, len.max(16));
        let default = std::ptr::null_mut();
        // SAFETY: points to a variable of its type.
        let got = unsafe { sys::cuMemAllocAsync(&raw mut address, size, default) };
        check(got, Operation::Allocate, "cuMemAllocAsync").map_err(|e| too_large(&e, context, len))?;
        // Lanes do not wait for the default stream by themselves.
        // SAFETY: the default stream always is.
        let done = unsafe { sys::cuStreamSynchronize(default) };
        check(done, Operation::Allocate, "cuStreamSynchronize")?;
        Ok(DeviceMemory { address, len, context: context.clone() })
    }
}

fn too_large(error: &Error, context: &Context, len: usize) -> Error {
    let (free, total) = context.memory().unwrap_or((0, 0));
    let why = format!(
        "{len} bytes of the GPU's memory, of which {free} of {total} are free ({error}): make chunks, batches or \
         slots fewer or smaller"
    );
    Error::new(Operation::Allocate, why)
}

impl Drop for DeviceMemory {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // In the order of the default stream, and so without waiting for any lane.
            // SAFETY: allocated in `new`, freed once; work that uses it holds the region, and so this.
            let _ = unsafe { sys::cuMemFreeAsync(self.address, std::ptr::null_mut()) };
        }
    }
}

/// Bytes of a page.
const PAGE: usize = 4096;

/// Memory of the host that the GPU reaches: pages that stay where they are. Never write-combined, because the host reads it.
/// To be dropped by [`quiet::bury`](crate::quiet::bury) alone.
pub(crate) struct Pinned {
    pub(crate) base: *mut u8,
    pub(crate) len: usize,
    /// What the driver gave, and takes back.
    given: *mut c_void,
    context: Arc<Context>,
}

// SAFETY: it owns its bytes; order between users is made by marks.
unsafe impl Send for Pinned {}
// SAFETY: as above.
unsafe impl Sync for Pinned {}

impl Pinned {
    /// So many bytes, which hold anything.
    pub(crate) fn new(context: &Arc<Context>, len: usize) -> Result<Pinned, Error> {
        context.bind()?;
        // The driver cuts small ones from a page of its own, and a store may ask for whole pages.
        let (mut given, size) = (std::ptr::null_mut(), len.max(16) + PAGE);
        let flags = sys::CU_MEMHOSTALLOC_PORTABLE | sys::CU_MEMHOSTALLOC_DEVICEMAP;
        // SAFETY: points to a variable of its type.
        let got = unsafe { sys::cuMemHostAlloc(&raw mut given, size, flags) };
        check(got, Operation::Allocate, "cuMemHostAlloc").map_err(|e| {
            let why = format!(
                "{len} bytes of pinned host memory ({e}): make chunks, batches or slots fewer or smaller"
            );
            Error::new(Operation::Allocate, why)
        })?;
        let start = given.cast::<u8>();
        // SAFETY: less than a page on, and there is a page more.
        let base = unsafe { start.add(start.align_offset(PAGE)) };
        Ok(Pinned { base, len, given, context: context.clone() })
    }
}

impl Pinned {
    /// A copy of bytes.
    pub(crate) fn of(context: &Arc<Context>, bytes: &[u8]) -> Result<Pinned, Error> {
        let pinned = Pinned::new(context, bytes.len())?;
        // SAFETY: new, as long as the bytes, and apart from them.
        unsafe { pinned.base.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(pinned)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: allocated in `new`, freed once.
            let _ = unsafe { sys::cuMemFreeHost(self.given) };
        }
    }
}

/// Memory that is given up when this is dropped: see [`quiet`](crate::quiet).
pub(crate) struct Buried<Memory: Send + 'static>(Option<Memory>);

impl<Memory: Send> Buried<Memory> {
    pub(crate) fn new(memory: Memory) -> Buried<Memory> {
        Buried(Some(memory))
    }

    pub(crate) fn get(&self) -> &Memory {
        self.0.as_ref().expect("taken by the drop alone")
    }
}

impl<Memory: Send> Drop for Buried<Memory> {
    fn drop(&mut self) {
        if let Some(memory) = self.0.take() {
            crate::quiet::bury(Box::new(memory));
        }
    }
}

/// Memory of the caller's that the GPU reaches where it lies. To be dropped as [`Pinned`] is.
pub(crate) struct Registered {
    pub(crate) base: *mut u8,
    pub(crate) len: usize,
    context: Arc<Context>,
    _bytes: Vec<u8>,
}

// SAFETY: it owns its bytes; order between users is made by marks.
unsafe impl Send for Registered {}
// SAFETY: as above.
unsafe impl Sync for Registered {}

impl Registered {
    /// Takes over bytes; gives them back where they cannot be registered.
    pub(crate) fn new(context: &Arc<Context>, mut bytes: Vec<u8>) -> Result<Registered, (Error, Vec<u8>)> {
        if let Err(error) = context.bind() {
            return Err((error, bytes));
        }
        let (base, len) = (bytes.as_mut_ptr(), bytes.len());
        if len > 0 {
            let flags = sys::CU_MEMHOSTREGISTER_PORTABLE | sys::CU_MEMHOSTREGISTER_DEVICEMAP;
            // SAFETY: the vector owns these bytes, and they stay where they are until they are unregistered.
            let done = unsafe { sys::cuMemHostRegister_v2(base.cast(), len, flags) };
            if let Err(error) = check(done, Operation::Allocate, "cuMemHostRegister") {
                return Err((error, bytes));
            }
        }
        Ok(Registered { base, len, context: context.clone(), _bytes: bytes })
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if self.len > 0 && self.context.bind().is_ok() {
            // SAFETY: registered in `new`, once; work that reads it holds the region, and so this.
            let _ = unsafe { sys::cuMemHostUnregister(self.base.cast()) };
        }
    }
}

/// A number that the host raises and streams wait for, or that kernels write and the host reads.
pub(crate) struct Number(Buried<Pinned>);

impl Number {
    pub(crate) fn new(context: &Arc<Context>) -> Result<Number, Error> {
        let number = Number(Buried::new(Pinned::new(context, 8)?));
        number.set(0);
        Ok(number)
    }

    fn cell(&self) -> &std::sync::atomic::AtomicU64 {
        // SAFETY: eight aligned bytes that live as long as this; the GPU reads and writes them whole.
        unsafe { std::sync::atomic::AtomicU64::from_ptr(self.0.get().base.cast()) }
    }

    /// All that was written before is seen by whoever sees the number.
    pub(crate) fn set(&self, value: u64) {
        self.cell().store(value, std::sync::atomic::Ordering::Release);
    }

    pub(crate) fn get(&self) -> u64 {
        self.cell().load(std::sync::atomic::Ordering::Acquire)
    }

    /// Its address, which is the same for host and GPU.
    pub(crate) fn address(&self) -> u64 {
        self.0.get().base.addr() as u64
    }
}

/// A kernel of a module.
#[derive(Clone, Copy)]
pub(crate) struct Function(sys::CUfunction);

// SAFETY: a handle, valid on any thread for as long as its module.
unsafe impl Send for Function {}
// SAFETY: as above.
unsafe impl Sync for Function {}

/// Loaded kernels. Never unloaded: that would wait for every lane.
pub(crate) struct Module {
    raw: sys::CUmodule,
    context: Arc<Context>,
}

// SAFETY: a handle, valid on any thread.
unsafe impl Send for Module {}
// SAFETY: as above.
unsafe impl Sync for Module {}

impl Module {
    pub(crate) fn load(context: &Arc<Context>, image: &[u8]) -> Result<Module, Error> {
        context.bind()?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: a whole image of a fat binary, which says its own length.
        let loaded = unsafe { sys::cuModuleLoadData(&raw mut raw, image.as_ptr().cast()) };
        check(loaded, Operation::Open, "cuModuleLoadData")?;
        Ok(Module { raw, context: context.clone() })
    }

    pub(crate) fn function(&self, name: &str) -> Result<Function, Error> {
        self.context.bind()?;
        let c_name = CString::new(name).map_err(|e| Error::new(Operation::Open, e))?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: the module lives, and the name ends with a zero.
        let found = unsafe { sys::cuModuleGetFunction(&raw mut raw, self.raw, c_name.as_ptr()) };
        check(found, Operation::Open, &format!("cuModuleGetFunction({name})"))?;
        Ok(Function(raw))
    }
}
