//! Errors of a run. The first is kept, and every later call returns it.

use device::sync::{Arc, Mutex};

/// Why a run failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The device failed.
    #[error(transparent)]
    Device(#[from] device::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Metadata could not be published.
    #[error("publishing the shape: {0}")]
    Publish(Arc<str>),
    /// More bytes than a bounded array holds. Nothing of the call was taken.
    #[error(
        "append: {given} bytes are given, the array has room for {room}; append no more, or leave the first \
         dimension unbounded (size 0)"
    )]
    PastEnd {
        /// Bytes of the call.
        given: u64,
        /// Bytes that the array can still take.
        room: u64,
    },
    /// A thread of the run panicked, in forebay or in a store of one's own.
    #[error("a thread of the run panicked; the message is on standard error")]
    Panicked,
    /// A buffer was given up while work was still owed on it.
    #[error("the {buffer} of generation {generation} was given up unreturned: {cause}")]
    Lost {
        /// The buffer.
        buffer: &'static str,
        /// Its generation.
        generation: u64,
        /// What had happened.
        cause: &'static str,
    },
}

/// The first error of a run.
#[derive(Default)]
pub(crate) struct Fault(Mutex<Option<Error>>);

impl Fault {
    /// Keeps `error` if it is the first; returns the first.
    pub(crate) fn keep(&self, error: Error) -> Error {
        let mut first = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        first.get_or_insert(error).clone()
    }

    /// The first error, if there is one.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let first = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        first.clone().map_or(Ok(()), Err)
    }
}
