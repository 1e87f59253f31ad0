//! Memory of the host device: zeroed pages of the host, aligned for direct writes.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

use device::sync::Arc;
use device::{Backing, Error, Operation, Region};

/// A page: direct writes and vector loads start on it.
const ALIGNMENT: usize = 4096;

struct Pages {
    base: NonNull<u8>,
    len: usize,
    layout: Layout,
}

// SAFETY: the pages belong to this value; order between users is made by marks, not by the pointer.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

// SAFETY: `base` points to `len` bytes from `alloc_zeroed`, freed in `drop` only.
unsafe impl Backing for Pages {
    fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    fn len(&self) -> usize {
        self.len
    }

    fn host_visible(&self) -> bool {
        true
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: allocated in `allocate` with this layout, freed once.
        unsafe { dealloc(self.base.as_ptr(), self.layout) }
    }
}

pub(crate) fn allocate(len: usize) -> Result<Region, Error> {
    let refuse = |why: String| Error::new(Operation::Allocate, why);
    let layout = Layout::from_size_align(len.max(1), ALIGNMENT).map_err(|e| refuse(e.to_string()))?;
    // SAFETY: the layout has at least one byte.
    let base = NonNull::new(unsafe { alloc_zeroed(layout) });
    let base =
        base.ok_or_else(|| refuse(format!("no {len} bytes of host memory: make chunks or batches smaller")))?;
    Ok(Region::new(Arc::new(Pages { base, len, layout })))
}

/// Bytes that the caller gave.
struct Adopted {
    base: NonNull<u8>,
    len: usize,
    capacity: usize,
}

// SAFETY: the bytes belong to this value; order between users is made by marks, not by the pointer.
unsafe impl Send for Adopted {}
// SAFETY: as above.
unsafe impl Sync for Adopted {}

// SAFETY: `base` points to the `len` bytes of a vector that was taken apart, put together again in `drop` only.
unsafe impl Backing for Adopted {
    fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    fn len(&self) -> usize {
        self.len
    }

    fn host_visible(&self) -> bool {
        true
    }
}

impl Drop for Adopted {
    fn drop(&mut self) {
        // SAFETY: the parts of one vector, put together once.
        drop(unsafe { Vec::from_raw_parts(self.base.as_ptr(), self.len, self.capacity) });
    }
}

/// A region of the caller's own bytes.
pub(crate) fn adopt(bytes: Vec<u8>) -> Region {
    let mut bytes = std::mem::ManuallyDrop::new(bytes);
    let (len, capacity) = (bytes.len(), bytes.capacity());
    // A vector's pointer is never null, also when it is empty.
    let base = NonNull::new(bytes.as_mut_ptr()).unwrap_or(NonNull::dangling());
    Region::new(Arc::new(Adopted { base, len, capacity }))
}
