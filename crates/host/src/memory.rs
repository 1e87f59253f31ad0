//! Memory of the host device: zeroed pages of the host.
//!
//! Taken from the system by whole pages, large ones where it has them: a scatter jumps from chunk to chunk, and with pages
//! of 4 KiB it would spend its time finding them. All of them are touched at open, so that no run meets a page fault.

use std::ptr::NonNull;

use device::sync::Arc;
use device::{Backing, Error, Operation, Region};
use rustix::mm::{Advice, MapFlags, ProtFlags};

struct Pages {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the pages belong to this value; order between users is made by marks, not by the pointer.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

// SAFETY: `base` points to `len` bytes of a mapping of our own, taken back in `drop` only.
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
        // SAFETY: mapped in `allocate` with this length, unmapped once; nobody holds a view any more.
        let gone = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len.max(1)) };
        debug_assert!(gone.is_ok(), "{gone:?}");
    }
}

pub(crate) fn allocate(len: usize) -> Result<Region, Error> {
    let refuse = |e: &dyn std::fmt::Display| {
        let why = format!("no {len} bytes of host memory ({e}): make chunks or batches smaller");
        Error::new(Operation::Allocate, why)
    };
    let (size, access) = (len.max(1), ProtFlags::READ | ProtFlags::WRITE);
    // SAFETY: a new mapping at a place of the system's choice touches no other.
    let base = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), size, access, MapFlags::PRIVATE) };
    let base = base.map_err(|e| refuse(&e))?;
    // Advice may be refused by a system that has no such thing; the pages are good without it.
    for advice in [Advice::LinuxHugepage, Advice::LinuxPopulateWrite] {
        // SAFETY: the mapping is ours and nobody else knows it yet.
        let _ = unsafe { rustix::mm::madvise(base, size, advice) };
    }
    let base = NonNull::new(base.cast()).ok_or_else(|| refuse(&"the system gave no address"))?;
    Ok(Region::new(Arc::new(Pages { base, len })))
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
