//! Memory of the host device: pages of the host.
//!
//! Taken from the system by whole pages, large ones where it has them: a scatter jumps from chunk to chunk, and with pages
//! of 4 KiB it would spend its time finding them. All of them are touched at open, so that no run meets a page fault.

use std::ffi::c_void;
use std::ptr::NonNull;

use device::sync::Arc;
use device::{Backing, Error, Name, Operation, Region};
use rustix::mm::{Advice, MapFlags, ProtFlags};

/// Bytes that stand still, and whoever frees them when they go.
struct Bytes<Owner> {
    base: NonNull<u8>,
    len: usize,
    _owner: Owner,
}

// SAFETY: the bytes belong to this value; order between users is made by marks, not by the pointer. The owner is dropped
// and not used otherwise, and both owners may be dropped anywhere.
unsafe impl<Owner> Send for Bytes<Owner> {}
// SAFETY: as above.
unsafe impl<Owner> Sync for Bytes<Owner> {}

// SAFETY: `base` points to `len` bytes that the owner keeps where they are until it is dropped with this value.
unsafe impl<Owner> Backing for Bytes<Owner> {
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

/// Pages of the system's.
struct Mapping {
    base: NonNull<c_void>,
    size: usize,
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `allocate` with this size, unmapped once; nobody holds a view any more.
        let gone = unsafe { rustix::mm::munmap(self.base.as_ptr(), self.size) };
        debug_assert!(gone.is_ok(), "{gone:?}");
    }
}

pub(crate) fn allocate(len: usize, name: Name) -> Result<Region, Error> {
    let refuse = |e: &dyn std::fmt::Display| {
        let why =
            format!("no {len} bytes of host memory for the {name} ({e}): make chunks or batches smaller");
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
    let base = NonNull::new(base).ok_or_else(|| refuse(&"the system gave no address"))?;
    Ok(Region::new(Arc::new(Bytes { base: base.cast(), len, _owner: Mapping { base, size } })))
}

/// A region of the caller's own bytes.
pub(crate) fn adopt(mut bytes: Vec<u8>) -> Region {
    // A vector's pointer is never null, also when it is empty, and its bytes stay where they are when it is moved.
    let base = NonNull::new(bytes.as_mut_ptr()).unwrap_or(NonNull::dangling());
    Region::new(Arc::new(Bytes { base, len: bytes.len(), _owner: bytes }))
}
