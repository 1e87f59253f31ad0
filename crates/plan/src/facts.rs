//! Plain numbers that a device and a store state at open. What is live in the edge table follows from them.

/// Where the buffers of a device lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// In the host's memory: nothing is copied up or down.
    Host,
    /// In memory of its own: staging and results are copied.
    Device,
}

/// What device and store state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Where buffers lie.
    pub memory: Memory,
    /// Bytes that offsets and lengths of writes must be multiples of; 0: none.
    pub alignment: u64,
    /// Whether a lane can wait for a number that the host publishes later.
    pub gate: bool,
}
