//! Memory of the GPU, pinned memory of the host, and memory of the caller's that the GPU reads where it lies.

use std::sync::Arc;

use device::{Backing, Error, Region};

use crate::driver::{Buried, Context, DeviceMemory, Pinned, Registered};

// SAFETY: `address` stands for `len` bytes until this is dropped; the host may not touch them, and says so.
unsafe impl Backing for DeviceMemory {
    fn base(&self) -> *mut u8 {
        // An address of the GPU's, to be handed to the driver and never followed here.
        std::ptr::without_provenance_mut(self.address as usize)
    }

    fn len(&self) -> usize {
        self.len
    }

    fn host_visible(&self) -> bool {
        false
    }
}

// SAFETY: `base` points to `len` bytes until this is dropped.
unsafe impl Backing for Buried<Pinned> {
    fn base(&self) -> *mut u8 {
        self.get().base
    }

    fn len(&self) -> usize {
        self.get().len
    }

    fn host_visible(&self) -> bool {
        true
    }
}

// SAFETY: the vector's bytes stay where they are until this is dropped.
unsafe impl Backing for Buried<Registered> {
    fn base(&self) -> *mut u8 {
        self.get().base
    }

    fn len(&self) -> usize {
        self.get().len
    }

    fn host_visible(&self) -> bool {
        true
    }
}

pub(crate) fn on_device(context: &Arc<Context>, bytes: usize) -> Result<Region, Error> {
    Ok(Region::new(Arc::new(DeviceMemory::new(context, bytes)?)))
}

pub(crate) fn on_host(context: &Arc<Context>, bytes: usize) -> Result<Region, Error> {
    Ok(Region::new(Arc::new(Buried::new(Pinned::new(context, bytes)?))))
}

/// Bytes from which on memory is registered where it lies. The driver registers whole pages, once: a small piece may share
/// its pages with another one, and is taken over by a copy instead.
const LEAST_REGISTERED: usize = 1 << 20;

pub(crate) fn adopt(context: &Arc<Context>, bytes: Vec<u8>) -> Result<Region, Error> {
    if bytes.len() < LEAST_REGISTERED {
        let pinned = Pinned::of(context, &bytes)?;
        return Ok(Region::new(Arc::new(Buried::new(pinned))));
    }
    match Registered::new(context, bytes) {
        Ok(registered) => Ok(Region::new(Arc::new(Buried::new(registered)))),
        // Its first or last page is another one's too.
        Err((_, bytes)) => Ok(Region::new(Arc::new(Buried::new(Pinned::of(context, &bytes)?)))),
    }
}
