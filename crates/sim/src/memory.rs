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
    /// Frees them.
    owner: Vec<u8>,
    region: usize,
    host_visible: bool,
    machine: Arc<Machine>,
}

// SAFETY: the bytes belong to this value; order between users is what the simulation checks.
unsafe impl Send for Bytes {}
// SAFETY: as above.
unsafe impl Sync for Bytes {}

// SAFETY: `base` points to the bytes of the owner, which stay where they are until it is dropped with this value.
unsafe impl Backing for Bytes {
    fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    fn len(&self) -> usize {
        self.owner.len()
    }

    fn host_visible(&self) -> bool {
        // To kernels all of it is.
        self.host_visible || in_kernel()
    }

    fn taken(&self, range: Range<usize>, write: bool, at: &'static Location<'static>) {
        self.machine.taken(&Touch { region: self.region, range, write }, at);
    }
}

/// Makes a buffer of bytes.
pub(crate) fn adopt(
    machine: &Arc<Machine>,
    regions: &Regions,
    mut owner: Vec<u8>,
    host_visible: bool,
) -> Result<Region, Error> {
    let base = NonNull::new(owner.as_mut_ptr()).unwrap_or(NonNull::dangling());
    let mut all = regions.lock();
    all.push((base.as_ptr().addr(), owner.len()));
    machine.lock().shadows.push(Shadow::default());
    let region = all.len() - 1;
    let machine = machine.clone();
    Ok(Region::new(Arc::new(Bytes { base, owner, region, host_visible, machine })))
}
