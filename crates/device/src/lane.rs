//! Lanes and marks.

/// A queue that runs in order. Host lanes are the threads of the orchestration itself: waiting on one blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Lane {
    /// Host: whoever appends, holding the producer's lock.
    Producer,
    /// Host: delivers kicked batches, oldest first.
    Courier,
    /// Host: the store's own threads, in no order.
    Sink,
    /// Device: copies up.
    H2d,
    /// Device: scatters and reduces.
    Compute,
    /// Device: compresses and aggregates.
    Compress,
    /// Device: copies indexes (and chunks that are not compressed) down.
    D2h,
    /// Device: copies exact payloads down. Apart from [`Lane::D2h`], which by then may hold the wait of the next
    /// batch for an aggregate that is itself parked until this very copy is delivered.
    Drain,
}

impl Lane {
    /// The lanes of a device.
    pub const DEVICE: [Lane; 5] = [Lane::H2d, Lane::Compute, Lane::Compress, Lane::D2h, Lane::Drain];

    /// Whether this is a lane of the host.
    #[must_use]
    pub const fn is_host(self) -> bool {
        matches!(self, Lane::Producer | Lane::Courier | Lane::Sink)
    }

    /// Position among [`Lane::DEVICE`]; `None` for a host lane.
    #[must_use]
    pub const fn device_index(self) -> Option<usize> {
        if self.is_host() { None } else { Some(self as usize - Lane::H2d as usize) }
    }
}

/// A place where progress is recorded, generation by generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark(pub u32);
