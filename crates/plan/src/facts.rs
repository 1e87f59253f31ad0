//! Plain numbers that a device and a store state at open. What is live in the edge table follows from them.

/// Where the buffers of a device lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// In the host's memory: nothing is copied up or down.
    Host,
    /// In memory of its own: staging and results are copied.
    Device,
}

/// When kicked batches are drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By the courier, beside the producer.
    Pipelined,
    /// By the producer, one batch behind: before it kicks the next.
    DrainBeforeKick,
    /// By the producer, at once.
    DrainAfterKick,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Mode; 3] = [Mode::Pipelined, Mode::DrainBeforeKick, Mode::DrainAfterKick];

    /// Selects the mode of an array from facts: those that device and store state, and whether there is memory for one
    /// slot only. A tail that is carried from batch to batch (aligned sinks) can be ordered beside the producer only by
    /// a gate.
    #[must_use]
    pub const fn select(facts: &Facts, one_slot: bool) -> Mode {
        match facts.alignment > 0 && !facts.gate {
            _ if one_slot => Mode::DrainAfterKick,
            true => Mode::DrainBeforeKick,
            false => Mode::Pipelined,
        }
    }

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Pipelined => "pipelined",
            Mode::DrainBeforeKick => "drain-before-kick",
            Mode::DrainAfterKick => "drain-after-kick",
        }
    }
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
    /// Bytes that the process holds besides the buffers of the plan: the program, its threads, codec contexts.
    pub process: u64,
    /// What the device's own memory is, where it has any.
    pub own: OwnMemory,
}

/// Memory of a device that is not the host's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnMemory {
    /// Bytes of it that may be taken; `None`: it is the host's memory after all, and counts there.
    pub bytes: Option<u64>,
    /// Bytes that the codec works in there, besides its buffers: so many for any batch,
    pub codec: u64,
    /// and so many for each chunk of a batch.
    pub codec_per_chunk: u64,
    /// up to so many in all, where there is such a bound.
    pub codec_most: Option<u64>,
}
