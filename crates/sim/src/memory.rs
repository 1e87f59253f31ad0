//! Memory of the simulated device: plain bytes, of which every use is noted.

use std::ops::Range;
use std::panic::Location;
use std::ptr::NonNull;

use device::check::Touch;
use device::sync::Arc;
use device::{Backing, Error, Name, Region};

use crate::machine::{Machine, in_kernel};
use crate::written::Deed;

struct Bytes {
    base: NonNull<u8>,
    len: usize,
    /// Frees them.
    _owner: Vec<u8>,
    region: u64,
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
        self.len
    }

    fn host_visible(&self) -> bool {
        // To kernels all of it is.
        self.host_visible || in_kernel()
    }

    fn taken(&self, range: Range<usize>, write: bool, at: &'static Location<'static>) {
        self.machine.taken(&Touch { region: self.region, range, write }, at);
    }

    fn number(&self) -> Option<u64> {
        Some(self.region)
    }
}

/// Makes a region of bytes; `is_written`: they are the caller's, and hold something.
pub(crate) fn adopt(
    machine: &Arc<Machine>,
    mut owner: Vec<u8>,
    (host_visible, is_written): (bool, bool),
    name: Name,
) -> Result<Region, Error> {
    // What is registered stands where it is; memory of the device begins on a page.
    let (start, len) = if is_written { (0, owner.len()) } else { on_page(&mut owner) };
    let base = NonNull::new(owner[start..].as_mut_ptr()).unwrap_or(NonNull::dangling());
    let mut state = machine.lock();
    let region = state.shadows.add(name);
    if is_written {
        state.written.note(&Deed::Use(Touch { region, range: 0..len, write: true }));
    }
    drop(state);
    let machine = machine.clone();
    Ok(Region::new(Arc::new(Bytes { base, len, _owner: owner, region, host_visible, machine })))
}

/// Bytes of a page.
const PAGE: usize = 4096;

/// Makes bytes longer by a page, and says where in them a page begins, and their length before.
fn on_page(bytes: &mut Vec<u8>) -> (usize, usize) {
    let len = bytes.len();
    bytes.resize(len + PAGE, device::UNWRITTEN);
    (bytes.as_ptr().align_offset(PAGE), len)
}
