//! Memory of the simulated device: plain bytes, of which every use is noted.

use std::ops::Range;
use std::panic::Location;
use std::ptr::NonNull;

use device::sync::{Arc, Mutex};
use device::{Backing, Error, Read, Region, Write};

use crate::machine::{Machine, in_kernel};
use crate::shadow::Shadow;

/// Bytes of a buffer that something uses.
#[derive(Clone, Debug)]
pub(crate) struct Touch {
    pub(crate) region: usize,
    pub(crate) range: Range<usize>,
    pub(crate) write: bool,
}

/// All buffers of a device, by their addresses.
#[derive(Default)]
pub(crate) struct Regions(Mutex<Vec<(usize, usize)>>);

impl Regions {
    fn lock(&self) -> device::sync::MutexGuard<'_, Vec<(usize, usize)>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The buffer that these bytes are of; none where they are no device's.
    fn find(&self, at: usize, len: usize, write: bool) -> Option<Touch> {
        let all = self.lock();
        let region = all.iter().position(|(base, size)| at >= *base && at + len <= base + size)?;
        let start = at - all[region].0;
        Some(Touch { region, range: start..start + len, write })
    }

    pub(crate) fn read(&self, view: &Read<'_>) -> Option<Touch> {
        self.find(view.address().addr(), view.len(), false)
    }

    pub(crate) fn write(&self, view: &Write<'_>) -> Option<Touch> {
        self.find(view.address().addr(), view.len(), true)
    }
}

struct Bytes {
    base: NonNull<u8>,
    len: usize,
    capacity: usize,
    region: usize,
    host_visible: bool,
    machine: Arc<Machine>,
}

// SAFETY: the bytes belong to this value; order between users is what the simulation checks.
unsafe impl Send for Bytes {}
// SAFETY: as above.
unsafe impl Sync for Bytes {}

// SAFETY: `base` points to the `len` bytes of a vector that was taken apart, put together again in `drop` only.
unsafe impl Backing for Bytes {
    fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    fn len(&self) -> usize {
        self.len
    }

    fn host_visible(&self) -> bool {
        // To kernels all of it is.
        self.host_visible || in_kernel()
    }

    fn taken(&self, range: Range<usize>, write: bool, at: &'static Location<'static>) {
        self.machine.taken(&Touch { region: self.region, range, write }, at);
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        // SAFETY: the parts of one vector, put together once.
        drop(unsafe { Vec::from_raw_parts(self.base.as_ptr(), self.len, self.capacity) });
    }
}

/// A buffer that begins on a page, as the seam promises.
pub(crate) fn adopt(
    machine: &Arc<Machine>,
    regions: &Regions,
    bytes: Vec<u8>,
    host_visible: bool,
) -> Result<Region, Error> {
    let mut bytes = std::mem::ManuallyDrop::new(bytes);
    let (len, capacity) = (bytes.len(), bytes.capacity());
    let base = NonNull::new(bytes.as_mut_ptr()).unwrap_or(NonNull::dangling());
    let mut all = regions.lock();
    all.push((base.as_ptr().addr(), len));
    machine.lock().shadows.push(Shadow::default());
    let region = all.len() - 1;
    let machine = machine.clone();
    Ok(Region::new(Arc::new(Bytes { base, len, capacity, region, host_visible, machine })))
}
